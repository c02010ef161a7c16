"""Structured logs: one event a line, ids bound, personal data only under `pii`.

An event says its direction with its first character: `<` came in, `>` went out, `=` a state was reached. Ids are
bound once (`log = log.bind(call_id=...)`) and appear on every line. Whatever could identify a person goes into
`pii={...}`, which is dropped unless the operator has turned it on. Values are escaped: no input makes a new line.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

__all__ = ["FilteringBoundLogger", "configure_logging", "get_logger"]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
PERSONAL = "pii"
STATE, IN, OUT = "=", "<", ">"

_EventDict = MutableMapping[str, Any]
_Processor = Callable[[Any, str, _EventDict], Any]


def get_logger(part: str) -> FilteringBoundLogger:
    """A logger for one part of Tieline (`sip`, `calls`, `http`, ...), shown on each of its lines."""
    logger: FilteringBoundLogger = structlog.get_logger(part=part)
    return logger


def configure_logging(
    level: str = "info", form: str = "console", *, personal_data: bool = False, stream: TextIO | None = None
) -> None:
    """Send all logs, also those of libraries, to `stream` (stderr) as `console` or `json` lines.

    `level` is one of `LEVELS`. May be called again, for example in a child process or a test.
    """
    out = stream or sys.stderr
    number = LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _keep_personal if personal_data else _drop_personal,
            _add_error,
            _render_json if form == "json" else _render_console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(max(number, logging.INFO))
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "alembic"):
        logger = logging.getLogger(noisy)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(number, logging.WARNING))


class _LibraryHandler(logging.Handler):
    """Carries what libraries log through `logging` into our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log = get_logger(record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def _drop_personal(_: Any, __: str, event: _EventDict) -> _EventDict:
    event.pop(PERSONAL, None)
    return event


def _keep_personal(_: Any, __: str, event: _EventDict) -> _EventDict:
    personal = event.pop(PERSONAL, None)
    if isinstance(personal, dict):
        event.update({f"{PERSONAL}.{key}": value for key, value in personal.items()})
    elif personal is not None:
        event[PERSONAL] = personal
    return event


def _add_error(_: Any, method: str, event: _EventDict) -> _EventDict:
    """The level, and an exception as one escaped field instead of many lines."""
    event["level"] = {"warn": "warning", "exception": "error", "critical": "error"}.get(method, method)
    error = event.pop("exc_info", None)
    if error:
        if not isinstance(error, BaseException):
            error = error[1] if isinstance(error, tuple) else sys.exc_info()[1]
        event["traceback"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _render_json(_: Any, __: str, event: _EventDict) -> str:
    line = {"at": _now(), "level": event.pop("level"), "part": event.pop("part", ""), **event}
    return msgspec.json.encode(line, enc_hook=str).decode()


def _render_console(_: Any, __: str, event: _EventDict) -> str:
    level, part, text = event.pop("level"), event.pop("part", ""), event.pop("event", "")
    trace = event.pop("traceback", None)
    fields = " ".join(f"{key}={_plain(value)}" for key, value in event.items())
    line = f"{_now()[11:]} {level:<7} {part:<6} {_escape(str(text))}"
    line = f"{line}  {fields}" if fields else line
    return f"{line}\n{trace}" if trace else line


def _plain(value: Any) -> str:
    text = _escape(value if isinstance(value, str) else str(value))
    return f'"{text}"' if " " in text or not text else text


def _escape(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
