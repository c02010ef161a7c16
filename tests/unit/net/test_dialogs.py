"""Dialogs as texts."""

from __future__ import annotations

import pytest

from tieline.net.dialogs import end_dialog, read_dialog, write_dialog
from tieline.net.sip_endpoint import SipEndpoint
from tieline.sip.config import SipConfig
from tieline.sip.events import Flow, Transport
from tieline.sip.resume import DialogRecord
from tieline.sip.stack import SipStack
from tieline.testing.loopback import SeededIds

DIALOG = DialogRecord(
    sip_call_id="odd\udce9",
    local_tag="ours",
    remote_tag="theirs",
    local="<sip:a@192.0.2.1>;tag=ours",
    remote="<sip:b@192.0.2.2>;tag=theirs",
    local_cseq=3,
    remote_cseq=7,
    target="sip:b@192.0.2.2",
    routes=("<sip:p@192.0.2.3;lr>",),
    flow=Flow(Transport.TLS, ("192.0.2.2", 5061), 9, "sbc.example"),
)


def test_a_dialog_comes_back_as_it_was() -> None:
    text = write_dialog(DIALOG)
    assert text.isascii()
    assert read_dialog(text) == DIALOG


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"flow": 1}'])
async def test_what_is_no_dialog_is_logged_and_ends_nothing(text: str) -> None:
    stack = SipStack(SipConfig(advertised={Transport.UDP: ("192.0.2.1", 5060)}), SeededIds(1))
    assert not end_dialog(SipEndpoint(stack, lambda _: None), text)
    assert stack.is_idle()
