"""The fields of the form of a trunk, in groups; what each means comes from the table of resource files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from tieline.model.trunk import (
    AssertIdentity,
    CallerSource,
    Encryption,
    FirstBye,
    NumberSource,
    Support,
    Transport,
)
from tieline.resources.trunk_fields import TRUNK_FIELDS
from tieline.studio.parts.forms import Form

DEFAULT = ""
"""Stands for what holds when nothing is chosen."""

ALGORITHMS = {"SHA-256\nMD5": "SHA-256, then MD5", "SHA-256": "SHA-256 alone", "MD5": "MD5 alone"}
SECRETS = {"password": "username", "auth_password": "auth_username"}
"""The secrets, and the name that each goes with."""

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_HINTS = {field.name: _LINK.sub(r"\1", field.description).replace("`", "") for field in TRUNK_FIELDS}


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: its name in a resource file, its label, what it is (`text`, `number`, `switch`, ...), its choices."""

    name: str
    label: str
    kind: str = "text"
    options: Sequence[str] = ()


GROUPS: dict[str, tuple[Entry, ...]] = {
    "How we reach it": (
        Entry("target", "Target", "mono"),
        Entry("transport", "Transport", "choice", list(Transport)),
        Entry("tls_name", "Name in its certificate", "mono"),
        Entry("username", "Our user name", "mono"),
        Entry("password", "Our password", "secret"),
        Entry("register", "Register with it", "switch"),
        Entry("register_expires_s", "Registration lasts", "number"),
        Entry("options_interval_s", "Ask whether it is up, every", "number"),
        Entry("assert_identity", "Tell it the caller", "choice", list(AssertIdentity)),
    ),
    "What its calls have to prove": (
        Entry("require_token", "Refuse calls without a token", "switch"),
        Entry("token_header", "Token header", "mono"),
        Entry("auth_username", "Its user name", "mono"),
        Entry("auth_password", "Its password", "secret"),
        Entry("auth_algorithms", "Digest", "algorithms"),
    ),
    "What is read of its calls": (
        Entry("number_from", "Dialled number from", "choice", list(NumberSource)),
        Entry("number_header", "Header of the dialled number", "mono"),
        Entry("caller_from", "Caller from", "choice", list(CallerSource)),
        Entry("default_region", "Country of national numbers", "mono"),
        Entry("shared_id_header", "Header of the shared id", "mono"),
        Entry("attach_forwarded", "Forwarded calls get a reservation's attributes", "switch"),
    ),
    "Our address as it sees it": (
        Entry("advertised_host", "Address", "mono"),
        Entry("advertised_port", "SIP port", "number"),
    ),
    "Other than the profile": (
        Entry("encryption", "SRTP", "choice", list(Encryption)),
        Entry("session_timer", "Session timer", "choice", list(Support)),
        Entry("session_expires_s", "Session interval", "number"),
        Entry("reliable_provisional", "100rel", "choice", list(Support)),
        Entry("refer_domain", "Host in Refer-To", "mono"),
        Entry("first_bye", "First BYE after a REFER", "choice", list(FirstBye)),
        Entry("bye_wait_s", "Its BYE is waited for", "number"),
        Entry("notify_timeout_s", "NOTIFYs are waited for", "number"),
        Entry("alive_s", "Counts as alive after", "number"),
        Entry("max_headers", "Most custom headers", "number"),
    ),
}
"""What few trunks need, each group folded away."""

COUNTS = frozenset({"max_calls", "register_expires_s", "advertised_port", "session_expires_s", "max_headers"})
"""Numbers that are whole."""

SECONDS = re.compile(r"_s$")


def add_groups(form: Form, there: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, ui.expansion]:
    """Add every group, folded unless something in it is set; gives the group of each field."""
    groups = {}
    for title, entries in GROUPS.items():
        is_set = any(entry.name in there or entry.name in secrets for entry in entries)
        group = ui.expansion(title, value=is_set).props("dense").classes("w-full tl-group")
        with group, ui.element("div").classes("tl-form-pair"):
            for entry in entries:
                add_entry(form, entry, there, secrets)
                groups[entry.name] = group
    return groups


def add_entry(
    form: Form, entry: Entry, there: Mapping[str, Any], secrets: frozenset[str] = frozenset()
) -> Any:
    """Add one field with what is there."""
    return _MAKERS[entry.kind](form, entry, there.get(entry.name), entry.name in secrets)


def read_fields(form: Form, there: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """The changes that the form makes: None for what shall have its default; secrets only where they change."""
    found = {name: None if value == DEFAULT else value for name, value in form.values().items()}
    for secret, user in SECRETS.items():
        if found.get(secret) is None:
            found.pop(secret, None)
            if secret in secrets and found.get(user) is None:
                found[secret] = None
    return {
        name: value for name, value in found.items() if value is not None or name in there or name in secrets
    }


def _text(form: Form, entry: Entry, value: Any, _there: bool, *, mono: bool = False) -> Any:
    return form.text(entry.name, entry.label, value=value, hint=_HINTS[entry.name], mono=mono)


def _mono(form: Form, entry: Entry, value: Any, there: bool) -> Any:
    return _text(form, entry, value, there, mono=True)


def _number(form: Form, entry: Entry, value: Any, _there: bool) -> Any:
    whole = entry.name in COUNTS
    suffix = "s" if SECONDS.search(entry.name) else ""
    return form.number(
        entry.name, entry.label, value=value, hint=_HINTS[entry.name], whole=whole, suffix=suffix
    )


def _switch(form: Form, entry: Entry, value: Any, _there: bool) -> Any:
    with ui.element("div"):
        return form.switch(entry.name, entry.label, value=bool(value), hint=_HINTS[entry.name])


def _choice(form: Form, entry: Entry, value: Any, _there: bool) -> Any:
    options = {DEFAULT: "as usual", **{str(one): str(one) for one in entry.options}}
    chosen = str(value) if value is not None else DEFAULT
    return form.choice(entry.name, entry.label, options, value=chosen, hint=_HINTS[entry.name])


def _secret(form: Form, entry: Entry, _value: Any, there: bool) -> Any:
    return form.secret(entry.name, entry.label, there=there, hint="" if there else _HINTS[entry.name])


def _algorithms(form: Form, entry: Entry, value: Any, _there: bool) -> Any:
    chosen = "\n".join(str(one) for one in value or ("SHA-256", "MD5"))
    field = form.choice(entry.name, entry.label, ALGORITHMS, value=chosen if chosen in ALGORITHMS else None)

    def read(text: str | None) -> list[str] | None:
        found = (text or "").splitlines()
        return None if found == ["SHA-256", "MD5"] else found or None

    form.add(entry.name, field, read)
    return field


_MAKERS: dict[str, Callable[[Form, Entry, Any, bool], Any]] = {
    "text": _text,
    "mono": _mono,
    "number": _number,
    "switch": _switch,
    "choice": _choice,
    "secret": _secret,
    "algorithms": _algorithms,
}
