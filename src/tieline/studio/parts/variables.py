"""A text field that completes `$variables` as they are typed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nicegui import ui


def variable_field(label: str, variables: Mapping[str, str], *, value: str = "", hint: str = "") -> ui.input:
    """A text field; after `$`, the names of `variables` are offered with their meanings (arrows, Enter, Escape)."""
    field = ui.input(label, value=value).props("outlined dense autocomplete=off")
    field.props["data-variables"] = json.dumps(list(variables.items()))
    field.props.update({"input-class": "tl-mono"})
    if hint:
        field.props["hint"] = hint
    return field
