"""Text to read closely or to copy: commands, source, secrets. All of it is shown as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType

from tieline.studio.parts.states import Tone, note


def code_block(text: str, *, wrap: bool = False, label: str = "") -> ui.label:
    """A block in the fixed-width font with a button that copies it; gives the label, whose text may be changed."""
    box = ui.element("div").classes(f"tl-code{' tl-code-wrap' if wrap else ''}").props("data-copy")
    with box:
        shown = ui.label(text).classes("tl-code-text").props("data-copied tabindex=0")
        if label:
            shown.props["aria-label"] = label
        copy_button()
    return shown


def copy_button() -> ui.button:
    """Copies the element marked `data-copied` within the nearest element marked `data-copy`."""
    button = ui.button(icon="content_copy").props('flat round dense size=sm aria-label="Copy"')
    button.on("click", js_handler="(e) => tieline.copyText(e.currentTarget)")
    return button


def secret_once(name: str, secret: str, text: str = "") -> None:
    """A secret that was just made: shown now, kept nowhere."""
    with note(
        f"Copy the {name} now", text or "It is shown only this once; what is stored is its hash.", Tone.WARN
    ):
        code_block(secret, wrap=True, label=name)


_KINDS: tuple[tuple[_TokenType, str], ...] = (
    (Token.Comment, "c"),
    (Token.Literal.String.Doc, "c"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "n"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Decorator, "f"),
    (Token.Name.Tag, "f"),
)


def tokens_of(text: str, language: str) -> list[tuple[str, str]]:
    """Source as runs of one kind: `k` keyword, `s` string, `n` number, `f` name being defined, `c` comment, or none."""
    found: list[tuple[str, str]] = []
    for token, part in get_lexer_by_name(language, stripnl=False, ensurenl=False).get_tokens(text):
        kind = next((letter for there, letter in _KINDS if token in there), "")
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + part)
        else:
            found.append((kind, part))
    return found


def source(text: str, language: str = "python", *, first: int = 1, hits: Iterable[int] = ()) -> ui.element:
    """Source with line numbers from `first` and colours; the lines `hits` are marked."""
    box = ui.element("tl-source").props('aria-label="Source"')
    box.props.update(tokens=tokens_of(text, language), first=first, hits=list(hits))
    return box
