"""What Tieline costs and what it can carry: scripts that measure, each beside a reference."""
