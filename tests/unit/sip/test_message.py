from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.sip.errors import MessageMalformed
from tieline.sip.message import (
    Headers,
    Limits,
    Request,
    Response,
    check_request,
    parse_message,
)

HEAD = (
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n"
    b"i: x@y\r\nCSeq: 1 INVITE\r\n"
)


def request(lines: bytes = b"", body: bytes = b"", start: bytes = b"INVITE sip:c@d SIP/2.0") -> bytes:
    return start + b"\r\n" + HEAD + lines + b"\r\n" + body


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def refused(data: bytes, limits: Limits | None = None) -> MessageMalformed:
    with pytest.raises(MessageMalformed) as caught:
        parse_message(data, limits or Limits())
    return caught.value


class TestHeaders:
    def test_look_up_ignores_case_and_compact_forms_and_keeps_spelling(self) -> None:
        headers = Headers([("F", "one"), ("X-Ray", "1"), ("x-ray", "2"), ("fRoM", "two")])
        assert headers.get("From") == "one"
        assert headers.getall("from") == ["one", "two"]
        assert headers.joined("X-RAY") == "1, 2"
        assert headers["x-Ray"] == "1"
        assert headers.items()[1] == ("X-Ray", "1")
        assert list(headers) == ["F", "X-Ray", "x-ray", "fRoM"]
        assert len(headers) == 4

    def test_absent(self) -> None:
        headers = Headers()
        assert headers.get("To") is None
        assert headers.get("To", "x") == "x"
        assert headers.getall("To") == []
        assert headers.joined("To") is None
        assert "To" not in headers
        assert 1 not in headers
        with pytest.raises(KeyError):
            headers["To"]

    def test_equality(self) -> None:
        assert Headers([("A", "1")]) == Headers([("A", "1")])
        assert Headers([("A", "1")]) != Headers([("a", "1")])
        assert Headers() != []
        assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"


class TestStartLine:
    def test_request(self) -> None:
        message = parsed(request())
        assert (message.method, message.uri_text, message.uri.user) == ("INVITE", "sip:c@d", "c")
        assert repr(message) == "<INVITE sip:c@d>"

    def test_response_without_phrase(self) -> None:
        message = parse_message(b"SIP/2.0 100 \r\n" + HEAD + b"\r\n")
        assert isinstance(message, Response)
        assert (message.status, message.phrase) == (100, "")
        assert repr(message) == "<100 >"

    @pytest.mark.parametrize(
        "start",
        [
            b"SIP/2.0 99 x",
            b"SIP/2.0 700 x",
            b"SIP/2.0 2000 x",
            b"SIP/2.0 2x0 x",
            b"SIP/2.0 \xc2\xb2\xc2\xb2\xc2\xb2 x",
        ],
    )
    def test_bad_status(self, start: bytes) -> None:
        assert refused(request(start=start)).request is None

    @pytest.mark.parametrize(
        "start", [b"", b"INVITE", b"INVITE sip:a@b", b"IN(VITE sip:a@b SIP/2.0", b"GET / HTTP/1.1"]
    )
    def test_no_start_line(self, start: bytes) -> None:
        assert refused(request(start=start)).request is None

    @pytest.mark.parametrize(
        "start", [b"INVITE  sip:a@b SIP/2.0", b"INVITE sip:a@b SIP/2.0 ", b"INVITE sip:a b SIP/2.0"]
    )
    def test_spaces(self, start: bytes) -> None:
        error = refused(request(start=start))
        assert error.status == 400
        assert error.request is not None

    def test_version_in_lower_case(self) -> None:
        assert parsed(request(start=b"INVITE sip:a@b sip/2.0")).method == "INVITE"

    def test_other_version(self) -> None:
        assert refused(request(start=b"INVITE sip:a@b SIP/3.0")).status == 505


class TestHeaderLines:
    def test_folding(self) -> None:
        assert parsed(request(b"Subject: one\r\n  two\r\n\tthree\r\n")).headers["Subject"] == "one two three"

    def test_space_before_the_colon(self) -> None:
        assert parsed(request(b"X-A  :  1 \r\nsUbJeCt\t: x\r\n")).headers["x-a"] == "1"

    @pytest.mark.parametrize(
        "line", [b"no colon\r\n", b": no name\r\n", b"two words: x\r\n", b"\xc3\xa4: x\r\n"]
    )
    def test_broken_line(self, line: bytes) -> None:
        error = refused(request(line))
        assert error.why == "broken header line"
        assert error.request is not None

    @pytest.mark.parametrize("line", [b"X: a\nVia: b\r\n", b"X: a\rb\r\n"])
    def test_lone_line_ends(self, line: bytes) -> None:
        assert refused(request(line)).why == "lone CR or LF"

    def test_bytes_that_are_no_utf8_survive(self) -> None:
        value = parsed(request(b"X-A: \xff\xfe\r\n")).headers["X-A"]
        assert value.encode("utf-8", "surrogateescape") == b"\xff\xfe"

    def test_no_empty_line(self) -> None:
        assert refused(b"INVITE sip:c@d SIP/2.0\r\n" + HEAD).why == "no empty line after the headers"
        assert refused(b"INVITE sip:c@d SIP/2.0\r\nnonsense\r\n").why == "broken header line"


class TestLimits:
    def test_message(self) -> None:
        assert refused(request(), Limits(message_bytes=50)).status == 513

    def test_lines(self) -> None:
        assert refused(request(b"X: y\r\n" * 20), Limits(header_lines=10)).why == "too many header lines"

    def test_line(self) -> None:
        limits = Limits(line_chars=100)
        assert refused(request(b"X: " + b"y" * 200 + b"\r\n"), limits).why == "header line too long"
        assert parse_message(request(b"X: " + b"y" * 90 + b"\r\n"), limits).headers["X"] == "y" * 90

    def test_what_is_within_them_is_there_to_answer_by(self) -> None:
        for extra, limits in (
            (b"X: y\r\n" * 20, Limits(header_lines=10)),
            (b"X: " + b"y" * 200 + b"\r\n", Limits(line_chars=100)),
        ):
            kept = refused(request(extra), limits).request
            assert kept is not None
            assert kept.via.branch == parsed(request()).via.branch
            assert kept.call_id == parsed(request()).call_id

    def test_no_answer_without_start_line_and_every_via(self) -> None:
        limits = Limits(line_chars=100, header_lines=10)
        for name in (b"Via", b"v ", b"VIA"):
            assert refused(request(name + b": " + b"y" * 200 + b"\r\n"), limits).request is None
        assert refused(request(b"X: y\r\n" * 9 + b"v: SIP/2.0/UDP b\r\n"), limits).request is None
        assert (
            refused(b"INVITE sip:" + b"c" * 200 + b"@d SIP/2.0\r\n" + HEAD + b"\r\n", limits).request is None
        )


class TestBody:
    def test_trimmed_to_its_length(self) -> None:
        assert parsed(request(b"Content-Length: 3\r\n", b"abcdef")).body == b"abc"
        assert parsed(request(b"l: 6\r\n", b"abcdef")).body == b"abcdef"

    def test_rest_of_the_datagram(self) -> None:
        assert parsed(request(b"", b"abc")).body == b"abc"

    @pytest.mark.parametrize(
        "lines", [b"Content-Length: 9\r\n", b"Content-Length: -1\r\n", b"l: 1\r\nContent-Length: 1\r\n"]
    )
    def test_broken_length(self, lines: bytes) -> None:
        error = refused(request(lines, b"abc"))
        assert error.status == 400
        assert error.request is not None

    def test_the_first_fault_is_named(self) -> None:
        assert refused(request(b"broken\r\nContent-Length: 9\r\n")).why == "broken header line"
        assert refused(request(b"broken\r\nX: a\nb\r\n")).why == "broken header line"
        assert refused(request(b"broken\r\n", start=b"INVITE sip:a SIP/4.0")).status == 505


class TestTypedAccess:
    def test_values(self) -> None:
        message = parsed(request(b"m: <sip:z@y>, <sip:w@v>\r\nc: Application/SDP ; x=y\r\n"))
        assert message.via is message.via
        assert message.via.branch == "z9hG4bK1"
        assert message.from_.tag == "1"
        assert message.to.tag is None
        assert message.cseq == (1, "INVITE")
        assert message.call_id == "x@y"
        assert message.max_forwards == 70
        assert message.contact is not None
        assert message.contact.uri.host == "y"
        assert message.content_type == "application/sdp"

    def test_absent(self) -> None:
        message = parsed(b"INVITE sip:a@b SIP/2.0\r\nContact: *\r\n\r\n")
        assert message.contact is None
        assert message.content_type is None
        assert message.max_forwards is None
        assert parsed(b"INVITE sip:a@b SIP/2.0\r\nX: *\r\n\r\n").contact is None
        for name in ("via", "from_", "to", "cseq", "call_id"):
            with pytest.raises(MessageMalformed):
                getattr(message, name)

    def test_given_twice(self) -> None:
        message = parsed(request(b"To: <sip:a@b>\r\n"))
        with pytest.raises(MessageMalformed, match="more than one to"):
            _ = message.to

    @pytest.mark.parametrize("value", [b"", b"a b"])
    def test_call_id(self, value: bytes) -> None:
        with pytest.raises(MessageMalformed):
            _ = parsed(b"INVITE sip:a@b SIP/2.0\r\nCall-ID: " + value + b"\r\n\r\n").call_id


class TestCheckRequest:
    def test_good(self) -> None:
        check_request(parsed(request()))

    def test_without_max_forwards(self) -> None:
        check_request(parsed(request().replace(b"Max-Forwards: 70\r\n", b"")))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
            (b"CSeq: 1 INVITE\r\n", b""),
            (b"70", b"256"),
            (b"70", b"-1"),
            (b"<sip:c@d>", b"<>"),
            (b"<sip:a@b>", b"< >"),
            (b"i: x@y\r\n", b""),
            (b"Via: SIP/2.0/UDP 192.0.2.1", b"Via: SIP/3.0/UDP 192.0.2.1"),
        ],
    )
    def test_bad(self, old: bytes, new: bytes) -> None:
        with pytest.raises(MessageMalformed):
            check_request(parsed(request().replace(old, new)))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_message(data)
    except MessageMalformed:
        return


@given(st.data())
def test_a_damaged_message_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(request(b"Content-Length: 3\r\n", b"abc"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = parse_message(bytes(whole))
        if isinstance(message, Request):
            check_request(message)
    except MessageMalformed:
        return
