"""The media of one leg: negotiation, playing, keys, faults, closing."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from tieline.calls.leg_media import CLOSE_TIMEOUT_S, LegMedia, MediaOptions
from tieline.calls.live import LegSound
from tieline.errors import Unavailable
from tieline.media.messages import LegClosed, LegFigures, MediaStarted, Played
from tieline.model.call import TerminationReason
from tieline.model.trunk import Encryption
from tieline.sdp.crypto import Encryption as SdpEncryption
from tieline.sdp.description import SdpError
from tieline.sdp.negotiation import Direction, LocalMedia, reanswer
from tieline.sdp.negotiation import answer as answer_to
from tieline.testing.call_parts import ScriptedMedia
from tieline.testing.calls import OFFER
from tieline.testing.journal import Journal
from tieline.testing.virtual_time import elapse, run_virtual, settle

Story = Callable[[LegMedia, ScriptedMedia, list[TerminationReason]], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    async def whole() -> None:
        faults: list[TerminationReason] = []
        port = ScriptedMedia(Journal())
        media = LegMedia("leg", port, "198.51.100.1", 60.0, faults.append)
        await story(media, port, faults)

    run_virtual(whole())


def test_an_offer_is_answered_with_our_port_and_connected_at_the_ack() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        sdp = media.negotiate(OFFER)
        assert b"m=audio 30000 RTP/AVP 0 101" in sdp
        assert b"c=IN IP4 198.51.100.1" in sdp
        assert port.connected == []
        media.acknowledge(b"")
        (connected,) = port.connected
        assert (connected.remote, connected.payload_type, connected.dtmf_payload_type) == (
            ("192.0.2.10", 40000), 0, 101,
        )  # fmt: skip
        assert connected.silence_timeout_s == 60.0
        assert media.negotiate(OFFER) == sdp

    play(story)


def test_before_the_port_is_open_there_is_nothing_to_offer() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        with pytest.raises(SdpError):
            media.negotiate(OFFER)
        media.connect()
        assert port.connected == []
        assert await media.close() is None

    play(story)


def test_no_port_is_the_callers_to_handle() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        port.no_ports = True
        with pytest.raises(Unavailable):
            await media.open()
        assert await media.close() is None

    play(story)


def test_a_bad_answer_leaves_what_was_agreed() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(OFFER)
        media.acknowledge(b"")
        media.negotiate(b"")
        with pytest.raises(SdpError):
            media.acknowledge(b"")
        media.acknowledge(b"")
        assert [each.remote for each in port.connected] == [("192.0.2.10", 40000)] * 2

    play(story)


def test_without_media_the_answer_is_inactive() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        assert b"a=inactive" in media.negotiate_without_media(OFFER)
        assert b"a=inactive" in media.negotiate_without_media(b"")
        with pytest.raises(SdpError):
            media.negotiate_without_media(b"junk")

    play(story)


def test_plays_follow_one_another_and_end_when_they_were_heard() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        assert await media.play([], interruptible=False)
        assert await media.play(["a", "b"], interruptible=False)
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)
        media.on_report(Played("leg", 99, True, 1.0))
        media.on_report(MediaStarted("leg", ("192.0.2.10", 1)))

    play(story)


def test_a_key_cuts_what_may_be_cut_and_nothing_else() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        firm = asyncio.create_task(media.play(["firm"], interruptible=False))
        await settle()
        port.press("1")
        assert await firm
        assert not await media.play(["skipped"], interruptible=True)
        assert "play skipped" not in port.journal
        media._keypad.forget_early()
        loose = asyncio.create_task(media.play(["loose"], interruptible=True))
        await settle()
        media.press("2")
        media.press("3")
        assert not await loose
        assert port.journal.count("cut loose") == 1

    play(story)


@pytest.mark.parametrize("direction", [b"sendonly", b"recvonly", b"inactive"])
def test_a_hold_is_timed_without_a_break(direction: bytes) -> None:
    async def story(_media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        options = MediaOptions(hold_timeout_s=600.0)
        media = LegMedia("held", port, "198.51.100.1", 60.0, faults.append, options)
        await media.open()

        def renew(offer: bytes) -> None:
            media.negotiate(offer)
            media.connect()

        held = OFFER + b"a=" + direction + b"\r\n"
        renew(OFFER)
        await elapse(1_000)
        for _ in range(2):
            renew(held)
            await elapse(300)
            renew(held)  # a refresh is no break
            await elapse(299)
            renew(OFFER)
        assert faults == []
        renew(held)
        await elapse(601)
        assert faults == [TerminationReason.HELD_TOO_LONG]
        renew(OFFER)
        renew(held)
        await media.close()
        await elapse(1_000)
        assert len(faults) == 1

    play(story)


def test_without_a_limit_a_hold_lasts() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(OFFER + b"a=inactive\r\n")
        media.connect()
        await elapse(100_000)
        assert faults == []

    play(story)


def test_faults_are_told() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        port.fall_silent()
        port.die()
        assert faults == [TerminationReason.NO_MEDIA, TerminationReason.MEDIA_FAILED]
        assert await media.close() is None
        assert asyncio.get_running_loop().time() < CLOSE_TIMEOUT_S

    play(story)


def test_closing_gives_the_figures_once() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(OFFER)
        figures = await media.close()
        assert figures is not None
        assert figures.packets_received == 100
        media.on_report(LegClosed("leg", 0, 0, 0, 0, 0.0, 0))
        assert await media.close() is None
        media.connect()
        assert port.connected == []
        assert faults == []

    play(story)


def test_figures_that_do_not_come_are_not_waited_for_for_ever() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        port.closes_after_s = None
        await media.open()
        assert await media.close() is None
        assert asyncio.get_running_loop().time() == pytest.approx(CLOSE_TIMEOUT_S)

    play(story)


def test_keys_do_not_count_while_they_are_ignored() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        ignoring = asyncio.create_task(media.ignore_keys(3.0))
        await settle()
        media.press("1")
        await ignoring
        assert not media._keypad.pressed

    play(story)


THEIRS = LocalMedia("192.0.2.20", 50000, 7)


def test_a_leg_of_ours_offers_and_takes_each_answer_that_comes() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        assert not media.agreed
        assert media.onward.name == "SENDRECV"
        offered = media.make_offer()
        with pytest.raises(SdpError):
            media.accept(b"")
        media.accept(answer_to(offered, THEIRS).answer)
        media.accept(b"")
        media.accept(answer_to(offered, LocalMedia("192.0.2.30", 60000, 8)).answer)
        assert [each.remote for each in port.connected] == [
            ("192.0.2.20", 50000), ("192.0.2.20", 50000), ("192.0.2.30", 60000),
        ]  # fmt: skip
        assert media.agreed is not None
        assert media.agreed.remote == ("192.0.2.30", 60000)

    play(story)


def test_the_options_say_where_to_open_and_what_to_offer() -> None:
    async def whole() -> None:
        port = ScriptedMedia(Journal())
        media = LegMedia(
            "leg", port, "198.51.100.1", None, lambda _: None, MediaOptions(beside="other", codecs=(8, 0))
        )
        await media.open()
        assert port.beside == {"leg": "other"}
        assert b"RTP/AVP 8 0 101" in media.make_offer()

    run_virtual(whole())


def test_a_hold_is_passed_on_by_a_renewed_offer() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(OFFER.replace(b"RTP/AVP 0 101", b"RTP/AVP 8 96").replace(b":101 ", b":96 "))
        assert media.onward.name == "SENDRECV"
        media.negotiate(OFFER.replace(b"RTP/AVP 0 101", b"RTP/AVP 8 96") + b"a=sendonly\r\n")
        assert media.onward.name == "SENDONLY"
        resumed = media.negotiate(OFFER, Direction.INACTIVE)
        assert b"a=inactive" in resumed
        offered = media.make_offer(Direction.SENDONLY)
        assert b"m=audio 30000 RTP/AVP 0 8 101" in offered
        assert b"a=sendonly" in offered
        media.withdraw()
        media.accept(b"")
        assert not port.connected[-1].send
        offered = media.make_offer()
        media.accept(reanswer(offered, THEIRS, None).answer)
        assert port.connected[-1].send

    play(story)


def test_a_renewed_offer_keeps_the_payload_types_in_use() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(
            b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n"
        )
        assert b"m=audio 30000 RTP/AVP 8 0 96" in media.make_offer()

    play(story)


def test_legs_are_joined_and_parted() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        other = LegMedia("other", port, "198.51.100.1", 60.0, faults.append)
        await media.open()
        await other.open()
        media.join(other, early=True)
        media.join(other)
        media.press("5")
        media.part()
        assert not media._keypad.pressed
        assert port.journal[2:] == ["join leg other early", "join leg other", "part leg"]

    play(story)


def test_a_loop_plays_until_it_is_stopped() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.loop(["ringing"])
        await media.ignore_keys(100)
        assert "cut ringing" not in port.journal
        media.stop()
        assert "cut ringing" in port.journal
        media.loop(["ringing"])
        port.die()

    play(story)


def test_whoever_watches_keys_is_told_of_each() -> None:
    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        seen: list[str] = []
        media.watch_keys(seen.append)
        media.press("1")
        media.watch_keys(None)
        media.press("2")
        assert seen == ["1"]

    play(story)


KEYS = [bytes([number]) * 30 for number in range(10)]


def secured(port: ScriptedMedia, encryption: Encryption) -> LegMedia:
    keys = iter(KEYS)
    options = MediaOptions(encryption=encryption, new_key=lambda: next(keys))
    return LegMedia("leg", port, "198.51.100.1", None, lambda _: None, options)


def test_keys_are_ours_for_the_whole_call_unless_they_are_renewed() -> None:
    async def whole() -> None:
        port = ScriptedMedia(Journal())
        media = secured(port, Encryption.REQUIRED)
        media.rekey()
        await media.open()
        theirs = replace(THEIRS, encryption=SdpEncryption.OFFERED, keys=(b"\xaa" * 30, b"\xbb" * 30))
        for _ in range(2):
            media.accept(answer_to(media.make_offer(), theirs).answer)
        media.rekey()
        media.accept(answer_to(media.make_offer(), theirs).answer)
        assert [each.srtp and each.srtp.ours for each in port.connected] == [KEYS[0], KEYS[0], KEYS[2]]
        assert {each.srtp and each.srtp.theirs for each in port.connected} == {b"\xaa" * 30}
        assert b"m=audio 30000 RTP/SAVP 0 8 101" in media.make_offer()

    run_virtual(whole())


def test_without_encryption_there_are_no_keys() -> None:
    async def whole() -> None:
        port = ScriptedMedia(Journal())
        media = secured(port, Encryption.REFUSED)
        await media.open()
        assert b"crypto" not in media.make_offer()
        media.accept(answer_to(media.make_offer(), THEIRS).answer)
        assert port.connected[0].srtp is None

    run_virtual(whole())


def test_a_random_key_is_new_each_time() -> None:
    options = MediaOptions()
    first, second = options.new_key(), options.new_key()
    assert (len(first), len(second)) == (30, 30)
    assert first != second
    assert "new_key" not in repr(options)


def test_the_sound_is_judged_by_what_came_since_it_was_told_before() -> None:
    def told(received: int, lost: int, jitter_ms: float = 1.0) -> LegFigures:
        return LegFigures("leg", received, 100, lost, 0, jitter_ms, 0)

    async def story(media: LegMedia, port: ScriptedMedia, faults: list[TerminationReason]) -> None:
        await media.open()
        media.negotiate(OFFER)
        assert media.sound("caller") is None
        seen: list[LegSound] = []
        for report in (
            told(0, 0), told(250, 0), told(490, 10), told(740, 10, 35.0), told(990, 12), told(1230, 14),
            told(1230, 14),
        ):  # fmt: skip
            media.on_report(report)
            sound = media.sound("caller")
            assert sound is not None
            seen.append(sound)
        last = seen[-1]
        assert [one.health.value for one in seen] == [
            "good",
            "good",
            "fair",
            "fair",
            "good",
            "good",
            "silent",
        ]
        assert (last.leg, last.codec, last.packets_received, last.packets_lost) == (
            "caller",
            "PCMU",
            1230,
            14,
        )
        assert faults == []

    play(story)
