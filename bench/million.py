"""Fill a database with calls of the last weeks, as they would have been written, without a server.

    python -m bench.million FILE [--calls 1000000] [--days 90] [--turns 2] [--projects 5]

Every call has its INVITE's facts, turns, an outcome and a SIP ladder; a tenth was handed over and has a receipt.
Figures by the hour are filled too. The rows' documents are made of templates: only what a search looks at differs.
`--measure` then asks what the studio's pages ask, and prints what each took.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tieline.model.call import Fault, Termination, TerminationReason
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, Turn
from tieline.model.handoff import HandoffMethod
from tieline.model.project import Account, Project
from tieline.model.receipt import Receipt, ReceiptState, ReceiptStep, Step
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.store.base import ConversationFilter, Cursor
from tieline.store.figures import FigureFilter, hour_of
from tieline.store.migration import migrate
from tieline.store.records import encode, stamp
from tieline.store.sqlite import SqliteStore
from tieline.store.sqlite_search import list_query

ACCOUNT = "bench"
CHUNK = 5_000
LADDERS = 64
ENDS = (
    (TerminationReason.AGENT_HUNG_UP, 58.0), (TerminationReason.CALLER_HUNG_UP, 30.0),
    (TerminationReason.HANDED_OFF, 10.0), (TerminationReason.AGENT_FAILED, 1.0),
    (TerminationReason.CALLER_CANCELLED, 0.6), (TerminationReason.NO_MEDIA, 0.3),
    (TerminationReason.NO_ACK, 0.09), (TerminationReason.INTERNAL_ERROR, 0.01),
)  # fmt: skip
_HEAD = (
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{n:012x};rport\r\n"
    'From: "Caller" <sip:+15550{n:06d}@192.0.2.10>;tag={n:x}\r\nTo: <sip:+15551{n:06d}@198.51.100.1>\r\n'
    "Call-ID: {n:032x}@192.0.2.10\r\nCSeq: {seq}\r\nContact: <sip:192.0.2.10:5060>\r\nMax-Forwards: 70\r\n"
)
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    "a=ptime:20\r\n"
)


def _ladder(n: int) -> bytes:
    """The compressed ladder of an ordinary call: INVITE, 100, 180, 200, ACK, BYE, 200."""
    script = (
        ("in", "INVITE sip:+15551000000@198.51.100.1 SIP/2.0", "1 INVITE", True),
        ("out", "SIP/2.0 100 Trying", "1 INVITE", False),
        ("out", "SIP/2.0 180 Ringing", "1 INVITE", False),
        ("out", "SIP/2.0 200 OK", "1 INVITE", True),
        ("in", "ACK sip:198.51.100.1 SIP/2.0", "1 ACK", False),
        ("out", "BYE sip:192.0.2.10:5060 SIP/2.0", "1 BYE", False),
        ("in", "SIP/2.0 200 OK", "1 BYE", False),
    )
    entries = [
        {
            "at_ms": index * 150.5 + n,
            "leg": "caller",
            "direction": direction,
            "peer": "192.0.2.10:5060",
            "text": f"{first}\r\n{_HEAD.format(n=n, seq=seq)}\r\n{_SDP.format(port=20_000 + n) if body else ''}",
        }
        for index, (direction, first, seq, body) in enumerate(script)
    ]
    return zlib.compress(msgspec.json.encode(entries), 1)


class _Calls:
    """Makes rows; each call differs in its ids, numbers, times, project, and how it ended."""

    def __init__(self, calls: int, days: float, turns: int, projects: int, now: datetime) -> None:
        self.chance = random.Random(7)
        self.calls, self.turns = calls, turns
        self.projects = [f"project-{index}" for index in range(projects)]
        self.begin, self.step_s = now - timedelta(days=days), days * 86400 / calls
        self.ladders = [_ladder(n) for n in range(LADDERS)]
        self.figures: Counter[tuple[int, str, str, int]] = Counter()
        self.talk: Counter[tuple[int, str, str, int]] = Counter()

    def chunks(self) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
        """Rows by table, a few thousand calls at a time, oldest first."""
        for start in range(0, self.calls, CHUNK):
            rows: dict[str, list[tuple[Any, ...]]] = {
                name: [] for name in ("conversations", "turns", "outcomes", "receipts")
            }
            for number in range(start, min(start + CHUNK, self.calls)):
                self._add(number, rows)
            yield rows

    def _add(self, number: int, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        chance = self.chance
        at = self.begin + timedelta(seconds=(number + chance.random()) * self.step_s)
        identity = f"{chance.getrandbits(128):032x}"
        identity = f"{identity[:8]}-{identity[8:12]}-4{identity[13:16]}-a{identity[17:20]}-{identity[20:]}"
        project = chance.choices(self.projects, [2.0**-index for index in range(len(self.projects))])[0]
        reason = chance.choices([end for end, _ in ENDS], [weight for _, weight in ENDS])[0]
        handed_off = reason is TerminationReason.HANDED_OFF
        answered = at + timedelta(seconds=0.2)
        ended = answered + timedelta(seconds=chance.expovariate(1 / 90))
        opened = _opened(identity, project, number, at, chance)
        closed = ConversationClosed(
            conversation_id=identity,
            termination=Termination.of(reason),
            answered_at=answered,
            ended_at=ended,
            ladder=(),
            media={"packets_received": 4500, "packets_sent": 4490, "packets_lost": 3, "packets_discarded": 0,
                   "jitter_ms": 1.25, "digits_received": 4, "packets_late": 1},
            metrics=(),
            peer_bye_headers={},
        )  # fmt: skip
        rows["conversations"].append(
            (identity, ACCOUNT, project, stamp(at), "ended", opened.caller_number, opened.callee_number,
             opened.sip_call_id, opened.shared_id, encode(opened), stamp(answered), encode(closed),
             self.ladders[number % LADDERS], reason.value, int(handed_off), opened.env, opened.channel_type)
        )  # fmt: skip
        outcome = _outcome(identity, opened, ended, handed_off=handed_off)
        rows["outcomes"].append((identity, int(handed_off), encode(outcome)))
        for index in range(self.turns):
            turn = _turn(index, at + timedelta(seconds=5 * index + 1))
            rows["turns"].append((identity, index, encode(turn)))
        if handed_off:
            rows["receipts"].append((identity, 0, encode(_receipt(ended))))
        key = (hour_of(at), project, reason.value, int(handed_off))
        self.figures[key] += 1
        self.talk[key] += round((ended - answered).total_seconds())


def _opened(
    identity: str, project: str, number: int, at: datetime, chance: random.Random
) -> ConversationOpened:
    caller = f"+1555{chance.randrange(2_000_000, 2_900_000)}"
    callee = f"+1555{1_000_000 + chance.randrange(2_000)}"
    return ConversationOpened(
        id=identity, account=ACCOUNT, project=project, env="live" if number % 50 else "sandbox",
        channel_type="sip.polyai", trunk="carrier", sip_call_id=f"{identity}@192.0.2.10",
        from_tag=identity[:8], caller_number=caller, callee_number=callee,
        reservation_id=f"r-{identity[:12]}", shared_id=f"case-{number}",
        attributes_json=f'{{"shared_id":"case-{number}","customer":{{"age":25,"tier":"gold"}}}}',
        sip_headers={"From": f"<sip:{caller}@192.0.2.10>;tag=x", "To": f"<sip:{callee}@198.51.100.1>",
                     "X-Case": str(number), "User-Agent": "SBC/1.0", "Contact": "<sip:192.0.2.10:5060>"},
        rules=({"rule": "trunk", "held": True, "detail": "192.0.2.10 belongs to trunk carrier"},
               {"rule": "token", "held": False, "detail": "no X-PolyAi-Auth-Token header: not routed by token"},
               {"rule": "reserved_dni", "held": True, "detail": f"{callee} is a number of pool main"}),
        late=False, started_at=at,
    )  # fmt: skip


def _outcome(identity: str, opened: ConversationOpened, at: datetime, *, handed_off: bool) -> Outcome:
    return Outcome(
        conversation_id=identity, shared_id=opened.shared_id, handed_off=handed_off,
        data={"handoff_to": "sales"} if handed_off else {"contained": True},
        handoff={"destination": "sales", "method": "refer", "headers": [["X-Case", "1"]]} if handed_off else None,
        saved_at=at,
    )  # fmt: skip


def _turn(index: int, at: datetime) -> Turn:
    return Turn(
        index=index,
        at=at,
        channel="start" if index == 0 else "keypad",
        user_input=None if index == 0 else "1",
        utterance="Thank you for calling. For orders press one, for anything else stay on the line.",
        function_runs=({"name": "turn_function", "duration_ms": 3.2, "error": None},),
        logs=(),
        state_json='{"shared_id":"1","order":"12345","step":"menu"}',
    )


def _receipt(at: datetime) -> Receipt:
    def step(name: Step, seconds: float, status: int | None = None) -> ReceiptStep:
        when = at + timedelta(seconds=seconds)
        return ReceiptStep(
            step=name, at=when, rung=0, method=HandoffMethod.REFER, destination="sales", status=status
        )

    steps = (
        step(Step.REQUESTED, 0),
        step(Step.SENT, 0.1),
        step(Step.ACCEPTED, 0.2, 202),
        step(Step.DONE, 3, 200),
    )
    return Receipt(state=ReceiptState.DONE, steps=steps)


_INSERTS = {
    "conversations": "INSERT INTO conversations (id, account, project, started_at, state, caller, callee, sip_call_id,"
    " shared_id, opened, answered_at, closed, ladder, reason, handed_off, env, channel)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "turns": "INSERT INTO turns (conversation_id, position, document) VALUES (?, ?, ?)",
    "outcomes": "INSERT INTO outcomes (conversation_id, handed_off, document) VALUES (?, ?, ?)",
    "receipts": "INSERT INTO receipts (conversation_id, position, document) VALUES (?, ?, ?)",
}


def fill(path: Path, calls: int, *, days: float = 90.0, turns: int = 2, projects: int = 5) -> None:
    """Make a database at `path`, which must not be there, of so many calls in the last `days`."""
    migrate(path)
    made = _Calls(calls, days, turns, projects, datetime.now(UTC))
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    # Indexes are quicker made at the end than kept on the way.
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'conversations_by_%'"
    indexes = connection.execute(query).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for rows in made.chunks():
        connection.execute("BEGIN")
        for table, values in rows.items():
            connection.executemany(_INSERTS[table], values)
        connection.execute("COMMIT")
    for _, statement in indexes:
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO call_figures (hour, account, project, reason, handed_off, calls, answered, talk_s, answer_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (hour, ACCOUNT, project, reason, handed_off, count, count,
             made.talk[hour, project, reason, handed_off], 200 * count)
            for (hour, project, reason, handed_off), count in made.figures.items()
        ],
    )  # fmt: skip
    connection.close()
    asyncio.run(_give_resources(path, made.projects))


async def _give_resources(path: Path, projects: list[str]) -> None:
    store = SqliteStore(path)
    now = datetime.now(UTC)
    await store.open(now)
    found = Resources(
        accounts=(Account(id=ACCOUNT, slug=ACCOUNT, name="Bench"),),
        projects=tuple(Project(id=one, account=ACCOUNT, slug=one, name=one, answer_only=True) for one in projects),
        trunks=(Trunk(name="carrier", networks=("192.0.2.0/24",)),),
    )  # fmt: skip
    await store.apply(lambda _: found, now)
    await store.close()


async def measure(path: Path) -> None:
    """Ask what the pages ask and print milliseconds, best and worst of five."""
    store = SqliteStore(path)
    now = datetime.now(UTC)
    await store.open(now)
    (middle, *_) = await store.conversations(ConversationFilter(before=now - timedelta(days=40), limit=1))
    opened = middle.opened
    place = Cursor(at=opened.started_at, id=opened.id)
    wanted: dict[str, ConversationFilter] = {
        "first page": ConversationFilter(),
        "page in the middle": ConversationFilter(older=place),
        "page before it": ConversationFilter(newer=place),
        "caller": ConversationFilter(number=opened.caller_number),
        "callee": ConversationFilter(number=opened.callee_number),
        "callee, rare reason": ConversationFilter(
            number=opened.callee_number, reason=TerminationReason.NO_ACK
        ),
        "shared id": ConversationFilter(shared_id=opened.shared_id),
        "SIP Call-ID": ConversationFilter(sip_call_id=opened.sip_call_id),
        "project": ConversationFilter(project="project-4"),
        "project, rare reason": ConversationFilter(
            project="project-4", reason=TerminationReason.INTERNAL_ERROR
        ),
        "rare reason": ConversationFilter(reason=TerminationReason.INTERNAL_ERROR),
        "reason nobody has": ConversationFilter(reason=TerminationReason.DRAINED),
        "fault": ConversationFilter(fault=Fault.TRUNK),
        "handed off, sandbox": ConversationFilter(handed_off=True, env="sandbox"),
        "up": ConversationFilter(up=True),
        "no such account": ConversationFilter(account="other"),
    }
    for name, one in wanted.items():
        took = []
        count = 0
        for _ in range(5):
            begun = time.perf_counter()
            count = len(await store.conversations(one))
            took.append(1000 * (time.perf_counter() - begun))
        print(f"{name:22} {count:4} calls  {min(took):8.1f} ms  {max(took):8.1f} ms")
    for days, step_h in ((1, 1), (90, 24)):
        begun = time.perf_counter()
        asked = FigureFilter(after=now - timedelta(days=days), before=now, step_h=step_h)
        rows = len((await store.figures(asked)).calls)
        print(f"figures of {days:3} days   {rows:7} rows   {1000 * (time.perf_counter() - begun):8.1f} ms")
    begun = time.perf_counter()
    await store.conversation(opened.id)
    print(f"one call, whole                     {1000 * (time.perf_counter() - begun):8.1f} ms")
    await store.close()


def main() -> None:
    """Fill, then measure when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=90.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--projects", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help="then ask what the studio's pages ask")
    parser.add_argument("--plans", action="store_true", help="with the query plans")
    options = parser.parse_args()
    if not options.file.exists():
        begun = time.perf_counter()
        fill(options.file, options.calls, days=options.days, turns=options.turns, projects=options.projects)
        size = options.file.stat().st_size / 2**20
        print(f"{options.calls:,} calls, {size:,.0f} MiB, in {time.perf_counter() - begun:.0f} s")
    if options.plans:
        connection = sqlite3.connect(options.file)
        for one in (ConversationFilter(), ConversationFilter(fault=Fault.TRUNK)):
            statement, values = list_query(one)
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values):
                print("  ", row[3])
    if options.measure:
        asyncio.run(measure(options.file))


if __name__ == "__main__":
    main()
