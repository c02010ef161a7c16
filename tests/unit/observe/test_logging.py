from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from tieline.observe.logging import configure_logging, get_logger


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_bound_ids() -> None:
    out = io.StringIO()
    configure_logging("info", "json", stream=out)
    log = get_logger("sip").bind(call_id="c1", leg_id=7)
    log.info("< INVITE", method="INVITE")
    log.debug("= never")
    (line,) = logged(out)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info", "part": "sip", "call_id": "c1", "leg_id": 7, "event": "< INVITE", "method": "INVITE",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "console"])
def test_personal_data_is_dropped_unless_wanted(form: str) -> None:
    out = io.StringIO()
    configure_logging("info", form, stream=out)
    get_logger("calls").info("= ringing", pii={"caller": "+15550109999"})
    assert "15550109999" not in out.getvalue()
    configure_logging("info", form, stream=out, personal_data=True)
    get_logger("calls").info("= ringing", pii={"caller": "+15550109999"})
    get_logger("calls").info("= ringing", pii="+15550108888")
    assert "pii.caller" in out.getvalue()
    assert "15550108888" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_value_makes_a_new_line(form: str) -> None:
    out = io.StringIO()
    configure_logging("info", form, stream=out)
    get_logger("sip").warning("< bad\r\nthing", header="a\nb\x1b[31m", empty="", spaced="a b")
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_an_exception_is_one_field() -> None:
    out = io.StringIO()
    configure_logging("info", "json", stream=out)
    log = get_logger("http")
    try:
        raise ValueError("inside")
    except ValueError as error:
        log.exception("= failed")
        log.error("= failed", exc_info=(type(error), error, error.__traceback__))
    assert all("ValueError: inside" in line["traceback"] and line["level"] == "error" for line in logged(out))


def test_console_shows_the_traceback_below() -> None:
    out = io.StringIO()
    configure_logging("info", "console", stream=out)
    try:
        raise ValueError("inside")
    except ValueError:
        get_logger("http").exception("= failed")
    assert out.getvalue().rstrip().endswith("ValueError: inside")


def test_libraries_log_through_us() -> None:
    out = io.StringIO()
    configure_logging("info", "json", stream=out)
    logging.getLogger("uvicorn.error").warning("took %s", "long")
    logging.getLogger("uvicorn.error").info("not shown")
    (line,) = logged(out)
    assert (line["part"], line["event"], line["level"]) == ("uvicorn.error", "took long", "warning")
