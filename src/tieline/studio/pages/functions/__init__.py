"""Functions view: what a project's folder holds, to be read."""
