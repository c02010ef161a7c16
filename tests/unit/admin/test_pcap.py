"""The capture file, read back by a reader of our own and, where it is there, by tshark."""

from __future__ import annotations

import ipaddress
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.unit.admin.whole_call import whole_call
from tieline.admin.pcap import US, capture
from tieline.admin.redaction import redact_conversation
from tieline.testing.store_samples import T0


def checksum_of(data: bytes) -> int:
    padded = data + b"\x00" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    return (total & 0xFFFF) + (total >> 16)


def read(file: bytes) -> list[tuple[float, str, int, str, int, bytes]]:
    """Time, source, source port, target, target port and payload of each packet; checks every length and sum."""
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", file)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 1)
    found, at = [], 24
    while at < len(file):
        seconds, micros, kept, whole = struct.unpack_from("<IIII", file, at)
        frame = file[at + 16 : at + 16 + kept]
        assert kept == whole == len(frame)
        at += 16 + kept
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x00":
            assert checksum_of(packet[:20]) == 0xFFFF
            assert int.from_bytes(packet[2:4], "big") == len(packet)
            source, target, udp = packet[12:16], packet[16:20], packet[20:]
        else:
            assert kind == b"\x86\xdd"
            source, target, udp = packet[8:24], packet[24:40], packet[40:]
        first, second, length, _ = struct.unpack_from("!HHHH", udp)
        assert length == len(udp)
        assert checksum_of(source + target + struct.pack("!HH", 17, length) + udp) % 0xFFFF == 0
        where = (str(ipaddress.ip_address(source)), first, str(ipaddress.ip_address(target)), second)
        found.append((seconds + micros / 1e6, *where, udp[8:]))
    return found


def test_each_message_is_a_packet_with_its_time_and_ends() -> None:
    closed = whole_call().closed
    assert closed is not None
    invite, ok, outgoing = read(capture(closed.ladder, T0))
    start = T0.timestamp()
    assert invite[:5] == (start, "192.0.2.10", 5060, US[4], 5060)
    assert ok[0] == pytest.approx(start + 0.0205)
    assert ok[1:5] == (US[4], 5060, "192.0.2.10", 5060)
    assert outgoing[:5] == (start + 9.0, US[6], 5060, "2001:db8::5", 5062)
    head, _, body = invite[5].partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert len(body) > 20


@pytest.mark.parametrize("peer", ["browser", "", "300.1.1.1:5060", "host:99999"])
def test_a_leg_without_an_address_has_a_stand_in(peer: str) -> None:
    (packet,) = read(capture([{"direction": "in", "peer": peer, "text": "BYE sip:x SIP/2.0\r\n"}], T0))
    assert packet[1] == "192.0.2.254"
    (odd,) = read(capture([{"direction": "in", "peer": "192.0.2.7:99999", "text": "x"}], T0))
    assert odd[1:3] == ("192.0.2.7", 5060)


def test_no_messages_make_an_empty_capture() -> None:
    assert read(capture([], T0)) == []


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("redacted", [True, False])
def test_tshark_reads_it(tmp_path: Path, redacted: bool) -> None:
    call = redact_conversation(whole_call()) if redacted else whole_call()
    assert call.closed is not None
    path = tmp_path / "ladder.pcap"
    path.write_bytes(capture(call.closed.ladder, T0))
    fields = ["-e", "sip.Method", "-e", "sip.Status-Code", "-e", "_ws.malformed", "-e", "udp.checksum.status"]
    command = [
        "tshark",
        "-r",
        str(path),
        "-o",
        "udp.check_checksum:TRUE",
        "-d",
        "udp.port==5062,sip",
        "-T",
        "fields",
    ]
    done = subprocess.run([*command, *fields], capture_output=True, text=True, check=True, timeout=60)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(line[0], line[1]) for line in lines] == [("INVITE", ""), ("", "200"), ("INVITE", "")]
    assert {line[2] for line in lines} == {""}
    assert {line[3] for line in lines} == {"1"}
