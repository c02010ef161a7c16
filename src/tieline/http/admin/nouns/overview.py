"""Everything at one glance."""

from __future__ import annotations

from tieline.admin.overview import Overview
from tieline.http.admin.declaration import Call, Noun

overview = Noun("look")


@overview.get("/overview")
async def get_overview(call: Call) -> Overview:
    """How things stand: calls, pools, trunks, the last refusals, failed handoffs, and the next steps."""
    return await call.admin.overview.overview(call.who)
