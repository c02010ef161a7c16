"""The handoff walk: plan, commit, and only then the BYE with its headers."""

from pathlib import Path

from tieline.model.call import TerminationReason
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import run_virtual

FRONT_DESK = Path(__file__).parents[2] / "examples" / "front_desk"
PASSING_ON = "Of course. I'll put you through to reception. One moment."


def test_the_bye_leaves_after_the_utterance_was_heard_and_the_outcome_is_durable() -> None:
    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            server.board.store.delays["save_outcome"] = 2.5
            reserved = await server.reserve({"shared_id": "s-1", "customer": {"first_name": "Ada"}})
            server.dial(reserved.json()["dni"])
            await server.until("ran start")
            server.press("0")
            await server.hear(PASSING_ON)
            assert "> BYE" not in server.journal
            await server.until("save_outcome")
            await server.idle()
            order = [
                "> 200 INVITE",
                f"play {PASSING_ON}",
                f"played {PASSING_ON}",
                "save_outcome",
                "> BYE",
                "< 200 BYE",
            ]
            assert [entry for entry in server.journal if entry in order] == order
            (bye,) = server.byes()
            assert bye.headers["X-destination"] == "reception"
            assert bye.headers["X-reason"] == "asked_for_a_person"
            assert bye.headers["X-shared-id"] == "s-1"
            assert bye.headers["Reason"].startswith("Q.850;cause=16")
            assert server.board.observer.terminations[0].reason is TerminationReason.HANDED_OFF

    run_virtual(story())
