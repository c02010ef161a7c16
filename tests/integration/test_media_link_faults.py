"""What can go wrong between the server and a media process, made to go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading

import msgspec
import pytest

from tests.integration.test_media_process import Leg
from tests.ports import few_rtp_ports
from tieline.errors import Unavailable
from tieline.media.framing import FrameReader, frame
from tieline.media.messages import ConnectLeg, LegClosed, MediaReady, Play, Played, Report
from tieline.net import media_link
from tieline.net.media_link import MediaLink, MediaSettings
from tieline.net.media_process import MediaProcess, ProcessSettings


async def started() -> MediaLink:
    first, last = few_rtp_ports(2)
    link = MediaLink(MediaSettings(first_port=first, last_port=last, max_calls=2))
    await link.start()
    return link


async def back_again(link: MediaLink, restarts: int) -> None:
    async with asyncio.timeout(30):
        while not (link.up and link.restarts >= restarts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_process_that_does_not_answer_is_given_up_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_link, "OPEN_TIMEOUT_S", 0.1)
    monkeypatch.setattr(media_link, "STOP_TIMEOUT_S", 0.1)
    link = await started()
    (pid,) = link.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Unavailable, match="does not answer"):
        await Leg(link, "one").open()
    await link.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_is_out_of_step_is_replaced() -> None:
    link = await started()
    leg = await Leg(link, "one").open()
    (pid,) = link.pids
    link._processes[0].data_received(frame(b"no report"))
    await leg.report(LegClosed)
    await back_again(link, 1)
    assert link.pids != [pid]
    await Leg(link, "one").open()
    await link.stop()


async def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    link = await started()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        os.kill(link.pids[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while link.restarts < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await MediaLink(MediaSettings()).start()
    await back_again(link, 3)
    await link.stop()


async def test_a_process_that_never_becomes_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    idle = tmp_path_factory.mktemp("idle") / "python"
    idle.write_text("#!/bin/sh\nexec sleep 60\n")
    idle.chmod(0o755)
    monkeypatch.setattr(media_link, "START_TIMEOUT_S", 0.1)
    monkeypatch.setattr(media_link, "STOP_TIMEOUT_S", 0.1)
    monkeypatch.setattr(sys, "executable", str(idle))
    with pytest.raises(Unavailable, match="ready"):
        await MediaLink(MediaSettings()).start()


async def test_a_process_that_dies_while_a_leg_is_opened() -> None:
    link = await started()
    os.kill(link.pids[0], signal.SIGSTOP)
    opening = asyncio.create_task(Leg(link, "one").open())
    await asyncio.sleep(0)
    os.kill(link.pids[0], signal.SIGKILL)
    with pytest.raises(Unavailable, match="died"):
        await opening
    await back_again(link, 1)
    await link.stop()


def test_reports_wait_for_a_server_that_is_slow() -> None:
    ours, theirs = socket.socketpair()
    process = MediaProcess(theirs, ProcessSettings("127.0.0.1", list(range(*few_rtp_ports(1), 2))))
    thread = threading.Thread(target=process.run)
    thread.start()
    plays = 30_000
    encoder = msgspec.msgpack.Encoder()
    ours.sendall(b"".join(frame(encoder.encode(Play("gone", number, []))) for number in range(plays)))
    ours.sendall(
        frame(b"no command") + frame(encoder.encode(ConnectLeg("gone", ("x", 1), 0, None, True, True, None)))
    )
    reader, decoder = FrameReader(), msgspec.msgpack.Decoder(Report)
    reports: list[Report] = []
    while len(reports) < plays + 1:
        reports += [decoder.decode(message) for message in reader.feed(ours.recv(65536))]
    assert isinstance(reports[0], MediaReady)
    assert reports[1:] == [Played("gone", number, False, 0.0) for number in range(plays)]
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
    theirs.close()
