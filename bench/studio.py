"""The studio on a database of a million calls, live with 500 running calls, and what both do to the calls' audio.

    python -m bench.studio [--quick] [--calls N] [--running N] [--seconds S] [--database FILE]

First every page is opened in chromium, some with searches: from the click to a drawn, connected page with its data, and
the server's part of that. Then so many agent calls are up, with RTP both ways, and another trunk makes five calls a
second, of two seconds each; the spacing of what the calls hear is taken with no studio open, with a browser at work on
a page that is not ours, with Live open in two browsers, with somebody going through the pages of the million calls
without a pause, with both, then with the foreign page and with no studio again. The server with all its processes has
one core; beside calls, browsers and far ends have the other. Arrivals are timed by the kernel.

Browsers are on other machines than the server, as a rule. On one machine a busy one slows its neighbour's core; what
the studio adds is therefore held against the phases in which a browser is at work elsewhere, and told against the
phases without any browser, too.

It fails when a page (the median of its openings) takes a second or more, when Live does not show every call, holds a
browser for more than half a second or gets less than an update in two seconds, when the 99th percentile of the
spacing grows by 5 ms or more, or when audio is lost. `--database` keeps the file, and takes it as it is when it is
there.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from bench.caller import Call, Plan
from bench.flood import QUIET, RUNNING, hold, spawn
from bench.media import describe_machine
from bench.million import ACCOUNT, fill
from bench.processes import measure, part_seconds, pin
from bench.rtp_ends import Figures, RtpEnd, figures, run
from bench.studio_browser import Opened, Watched
from bench.studio_browser import Plan as BrowserPlan
from bench.studio_server import LAG
from tieline.demo.process import Addresses, ServerProcess
from tieline.model.conversation import ConversationOpened
from tieline.store.base import ConversationFilter
from tieline.store.sqlite import SqliteStore
from tieline.studio import pages
from tieline.studio.menu import PAGES
from tieline.testing.signed_in import sign_in_to

HERE = Path(__file__).parent
SERVER_CORE, LOAD_CORE = 0, 1
NEW_CALLS, HELD_S = 5, 2.0
PAGE_GOAL_MS, SPACING_GOAL_MS, HELD_GOAL_MS, UPDATES_GOAL = 1000.0, 5.0, 500.0, 0.5
OPENS_WITHIN_S, ENDS_WITHIN_S = 120, 600
RESOURCES = f"""
accounts: [{{slug: {ACCOUNT}}}]
projects:
  - {{slug: transfers, account: {ACCOUNT}, path: {HERE / "projects" / "transfers"}, numbers: ["310"]}}
  - {{slug: silent, account: {ACCOUNT}, answer_only: true, numbers: ["200"]}}
pools:
  - {{name: main, project: transfers, numbers: ["+15551000000-+15551001999"], trunks: [running]}}
trunks:
  - {{name: running, account: {ACCOUNT}, networks: [{RUNNING}/32]}}
  - {{name: quiet, account: {ACCOUNT}, networks: [{QUIET}/32]}}
"""
NAMES = {"/functions/": "transfers", "/projects/": "transfers", "/pools/": "main", "/trunks/": "running"}
"""What is looked at on the pages of single things; pages of others are left out."""


class Heard(NamedTuple):
    """What the calls heard in one phase, the CPU of the server and of its event loop, and how late the loop ran."""

    audio: Figures
    cpu: float
    loop: float
    lag: dict[str, float]


class Phase(NamedTuple):
    """What goes on beside the running calls: the works of browsers, by their names."""

    title: str
    works: tuple[str, ...]


ELSEWHERE = Phase("a browser elsewhere", ("elsewhere",))
PHASES = (
    Phase("no browser", ()),
    ELSEWHERE,
    Phase("Live in 2 browsers", ("live",)),
    Phase("browsing the calls", ("browse",)),
    Phase("both", ("live", "browse")),
    ELSEWHERE,
    Phase("no browser", ()),
)


# -- pages --------------------------------------------------------------------------------------------------------


async def middle_call(database: Path) -> ConversationOpened:
    """A call in the middle of the list."""
    store = SqliteStore(database)
    now = datetime.now(UTC)
    await store.open(now)
    try:
        for days in (40, 0):
            wanted = ConversationFilter(before=now - timedelta(days=days), limit=1)
            for found in await store.conversations(wanted):
                return found.opened
    finally:
        await store.close()
    sys.exit("the database holds no calls")


def call_pages(call: ConversationOpened) -> list[tuple[str, str]]:
    """The pages of the million calls, with every kind of search."""
    day = f"{call.started_at:%Y-%m-%dT%H:%M}"
    place = quote(f"{call.started_at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}~{call.id}")
    searches = {
        "the newest": "",
        "older than one of the middle": f"?older={place}",
        "newer than that": f"?newer={place}",
        "by number": f"?q={quote(call.caller_number or '')}",
        "by number called": f"?q={quote(call.callee_number or '')}",
        "by shared id": f"?q={quote(call.shared_id or '')}",
        "by SIP Call-ID": f"?q={quote(call.sip_call_id or '')}",
        "by an outcome": "?ended=handed-off",
        "by a rare outcome": "?ended=internal_error",
        "by a fault": "?ended=fault-trunk",
        "by time": f"?end={day}",
        "by project, time, outcome": f"?project=project-4&ended=no_media&end={day}",
        "nothing found": "?q=no-such-call",
    }
    found = [(f"Conversations, {name}", f"/conversations{query}") for name, query in searches.items()]
    found.append(("One call", f"/conversations/{call.id}"))
    found += [(f"Dashboards, {days} days", f"/dashboards?days={days}") for days in (1, 7, 30, 90)]
    found.append(("Refused calls", "/refused"))
    return found


def other_pages(measured: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every other page that the studio has."""
    pages.register()
    known = {path.partition("?")[0] for _, path in measured}
    found: list[tuple[str, str]] = []
    for path, info in sorted(PAGES.items()):
        kind, _, parameter = path.partition("{")
        if path in known or (parameter and kind not in NAMES):
            continue
        found.append((f"{info.title} ({path})", f"{kind}{NAMES[kind]}" if parameter else path))
    return found


def judge_pages(found: dict[str, Any]) -> bool:
    """Print what each page took; whether all are within the goal."""
    cold = found["cold"]
    opened = msgspec.convert(found["opened"], list[Opened])
    print(
        f"{'':44} {'HTML, ms':>15} {'usable, ms':>15} {'sent':>9} {'unpacked':>9}\n"
        f"{'':44} {'p50':>8}{'most':>7} {'p50':>8}{'most':>7} {'KiB':>9} {'KiB':>9}"
    )
    held = True
    for name in dict.fromkeys(one.name for one in opened):
        those = [one for one in opened if one.name == name]
        html, usable = [one.html_ms for one in those], [one.usable_ms for one in those]
        good = statistics.median(usable) < PAGE_GOAL_MS and {one.status for one in those} == {200}
        held = held and good
        print(
            f"{name:44} {statistics.median(html):8.0f}{max(html):7.0f} "
            f"{statistics.median(usable):8.0f}{max(usable):7.0f} "
            f"{those[0].html_bytes / 1024:9.1f} {those[0].page_bytes / 1024:9.1f}"
            f"{'' if good else '  <- status ' + str(those[0].status) if those[0].status != 200 else '  <- too slow'}"
        )
    print(
        f"{'the first page in a new browser: ' + cold['name']:44} {cold['html_ms']:8.0f}{'':7} {cold['usable_ms']:8.0f}"
        f"{'':7} {cold['html_bytes'] / 1024:9.1f} {cold['page_bytes'] / 1024:9.1f}  and "
        f"{cold['file_bytes'] / 1024:.0f} KiB of scripts and styles"
    )
    return held and cold["usable_ms"] < PAGE_GOAL_MS


# -- running calls ------------------------------------------------------------------------------------------------


class Person:
    """A browser at work beside the calls: `begun` says that it has opened its page, `end` gives what it has seen."""

    def __init__(self, plan: BrowserPlan) -> None:
        self.work = plan.work
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.studio_browser", json.dumps(msgspec.to_builtins(plan))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE.parent, env=os.environ,
        )  # fmt: skip
        self._begun = False

    def begun(self) -> bool:
        """Whether it is at work."""
        out = self._process.stdout
        assert out is not None
        if not self._begun and select.select([out], [], [], 0)[0]:
            if out.readline() != b"ready\n":
                sys.exit("a browser failed")
            self._begun = True
        return self._begun

    def end(self) -> dict[str, Any]:
        """Stop it."""
        try:
            output, _ = self._process.communicate(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            sys.exit(f"a browser did not come to an end within {ENDS_WITHIN_S} s")
        if self._process.returncode:
            sys.exit("a browser failed")
        found: dict[str, Any] = json.loads(output)
        return found


def lag(addresses: Addresses) -> dict[str, float]:
    """How late the server's event loop ran since this was last asked, in milliseconds."""
    host, _, port = addresses.http.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("POST", LAG, b"{}")
    found: dict[str, float] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def hear(server: ServerProcess, addresses: Addresses, ends: Sequence[RtpEnd], people: Sequence[Person],
         seconds: float) -> Heard:  # fmt: skip
    """Run the calls for so long, from when everybody is at work."""
    run(ends, OPENS_WITHIN_S, lambda _: not all(one.begun() for one in people))
    if not all(one.begun() for one in people):
        sys.exit("a browser did not open its page")
    run(ends, 1.0)
    for end in ends:
        end.clear()
    lag(addresses)
    before, parts = measure(server.pid).cpu_s, part_seconds(server.pid)
    run(ends, seconds)
    cpu = (measure(server.pid).cpu_s - before) / seconds
    loop = (part_seconds(server.pid)["event loop"] - parts["event loop"]) / seconds
    return Heard(figures(ends), cpu, loop, lag(addresses))


def show_heard(phase: Phase, heard: Heard) -> None:
    """A line of the table."""
    audio, late = heard.audio, heard.lag
    print(
        f"{phase.title:20} {audio.p50:7.2f} {audio.p99:7.2f} {audio.p999:7.2f} {audio.most:8.2f} {audio.lost:6} "
        f"{late['p50']:8.2f} {late['p99']:7.2f} {late['most']:8.2f} {heard.cpu:7.0%} {heard.loop:7.0%}",
        flush=True,
    )


def judge_live(title: str, found: dict[str, Any], running: int) -> bool:
    """Print what the browsers on Live saw; whether that is usable."""
    held = True
    for one in msgspec.convert(found["seen"], list[Watched]):
        good = one.calls >= running and one.frame_most < HELD_GOAL_MS and one.updates >= UPDATES_GOAL
        held = held and good
        print(
            f"{'':4}Live ({title}): {one.calls} calls shown, {one.updates:g} updates/s, {one.messages:g} messages/s, "
            f"{one.bytes / 1024:.1f} KiB/s; an update takes {one.update_p50:g} ms, {one.update_most:g} at most; "
            f"from frame to frame p50 {one.frame_p50:g}, p99 {one.frame_p99:g}, most {one.frame_most:g} ms"
            f"{'' if good else '  <- not usable'}"
        )
    for opened in msgspec.convert(found["opened"], list[Opened]):
        print(
            f"{'':4}Live opened with {running} calls: {opened.usable_ms:.0f} ms, "
            f"{opened.html_bytes / 1024:.1f} KiB sent"
        )
    return held


def judge_browsing(title: str, found: dict[str, Any]) -> None:
    """Print how the pages opened beside the calls."""
    usable = [one.usable_ms for one in msgspec.convert(found["opened"], list[Opened])]
    print(
        f"{'':4}pages ({title}): {len(usable)} opened in {found['seconds']:.0f} s, "
        f"median {statistics.median(usable):.0f}, most {max(usable):.0f} ms"
    )


def beside_calls(server: ServerProcess, addresses: Addresses, plan: BrowserPlan, running: int,
                 seconds: float) -> bool:  # fmt: skip
    """All phases; whether the studio leaves the audio alone."""
    ends = [RtpEnd() for _ in range(running)]
    found: list[Heard] = []
    held = True
    host, port = addresses.sip_udp
    steady = Plan(host=host, port=port, source=QUIET, calls=10_000, rate=NEW_CALLS, hold_s=HELD_S)
    with asyncio.Runner() as runner:
        calls: list[Call] = runner.run(hold(addresses.sip_udp, ends))
        others = spawn("bench.caller", json.dumps(msgspec.to_builtins(steady)))
        print(
            f"\n{'':20} {'spacing of audio off by':>31} {'event loop late':>33} {'server:':>7}\n"
            f"{running:5} calls up       {'p50':>7} {'p99':>7} {'p99.9':>7} {'max ms':>8} {'lost':>6} "
            f"{'p50':>8} {'p99':>7} {'max ms':>8} {'CPU':>7} {'loop':>7}"
        )
        try:
            for phase in PHASES:
                people = [Person(msgspec.structs.replace(plan, work=work)) for work in phase.works]
                heard = hear(server, addresses, ends, people, seconds)
                seen = {one.work: one.end() for one in people}
                show_heard(phase, heard)
                if "live" in seen:
                    held = judge_live(phase.title, seen["live"], running) and held
                if "browse" in seen:
                    judge_browsing(phase.title, seen["browse"])
                found.append(heard)
        finally:
            others.kill()
            others.wait()
        ended = [runner.run(call.end()) for call in calls]
    for end in ends:
        end.socket.close()
    lost = sum(one.audio.lost for one in found)
    print(f"\n{lost} packets lost; {sum(ended)} of {len(ended)} calls were up at the end")
    return judge_audio([one.audio.p99 for one in found]) and held and not lost and all(ended)


def judge_audio(heard: Sequence[float]) -> bool:
    """Print what the studio adds to the 99th percentiles of the phases; whether that is within the goal."""
    p99 = {phase: [ms for ms, of in zip(heard, PHASES, strict=True) if of == phase] for phase in PHASES}
    alone, elsewhere = statistics.mean(p99[PHASES[0]]), statistics.mean(p99[ELSEWHERE])
    worst = max(ms for phase, found in p99.items() if {"live", "browse"} & set(phase.works) for ms in found)
    print(
        f"the studio adds {worst - elsewhere:+.2f} ms at most to the 99th percentile of {elsewhere:.2f} ms beside a "
        f"browser at work elsewhere (goal: less than {SPACING_GOAL_MS:g}), {worst - alone:+.2f} to the {alone:.2f} ms "
        f"without any browser"
    )
    return worst - elsewhere < SPACING_GOAL_MS


def bench(options: argparse.Namespace, folder: Path) -> int:
    """Fill, serve, measure, judge."""
    database = options.database.resolve() if options.database is not None else folder / "million.db"
    if not database.exists():
        begun = time.monotonic()
        fill(database, options.calls)
        print(f"{options.calls:,} calls put into {database.stat().st_size / 2**20:,.0f} MiB "
              f"in {time.monotonic() - begun:.0f} s")  # fmt: skip
    call = asyncio.run(middle_call(database))
    session = sign_in_to(database)
    (folder / "resources.yaml").write_text(RESOURCES)
    settings = {
        "server": {"max_calls": options.running + 200},
        "log": {"level": "error"},
        "store": {"path": str(database), "keep_days": 0},
    }
    # The server runs in its own folder, and is a program of this one.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    server = ServerProcess(folder, settings, module="bench.studio_server")
    applied = server.command("apply", "-f", "resources.yaml")
    if applied.returncode:
        sys.exit(applied.stdout + applied.stderr)
    begun = time.monotonic()
    addresses = server.start()
    try:
        print(f"started in {time.monotonic() - begun:.1f} s\n")
        pin(server.pid, SERVER_CORE)
        many = call_pages(call)
        plan = BrowserPlan(
            base=f"{addresses.http}/studio",
            cookie=session.cookie,
            work="open",
            pages=many,
            rounds=options.rounds,
        )
        looked = Person(msgspec.structs.replace(plan, pages=[*other_pages(many), *many]))
        lag(addresses)
        held = judge_pages(looked.end())
        late = lag(addresses)
        print(f"meanwhile the event loop was late by {late['p99']:.1f} ms (p99), {late['most']:.1f} at most")
        os.sched_setaffinity(0, {LOAD_CORE})  # only now: until here a browser may have what the server leaves
        held = beside_calls(server, addresses, plan, options.running, options.seconds) and held
        log = server.log_tail()
    finally:
        server.stop()
    if log:
        print(f"the server's log:\n{log}")
    return 0 if held else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.studio", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls in the database (%(default)s)")
    parser.add_argument("--running", type=int, default=500, help="calls that are up (%(default)s)")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each phase (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="openings of each page (%(default)s)")
    parser.add_argument("--database", type=Path, help="a file of bench.million to use, or to make and keep")
    parser.add_argument("--quick", action="store_true", help="50,000 calls, 50 up, 6 s, 2 openings")
    options = parser.parse_args(arguments)
    if options.quick:
        options.calls, options.running, options.seconds, options.rounds = 50_000, 50, 6.0, 2
    print(describe_machine())
    print(
        f"{options.calls:,} calls stored, {options.running} up and {NEW_CALLS} new ones a second; server on core "
        f"{SERVER_CORE}, browsers and far ends on core {LOAD_CORE}; goals: a page in {PAGE_GOAL_MS:g} ms, spacing "
        f"p99 +{SPACING_GOAL_MS:g} ms\n"
    )
    with tempfile.TemporaryDirectory() as name:
        return bench(options, Path(name))


if __name__ == "__main__":
    sys.exit(main())
