"""The Get Handoff walk: key, look-up, outcome; the moment the BYE is seen, the answer is there."""

import asyncio
from pathlib import Path

from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import run_virtual

FRONT_DESK = Path(__file__).parents[2] / "examples" / "front_desk"


def test_who_asks_on_the_bye_gets_what_was_agreed() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            unknown = await server.handoff_state(shared_id="s-1")
            assert unknown.status_code == 404
            dni = (await server.reserve({"shared_id": "s-1"})).json()["dni"]
            server.dial(dni)
            await server.until("> 200 INVITE")
            running = await server.handoff_state(shared_id="s-1")
            assert running.status_code == 404
            assert running.json()["code"] != unknown.json()["code"]
            server.press("0")
            await server.until("> BYE")
            answer = await server.handoff_state(shared_id="s-1")
            assert answer.status_code == 200
            body = answer.json()
            assert body["shared_id"] == "s-1"
            assert body["data"]["handoff_to"] == "reception"
            assert body["data"]["handoff_reason"] == "asked_for_a_person"
            (conversation,) = await server.board.conversations()
            by_id = await server.handoff_state(id=conversation.opened.id)
            assert by_id.json()["data"] == body["data"]
            await server.idle()

    run_virtual(story())


def test_a_held_question_is_answered_by_the_commit() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            asking = asyncio.create_task(server.handoff_state(shared_id="s-2", wait=60))
            dni = (await server.reserve({"shared_id": "s-2"})).json()["dni"]
            server.dial(dni)
            await server.until("ran start")
            server.press("0")
            await server.until("save_outcome")
            answer = await asking
            assert answer.status_code == 200
            assert "> BYE" not in server.journal or answer.json()["data"]["handoff_to"] == "reception"
            await server.idle()

    run_virtual(story())


def test_a_caller_who_hung_up_leaves_an_outcome_without_a_handoff() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            dni = (await server.reserve({"shared_id": "s-3"})).json()["dni"]
            call = server.dial(dni)
            await server.until("< ACK")
            server.hang_up(call)
            await server.idle()
            answer = await server.handoff_state(shared_id="s-3")
            assert "contained" not in answer.json().get("data", {})
            assert answer.status_code in {200, 404}
            if answer.status_code == 200:
                assert answer.json()["status"] == "ended_without_handoff"
            else:
                assert answer.json()["code"] == "ended_without_handoff"

    run_virtual(story())
