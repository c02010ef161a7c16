"""All pools at a glance, and making one."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.pools import PoolView
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.pages.pools.fields import add_terms, read_terms
from tieline.studio.pages.pools.gauges import free, shares
from tieline.studio.parts.cards import card, grid
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.gauges import StackedBar
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, set_badge

NOTHING = Nothing(
    "dialpad",
    "No pools yet",
    "A pool is a set of your numbers. A client reserves one with attributes, has its phone system dial it, and the "
    "call brings the attributes to the agent: for networks that pass no SIP headers.",
)


@page("/pools", "Numbers & Pools", icon="dialpad", group=Group.TELEPHONY, order=10)
async def pools(view: View) -> None:
    """A card for each pool."""
    view.heading.subtitle("Numbers that are lent to one caller at a time, so that a call can carry context.")
    index = Index(view, Right.TELEPHONY, "Add pool", lambda: add_pool(view), NOTHING)
    found = await view.admin.pools.pools(view.who)
    if not found:
        index.empty()
        return
    cards: dict[str, _PoolCard] = {}
    with grid(360):
        for one in found:
            cards[one.pool.name] = _PoolCard(one)

    async def show() -> None:
        for one in await view.admin.pools.pools(view.who):
            if one.pool.name in cards:
                cards[one.pool.name].show(one)

    refresh_every(2.0, show)


class _PoolCard:
    """One pool: how full it is."""

    def __init__(self, one: PoolView) -> None:
        with card(path=f"/pools/{one.pool.name}"):
            with ui.element("div").classes("tl-card-head"):
                with ui.element("h2").classes("tl-card-title"):
                    ui.label(one.pool.name)
                self._badge = badge("")
            ui.label(f"{one.project} · {_trunks(one)}").classes("tl-muted tl-small")
            self._bar = StackedBar(shares(one.stats), legend=False, label=f"Numbers of {one.pool.name}")
            self._words = ui.label().classes("tl-small")
            self._line = ui.label().classes("tl-muted tl-small")
        self.show(one)

    def show(self, one: PoolView) -> None:
        """Show it as it is now."""
        stats = one.stats
        self._bar.show(shares(stats))
        held = [f"{share.name} {share.value:g}" for share in shares(stats) if share.value]
        self._words.text = " · ".join(held)
        left = free(stats)
        if not stats.numbers:
            set_badge(self._badge, "no numbers", Tone.WARN)
        elif left:
            set_badge(self._badge, f"{left} free", Tone.GOOD if left * 10 > stats.numbers else Tone.WARN)
        else:
            set_badge(self._badge, "full", Tone.BAD)
        suspect = f" · {stats.suspect} suspect" if stats.suspect else ""
        self._line.text = (
            f"{stats.reserved_total:,} reserved · {stats.claimed_total:,} arrived · "
            f"{stats.refused_total:,} refused{suspect}"
        )


def _trunks(one: PoolView) -> str:
    return ", ".join(one.pool.trunks) or "any trunk"


async def add_pool(view: View) -> None:
    """The dialog that makes a pool."""
    with telling():
        resources = await view.admin.resources.resources(view.who)
        if not resources.projects:
            ui.notify("Make a project first: a pool brings calls to one.", type="warning")
            return

        async def make() -> None:
            fields = {key: value for key, value in read_terms(dialog.form).items() if value is not None}
            name = str(fields.pop("name", ""))
            given = fields.pop("numbers", [])
            fields["numbers"] = given
            await view.admin.resources.create(view.who, "pools", {"name": name, **fields})
            ui.navigate.to(f"/pools/{name}")

        dialog = Dialog("Add pool", "Add", make, width=680)
        with dialog as form:
            form.form.text(
                "name", "Name", hint="Letters, digits, '.', '_' and '-'; it cannot be changed later"
            )
            form.form.lines(
                "numbers",
                "Numbers",
                hint="One a line; a range is +15550100-+15550199. They can come later, too",
            )
            add_terms(
                form.form,
                {},
                [one.slug for one in resources.projects],
                [one.name for one in resources.trunks],
            )
        dialog.open()
