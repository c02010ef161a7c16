"""One pool: gauges, the last hour, forecast, numbers, reservations, and what can be done with it."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.pools import Forecast, PoolView
from tieline.errors import TielineError
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.pools.actions import add_numbers, edit_pool, remove_pool, try_it
from tieline.studio.pages.pools.gauges import share_text, shares
from tieline.studio.pages.pools.hour import HourChart
from tieline.studio.pages.pools.numbers import NumberTable
from tieline.studio.pages.pools.reservations import ReservationTable
from tieline.studio.parts.cards import card, columns, figure, grid, stack, titled_card, values
from tieline.studio.parts.gauges import StackedBar
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, tell
from tieline.studio.parts.tables import Column, table
from tieline.studio.parts.times import duration

COUNTERS = (
    ("reserved_total", "Reserved", "since the pool was made"),
    ("claimed_total", "Arrived", "calls that found their attributes"),
    ("expired_total", "Expired", "nobody called in time"),
    ("late_total", "Late", "calls that came after the end"),
    ("stray_total", "Stray", "calls without a reservation"),
    ("refused_total", "Refused", "requests that found it full"),
)


@page("/pools/{name}", "Pool", icon="dialpad")
async def pool(view: View, name: str) -> None:
    """Everything about one pool."""
    there = await view.admin.pools.pool(view.who, name)
    view.heading.title(name)
    view.heading.crumbs(("Numbers & Pools", "/pools"))
    view.heading.subtitle(
        f"For callers of {there.project}, over {', '.join(there.pool.trunks) or 'any trunk'}"
    )
    _actions(view, name)
    now = _Now(there)
    with columns():
        with card("The last hour"):
            chart = HourChart(there)
        with stack(), card("Forecast"):
            forecast = ui.element("div").classes("tl-stack")
    with titled_card("Numbers", flush=True) as beside:
        numbers = NumberTable(view, name, beside)
    with titled_card("Reservations", flush=True):
        reservations = ReservationTable(view, name)
    with card("Terms"):
        _terms(there)

    async def show() -> None:
        try:
            now.show(await view.admin.pools.pool(view.who, name))
            chart.show(await view.admin.pools.samples(view.who, name))
            await numbers.refresh()
            await reservations.refresh()
        except TielineError:
            return  # removed, or no longer theirs: the next thing they do says so

    async def foresee() -> None:
        with telling():
            found = await view.admin.pools.forecast(view.who, name)
            forecast.clear()
            with forecast:
                _forecast(found)

    await foresee()
    await numbers.refresh()
    await reservations.refresh()
    chart.show(await view.admin.pools.samples(view.who, name))
    refresh_every(2.0, show)
    refresh_every(30.0, foresee)


def _actions(view: View, name: str) -> None:
    with view.heading.actions:
        if view.may(Right.TELEPHONY):
            with (
                ui.button(icon="more_vert").props('flat round dense aria-label="More"'),
                ui.menu().props("auto-close"),
            ):
                ui.menu_item("Edit terms", lambda: edit_pool(view, name)).props("role=menuitem")
                ui.menu_item("Delete", lambda: remove_pool(view, name)).props("role=menuitem")
            ui.button("Add numbers", icon="playlist_add", on_click=lambda: add_numbers(view, name)).props(
                "outline"
            )
        if view.may(Right.OPERATE):
            ui.button("Try it", icon="play_arrow", on_click=lambda: try_it(view, name)).props("unelevated")


class _Now:
    """The gauges and counters."""

    def __init__(self, there: PoolView) -> None:
        with card():
            self._bar = StackedBar(shares(there.stats), label="Numbers by state")
            with grid(130):
                self._figures = {
                    field: figure(label, f"{getattr(there.stats, field):,}", text)
                    for field, label, text in COUNTERS
                }

    def show(self, there: PoolView) -> None:
        """Bring them up to date."""
        self._bar.show(shares(there.stats))
        for field, label in self._figures.items():
            label.text = f"{getattr(there.stats, field):,}"


def _forecast(found: Forecast) -> None:
    """Erlang B beside what was measured."""
    if found.plan is None:
        tell(
            "Nothing was reserved in the last hour",
            "The forecast follows from the pace of reservations and from how long each holds its number.",
        )
        return
    measured = "measured" if found.measured_delay else "assumed, too few calls yet"
    values(
        {
            "Requests": f"{found.pace.rate:.2f} a second over {duration(found.pace.span_s)}",
            "Set-up delay": f"{found.delay.median_s:.1f} s median, {found.delay.p99_s:.1f} s at 99 % ({measured})",
            "A number is held": f"{found.hold_s:.1f} s on average",
            "Offered load": f"{found.load:.1f} erlangs on {found.numbers} numbers",
            "Refused, by Erlang B": share_text(found.predicted_share),
            "Refused, measured": share_text(found.pace.refused_share),
        }
    )
    measured_share = found.pace.refused_share or 0.0
    enough = next((row.numbers for row in found.plan.rows if row.target <= 0.001), 0)
    if found.numbers < enough and max(found.predicted_share, measured_share) > 0.001:
        tell(
            f"{enough - found.numbers} more numbers are needed",
            f"At this pace {enough} numbers refuse at most one request in a thousand.", Tone.WARN,
        )  # fmt: skip
    table(
        (
            Column("target", "Refused at most"),
            Column("numbers", "Numbers", "number"),
            Column("busy", "Busy on average", "number"),
        ),
        [
            {
                "id": str(row.target), "target": share_text(row.target), "numbers": row.numbers,
                "busy": f"{row.utilisation:.0%}",
            }
            for row in found.plan.rows
        ],
        icon="calculate", nothing="", label="Numbers needed",
    )  # fmt: skip


def _terms(there: PoolView) -> None:
    terms = there.pool
    values(
        {
            "Lifetime": f"{terms.ttl_s:g} s; clients may ask for {terms.min_ttl_s:g} to {terms.max_ttl_s:g} s",
            "Cool-down after a call": f"{terms.claim_cooldown_s:g} s",
            "Quarantine after an expiry": f"{terms.expiry_cooldown_s:g} s",
            "Set-up grace": f"{terms.setup_grace_s:g} s",
            "Caller check": terms.caller_policy.value,
            "Late calls": terms.late_policy.value,
        }
    )
