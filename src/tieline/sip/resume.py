"""What a server writes down of a dialog so that the next one can still end it after a crash."""

from __future__ import annotations

from dataclasses import dataclass

from tieline.sip.core import Core
from tieline.sip.errors import WrongArgument
from tieline.sip.events import Flow
from tieline.sip.leg import Leg
from tieline.sip.tables import LegState

CSEQ_GAP = 1_000
"""How far a resumed dialog counts on: whatever the lost process sent since it was written down came before."""


@dataclass(frozen=True, slots=True)
class DialogRecord:
    """A dialog (RFC 3261 section 12), as far as a BYE needs it. Plain texts and numbers throughout."""

    sip_call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    local_cseq: int
    remote_cseq: int
    target: str
    routes: tuple[str, ...]
    flow: Flow


def record_dialog(leg: Leg) -> DialogRecord | None:
    """The leg's dialog; None as long as the other side has no tag."""
    if leg.remote_tag is None:
        return None
    return DialogRecord(
        sip_call_id=leg.call_id,
        local_tag=leg.local_tag,
        remote_tag=leg.remote_tag,
        local=leg.local,
        remote=leg.remote,
        local_cseq=leg.local_cseq,
        remote_cseq=leg.remote_cseq,
        target=leg.target,
        routes=leg.routes,
        flow=leg.flow,
    )


def resume_dialog(core: Core, record: DialogRecord) -> Leg:
    """A confirmed leg for a dialog of an earlier process. Its stream is gone: requests open a new one.

    Raises `WrongArgument` when the dialog is known already.
    """
    if record.local_tag in core.by_tag:
        raise WrongArgument("the dialog is up")
    flow = Flow(record.flow.transport, record.flow.remote, None, record.flow.host)
    leg = core.new_leg(LegState.CONFIRMED, flow, record.sip_call_id)
    del core.by_tag[leg.local_tag]
    leg.local_tag = record.local_tag
    core.by_tag[leg.local_tag] = leg
    leg.remote_tag = record.remote_tag
    leg.local = record.local
    leg.remote = record.remote
    leg.local_cseq = record.local_cseq + CSEQ_GAP
    leg.remote_cseq = record.remote_cseq
    leg.target = record.target
    leg.routes = record.routes
    return leg
