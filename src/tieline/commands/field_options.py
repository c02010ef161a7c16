"""Options that stand for the fields of a resource, told once for the commands that make it and that change it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tieline.commands.context import ConfigOption, JsonOption

Command = Callable[..., None]
Read = Callable[[Any], Any]

ClearOption = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Give a field its default again; repeat for more.")
]


@dataclass(frozen=True, slots=True)
class FieldOption:
    """One field as an option: `--its-name`, unless `names` says otherwise.

    `many` may be repeated; `flag` is a pair `--name` and `--no-name`; `read` turns what was given into what a resource
    file has.
    """

    field: str
    help: str
    metavar: str | None = None
    names: tuple[str, ...] = ()
    many: bool = False
    flag: bool = False
    read: Read | None = None

    def parameter(self, *, required: bool) -> inspect.Parameter:
        """The option as a parameter of a command."""
        kind: Any = bool if self.flag else list[str] if self.many else str
        dashed = self.field.replace("_", "-")
        names = (f"--{dashed}/--no-{dashed}",) if self.flag else self.names
        option = typer.Option(*names, metavar=self.metavar, help=self.help)
        return _parameter(self.field, kind if required else kind | None, option, required=required)

    def value(self, given: Any) -> Any:
        """What a resource file has for what was given; None when nothing was."""
        return self.read(given) if self.read is not None and given is not None else given


def field_command(
    options: Sequence[FieldOption],
    argument_help: str,
    *,
    required: Collection[str] = (),
    clears: bool = False,
) -> Callable[[Command], Command]:
    """Make a command of `work(name, given, config, as_json)`: a name, an option for each field, and the usual ones.

    `given` has every field, None where nothing was given. With `clears` there is `--clear` too, and `work` gets it.
    """

    def decorate(work: Command) -> Command:
        def command(**arguments: Any) -> None:
            given = {one.field: one.value(arguments.pop(one.field)) for one in options}
            work(given=given, **arguments)

        needed = [one.parameter(required=True) for one in options if one.field in required]
        parameters = [
            _parameter("name", str, typer.Argument(help=argument_help), required=True),
            *needed,
            *(one.parameter(required=False) for one in options if one.field not in required),
        ]
        if clears:
            parameters.append(_default("clear", ClearOption, None))
        parameters += [_default("config", ConfigOption, None), _default("as_json", JsonOption, False)]
        command.__name__, command.__doc__ = work.__name__, work.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameter(name: str, kind: Any, option: Any, *, required: bool) -> inspect.Parameter:
    default = inspect.Parameter.empty if required else None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, option], default=default
    )


def _default(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
