"""What a call carries: reservation, attributes, shared id, headers; and what must never be written down."""

import io
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from tieline.agent.messages import DtmfListen, FunctionRun, Listen, LogEntry, Run, RunKind, TurnResult
from tieline.model.conversation import Conversation
from tieline.model.pool import NumberState
from tieline.model.project import SipToken, hash_secret
from tieline.model.reservation import ReservationState
from tieline.observe.logging import configure_logging
from tieline.sip.events import Flow, Transport
from tieline.sip.leg import TraceEntry
from tieline.testing.call_parts import ScriptedAgent, fail, reply
from tieline.testing.calls import DNI, PEER, RESOURCES, Switchboard, play_calls
from tieline.testing.virtual_time import EPOCH, elapse, run_virtual

CARD = "4000123412341234"
SECRET_INPUT = Listen(dtmf=DtmfListen(num_digits=16, is_pii=True, inter_digit_timeout=5.0))


def stored(board: Switchboard) -> Conversation:
    (found,) = run_virtual(board.conversations())
    return found


def play_reserved(attributes: dict[str, Any], *headers: tuple[str, str], **parts: Any) -> Switchboard:
    """A reservation is made, its number called, and the caller hangs up after the greeting."""

    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes=attributes)
        leg = board.invite(held.number, *headers)
        await board.hear("Welcome.")
        board.hang_up(leg)

    return play_calls(story, **parts)


def test_a_reserved_call_brings_its_attributes_and_claims_the_number_at_the_answer() -> None:
    board = play_reserved({"name": "Ada", "deep": {"list": [1, None]}})
    order = ["bind", "open_conversation", "answer", "claim"]
    assert [entry for entry in board.journal if entry in order] == order
    snapshot = board.agent.runs[0].conversation
    assert snapshot.integration_attributes == {"name": "Ada", "deep": {"list": [1, None]}}
    assert (snapshot.caller_number, snapshot.callee_number) == ("+15557654321", DNI)
    assert (snapshot.account_id, snapshot.project_id, snapshot.env) == ("ws-1", "PROJECT-1", "live")
    assert snapshot.channel_type == "sip.polyai"
    opened = stored(board).opened
    assert opened.reservation_id is not None
    assert json.loads(opened.attributes_json) == {"name": "Ada", "deep": {"list": [1, None]}}
    numbers = run_virtual(board.store.pool_numbers("main", EPOCH + timedelta(seconds=3)))
    assert numbers[0].state is NumberState.COOLING


@pytest.mark.parametrize(("value", "shared_id"), [("s-1", "s-1"), (17, "17"), (True, None), ("", None)])
def test_shared_id_in_the_attributes_is_the_calls(value: object, shared_id: str | None) -> None:
    board = play_reserved({"shared_id": value})
    outcome = stored(board).outcome
    assert outcome is not None
    assert outcome.shared_id == shared_id
    assert stored(board).opened.shared_id == shared_id


def test_the_agents_own_shared_id_wins_over_the_one_that_came_in() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "Welcome.", state={"shared_id": "from-the-agent"})

    board = play_reserved({"shared_id": "s-1"}, agent=ScriptedAgent(start=start))
    outcome = stored(board).outcome
    assert outcome is not None
    assert outcome.shared_id == "from-the-agent"


def test_a_trunks_header_may_carry_the_shared_id() -> None:
    trunk = replace(RESOURCES.trunks[0], shared_id_header="X-Five9-Session")

    async def story(board: Switchboard) -> None:
        leg = board.invite("100", ("x-five9-session", "f9\udce9"))
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story, resources=replace(RESOURCES, trunks=(trunk,)))
    assert stored(board).opened.shared_id == "f9\ufffd"


def test_a_late_call_is_rescued_and_says_so() -> None:
    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={"name": "Ada"}, ttl_s=10)
        await elapse(20)
        leg = board.invite(held.number)
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    assert stored(board).opened.late
    assert board.agent.runs[0].conversation.integration_attributes == {"name": "Ada"}


def test_a_call_without_a_reservation_is_a_plain_call() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite(DNI)
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    opened = stored(board).opened
    assert (opened.reservation_id, opened.attributes_json, opened.late) == (None, "{}", False)
    assert "claim" not in board.journal


def test_a_refused_set_up_gives_the_reservation_back() -> None:
    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        board.store.broken.add("mark_answered")
        board.invite(held.number)
        await board.until("unbind")
        found = await board.reservations.get("PROJECT-1", held.id)
        states.append(found.state)

    states: list[ReservationState] = []
    board = play_calls(story)
    assert board.journal.index("unbind") < board.journal.index("reject 500")
    assert states == [ReservationState.RESERVED]  # for the caller's next attempt


def test_a_call_that_was_never_answered_leaves_its_reservation_reserved() -> None:
    states: list[ReservationState] = []

    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={})
        leg = board.invite(held.number)
        await board.until("bind")
        board.cancel(leg)
        await board.until("unbind")
        states.append((await board.reservations.get("PROJECT-1", held.id)).state)

    play_calls(story)
    assert states == [ReservationState.RESERVED]


def test_headers_are_kept_as_they_came_and_tokens_are_not_kept() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite(
            "100", ("X-Custom", "a"), ("x-custom", "b"), ("Authorization", "Digest s3cret"),
            ("x-polyai-auth-token", "tok-s3cret"), ("s", "compact"), ("X-Name", "Jos\udce9"),
        )  # fmt: skip
        flow = Flow(Transport.UDP, PEER)
        wire = (
            b"INVITE sip:100@h SIP/2.0\r\nX-PolyAi-Auth-Token: tok-s3cret\r\n s3cret-too\r\nX-Folded: a\r\n b\r\n"
            b"Authorization: Digest s3cret\r\n\r\nv=0\r\n"
        )
        board.sip.traces[leg] = [
            TraceEntry(1.0, "in", wire, flow),
            TraceEntry(1.25, "out", b"SIP/2.0 200 OK", flow),
        ]
        await board.hear("Welcome.")
        board.hang_up(leg)

    resources = replace(RESOURCES, sip_tokens=())
    trunk = replace(RESOURCES.trunks[0], token_header="X-PolyAi-Auth-Token")
    token = SipToken(name="t", project="PROJECT-1", token_hash=hash_secret("tok-s3cret"), prefix="tok")
    board = play_calls(story, resources=replace(resources, trunks=(trunk,), sip_tokens=(token,)))
    headers = board.agent.runs[0].conversation.sip_headers
    assert headers["X-Custom"] == "a, b"
    assert headers["Subject"] == "compact"
    assert headers["X-Name"] == "Jos\ufffd"
    call = stored(board)
    assert "s3cret" not in msgspec.json.encode(call).decode()
    assert call.closed is not None
    first, second = call.closed.ladder
    assert "X-PolyAi-Auth-Token: (hidden)" in first["text"]
    assert "X-Folded: a\r\n b" in first["text"]
    assert (first["at_ms"], second["at_ms"], first["peer"]) == (0.0, 250.0, "192.0.2.10:5060")


def play_secret(turn: Any) -> tuple[Switchboard, str]:
    """A caller keys a card number, half in RTP and half by INFO; also everything that was logged."""

    def start(run: Run) -> TurnResult:
        return reply(run, "Your card number, please.", listen=SECRET_INPUT)

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        flow = Flow(Transport.UDP, PEER)
        board.sip.traces[leg] = [
            TraceEntry(
                float(number),
                "in",
                f"INFO sip:x SIP/2.0\r\nCSeq: {number} INFO\r\n\r\nSignal={digit}".encode(),
                flow,
            )
            for number, digit in enumerate(CARD)
        ]
        board.sip.traces[leg] += [
            TraceEntry(20.0, "out", b"SIP/2.0 200 OK\r\nCSeq: 3 INFO\r\n\r\nSignal=4", flow),
            TraceEntry(21.0, "in", b"BYE sip:x SIP/2.0\r\nCSeq: 9 BYE\r\n\r\nkept", flow),
        ]
        await board.until("play Your card number, please.")
        board.press(CARD[:8])
        for digit in CARD[8:]:
            board.info(leg, digit)
        await board.until("ran turn")
        board.hang_up(leg)

    output = io.StringIO()
    configure_logging("debug", "json", personal_data=True, stream=output)
    try:
        board = play_calls(story, agent=ScriptedAgent(start=start, turn=turn))
    finally:
        structlog.reset_defaults()
    return board, output.getvalue()


def test_digits_that_are_personal_data_are_in_no_log_and_no_record() -> None:
    def turn(run: Run) -> TurnResult:
        result = reply(run, f"You entered {run.user_input}.")
        return replace(
            result,
            logs=[
                LogEntry(
                    level="info",
                    content=f"card {run.user_input}",
                    fields={"n": int(run.user_input or 0), "l": [run.user_input, True]},
                ),
                LogEntry(level="info", content="anything", is_pii=True, fields={"name": "Ada"}),
            ],
            function_runs=[FunctionRun(name="turn_function", duration_ms=1.0)],
        )

    board, logged = play_secret(turn)
    (run,) = [run for run in board.agent.runs if run.kind is RunKind.TURN]
    assert (run.user_input, run.input_is_pii) == (CARD, True)
    call = stored(board)
    record = msgspec.json.encode(call).decode()
    assert CARD not in record
    assert CARD not in logged
    assert call.turns[1].user_input is None
    assert call.turns[1].logs[0]["content"] == "card (hidden)"
    assert call.turns[1].logs[1]["content"] == "(hidden: personal data)"
    assert "Ada" not in record
    assert call.closed is not None
    assert "Signal=" not in record
    assert call.closed.ladder[-1]["text"].endswith("kept")


def test_a_failure_over_personal_data_does_not_tell_it() -> None:
    board, logged = play_secret(lambda run: fail(run, message=f"invalid literal: {run.user_input}"))
    assert CARD not in logged
    assert CARD not in msgspec.json.encode(stored(board)).decode()


def test_digits_of_a_caller_who_hangs_up_in_the_middle_are_hidden_too() -> None:
    def start(run: Run) -> TurnResult:
        return reply(run, "Your card number, please.", listen=SECRET_INPUT)

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        info = TraceEntry(0.0, "in", b"INFO sip:x SIP/2.0\r\n\r\nSignal=4", Flow(Transport.UDP, PEER))
        board.sip.traces[leg] = [info]
        await board.until("play Your card number, please.")
        board.info(leg, "4")
        board.hang_up(leg)

    board = play_calls(story, agent=ScriptedAgent(start=start))
    assert "Signal=4" not in msgspec.json.encode(stored(board)).decode()


def test_digits_that_are_not_personal_stay_in_the_ladder() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        info = TraceEntry(0.0, "in", b"INFO sip:x SIP/2.0\r\n\r\nSignal=4", Flow(Transport.UDP, PEER))
        board.sip.traces[leg] = [info]
        await board.hear("Welcome.")
        board.info(leg, "4")
        board.info(leg, "#")

    board = play_calls(story)
    call = stored(board)
    assert call.closed is not None
    assert "Signal=4" in call.closed.ladder[0]["text"]
    assert call.turns[1].user_input == "4"
