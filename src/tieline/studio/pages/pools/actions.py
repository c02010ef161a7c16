"""What can be done with a pool: add numbers, change its terms, delete it, try it out."""

from __future__ import annotations

from nicegui import events, ui

from tieline.admin.number_import import MAX_TEXT, NumberImport
from tieline.errors import InvalidInput
from tieline.studio.frame import View, telling
from tieline.studio.pages.pools.fields import add_terms, read_terms
from tieline.studio.parts.code import code_block
from tieline.studio.parts.dialogs import Dialog, confirm_by_name
from tieline.studio.parts.states import Tone, tell
from tieline.studio.parts.times import duration

SHOWN_FAULTS = 8


async def edit_pool(view: View, name: str) -> None:
    """The dialog that changes a pool's terms."""
    with telling():
        resources = await view.admin.resources.resources(view.who)
        there = await view.admin.resources.fields(view.who, "pools", name)

        async def save() -> None:
            await view.admin.resources.update(view.who, "pools", name, read_terms(dialog.form))
            view.redraw()

        dialog = Dialog(f"Terms of {name}", "Save", save, width=680)
        with dialog:
            add_terms(
                dialog.form,
                there,
                [one.slug for one in resources.projects],
                [one.name for one in resources.trunks],
            )
        dialog.open()


def remove_pool(view: View, name: str) -> None:
    """The confirmation that deletes a pool."""

    async def remove() -> None:
        await view.admin.resources.remove(view.who, "pools", name)
        ui.navigate.to("/pools")

    consequences = "Clients that reserve from it get 404. What is reserved on its numbers still works."
    confirm_by_name("pool", name, consequences, remove).open()


def add_numbers(view: View, name: str) -> None:
    """The dialog that adds numbers, typed or from a file, with what they amount to before anything is saved."""
    found: NumberImport | None = None

    async def look() -> NumberImport:
        nonlocal found
        found = await view.admin.pools.read_numbers(view.who, name, str(field.value or ""))
        seen.clear()
        with seen:
            _preview(found)
        return found

    async def add() -> bool | None:
        read = await look()
        if read.faults:
            raise InvalidInput("correct the lines named below, or take them out")
        if not read.numbers:
            raise InvalidInput("there is no new number in this")
        await view.admin.pools.add_numbers(view.who, name, read.numbers)
        ui.notify(f"{len(read.numbers):,} numbers added", type="positive")
        view.redraw()
        return None

    async def take_file(event: events.UploadEventArguments) -> None:
        with dialog.form.telling():
            data = await event.file.read()
            try:
                field.value = data.decode("utf-8-sig")
            except UnicodeDecodeError:
                raise InvalidInput("the file is not UTF-8 text") from None
            await look()

    dialog = Dialog(f"Add numbers to {name}", "Add", add, width=640)
    with dialog:
        field = dialog.form.area(
            "numbers", "Numbers", mono=True,
            hint="One a line, ranges like +15550100-+15550199, or CSV with a column named number, dni or phone",
        )  # fmt: skip
        field.props("debounce=400 input-style='max-height: 220px'")
        field.on_value_change(look)
        upload = ui.upload(auto_upload=True, on_upload=take_file, max_files=1)
        upload.props(f"accept='.csv,.txt,text/*' max-file-size={MAX_TEXT}").classes("hidden")
        choose = ui.button("From a file", icon="upload_file", on_click=lambda: upload.run_method("pickFiles"))
        choose.props("outline dense").classes("self-start")
        seen = ui.element("div").props("aria-live=polite").classes("tl-stack")
    dialog.open()


def _preview(found: NumberImport) -> None:
    if found.numbers:
        ends = (
            f": {found.numbers[0]} to {found.numbers[-1]}"
            if len(found.numbers) > 1
            else f": {found.numbers[0]}"
        )
        tell(text=f"{len(found.numbers):,} new numbers{ends}", tone=Tone.GOOD)
    if found.repeated:
        count = f"{len(found.repeated):,} that are" if len(found.repeated) > 1 else "One that is"
        tell(text=f"{count} there already will be passed over.", tone=Tone.QUIET)
    for one in found.faults[:SHOWN_FAULTS]:
        tell(text=f"Line {one.line}: {one.message}", tone=Tone.BAD)
    if len(found.faults) > SHOWN_FAULTS:
        ui.label(f"and {len(found.faults) - SHOWN_FAULTS} more").classes("tl-muted")


def try_it(view: View, name: str) -> None:
    """The dialog that reserves a number as a client would, and shows what to dial."""

    async def reserve() -> bool:
        made = await view.admin.pools.try_it(view.who, name, str(field.value or "{}"))
        held_s = (made.reservation.expires_at - made.reservation.reserved_at).total_seconds()
        shown.clear()
        with shown:
            tell(
                f"{made.reservation.number} is yours for {duration(held_s)}",
                "Dial it before it expires.",
                Tone.GOOD,
            )
            ui.label("Dial this from your phone system").classes("tl-muted tl-small")
            code_block(made.dial, label="Dial string")
            ui.label("The same request from a client").classes("tl-muted tl-small")
            code_block(made.curl, wrap=True, label="Request")
        return False

    dialog = Dialog(f"Try {name}", "Reserve a number", reserve, width=680)
    with dialog:
        field = dialog.form.area(
            "attributes", "Attributes", value='{"shared_id": "test-1", "customer": {"name": "Ada"}}', mono=True,
            hint="A JSON object; the agent finds it as conv.integration_attributes",
        )  # fmt: skip
        shown = ui.element("div").props("aria-live=polite").classes("tl-stack")
    dialog.open()
