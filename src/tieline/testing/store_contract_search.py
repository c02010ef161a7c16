"""What every store must do with searches of calls and figures of them, as tests to inherit."""

from __future__ import annotations

from typing import Any

from tieline.model.call import Fault, Termination, TerminationReason
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptStep, Step
from tieline.model.trunk import RefusalReason
from tieline.store.base import ConversationFilter, Cursor, RefusalFilter, Store
from tieline.store.figures import KEPT_FIGURES, CallFigure, FigureFilter, Figures
from tieline.testing.store_contract_conversations import closed, opened, outcome, refused
from tieline.testing.store_samples import T0, after

HOUR_S = 3600.0


async def ids(store: Store, **wanted: Any) -> list[str]:
    """The ids of what a filter finds."""
    return [one.opened.id for one in await store.conversations(ConversationFilter(**wanted))]


async def end(store: Store, name: str, reason: TerminationReason, *, at: float, **fields: Any) -> None:
    """A call that starts at `at`, is answered 2 s and ends 10 s later."""
    await store.open_conversation(opened(name, after(at), **fields))
    await store.close_conversation(
        closed(name, termination=Termination.of(reason), answered_at=after(at + 2), ended_at=after(at + 10))
    )


def receipt(*steps: tuple[int, Step, HandoffFailure | None]) -> Receipt:
    """A receipt of REFERs with these steps: rung, step, failure."""
    made = (
        ReceiptStep(step=step, at=T0, rung=rung, method=HandoffMethod.REFER, destination="d", failure=failure)
        for rung, step, failure in steps
    )
    return Receipt(steps=tuple(made))


def span(hours: float, **fields: Any) -> FigureFilter:
    """The hours after T0, and the one before."""
    return FigureFilter(**({"after": after(-HOUR_S), "before": after(hours * HOUR_S)} | fields))


class SearchContract:
    """Finding calls and refusals, page by page."""

    async def test_calls_are_found_by_how_they_ended(self, store: Store) -> None:
        await store.open_conversation(opened("up", after(9)))
        await end(store, "gone", TerminationReason.CALLER_HUNG_UP, at=1)
        await end(
            store, "mute", TerminationReason.NO_MEDIA, at=2, env="sandbox", channel_type="webchat.polyai"
        )
        await store.open_conversation(opened("given", after(3)))
        await store.save_outcome(outcome("given"))
        assert await ids(store, handed_off=True) == []
        given = closed("given", termination=Termination.of(TerminationReason.HANDED_OFF))
        await store.close_conversation(given)
        for wanted, found in (
            ({}, ["up", "given", "mute", "gone"]),
            ({"up": True}, ["up"]),
            ({"up": False}, ["given", "mute", "gone"]),
            ({"reason": TerminationReason.NO_MEDIA}, ["mute"]),
            ({"reason": TerminationReason.NO_MEDIA, "project": "x"}, ["mute"]),
            ({"reason": TerminationReason.NO_MEDIA, "project": "y"}, []),
            ({"fault": Fault.TRUNK}, ["mute"]),
            ({"fault": Fault.PROVIDER}, []),
            ({"handed_off": True}, ["given"]),
            ({"handed_off": False, "number": "+15550109999"}, ["mute", "gone"]),
            ({"env": "sandbox"}, ["mute"]),
            ({"channel": "sip.polyai", "shared_id": "1234"}, ["up", "given", "gone"]),
            ({"after": after(2), "before": after(9)}, ["given", "mute"]),
            ({"up": True, "handed_off": True}, []),
        ):
            assert await ids(store, **wanted) == found, wanted

    async def test_lists_go_on_from_a_place_in_both_directions(self, store: Store) -> None:
        for index in range(7):
            await store.open_conversation(opened(f"c{index}", after(index // 3)))
        whole = await ids(store)
        assert whole == ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]
        place = Cursor(at=after(1), id="c4")
        assert await ids(store, older=place, limit=2) == ["c3", "c2"]
        assert await ids(store, newer=place, limit=1) == ["c5"]
        assert await ids(store, newer=Cursor(at=after(0), id="c1"), limit=3) == ["c4", "c3", "c2"]
        assert await ids(store, older=place, newer=Cursor(at=T0, id="c0"), project="x") == ["c3", "c2", "c1"]
        for number in ("+15550109999", "+15550100000"):
            assert await ids(store, number=number, older=place, limit=2) == ["c3", "c2"]

    async def test_a_call_is_found_by_any_of_its_legs_once(self, store: Store) -> None:
        await store.open_conversation(opened("c1", sip_call_id="one"))
        for leg in ("one", "two"):
            await store.note_leg("c1", leg)
            assert await ids(store, sip_call_id=leg) == ["c1"]
        assert await ids(store, sip_call_id="two", account="b") == []
        same = opened("c2", caller_number="+1555", callee_number="+1555", sip_call_id=None)
        await store.open_conversation(same)
        assert await ids(store, number="+1555") == ["c2"]

    async def test_a_call_is_found_by_whatever_names_it(self, store: Store) -> None:
        await store.open_conversation(opened("c1", shared_id="one", sip_call_id="two"))
        await store.note_leg("c1", "three")
        await store.open_conversation(opened("c2", after(1), caller_number="+1555", shared_id="c1"))
        for text in ("one", "two", "three"):
            assert await ids(store, anywhere=(text,)) == ["c1"]
        assert await ids(store, anywhere=("c1",)) == ["c2", "c1"]
        assert await ids(store, anywhere=("+15550100000", "none"), limit=1) == ["c2"]
        assert await ids(store, anywhere=("+1555",), up=True, project="x") == ["c2"]
        assert await ids(store, anywhere=("+1555", "one"), project="y") == []
        assert await ids(store, anywhere=("none",)) == []

    async def test_refusals_are_found_by_trunk_reason_source_and_time(self, store: Store) -> None:
        await store.record_refusal(refused(0))
        await store.record_refusal(refused(100, source="192.0.2.2", trunk="carrier"))
        await store.record_refusal(refused(200, source="192.0.2.2", trunk="other"))

        async def found(**wanted: Any) -> list[str]:
            return [one.id for one in await store.refusals(RefusalFilter(**wanted))]

        assert await found() == ["r200", "r100", "r0"]
        assert await found(limit=1) == ["r200"]
        assert await found(trunks=("carrier", None)) == ["r100", "r0"]
        assert await found(trunks=()) == []
        assert await found(source="192.0.2.2", before=after(200)) == ["r100"]
        assert await found(after=after(100)) == ["r200", "r100"]
        assert await found(reason=RefusalReason.BAD_TOKEN) == []


class FigureContract:
    """Calls counted by the hour."""

    async def test_calls_are_counted_by_the_hour_of_their_start(self, store: Store) -> None:
        for index, at in enumerate((0.0, 10.0, HOUR_S)):
            await end(store, f"c{index}", TerminationReason.CALLER_HUNG_UP, at=at)
        await store.close_conversation(closed("c0", ended_at=after(99)))
        await end(store, "other", TerminationReason.NO_MEDIA, at=0, account="b", project="y")
        await store.open_conversation(opened("unanswered"))
        await store.close_conversation(closed("unanswered", answered_at=None))
        await store.open_conversation(opened("up"))
        found = await store.figures(span(9, account="a"))
        hung_up: dict[str, Any] = {
            "account": "a",
            "project": "x",
            "reason": "caller_hung_up",
            "handed_off": False,
        }
        assert found == Figures(
            calls=(
                CallFigure(at=T0, calls=3, answered=2, talk_s=16, answer_ms=4000, **hung_up),
                CallFigure(at=after(HOUR_S), calls=1, answered=1, talk_s=8, answer_ms=2000, **hung_up),
            )
        )
        assert len((await store.figures(span(9))).calls) == 3
        assert [one.calls for one in (await store.figures(span(9, project="y"))).calls] == [1]
        assert [one.at for one in (await store.figures(span(0.5, account="a"))).calls] == [T0]
        whole_days = (await store.figures(span(9, step_h=24, account="a"))).calls
        assert [(one.at, one.calls) for one in whole_days] == [(after(-12 * HOUR_S), 4)]

    async def test_handoffs_are_counted_by_method_and_result(self, store: Store) -> None:
        for name in ("c1", "c2"):
            await store.open_conversation(opened(name))
        busy, young = HandoffFailure.BUSY, HandoffFailure.CALLER_HUNG_UP
        first = receipt((0, Step.SENT, None), (0, Step.FAILED, busy), (1, Step.DONE, None))
        await store.save_receipt("c1", 0, first)
        await store.save_receipt("c1", 1, receipt((0, Step.DONE, None), (0, Step.FAILED, young)))
        await store.save_receipt("c2", 0, receipt((0, Step.SKIPPED, busy), (1, Step.SENT, None)))
        await store.save_outcome(outcome("c1"))
        for name in ("c1", "c2"):
            await store.close_conversation(closed(name))
        found = await store.figures(span(1))
        counted = [(one.method, one.result, one.rungs) for one in found.handoffs]
        assert counted == [("refer", "busy", 1), ("refer", "caller_hung_up", 1), ("refer", "done", 1)]
        assert [(one.handed_off, one.calls) for one in found.calls] == [(False, 1), (True, 1)]
        assert (await store.figures(span(1, account="b"))).handoffs == ()

    async def test_refusals_are_counted_whether_merged_or_not(self, store: Store) -> None:
        for at in (0, 1, 100):
            await store.record_refusal(refused(at))
        await store.record_refusal(refused(3, trunk="carrier", count=7))
        found = (await store.figures(span(1))).refusals
        assert [(one.trunk, one.reason, one.calls) for one in found] == [
            (None, "unknown_trunk", 3),
            ("carrier", "unknown_trunk", 7),
        ]
        theirs = (await store.figures(span(1, trunks=("carrier",)))).refusals
        assert [one.calls for one in theirs] == [7]

    async def test_figures_outlive_their_calls_but_not_for_ever(self, store: Store) -> None:
        await end(store, "c1", TerminationReason.CALLER_HUNG_UP, at=0)
        await store.record_refusal(refused(0))
        for later_s, left in ((100_000.0, 1), (KEPT_FIGURES.total_seconds() + 100_000.0, 0)):
            await store.prune(after(later_s), keep_s=1.0, keep_keys_s=1.0)
            found = await store.figures(span(1))
            assert (len(found.calls), len(found.refusals)) == (left, left)
            assert await ids(store) == []
