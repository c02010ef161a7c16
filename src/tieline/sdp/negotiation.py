"""Offer and answer (RFC 3264) for one audio stream of G.711 with RFC 4733 digits.

We take the first usable audio stream of an offer and decline every other one with port 0. The codec is the first
of PCMU and PCMA in the offer's own order; digits take the offer's payload type. Hold comes in three forms
(`sendonly`, `inactive`, and the address 0.0.0.0 of older peers), all of which stop our sending. RTCP multiplexing
is not claimed. SRTP is agreed with SDES keys: RTP/SAVP insists on it, RTP/AVP with `a=crypto` asks for it where the
other side can (RFC 8643). Each function may raise `SdpError`, whose reason says what was not acceptable (488 in SIP).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from tieline.sdp.crypto import (
    SUITES,
    CryptoLine,
    Encryption,
    SrtpAgreement,
    read_lines,
    write_line,
    write_lines,
)
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
_PLAIN: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
_SECURE: Final = frozenset({"RTP/SAVP", "RTP/SAVPF"})


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
    offer's order counts. `dtmf_payload_type` is used in our offers only. Unless `encryption` is refused, `keys` has a
    key of `KEY_BYTES` for each of `SUITES`; the same ones again keep what was agreed.
    """

    address: str
    port: int
    session_id: int
    codecs: tuple[int, ...] = (PCMU, PCMA)
    dtmf_payload_type: int = 101
    ptime_ms: int = 20
    encryption: Encryption = Encryption.REFUSED
    keys: tuple[bytes, ...] = field(default=(), repr=False)


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
    srtp: SrtpAgreement | None = None

    @property
    def held(self) -> bool:
        """Whether the peer has stopped us from sending."""
        return not self.send


@dataclass(frozen=True, slots=True)
class Negotiated:
    """An answer to send and what it settles."""

    answer: bytes = field(repr=False)
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
    crypto: CryptoLine | None


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
    if local.encryption is not Encryption.REFUSED:
        attributes += write_lines(local.keys)
    protocol = "RTP/SAVP" if local.encryption is Encryption.REQUIRED else "RTP/AVP"
    formats = (*(str(codec) for codec in local.codecs), str(local.dtmf_payload_type))
    media = Media("audio", local.port, protocol, formats, None, tuple(attributes))
    return _serialise_versioned(local, (media,), previous)


def accept_answer(offer: bytes, answer: bytes) -> NegotiatedMedia:
    """Read the peer's answer to `offer`, which `offer()` made; our keys and whether we insist on them are in that."""
    ours = parse(offer)
    theirs = parse(answer)
    if not theirs.media or theirs.media[0].kind != "audio" or theirs.media[0].port == 0:
        raise SdpError(SdpReason.NO_AUDIO, "the answer declines our audio stream")
    section = ours.media[0]
    offered = [int(name) for name in section.formats]
    stream = _choose_stream(
        replace(theirs, media=theirs.media[:1]),
        [pt for pt in offered if pt in _ENCODINGS],
        _insistence(section),
    )
    if stream.dtmf_payload_type not in offered:
        stream = replace(stream, dtmf_payload_type=None)
    our_direction = _direction(ours, section)
    srtp = None if stream.crypto is None else _match_crypto(section, stream.crypto)
    return _settle(stream, srtp, send=our_direction.sends, receive=our_direction.receives)


def _insistence(section: Media) -> Encryption:
    """What an offer of ours makes of SRTP."""
    if section.protocol in _SECURE:
        return Encryption.REQUIRED
    return Encryption.OFFERED if section.values("crypto") else Encryption.REFUSED


def _match_crypto(section: Media, answered: CryptoLine) -> SrtpAgreement:
    """The keys of the line of ours that the answer has chosen, by its tag."""
    for line in read_lines(section.values("crypto")):
        if (line.tag, line.suite) == (answered.tag, answered.suite):
            return answered.agree(line.key)
    raise SdpError(SdpReason.NO_COMMON_ENCRYPTION, "the answer's a=crypto line is none of those we offered")


def _answer(body: bytes, local: LocalMedia, direction: Direction, previous: bytes | None) -> Negotiated:
    offered = parse(body)
    stream = _choose_stream(offered, local.codecs, local.encryption)
    if ip_address(stream.address).version != read_address(local.address).version:
        raise SdpError(
            SdpReason.ADDRESS_FAMILY, f"media at {stream.address} cannot be reached from {local.address}"
        )
    srtp = (
        None if stream.crypto is None else stream.crypto.agree(local.keys[SUITES.index(stream.crypto.suite)])
    )
    media = _settle(stream, srtp, send=direction.sends, receive=direction.receives)
    attributes = [("rtpmap", f"{stream.payload_type} {_ENCODINGS[stream.payload_type]}")]
    formats = [str(stream.payload_type)]
    if stream.dtmf_payload_type is not None:
        attributes += _event_attributes(stream.dtmf_payload_type)
        formats.append(str(stream.dtmf_payload_type))
    chosen_direction = _DIRECTION_OF[media.send, media.receive]
    attributes += [("ptime", str(local.ptime_ms)), (chosen_direction.value, "")]
    if stream.crypto is not None and srtp is not None:
        attributes.append(write_line(stream.crypto.tag, srtp.suite, srtp.ours))
    sections = [
        Media("audio", local.port, section.protocol, tuple(formats), None, tuple(attributes))
        if index == stream.index
        else Media(section.kind, 0, section.protocol, section.formats[:1])
        for index, section in enumerate(offered.media)
    ]
    return Negotiated(_serialise_versioned(local, sections, previous), media)


def _settle(stream: _Stream, srtp: SrtpAgreement | None, *, send: bool, receive: bool) -> NegotiatedMedia:
    """Reverse the peer's direction and limit it to what we want; the null address stops our sending."""
    null = ip_address(stream.address).is_unspecified
    return NegotiatedMedia(
        remote=(stream.address, stream.media.port),
        payload_type=stream.payload_type,
        dtmf_payload_type=stream.dtmf_payload_type,
        send=send and stream.direction.receives and not null,
        receive=receive and stream.direction.sends,
        ptime_ms=_ptime(stream.media),
        srtp=srtp,
    )


def _choose_stream(description: Description, codecs: Iterable[int], encryption: Encryption) -> _Stream:
    """The first audio stream we can serve; otherwise the error that says how far the last candidate came."""
    wanted = frozenset(codecs)
    error = SdpError(SdpReason.NO_AUDIO, "no audio stream in the session description")
    for index, media in enumerate(description.media):
        if media.kind != "audio" or media.port == 0:
            continue
        try:
            return _read_stream(index, media, description, wanted, encryption)
        except SdpError as unusable:
            error = unusable
    raise error


def _read_stream(
    index: int, media: Media, description: Description, wanted: frozenset[int], encryption: Encryption
) -> _Stream:
    crypto = _choose_crypto(media, encryption)
    maps = _payload_maps(media)
    payload_type = next(
        (pt for pt in map(_codec, media.formats) if pt in wanted and _is_static(pt, maps)), None
    )
    if payload_type is None:
        raise SdpError(SdpReason.NO_COMMON_CODEC, "neither PCMU nor PCMA is offered")
    address = media.address or description.address
    if address is None:
        raise SdpError(SdpReason.BAD_ADDRESS, "the audio stream has no c= line")
    events = next((int(name) for name in media.formats if maps.get(name) == _EVENT), None)
    return _Stream(index, media, address, _direction(description, media), payload_type, events, crypto)


def _choose_crypto(media: Media, encryption: Encryption) -> CryptoLine | None:
    """The SRTP keys to use, or None for plain RTP, as the stream's profile and our policy have it."""
    protocol = media.protocol.upper()
    if protocol in _SECURE:
        if encryption is Encryption.REFUSED:
            raise SdpError(SdpReason.ENCRYPTION_REFUSED, f"audio over {media.protocol}; SRTP is refused here")
        return read_lines(media.values("crypto"))[0]
    if protocol not in _PLAIN:
        raise SdpError(
            SdpReason.UNSUPPORTED_TRANSPORT, f"audio over {media.protocol}; we speak RTP/AVP and RTP/SAVP"
        )
    if encryption is Encryption.REQUIRED:
        raise SdpError(SdpReason.ENCRYPTION_REQUIRED, f"audio over {media.protocol}; SRTP is required here")
    if encryption is Encryption.REFUSED:
        return None
    try:
        return read_lines(media.values("crypto"))[0]
    except SdpError:
        return None  # RFC 8643: keys that cannot be used leave plain RTP


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
