"""The TwiML that we answer with, by the SDK's own classes, which see to its escaping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tieline.integrations.twilio import sdk
from tieline.model.record import Record

MAX_HEADERS_LENGTH = 1024
"""Characters of all headers in a `<Sip>` URI together (Twilio's limit)."""

MAX_PARAMETER_LENGTH = 500
"""Characters of one `<Parameter>`, name and value together (Twilio's limit)."""

MAX_SPOKEN_LENGTH = 4096
"""Characters of one `<Say>` (Twilio's limit)."""

RING_EVENTS = "initiated ringing answered completed"

_LANGUAGE = re.compile(r"([a-z]{2,3})-([a-z]{2})", re.IGNORECASE)


class DialOut(Record):
    """Whom Twilio is to call for a caller. `target` is a number in E.164, or a SIP URI without headers.

    `headers` go with a SIP URI alone. `progress_url` is told of ringing and answer, `action_url` asked what next.
    `screen_url` is asked, once somebody has picked up, for TwiML of theirs: they are joined with the caller at its end.
    """

    target: str
    headers: tuple[tuple[str, str], ...] = ()
    caller_id: str | None = None
    timeout_s: int = 30
    action_url: str
    progress_url: str
    screen_url: str | None = None


def is_sip(target: str) -> bool:
    """Whether a dial target is a SIP URI."""
    return target.lower().startswith(("sip:", "sips:"))


def with_headers(uri: str, headers: Mapping[str, str] | tuple[tuple[str, str], ...]) -> str:
    """A SIP URI with headers in it, escaped (RFC 3261 section 25.1)."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    text = "&".join(f"{quote(name, safe='-_.!~*')}={quote(value, safe='-_.!~*')}" for name, value in pairs)
    return f"{uri}{'&' if '?' in uri else '?'}{text}" if text else uri


def stream(url: str, parameters: Mapping[str, str], action_url: str, status_url: str | None = None) -> str:
    """`<Connect><Stream>`: the call's audio, both ways, by our WebSocket."""
    answer = sdk.VoiceResponse()
    connect = sdk.Connect(action=action_url, method="POST")
    told = {} if status_url is None else {"status_callback": status_url, "status_callback_method": "POST"}
    media = connect.stream(url=url, **told)
    for name, value in parameters.items():
        media.parameter(name=name, value=value[: MAX_PARAMETER_LENGTH - len(name)])
    answer.append(connect)
    return str(answer)


def dial_us(
    uri: str,
    headers: Mapping[str, str],
    *,
    action_url: str,
    username: str | None = None,
    password: str | None = None,
) -> str:
    """`<Dial><Sip>` to our own SIP address, answered only once we answer."""
    answer = sdk.VoiceResponse()
    dial = sdk.Dial(answer_on_bridge=True, action=action_url, method="POST", timeout=30)
    known = {"username": username, "password": password} if username and password else {}
    dial.sip(with_headers(uri, headers), **known)
    answer.append(dial)
    return str(answer)


def dial_out(wanted: DialOut) -> str:
    """`<Dial>` to a human: the caller hears the ringing, and we are asked afterwards."""
    answer = sdk.VoiceResponse()
    shown = {} if wanted.caller_id is None else {"caller_id": wanted.caller_id}
    # Without a caller id of its own, Twilio shows the caller's, as a transfer does.
    dial = sdk.Dial(
        action=wanted.action_url, method="POST", timeout=max(5, min(600, wanted.timeout_s)),
        answer_on_bridge=True, **shown,
    )  # fmt: skip
    told = {
        "status_callback": wanted.progress_url,
        "status_callback_method": "POST",
        "status_callback_event": RING_EVENTS,
    }
    if wanted.screen_url is not None:
        told |= {"url": wanted.screen_url, "method": "POST"}
    if is_sip(wanted.target):
        dial.sip(with_headers(wanted.target, wanted.headers), **told)
    else:
        dial.number(wanted.target, **told)
    answer.append(dial)
    return str(answer)


def whisper(text: str, language: str | None, then_url: str) -> str:
    """Something that only whoever was dialled hears; afterwards `then_url` is asked."""
    answer = sdk.VoiceResponse()
    _say(answer, text, language)
    answer.redirect(then_url, method="POST")
    return str(answer)


def ask_for_key(text: str | None, language: str | None, wait_s: int, action_url: str) -> str:
    """Whoever was dialled hears the text and presses a key, during it or at most `wait_s` after it.

    `action_url` is told the key, or that there was none.
    """
    answer = sdk.VoiceResponse()
    # Without an empty `finishOnKey` the key # would never be told.
    gather = sdk.Gather(
        input="dtmf", num_digits=1, timeout=wait_s, finish_on_key="", action=action_url, method="POST",
        action_on_empty_result=True,
    )  # fmt: skip
    if text:
        _say(gather, text, language)
    answer.append(gather)
    answer.hangup()
    return str(answer)


def _say(verb: Any, text: str, language: str | None) -> None:
    """In the language where Twilio could know it, else in the account's own."""
    known = _LANGUAGE.fullmatch(language or "")
    spoken = {"language": f"{known[1].lower()}-{known[2].upper()}"} if known else {}
    verb.say(text[:MAX_SPOKEN_LENGTH], **spoken)


def refer(target: str, headers: tuple[tuple[str, str], ...], action_url: str) -> str:
    """`<Refer>`: the SIP peer that called Twilio is asked to call `target` itself."""
    answer = sdk.VoiceResponse()
    wanted = sdk.Refer(action=action_url, method="POST")
    wanted.sip(with_headers(target, headers))
    answer.append(wanted)
    return str(answer)


def sorry(sentence: str, language: str = "en-US") -> str:
    """A sentence, then the end of the call."""
    answer = sdk.VoiceResponse()
    answer.say(sentence, language=language)
    answer.hangup()
    return str(answer)


def forward(number: str, caller_id: str | None = None) -> str:
    """The caller goes to a fixed number, and nobody asks us any more."""
    answer = sdk.VoiceResponse()
    dial = sdk.Dial(**({} if caller_id is None else {"caller_id": caller_id}))
    if is_sip(number):
        dial.sip(number)
    else:
        dial.number(number)
    answer.append(dial)
    return str(answer)


def hang_up() -> str:
    """The end of the call."""
    answer = sdk.VoiceResponse()
    answer.hangup()
    return str(answer)


def busy() -> str:
    """A call that is refused before it is answered; it costs the caller nothing."""
    answer = sdk.VoiceResponse()
    answer.reject(reason="busy")
    return str(answer)


def nothing() -> str:
    """An answer that asks for nothing."""
    return str(sdk.VoiceResponse())
