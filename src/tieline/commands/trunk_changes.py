"""`tieline trunk create`, `set` and `remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from tieline.commands.changing import change, create, remove, update
from tieline.commands.context import ConfigOption, JsonOption

NameArgument = Annotated[str, typer.Argument(help="The trunk.")]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option("--network", "--networks", help="A source network of the peer; repeat for more."),
]
AccountOption = Annotated[str | None, typer.Option(help="The only account it may reach.")]
TokenHeaderOption = Annotated[str | None, typer.Option(help="Header that carries a SIP token.")]
RequireTokenOption = Annotated[
    bool | None, typer.Option("--require-token/--no-require-token", help="Refuse calls without a token.")
]
NumberFromOption = Annotated[
    str | None, typer.Option(help="Where the dialled number stands: request_uri, to or header.")
]
NumberHeaderOption = Annotated[str | None, typer.Option(help="The header, for `--number-from header`.")]
RegionOption = Annotated[str | None, typer.Option(help="Country that completes national numbers.")]
MaxCallsOption = Annotated[str | None, typer.Option(metavar="NUMBER", help="Calls at one time.")]
MaxCpsOption = Annotated[str | None, typer.Option(metavar="NUMBER", help="New calls in a second.")]
AttachOption = Annotated[
    bool | None,
    typer.Option(
        "--attach-forwarded/--no-attach-forwarded",
        help="Let forwarded calls have a reservation's attributes.",
    ),
]
SharedIdOption = Annotated[str | None, typer.Option(help="Header whose value is the shared id.")]
AdvertisedOption = Annotated[str | None, typer.Option(help="Our address as this peer sees it.")]
ClearOption = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Give a field its default again; repeat for more.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `tieline trunk`."""
    app.command("create")(create_trunk)
    app.command("set")(set_trunk)
    app.command("remove")(remove_trunk)


def create_trunk(
    name: NameArgument,
    network: NetworkOption = None,
    account: AccountOption = None,
    token_header: TokenHeaderOption = None,
    require_token: RequireTokenOption = None,
    number_from: NumberFromOption = None,
    number_header: NumberHeaderOption = None,
    default_region: RegionOption = None,
    max_calls: MaxCallsOption = None,
    max_cps: MaxCpsOption = None,
    attach_forwarded: AttachOption = None,
    shared_id_header: SharedIdOption = None,
    advertised_host: AdvertisedOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a SIP peer call. A running server takes its calls within a second or two."""
    given = {
        "networks": network,
        "account": account,
        "token_header": token_header,
        "require_token": require_token,
        "number_from": number_from,
        "number_header": number_header,
        "default_region": default_region,
        "max_calls": max_calls,
        "max_cps": max_cps,
        "attach_forwarded": attach_forwarded,
        "shared_id_header": shared_id_header,
        "advertised_host": advertised_host,
    }
    change(config, "trunks", name, create("trunks", name, given), as_json=as_json)


def set_trunk(
    name: NameArgument,
    network: NetworkOption = None,
    account: AccountOption = None,
    token_header: TokenHeaderOption = None,
    require_token: RequireTokenOption = None,
    number_from: NumberFromOption = None,
    number_header: NumberHeaderOption = None,
    default_region: RegionOption = None,
    max_calls: MaxCallsOption = None,
    max_cps: MaxCpsOption = None,
    attach_forwarded: AttachOption = None,
    shared_id_header: SharedIdOption = None,
    advertised_host: AdvertisedOption = None,
    clear: ClearOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a trunk: what is given replaces what was there, the rest stays."""
    given = {
        "networks": network,
        "account": account,
        "token_header": token_header,
        "require_token": require_token,
        "number_from": number_from,
        "number_header": number_header,
        "default_region": default_region,
        "max_calls": max_calls,
        "max_cps": max_cps,
        "attach_forwarded": attach_forwarded,
        "shared_id_header": shared_id_header,
        "advertised_host": advertised_host,
    }
    change(config, "trunks", name, update("trunks", name, given, clear), as_json=as_json)


def remove_trunk(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Let a SIP peer call no more. Refused while a pool names the trunk; calls that are up go on."""
    remove(config, "trunks", name, as_json=as_json)
