"""Tieline joins company phone systems to voice agents.

A client reserves a number with attributes, dials it, the agent talks, the caller is handed back, and the client
reads the outcome. The server is composed in `tieline.server`; the command line is `tieline.cli`.
"""

__version__ = "0.1.0.dev0"
