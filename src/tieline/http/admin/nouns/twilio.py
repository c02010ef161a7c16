"""Customers' own Twilio accounts: connecting one, choosing its numbers, undoing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieline.admin.twilio import Choice, ConnectionView, NumberLine, Pooled
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Fields, Shape
from tieline.integrations.twilio.client import AccountView
from tieline.model.environment import Environment
from tieline.model.record import Record
from tieline.model.twilio import CallPath, TwilioNumber

twilio = Noun("telephony")


class NumberChoice(Shape):
    """What is to become of a number. Without `project` it is for pools only.

    `manage`: we set its webhooks, with `messages` that of its messages as well.
    """

    project: str | None = None
    env: Environment = Environment.LIVE
    path: CallPath = CallPath.MEDIA_STREAM
    manage: bool = True
    messages: bool = True


class PoolNumbers(Shape):
    """Which numbers of the account (by SID) are to be members of a pool, and how their calls come in."""

    sids: tuple[str, ...]
    pool: str
    env: Environment = Environment.LIVE
    path: CallPath = CallPath.MEDIA_STREAM
    manage: bool = True
    messages: bool = True


class TrunkMade(Record):
    """The trunk that takes a connection's calls by SIP."""

    trunk: str


class DisconnectQuery(Shape):
    """Whether to disconnect also when a number's webhooks cannot be put back."""

    anyway: bool = False


class Disconnected(Record):
    """What could not be put back, in words."""

    failed: tuple[str, ...]


@twilio.get("/twilio")
async def list_connections(call: Call) -> Sequence[ConnectionView]:
    """The connections, without their secrets."""
    return await call.admin.twilio.connections(call.who)


@twilio.post("/twilio")
async def connect_twilio(call: Call, body: Fields) -> AccountView:
    """Make a connection whose credentials Twilio accepts, from its fields."""
    return await call.admin.twilio.connect(call.who, body)


@twilio.get("/twilio/{connection}")
async def get_connection(call: Call, connection: str) -> ConnectionView:
    """One connection, without its secrets."""
    return await call.admin.twilio.connection(call.who, connection)


@twilio.patch("/twilio/{connection}")
async def change_connection(call: Call, connection: str, body: Fields) -> AccountView:
    """Change credentials or region, if Twilio accepts them. A secret that is null stays as it is."""
    return await call.admin.twilio.change(call.who, connection, body)


@twilio.delete("/twilio/{connection}")
async def disconnect_twilio(call: Call, connection: str, query: DisconnectQuery) -> Disconnected:
    """Put every number's webhooks back as they were, and forget the connection."""
    failed = await call.admin.twilio.disconnect(call.who, connection, anyway=query.anyway)
    return Disconnected(failed=tuple(failed))


@twilio.get("/twilio/{connection}/check")
async def check_connection(call: Call, connection: str) -> AccountView:
    """Ask Twilio whether a connection's credentials are still good."""
    return await call.admin.twilio.check(call.who, connection)


@twilio.get("/twilio/{connection}/numbers")
async def list_twilio_numbers(call: Call, connection: str) -> Sequence[NumberLine]:
    """The account's numbers as Twilio has them now, and what was chosen for each."""
    return await call.admin.twilio.numbers(call.who, connection)


@twilio.put("/twilio/{connection}/numbers/{sid}")
async def choose_twilio_number(call: Call, connection: str, sid: str, body: NumberChoice) -> TwilioNumber:
    """Take a number's calls; with `manage`, point its webhooks at this server."""
    choice = Choice(
        project=body.project, env=body.env, path=body.path, manage=body.manage, messages=body.messages
    )
    return await call.admin.twilio.choose(call.who, connection, sid, choice)


@twilio.delete("/twilio/{connection}/numbers/{sid}")
async def release_twilio_number(call: Call, connection: str, sid: str) -> None:
    """Let a number go: what stood in its webhooks before stands there again."""
    await call.admin.twilio.release(call.who, connection, sid)


@twilio.get("/twilio-webhooks")
async def get_twilio_webhooks(call: Call) -> Mapping[str, str]:
    """Where a number's webhooks have to point, by Twilio's names for them, all by POST."""
    return call.admin.twilio.to_paste()


@twilio.post("/twilio/{connection}/pool-numbers")
async def pool_twilio_numbers(call: Call, connection: str, body: PoolNumbers) -> Pooled:
    """Make numbers of the account members of a pool, which says whose calls they bring."""
    choice = Choice(env=body.env, path=body.path, manage=body.manage, messages=body.messages)
    return await call.admin.twilio.add_to_pool(call.who, connection, body.sids, body.pool, choice)


@twilio.post("/twilio/{connection}/trunk")
async def make_twilio_trunk(call: Call, connection: str) -> TrunkMade:
    """Make the trunk that takes the connection's calls by SIP, from Twilio's addresses and by a password."""
    return TrunkMade(trunk=await call.admin.twilio.make_trunk(call.who, connection))
