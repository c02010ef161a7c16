"""`tieline pool create`, `set`, `remove`, `add-numbers` and `remove-numbers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieline.commands.changing import Fields, change, create, remove, update
from tieline.commands.context import (
    EXIT_USAGE,
    CommandFailed,
    ConfigOption,
    JsonOption,
    OpenStore,
    examples,
)
from tieline.commands.field_options import FieldOption, field_command
from tieline.errors import InvalidInput

NameArgument = Annotated[str, typer.Argument(help="The pool.")]
RangesArgument = Annotated[
    list[str], typer.Argument(metavar="NUMBER...", help="Numbers, and ranges like +15550100-+15550199.")
]
SECONDS = "SECONDS"

OPTIONS = (
    FieldOption("project", "The project whose callers it serves."),
    FieldOption("numbers", "Its numbers: a number or a range; repeat for more.", many=True),
    FieldOption("trunks", "A trunk whose calls it accepts, and trusts; repeat for more.",
                names=("--trunk", "--trunks"), many=True),
    FieldOption("ttl_s", "How long a reservation holds a number.", SECONDS, names=("--ttl", "--ttl-s")),
    FieldOption("min_ttl_s", "Shortest time to ask for.", SECONDS, names=("--min-ttl", "--min-ttl-s")),
    FieldOption("max_ttl_s", "Longest time to ask for.", SECONDS, names=("--max-ttl", "--max-ttl-s")),
    FieldOption("claim_cooldown_s", "Rest of a number after its caller came.", SECONDS,
                names=("--cooldown", "--claim-cooldown-s")),
    FieldOption("expiry_cooldown_s", "Rest of a number that nobody called.", SECONDS,
                names=("--expiry-cooldown", "--expiry-cooldown-s")),
    FieldOption("setup_grace_s", "Time left at least when a call fails before its answer.", SECONDS,
                names=("--setup-grace", "--setup-grace-s")),
    FieldOption("caller_policy", "How callers are compared with the expected one: off, lenient or strict."),
    FieldOption("late_policy", "Whether a late call gets its attributes: matched, always or never."),
)  # fmt: skip
"""Every field of a pool but its name."""

HELP = "The pool."
EXAMPLES = examples(
    "tieline pool create inbound --project desk --numbers +15550100-+15550119 --trunk carrier",
)


def register(app: typer.Typer) -> None:
    """Add the commands to `tieline pool`."""
    app.command("create", epilog=EXAMPLES)(create_pool)
    app.command("set")(set_pool)
    app.command("remove")(remove_pool)
    app.command("add-numbers")(add_numbers)
    app.command("remove-numbers")(remove_numbers)


@field_command(OPTIONS, HELP, required=("project",))
def create_pool(name: str, given: Fields, config: Path | None, as_json: bool) -> None:
    """Make a pool; its numbers may also come later, with `tieline pool add-numbers`."""
    make = create("pools", name, given)
    change(
        config, "pools", name, lambda there, opened: {"numbers": [], **make(there, opened)}, as_json=as_json
    )


@field_command(OPTIONS, HELP, clears=True)
def set_pool(name: str, given: Fields, config: Path | None, as_json: bool, clear: list[str] | None) -> None:
    """Change a pool: what is given replaces what was there, the rest stays. What is reserved keeps its terms."""
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
