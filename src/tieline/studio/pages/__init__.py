"""The pages of the studio, one a file (or a folder); `register` brings each to its path."""

from __future__ import annotations

import importlib
import pkgutil


def register() -> None:
    """Import every page; `tieline.studio.frame.page` notes it as it is defined."""
    for found in pkgutil.walk_packages(__path__, f"{__name__}."):
        importlib.import_module(found.name)
