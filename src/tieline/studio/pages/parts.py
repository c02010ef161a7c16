"""All parts on one page, for those who write pages. Not in the menu."""

from __future__ import annotations

from datetime import timedelta

from nicegui import ui

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.studio.frame import View, page
from tieline.studio.parts.cards import card, columns, figure, grid, row, section, stack, titled_card, values
from tieline.studio.parts.code import code_block, secret_once, source
from tieline.studio.parts.dialogs import Dialog, ask, confirm_by_name
from tieline.studio.parts.forms import Form, pair
from tieline.studio.parts.gauges import Share, StackedBar
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, chip, empty, loading, tell
from tieline.studio.parts.tables import Column, DataTable, table
from tieline.studio.parts.times import duration, time

LONG = "a-name-that-somebody-made-longer-than-anybody-would-have-thought"
HOSTILE = "<img src=x onerror=alert(1)>"

EXAMPLE = '''"""What a caller is asked first."""

LIMIT = 3  # <script>alert(1)</script>


def start_function(conv):
    conv.say("Hello & welcome")
    return LIMIT
'''


@page("/parts", "Parts", icon="widgets")
async def parts(view: View) -> None:
    """Every part that pages are made of."""
    view.heading.subtitle("What pages are made of, for those who write them.")
    view.heading.crumbs(("Overview", "/"))
    with view.heading.actions:
        ui.button("Second", on_click=lambda: ui.notify("done")).props("outline")
        ui.button("First", icon="add", on_click=lambda: ui.notify("done")).props("unelevated")
    with columns():
        with stack():
            _states(view)
        with stack():
            _figures(view)
    _tables(view)
    with columns():
        _form()
        _code()
    with card("Drawing anew"), row():
        ui.button("Draw anew", on_click=view.redraw).props("outline")
        ui.label("Drawn")
        time(view.services.clock.utc())


def _states(view: View) -> None:
    with card("States"):
        with row():
            for tone in Tone:
                badge(tone.value, tone)
            chip("X-Caller-Id")
        tell("For your information", "A sentence that says more.", Tone.INFO)
        tell("Take care", f"It holds for {LONG} too.", Tone.WARN)
        tell("This was refused", HOSTILE, Tone.BAD)
        tell(text="It went well.", tone=Tone.GOOD)
        values(
            {
                "Started": view.services.clock.utc() - timedelta(minutes=3),
                "Ago": lambda: time(view.services.clock.utc() - timedelta(minutes=3), "ago"),
                "Lasted": duration(185),
                "Name": HOSTILE,
                "Nothing": None,
                "Long": LONG * 2,
            }
        )
    with card("Empty and loading"):
        empty(
            "inbox", "No trunks yet", "A trunk is a SIP peer that calls come from.", "Add a trunk", "/parts"
        )
        loading()


def _figures(view: View) -> None:
    with grid(160):
        with card(path="/"):
            figure("Calls now", "12", "of 100")
        with card():
            seen = figure("Refreshes", "0")
    with card("Share of a whole"):
        bar = StackedBar(_shares(3), label="Numbers")
    count = 0

    async def refresh() -> None:
        nonlocal count
        count += 1
        seen.text = str(count)
        bar.show(_shares(count % 5))

    refresh_every(1.0, refresh)
    with card("Dialogs"), row():
        ui.button("Ask", on_click=_ask).props("outline")
        ui.button("Form", on_click=_dialog).props("outline")
        ui.button(
            "Delete",
            on_click=lambda: confirm_by_name(
                "pool", "desk", "Its numbers are free afterwards.", _nothing
            ).open(),
        ).props("outline color=negative")


def _shares(value: int) -> list[Share]:
    return [
        Share("free", 40 - value, "good"),
        Share("reserved", 5 + value, "accent"),
        Share("cooling", value, "warn"),
        Share("drained", 4, "quiet"),
    ]


def _tables(view: View) -> None:
    now = view.services.clock.utc()
    wide = (
        Column("name", "Name"),
        Column("state", "State", "badge"),
        Column("calls", "Calls", "number"),
        Column("numbers", "Numbers", "chips", sortable=False),
        Column("seen", "Last seen", "ago"),
        Column("acts", "", "actions", actions=(("edit", "edit", "Edit"), ("delete", "delete", "Delete"))),
    )
    rows = [
        {
            "id": str(index), "name": f"trunk-{index:02d}", "name_path": "/parts", "name_sub": HOSTILE,
            "state": "up" if index % 3 else "down", "state_tone": "good" if index % 3 else "bad",
            "calls": index * 37 % 91, "numbers": ["+15550100", "+15550101"], "seen": now - timedelta(minutes=index),
        }
        for index in range(30)
    ]  # fmt: skip
    with titled_card("A table", flush=True) as beside:
        with beside:
            ui.button("Add", icon="add").props("flat dense")
        DataTable(
            wide, rows, per_page=10, label="Trunks", sort_by="name",
            on_open=lambda key: ui.notify(f"row {key}"), on_act=lambda name, key: ui.notify(f"{name} {key}"),
        )  # fmt: skip
    with titled_card("An empty table", flush=True):
        table(wide, [], icon="inbox", nothing="Nothing here yet", text="It fills when calls come in.")


def _form() -> None:
    with card("A form"):
        form = Form()
        with form:
            form.text("name", "Name", value=LONG, hint="As the menu shows it")
            with pair():
                form.number("ttl_s", "Lifetime", value=180, suffix="s")
                form.choice("method", "Method", {"refer": "SIP REFER", "bye": "SIP BYE"}, value="refer")
            form.switch("answer_only", "Answer only", hint="Calls are answered and held")
            form.lines("numbers", "Numbers", value=["+15550100"])
            form.secret("secrets.key", "Key", there=True)
            form.variable("value", "Value", {"caller_number": "who calls", "shared_id": "joins the two sides",
                                             "called_number": "what was dialled"})  # fmt: skip
        ui.button("Save", on_click=lambda: _refuse(form)).props("unelevated").classes("self-end")


def _refuse(form: Form) -> None:
    with form.telling():
        raise InvalidFields(
            (
                FieldFault("name", "is longer than 40 characters"),
                FieldFault("numbers[0]", "is in pool desk already"),
                FieldFault("", "the account is not yours"),
            )
        )


def _code() -> None:
    with card("Code"):
        with section("To copy"):
            code_block("curl -H 'Authorization: Bearer tl_…' http://127.0.0.1:8080/v1/conversations")
        with section("Source", "With the lines that are meant marked."):
            source(EXAMPLE, hits=[6])
        secret_once("API key", "tl_reserve-0123456789abcdef0123456789abcdef")


async def _ask() -> None:
    if await ask("Drain the pool?", "No number is given out any more.", "Drain"):
        ui.notify("drained")


def _dialog() -> None:
    async def act() -> None:
        raise InvalidFields((FieldFault("name", "is taken"),))

    dialog = Dialog("Add a thing", "Add", act)
    with dialog:
        dialog.form.text("name", "Name")
        dialog.form.area("description", "Description")
    dialog.open()


async def _nothing() -> None:
    ui.notify("deleted")
