"""The INVITE walk: stack, registry, routing, bind, start function, claim, answer."""

from tieline.agent.messages import Run, TurnResult
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual


def start(run: Run) -> TurnResult:
    return reply(run, f"Hello {run.conversation.integration_attributes.get('name')}.")


def test_an_invite_is_bound_answered_and_greeted_in_order() -> None:
    async def story() -> None:
        async with MemoryServer.open(ScriptedAgent(start=start)) as server:
            dni = (await server.reserve({"name": "Ada"})).json()["dni"]
            call = server.dial(dni, ("X-Case", "17"))
            await server.hear("Hello Ada.")
            server.hang_up(call)
            await server.idle()
            walk = [
                "< INVITE", "> 100 INVITE", "> 180 INVITE", "open_leg", "bind", "run start", "ran start",
                "open_conversation", "mark_answered", "> 200 INVITE", "< ACK", "claim", "played Hello Ada.",
                "< BYE", "> 200 BYE", "save_outcome", "run end", "close_conversation",
            ]  # fmt: skip
            assert [entry for entry in server.journal if entry in walk] == walk
            (conversation,) = await server.board.conversations()
            assert conversation.opened.sip_headers["X-Case"] == "17"
            assert conversation.closed is not None
            ladder = [entry["text"].split("\r\n")[0] for entry in conversation.closed.ladder]
            assert ladder[0].startswith("INVITE ")
            assert ladder[1:4] == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]
            assert ladder[4].startswith("ACK ")
            assert ladder[5].startswith("BYE ")

    run_virtual(story())


def test_each_refusal_is_typed_answered_and_on_record() -> None:
    async def story() -> None:
        async with MemoryServer.open(ScriptedAgent()) as server:
            server.dial("999")
            server.dial("100", ("X-PolyAi-Auth-Token", "wrong"))
            await server.until("> 403 INVITE")
            server.board.admission.max_calls = 0
            server.dial("100")
            await server.until("> 503 INVITE")
            server.board.admission.draining = True
            server.dial("100")
            await server.idle()
            assert [refused.status for refused in server.refused()] == [404, 403, 503, 503]
            refused = server.refused()[-1].response
            assert refused is not None
            assert refused.headers["Retry-After"] == "10"
            await server.board.refusals.close()
            reasons = [each.refusal.reason.value for each in await server.board.store.refusals()]
            assert sorted(reasons) == ["bad_token", "draining", "no_route", "server_full"]

    run_virtual(story())


def test_a_caller_who_cancels_gets_487_and_the_reservation_waits_for_the_next_attempt() -> None:
    async def slow(run: Run) -> TurnResult:
        await elapse(1.0)
        return start(run)

    async def story() -> None:
        async with MemoryServer.open(ScriptedAgent(start=slow)) as server:
            dni = (await server.reserve({"name": "Ada"})).json()["dni"]
            call = server.dial(dni)
            await server.until("run start")
            server.cancel(call)
            await server.until("> 487 INVITE")
            await server.until("unbind")
            again = server.dial(dni)
            await server.hear("Hello Ada.")
            server.hang_up(again)
            await server.idle()
            assert server.refused()[0].status == 487

    run_virtual(story())
