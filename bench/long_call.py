"""Long calls: two calls of ten real minutes with session timers of 90 s and audio both ways, SIPp at every far end.

    python -m bench.long_call [--minutes 10]

One call is with the agent; its caller renews the session by re-INVITE. The other is bridged to a human: towards the
caller it is we who renew, by UPDATE; towards the human, whom we called and who does not know UPDATE, by re-INVITE. A
session that nobody renews would be ended after 90 s, and audio that stops after 60 s. The reference of the agent's
audio is the clock: a packet every 20 ms; that of the bridged audio is the time at which it was sent.

It fails when a renewal, a packet in a hundred thousand or a clean end is missing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.media import describe_machine
from bench.processes import measure
from bench.rtp_ends import RtpEnd, figures, run
from bench.scenario import (
    CONTACT,
    Sipp,
    ack,
    answered,
    invite,
    pause,
    receive,
    receive_request,
    reply,
    request,
    ring_and_answer,
    sdp,
    write,
)
from tieline.demo.process import ServerProcess

HERE = Path(__file__).parent
INTERVAL_S = 90
REFRESH_S = INTERVAL_S / 2
SIP_PORTS = {"agent": 15210, "caller": 15220, "human": 15230}
LOST_SHARE = 1e-5
RESOURCES = f"""
accounts: [{{slug: bench}}]
projects:
  - slug: transfers
    account: bench
    path: {HERE / "projects" / "transfers"}
    numbers: ["303", "310"]
    handoffs:
      - name: bridged
        sip_config: {{method: invite, phone_number: "100", outbound_endpoint: human, outbound_encryption: UDP/RTP}}
        fallback: []
trunks:
  - {{name: callers, networks: [127.0.0.1/32], session_timer: supported, session_expires_s: {INTERVAL_S}}}
  - name: human
    networks: [127.0.0.2/32]
    target: 127.0.0.2:{SIP_PORTS["human"]}
    session_timer: required
    session_expires_s: {INTERVAL_S}
"""


def write_scenarios(folder: Path, ends: dict[str, RtpEnd], seconds: float) -> tuple[dict[str, Path], int]:
    """What each far end does, and how often each session is renewed."""
    refreshes = max(0, int((seconds - 5) // REFRESH_S))
    rest = pause(min(seconds - refreshes * REFRESH_S, REFRESH_S - 5))
    expires = f"Session-Expires: {INTERVAL_S};refresher="
    timers = ["Supported: timer"]
    ended = request("BYE", 900) + receive(200)
    port = ends["agent"].port
    renewed = "".join(
        pause(REFRESH_S)
        + request("INVITE", cseq, headers=[CONTACT, *timers, f"{expires}uac"], body=sdp(port))
        + receive(100, optional=True)
        + receive(200)
        + ack(cseq)
        for cseq in range(2, refreshes + 2)
    )
    updated = receive_request("UPDATE") + reply("200 OK", headers=["Require: timer", f"{expires}uac"])
    asked = (
        receive_request("INVITE")
        + reply("200 OK", headers=[CONTACT, "Require: timer", f"{expires}uac"], body=sdp(ends["human"].port))
        + receive_request("ACK")
    )
    allow = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"
    written = {
        "agent": write(
            folder / "agent.xml", invite(port, [*timers, f"{expires}uac"]), answered(), renewed, rest, ended
        ),
        "caller": write(
            folder / "caller.xml", invite(ends["caller"].port, [*timers, allow, f"{expires}uas"]), answered(),
            updated * refreshes, rest, ended,
        ),
        "human": write(
            folder / "human.xml", ring_and_answer(ends["human"].port, ["Require: timer", f"{expires}uac"]),
            asked * refreshes, receive_request("BYE"), reply("200 OK"),
        ),
    }  # fmt: skip
    return written, refreshes


def play(server: ServerProcess, target: tuple[str, int], seconds: float) -> bool:
    """Run both calls, print how they go, and judge them."""
    ends = {name: RtpEnd() for name in SIP_PORTS}
    written, refreshes = write_scenarios(server.folder, ends, seconds)
    players: dict[str, Sipp] = {}
    for name, number in (("human", ""), ("agent", "310"), ("caller", "303")):
        host = "127.0.0.2" if name == "human" else "127.0.0.1"
        to = [f"{target[0]}:{target[1]}", "-s", number] if number else []
        players[name] = Sipp(
            server.folder, name, None, *to, "-sf", str(written[name]), "-i", host, "-p", str(SIP_PORTS[name]),
            "-m", "1", "-trace_msg", "-message_file", str(server.folder / f"{name}.messages"),
            "-recv_timeout", "60000", "-timeout", str(round(seconds) + 60), "-timeout_error",
        )  # fmt: skip
        time.sleep(0.5)
    for name, end in ends.items():
        end.remote = find_remote(players[name], end.port)
    started = measure(server.pid).cpu_s

    def tell(second: int) -> bool:
        if second % 30 == 0:
            heard = ", ".join(f"{name} {end.received} (-{end.lost})" for name, end in ends.items())
            counted = ", ".join(f"{name} {renewals(players[name])}" for name in ends)
            print(f"{second:5} s: packets heard: {heard}; renewals: {counted}", flush=True)
        return any(player.process.poll() is None for player in players.values())

    run(list(ends.values()), seconds + 30, tell)
    cpu = (measure(server.pid).cpu_s - started) / seconds
    for player in players.values():
        player.stop()
    print(f"CPU of all processes: {cpu:.2%} of a core for both calls\n")
    steady = show_audio(ends, seconds)
    held = all(
        [
            *(
                show_end(name, player, refreshes, player is not players["human"])
                for name, player in players.items()
            ),
            steady,
            show_records(server),
        ]
    )
    for end in ends.values():
        end.socket.close()
    return held


def find_remote(player: Sipp, own: int) -> tuple[str, int]:
    """Where the server's audio for this far end is, by its message log."""
    text = ""
    for _ in range(100):
        text = player.messages.read_text(errors="replace") if player.messages.exists() else ""
        found = [int(port) for port in re.findall(r"^m=audio (\d+)", text, re.MULTILINE) if int(port) != own]
        if found:
            return "127.0.0.1", found[0]
        time.sleep(0.05)
    sys.exit(f"no audio was agreed upon:\n{text}")


def renewals(player: Sipp) -> int:
    """How often the session of this far end has been renewed, by its message log."""
    text = player.messages.read_text(errors="replace") if player.messages.exists() else ""
    sent_or_got = [line for line in text.splitlines() if line.startswith(("INVITE sip:", "UPDATE sip:"))]
    return max(0, len(sent_or_got) - 1)


def show_end(name: str, player: Sipp, refreshes: int, calling: bool) -> bool:
    """One far end: its renewals, and whether SIPp was content."""
    found, status = renewals(player), player.process.returncode
    by = {"agent": "the caller, by re-INVITE", "caller": "us, by UPDATE", "human": "us, by re-INVITE"}[name]
    side = "its BYE answered" if calling else "BYE received"
    print(
        f"{name:7} renewed {found} times of {refreshes} by {by}; SIPp: {'content, ' + side if not status else 'failed'}"
    )
    return found == refreshes and status == 0


def show_audio(ends: dict[str, RtpEnd], seconds: float) -> bool:
    """Spacing of the agent's audio, delay of the relayed, and packets lost; whether that is well."""
    well = True
    for name, what in (("agent", "off 20 ms by"), ("caller", "under way for"), ("human", "under way for")):
        found = figures([ends[name]], delay=name != "agent")
        print(
            f"{name:7} heard {found.received} packets, {found.lost} lost; {what} p50 {found.p50:.2f}, "
            f"p99 {found.p99:.2f}, p99.9 {found.p999:.2f}, at most {found.most:.2f} ms"
        )
        well = well and found.lost <= LOST_SHARE * found.received and found.received >= 50 * (seconds - 3)
    return well


def show_records(server: ServerProcess) -> bool:
    """How the server's own records say that the calls ended."""
    time.sleep(1)
    listed = server.command("calls", "list", "--json")
    endings = [(call["termination"] or {}).get("reason", "none") for call in json.loads(listed.stdout)]
    clean = "Traceback" not in server.log_tail(10_000)
    print(
        f"recorded endings: {', '.join(sorted(endings))}; tracebacks in the log: {'none' if clean else 'SOME'}"
    )
    return clean and len(endings) == 2 and "none" not in endings


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and check that the calls held."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.long_call", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the calls last (%(default)s)")
    seconds = parser.parse_args(arguments).minutes * 60
    print(describe_machine())
    print(f"two calls of {seconds:.0f} s, session interval {INTERVAL_S} s\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        server = ServerProcess(Path(name), {"log": {"level": "warning"}})
        (server.folder / "resources.yaml").write_text(RESOURCES)
        applied = server.command("apply", "-f", "resources.yaml")
        if applied.returncode:
            sys.exit(applied.stdout + applied.stderr)
        target = server.start().sip_udp
        try:
            held = play(server, target, seconds)
        finally:
            server.stop()
    print("the calls held" if held else "the calls did NOT hold")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
