"""Calls to the numbers of connected Twilio accounts: what their webhooks are answered, and their media streams."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tieline.calls.directory import Directory
from tieline.calls.leg_switch import LegSwitch
from tieline.calls.provider import ProviderCall
from tieline.calls.registry import CallRegistry
from tieline.errors import TielineError
from tieline.gateway.calls import GatewayCalls, gateway_trunk
from tieline.gateway.dialog_text import LegFacts
from tieline.gateway.twilio_book import CallBook
from tieline.gateway.twilio_call import CallWays, TwilioCall
from tieline.gateway.twilio_facts import CALL_HEADER, PARENT_HEADER, CallFacts, read_facts
from tieline.gateway.twilio_leg import TwilioLeg
from tieline.gateway.twilio_wire import StreamSocket, StreamWire
from tieline.integrations.twilio import media_stream as protocol
from tieline.integrations.twilio import twiml
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.model import number as numbers
from tieline.model.project import Project
from tieline.model.twilio import CallPath, TwilioConnection, TwilioNumber
from tieline.observe.logging import get_logger

PROFILE = "twilio_voice"

TOKEN_S = 60.0
"""How long the token of a media stream, or of a call by SIP, waits for it."""

START_S = 10.0
"""How long a WebSocket may take to say which call it is of."""

MOST_UNSTARTED = 200
"""WebSockets that have not said yet which call they are of: anybody can open one."""

APOLOGY = "We are sorry, your call cannot be taken at the moment. Please try again later."

ENDED = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(frozen=True, slots=True)
class VoiceReach:
    """Where Twilio reaches us: `http` gives the public base URL, `sip` what stands after the `@` of our SIP address."""

    http: Callable[[], str]
    sip: Callable[[], str]


class TwilioVoice:
    """One per server; implements `tieline.calls.provider.Provider`. `follow` gives it the resources."""

    def __init__(
        self,
        registry: CallRegistry,
        legs: LegSwitch,
        accounts: TwilioAccounts,
        reach: VoiceReach,
        host: str,
    ) -> None:
        self.directory = Directory.empty()
        self._registry = registry
        self._accounts = accounts
        self._reach = reach
        self._gateway = GatewayCalls(registry, legs, host)
        self._calls = CallBook()
        self._by_leg: dict[int, TwilioCall] = {}
        self.unstarted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = get_logger("twilio")
        self._ways = CallWays(
            api=accounts.of,
            url=self.url,
            resume=self._stream_twiml,
            tell=registry.on_event,
            watch=registry.watch,
            take_over=legs.take_over,
            is_up=lambda leg_id: registry.session_of(leg_id) is not None,
            begin=self._begin,
            host=host,
        )
        legs.provider = self

    def follow(self, directory: Directory) -> None:
        """The resources have changed; calls that are up keep what they have."""
        self.directory = directory

    def url(self, path: str) -> str:
        """A path of ours as Twilio asks for it."""
        return self._reach.http().rstrip("/") + path

    # -- webhooks ---------------------------------------------------------------------------------------------

    def on_call(self, connection: TwilioConnection, form: Mapping[str, str]) -> str:
        """A call has come in: the TwiML that brings it to us. The same call is answered the same."""
        facts = read_facts(form)
        known = self._calls.get(facts.sid)
        if known is not None:
            return known.answer if _is_of(known, connection) else self.on_fallback(connection, form)
        line = _line_of(connection, facts)
        call = TwilioCall(self._ways, connection, facts, _leg_facts(connection, facts), _now())
        if not self._calls.add(call, _now()):
            self._log.error("an account has as many calls as are remembered", account=connection.account)
            return self.on_fallback(connection, form)
        by_sip = line is not None and line.path is CallPath.SIP and bool(self._reach.sip())
        call.answer = self._sip_twiml(call) if by_sip else self._stream_twiml(call)
        return call.answer

    def on_status(self, connection: TwilioConnection, form: Mapping[str, str]) -> None:
        """The caller's call has changed its state."""
        call = self._call(connection, form.get("CallSid", ""))
        if call is not None and form.get("CallStatus") in ENDED:
            call.end()

    def on_progress(
        self, connection: TwilioConnection, parent: str, attempt: int, form: Mapping[str, str]
    ) -> None:
        """A leg that Twilio has dialled for us has made progress."""
        call = self._call(connection, parent)
        if call is not None:
            call.on_progress(attempt, form)

    def on_screen(
        self, connection: TwilioConnection, parent: str, attempt: int, step: str, form: Mapping[str, str]
    ) -> str:
        """Somebody that Twilio has dialled for us has picked up: the TwiML for them alone, before they are joined."""
        call = self._call(connection, parent)
        return twiml.hang_up() if call is None else call.on_screen(attempt, step, form)

    def on_next(self, connection: TwilioConnection, after: str, attempt: int, form: Mapping[str, str]) -> str:
        """Something that we had Twilio do is over: the TwiML with which the call goes on."""
        call = self._call(connection, form.get("CallSid", ""))
        if call is None:
            return twiml.hang_up() if _was_taken(after, form) else self.on_fallback(connection, form)
        if after == "dial":
            return call.on_dialled(attempt, form)
        if after == "refer":
            return call.on_referred(attempt, form)
        failed = after == "sip" and form.get("DialCallStatus") not in {"completed", "answered"}
        if failed or call.refused:
            call.on_left()
            return self.on_fallback(connection, form)
        call.end()
        return twiml.hang_up()

    def on_fallback(self, connection: TwilioConnection, form: Mapping[str, str]) -> str:
        """We could not take the call: the project's fall-back destination where Twilio can call that, or a sentence."""
        try:
            facts = read_facts(form)
        except TielineError:
            return twiml.sorry(APOLOGY)
        project = self._project_of(connection, facts)
        number = _fallback_number(project) if project is not None else None
        return twiml.sorry(APOLOGY) if number is None else twiml.forward(number)

    def _call(self, connection: TwilioConnection, sid: str) -> TwilioCall | None:
        """A call of this connection: whoever has another account connected can sign webhooks, too, for their own."""
        call = self._calls.get(sid)
        return call if call is not None and _is_of(call, connection) else None

    def _project_of(self, connection: TwilioConnection, facts: CallFacts) -> Project | None:
        callee = facts.callee or ""
        pools = (self.directory.project(pool.project) for pool in self.directory.pools_by_number(callee))
        found = [*pools, *self.directory.projects_by_number(callee)]
        return next((one for one in found if one is not None and one.account == connection.account), None)

    # -- TwiML ------------------------------------------------------------------------------------------------

    def _stream_twiml(self, call: TwilioCall) -> str:
        """`<Connect><Stream>` with a token that opens one stream of this call."""
        token = secrets.token_urlsafe(32)
        self._calls.add_stream_token(call, token, _now() + TOKEN_S)
        parts = urlsplit(self.url("/voice/stream"))
        address = parts._replace(scheme="ws" if parts.scheme == "http" else "wss").geturl()
        return twiml.stream(address, {"token": token}, self.url("/voice/next?after=stream"))

    def _sip_twiml(self, call: TwilioCall) -> str:
        """`<Dial><Sip>` to us, with the call's context as headers."""
        token = secrets.token_urlsafe(24)
        self._calls.add_sip_token(call, token)
        mine = {"x-twilio-callsid": PARENT_HEADER}
        headers = {mine.get(name.casefold(), name): value for name, value in call.facts.headers}
        headers = {CALL_HEADER: token, **{name: value for name, value in headers.items() if value}}
        while len(twiml.with_headers("", headers)) > twiml.MAX_HEADERS_LENGTH:
            headers.popitem()
        return twiml.dial_us(
            f"sip:{call.facts.dialled}@{self._reach.sip()}",
            {name: value for name, value in headers.items() if name != "Diversion"},
            action_url=self.url("/voice/next?after=sip"),
            username=call.connection.sip_username,
            password=call.connection.sip_password,
        )

    # -- streams ----------------------------------------------------------------------------------------------

    async def carry(self, socket: StreamSocket) -> str:
        """Carry one media stream from its first message to its last; how it ended, in a word for the metrics."""
        if self.unstarted >= MOST_UNSTARTED:
            await socket.close()
            return "too_many"
        wire = StreamWire(socket)
        sender = asyncio.create_task(wire.send_all(), name="media stream")
        reader = _StreamReader(self, wire)
        try:
            return await reader.read(socket)
        finally:
            wire.lose()
            wire.close()
            await asyncio.wait({sender}, timeout=2)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            if reader.call is not None:
                reader.call.on_stream_closed(wire)

    def attach(self, started: protocol.Started, wire: StreamWire) -> TwilioCall | None:
        """The call that a stream is of, which it carries from now on; None for one whose token is not good for it."""
        call = self._calls.take_stream_token(started.parameters.get("token", ""), _now())
        if call is None or call.over:
            return None
        if (started.call_sid, started.account_sid) != (call.facts.sid, call.facts.account_sid):
            return None
        if call.leg is not None:
            return call if call.resume(wire) is not None else None
        leg = call.leg = TwilioLeg(call.leg_facts, self._ways.host, self._registry.on_event, call, wire)
        trunk = gateway_trunk(
            call.connection.name, self._ways.host, profile=PROFILE, account=call.connection.account
        )
        try:
            self._gateway.bring_in_over(
                leg, trunk, f"a media stream of Twilio connection {call.connection.name}"
            )
        except TielineError as error:
            self._log.error("a call could not be brought in", detail=error.message)
            call.refused = True
            return None
        self._by_leg[leg.id] = call
        leg.over.add_done_callback(lambda _: self._by_leg.pop(leg.id, None))
        return call

    # -- handoffs ---------------------------------------------------------------------------------------------

    def call_of(self, leg_id: int, headers: Mapping[str, str]) -> ProviderCall | None:
        """The call behind a leg: one that a stream has brought, or whose INVITE bears our token."""
        found = self._by_leg.get(leg_id)
        if found is not None:
            return found
        token = next(
            (value for name, value in headers.items() if name.casefold() == CALL_HEADER.casefold()), None
        )
        call = self._calls.of_sip_token(token) if token is not None else None
        if call is None or call.sip_leg not in {None, leg_id}:
            return None
        call.sip_leg = leg_id
        return call

    # -- after a restart --------------------------------------------------------------------------------------

    @property
    def ways(self) -> CallWays:
        """What its calls need of the server."""
        return self._ways

    def take_up(self, call: TwilioCall) -> None:
        """Know a call of the last process, which Twilio will tell of."""
        self._calls.add(call, _now())

    # -- upkeep -----------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="twilio call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Finish what is under way at Twilio, for a little while."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=2)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _StreamReader:
    """Reads one stream."""

    def __init__(self, voice: TwilioVoice, wire: StreamWire) -> None:
        self.call: TwilioCall | None = None
        self._voice = voice
        self._wire = wire
        self._bad = 0

    async def read(self, socket: StreamSocket) -> str:
        """Read to the end; how it ended."""
        self._voice.unstarted += 1
        try:
            async with asyncio.timeout(START_S):
                while self.call is None:
                    word = self._take(await socket.receive())
                    if word is not None:
                        return word
        except TimeoutError:
            return "no_start"
        finally:
            self._voice.unstarted -= 1
        while True:
            word = self._take(await socket.receive())
            if word is not None:
                return word

    def _take(self, text: str | bytes | None) -> str | None:
        """One message; a word when it is the last."""
        if text is None:
            return "closed"
        try:
            fact = protocol.read_message(text)
        except protocol.BadMessage:
            self._bad += 1
            return "bad_messages" if self._bad > protocol.MAX_BAD else None
        if isinstance(fact, protocol.Stopped):
            return "stopped"
        if isinstance(fact, protocol.Started) and self.call is None:
            self._wire.stream_sid = fact.stream_sid
            self.call = self._voice.attach(fact, self._wire)
            return "refused" if self.call is None else None
        leg = self.call.leg if self.call is not None else None
        if leg is None:
            return None
        if isinstance(fact, protocol.Audio):
            leg.feed(fact.pcmu)
        elif isinstance(fact, protocol.Pressed):
            # What is on its way to a caller who presses a key is not wanted any more.
            self._wire.clear()
            leg.press(fact.digit)
        elif isinstance(fact, protocol.Marked):
            self._wire.on_marked(fact.name)
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_of(call: TwilioCall, connection: TwilioConnection) -> bool:
    return call.connection.name == connection.name


def _was_taken(after: str, form: Mapping[str, str]) -> bool:
    """Whether a caller whom nobody here knows any more has been with somebody: we were restarted meanwhile."""
    if after == "refer":
        return form.get("NotifySipResponseCode", "").startswith("2")
    taken = form.get("DialCallStatus") in {"completed", "answered"} and form.get("DialBridged") != "false"
    return after == "dial" and taken


def _line_of(connection: TwilioConnection, facts: CallFacts) -> TwilioNumber | None:
    return next((one for one in connection.numbers if numbers.dialled(one.number) == facts.callee), None)


def _leg_facts(connection: TwilioConnection, facts: CallFacts) -> LegFacts:
    return LegFacts(
        sip_call_id=f"{facts.sid}@twilio",
        from_tag=secrets.token_hex(6),
        to_tag=secrets.token_hex(6),
        caller=facts.caller,
        callee=facts.callee,
        remote=("127.0.0.1", 0),
        domain="twilio.invalid",
        headers=facts.headers,
    )


def _fallback_number(project: Project) -> str | None:
    """Where callers of a project go when it cannot take them, where Twilio can call that by itself."""
    wanted = project.fallback_handoff
    found = [one for one in project.handoffs if (one.is_default if wanted is None else one.name == wanted)]
    for one in found or project.handoffs[:1]:
        route = (one.sip_config.phone_number or "").strip("<> ")
        number = (
            numbers.dialled(route.partition(":")[2]) if route.startswith("tel:") else numbers.dialled(route)
        )
        if not route.lower().startswith(("sip:", "sips:")):
            return number if number is not None and number.startswith("+") else None
        return route
    return None
