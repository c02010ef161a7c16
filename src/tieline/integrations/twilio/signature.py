"""Whether a webhook comes from Twilio: `X-Twilio-Signature`, checked by the SDK's validator over the public URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from tieline.errors import InvalidInput, TielineError
from tieline.integrations.twilio import sdk
from tieline.model.twilio import TwilioConnection

SIGNATURE_HEADER = "x-twilio-signature"

MAX_FIELDS = 200
"""Fields of one form; Twilio sends some thirty."""

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")


class NotFromTwilio(TielineError):
    """A webhook that Twilio has not signed, or not for an account that is connected. Says no more to who sent it."""

    code = "not_from_twilio"

    def __init__(self, detail: str) -> None:
        super().__init__("this request is not signed by a connected Twilio account")
        self.detail = detail


class Form(Mapping[str, str]):
    """The fields of a form; of a repeated one the last. `getall` gives all of them, as the SDK's validator asks."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._fields[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def getall(self, name: str) -> list[str]:
        """Every value of a field."""
        return list(self._fields.get(name, ()))


def read_form(body: bytes) -> Form:
    """The fields of an `application/x-www-form-urlencoded` body. Raises `InvalidInput`."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except (UnicodeError, ValueError):
        raise InvalidInput("the body is no form in UTF-8, or one of too many fields") from None
    return Form(pairs)


def public_request_url(public_url: str | None, requested: str) -> str:
    """The URL as Twilio has asked for it: path and query of the request, below the public URL where there is one.

    A path of the public URL itself is one that the proxy takes away.
    """
    if not public_url:
        return requested
    base, parts = urlsplit(public_url.rstrip("/")), urlsplit(requested)
    return urlunsplit((base.scheme, base.netloc, base.path + parts.path, parts.query, ""))


def check_signature(
    connections: Iterable[TwilioConnection],
    url: str,
    form: Form,
    signature: str | None,
    *,
    body: str | None = None,
) -> TwilioConnection:
    """The connection whose Auth Token has signed the request. Raises `NotFromTwilio`.

    `url` is the public one. `body` is that of a request that is no form: its hash stands in the URL (`bodySHA256`), and
    the account in its query. The account is looked at before the signature only to find the token.
    """
    if not signature:
        raise NotFromTwilio("no X-Twilio-Signature")
    query = dict(parse_qsl(urlsplit(url).query))
    account = form.get("AccountSid") or query.get("AccountSid") or ""
    if _ACCOUNT_SID.fullmatch(account) is None:
        raise NotFromTwilio("no AccountSid")
    if body is not None and "bodySHA256" not in query:
        raise NotFromTwilio("a body that is no form and that the signature says nothing of")
    known = [one for one in connections if one.account_sid.casefold() == account.casefold()]
    if not known:
        raise NotFromTwilio(f"the account {account} is not connected")
    for connection in known:
        if not connection.auth_token:
            continue
        try:
            signed = sdk.RequestValidator(connection.auth_token).validate(
                url, form if body is None else body, signature
            )
        except ValueError:  # a URL whose port is none
            signed = False
        if signed:
            return connection
    if all(not one.auth_token for one in known):
        raise NotFromTwilio(f"connection {known[0].name} has no Auth Token, which webhooks are signed with")
    raise NotFromTwilio("the signature is wrong, or of another URL than our public one")
