"""A call that is up, as those who watch see it."""

from __future__ import annotations

from datetime import datetime

from tieline.model.call import CallState
from tieline.model.record import Record


class LiveCall(Record):
    """One call at one moment. `said` is the agent's last utterance, `heard` the caller's last input, both personal.

    `project` and `account` are ids; `state_since` is when `state` began.
    """

    id: str
    account: str
    project: str
    env: str
    channel: str
    trunk: str
    caller: str | None
    callee: str | None
    sip_call_id: str
    shared_id: str | None
    state: CallState
    started_at: datetime
    state_since: datetime
    answered_at: datetime | None
    flow: str | None = None
    step: str | None = None
    said: str | None = None
    heard: str | None = None
