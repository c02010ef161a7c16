"""Telephony > Twilio: the customer's own accounts, and which of their numbers come to us, and how."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieline.admin.twilio import Choice, ConnectionView, NumberLine
from tieline.errors import TielineError
from tieline.integrations.twilio.sip_networks import SIP_NETWORKS, SOURCE
from tieline.model.environment import Environment
from tieline.model.twilio import CallPath, TwilioNumber
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.parts.cards import row, section, stack, titled_card, values
from tieline.studio.parts.code import code_block
from tieline.studio.parts.dialogs import Dialog, confirm_by_name
from tieline.studio.parts.forms import Form
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.states import Tone, badge, failed, tell
from tieline.studio.parts.tables import Column, DataTable, table

POOLS_ONLY = ""
"""The choice that stands for no project: the number's pools say whose its calls are."""

PATHS = {
    CallPath.MEDIA_STREAM.value: "Media stream",
    CallPath.SIP.value: "SIP",
}

PATH_HINT = (
    "A media stream needs nothing else; SIP needs a trunk that takes Twilio's calls: Make the SIP trunk"
)

MESSAGES_HINT = (
    "STOP, START and HELP are then honoured, and every message is listed under Build, SMS. Otherwise the number's "
    "message webhook stays as it is"
)

PASTE_LABELS = {
    "voice_url": "A call comes in (webhook, HTTP POST)",
    "voice_fallback_url": "Primary handler fails (HTTP POST)",
    "status_callback": "Call status changes (HTTP POST)",
    "sms_url": "A message comes in (webhook, HTTP POST)",
}

COLUMNS = (
    Column("number", "Number", "mono"),
    Column("state", "State", "badge"),
    Column("project", "Goes to"),
    Column("env", "Environment", nowrap=True),
    Column("path", "Path", nowrap=True),
    Column("messages", "Messages", nowrap=True),
    Column(
        "acts", "", "actions",
        actions=(("choose", "tune", "Choose where it goes"), ("release", "link_off", "Let it go")),
    ),
)  # fmt: skip

NOTHING = Nothing(
    "cell_tower",
    "No Twilio account is connected",
    "Connect one with its Account SID and Auth Token, and its numbers can bring calls and messages to your projects "
    "and pools.",
)


@page("/twilio", "Twilio", icon="cell_tower", group=Group.TELEPHONY, order=30, right=Right.LOOK)
async def twilio(view: View) -> None:
    """Every connection with its numbers."""
    view.heading.subtitle("Calls and messages to telephone numbers of your own Twilio account.")
    connections = await view.admin.twilio.connections(view.who)
    index = Index(view, Right.TELEPHONY, "Connect", lambda: _connect(view), NOTHING, icon="add_link")
    if not view.admin.twilio.reachable:
        tell(
            "Twilio cannot reach this server",
            "Set server.public_url to the https address under which the internet reaches it. "
            "Until then numbers can be listed and nothing can be pointed here.",
            Tone.WARN,
        )
    if not connections:
        index.empty()
        return
    for one in connections:
        await _Connection(view, one).show()


class _Connection:
    """One connection: its facts, its numbers, and what can be done with them."""

    def __init__(self, view: View, connection: ConnectionView) -> None:
        self._view = view
        self._connection = connection
        self._lines: dict[str, NumberLine] = {}
        self._table: DataTable | None = None
        self._dialogs = ui.element("div")

    async def show(self) -> None:
        """Add it to the page."""
        view, one = self._view, self._connection
        may = view.may(Right.TELEPHONY)
        with titled_card(one.name) as beside:
            with beside, row():
                badge("webhooks verified", Tone.GOOD) if one.verifies else badge("no Auth Token", Tone.WARN)
                if may:
                    makes = () if one.sip_trunk else (("Make the SIP trunk", "route", self._make_trunk),)
                    for text, icon, act in (
                        *makes,
                        ("Check", "verified_user", self._check),
                        ("Credentials", "key", self._change),
                        ("Disconnect", "link_off", self._disconnect),
                    ):
                        ui.button(text, icon=icon, on_click=act).props("flat dense")
            values(
                {
                    "Account SID": one.account_sid,
                    "Requests by": f"API key {one.api_key_sid}" if one.api_key_sid else "Auth Token",
                    "Region": f"{one.region}, edge {one.edge}" if one.region else "United States (default)",
                    "SIP trunk": self._show_trunk if one.sip_trunk else "none: calls come by media stream",
                }
            )
            if not one.verifies:
                tell(
                    text="Twilio signs its webhooks with the Auth Token alone. Without it numbers can be listed and "
                    "messages sent; no call and no message can come in.",
                    tone=Tone.WARN,
                )
        if may:
            await self._show_numbers()
        self._show_paste()

    def _show_trunk(self) -> None:
        ui.link(self._connection.sip_trunk or "", f"/trunks/{self._connection.sip_trunk}")

    async def _show_numbers(self) -> None:
        with titled_card("Numbers", flush=True) as beside:
            try:
                lines = await self._view.admin.twilio.numbers(self._view.who, self._connection.name)
            except TielineError as error:
                failed(error.message)
                return
            self._table = table(
                COLUMNS, [], icon="dialpad", nothing="The account has no numbers",
                text="Buy one in the Twilio console, and it appears here.", label=f"Numbers of {self._connection.name}",
                sort_by="number", on_act=self._act,
            )  # fmt: skip
            if lines:
                with beside:
                    ui.button("Add to pool", icon="playlist_add", on_click=self._pool).props("flat dense")
            self._fill(lines)

    def _fill(self, lines: list[NumberLine]) -> None:
        self._lines = {one.twilio.sid: one for one in lines}
        if self._table is not None:
            self._table.rows = [self._row(one) for one in lines]

    def _row(self, line: NumberLine) -> dict[str, Any]:
        chosen = line.chosen
        state, tone = ("in use elsewhere", "quiet") if line.taken_by else ("free", "quiet")
        if chosen is not None:
            state, tone = ("comes here", "good") if not line.taken_by else ("not pointed here", "warn")
        where = line.project or (f"pool {', '.join(line.pools)}" if line.pools else "no pool yet")
        return {
            "id": line.twilio.sid,
            "number": line.twilio.number,
            "number_sub": line.twilio.name,
            "state": state,
            "state_tone": tone,
            "project": "" if chosen is None else where,
            "env": "" if chosen is None else chosen.env.value,
            "path": ""
            if chosen is None
            else {"sip": "SIP", "media_stream": "media stream"}[chosen.path.value],
            "messages": self._messages(line),
        }

    def _messages(self, line: NumberLine) -> str:
        """What happens to a number's messages."""
        if not line.twilio.sms:
            return "cannot"
        url = line.twilio.settings.get("sms_url", "")
        if line.twilio.settings.get("sms_application_sid"):
            return "to a TwiML app"
        if url == self._view.admin.twilio.to_paste()["sms_url"]:
            return "come here"
        return "elsewhere" if url else "to nobody"

    def _show_paste(self) -> None:
        with (
            section(
                "Setting a number by hand",
                "What to paste in the Twilio console, where Tieline does not set it.",
            ),
            stack(),
        ):
            for name, url in self._view.admin.twilio.to_paste().items():
                ui.label(PASTE_LABELS[name]).classes("tl-muted")
                code_block(url, wrap=True, label=PASTE_LABELS[name])

    # -- acts -------------------------------------------------------------------------------------------------

    async def _act(self, name: str, sid: str) -> None:
        line = self._lines.get(sid)
        if line is None:
            return
        with telling(), self._dialogs:
            if name == "choose":
                await self._choose(line)
            elif line.chosen is not None:
                await self._view.admin.twilio.release(self._view.who, self._connection.name, sid)
                ui.notify(f"{line.twilio.number} is as it was before", type="positive")
                await self._refresh()
            else:
                ui.notify("This number was not chosen.")

    async def _refresh(self) -> None:
        self._fill(await self._view.admin.twilio.numbers(self._view.who, self._connection.name))

    async def _choose(self, line: NumberLine) -> None:
        view, name = self._view, self._connection.name
        resources = await view.admin.resources.resources(view.who)
        projects = {one.slug: one.name or one.slug for one in resources.projects}
        there = line.chosen

        async def save() -> None:
            given = dialog.form.values()
            choice = Choice(
                project=given["project"] or None, env=Environment(given["env"]), path=CallPath(given["path"]),
                manage=bool(given["manage"]), messages=bool(given["messages"]),
            )  # fmt: skip
            await view.admin.twilio.choose(view.who, name, line.twilio.sid, choice)
            ui.notify(f"{line.twilio.number} comes here now", type="positive")
            await self._refresh()

        dialog = Dialog(f"Where {line.twilio.number} goes", "Save", save)
        with dialog:
            if line.taken_by:
                tell(
                    text=f"Its calls go to {line.taken_by} at present. What stands there is remembered, and put "
                    "back when you let the number go.",
                    tone=Tone.INFO,
                )
            form = dialog.form
            form.choice(
                "project", "Project", {POOLS_ONLY: "None: it is a number of pools", **projects},
                value=(line.project or POOLS_ONLY) if there is not None else next(iter(projects), POOLS_ONLY),
                hint="For a pool, use Add to pool",
            )  # fmt: skip
            env = there.env if there is not None else Environment.LIVE
            form.choice("env", "Environment", [one.value for one in Environment], value=env.value)
            self._ways(form, there)
        dialog.open()

    async def _pool(self) -> None:
        """The dialog that makes numbers members of a pool."""
        view, name = self._view, self._connection.name
        with telling(), self._dialogs:
            resources = await view.admin.resources.resources(view.who)
            account = next((one.id for one in resources.accounts if one.id == self._connection.account), "")
            own = {one.id for one in resources.projects if one.account == account}
            pools = {one.name: one.name for one in resources.pools if one.project in own}

            async def add() -> None:
                given = dialog.form.values()
                choice = Choice(
                    path=CallPath(given["path"]),
                    manage=bool(given["manage"]),
                    messages=bool(given["messages"]),
                )
                made = await view.admin.twilio.add_to_pool(
                    view.who, name, given["numbers"], given["pool"], choice
                )
                for told in made.failed:
                    ui.notify(told, type="negative")
                if made.numbers:
                    ui.notify(f"Pool {given['pool']} has {', '.join(made.numbers)}", type="positive")
                await self._refresh()

            dialog = Dialog("Add numbers to a pool", "Add", add)
            with dialog:
                if not pools:
                    tell(text="The account has no pool yet. Make one under Numbers & Pools.", tone=Tone.WARN)
                    dialog.button.disable()
                tell(
                    text="A call to a pool's number goes to whoever reserved it. Its project and environment are those "
                    "of the pool.",
                    tone=Tone.INFO,
                )
                form = dialog.form
                free = {sid: line.twilio.number for sid, line in self._lines.items() if not line.pools}
                field = ui.select(free, label="Numbers", value=[], multiple=True)
                form.add("numbers", field.props("outlined dense options-dense use-chips"))
                form.choice("pool", "Pool", pools, value=next(iter(pools), None))
                self._ways(form, None)
            dialog.open()

    def _make_trunk(self) -> None:
        """The dialog that offers the trunk for calls by SIP."""
        view, name = self._view, self._connection.name

        async def make() -> None:
            ui.navigate.to(f"/trunks/{await view.admin.twilio.make_trunk(view.who, name)}")

        dialog = Dialog("Make the SIP trunk", "Make it", make)
        with dialog:
            ui.label(
                "Numbers on the SIP path need a trunk that takes Twilio's calls. This one takes them from the "
                "addresses that Twilio publishes, with a user and a password that Twilio is given with each call."
            ).classes("tl-wrap")
            values({one.place: one.network for one in SIP_NETWORKS})
            ui.label(f"Source: {SOURCE}").classes("tl-muted tl-wrap")
        dialog.open()

    def _ways(self, form: Form, there: TwilioNumber | None) -> None:
        """The fields that say how a number's calls and messages come in."""
        path = there.path if there is not None else CallPath.MEDIA_STREAM
        form.choice("path", "How its calls come in", PATHS, value=path.value, hint=PATH_HINT)
        form.switch(
            "manage", "Set the number's webhooks at Twilio",
            value=there.managed if there is not None else self._view.admin.twilio.reachable,
            hint="Otherwise paste them yourself; they are shown on the page",
        )  # fmt: skip
        taken = there is None or not there.managed or "sms_url" in there.previous
        form.switch("messages", "Its messages come here, too", value=taken, hint=MESSAGES_HINT)

    async def _check(self) -> None:
        with telling():
            found = await self._view.admin.twilio.check(self._view.who, self._connection.name)
            ui.notify(
                f"Twilio accepts it: {found.name}, {found.status}, {found.type} account", type="positive"
            )

    def _change(self) -> None:
        one = self._connection

        async def save() -> None:
            await self._view.admin.twilio.change(self._view.who, one.name, dialog.form.values())
            self._view.redraw()

        dialog = Dialog(f"Credentials of {one.name}", "Check and save", save)
        with dialog:
            _credentials(dialog, one)
        dialog.open()

    def _disconnect(self) -> None:
        async def act() -> None:
            await self._view.admin.twilio.disconnect(self._view.who, self._connection.name)
            self._view.redraw()

        consequences = (
            "Its numbers get back the webhooks that they had before, and their calls no longer come here. "
            "The stored credentials are deleted."
        )
        name = self._connection.name
        confirm_by_name("Twilio connection", name, consequences, act, action="Disconnect").open()


async def _connect(view: View) -> None:
    """The dialog that connects an account."""
    with telling():
        resources = await view.admin.resources.resources(view.who)
        slugs = {one.slug: one.name or one.slug for one in resources.accounts}

        async def act() -> None:
            found = await view.admin.twilio.connect(view.who, dialog.form.values())
            ui.notify(f"Connected: {found.name}", type="positive")
            view.redraw()

        dialog = Dialog("Connect a Twilio account", "Check and connect", act)
        with dialog:
            dialog.form.text(
                "name", "Name", value="main", hint="How it is called here; letters, digits, - and _"
            )
            if len(slugs) > 1:
                dialog.form.choice("account", "Account", slugs, value=next(iter(slugs)))
            dialog.form.text(
                "account_sid", "Account SID", mono=True, hint="AC..., from the Twilio console's front page"
            )
            _credentials(dialog, None)
        dialog.open()


def _credentials(dialog: Dialog, there: ConnectionView | None) -> None:
    form = dialog.form
    form.secret(
        "auth_token", "Auth Token", there=there is not None and there.verifies,
        hint="" if there is not None and there.verifies else "Verifies webhooks: nothing comes in without it",
    )  # fmt: skip
    with ui.expansion("API key, region and SIP password").classes("w-full"), stack():
        form.text(
            "api_key_sid", "API key SID", value=there.api_key_sid if there else "", mono=True,
            hint="SK...; requests then use it, and the Auth Token only verifies webhooks",
        )  # fmt: skip
        form.secret(
            "api_key_secret", "API key secret", there=there is not None and there.api_key_sid is not None
        )
        form.text(
            "region", "Region", value=there.region if there else "", hint="Such as ie1; goes with an edge"
        )
        form.text("edge", "Edge", value=there.edge if there else "", hint="Such as dublin")
        form.text(
            "sip_username", "SIP user", value=there.sip_username if there else "",
            hint="What Twilio answers our SIP challenge with, for numbers on the SIP path",
        )  # fmt: skip
        form.secret(
            "sip_password", "SIP password", there=there is not None and there.sip_username is not None
        )
