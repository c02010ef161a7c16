from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tieline.observe.ladder import Ladder, parse_entry, render_ladder

CALLER, TARGET = "127.0.0.1:5090", "192.0.2.9:5060"
INVITE = (
    "INVITE sip:+15550100001@tieline SIP/2.0\r\nCSeq: 1 INVITE\r\n"
    "X-PolyAi-Auth-Token: hush\r\nX-Folded: one\r\n two\r\n"
    "Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
)


def entry(at_ms: int, direction: str, text: str, peer: str = CALLER) -> dict[str, Any]:
    return {"at_ms": at_ms, "direction": direction, "peer": peer, "text": text}


CALL = [
    entry(5000, "in", INVITE),
    entry(5002, "out", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"),
    entry(5502, "out", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"),
    entry(
        9000,
        "out",
        "BYE sip:x@h SIP/2.0\r\nCSeq: 2 BYE\r\nX-contained: true\r\nReason: Q.850;cause=16\r\n\r\n",
    ),
]


def lines(entries: list[dict[str, Any]], **options: Any) -> list[str]:
    return Ladder(entries, **options).plain().splitlines()


def test_arrows_times_codes_and_headers() -> None:
    shown = lines(CALL)
    assert shown[0].split() == [CALLER, "Tieline"]
    assert "+0.000 s" in shown[2]
    assert "INVITE ─" in shown[2]
    assert shown[2].rstrip("│").endswith("▶")
    text = "\n".join(shown)
    assert "X-PolyAi-Auth-Token: (hidden)" in text
    assert "hush" not in text
    assert "X-Folded: one two" in text
    assert "SDP 192.0.2.1:4000 PCMU, PCMA, telephone-event, sendonly" in text
    assert "◀" in next(line for line in shown if "200 OK (INVITE) ─" in line)
    assert "+0.502 s" in next(line for line in shown if "(again)" in line)
    assert "X-contained: true" in text
    assert "Reason: Q.850;cause=16" in text


def test_what_a_notify_tells() -> None:
    head = "NOTIFY sip:x SIP/2.0\r\nSubscription-State: active\r\n"
    told = "Content-Type: message/sipfrag;version=2.0\r\n\r\nSIP/2.0 486 Busy Here\r\nVia: x\r\n"
    text = "\n".join(
        lines([entry(0, "in", head + told), entry(9, "in", head + "Content-Type: text/plain\r\n\r\nhi")])
    )
    assert "Subscription-State: active" in text
    assert "SIP/2.0 486 Busy Here" in text
    assert "Via" not in text
    assert "hi" not in text.split()


def test_redaction() -> None:
    text = "\n".join(lines(CALL, redact=True, secret_headers=["X-Folded"]))
    assert "X-contained: (redacted)" in text
    assert "X-Folded: (hidden)" in text
    number = [entry(0, "in", "INVITE sip:x SIP/2.0\r\nReferred-By: <sip:+15550100001@h>\r\n\r\n")]
    assert "+15550100001" not in "\n".join(lines(number, redact=True))
    assert "+15550100001" in "\n".join(lines(number))


def test_a_second_leg_stands_on_the_right() -> None:
    shown = lines([*CALL, entry(6000, "out", "INVITE sip:y SIP/2.0\r\n\r\n", TARGET),
                   entry(6100, "in", "SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n", TARGET)])  # fmt: skip
    assert shown[0].split() == [CALLER, "Tieline", TARGET]
    out, back = shown[-2], shown[-1]
    assert out.index("│", out.index("│") + 1) < out.index("INVITE") < out.index("▶")
    assert back.index("◀") < back.index("486")


def test_nothing_kept() -> None:
    assert render_ladder([]) == "no SIP messages were kept"


def test_rich_and_plain_say_the_same() -> None:
    ladder = Ladder(CALL)
    rich = "\n".join(line.rstrip() for line in ladder.rich().plain.split("\n"))
    assert rich == ladder.plain()
    styles = {str(span.style) for span in ladder.rich().spans}
    assert {"bold green", "green", "magenta"} <= styles


@given(st.text(), st.sampled_from(["in", "out"]), st.text(max_size=30))
def test_whatever_a_peer_sends_is_shown_harmlessly(text: str, direction: str, peer: str) -> None:
    shown = render_ladder([entry(0, direction, text, peer or "?")])
    assert all(char.isprintable() or char in "\n\t" for char in shown)


def test_entries_may_lack_everything() -> None:
    message = parse_entry({})
    assert (message.label, message.peer, message.incoming) == ("(empty)", "?", False)
    assert "SDP ?:9 99" in render_ladder([entry(0, "in", "INVITE x\n\nm=audio 9 RTP/AVP 99")])
    assert "299 Odd" in render_ladder([entry(0, "in", "SIP/2.0 299 Odd\nCSeq: \n\n")])
