"""Applying a resource file: first what it would change, then doing it."""

from __future__ import annotations

from nicegui import ui
from nicegui.events import UploadEventArguments

from tieline.resources.diff import Action, Change
from tieline.resources.plan import Plan
from tieline.studio.frame import View, telling
from tieline.studio.parts.code import secret_once
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.states import Tone, badge, tell

LARGEST = 2_000_000
"""Bytes of a file that may be uploaded."""

WORDS = {
    Action.CREATE: ("new", Tone.GOOD),
    Action.UPDATE: ("changed", Tone.INFO),
    Action.REMOVE: ("removed", Tone.BAD),
}


def apply_dialog(view: View) -> None:
    """Ask for the file; its changes are shown before any is made."""
    _Applying(view)


class _Applying:
    """The dialog: a file or text, then the plan, then the secrets that were made."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._checked: tuple[str, bool] | None = None
        self._dialog = Dialog("Apply a resource file", "Show what changes", self._go, width=760)
        with self._dialog as dialog:
            upload = ui.upload(auto_upload=True, max_file_size=LARGEST, on_upload=self._take)
            upload.props('accept=".yaml,.yml"').classes("hidden")
            self._choose = (
                ui.button("Choose a file", icon="upload_file").props("outline").classes("self-start")
            )
            # In the browser: it lets no file be chosen but in answer to a click.
            self._choose.on("click", js_handler=f"() => getElement({upload.id}).$refs.qRef.pickFiles()")
            self._text = dialog.form.area("text", "YAML", mono=True, hint="A file's text, or paste it here")
            self._text.props('input-style="max-height: 260px; overflow: auto"')
            self._prune = dialog.form.switch(
                "prune",
                "Remove what the file does not name",
                hint="Without it, what is not in the file stays",
            )
            self._plan = ui.element("div").classes("tl-stack")
        self._text.on_value_change(self._begin_anew)
        self._prune.on_value_change(self._begin_anew)
        self._dialog.open()

    async def _take(self, event: UploadEventArguments) -> None:
        with telling():
            self._text.value = (await event.file.read()).decode("utf-8", errors="replace")

    def _begin_anew(self) -> None:
        """Another text: it has to be looked at before it is applied."""
        self._checked = None
        self._plan.clear()
        self._dialog.button.text = "Show what changes"

    async def _go(self) -> bool:
        text, prune = self._text.value or "", bool(self._prune.value)
        resources = self._view.admin.resources
        if self._checked != (text, prune):
            plan = await resources.apply(self._view.who, text, prune=prune, dry_run=True)
            self._checked = (text, prune)
            self._show(plan)
            return False
        plan = await resources.apply(self._view.who, text, prune=prune)
        if plan.issued:
            self._done(plan)
            return False
        ui.notify(f"{len(plan.changes)} changes made", type="positive")
        return True

    def _show(self, plan: Plan) -> None:
        self._plan.clear()
        with self._plan:
            if not plan.changes:
                tell("Nothing changes", "The resources are as the file has them.", Tone.GOOD)
                self._checked = None
                return
            tell(f"{len(plan.changes)} resources change", "Nothing has been done yet.", Tone.INFO)
            for change in plan.changes:
                _change(change)
            if plan.remarks:
                with ui.expansion(f"{len(plan.remarks)} remarks on handoffs").classes("w-full"):
                    for remark in plan.remarks:
                        tell(text=str(remark), tone=Tone.WARN)
        self._dialog.button.text = "Apply"

    def _done(self, plan: Plan) -> None:
        """Show the secrets that were made, which nobody can read again."""
        self._plan.clear()
        with self._plan:
            tell("Applied", f"{len(plan.changes)} changes were made.", Tone.GOOD)
            for one in plan.issued:
                secret_once(one.name, one.secret)
        for element in (self._choose, self._text, self._prune, self._dialog.button):
            element.visible = False


def _change(change: Change) -> None:
    word, tone = WORDS[change.action]
    with ui.element("div").classes("tl-section"):
        with ui.element("div").classes("tl-row"):
            badge(word, tone)
            ui.label(f"{change.kind.replace('_', ' ')} / {change.name}").classes("tl-mono tl-wrap")
        if change.action is Action.REMOVE:
            return
        with ui.element("dl").classes("tl-values tl-small"):
            for field in change.fields:
                with ui.element("dt"):
                    ui.label(field.field)
                with ui.element("dd"):
                    ui.label(f"{field.before or '–'} → {field.after or '–'}").classes("tl-mono tl-wrap")
