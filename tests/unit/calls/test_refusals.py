"""Refusals: each is written down, repeats are counted, and a flood stays small."""

from collections.abc import Sequence

import pytest

from tieline.calls.refusals import AGGREGATE_S, MAX_SOURCES, MAX_WRITING, RefusalLog
from tieline.model.conversation import RefusedCall
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.observe.metrics import Metrics
from tieline.sip.events import Flow, InviteReceived, InviteRefused, StrangerRefused, Transport
from tieline.sip.message import Headers, Request
from tieline.store.base import RefusalFilter
from tieline.store.memory import MemoryStore
from tieline.testing.virtual_time import LoopClock, elapse, run_virtual, settle

RULES = (
    RuleResult(rule="trunk", held=True, detail="x"),
    RuleResult(rule="number", held=False, detail="none"),
)
NO_ROUTE = Refusal(status=404, phrase="Not Found", reason=RefusalReason.NO_ROUTE, rules=RULES)


class SlowStore(MemoryStore):
    """Counts writes; they take `delay_s`, or fail."""

    def __init__(self, delay_s: float = 0.0, *, broken: bool = False) -> None:
        super().__init__()
        self.delay_s = delay_s
        self.broken = broken
        self.writes = 0
        self.at_once = 0
        self.most_at_once = 0

    async def record_refusal(self, refused: RefusedCall) -> None:
        self.writes += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await elapse(self.delay_s)
        self.at_once -= 1
        if self.broken:
            raise OSError("no space left on device")
        await super().record_refusal(refused)


def invite(uri: str = "sip:100@h", host: str = "192.0.2.1", caller: str = "<sip:a@b>") -> InviteReceived:
    request = Request("INVITE", uri, Headers([("Call-ID", "c"), ("From", caller), ("To", "<sip:b@c>")]))
    return InviteReceived(1, Flow(Transport.UDP, (host, 5060)), request)


def log_on(store: MemoryStore) -> RefusalLog:
    return RefusalLog(store, LoopClock(), Metrics())


async def recorded(log: RefusalLog, store: MemoryStore) -> Sequence[RefusedCall]:
    await log.close()
    return await store.refusals(RefusalFilter(limit=10_000))


def test_a_refusal_is_written_at_once_with_every_rule() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        log.note(invite(caller="Jos\udce9 <sip:a@b>"), NO_ROUTE, "carrier")
        await settle()
        (found,) = await store.refusals()
        assert (found.source, found.trunk, found.sip_call_id, found.callee) == (
            "192.0.2.1", "carrier", "c", "sip:100@h",
        )  # fmt: skip
        assert found.caller == "Jos\ufffd <sip:a@b>"
        assert found.refusal == NO_ROUTE
        assert found.count == 1

    run_virtual(story())


def test_repeats_are_counted_exactly_and_written_rarely() -> None:
    async def story() -> None:
        store = SlowStore()
        log = log_on(store)
        for _ in range(1000):
            log.note(invite(), NO_ROUTE, "carrier")
            await elapse(0.01)
        assert store.writes <= 6
        (found,) = await recorded(log, store)
        assert found.count == 1000

    run_virtual(story())


def test_what_was_counted_is_written_without_a_further_refusal() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        for _ in range(3):
            log.note(invite(), NO_ROUTE, "carrier")
        await elapse(3.0)
        (found,) = await store.refusals()
        assert found.count == 3

    run_virtual(story())


def test_after_a_minute_a_new_record_begins() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        log.note(invite(), NO_ROUTE, "carrier")
        log.note(invite(), NO_ROUTE, "carrier")
        await elapse(AGGREGATE_S + 1)
        log.note(invite(), NO_ROUTE, "carrier")
        found = await recorded(log, store)
        assert [each.count for each in found] == [1, 2]

    run_virtual(story())


def test_other_reasons_and_sources_are_kept_apart() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        full = Refusal(status=503, phrase="x", reason=RefusalReason.SERVER_FULL, rules=RULES)
        log.note(invite(), NO_ROUTE, "carrier")
        log.note(invite(), full, "carrier")
        log.note(invite(host="192.0.2.2"), NO_ROUTE, "carrier")
        assert len(await recorded(log, store)) == 3

    run_virtual(story())


def test_what_the_stack_refused_is_recorded_too() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        flow = Flow(Transport.UDP, ("192.0.2.9", 5060))
        broken = Request("INVITE", "sip:1@h", Headers([]))
        log.note_event(InviteRefused(flow, broken, 420, "unknown extension"), "carrier")
        log.note_event(StrangerRefused(flow, "INVITE sip:900@h SIP/2.0", "id", "<sip:x@y>", "<sip:z@y>", 40))
        log.note_event(StrangerRefused(flow, "INVITE sip:901@h SIP/2.0", "id", "<sip:x@y>", "<sip:z@y>", 2))
        log.note_event(
            StrangerRefused(Flow(Transport.UDP, ("192.0.2.8", 1)), "junk", "id", "<sip:x@y>", "<sip:z@y>")
        )
        protocol, stranger, other = sorted(
            await recorded(log, store), key=lambda each: (each.refusal.status == 403, -each.count)
        )
        assert (protocol.refusal.status, protocol.refusal.reason) == (420, RefusalReason.PROTOCOL)
        assert (protocol.sip_call_id, protocol.caller, protocol.trunk) == ("", "", "carrier")
        assert (stranger.count, stranger.callee) == (42, "sip:900@h")
        assert (other.count, other.callee) == (1, "<sip:z@y>")

    run_virtual(story())


def test_those_refused_briefly_are_one_record_whatever_their_number() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        flow = Flow(Transport.UDP, ("192.0.2.9", 5060))
        for number in range(50):
            rules = (RuleResult(rule="admission", held=False, detail=f"runs {number} ms late"),)
            late = Refusal(
                status=503, phrase="Service Unavailable", reason=RefusalReason.OVERLOADED, rules=rules
            )
            request = Request("INVITE", f"sip:{number}@h", Headers([("Call-ID", "c"), ("From", "<sip:a@b>")]))
            log.note_brief(InviteRefused(flow, request, 503, "late"), late, "carrier")
        (record,) = await recorded(log, store)
        assert (record.count, record.trunk, record.callee) == (50, "carrier", "sip:0@h")
        assert record.refusal.reason is RefusalReason.OVERLOADED

    run_virtual(story())


def test_a_flood_from_everywhere_is_bounded_in_memory_and_in_writes() -> None:
    async def story() -> None:
        store = SlowStore(delay_s=5.0)
        log = log_on(store)
        sources = 3 * MAX_SOURCES
        for number in range(sources):
            log.note(invite(host=f"198.51.{number // 256}.{number % 256}"), NO_ROUTE, None)
            log.note(invite(host=f"198.51.{number // 256}.{number % 256}"), NO_ROUTE, None)
        await settle()
        assert len(log._recent) == MAX_SOURCES
        assert store.most_at_once <= MAX_WRITING
        await elapse(60)
        await log.close()
        assert not log._writing

    run_virtual(story())


def test_long_texts_are_cut() -> None:
    async def story() -> None:
        store = MemoryStore()
        log = log_on(store)
        log.note(invite(uri="sip:" + "9" * 5000 + "@h"), NO_ROUTE, "carrier")
        (found,) = await recorded(log, store)
        assert len(found.callee) == 200

    run_virtual(story())


def test_a_write_that_fails_is_logged_and_harms_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        store = SlowStore(broken=True)
        log = log_on(store)
        log.note(invite(), NO_ROUTE, "carrier")
        await log.close()
        assert not log._writing

    run_virtual(story())
    assert "refusal not recorded" in capsys.readouterr().out


def test_closing_with_nothing_to_write_is_nothing() -> None:
    run_virtual(log_on(MemoryStore()).close())
