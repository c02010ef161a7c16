"""`tieline pool create`, `set`, `remove`, `add-numbers` and `remove-numbers`."""

from __future__ import annotations

from typing import Annotated

import typer

from tieline.commands.changing import Fields, change, create, remove, update
from tieline.commands.context import EXIT_USAGE, CommandFailed, ConfigOption, JsonOption, OpenStore
from tieline.errors import InvalidInput

NameArgument = Annotated[str, typer.Argument(help="The pool.")]
RangesArgument = Annotated[
    list[str], typer.Argument(metavar="NUMBER...", help="Numbers, and ranges like +15550100-+15550199.")
]
NumbersOption = Annotated[
    list[str] | None, typer.Option(help="Its numbers: a number or a range; repeat for more.")
]
ProjectOption = Annotated[str, typer.Option(help="The project whose callers it serves.")]
OtherProjectOption = Annotated[str | None, typer.Option(help="The project whose callers it serves.")]
TrunkOption = Annotated[
    list[str] | None,
    typer.Option("--trunk", "--trunks", help="A trunk whose calls it accepts, and trusts; repeat for more."),
]
TtlOption = Annotated[
    str | None,
    typer.Option("--ttl", "--ttl-s", metavar="SECONDS", help="How long a reservation holds a number."),
]
MinTtlOption = Annotated[
    str | None, typer.Option("--min-ttl", "--min-ttl-s", metavar="SECONDS", help="Shortest time to ask for.")
]
MaxTtlOption = Annotated[
    str | None, typer.Option("--max-ttl", "--max-ttl-s", metavar="SECONDS", help="Longest time to ask for.")
]
CooldownOption = Annotated[
    str | None,
    typer.Option(
        "--cooldown", "--claim-cooldown-s", metavar="SECONDS", help="Rest of a number after its caller came."
    ),
]
ExpiryOption = Annotated[
    str | None,
    typer.Option(
        "--expiry-cooldown",
        "--expiry-cooldown-s",
        metavar="SECONDS",
        help="Rest of a number that nobody called.",
    ),
]
GraceOption = Annotated[
    str | None,
    typer.Option(
        "--setup-grace",
        "--setup-grace-s",
        metavar="SECONDS",
        help="Time left at least when a call fails before its answer.",
    ),
]
CallerOption = Annotated[
    str | None, typer.Option(help="How callers are compared with the expected one: off, lenient or strict.")
]
LateOption = Annotated[
    str | None, typer.Option(help="Whether a late call gets its attributes: matched, always or never.")
]
ClearOption = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Give a field its default again; repeat for more.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `tieline pool`."""
    app.command("create")(create_pool)
    app.command("set")(set_pool)
    app.command("remove")(remove_pool)
    app.command("add-numbers")(add_numbers)
    app.command("remove-numbers")(remove_numbers)


def create_pool(
    name: NameArgument,
    project: ProjectOption,
    numbers: NumbersOption = None,
    trunk: TrunkOption = None,
    ttl_s: TtlOption = None,
    min_ttl_s: MinTtlOption = None,
    max_ttl_s: MaxTtlOption = None,
    claim_cooldown_s: CooldownOption = None,
    expiry_cooldown_s: ExpiryOption = None,
    setup_grace_s: GraceOption = None,
    caller_policy: CallerOption = None,
    late_policy: LateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a pool; its numbers may also come later, with `tieline pool add-numbers`."""
    given = {
        "project": project,
        "trunks": trunk,
        "ttl_s": ttl_s,
        "min_ttl_s": min_ttl_s,
        "max_ttl_s": max_ttl_s,
        "claim_cooldown_s": claim_cooldown_s,
        "expiry_cooldown_s": expiry_cooldown_s,
        "setup_grace_s": setup_grace_s,
        "caller_policy": caller_policy,
        "late_policy": late_policy,
    }
    make = create("pools", name, given)
    change(
        config, "pools", name, lambda there, opened: {**make(there, opened), "numbers": numbers or []},
        as_json=as_json,
    )  # fmt: skip


def set_pool(
    name: NameArgument,
    project: OtherProjectOption = None,
    numbers: NumbersOption = None,
    trunk: TrunkOption = None,
    ttl_s: TtlOption = None,
    min_ttl_s: MinTtlOption = None,
    max_ttl_s: MaxTtlOption = None,
    claim_cooldown_s: CooldownOption = None,
    expiry_cooldown_s: ExpiryOption = None,
    setup_grace_s: GraceOption = None,
    caller_policy: CallerOption = None,
    late_policy: LateOption = None,
    clear: ClearOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a pool: what is given replaces what was there, the rest stays. What is reserved keeps its terms."""
    given = {
        "project": project,
        "numbers": numbers,
        "trunks": trunk,
        "ttl_s": ttl_s,
        "min_ttl_s": min_ttl_s,
        "max_ttl_s": max_ttl_s,
        "claim_cooldown_s": claim_cooldown_s,
        "expiry_cooldown_s": expiry_cooldown_s,
        "setup_grace_s": setup_grace_s,
        "caller_policy": caller_policy,
        "late_policy": late_policy,
    }
    change(config, "pools", name, update("pools", name, given, clear), as_json=as_json)


def remove_pool(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Remove a pool. What is reserved on its numbers still works."""
    remove(config, "pools", name, as_json=as_json)


def add_numbers(
    name: NameArgument, numbers: RangesArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Add numbers to the end of a pool."""

    def edit(there: Fields | None, opened: OpenStore) -> Fields:
        fields, known = _numbers_of(name, there)
        new = _expand(numbers, opened)
        for number in new:
            if number in known:
                raise CommandFailed(f"{number} is in the pool {name} already")
        return _with_numbers(fields, [*known, *new])

    change(config, "pools", name, edit, as_json=as_json)


def remove_numbers(
    name: NameArgument, numbers: RangesArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Take numbers out of a pool. What is reserved on them still works."""

    def edit(there: Fields | None, opened: OpenStore) -> Fields:
        fields, known = _numbers_of(name, there)
        for number in _expand(numbers, opened):
            if number not in known:
                raise CommandFailed(f"{number} is not in the pool {name}")
            del known[number]
        return _with_numbers(fields, list(known))

    change(config, "pools", name, edit, as_json=as_json)


def _numbers_of(name: str, there: Fields | None) -> tuple[Fields, dict[str, None]]:
    """A pool's fields, and its numbers in order."""
    from tieline.model.number import expand

    if there is None:
        raise CommandFailed(f"there is no pool {name}")
    return there, {one: None for written in there.get("numbers", ()) for one in expand(str(written), None)}


def _with_numbers(fields: Fields, numbers: list[str]) -> Fields:
    from tieline.resources.diff import to_ranges

    return {**fields, "numbers": to_ranges(numbers)}


def _expand(written: list[str], opened: OpenStore) -> list[str]:
    """The numbers that the words mean, each once."""
    from tieline.model.number import expand

    found: dict[str, None] = {}
    for word in written:
        try:
            found.update(dict.fromkeys(expand(word, opened.settings.server.default_region)))
        except InvalidInput as error:
            raise CommandFailed(error.message, EXIT_USAGE) from None
    return list(found)
