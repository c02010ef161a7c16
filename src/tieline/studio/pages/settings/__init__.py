"""Settings: the installation's settings, its state, and its resources as a file."""
