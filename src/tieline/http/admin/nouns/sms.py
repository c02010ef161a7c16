"""Text messages: templates, messages, opt-outs, registration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tieline.admin.sms_views import AccountRegistration, ListedTemplate, TokenName
from tieline.errors import NotFound
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, Fields, Moment, Shape
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.store.outbox import SmsFilter

sms = Noun("build")


class MessagesQuery(Shape):
    """Which messages to list, newest first. `project` is a slug, `number` either end of a message."""

    project: str | None = None
    call_id: str | None = None
    number: Annotated[str, Meta(max_length=64)] | None = None
    state: SmsState | None = None
    before: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


class NewMessage(Shape):
    """A message: `content`, or a `template` whose tokens are filled from `values`; `from_` is a sender."""

    to: str
    content: str | None = None
    from_: str | None = None
    template: str | None = None
    values: dict[str, str] = {}


class OptIn(Shape):
    """Whose opt-out is taken back, and why; the reason goes into the audit log."""

    recipient: str
    sender: str
    reason: str


@sms.get("/projects/{project}/sms-templates")
async def list_templates(call: Call, project: str) -> Sequence[ListedTemplate]:
    """The project's templates, each with its size."""
    return await call.admin.sms.templates(call.who, project)


@sms.post("/projects/{project}/sms-templates")
async def add_template(call: Call, project: str, body: Fields) -> Altered:
    """Add a template from its fields."""
    return call.altered(await call.admin.sms.save_template(call.who, project, body))


@sms.put("/projects/{project}/sms-templates/{name}")
async def change_template(call: Call, project: str, name: str, body: Fields) -> Altered:
    """Put a template in another's place."""
    return call.altered(await call.admin.sms.save_template(call.who, project, body, replaces=name))


@sms.delete("/projects/{project}/sms-templates/{name}")
async def remove_template(call: Call, project: str, name: str) -> Altered:
    """Take a template away."""
    return call.altered(await call.admin.sms.remove_template(call.who, project, name))


@sms.get("/projects/{project}/sms-tokens")
async def list_token_names(call: Call, project: str) -> Sequence[TokenName]:
    """What tokens of templates may name."""
    return await call.admin.sms.tokens(call.who, project)


@sms.post("/projects/{project}/messages")
async def send_message(call: Call, project: str, body: NewMessage) -> SmsMessage:
    """Send a message by hand."""
    draft = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    return await call.admin.sms.send(call.who, project, draft)


@sms.get("/messages")
async def list_messages(call: Call, query: MessagesQuery) -> Sequence[SmsMessage]:
    """Matching messages; without the right to personal data, neither people's numbers nor texts."""
    project = None
    if query.project is not None:
        slugs = {slug: one for one, slug in call.admin.calls.projects(call.who).items()}
        project = slugs.get(query.project)
        if project is None:
            raise NotFound(f"there is no project {query.project}")
    wanted = SmsFilter(
        project=project, conversation_id=query.call_id, number=query.number, state=query.state,
        before=query.before, limit=query.limit,
    )  # fmt: skip
    return await call.admin.sms.messages(call.who, wanted)


@sms.get("/messages/{message_id}")
async def get_message(call: Call, message_id: str) -> SmsMessage:
    """One message with its history."""
    return await call.admin.sms.message(call.who, message_id)


@sms.post("/messages/{message_id}/retry")
async def retry_message(call: Call, message_id: str) -> SmsMessage:
    """Send a message that was not delivered once more."""
    return await call.admin.sms.retry(call.who, message_id)


@sms.get("/calls/{call_id}/messages")
async def list_call_messages(call: Call, call_id: str) -> Sequence[SmsMessage]:
    """The messages of one call, oldest first."""
    return await call.admin.sms.of_call(call.who, call_id)


@sms.get("/opt-outs")
async def list_opt_outs(call: Call) -> Sequence[OptOut]:
    """Who wants no messages, newest first."""
    return await call.admin.sms.opt_outs(call.who)


@sms.post("/opt-outs/end")
async def end_opt_out(call: Call, body: OptIn) -> None:
    """Take an opt-out back. Takes the right to personal data."""
    await call.admin.sms.end_opt_out(call.who, body.recipient, body.sender, body.reason)


@sms.get("/sms-registration")
async def list_registrations(call: Call) -> Sequence[AccountRegistration]:
    """US and Canadian senders with the state of their registration, read from Twilio now."""
    return await call.admin.sms.registration(call.who)
