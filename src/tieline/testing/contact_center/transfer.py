"""What a REFER asks for, as the script of a contact centre reads it: the target, and headers inside Refer-To."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from tieline.sip.errors import MessageMalformed
from tieline.sip.grammar import parse_address
from tieline.sip.message import Request


@dataclass(frozen=True, slots=True)
class Transfer:
    """`target` is the URI without its headers; `headers` are those inside it, in their spelling."""

    target: str
    headers: dict[str, str]

    @property
    def user_to_user(self) -> str | None:
        """The text of User-to-User, decoded from hex where it is that; None without one."""
        value = next((text for name, text in self.headers.items() if name.lower() == "user-to-user"), None)
        return None if value is None else decode_uui(value)


def read_transfer(request: Request) -> Transfer:
    """Read Refer-To; an unreadable one is the target as it is."""
    value = request.headers.get("Refer-To") or ""
    try:
        text = parse_address(value).uri_text
    except MessageMalformed:
        return Transfer(value, {})
    target, _, query = text.partition("?")
    pairs = [part.partition("=") for part in query.split("&") if part]
    return Transfer(target, {unquote(name): unquote(found) for name, _, found in pairs})


def decode_uui(value: str) -> str:
    """The data of a User-to-User value (RFC 7433); one octet of protocol discriminator in front is taken away."""
    data, *parameters = value.split(";")
    if not any(each.strip().lower() == "encoding=hex" for each in parameters):
        return data
    try:
        octets = bytes.fromhex(data)
    except ValueError:
        return data
    return octets.removeprefix(b"\x00").removeprefix(b"\x04").decode("utf-8", "replace")
