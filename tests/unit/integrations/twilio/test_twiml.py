"""TwiML is well formed whatever is put into it, and has the attributes that the calls depend on."""

from xml.etree import ElementTree as ET

from tieline.integrations.twilio import twiml
from tieline.integrations.twilio.twiml import DialOut

ROGUE = "\"'><Hangup/>&\r\nX-Evil: 1"


def only(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.tag == "Response"
    assert len(root) == 1
    return root[0]


def test_a_call_is_brought_in_by_a_stream_with_its_parameters() -> None:
    connect = only(
        twiml.stream("wss://a.example/voice/stream", {"token": ROGUE}, "https://a.example/voice/after")
    )
    assert (connect.tag, connect.get("action")) == ("Connect", "https://a.example/voice/after")
    (stream,) = connect
    assert stream.get("url") == "wss://a.example/voice/stream"
    assert [(one.get("name"), one.get("value")) for one in stream] == [("token", ROGUE)]


def test_a_long_parameter_is_cut_to_what_twilio_takes() -> None:
    ((stream,),) = [only(twiml.stream("wss://a", {"name": "x" * 900}, "https://a"))]
    assert len(stream[0].get("value") or "") + len("name") == twiml.MAX_PARAMETER_LENGTH


def test_a_call_is_brought_in_by_sip_with_headers_and_credentials() -> None:
    dial = only(
        twiml.dial_us(
            "sip:+15550150@a.example;transport=tls",
            {"X-Call": ROGUE},
            action_url="https://a",
            username="u",
            password="p",
        )
    )
    (sip,) = dial
    assert sip.text == (
        "sip:+15550150@a.example;transport=tls?X-Call=%22%27%3E%3CHangup%2F%3E%26%0D%0AX-Evil%3A%201".replace(
            "%27", "%27"
        )
    )
    assert (sip.get("username"), sip.get("password")) == ("u", "p")
    assert dial.get("answerOnBridge") == "true"


def test_a_human_is_dialled_by_number_or_by_sip() -> None:
    wanted = DialOut(
        target="+15550199",
        caller_id="+15550150",
        timeout_s=2,
        action_url="https://a/1",
        progress_url="https://a/2",
    )
    dial = only(twiml.dial_out(wanted))
    (number,) = dial
    assert (number.tag, number.text, number.get("statusCallback")) == ("Number", "+15550199", "https://a/2")
    assert number.get("statusCallbackEvent") == "initiated ringing answered completed"
    assert (dial.get("callerId"), dial.get("timeout")) == ("+15550150", "5")
    (sip,) = only(
        twiml.dial_out(
            DialOut(
                target="sip:bob@b.example",
                headers=(("X-A", "1 2"),),
                action_url="https://a",
                progress_url="https://b",
            )
        )
    )
    assert sip.text == "sip:bob@b.example?X-A=1%202"


def test_a_sip_caller_is_referred() -> None:
    refer = only(twiml.refer("sip:bob@b.example", (("X-A", "1"),), "https://a"))
    assert (refer.tag, refer.get("action"), refer[0].text) == (
        "Refer",
        "https://a",
        "sip:bob@b.example?X-A=1",
    )


def test_the_small_answers() -> None:
    said = ET.fromstring(twiml.sorry("Sorry <b>.", "en-GB"))
    assert [one.tag for one in said] == ["Say", "Hangup"]
    assert (said[0].text, said[0].get("language")) == ("Sorry <b>.", "en-GB")
    assert only(twiml.hang_up()).tag == "Hangup"
    assert only(twiml.busy()).get("reason") == "busy"
    assert only(twiml.forward("+15550100"))[0].tag == "Number"
    assert only(twiml.forward("sip:a@b", "+15550150")).get("callerId") == "+15550150"
    assert len(ET.fromstring(twiml.nothing())) == 0
