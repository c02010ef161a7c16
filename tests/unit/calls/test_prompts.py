"""Prompts: split, spoken once, cached, recorded, let go of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.test_wav import tone, wav
from tieline.agent.voice import Voice, VoiceFailed
from tieline.calls.prompts import Prompts, Recordings, load_recordings, normalise, split_sentences
from tieline.errors import ConfigurationError


class CountingVoice:
    """Speaks a byte for a character, and notes what it was asked for."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def name(self) -> str:
        return "counting"

    async def speak(self, text: str, language: str | None = None) -> bytes:
        self.texts.append((text, language))
        await self.gate.wait()
        if "unspeakable" in text:
            raise VoiceFailed("no")
        return text.encode()


class Shelf:
    """A clip store that keeps what it is given."""

    def __init__(self) -> None:
        self.clips: dict[str, bytes] = {}
        self.puts = 0

    def put_clip(self, clip_id: str, pcmu: bytes) -> None:
        self.puts += 1
        self.clips[clip_id] = pcmu

    def drop_clip(self, clip_id: str) -> None:
        del self.clips[clip_id]


@pytest.fixture
def voice() -> CountingVoice:
    return CountingVoice()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def heard(prompts: Prompts, shelf: Shelf, text: str, language: str | None = None) -> list[bytes]:
    return [shelf.clips[clip_id] for clip_id in await prompts.clips("front-desk", text, language)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. Press 1!", ["Hello.", "Press 1!"]),
        ("Version 2.5 is out. OK?", ["Version 2.5 is out.", "OK?"]),
        ("Hello Mr. Smith. Bye.", ["Hello Mr. Smith.", "Bye."]),
        ('"Really?" Yes.', ['"Really?"', "Yes."]),
        ("One\nTwo\n\n  Three", ["One", "Two", "Three"]),
        ("こんにちは。 さようなら。", ["こんにちは。", "さようなら。"]),
        ("  Hello   there  ", ["Hello there"]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet="ab ,.!?\n", max_size=2000))
def test_no_word_is_lost_in_splitting(text: str) -> None:
    sentences = split_sentences(text)
    assert all(len(sentence) <= 300 for sentence in sentences)
    letters = [character for character in text if character.isalnum()]
    assert [character for sentence in sentences for character in sentence if character.isalnum()] == letters


def test_long_sentences_are_cut_at_a_comma_or_a_space_or_anywhere() -> None:
    assert split_sentences("a" * 200 + ", " + "b" * 200) == ["a" * 200 + ",", "b" * 200]
    assert split_sentences("a" * 200 + " " + "b" * 200) == ["a" * 200, "b" * 200]
    assert split_sentences("a" * 700) == ["a" * 300, "a" * 300, "a" * 100]


async def test_each_sentence_is_spoken_once(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf)
    assert await heard(prompts, shelf, "Hello.  Press 1.") == [b"Hello.", b"Press 1."]
    assert await heard(prompts, shelf, "Goodbye. Press 1.") == [b"Goodbye.", b"Press 1."]
    assert [text for text, _ in voice.texts] == ["Hello.", "Press 1.", "Goodbye."]
    assert shelf.puts == 3
    await heard(prompts, shelf, "Hello.", "de")
    assert voice.texts[-1] == ("Hello.", "de")


async def test_a_text_asked_for_twice_at_once_is_spoken_once(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf)
    voice.gate.clear()
    requests = [asyncio.create_task(prompts.clips("p", "Hello.")) for _ in range(5)]
    await asyncio.sleep(0)
    requests[0].cancel()
    voice.gate.set()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [results[1]] * 4
    assert len(voice.texts) == 1


async def test_the_first_sentence_does_not_wait_for_the_second(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf)
    stream = prompts.stream("p", "One. Two.")
    first = await anext(stream)
    assert shelf.clips[first] == b"One."
    assert len(voice.texts) == 1
    assert [shelf.clips[clip_id] async for clip_id in stream] == [b"Two."]


async def test_a_failure_is_told_and_not_kept(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf)
    for _ in range(2):
        with pytest.raises(VoiceFailed):
            await prompts.clips("p", "An unspeakable word.")
    assert len(voice.texts) == 2
    assert shelf.clips == {}


async def test_prompts_are_counted_by_where_they_came_from(voice: CountingVoice, shelf: Shelf) -> None:
    sources: list[str] = []
    prompts = Prompts(voice, shelf, count=sources.append)
    prompts.add_project("p", Recordings({("Hello.", ""): b"recorded"}))
    await prompts.clips("p", "Hello.")
    await prompts.clips("p", "One. One.")
    with pytest.raises(VoiceFailed):
        await prompts.clips("p", "An unspeakable word.")
    assert sources == ["recording", "voice", "cache", "failed"]


async def test_the_least_recently_used_clip_goes_first(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf, memory_bytes=12)
    await prompts.clips("p", "Aaaa.")
    await prompts.clips("p", "Bbbb.")
    await prompts.clips("p", "Aaaa.")
    await prompts.clips("p", "Cccc.")
    assert sorted(shelf.clips.values()) == [b"Aaaa.", b"Cccc."]
    await prompts.clips("p", "A text larger than the whole budget.")
    assert list(shelf.clips.values()) == [b"A text larger than the whole budget."]


async def test_the_disk_outlives_a_restart(voice: CountingVoice, shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    await Prompts(voice, shelf, cache_folder=folder).clips("p", "Hello.")
    assert [path.suffix for path in folder.iterdir()] == [".ulaw"]
    again = Shelf()
    assert await heard(Prompts(voice, again, cache_folder=folder), again, "Hello.") == [b"Hello."]
    assert len(voice.texts) == 1


async def test_a_disk_that_cannot_be_written_costs_only_the_cache(
    voice: CountingVoice, shelf: Shelf, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert await heard(Prompts(voice, shelf, cache_folder=blocked), shelf, "Hello.") == [b"Hello."]


async def test_recordings_stand_in_for_texts_and_for_sentences(voice: CountingVoice, shelf: Shelf) -> None:
    prompts = Prompts(voice, shelf)
    recordings = Recordings(
        {("Hello. Press 1.", ""): b"whole", ("Hello.", "de"): b"hallo", ("Hello.", ""): b"hello"}
    )
    prompts.add_project("front-desk", recordings)
    assert await heard(prompts, shelf, "Hello.\n Press 1.") == [b"whole"]
    assert await heard(prompts, shelf, "Hello. Goodbye.") == [b"hello", b"Goodbye."]
    assert await heard(prompts, shelf, "Hello.", "DE") == [b"hallo"]
    assert await heard(prompts, shelf, "Hello.", "fr") == [b"hello"]
    assert [text for text, _ in voice.texts] == ["Goodbye."]
    other = await prompts.clips("another project", "Hello.")
    assert shelf.clips[other[0]] == b"Hello."


def test_recordings_are_read_from_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "voice" / "recordings"
    folder.mkdir(parents=True)
    (folder / "welcome.wav").write_bytes(wav(tone(500, 16000), rate=16000))
    (folder / "hallo.wav").write_bytes(wav(b"\x01" * 320, encoding=7, bits=8))
    (tmp_path / "voice" / "recordings.yaml").write_text(
        '"Welcome to  Acme.": welcome.wav\nHello.: {de: hallo.wav}\n', encoding="utf-8"
    )
    recordings = load_recordings(tmp_path)
    assert len(recordings) == 2
    welcome = recordings.find(" Welcome to Acme. ", None)
    assert welcome is not None
    assert len(welcome) == pytest.approx(4000, abs=1)
    assert recordings.find("Hello.", "de") == b"\x01" * 320
    assert recordings.find("Hello.", "en") is None


def test_a_project_without_recordings(tmp_path: Path) -> None:
    assert len(load_recordings(tmp_path)) == 0
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice" / "recordings.yaml").write_text("")
    assert len(load_recordings(tmp_path)) == 0


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("- a\n- b\n", "mapping"),
        ("a: [", "YAML"),
        ("a: 5\n", "does not name a file"),
        ("1: a.wav\n", "does not name a file"),
        ("a: missing.wav\n", "cannot be read"),
        ("a: ../../secret.wav\n", "outside"),
        ("a: noise.wav\n", "not a WAV"),
    ],
)
def test_mistakes_are_told_with_the_file(tmp_path: Path, index: str, message: str) -> None:
    folder = tmp_path / "voice" / "recordings"
    folder.mkdir(parents=True)
    (folder / "noise.wav").write_bytes(b"not at all")
    (tmp_path / "voice" / "recordings.yaml").write_text(index)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_recordings(tmp_path)
    assert str(tmp_path) in str(caught.value.fields["file"])


def test_a_recording_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "voice" / "recordings"
    folder.mkdir(parents=True)
    with (folder / "huge.wav").open("wb") as huge:
        huge.truncate(2**30)
    (tmp_path / "voice" / "recordings.yaml").write_text("a: huge.wav\n")
    with pytest.raises(ConfigurationError, match="larger"):
        load_recordings(tmp_path)


def test_composition_of_characters_makes_no_difference() -> None:
    assert normalise("Cafe\u0301") == normalise("Café")


def test_the_stand_in_is_a_voice() -> None:
    stand_in: type[Voice] = CountingVoice
    assert stand_in is CountingVoice
