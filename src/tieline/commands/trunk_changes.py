"""`tieline trunk create`, `set` and `remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tieline.commands.changing import Fields, change, create, remove, update
from tieline.commands.context import (
    ConfigOption,
    JsonOption,
    examples,
)
from tieline.commands.field_options import FieldOption, field_command

ASK = "-"
"""Given in place of an environment variable's name: the secret is typed in, unseen."""


def _secret(variable: str) -> Any:
    """A secret from the environment variable of that name, or from whoever sits at the terminal."""
    if variable == ASK:
        return typer.prompt("Password", hide_input=True)
    return {"value_from_env": variable}


SECONDS, NUMBER, NAME = "SECONDS", "NUMBER", "NAME"
FROM_ENV = "Environment variable that holds {}; - asks for it. Encrypted at rest."

OPTIONS = (
    FieldOption("networks", "A source network of the peer; repeat for more.", names=("--network", "--networks"),
                many=True),
    FieldOption("profile", "The profile of what is at the other end; see `tieline profile list`.", NAME),
    FieldOption("account", "The only account it may reach."),
    FieldOption("token_header", "Header that carries a SIP token."),
    FieldOption("require_token", "Refuse calls without a token.", flag=True),
    FieldOption("number_from", "Where the dialled number stands: request_uri, to or header."),
    FieldOption("number_header", "The header, for `--number-from header`."),
    FieldOption("caller_from", "Where the caller's number stands: from, pai or rpid."),
    FieldOption("default_region", "Country that completes national numbers."),
    FieldOption("max_calls", "Calls at one time.", NUMBER),
    FieldOption("max_cps", "New calls in a second.", NUMBER),
    FieldOption("attach_forwarded", "Let forwarded calls have a reservation's attributes.", flag=True),
    FieldOption("shared_id_header", "Header whose value is the shared id."),
    FieldOption("advertised_host", "Our address as this peer sees it."),
    FieldOption("advertised_port", "Our SIP port as this peer sees it.", NUMBER),
    FieldOption("target", "Where we reach it: host, host:port or SIP URI."),
    FieldOption("transport", "How we reach it: udp, tcp or tls."),
    FieldOption("tls_name", "Name that its certificate must bear."),
    FieldOption("username", "Name that we answer its challenges with."),
    FieldOption("password", FROM_ENV.format("our password"), NAME, names=("--password-env",), read=_secret),
    FieldOption("register", "Register with it as the user name.", flag=True),
    FieldOption("register_expires_s", "How long a registration is asked for.", SECONDS,
                names=("--register-expires", "--register-expires-s")),
    FieldOption("options_interval_s", "Ask it with OPTIONS whether it is up, so often.", SECONDS,
                names=("--options-interval", "--options-interval-s")),
    FieldOption("assert_identity", "Tell it the caller's number as pai or rpid, or off."),
    FieldOption("auth_username", "Name that it has to authenticate its calls with."),
    FieldOption("auth_password", FROM_ENV.format("its password"), NAME, names=("--auth-password-env",), read=_secret),
    FieldOption("auth_algorithms", "Challenge that it gets, SHA-256 or MD5; repeat for more.",
                names=("--auth-algorithm", "--auth-algorithms"), many=True),
    FieldOption("encryption", "What we make of SRTP: refused, offered or required."),
    FieldOption("session_timer", "Session timers: off, supported or required."),
    FieldOption("session_expires_s", "Session interval that we ask for.", SECONDS,
                names=("--session-expires", "--session-expires-s")),
    FieldOption("reliable_provisional", "Reliable provisional answers: off, supported or required."),
    FieldOption("refer_domain", "Host of the URI that a number becomes in Refer-To."),
    FieldOption("first_bye", "Who ends our leg after a REFER that succeeded: us or peer."),
    FieldOption("bye_wait_s", "How long the peer's BYE is waited for.", SECONDS, names=("--bye-wait", "--bye-wait-s")),
    FieldOption("notify_timeout_s", "How long the NOTIFYs of a REFER are waited for.", SECONDS,
                names=("--notify-timeout", "--notify-timeout-s")),
    FieldOption("alive_s", "How long a handed-off call has to live to count as alive.", SECONDS,
                names=("--alive", "--alive-s")),
    FieldOption("max_headers", "Custom headers that get through.", NUMBER),
)  # fmt: skip
"""Every field of a trunk but its name."""

HELP = "The trunk."
EXAMPLES = examples(
    "tieline trunk create carrier --network 203.0.113.0/28 --target sip.carrier.example",
    "tieline trunk create five9 --network 198.51.100.0/24 --profile five9",
    "tieline trunk set carrier --username northwind --password-env -",
)


def register(app: typer.Typer) -> None:
    """Add the commands to `tieline trunk`."""
    app.command("create", epilog=EXAMPLES)(create_trunk)
    app.command("set")(set_trunk)
    app.command("remove")(remove_trunk)


@field_command(OPTIONS, HELP)
def create_trunk(name: str, given: Fields, config: Path | None, as_json: bool) -> None:
    """Let a SIP peer call. A running server takes its calls within a second or two."""
    change(config, "trunks", name, create("trunks", name, given), as_json=as_json)


@field_command(OPTIONS, HELP, clears=True)
def set_trunk(name: str, given: Fields, config: Path | None, as_json: bool, clear: list[str] | None) -> None:
    """Change a trunk: what is given replaces what was there, the rest stays."""
    change(config, "trunks", name, update("trunks", name, given, clear), as_json=as_json)


def remove_trunk(
    name: Annotated[str, typer.Argument(help=HELP)], config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Let a SIP peer call no more. Refused while a pool names the trunk; calls that are up go on."""
    remove(config, "trunks", name, as_json=as_json)
