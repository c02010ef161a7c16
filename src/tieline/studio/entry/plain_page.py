"""The pages before anybody is signed in: plain HTML without a script, in light and dark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; --page: light-dark(#f6f7f9, #0f1218); --card: light-dark(#ffffff, #161a22);
  --text: light-dark(#1a1f2b, #e6e9ef); --quiet: light-dark(#5b6474, #9aa4b5); --line: light-dark(#c9ced8, #3b4354);
  --accent: light-dark(#2557d6, #86a9ff); --on-accent: light-dark(#ffffff, #0f1218);
  --bad: light-dark(#b3261e, #ff8f86); --bad-page: light-dark(#fce8e6, #401a18);
  --good: light-dark(#147a46, #62d193); --good-page: light-dark(#e0f4e9, #12301f); }
:root.light { color-scheme: light; } :root.dark { color-scheme: dark; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { width: 100%; max-width: 400px; }
.brand { display: flex; align-items: center; gap: 10px; margin: 0 0 20px; font-weight: 600; letter-spacing: .01em; }
.brand svg { width: 26px; height: 26px; color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 28px; }
h1 { margin: 0 0 6px; font-size: 20px; line-height: 1.3; font-weight: 600; }
p { margin: 0 0 18px; color: var(--quiet); }
form { display: grid; gap: 16px; }
label { display: grid; gap: 6px; font-weight: 500; font-size: 14px; }
input { width: 100%; font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line);
  border-radius: 6px; padding: 9px 11px; }
input[readonly] { color: var(--quiet); }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
input[aria-invalid=true] { border-color: var(--bad); }
.fault, .note { font-size: 13px; font-weight: 400; }
.fault { color: var(--bad); } .note { color: var(--quiet); }
.banner { margin: 0 0 18px; padding: 10px 12px; border-radius: 6px; color: var(--good); background: var(--good-page); }
.banner.bad { background: var(--bad-page); color: var(--bad); }
button { font: inherit; font-weight: 600; padding: 10px 14px; border: 0; border-radius: 6px; cursor: pointer;
  color: var(--on-accent); background: var(--accent); }
button:hover { filter: brightness(1.07); }
a { color: var(--accent); }
"""
"""The whole look. The policy of these pages allows this text and nothing else."""

THEMES = frozenset({"light", "dark"})

MARK = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
    'aria-hidden="true"><circle cx="5" cy="12" r="3"/><circle cx="19" cy="12" r="3"/>'
    '<path d="M8 12h8M5 5v1M19 18v1"/></svg>'
)

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a form; `fault` says what is wrong with what was given, `note` what is wanted."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    complete: str = "off"
    fault: str = ""
    note: str = ""
    fixed: bool = False
    focus: bool = False


def plain_page(
    title: str,
    text: str,
    *,
    action: str = "",
    fields: Iterable[Field] = (),
    hidden: Iterable[tuple[str, str]] = (),
    button: str = "",
    banner: str = "",
    is_bad: bool = True,
    status: int = 200,
    link: tuple[str, str] | None = None,
    theme: str = "",
) -> HTMLResponse:
    """A page with at most one form. Everything given is text, whatever it holds. `theme` is `light` or `dark`."""
    rows = [_banner(banner, is_bad=is_bad)] if banner else []
    if button:
        inputs = [
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden
        ]
        inputs += [_input(one) for one in fields]
        inputs.append(f'<button type="submit">{escape(button)}</button>')
        rows.append(f'<form method="post" action="{escape(action)}">{"".join(inputs)}</form>')
    if link is not None:
        rows.append(f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>')
    body = (
        f'<!doctype html><html lang="en" class="{theme if theme in THEMES else ""}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)} · Tieline</title><style>{STYLE}</style></head><body>'
        f'<main><div class="brand">{MARK}<span>Tieline</span></div><div class="card"><h1>{escape(title)}</h1>'
        f"<p>{escape(text)}</p>{''.join(rows)}</div></main></body></html>"
    )
    return HTMLResponse(body, status, headers=HEADERS)


def _banner(text: str, *, is_bad: bool) -> str:
    classes, role = ("banner bad", "alert") if is_bad else ("banner", "status")
    return f'<div class="{classes}" role="{role}">{escape(text)}</div>'


def _input(field: Field) -> str:
    marks = [
        f'id="{escape(field.name)}" name="{escape(field.name)}" type="{escape(field.kind)}"',
        f'value="{escape(field.value)}" autocomplete="{escape(field.complete)}"',
    ]
    below = ""
    if field.fault or field.note:
        marks.append(f'aria-describedby="{escape(field.name)}-note"')
        kind, text = ("fault", field.fault) if field.fault else ("note", field.note)
        below = f'<span class="{kind}" id="{escape(field.name)}-note">{escape(text)}</span>'
    if field.fault:
        marks.append('aria-invalid="true"')
    marks.append("readonly" if field.fixed else "required")
    if field.focus:
        marks.append("autofocus")
    return f"<label>{escape(field.label)}<input {' '.join(marks)}>{below}</label>"
