"""What goes wrong between a reservation and its call, as it looks on the wire."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.model.reservation import BindVerdict
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, RESOURCES
from tieline.testing.memory_server import HOST, MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual


def start(run: Run) -> TurnResult:
    return reply(run, "Hello.")


def wire_invite(
    dni: str, *, call_id: str = "c-1", tag: str = "t-1", branch: str = "b-1", cseq: int = 1, more: str = ""
) -> bytes:
    """An INVITE as the peer's SBC writes it."""
    return (
        f"INVITE sip:{dni}@{HOST};user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{branch}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:+15557654321@192.0.2.10>;tag={tag}\r\nTo: <sip:{dni}@{HOST}>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} INVITE\r\nContact: <sip:sbc@192.0.2.10:5060>\r\n{more}"
        f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n"
    ).encode() + OFFER


def play(
    story: Callable[[MemoryServer], Awaitable[None]], agent: ScriptedAgent | None = None
) -> MemoryServer:
    """Run a story with a server; whatever call it leaves up is ended by us."""

    async def whole() -> MemoryServer:
        async with MemoryServer.open(agent or ScriptedAgent(start=start)) as server:
            await story(server)
            await server.board.registry.drain(0.5)
            await server.idle()
            return server

    return run_virtual(whole())


def attributes(server: MemoryServer) -> list[dict[str, object]]:
    """What each call brought its agent, in order."""
    return [
        run.conversation.integration_attributes
        for run in server.board.agent.runs
        if run.kind is RunKind.START
    ]


def binds(server: MemoryServer) -> dict[str, float]:
    """Verdicts on binds, counted."""
    counted = {
        verdict.value: server.board.metrics.value("tieline_binds_total", verdict) for verdict in BindVerdict
    }
    return {verdict: count for verdict, count in counted.items() if count}


async def reserve(server: MemoryServer, **more: Any) -> str:
    return str((await server.reserve({"name": "Ada"}, **more)).json()["dni"])


def test_a_retransmitted_invite_is_the_same_call() -> None:
    async def story(server: MemoryServer) -> None:
        invite = wire_invite(await reserve(server))
        for _ in range(3):
            server.send(invite)
            await elapse(0.1)

    server = play(story)
    assert attributes(server) == [{"name": "Ada"}]
    assert server.journal.count("bind") == 1


def test_a_forked_invite_is_one_call_and_a_482() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server)
        server.send(wire_invite(dni, branch="b-1"))
        server.send(wire_invite(dni, branch="b-2"))
        await server.until("> 482 INVITE")

    server = play(story)
    assert attributes(server) == [{"name": "Ada"}]


def test_an_attempt_that_failed_and_came_back_with_a_new_call_id_finds_its_reservation() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server)
        g729 = wire_invite(dni, call_id="first").replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18 9 101")
        server.send(g729)
        await server.until("> 488 INVITE")
        server.send(wire_invite(dni, call_id="second", tag="t-2", branch="b-2"))
        await server.until("> 200 INVITE")

    assert attributes(play(story)) == [{"name": "Ada"}]


def test_a_refused_invite_that_is_sent_again_in_the_same_dialog_finds_its_reservation() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server)
        server.board.media.no_ports = True
        server.send(wire_invite(dni))
        await server.until("> 503 INVITE")
        server.board.media.no_ports = False
        server.send(wire_invite(dni, branch="b-2", cseq=2))
        await server.until("> 200 INVITE")

    server = play(story)
    assert attributes(server) == [{"name": "Ada"}]
    assert binds(server) == {"bound": 1}


def test_of_two_live_calls_on_one_reservation_the_second_is_a_plain_call() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server)
        server.send(wire_invite(dni))
        server.send(wire_invite(dni, call_id="c-2", tag="t-2", branch="b-2"))
        await server.until("> 200 INVITE", times=2)

    server = play(story)
    assert attributes(server) == [{"name": "Ada"}, {}]
    assert binds(server) == {"bound": 1, "second_call": 1}


def test_a_late_call_is_rescued_until_the_number_is_reserved_again() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server, ttl_s=5)
        await elapse(40)
        server.dial(dni)
        await server.until("> 200 INVITE")

    server = play(story)
    assert attributes(server) == [{"name": "Ada"}]
    assert binds(server) == {"late": 1}
    (conversation,) = run_virtual(server.board.conversations())
    assert conversation.opened.late


def test_a_late_call_never_gets_the_next_callers_attributes() -> None:
    async def story(server: MemoryServer) -> None:
        old = await reserve(server, ttl_s=5, expected_caller="+15557654321")
        await elapse(5 + 60 + 1)
        await server.reserve({"name": "Bob"}, expected_caller="+15550009999")
        again = (await server.reserve({"name": "Bob"}, expected_caller="+15550009999")).json()["dni"]
        assert again == old
        server.dial(old)
        await server.until("> 200 INVITE")

    server = play(story)
    assert attributes(server) == [{}]
    assert binds(server) == {"caller_mismatch": 1}


def test_a_forwarded_call_gets_no_attributes() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server)
        server.send(wire_invite(dni, more="Diversion: <sip:+15550007777@h>;reason=unconditional\r\n"))
        await server.until("> 200 INVITE")

    server = play(story)
    assert attributes(server) == [{}]
    assert binds(server) == {"forwarded": 1}


def test_an_anonymous_caller_is_unknown_and_gets_the_attributes_when_the_policy_is_lenient() -> None:
    def story_with(policy: str) -> Callable[[MemoryServer], Awaitable[None]]:
        async def story(server: MemoryServer) -> None:
            dni = await reserve(server, expected_caller="+15557654321", caller_policy=policy)
            anonymous = b"sip:anonymous@anonymous.invalid"
            server.send(wire_invite(dni).replace(b"sip:+15557654321@192.0.2.10", anonymous))
            await server.until("> 200 INVITE")

        return story

    assert attributes(play(story_with("lenient"))) == [{"name": "Ada"}]
    assert attributes(play(story_with("strict"))) == [{}]


def test_the_expected_caller_is_recognised_in_any_format() -> None:
    async def story(server: MemoryServer) -> None:
        dni = await reserve(server, expected_caller="0044 20 7946 0018", caller_policy="strict")
        server.send(wire_invite(dni).replace(b"+15557654321", b"+44-20-7946-0018"))
        await server.until("> 200 INVITE")

    assert attributes(play(story)) == [{"name": "Ada"}]


def test_of_delete_and_invite_exactly_one_wins() -> None:
    answers: list[int] = []

    def story_with(delete_delay_s: float) -> Callable[[MemoryServer], Awaitable[None]]:
        async def story(server: MemoryServer) -> None:
            body = (await server.reserve({"name": "Ada"})).json()
            server.board.media.open_after_s = 0.5  # the INVITE is on its way to the bind
            path = f"/v1/conversations/dni-reservation/{body['reservation_id']}"
            server.send(wire_invite(body["dni"]))
            await elapse(delete_delay_s)
            answers.append((await server.client.delete(path)).status_code)
            await server.until("> 200 INVITE")

        return story

    invite_first = play(story_with(0.9))
    assert (answers.pop(), attributes(invite_first)) == (409, [{"name": "Ada"}])
    # The client gave it up while its call was on the way: the call is met like a late one, never as another's.
    delete_first = play(story_with(0.1))
    assert answers.pop() in {200, 204}
    assert attributes(delete_first) == [{"name": "Ada"}]
    assert binds(delete_first) == {"late": 1}


def test_a_call_without_a_reservation_is_a_plain_call_and_counted() -> None:
    async def story(server: MemoryServer) -> None:
        server.send(wire_invite("+15550100001"))
        await server.until("> 200 INVITE")

    server = play(story)
    assert attributes(server) == [{}]
    assert binds(server) == {"stray": 1}


def test_the_same_number_over_another_tenants_trunk_is_not_this_tenants_call() -> None:
    other = replace(RESOURCES.trunks[0], name="other", networks=("203.0.113.0/24",), account="ws-2")
    resources = replace(RESOURCES, trunks=(*RESOURCES.trunks, other))

    async def whole() -> MemoryServer:
        async with MemoryServer.open(ScriptedAgent(start=start), resources) as server:
            dni = await reserve(server)
            server.send(wire_invite(dni), host="203.0.113.9")
            await server.until("> 404 INVITE")
            server.dial(dni)
            await server.until("> 200 INVITE")
            await server.board.registry.drain(0.5)
            await server.idle()
            return server

    assert attributes(run_virtual(whole())) == [{"name": "Ada"}]
