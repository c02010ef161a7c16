"""Text messages: a project's templates, messages and their history, opt-outs, and the registration of US senders.

Templates come from the agent's folder and from the resources; of one name in both, the resources' holds. Numbers of
people and what was written to them are personal data, shown only with the right to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, Forbidden, InvalidFields
from tieline.admin.recent import RecentStates
from tieline.admin.redaction import mask_number, redact_opt_out
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.admin.sms_views import (
    AccountRegistration,
    ListedTemplate,
    TemplateSource,
    TokenName,
    masked,
    placed,
    read_message,
    template_fields,
)
from tieline.admin.trail import AuditTrail
from tieline.agent.folder import load_folder
from tieline.agent.sms import merge_templates, sender_in
from tieline.clock import Clock
from tieline.errors import Conflict, NotFound, TielineError
from tieline.integrations.twilio.a2p import AccountFacts, judge
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.registration import read_registration
from tieline.model.audit import AuditChange
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.model.sms import MAX_CONTENT, OptOut, SmsMessage, SmsTemplate, send_again
from tieline.model.sms_segments import measure
from tieline.model.twilio import TwilioConnection
from tieline.model.user import Right
from tieline.resources.plan import Plan
from tieline.store.base import Store
from tieline.store.outbox import SmsFilter

MOST = 200
"""Messages that one look gives at most."""


@dataclass(frozen=True, slots=True)
class SmsReach:
    """What is behind the admin functions: an account's API, and the sender, to be told that there is something."""

    api_of: Callable[[TwilioConnection], TwilioApi]
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class SmsParts:
    """What the admin functions are made of."""

    resources: ResourceAdmin
    store: Store
    clock: Clock
    trail: AuditTrail
    recent: RecentStates


class SmsAdmin:
    """Looking needs `Right.LOOK`, templates `Right.BUILD`, all else `Right.OPERATE`. Projects go by slug."""

    def __init__(self, parts: SmsParts, reach: SmsReach) -> None:
        self._resources = parts.resources
        self._store = parts.store
        self._clock = parts.clock
        self._trail = parts.trail
        self._recent = parts.recent
        self._reach = reach

    # -- templates --------------------------------------------------------------------------------------------

    async def templates(self, who: Principal, project: str) -> Sequence[ListedTemplate]:
        """The project's templates: the folder's in its order, then the others."""
        found = await self._project(who, project)
        folder = await asyncio.to_thread(_folder_templates, found)
        in_folder = {one.name: one for one in folder}
        own = {one.name for one in found.sms_templates}
        return [
            ListedTemplate(template=one, source=_source(one.name, own, in_folder), size=measure(one.content))
            for one in merge_templates(folder, found.sms_templates)
        ]

    async def tokens(self, who: Principal, project: str) -> Sequence[TokenName]:
        """What tokens may name: what every call has, then keys of the state that recent calls had."""
        found = await self._project(who, project)
        known = dict.fromkeys(("caller_number", "callee_number", "conversation_id"), "every call")
        for key in await self._recent.keys(found):
            known.setdefault(key, "recent calls")
        return [TokenName(name=name, about=about) for name, about in known.items() if name.isidentifier()]

    async def save_template(
        self, who: Principal, project: str, draft: Mapping[str, Any], *, replaces: str | None = None
    ) -> Plan:
        """Make a template, or put a draft in the place of the one called `replaces`.

        Raises `Forbidden`, `NotFound`, and `InvalidFields` with fields as paths within the template.
        """
        listed = {one.template.name: one for one in await self.templates(who, project)}
        name, content = draft.get("name"), draft.get("content")
        if replaces is not None and replaces not in listed:
            raise NotFound(f"there is no template {replaces}")
        faults = []
        if name != replaces and name in listed:
            faults.append(FieldFault("name", f"there is a template {name!r} already"))
        kept = None if replaces is None else listed[replaces]
        if kept is not None and name != replaces and kept.source is not TemplateSource.RESOURCES:
            faults.append(
                FieldFault("name", f"{replaces!r} is in the agent's folder, where its name is given")
            )
        if isinstance(content, str) and len(content) > MAX_CONTENT:
            faults.append(FieldFault("content", f"has {len(content)} characters; {MAX_CONTENT} can be sent"))
        if faults:
            raise InvalidFields(tuple(faults))

        def change(templates: list[Fields]) -> int:
            index = next((at for at, one in enumerate(templates) if one["name"] == replaces), len(templates))
            templates[index : index + 1] = [template_fields(draft)]
            return index

        return await self._edit(who, project, change)

    async def remove_template(self, who: Principal, project: str, name: str) -> Plan:
        """Take a template away; of one that was laid over the folder's, that one holds again."""
        there = next((one for one in await self.templates(who, project) if one.template.name == name), None)
        if there is None:
            raise NotFound(f"there is no template {name}")
        if there.source is TemplateSource.FOLDER:
            raise Conflict(
                f"{name!r} is in the agent's folder; take it out of config/sms_templates.yaml there"
            )

        def change(templates: list[Fields]) -> int:
            templates[:] = [one for one in templates if one["name"] != name]
            return -1

        return await self._edit(who, project, change)

    # -- messages ---------------------------------------------------------------------------------------------

    async def messages(self, who: Principal, wanted: SmsFilter) -> Sequence[SmsMessage]:
        """Matching messages, newest first, as far as they may see them."""
        require(who, Right.LOOK)
        own = {
            "account": who.account if who.account is not None else wanted.account,
            "project": who.project if who.project is not None else wanted.project,
            "limit": min(wanted.limit, MOST),
        }
        if who.account is not None and wanted.account not in {None, who.account}:
            return []
        found = await self._store.messages(msgspec.structs.replace(wanted, **own))
        return [masked(who, one) for one in found]

    async def message(self, who: Principal, message_id: str) -> SmsMessage:
        """One message with its history. Raises `NotFound`."""
        return masked(who, await self._message(who, message_id))

    async def of_call(self, who: Principal, conversation_id: str) -> Sequence[SmsMessage]:
        """The messages of one call, oldest first."""
        found = await self.messages(who, SmsFilter(conversation_id=conversation_id, limit=MOST))
        return list(reversed(found))

    async def send(self, who: Principal, project: str, draft: Mapping[str, Any]) -> SmsMessage:
        """Send a message by hand: `to`, and `content` or `template`, whose tokens are filled from `values`; `from_`.

        Raises `Forbidden`, and `InvalidFields` for what can never be sent.
        """
        require(who, Right.OPERATE)
        found = await self._project(who, project)
        self._own(who, found)
        templates = {one.template.name: one.template for one in await self.templates(who, project)}
        now = self._clock.utc()
        read = read_message(draft, templates)
        sender = read.sender
        if read.template is not None and not sender:
            sender = sender_in(templates[read.template], found.env) or ""
        message = SmsMessage(
            id=f"hand-{uuid4()}", account=found.account, project=found.id, env=found.env, conversation_id=None,
            to=read.to, from_=sender, content=read.content, template=read.template,
            segments=measure(read.content).segments, created_at=now, changed_at=now, next_at=now,
        )  # fmt: skip
        await self._store.add_sms([message])
        change = AuditChange(field="to", before=None, after=mask_number(message.to))
        await self._trail.note(who, "send", "sms", message.id, [change], account=found.account)
        self._reach.wake()
        return masked(who, message)

    async def retry(self, who: Principal, message_id: str) -> SmsMessage:
        """Send a message that was not delivered once more. Raises `Conflict` for any other."""
        require(who, Right.OPERATE)
        there = await self._message(who, message_id)
        if not who.may_change(there.account, there.project):
            raise Forbidden("the message belongs to another account")
        changed = await self._store.change_sms(
            message_id, lambda one: send_again(one, self._clock.utc(), who.name)
        )
        if changed is None:
            raise Conflict(
                f"the message is {there.state.value}: only one that was not delivered can be sent again"
            )
        await self._trail.note(who, "retry", "sms", message_id, account=there.account)
        self._reach.wake()
        return masked(who, changed)

    # -- opt-outs ---------------------------------------------------------------------------------------------

    async def opt_outs(self, who: Principal) -> Sequence[OptOut]:
        """Who wants no messages, newest first; recipients masked without the right to personal data."""
        require(who, Right.LOOK)
        found = await self._store.opt_outs(account=who.account)
        if who.may(Right.PERSONAL_DATA):
            return found
        return [redact_opt_out(one) for one in found]

    async def end_opt_out(
        self, who: Principal, recipient: str, sender: str, reason: str, *, account: str | None = None
    ) -> None:
        """Take an opt-out back, for a reason that goes into the audit log. Raises `NotFound`, `InvalidFields`.

        `account` (an id) says whose it is, where they may see those of several.
        """
        require(who, Right.OPERATE)
        require(who, Right.PERSONAL_DATA)
        words = " ".join(reason.split())
        if len(words) < 5:
            raise InvalidFields((FieldFault("reason", "say why: they asked for no more messages"),))
        opted = await self._opted_out(who, recipient, sender, account)
        if opted is None:
            raise NotFound("there is no such opt-out")
        await self._store.opt_in(opted.account, recipient, sender)
        changes = [
            AuditChange(field="opted_out_at", before=opted.at.isoformat(timespec="seconds"), after=None),
            AuditChange(field="reason", before=None, after=words[:200]),
        ]
        name = f"{mask_number(recipient)} from {sender}"
        await self._trail.note(who, "remove", "opt_out", name, changes, account=opted.account)

    async def _opted_out(
        self, who: Principal, recipient: str, sender: str, account: str | None
    ) -> OptOut | None:
        """The opt-out that is theirs to change."""
        accounts = (await self._resources.resources(who)).accounts
        for one in accounts:
            if account in {None, one.id} and who.may_change(one.id):
                found = await self._store.opted_out(one.id, recipient, sender)
                if found is not None:
                    return found
        return None

    # -- registration -----------------------------------------------------------------------------------------

    async def registration(self, who: Principal) -> Sequence[AccountRegistration]:
        """Every connection's US and Canadian senders with the state of their registration, read from Twilio now."""
        require(who, Right.LOOK)
        resources = await self._resources.resources(who)
        return await asyncio.gather(*[self._registration(one) for one in resources.twilio])

    async def _registration(self, connection: TwilioConnection) -> AccountRegistration:
        try:
            facts = await read_registration(self._reach.api_of(connection))
        except TielineError as error:
            facts = AccountFacts(missing=(error.message,))
        senders = [judge(one.number, one.sid, facts) for one in connection.numbers]
        return AccountRegistration(
            connection=connection.name, account=connection.account, senders=tuple(senders), facts=facts
        )

    # -- inside -----------------------------------------------------------------------------------------------

    async def _project(self, who: Principal, slug: str) -> Project:
        require(who, Right.LOOK)
        resources: Resources = await self._resources.resources(who)
        found = next((one for one in resources.projects if one.slug == slug), None)
        if found is None:
            raise NotFound(f"there is no project {slug}")
        return found

    def _own(self, who: Principal, project: Project) -> None:
        if not who.may_change(project.account, project.id):
            raise Forbidden("the project belongs to another account")

    async def _message(self, who: Principal, message_id: str) -> SmsMessage:
        require(who, Right.LOOK)
        found = await self._store.sms(message_id)
        if found is None or not who.may_see(found.account, found.project):
            raise NotFound("there is no such message")
        return found

    async def _edit(self, who: Principal, project: str, change: Callable[[list[Fields]], int]) -> Plan:
        """Carry a change of the list out. `change` returns the index of the template that faults are about."""
        index = -1

        def edit(there: Fields | None) -> Fields:
            nonlocal index
            if there is None:
                raise NotFound(f"there is no project {project}")
            templates = [dict(one) for one in there.get("sms_templates", ())]
            index = change(templates)
            return {**there, "sms_templates": templates}

        try:
            return await self._resources.edit(who, "projects", project, edit)
        except InvalidFields as error:
            raise placed(error, index) from None


def _folder_templates(project: Project) -> tuple[SmsTemplate, ...]:
    return () if project.path is None else load_folder(Path(project.path)).spec.sms_templates


def _source(name: str, own: set[str], folder: Mapping[str, SmsTemplate]) -> TemplateSource:
    if name not in own:
        return TemplateSource.FOLDER
    return TemplateSource.LAID_OVER if name in folder else TemplateSource.RESOURCES
