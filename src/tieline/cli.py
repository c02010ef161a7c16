"""The command line: `tieline <command>`. The commands live in `tieline.commands`.

Exit statuses are `tieline.commands.context.EXIT_CODES`. An error is one or two lines on stderr, never a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tieline import __version__
from tieline.commands import (
    applying,
    calls,
    credentials,
    handoff,
    maintenance,
    people,
    pool_changes,
    pools,
    profiles,
    project_changes,
    reference,
    serving,
    simulate,
    topology,
    trunk_changes,
)
from tieline.commands.context import EXIT_CONFIGURATION, EXIT_NO, EXIT_UNAVAILABLE, CommandFailed
from tieline.errors import ConfigurationError, SchemaTooNew, TielineError, Unavailable

app = typer.Typer(
    name="tieline",
    help="Ties company phone systems to voice agents: reserve a number, take the call, hand it back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for part in (serving, simulate, applying, maintenance, reference):
    part.register(app)
pool_changes.register(pools.pool)
trunk_changes.register(topology.trunk)
project_changes.register(topology.project)
app.add_typer(credentials.keys, name="keys")
app.add_typer(credentials.tokens, name="tokens")
app.add_typer(people.user, name="user")
app.add_typer(pools.pool, name="pool")
app.add_typer(topology.trunk, name="trunk")
app.add_typer(topology.project, name="project")
app.add_typer(profiles.profile, name="profile")
app.add_typer(handoff.handoff, name="handoff")
app.add_typer(calls.calls, name="calls")
app.add_typer(calls.reservations, name="reservations")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tieline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Ties company phone systems to voice agents: reserve a number, take the call, hand it back."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit status."""
    try:
        app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="tieline")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except CommandFailed as error:
        return _refuse(str(error), error.status)
    except (ConfigurationError, SchemaTooNew) as error:
        return _refuse(error.message, EXIT_CONFIGURATION)
    except Unavailable as error:
        return _refuse(error.message, EXIT_UNAVAILABLE)
    except TielineError as error:
        return _refuse(error.message, EXIT_NO)
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_NO
    except KeyboardInterrupt:
        return 130
    return 0


def _refuse(message: str, status: int) -> int:
    sys.stderr.write(f"tieline: {message}\n")
    return status


def main() -> None:
    """The entry point of the `tieline` script."""
    sys.exit(run())
