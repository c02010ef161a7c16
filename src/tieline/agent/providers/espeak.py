"""eSpeak NG through `ctypes`. Only the voice process loads it: it is GPL, and its state is global to a process.

The library is initialised with the data path and with the option not to exit: without them a failed start would
end the process from within the library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from tieline.agent.voice import VoiceFailed

_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_UTF8: Final = 1
_CHARACTER_POSITION: Final = 1
_OK: Final = 0
_MAX_SECONDS: Final = 600

_OnAudio = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class EspeakMissing(Exception):
    """The library or its data cannot be loaded; the message names the fix."""


class Espeak:
    """The library, initialised once. Raises `EspeakMissing`."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise EspeakMissing(
                "the offline voice is not installed; install it with: pip install 'tieline[offline]'"
            ) from None
        try:
            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise EspeakMissing(f"the offline voice cannot be loaded: {error}") from error
        data_path = str(espeakng_loader.get_data_path()).encode()
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _DONT_EXIT))
        if self.sample_rate <= 0:
            raise EspeakMissing("the offline voice found no data; reinstall espeakng-loader")
        self._pieces: list[bytes] = []
        self._samples = 0
        # The library keeps the pointer only, so the callback object has to live as long as this one.
        self._callback: Callable[..., int] = _OnAudio(self._take_audio)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice = ""

    def speak(self, text: str, language: str, variant: str = "") -> bytes:
        """Speak plain text; 16-bit mono PCM at `sample_rate`. Raises `VoiceFailed`."""
        self._choose(language, variant)
        encoded = "".join(max(character, " ") for character in text).encode("utf-8", "replace")
        self._pieces.clear()
        self._samples = 0
        status = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded) + 1), 0, _CHARACTER_POSITION, 0, _UTF8, None, None
        )
        pcm = b"".join(self._pieces)
        self._pieces.clear()
        if status != _OK:
            raise VoiceFailed(f"eSpeak NG could not speak the text (status {status})")
        return pcm

    def _choose(self, language: str, variant: str) -> None:
        """Select a voice: the language as given, else its first part (`en-gb` is spoken by `en`)."""
        wanted = language.strip().lower().replace("_", "-")
        suffix = f"+{variant}" if variant else ""
        for name in (wanted, wanted.partition("-")[0]):
            if self._voice == name + suffix:
                return
            if (
                name
                and self._library.espeak_SetVoiceByName((name + suffix).encode("utf-8", "replace")) == _OK
            ):
                self._voice = name + suffix
                return
        raise VoiceFailed(f"eSpeak NG has no voice for the language {language!r}", language=language)

    def _take_audio(self, samples: Any, count: int, _events: Any) -> int:
        """Collect a piece; a result of one stops a speech without end."""
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
            self._samples += count
        return int(self._samples > _MAX_SECONDS * self.sample_rate)
