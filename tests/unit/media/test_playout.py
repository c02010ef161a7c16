"""Clips to frames: order, whole frames, tails, cuts and a change of encoding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tieline.media.g711 import PCMA, PCMU, SILENCE, ulaw_to_alaw
from tieline.media.playout import TAIL_FRAMES, Clip, Ended, Playout


def run_out(playout: Playout, frames: int = 500) -> list[bytes]:
    played = []
    for _ in range(frames):
        frame = playout.frame()
        if frame is not None:
            played.append(frame)
    return played


def test_a_clip_is_played_in_frames_and_filled_up() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 200)])
    assert run_out(playout) == [b"\x01" * 160, b"\x01" * 40 + b"\xff" * 120]
    assert playout.ended == [Ended(1, True, 0.04)]
    assert not playout.playing


def test_clips_and_plays_follow_each_other_without_a_gap() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 160), Clip(b""), Clip(b"\x02" * 160)])
    playout.enqueue(2, [Clip(b"\x03" * 160)])
    frames = [playout.frame() for _ in range(3)]
    assert frames == [bytes([number]) * 160 for number in (1, 2, 3)]
    assert playout.ended == [Ended(1, True, 0.04)]


def test_a_play_ends_when_the_caller_has_heard_it() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 160)])
    playout.frame()
    for _ in range(TAIL_FRAMES):
        assert playout.frame() is None
        assert playout.ended == []
        assert playout.playing
    playout.frame()
    assert playout.ended == [Ended(1, True, 0.02)]


def test_a_play_in_the_tail_of_another_begins_at_once() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 160)])
    playout.frame()
    playout.frame()
    playout.enqueue(2, [Clip(b"\x02" * 160)])
    assert playout.ended == [Ended(1, True, 0.02)]
    assert playout.frame() == b"\x02" * 160


def test_a_play_of_nothing_ends_at_the_next_frame() -> None:
    playout = Playout()
    playout.enqueue(1, [])
    playout.enqueue(2, [Clip(b"")])
    assert playout.frame() is None
    assert playout.ended == [Ended(1, True, 0.0), Ended(2, True, 0.0)]


def test_stop_cuts_everything() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 1600)])
    playout.enqueue(2, [Clip(b"\x02" * 160)])
    playout.frame()
    playout.stop()
    assert playout.ended == [Ended(1, False, 0.02), Ended(2, False, 0.0)]
    assert playout.frame() is None
    playout.ended.clear()
    playout.enqueue(3, [Clip(b"\x03" * 160)])
    assert playout.frame() == b"\x03" * 160


def test_the_encoding_may_change_in_the_middle_of_a_clip() -> None:
    clip = Clip(bytes(range(160)) * 2)
    playout = Playout()
    playout.enqueue(1, [clip])
    assert playout.frame() == bytes(range(160))
    playout.set_payload_type(PCMA)
    assert playout.silence == SILENCE[PCMA]
    assert playout.frame() == ulaw_to_alaw(bytes(range(160)))
    playout.set_payload_type(PCMA)
    playout.set_payload_type(PCMU)
    assert playout.silence == SILENCE[PCMU]


def test_a_clip_is_transcoded_once() -> None:
    clip = Clip(b"\x01" * 160)
    assert clip.audio(PCMU) is clip.pcmu
    assert clip.audio(PCMA) is clip.audio(PCMA)
    assert Clip(b"").audio(PCMA) == b""


@given(st.lists(st.lists(st.binary(max_size=700), max_size=3), max_size=4))
def test_everything_is_played_once_and_in_order(plays: list[list[bytes]]) -> None:
    playout = Playout()
    for number, clips in enumerate(plays):
        playout.enqueue(number, [Clip(clip) for clip in clips])
    frames = run_out(playout)
    assert all(len(frame) == 160 for frame in frames)
    assert b"".join(frames) == b"".join(Clip(clip).pcmu for clips in plays for clip in clips)
    assert [(ended.play_id, ended.finished) for ended in playout.ended] == [
        (n, True) for n in range(len(plays))
    ]
    assert round(sum(ended.seconds for ended in playout.ended) * 50) == len(frames)


def test_a_loop_goes_on_until_it_is_stopped() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"\x01" * 160), Clip(b""), Clip(b"\x02" * 320)], loop=True)
    playout.enqueue(2, [Clip(b"\x03" * 160)])
    frames = [playout.frame() for _ in range(10)]
    assert frames == [bytes([value]) * 160 for value in (1, 2, 2, 1, 2, 2, 1, 2, 2, 1)]
    assert playout.ended == []
    playout.stop()
    assert playout.ended == [Ended(1, False, 0.2), Ended(2, False, 0.0)]


def test_a_loop_of_nothing_ends_at_once() -> None:
    playout = Playout()
    playout.enqueue(1, [Clip(b"")], loop=True)
    assert playout.frame() is None
    assert playout.ended == [Ended(1, True, 0.0)]
