"""`tieline calls` and `tieline reservations`: what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    CommandFailed,
    ConfigOption,
    JsonOption,
    LimitOption,
    console,
    examples,
    open_store,
    print_json,
    print_rows,
    run,
    show_value,
)
from tieline.commands.credentials import find_project

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from tieline.model.conversation import Conversation
    from tieline.model.receipt import ReceiptStep

OCCASIONS = {
    "start": "",
    "handoff_failed": "after a handoff that failed",
    "bridge_ended": "after the bridge",
    "end": "after the call",
}
"""Why the agent ran where the caller did nothing, by the turn's channel."""

calls = typer.Typer(name="calls", help="Look at calls, and at those that were refused.", no_args_is_help=True)
reservations = typer.Typer(name="reservations", help="Look at reservations.", no_args_is_help=True)


@calls.command("list")
def list_calls(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: LimitOption = 20,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    number: Annotated[str | None, typer.Option(help="Only those from or to this number.")] = None,
    shared_id: Annotated[
        str | None, typer.Option("--shared-id", help="Only those with this shared id.")
    ] = None,
) -> None:
    """List the newest calls."""

    async def work() -> list[dict[str, Any]]:
        from tieline.http.conversations import conversation_summary
        from tieline.store.base import ConversationFilter

        async with open_store(config) as opened:
            resources = await opened.store.resources()
            slugs = {one.id: one.slug for one in resources.projects}
            wanted = ConversationFilter(
                project=find_project(resources, project).id if project is not None else None,
                number=number,
                shared_id=shared_id,
                limit=limit,
            )
            found = await opened.store.conversations(wanted)
            return [
                {**conversation_summary(one), "project": slugs.get(one.opened.project, one.opened.project)}
                for one in found
            ]

    rows = run(work())
    if not as_json:
        for row in rows:
            row["ended"] = row["termination"]["reason"] if row["termination"] else row["state"]
            row["from"], row["to"] = row["caller_number"], row["callee_number"]
    print_rows(
        rows,
        ("started_at", "id", "project", "from", "to", "status", "ended"),
        as_json=as_json,
        empty="no calls yet",
    )


@calls.command("show", epilog=examples("tieline calls show 949051f4", "tieline calls show 949051f4 --redact"))
def show_call(
    call: Annotated[str, typer.Argument(help="The conversation id, the beginning of one, or a SIP Call-ID.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Hide numbers, attributes and header values.")
    ] = False,
) -> None:
    """Show one call: who and when, why it was routed so, what was said, its outcome, receipts, and the SIP ladder."""
    found = run(_find_call(call, config))
    if as_json:
        from tieline.http.conversations import conversation_view

        ladder = list(found.closed.ladder) if found.closed is not None else []
        print_json({**conversation_view(found), "ladder": ladder})
        return
    _CallPage(found, console(), redact=redact).show()


@calls.command("refused")
def list_refused(config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 20) -> None:
    """List refused INVITEs with the reason of each, rule by rule."""

    async def work() -> list[dict[str, Any]]:
        import msgspec

        from tieline.store.base import RefusalFilter

        async with open_store(config) as opened:
            return [
                msgspec.to_builtins(one) for one in await opened.store.refusals(RefusalFilter(limit=limit))
            ]

    rows = run(work())
    if as_json:
        print_json(rows)
        return
    out = console()
    if not rows:
        console(stderr=True).print("no call was refused", style="dim")
    for row in rows:
        refusal = row["refusal"]
        repeated = f", {row['count']} times" if row["count"] > 1 else ""
        out.print(
            f"{row['at']}  {row['source']}  {row['caller']} -> {row['callee']}{repeated}",
            style="bold",
            markup=False,
        )
        out.print(
            f"  {refusal['status']} {refusal['phrase']}: {refusal['reason']} (trunk {row['trunk'] or 'unknown'}, "
            f"Call-ID {row['sip_call_id']})",
            style="red",
            markup=False,
        )
        for rule in refusal["rules"]:
            _show_rule(out, rule)


@reservations.command("list")
def list_reservations(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: LimitOption = 20,
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    pool: Annotated[str | None, typer.Option(help="Only this pool's.")] = None,
) -> None:
    """List the newest reservations of each project."""

    async def work() -> list[dict[str, Any]]:
        from tieline.http.reservations import reservation_view

        async with open_store(config) as opened:
            resources = await opened.store.resources()
            wanted = [find_project(resources, project)] if project is not None else resources.projects
            rows: list[dict[str, Any]] = []
            for one in wanted:
                found = await opened.store.reservations(one.id, opened.now(), pool=pool, limit=limit)
                rows.extend({**reservation_view(r, attributes=False), "project": one.slug} for r in found)
            rows.sort(key=lambda row: row["reserved_at"], reverse=True)
            return rows[:limit]

    columns = (
        "reserved_at",
        "reservation_id",
        "dni",
        "pool",
        "state",
        "expires_at",
        "conversation_id",
        "late",
    )
    print_rows(run(work()), columns, as_json=as_json, empty="no reservations")


async def _find_call(wanted: str, config: Any) -> Conversation:
    from tieline.store.base import ConversationFilter

    async with open_store(config) as opened:
        found = await opened.store.conversation(wanted)
        if found is not None:
            return found
        by_call_id = await opened.store.conversations(ConversationFilter(sip_call_id=wanted, limit=1))
        newest = by_call_id or await opened.store.conversations(ConversationFilter(limit=1000))
        hits = [one.opened.id for one in newest if by_call_id or one.opened.id.startswith(wanted)]
        if len(hits) > 1:
            raise CommandFailed(f"{wanted} begins {len(hits)} ids; write more of it")
        whole = await opened.store.conversation(hits[0]) if hits else None
        if whole is None:
            raise CommandFailed(f"there is no call {wanted}")
        return whole


def _show_rule(out: Console, rule: Any) -> None:
    held = bool(rule["held"])
    mark, style = ("✓", "green") if held else ("✗", "yellow")
    out.print(f"  {mark} {rule['rule']}: {rule['detail']}", style=style, markup=False)


def _receipt_row(step: ReceiptStep, start: datetime, *, redact: bool) -> tuple[str, ...]:
    """A step as a row of text, safe for the terminal's markup. What the agent gave as its reason may be personal."""
    from rich.markup import escape

    reason = f"{step.failure} (retry: {step.retry})" if step.failure is not None else ""
    detail = "(redacted)" if redact and step.detail and step.step.value == "requested" else step.detail
    why = ": ".join(text for text in (reason, detail) if text)
    where = f"{step.rung} {step.method}{f' {step.destination}' if step.destination else ''}"
    cells = (
        f"{(step.at - start).total_seconds():.2f} s", step.step.value, where,
        str(step.status or ""), step.evidence or "", why,
    )  # fmt: skip
    return tuple(escape(show_value(cell) if cell else "") for cell in cells)


def _step_style(step: ReceiptStep) -> str:
    if step.failure is not None:
        return "red" if step.step.value == "failed" else "yellow"
    return "green" if step.step.value == "done" else ""


class _CallPage:
    """One call on the terminal, part by part."""

    def __init__(self, conversation: Conversation, out: Console, *, redact: bool) -> None:
        self._call, self._out, self._redact = conversation, out, redact

    def show(self) -> None:
        """Print every part that there is something to say about."""
        self._head()
        self._rules()
        self._context()
        self._turns()
        self._outcome()
        self._receipts()
        self._ladder()

    def _title(self, text: str) -> None:
        self._out.print(f"\n{text}", style="bold underline", markup=False)

    def _line(self, name: str, value: Any, *, personal: bool = False) -> None:
        text = "(redacted)" if personal and self._redact and value else show_value(value)
        self._out.print(f"[bold]{name:<13}[/] ", end="")
        self._out.print(text, markup=False)

    def _head(self) -> None:
        from tieline.http.conversations import conversation_status

        opened, closed = self._call.opened, self._call.closed
        self._line("conversation", opened.id)
        self._line("project", f"{opened.project} ({opened.env})")
        self._line("from", opened.caller_number, personal=True)
        self._line("to", opened.callee_number, personal=True)
        self._line("trunk", opened.trunk)
        self._line("SIP Call-ID", ", ".join([opened.sip_call_id or "", *self._call.further_call_ids]))
        outcome = self._call.outcome
        shared_id = outcome.shared_id if outcome is not None and outcome.shared_id else opened.shared_id
        self._line("shared id", shared_id, personal=True)
        self._line("reservation", f"{opened.reservation_id}{' (late)' if opened.late else ''}"
                   if opened.reservation_id else None)  # fmt: skip
        self._line("attributes", opened.attributes_json, personal=True)
        self._line("started", opened.started_at)
        self._line("status", conversation_status(self._call))
        if closed is not None:
            self._line("answered", closed.answered_at)
            self._line("ended", closed.ended_at)
            end = closed.termination
            self._line(
                "because", f"{end.reason} (fault: {end.fault}){': ' + end.detail if end.detail else ''}"
            )
            self._media(closed.media or {})

    def _media(self, figures: dict[str, Any]) -> None:
        """One line for the caller's leg, and one for each leg that a handoff made."""
        further = {name: leg for name, leg in figures.items() if isinstance(leg, dict)}
        own = {name: value for name, value in figures.items() if name not in further}
        for name, leg in {"media": own, **further}.items():
            if leg:
                shown = [f"{key} {show_value(leg[key])}" for key in leg if key not in {"type", "leg_id"}]
                self._line(name, ", ".join(shown))

    def _rules(self) -> None:
        if self._call.opened.rules:
            self._title("Route")
            for rule in self._call.opened.rules:
                _show_rule(self._out, rule)

    def _context(self) -> None:
        values = self._call.opened.whole_context()
        if values:
            self._title("Context")
        for one in values:
            source = f"{one.origin} {one.name}{f', profile {one.profile}' if one.profile else ''}"
            value = "(redacted)" if self._redact else show_value(one.value)
            self._out.print(f"  {one.key}: {value}  [{source}]", markup=False)

    def _turns(self) -> None:
        if not self._call.turns:
            return
        self._title("Turns")
        start = self._call.opened.started_at
        for turn in self._call.turns:
            at = f"{(turn.at - start).total_seconds():8.2f} s "
            said = turn.user_input is not None or turn.index > 0
            if said and turn.channel and turn.channel not in OCCASIONS:
                heard = "(personal)" if turn.user_input is None else turn.user_input
                heard = "(redacted)" if self._redact else heard
                self._out.print(
                    f"{at}caller  {show_value(heard)} [{turn.channel}]", style="cyan", markup=False
                )
                at = " " * len(at)
            why = OCCASIONS.get(turn.channel or "")
            occasion = f"  [{why}]" if why else ""
            self._out.print(f"{at}agent   {show_value(turn.utterance)}{occasion}", markup=False)
            for ran in turn.function_runs:
                error = f"  {ran['error']}" if ran.get("error") else ""
                took = f"{ran.get('name')} {ran.get('duration_ms', 0):.1f} ms{error}"
                self._out.print(f"{' ' * len(at)}  ran {took}", style="red" if error else "dim", markup=False)

    def _outcome(self) -> None:
        outcome = self._call.outcome
        if outcome is None:
            return
        self._title("Outcome")
        self._line("saved", outcome.saved_at)
        self._line("handed off", outcome.handed_off)
        handoff = outcome.handoff or {}
        for name in ("destination", "method", "reason", "utterance", "route"):
            self._line(name, handoff.get(name), personal=name not in {"destination", "method"})
        for name, value in handoff.get("headers") or ():
            self._line("header", f"{name}: {'(redacted)' if self._redact else value}")
        for name, why in handoff.get("left_out") or ():
            self._line("left out", f"{name}: {why}")
        for name, value in outcome.data.items():
            self._line(f"data.{name}", value, personal=True)

    def _receipts(self) -> None:
        from rich.table import Table

        for number, receipt in enumerate(self._call.receipts, 1):
            which = f" {number}" if len(self._call.receipts) > 1 else ""
            self._title(f"Handoff{which}: {receipt.state.value.replace('_', ' ')}")
            table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
            for name in ("at", "step", "rung", "SIP", "evidence", "reason"):
                table.add_column(name, justify="right" if name == "at" else "left")
            for step in receipt.steps:
                row = _receipt_row(step, self._call.opened.started_at, redact=self._redact)
                table.add_row(*row, style=_step_style(step))
            self._out.print(table)

    def _ladder(self) -> None:
        from tieline.observe.ladder import Ladder

        closed = self._call.closed
        if closed is None:
            return
        self._title("SIP")
        ladder = Ladder(closed.ladder, redact=self._redact)
        if self._out.is_terminal:
            self._out.print(ladder.rich(), no_wrap=True, overflow="crop")
        else:
            self._out.print(ladder.plain(), markup=False)
