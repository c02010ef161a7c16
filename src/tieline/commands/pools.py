"""`tieline pool`: numbers and their states, and how many numbers are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_USAGE,
    CommandFailed,
    ConfigOption,
    JsonOption,
    console,
    open_store,
    print_fields,
    print_json,
    print_rows,
    run,
)

pool = typer.Typer(
    name="pool",
    help="Look at pools and change them, take numbers out of service, size pools.",
    no_args_is_help=True,
)

PoolArgument = Annotated[str, typer.Argument(help="The pool.")]
NumberArgument = Annotated[str, typer.Argument(help="One of its numbers.")]

RateOption = Annotated[float, typer.Option(min=1e-6, help="Reservations a second.")]
MedianOption = Annotated[
    float, typer.Option(min=0.001, help="Median seconds from reservation to answered call.")
]
P99Option = Annotated[float, typer.Option(min=0.001, help="99th percentile of those seconds.")]
NoShowOption = Annotated[
    float, typer.Option(min=0, max=0.99, help="Share of reservations that nobody calls.")
]
TtlOption = Annotated[float, typer.Option(min=1, help="Seconds a reservation holds its number.")]
CooldownOption = Annotated[
    float, typer.Option("--cooldown", min=0, help="Seconds of rest after a claimed one.")
]
ExpiryOption = Annotated[
    float, typer.Option("--expiry-cooldown", min=0, help="Seconds of rest after one that nobody called.")
]


@pool.command("list")
def list_pools(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the pools with their numbers by state."""

    async def work() -> list[dict[str, Any]]:
        async with open_store(config) as opened:
            resources = await opened.store.resources()
            slugs = {one.id: one.slug for one in resources.projects}
            rows = []
            for one in resources.pools:
                stats = await opened.store.pool_stats(one.name, opened.now())
                states = stats.by_state
                free = sum(count for state, count in states.items() if state.startswith("free"))
                rows.append(
                    {
                        "name": one.name,
                        "project": slugs.get(one.project, one.project),
                        "numbers": stats.numbers,
                        "free": free,
                        "busy": stats.numbers - free,
                        "suspect": stats.suspect,
                        "refused": stats.refused_total,
                        "trunks": list(one.trunks) or "any",
                    }
                )
            return rows

    columns = ("name", "project", "numbers", "free", "busy", "suspect", "refused", "trunks")
    print_rows(run(work()), columns, as_json=as_json, empty="no pools; see `tieline apply`")


@pool.command("show")
def show_pool(name: PoolArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one pool: numbers by state, counters since it was made, and its policy."""

    async def work() -> dict[str, Any]:
        import msgspec

        async with open_store(config) as opened:
            stats = msgspec.to_builtins(await opened.store.pool_stats(name, opened.now()))
            found = next(one for one in (await opened.store.resources()).pools if one.name == name)
            policy = msgspec.to_builtins(found)
            del policy["numbers"]
            return {**policy, **stats}

    fields = run(work())
    if not as_json:
        states = fields.pop("by_state")
        fields.update({f"numbers {state}": count for state, count in states.items() if count})
    print_fields(fields, as_json=as_json)


@pool.command("numbers")
def list_numbers(
    name: PoolArgument,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=200_000, help="Show at most so many.")
    ] = 100,
    offset: Annotated[int, typer.Option(min=0, help="Leave out the first ones.")] = 0,
) -> None:
    """List a pool's numbers with the state of each."""

    async def work() -> list[dict[str, Any]]:
        import msgspec

        async with open_store(config) as opened:
            found = await opened.store.pool_numbers(name, opened.now(), limit=limit, offset=offset)
            return [msgspec.structs.asdict(one) for one in found]

    columns = ("number", "state", "admin", "suspect", "epoch", "last_used_at", "strays", "no_shows")
    print_rows(run(work()), columns, as_json=as_json)


def _set_admin(name: str, number: str, admin: str, config: Path | None) -> None:
    from tieline.model.number import canonical
    from tieline.model.pool import NumberAdmin

    async def work() -> str:
        async with open_store(config) as opened:
            found = canonical(number, opened.settings.server.default_region)
            if found is None:
                raise CommandFailed(f"{number} is not a phone number", EXIT_USAGE)
            await opened.store.set_number_admin(name, found, NumberAdmin(admin))
            return found

    console(stderr=True).print(f"{run(work())} is {admin}", style="dim", markup=False)


@pool.command("drain")
def drain_number(name: PoolArgument, number: NumberArgument, config: ConfigOption = None) -> None:
    """Hand a number out no more; what is reserved on it still works."""
    _set_admin(name, number, "draining", config)


@pool.command("disable")
def disable_number(name: PoolArgument, number: NumberArgument, config: ConfigOption = None) -> None:
    """Hand a number out no more and attach nothing to calls that still come for it."""
    _set_admin(name, number, "disabled", config)


@pool.command("enable")
def enable_number(name: PoolArgument, number: NumberArgument, config: ConfigOption = None) -> None:
    """Put a drained, disabled or suspect number back into service."""
    _set_admin(name, number, "active", config)


@pool.command("plan")
def plan(
    rate: RateOption,
    setup_median: MedianOption = 4.0,
    setup_p99: P99Option = 15.0,
    target: Annotated[
        list[float] | None,
        typer.Option(min=1e-9, max=0.5, help="Share of refused reservations to plan for; repeat for more."),
    ] = None,
    no_shows: NoShowOption = 0.02,
    ttl: TtlOption = 60.0,
    cooldown: CooldownOption = 5.0,
    expiry_cooldown: ExpiryOption = 60.0,
    peakedness: Annotated[
        float, typer.Option(min=1, help="Variance to mean of busy numbers; above 1 for bursts.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Say how many numbers a pool needs (Erlang B; with --peakedness, Hayward)."""
    import msgspec

    from tieline.model.pool_plan import TARGETS, HoldTimes, SetupDelay, plan_pool

    found = plan_pool(
        rate,
        SetupDelay(median_s=setup_median, p99_s=setup_p99, no_show_share=no_shows),
        HoldTimes(ttl_s=ttl, claim_cooldown_s=cooldown, expiry_cooldown_s=expiry_cooldown),
        targets=target or TARGETS,
        peakedness=peakedness,
    )
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    out = console()
    out.print(
        f"A number is held {found.mean_hold_s:.2f} s on average; offered load {found.load:.1f} erlangs."
    )
    out.print(f"{found.expired_share:.2%} of reservations end without their call.")
    rows = [
        {
            "refused": f"{row.target * 100:.4g} %",
            "numbers_needed": row.numbers,
            "busy_on_average": f"{row.utilisation:.0%}",
        }
        for row in found.rows
    ]
    print_rows(rows, ("refused", "numbers_needed", "busy_on_average"), as_json=False)
    out.print(
        f"Rule of thumb A + 3*sqrt(A): {found.rule_of_thumb}. Rate times hold time alone ({found.naive}) is too few."
    )


@pool.command("simulate")
def simulate(
    numbers: Annotated[int, typer.Option(min=1, max=200_000, help="Numbers in the pool.")],
    rate: RateOption,
    setup_median: MedianOption = 4.0,
    setup_p99: P99Option = 15.0,
    no_shows: NoShowOption = 0.02,
    ttl: TtlOption = 60.0,
    cooldown: CooldownOption = 5.0,
    expiry_cooldown: ExpiryOption = 60.0,
    policy: Annotated[str, typer.Option(help="clean-first, longest-idle, random or stack.")] = "clean-first",
    reservations: Annotated[
        int, typer.Option(min=100, max=50_000_000, help="Reservations to play.")
    ] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Play a pool's life, to see who is refused and whose call gets another caller's data."""
    import random

    from tieline.model.erlang import erlang_b
    from tieline.model.pool_plan import HoldTimes, SetupDelay, mean_hold_s
    from tieline.model.pool_simulation import Policy, SimulationSetup, simulate_pool

    if policy not in list(Policy):
        raise CommandFailed(f"unknown policy {policy}; known are {', '.join(Policy)}", EXIT_USAGE)
    delay = SetupDelay(median_s=setup_median, p99_s=setup_p99, no_show_share=no_shows)
    hold = HoldTimes(ttl_s=ttl, claim_cooldown_s=cooldown, expiry_cooldown_s=expiry_cooldown)
    setup = SimulationSetup(
        numbers=numbers, rate=rate, delay=delay, hold=hold, policy=Policy(policy), reservations=reservations
    )
    result = _with_progress(
        reservations, lambda told: simulate_pool(setup, random.Random(seed), progress=told)
    )
    fields = {
        "reservations": result.reservations,
        "refused": result.refused,
        "refused_share": f"{result.refused_share:.4%}",
        "refused_by_erlang_b": f"{erlang_b(numbers, rate * mean_hold_s(delay, hold)):.4%}",
        "claimed": result.claimed,
        "no_shows": result.no_shows,
        "late_and_rescued": result.rescued,
        "late_and_lost": result.lost_late,
        "wrong_data": result.wrong_data,
        "wrong_data_per_million": round(result.wrong_data_per_million, 3),
        "found_nothing_because_of_it": result.robbed,
    }
    print_fields(fields, as_json=as_json)


def _with_progress(total: int, work: Any) -> Any:
    """Do the work with a progress bar on stderr, if that is a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    shown = console(stderr=True)
    columns = (TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, disable=not shown.is_terminal, transient=True) as progress:
        task = progress.add_task("simulating", total=total)
        return work(lambda played: progress.update(task, completed=played))
