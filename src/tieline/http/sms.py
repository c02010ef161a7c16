"""Twilio's webhooks of text messages: `/sms/inbound` and `/sms/status`. Without a good signature nothing is done."""

from __future__ import annotations

from fastapi import FastAPI

from tieline.http.signed_form import SignedForm, SignedForms
from tieline.integrations.twilio.sms import reply
from tieline.messaging.inbox import SmsInbox
from tieline.messaging.sender import MESSAGE_PARAMETER, STATUS_PATH

INBOUND_PATH = "/sms/inbound"

WEBHOOKS_TOTAL = "tieline_sms_webhooks_total"


class SmsRoutes:
    """The routes over one `SmsInbox`."""

    def __init__(self, inbox: SmsInbox, forms: SignedForms) -> None:
        self._inbox = inbox
        self._forms = forms

    def mount(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        for path, name, take in (
            (INBOUND_PATH, "inbound", self._message),
            (STATUS_PATH, "status", self._status),
        ):
            answer = self._forms.guard(name, take, WEBHOOKS_TOTAL)
            app.add_route(path, answer, methods=["POST"], include_in_schema=False)

    async def _message(self, form: SignedForm) -> str:
        return reply(await self._inbox.take_message(form.connection, form.fields))

    async def _status(self, form: SignedForm) -> str:
        await self._inbox.take_status(form.connection, form.fields, form.query.get(MESSAGE_PARAMETER))
        return reply(None)
