"""Offer and answer (RFC 3264) for one audio stream of G.711 with RFC 4733 digits.

We take the first usable audio stream of an offer and decline every other one with port 0. The codec is the first
of PCMU and PCMA in the offer's own order; digits take the offer's payload type. Hold comes in three forms
(`sendonly`, `inactive`, and the address 0.0.0.0 of older peers), all of which stop our sending. RTCP multiplexing
is not claimed. Each function may raise `SdpError`, whose reason says what was not acceptable (488 in SIP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from tieline.sdp.description import (
    Description,
    Media,
    Origin,
    SdpError,
    SdpReason,
    parse,
    read_address,
    serialise,
)

PCMU: Final = 0
PCMA: Final = 8
_ENCODINGS: Final = {PCMU: "PCMU/8000", PCMA: "PCMA/8000"}
_EVENT: Final = "telephone-event/8000"
_PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF"})


class Direction(StrEnum):
    """The direction of a stream, as the side that writes it sees it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the writer sends."""
        return self in {Direction.SENDRECV, Direction.SENDONLY}

    @property
    def receives(self) -> bool:
        """Whether the writer wants to receive."""
        return self in {Direction.SENDRECV, Direction.RECVONLY}


_DIRECTIONS: Final = {direction.value: direction for direction in Direction}
_DIRECTION_OF: Final = {
    (True, True): Direction.SENDRECV,
    (True, False): Direction.SENDONLY,
    (False, True): Direction.RECVONLY,
    (False, False): Direction.INACTIVE,
}


def direction_of(*, sends: bool, receives: bool) -> Direction:
    """The direction of a side that sends and receives so."""
    return _DIRECTION_OF[sends, receives]


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our side: the advertised address (a literal), the leg's RTP port, and the `o=` session id.

    `codecs` are static payload types in our order of preference, used when we make the offer; in an answer the
    offer's order counts. `dtmf_payload_type` is used in our offers only.
    """

    address: str
    port: int
    session_id: int
    codecs: tuple[int, ...] = (PCMU, PCMA)
    dtmf_payload_type: int = 101
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """What both sides agreed on. `send` and `receive` are ours.

    `ptime_ms` is the packet time the peer asked for (20 when it did not say). `held` is true when the peer has
    put us on hold: we do not send, and silence from it means nothing.
    """

    remote: tuple[str, int]
    payload_type: int
    dtmf_payload_type: int | None
    send: bool
    receive: bool
    ptime_ms: int = 20

    @property
    def held(self) -> bool:
        """Whether the peer has stopped us from sending."""
        return not self.send


@dataclass(frozen=True, slots=True)
class Negotiated:
    """An answer to send and what it settles."""

    answer: bytes
    media: NegotiatedMedia


@dataclass(frozen=True, slots=True)
class _Stream:
    """The stream chosen from a description: its place among the `m=` lines and what it says."""

    index: int
    media: Media
    address: str
    direction: Direction
    payload_type: int
    dtmf_payload_type: int | None


def answer(offer: bytes, local: LocalMedia) -> Negotiated:
    """Answer the offer of a new call."""
    return _answer(offer, local, Direction.SENDRECV, None)


def answer_inactive(offer: bytes, local: LocalMedia) -> Negotiated:
    """Answer the offer of a call that is held without media: `a=inactive`, with a valid port."""
    return _answer(offer, local, Direction.INACTIVE, None)


def reanswer(
    offer: bytes, local: LocalMedia, previous: bytes | None, *, direction: Direction = Direction.SENDRECV
) -> Negotiated:
    """Answer a re-INVITE. `previous` is the description we sent last (offer or answer; None: nothing yet).

    The answer keeps its `o=` session id; the version rises by one only when something else changed.
    """
    return _answer(offer, local, direction, previous)


def offer(
    local: LocalMedia, previous: bytes | None = None, *, direction: Direction = Direction.SENDRECV
) -> bytes:
    """Make an offer: in an INVITE of ours, or in the 200 to an INVITE that came without one."""
    attributes = [("rtpmap", f"{codec} {_ENCODINGS[codec]}") for codec in local.codecs]
    attributes += _event_attributes(local.dtmf_payload_type)
    attributes += [("ptime", str(local.ptime_ms)), (direction.value, "")]
    formats = (*(str(codec) for codec in local.codecs), str(local.dtmf_payload_type))
    media = Media("audio", local.port, "RTP/AVP", formats, None, tuple(attributes))
    return _serialise_versioned(local, (media,), previous)


def accept_answer(offer: bytes, answer: bytes) -> NegotiatedMedia:
    """Read the peer's answer to `offer`, which `offer()` made."""
    ours = parse(offer)
    theirs = parse(answer)
    if not theirs.media or theirs.media[0].kind != "audio" or theirs.media[0].port == 0:
        raise SdpError(SdpReason.NO_AUDIO, "the answer declines our audio stream")
    offered = [int(name) for name in ours.media[0].formats]
    first = replace(theirs, media=theirs.media[:1])
    stream = _choose_stream(first, [pt for pt in offered if pt in _ENCODINGS])
    if stream.dtmf_payload_type not in offered:
        stream = replace(stream, dtmf_payload_type=None)
    our_direction = _direction(ours, ours.media[0])
    return _settle(stream, send=our_direction.sends, receive=our_direction.receives)


def _answer(body: bytes, local: LocalMedia, direction: Direction, previous: bytes | None) -> Negotiated:
    offered = parse(body)
    stream = _choose_stream(offered, local.codecs)
    if ip_address(stream.address).version != read_address(local.address).version:
        raise SdpError(
            SdpReason.ADDRESS_FAMILY, f"media at {stream.address} cannot be reached from {local.address}"
        )
    media = _settle(stream, send=direction.sends, receive=direction.receives)
    attributes = [("rtpmap", f"{stream.payload_type} {_ENCODINGS[stream.payload_type]}")]
    formats = [str(stream.payload_type)]
    if stream.dtmf_payload_type is not None:
        attributes += _event_attributes(stream.dtmf_payload_type)
        formats.append(str(stream.dtmf_payload_type))
    chosen_direction = _DIRECTION_OF[media.send, media.receive]
    attributes += [("ptime", str(local.ptime_ms)), (chosen_direction.value, "")]
    sections = [
        Media("audio", local.port, section.protocol, tuple(formats), None, tuple(attributes))
        if index == stream.index
        else Media(section.kind, 0, section.protocol, section.formats[:1])
        for index, section in enumerate(offered.media)
    ]
    return Negotiated(_serialise_versioned(local, sections, previous), media)


def _settle(stream: _Stream, *, send: bool, receive: bool) -> NegotiatedMedia:
    """Reverse the peer's direction and limit it to what we want; the null address stops our sending."""
    null = ip_address(stream.address).is_unspecified
    return NegotiatedMedia(
        remote=(stream.address, stream.media.port),
        payload_type=stream.payload_type,
        dtmf_payload_type=stream.dtmf_payload_type,
        send=send and stream.direction.receives and not null,
        receive=receive and stream.direction.sends,
        ptime_ms=_ptime(stream.media),
    )


def _choose_stream(description: Description, codecs: Iterable[int]) -> _Stream:
    """The first audio stream we can serve; otherwise the error that says how far the best candidate came."""
    wanted = frozenset(codecs)
    error = SdpError(SdpReason.NO_AUDIO, "no audio stream in the session description")
    for index, media in enumerate(description.media):
        if media.kind != "audio" or media.port == 0:
            continue
        if media.protocol.upper() not in _PROTOCOLS:
            error = SdpError(
                SdpReason.UNSUPPORTED_TRANSPORT, f"audio over {media.protocol}; we speak RTP/AVP"
            )
            continue
        maps = _payload_maps(media)
        payload_type = next(
            (pt for pt in map(_codec, media.formats) if pt in wanted and _is_static(pt, maps)), None
        )
        if payload_type is None:
            error = SdpError(SdpReason.NO_COMMON_CODEC, "neither PCMU nor PCMA is offered")
            continue
        address = media.address or description.address
        if address is None:
            error = SdpError(SdpReason.BAD_ADDRESS, "the audio stream has no c= line")
            continue
        events = next((int(name) for name in media.formats if maps.get(name) == _EVENT), None)
        return _Stream(index, media, address, _direction(description, media), payload_type, events)
    raise error


def _codec(name: str) -> int:
    return int(name) if name.isascii() and name.isdigit() and len(name) <= 3 else -1


def _is_static(payload_type: int, maps: dict[str, str]) -> bool:
    """Whether the peer's `rtpmap`, if any, leaves the static payload type its own meaning."""
    return maps.get(str(payload_type), _ENCODINGS[payload_type].lower()) == _ENCODINGS[payload_type].lower()


def _payload_maps(media: Media) -> dict[str, str]:
    """`rtpmap` by payload type: encoding and rate in lower case; a channel count of one is cut off."""
    maps: dict[str, str] = {}
    for value in media.values("rtpmap"):
        name, _, encoding = value.partition(" ")
        if 0 <= _codec(name) <= 127:
            maps[name] = encoding.strip().lower().removesuffix("/1")
    return maps


def _direction(description: Description, media: Media) -> Direction:
    for name, _ in (*reversed(media.attributes), *reversed(description.attributes)):
        if name in _DIRECTIONS:
            return _DIRECTIONS[name]
    return Direction.SENDRECV


def _ptime(media: Media) -> int:
    for value in media.values("ptime"):
        if value.isascii() and value.isdigit() and len(value) <= 3 and 10 <= int(value) <= 200:
            return int(value)
    return 20


def _event_attributes(payload_type: int) -> list[tuple[str, str]]:
    return [("rtpmap", f"{payload_type} {_EVENT}"), ("fmtp", f"{payload_type} 0-15")]


def _serialise_versioned(local: LocalMedia, media: Iterable[Media], previous: bytes | None) -> bytes:
    version = 1
    sections = tuple(media)
    if previous is not None:
        version = parse(previous).origin.version
        unchanged = _serialise(local, sections, version)
        if unchanged == previous:
            return unchanged
        version += 1
    return _serialise(local, sections, version)


def _serialise(local: LocalMedia, media: tuple[Media, ...], version: int) -> bytes:
    origin = Origin(local.session_id, version, local.address, "tieline")
    return serialise(Description(origin, local.address, (), media))
