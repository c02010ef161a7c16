"""Prompts: text to clips that the media processes hold, each spoken once however often it is played.

A text is looked up whole among the project's recordings; otherwise it is cut into sentences, so that fixed phrases
are shared between texts, and each sentence is a recording, a cached clip, or spoken now. Clips are kept up to a
memory budget, least recently used first to go, and optionally on disk, where they outlive a restart.

Recordings are WAV files named in `voice/recordings.yaml` of the project, text to file in `voice/recordings/`:

    "Welcome to Acme.": welcome.wav
    "Goodbye.": {en-us: goodbye.wav, de: tschuess.wav}
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import unicodedata
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tieline.agent.voice import MAX_TEXT, Voice
from tieline.errors import ConfigurationError
from tieline.media.wav import MAX_BYTES, WavError, read_wav

MEMORY_BYTES: Final = 64 * 1024 * 1024
"""The default budget: about two and a quarter hours of audio."""

_MAX_SENTENCE: Final = 300
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n+")
_SPACE: Final = re.compile(r"\s+")
_ABBREVIATION: Final = re.compile(r"(?:^|\s)(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|No|Nr|vs|e\.g|i\.e)\.$")
_log = logging.getLogger(__name__)


class ClipStore(Protocol):
    """Where clips are played from; `tieline.net.media_link.MediaLink` is one."""

    def put_clip(self, clip_id: str, pcmu: bytes) -> None:
        """Hold a clip, also over restarts of a media process."""
        ...

    def drop_clip(self, clip_id: str) -> None:
        """Let go of a clip."""
        ...


class Recordings:
    """The recordings of one project: which clip stands in for which text."""

    def __init__(self, clips: dict[tuple[str, str], bytes]) -> None:
        self._clips = clips

    def find(self, text: str, language: str | None) -> bytes | None:
        """The µ-law recording of `text` in `language`, or the one for any language."""
        key = normalise(text)
        found = self._clips.get((key, (language or "").lower()))
        return found if found is not None else self._clips.get((key, ""))

    def __len__(self) -> int:
        return len(self._clips)


def load_recordings(project: Path) -> Recordings:
    """Read `voice/recordings.yaml` and the files it names. Raises `ConfigurationError`, naming the file."""
    index = project / "voice" / "recordings.yaml"
    if not index.is_file():
        return Recordings({})
    try:
        listed: Any = YAML(typ="safe", pure=True).load(index.read_text("utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"not readable as YAML: {error}", file=str(index)) from None
    clips: dict[tuple[str, str], bytes] = {}
    if not isinstance(listed, dict | None):
        raise ConfigurationError("recordings.yaml is not a mapping of texts to files", file=str(index))
    for text, entry in (listed or {}).items():
        by_language = entry if isinstance(entry, dict) else {"": entry}
        for language, name in by_language.items():
            if not isinstance(text, str) or not isinstance(name, str):
                raise ConfigurationError(
                    f"the entry {text!r} does not name a file", file=str(index), field=str(text)
                )
            clips[normalise(text), str(language).lower()] = _read_recording(index, name)
    return Recordings(clips)


def _read_recording(index: Path, name: str) -> bytes:
    folder = (index.parent / "recordings").resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ConfigurationError(f"{name} lies outside voice/recordings", file=str(index))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"{name} is larger than {MAX_BYTES} bytes", file=str(path))
        return read_wav(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}", file=str(index)) from None
    except WavError as error:
        raise ConfigurationError(f"{name}: {error.message}", file=str(path)) from None


def normalise(text: str) -> str:
    """A text without the differences that cannot be heard: runs of space, and how characters are composed."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, each at most 300 characters: longer ones are cut at a comma or a space."""
    sentences: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        sentence = text[start : match.end()].strip()
        if "\n" not in match.group() and _ABBREVIATION.search(sentence):
            continue
        sentences.append(sentence)
        start = match.end()
    sentences.append(text[start:])
    return [piece for sentence in sentences for piece in _cut(normalise(sentence))]


def _cut(sentence: str) -> list[str]:
    pieces: list[str] = []
    while len(sentence) > _MAX_SENTENCE:
        place = sentence.rfind(", ", 0, _MAX_SENTENCE)
        place = place + 1 if place > 0 else sentence.rfind(" ", 0, _MAX_SENTENCE)
        place = place if place > 0 else _MAX_SENTENCE
        pieces.append(sentence[:place].strip())
        sentence = sentence[place:].strip()
    if any(character.isalnum() for character in sentence):
        pieces.append(sentence)
    return pieces


class Prompts:
    """The prompts of all projects. Requests for a text that is being spoken wait for it instead of repeating it.

    `count` is told where each prompt came from: `recording`, `cache`, `voice`, or `failed` when it came from nowhere.
    """

    def __init__(
        self,
        voice: Voice,
        store: ClipStore,
        *,
        cache_folder: Path | None = None,
        memory_bytes: int = MEMORY_BYTES,
        count: Callable[[str], None] = lambda source: None,
    ) -> None:
        self._voice = voice
        self._store = store
        self._folder = cache_folder
        self._memory_bytes = memory_bytes
        self._count = count
        self._recordings: dict[str, Recordings] = {}
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._held = 0
        self._under_way: dict[str, asyncio.Task[str]] = {}

    def add_project(self, project: str, recordings: Recordings) -> None:
        """Take a project's recordings, in place of those it had."""
        self._recordings[project] = recordings

    async def clips(self, project: str, text: str, language: str | None = None) -> list[str]:
        """Clip ids for the text, in playing order; none for a text without words. Raises `VoiceFailed`."""
        return [clip_id async for clip_id in self.stream(project, text, language)]

    async def stream(self, project: str, text: str, language: str | None = None) -> AsyncIterator[str]:
        """As `clips`, one after another: the first can be played while the next is being spoken."""
        whole = self._recorded(project, text, language)
        if whole is not None:
            yield whole
            return
        for sentence in split_sentences(text):
            yield self._recorded(project, sentence, language) or await self._spoken(sentence, language)

    def _recorded(self, project: str, text: str, language: str | None) -> str | None:
        recordings = self._recordings.get(project)
        pcmu = recordings.find(text, language) if recordings is not None else None
        if pcmu is None:
            return None
        self._count("recording")
        clip_id = "recording-" + hashlib.sha256(pcmu).hexdigest()[:32]
        self._hold(clip_id, pcmu)
        return clip_id

    async def _spoken(self, sentence: str, language: str | None) -> str:
        key = "\0".join((self._voice.name, language or "", sentence))
        clip_id = "spoken-" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
        if clip_id in self._sizes:
            self._sizes.move_to_end(clip_id)
            self._count("cache")
            return clip_id
        task = self._under_way.get(clip_id)
        if task is None:
            task = asyncio.create_task(self._speak(clip_id, sentence, language))
            self._under_way[clip_id] = task
            task.add_done_callback(lambda done: self._note_done(clip_id, done))
        return await asyncio.shield(task)

    def _note_done(self, clip_id: str, task: asyncio.Task[str]) -> None:
        """The error of a task that nobody waits for any more is looked at here, so that none goes unseen."""
        self._under_way.pop(clip_id, None)
        failed = task.cancelled() or task.exception() is not None
        self._count("failed" if failed else "voice")
        if not task.cancelled() and task.exception() is not None:
            _log.warning("a prompt could not be spoken", extra={"clip_id": clip_id})

    async def _speak(self, clip_id: str, sentence: str, language: str | None) -> str:
        pcmu = await asyncio.to_thread(self._read_cached, clip_id) if self._folder is not None else None
        if pcmu is None:
            pcmu = await self._voice.speak(sentence[:MAX_TEXT], language)
            if self._folder is not None:
                await asyncio.to_thread(self._write_cached, clip_id, pcmu)
        self._hold(clip_id, pcmu)
        return clip_id

    def _hold(self, clip_id: str, pcmu: bytes) -> None:
        """Give the clip to the media processes unless they have it; let the least recently used ones go."""
        if clip_id in self._sizes:
            self._sizes.move_to_end(clip_id)
            return
        self._store.put_clip(clip_id, pcmu)
        self._sizes[clip_id] = len(pcmu)
        self._held += len(pcmu)
        while self._held > self._memory_bytes and len(self._sizes) > 1:
            oldest, size = self._sizes.popitem(last=False)
            self._held -= size
            self._store.drop_clip(oldest)

    def _read_cached(self, clip_id: str) -> bytes | None:
        try:
            return (self._path(clip_id)).read_bytes()
        except OSError:
            return None

    def _write_cached(self, clip_id: str, pcmu: bytes) -> None:
        """Write under another name first: a half-written clip is never read."""
        path = self._path(clip_id)
        scratch = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(pcmu)
            scratch.replace(path)
        except OSError:
            _log.warning("a prompt could not be cached", exc_info=True, extra={"clip_id": clip_id})
            with contextlib.suppress(OSError):
                scratch.unlink()

    def _path(self, clip_id: str) -> Path:
        return (self._folder or Path()) / f"{clip_id}.ulaw"
