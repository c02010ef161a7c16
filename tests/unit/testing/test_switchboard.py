"""The switchboard notices what a call leaves behind."""

import asyncio
from pathlib import Path

import pytest

from tieline.testing.agents import write_project
from tieline.testing.call_parts import ScriptedMedia
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.journal import Journal
from tieline.testing.memory_server import FolderAgent
from tieline.testing.virtual_time import run_virtual, settle


def test_a_board_on_which_nothing_happened_is_clean() -> None:
    async def story() -> list[str]:
        board = await Switchboard().start()
        return board.leftovers()

    assert run_virtual(story()) == []


def test_everything_left_behind_is_named() -> None:
    async def story() -> list[str]:
        board = await Switchboard().start()
        leg = board.invite()
        await board.hear("Welcome.")
        board.journal.append("run start")
        board.sip.taken += [leg, leg]
        left = board.leftovers()
        board.hang_up(leg)
        await board.idle()
        return left

    left = " ".join(run_virtual(story()))
    for word in ("closing writes", "start functions", "calls counted", "SIP legs", "RTP ports", "ladder"):
        assert word in left


def test_a_story_that_leaves_something_behind_fails() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.legs.add(99)

    with pytest.raises(AssertionError, match="SIP legs left"):
        play_calls(story)


def test_a_journal_can_be_waited_for() -> None:
    async def story() -> None:
        journal = Journal()
        waiting = asyncio.create_task(journal.until("b", times=2))
        for entry in ("a", "b", "b"):
            await settle()
            assert not waiting.done()
            journal.append(entry)
        await waiting

    run_virtual(story())


def test_a_media_process_that_is_dead_hears_nothing() -> None:
    async def story() -> None:
        board = await Switchboard().start()
        leg = board.invite()
        await board.until("play Welcome.")
        assert isinstance(board.media, ScriptedMedia)
        board.media.die()
        board.media.press("1")
        assert board.media.legs == {}
        await board.idle()
        assert leg not in board.sip.legs

    run_virtual(story())


def test_a_folder_that_cannot_be_loaded_is_no_agent(tmp_path: Path) -> None:
    broken = write_project(tmp_path, {"functions/turn_function.py": "def turn_function(conv: oops"})
    with pytest.raises(ValueError, match="turn_function"):
        FolderAgent(broken)
