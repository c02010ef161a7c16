"""Calls through the admin functions: who sees what, page by page, and what is written down about it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import msgspec
import pytest

from tests.unit.admin.office import NOBODY, OWNER, STRANGER, Office, somebody
from tests.unit.admin.whole_call import CALLER, opened, refused_call, whole_call
from tieline.admin.call_words import ENDS, FAILURES, FAULTS, REFUSALS, fixes_of, reason_words
from tieline.admin.calls import CallAdmin
from tieline.admin.errors import Forbidden
from tieline.admin.redaction import HIDDEN
from tieline.calls.directory import Directory
from tieline.calls.session import CallSession
from tieline.errors import Conflict, NotFound
from tieline.model.call import CallState, Fault, Termination, TerminationReason
from tieline.model.conversation import ConversationClosed
from tieline.model.receipt import Retry
from tieline.model.trunk import Refusal, RefusalReason
from tieline.model.user import Role
from tieline.sip.events import Flow, Transport
from tieline.sip.leg import TraceEntry
from tieline.store.base import ConversationFilter, RefusalFilter
from tieline.store.figures import FigureFilter
from tieline.store.people import AuditFilter
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.store_samples import T0, after
from tieline.testing.virtual_time import elapse

OPERATOR = somebody(Role.OPERATOR)
SEER = somebody(Role.OPERATOR, personal_data=True)
LOOKER = somebody(Role.READ_ONLY)
OF_PROJECT = somebody(Role.OWNER, project="PROJECT-desk")


class Nobody:
    """No calls are up."""

    def sessions(self) -> list[CallSession]:
        return []

    def ask_figures(self) -> None:
        return


class Desk(Office):
    """An office with calls."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory.empty()
        self.calls = CallAdmin(
            self.store, Nobody(), lambda: self.directory, self.clock, self.trail, default_region="GB"
        )

    async def start(self) -> None:
        self.directory = Directory(await self.apply())

    async def put(self, name: str, at: float, **fields: object) -> None:
        """A call that ended."""
        call = opened(id=name, started_at=after(at), sip_call_id=f"sip-{name}", **fields)
        await self.store.open_conversation(call)
        await self.store.close_conversation(
            ConversationClosed(
                conversation_id=name, termination=Termination.of(TerminationReason.AGENT_HUNG_UP),
                answered_at=after(at + 1), ended_at=after(at + 5), ladder=(), media=None, metrics=(),
                peer_bye_headers={},
            )
        )  # fmt: skip

    async def put_whole(self) -> None:
        """The call with everything."""
        call = whole_call()
        assert call.outcome is not None
        assert call.closed is not None
        await self.store.open_conversation(call.opened)
        for turn in call.turns:
            await self.store.save_turn("call-1", turn)
        await self.store.save_outcome(call.outcome)
        await self.store.save_receipt("call-1", 0, call.receipts[0])
        await self.store.close_conversation(call.closed)

    async def audited(self) -> list[tuple[str, str]]:
        return [(one.action, one.name) for one in await self.store.audit(AuditFilter(kind="calls"))]


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.start()
    return desk


async def names(desk: Desk, who: object, text: str = "", **wanted: object) -> list[str]:
    page = await desk.calls.list(who, ConversationFilter(**wanted), text)  # type: ignore[arg-type]
    return [one.opened.id for one in page.calls]


async def test_pages_go_on_and_back(desk: Desk) -> None:
    for index in range(5):
        await desk.put(f"c{index}", index)
    first = await desk.calls.list(OWNER, ConversationFilter(limit=2))
    assert ([one.opened.id for one in first.calls], first.newer) == (["c4", "c3"], None)
    second = await desk.calls.list(OWNER, ConversationFilter(limit=2, older=first.older))
    assert [one.opened.id for one in second.calls] == ["c2", "c1"]
    last = await desk.calls.list(OWNER, ConversationFilter(limit=2, older=second.older))
    assert ([one.opened.id for one in last.calls], last.older) == (["c0"], None)
    back = await desk.calls.list(OWNER, ConversationFilter(limit=2, newer=last.newer))
    assert [one.opened.id for one in back.calls] == ["c2", "c1"]
    assert back.older is not None
    top = await desk.calls.list(OWNER, ConversationFilter(limit=2, newer=back.newer))
    assert ([one.opened.id for one in top.calls], top.newer) == (["c4", "c3"], None)
    assert len((await desk.calls.list(OWNER, ConversationFilter(limit=0))).calls) == 1


async def test_a_number_is_found_however_it_is_written(desk: Desk) -> None:
    await desk.put("c1", 0, caller_number="+442079460018")
    await desk.put("c2", 1)
    for text in ("020 7946 0018", "+44 20 7946 0018", " +442079460018 "):
        assert await names(desk, OWNER, text) == ["c1"]
    assert await names(desk, OWNER, "sip-c2") == ["c2"]
    assert await names(desk, OWNER, "c2") == ["c2"]
    assert await names(desk, OWNER, "nothing") == []


async def test_everybody_sees_their_own_calls(desk: Desk) -> None:
    await desk.put("ours", 0)
    await desk.put("elsewhere", 1, project="PROJECT-other")
    await desk.put("theirs", 2, account="ws-other", project="PROJECT-theirs")
    assert await names(desk, OWNER) == ["theirs", "elsewhere", "ours"]
    assert await names(desk, LOOKER) == ["elsewhere", "ours"]
    assert await names(desk, OF_PROJECT) == ["ours"]
    assert await names(desk, STRANGER) == ["theirs"]
    assert await names(desk, STRANGER, account="ws-acme") == []
    assert await names(desk, OF_PROJECT, project="PROJECT-other") == []
    for who, name in ((STRANGER, "ours"), (OF_PROJECT, "elsewhere"), (OWNER, "none")):
        with pytest.raises(NotFound):
            await desk.calls.call(who, name)
        with pytest.raises(NotFound):
            await desk.calls.export(who, name)
    found = await desk.calls.figures(STRANGER, FigureFilter(after=T0, before=after(60)))
    assert sum(one.calls for one in found.calls) == 1
    with pytest.raises(Forbidden):
        await desk.calls.figures(STRANGER, FigureFilter(after=T0, before=after(60), account="ws-acme"))


async def test_the_right_to_look_is_needed(desk: Desk) -> None:
    await desk.put("c1", 0)
    for attempt in (
        desk.calls.list(NOBODY, ConversationFilter()),
        desk.calls.call(NOBODY, "c1"),
        desk.calls.export(NOBODY, "c1"),
        desk.calls.refused(NOBODY, RefusalFilter()),
        desk.calls.figures(NOBODY, FigureFilter(after=T0, before=after(60))),
        desk.calls.hang_up(LOOKER, "c1"),
        desk.calls.export(OPERATOR, "c1", personal=True),
    ):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(Forbidden):
        desk.calls.live(NOBODY)


async def test_personal_data_take_a_right_of_their_own(desk: Desk) -> None:
    await desk.put_whole()
    for who, clear in ((OPERATOR, False), (SEER, True)):
        view = await desk.calls.call(who, "call-1")
        assert view.conversation is not None
        assert view.redacted is not clear
        assert view.live is None
        assert (view.conversation.turns[0].utterance == HIDDEN) is not clear
        (listed,) = (await desk.calls.list(who, ConversationFilter())).calls
        assert (listed.opened.caller_number == CALLER) is clear


@pytest.mark.parametrize("personal", [False, True])
async def test_an_export_holds_json_and_a_capture(desk: Desk, personal: bool) -> None:
    await desk.put_whole()
    packed = await desk.calls.export(SEER, "call-1", personal=personal)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {"call.json", "ladder.pcap", "about.txt"}
    document = json.loads(files["call.json"])
    assert document["redacted"] is not personal
    assert document["opened"]["attributes"]["customer"] == ("John Smith" if personal else HIDDEN)
    assert document["turns"][0]["state"] == {"order": "ORDER-9" if personal else HIDDEN}
    for name, content in files.items():
        assert (b"15550109999" in content) is (personal and name != "about.txt")
    (entry,) = await desk.store.audit(AuditFilter())
    assert (entry.action, entry.name, entry.account) == ("export", "call-1", "ws-acme")
    assert entry.changes[0].after == ("included" if personal else "left out")


async def test_a_call_that_is_up_cannot_be_exported_yet(desk: Desk) -> None:
    await desk.store.open_conversation(opened(id="up"))
    with pytest.raises(Conflict):
        await desk.calls.export(SEER, "up")
    assert await desk.audited() == []


async def test_refused_calls_come_with_fixes_to_whom_they_concern(desk: Desk) -> None:
    unknown = Refusal(status=403, phrase="Forbidden", reason=RefusalReason.UNKNOWN_TRUNK, rules=())
    for name, trunk, at in (("r1", "five9", 0), ("r2", "shared", 100), ("r3", None, 200)):
        known = {} if trunk else {"refusal": unknown}
        await desk.store.record_refusal(refused_call(id=name, trunk=trunk, at=after(at), **known))

    async def ids(who: object, **wanted: object) -> list[str]:
        return [one.call.id for one in await desk.calls.refused(who, RefusalFilter(**wanted))]  # type: ignore[arg-type]

    assert await ids(OWNER) == ["r3", "r2", "r1"]
    assert await ids(OWNER, trunks=(None,)) == ["r3"]
    assert await ids(LOOKER) == ["r1"]
    assert await ids(LOOKER, trunks=("shared",)) == []
    assert await ids(OF_PROJECT) == []
    assert await ids(STRANGER) == []
    (shown,) = await desk.calls.refused(LOOKER, RefusalFilter())
    assert "•" in shown.call.caller
    assert [fix for fix in shown.fixes if "Add the number" in fix]
    (clear,) = await desk.calls.refused(SEER, RefusalFilter())
    assert CALLER in clear.call.caller


def test_every_way_to_end_and_to_be_refused_has_words() -> None:
    assert set(ENDS) == set(TerminationReason)
    assert set(FAULTS) == set(Fault)
    assert set(REFUSALS) == set(RefusalReason)
    assert set(FAILURES) == set(Retry)
    for reason in RefusalReason:
        refusal = msgspec.structs.replace(refused_call().refusal, reason=reason)
        assert len(fixes_of(refused_call(refusal=refusal))) == 2
    assert reason_words(TerminationReason.NO_ACK) == "no ack"


# ---------------------------------------------------------------------------------------------- calls that are up


def watching(board: Switchboard) -> CallAdmin:
    office = Office()
    return CallAdmin(board.store, board.registry, lambda: board.directory, board.clock, office.trail)


def agent() -> ScriptedAgent:
    return ScriptedAgent(
        start=lambda run: reply(run, "Welcome."), turn=lambda run: reply(run, f"You said {run.user_input}.")
    )


def test_running_calls_are_seen_and_hung_up() -> None:
    async def story(board: Switchboard) -> None:
        calls = watching(board)
        theirs = somebody(Role.OPERATOR, "ws-1", personal_data=True)
        masked = somebody(Role.OPERATOR, "ws-1")
        assert calls.live(theirs) == ()
        leg = board.invite()
        flow = Flow(Transport.UDP, ("192.0.2.1", 5060))
        invite = b"INVITE sip:+4915550100@tieline SIP/2.0\r\nFrom: <sip:+4915550199@a>\r\n\r\n"
        board.sip.traces[leg] = [TraceEntry(0.0, "in", invite, flow)]
        await board.hear("Welcome.")
        board.press("1#")
        await board.hear("You said 1.")
        await elapse(1.1)
        (seen,) = calls.live(theirs)
        assert (seen.state, seen.trunk, seen.caller) == (CallState.TALKING, "carrier", "+15557654321")
        assert (seen.said, seen.heard, seen.project) == ("You said 1.", "1", "PROJECT-1")
        assert seen.answered_at is not None
        (hidden,) = calls.live(masked)
        assert (hidden.said, hidden.heard, hidden.caller) == (HIDDEN, HIDDEN, "•••••••••21")
        assert calls.live(STRANGER) == ()
        with pytest.raises(NotFound):
            await calls.hang_up(STRANGER, seen.id)
        view = await calls.call(masked, seen.id)
        assert view.live is not None
        assert view.live.said == HIDDEN
        assert [entry["text"].split()[0] for entry in view.ladder] == ["INVITE"]
        assert "555019" not in repr(view.ladder)
        clear = await calls.call(theirs, seen.id)
        assert "+4915550199" in clear.ladder[0]["text"]
        await calls.hang_up(masked, seen.id)
        await board.idle()
        assert calls.live(theirs) == (seen,)
        await elapse(1.0)
        assert calls.live(theirs) == ()
        with pytest.raises(NotFound):
            await calls.hang_up(masked, seen.id)

    board = play_calls(story, agent=agent())
    (end,) = board.observer.terminations
    assert (end.reason, end.fault) == (TerminationReason.OPERATOR_HUNG_UP, Fault.US)
    assert "cause=16" in str(board.sip.byes[0][1])


def test_a_call_that_rings_is_seen_but_not_hung_up() -> None:
    async def story(board: Switchboard) -> None:
        calls = watching(board)
        leg = board.invite()
        await board.until("ring")
        (seen,) = calls.live(OWNER)
        assert (seen.state, seen.answered_at, seen.said) == (CallState.OFFERED, None, None)
        with pytest.raises(Conflict):
            await calls.hang_up(OWNER, seen.id)
        assert (await calls.call(OWNER, seen.id)).conversation is None
        await board.hear("Welcome.")
        await elapse(6.0)
        calls.live(OWNER)
        (sound,) = (await calls.call(OWNER, seen.id)).live.sound  # type: ignore[union-attr]
        assert (sound.leg, sound.packets_received, sound.health) == ("caller", 50, "good")
        board.hang_up(leg)

    play_calls(story, agent=agent())


def test_all_who_watch_share_one_look() -> None:
    async def story(board: Switchboard) -> None:
        looks = asked = 0

        class Counted:
            def sessions(self) -> Sequence[CallSession]:
                nonlocal looks
                looks += 1
                return board.registry.sessions()

            def ask_figures(self) -> None:
                nonlocal asked
                asked += 1

        calls = CallAdmin(board.store, Counted(), lambda: board.directory, board.clock, Office().trail)  # type: ignore[arg-type]
        for who in (OWNER, OPERATOR, LOOKER, STRANGER):
            calls.live(who)
        await elapse(0.9)
        calls.live(OWNER)
        assert looks == 1
        await elapse(0.2)
        calls.live(OWNER)
        assert (looks, asked) == (2, 1)
        await elapse(4.0)
        calls.live(OWNER)
        assert (looks, asked) == (3, 2)

    play_calls(story, agent=agent())
