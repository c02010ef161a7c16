"""The voice process: one request after another, text in, telephone audio out.

Started by the server as `python -m tieline.agent.providers.voice_process FD`, with one end of a socket pair as FD.
It ends when the server's end closes. Whatever goes wrong in the voice costs this process and no call.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

import msgspec

from tieline.agent.providers.espeak import Espeak, EspeakMissing
from tieline.agent.providers.voice_messages import Answer, NotSpoken, Speak, Spoken, VoiceMissing, VoiceReady
from tieline.agent.voice import MAX_TEXT, VoiceFailed
from tieline.media.framing import FrameReader, frame
from tieline.media.g711 import PCMU, SAMPLE_RATE, encode
from tieline.media.rate import resample


def speak(espeak: Espeak, request: Speak) -> Answer:
    """Carry out one request."""
    if len(request.text) > MAX_TEXT:
        return NotSpoken(f"a text of {len(request.text)} characters; the limit is {MAX_TEXT}")
    try:
        pcm = espeak.speak(request.text, request.language, request.variant)
    except VoiceFailed as failure:
        return NotSpoken(failure.message)
    return Spoken(encode(resample(pcm, espeak.sample_rate, SAMPLE_RATE), PCMU))


def serve(link: socket.socket) -> None:
    """Answer requests until the link closes."""
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(Speak)
    reader = FrameReader()
    try:
        espeak = Espeak()
    except EspeakMissing as missing:
        link.sendall(frame(encoder.encode(VoiceMissing(str(missing)))))
        return
    link.sendall(frame(encoder.encode(VoiceReady(os.getpid()))))
    while chunk := link.recv(65536):
        for message in reader.feed(chunk):
            link.sendall(frame(encoder.encode(speak(espeak, decoder.decode(message)))))


def main(arguments: list[str]) -> None:
    """Take the link from the command line and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[0])) as link:
        try:
            serve(link)
        except (BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    main(sys.argv[1:])
