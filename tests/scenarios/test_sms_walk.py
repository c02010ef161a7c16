"""A message's walk: the customer's function asks, the turn is stored with it, the sender hands it over."""

from __future__ import annotations

from pathlib import Path

from tests.unit.messaging.parts import Post
from tieline.messaging.sender import SmsSender
from tieline.model.sms import SmsState
from tieline.store.outbox import SmsFilter
from tieline.testing.agents import write_project
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import run_virtual

FILES = {
    "functions/turn_function.py": """
        def turn_function(conv, user_input):
            conv.state.name = "Ann"
            conv.send_sms_template(conv.caller_number, "hello")
            if user_input == "2":
                raise ValueError("no")
            return {"utterance": "I have sent you a message."}
        """,
    "functions/end_function.py": """
        def end_function(conv):
            conv.send_sms("+15557654321", "+15550199", "Goodbye")
        """,
    "config/sms_templates.yaml": """
        sms_templates:
          - {name: hello, text: "Hello $name", env_phone_numbers: {live: "+15550199"}}
        """,
    "config/handoffs.yaml": "handoffs: [{name: desk, is_default: true, sip_config: {method: bye}}]\n",
}


def test_a_message_is_stored_with_its_turn_and_sent_after_it(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)

    async def story() -> None:
        async with MemoryServer.open(tmp_path) as server:
            leg = server.dial("100")
            await server.until("ran start")
            server.press("1")
            await server.until("ran turn")
            await server.until("save_turn", times=2)
            store, post = server.board.store, Post()
            waiting = await store.messages(SmsFilter())
            assert [(one.content, one.to, one.from_, one.state) for one in waiting] == [
                ("Hello Ann", "+15557654321", "+15550199", SmsState.WAITING)
            ]
            (conversation,) = await server.board.conversations()
            assert waiting[0].conversation_id == conversation.opened.id
            sender = SmsSender(store, server.board.clock, post, post._add_events, post.metrics)
            await sender.send_due()
            assert [sent.content for sent, _ in post.twilio.sent] == ["Hello Ann"]
            server.hang_up(leg)
            await server.idle()
            await sender.send_due()
            assert [sent.content for sent, _ in post.twilio.sent] == ["Hello Ann", "Goodbye"]

    run_virtual(story())


def test_a_turn_that_fails_sends_nothing(tmp_path: Path) -> None:
    write_project(tmp_path, {name: text for name, text in FILES.items() if "end_" not in name})

    async def story() -> None:
        async with MemoryServer.open(tmp_path) as server:
            server.dial("100")
            await server.until("ran start")
            server.press("2")
            await server.idle()
            assert await server.board.store.messages(SmsFilter()) == []

    run_virtual(story())
