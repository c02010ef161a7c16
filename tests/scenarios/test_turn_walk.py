"""The turn walk: keys, the customer's function, the stored turn, speech."""

from pathlib import Path

from tieline.model.call import TerminationReason
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import run_virtual

FRONT_DESK = Path(__file__).parents[2] / "examples" / "front_desk"
CLOSING = "We're open Monday to Friday, from nine to six. Thanks for calling. Goodbye."


def test_a_key_becomes_a_turn_that_is_stored_before_it_is_heard() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            dni = (await server.reserve({"customer": {"first_name": "Ada"}, "shared_id": "s-7"})).json()[
                "dni"
            ]
            server.dial(dni)
            await server.until("ran start")
            server.press("1")
            await server.hear(CLOSING)
            await server.idle()
            order = [
                "run turn",
                "ran turn",
                f"play {CLOSING}",
                f"played {CLOSING}",
                "save_outcome",
                "> BYE",
                "run end",
            ]
            assert [entry for entry in server.journal if entry in order] == order
            turn = server.journal.index("ran turn")
            assert server.journal[turn + 1] == "save_turn"
            (conversation,) = await server.board.conversations()
            assert [(each.channel, each.user_input) for each in conversation.turns] == [
                ("start", None), ("keypad", "1"), ("end", None),
            ]  # fmt: skip
            assert "Hello Ada" in conversation.turns[0].utterance
            assert '"contained":true' in conversation.turns[1].state_json
            assert server.board.observer.terminations[0].reason is TerminationReason.AGENT_HUNG_UP

    run_virtual(story())


def test_an_invalid_key_is_told_so_and_silence_leads_to_reception() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            server.dial("100")
            await server.until("ran start")
            server.press("7")
            await server.until("ran turn")
            await server.idle()
            (conversation,) = await server.board.conversations()
            assert "not one of the choices" in conversation.turns[1].utterance
            assert [each.user_input for each in conversation.turns[2:-1]] == ["", "", ""]
            assert conversation.outcome is not None
            assert conversation.outcome.data["handoff_reason"] == "no_input"
            (bye,) = server.byes()
            assert bye.headers["X-reason"] == "no_input"

    run_virtual(story())
