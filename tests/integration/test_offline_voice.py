"""The offline voice as it is installed: real speech from a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline.agent.providers.offline import OfflineVoice, VoiceNotInstalled
from tieline.agent.voice import MAX_TEXT, Voice, VoiceFailed
from tieline.calls.prompts import Prompts
from tieline.media.g711 import PCMU, decode, peak


@pytest.fixture
async def voice() -> AsyncIterator[OfflineVoice]:
    voice = OfflineVoice()
    yield voice
    await voice.stop()
    assert voice.pid is None


def seconds(pcmu: bytes) -> float:
    return len(pcmu) / 8000


async def test_it_speaks(voice: OfflineVoice) -> None:
    await voice.start()
    pcmu = await voice.speak("Welcome to Acme. Press one for sales, press two for support.")
    assert 2.5 < seconds(pcmu) < 6
    assert peak(decode(pcmu, PCMU)) > 8000
    speaking = sum(peak(decode(pcmu[place : place + 160], PCMU)) > 500 for place in range(0, len(pcmu), 160))
    assert speaking > len(pcmu) / 160 / 2


async def test_other_languages_and_speakers(voice: OfflineVoice) -> None:
    text = "Guten Tag, was kann ich tun?"
    english, german, british = [await voice.speak(text, language) for language in ("en-us", "de_DE", "en-GB")]
    assert len({english, german}) == 2
    assert british
    other = OfflineVoice(variant="f2")
    assert await other.speak(text, "de") != german
    await other.stop()


async def test_markup_is_read_out_and_control_characters_are_not(voice: OfflineVoice) -> None:
    assert seconds(await voice.speak("<break time='9s'/>")) > 0.5
    spoken, plain = await voice.speak("one\x00two\x01"), await voice.speak("one two ")
    assert len(spoken) == pytest.approx(len(plain), rel=0.05)


async def test_a_language_without_a_voice(voice: OfflineVoice) -> None:
    with pytest.raises(VoiceFailed, match="zz"):
        await voice.speak("Hello", "zz")
    with pytest.raises(VoiceFailed, match="limit"):
        await voice.speak("a" * (MAX_TEXT + 1))
    assert await voice.speak("Hello")


async def test_a_killed_process_is_replaced(voice: OfflineVoice) -> None:
    before = await voice.speak("Hello.")
    pid = voice.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert len(await voice.speak("Hello.")) == pytest.approx(len(before), rel=0.05)
    assert voice.pid != pid


async def test_a_process_that_hangs_is_given_up() -> None:
    voice = OfflineVoice(timeout_s=0.5)
    await voice.start()
    assert voice.pid is not None
    os.kill(voice.pid, signal.SIGSTOP)
    assert await voice.speak("Hello.")
    await voice.stop()


async def test_a_request_that_is_given_up_does_not_answer_the_next(voice: OfflineVoice) -> None:
    hello = await voice.speak("Hello.")
    abandoned = asyncio.create_task(voice.speak("Something else, and rather longer than that."))
    for _ in range(3):
        await asyncio.sleep(0)
    abandoned.cancel()
    await asyncio.gather(abandoned, return_exceptions=True)
    assert len(await voice.speak("Hello.")) == pytest.approx(len(hello), rel=0.05)


async def test_many_at_once(voice: OfflineVoice) -> None:
    spoken = await asyncio.gather(*(voice.speak(f"Number {number}.") for number in range(10)))
    assert len(set(spoken)) == 10


async def test_without_the_extra_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    voice = OfflineVoice()
    with pytest.raises(VoiceNotInstalled, match=r"tieline\[offline\]"):
        await voice.speak("Hello.")
    with pytest.raises(VoiceNotInstalled):
        await voice.start()


@pytest.mark.parametrize(
    ("library", "data", "fault"),
    [("'/nowhere.so'", "''", "cannot be loaded"), ("real.get_library_path()", "'/nowhere'", "no data")],
)
async def test_a_broken_installation_is_told_and_ends_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, data: str, fault: str
) -> None:
    stand_in = f"""
import importlib.util, sys
places = [place for place in sys.path if place != {str(tmp_path)!r}]
found = importlib.machinery.PathFinder.find_spec("espeakng_loader", places)
real = importlib.util.module_from_spec(found)
found.loader.exec_module(real)
def get_library_path(): return {library}
def get_data_path(): return {data}
"""
    (tmp_path / "espeakng_loader.py").write_text(stand_in)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    voice = OfflineVoice()
    with pytest.raises(VoiceNotInstalled, match=fault):
        await voice.start()


class Shelf:
    def __init__(self) -> None:
        self.clips: dict[str, bytes] = {}

    def put_clip(self, clip_id: str, pcmu: bytes) -> None:
        self.clips[clip_id] = pcmu

    def drop_clip(self, clip_id: str) -> None:
        del self.clips[clip_id]


async def test_prompts_are_spoken(voice: OfflineVoice) -> None:
    shelf = Shelf()
    a_voice: Voice = voice
    prompts = Prompts(a_voice, shelf)
    clips = await prompts.clips("front-desk", "Welcome to Acme. Press 1 for sales.", "en-us")
    assert len(clips) == 2
    assert all(seconds(shelf.clips[clip_id]) > 0.5 for clip_id in clips)
