"""Where the studio is."""

from __future__ import annotations

PREFIX = "/studio"
"""Where the studio is on the HTTP server. NiceGUI adds it to links and to `ui.navigate.to`."""
