"""`conv` and `flow`: what a customer's function reads, and the intents it records.

Nothing here does I/O. Methods write down what was asked for; `tieline.agent.turn` reads it once the function has
returned. Of several navigations the last one wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tieline.agent.context import CallContext
from tieline.agent.journal import Journal
from tieline.agent.messages import ConversationSnapshot, Metric
from tieline.agent.sms import OutgoingSMS, OutgoingSMSTemplate, SmsQueue, SMSTemplate
from tieline.agent.state import SipHeaders, State, to_json
from tieline.agent.unsupported import (
    CONVERSATION_ATTRIBUTES,
    CONVERSATION_METHODS,
    UTILITIES,
    add_unsupported,
)
from tieline.model.handoff import Destination, HandoffMethod

if TYPE_CHECKING:
    from tieline.agent.code import ProjectCode


class MissingHandoff(LookupError):
    """`conv.call_handoff` named a destination that the project does not have."""


class SecretNotFound(LookupError):
    """`conv.utils.get_secret` named a secret that is not configured."""


class Navigation(msgspec.Struct, frozen=True):
    """Where to go once the function has returned: another flow (perhaps at a step), a step of this one, or out."""

    flow: str | None = None
    step: str | None = None
    leave: bool = False


class HandoffConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `conv.handoffs`."""

    description: str
    is_default: bool
    sip_type: str
    sip_config: dict[str, Any]
    sip_headers: dict[str, str]

    @classmethod
    def of(cls, destination: Destination) -> HandoffConfig:
        """The entry for a configured destination."""
        config = destination.sip_config
        fields = {
            "method": config.method.value,
            "phone_number": config.phone_number,
            "outbound_endpoint": config.outbound_endpoint,
            "outbound_encryption": config.outbound_encryption,
        }
        return cls(
            description=destination.description,
            is_default=destination.is_default,
            sip_type=config.method.value,
            sip_config={key: value for key, value in fields.items() if value is not None},
            sip_headers={header.key: header.value for header in destination.sip_headers},
        )


class HistoryEntry:
    """What one side said: `text`, and `role` (`user` or `agent`)."""

    role = ""

    def __init__(self, text: str) -> None:
        self.text = text

    def to_dict(self) -> dict[str, str]:
        """`{"role": ..., "text": ...}`."""
        return {"role": self.role, "text": self.text}

    def to_string(self) -> str:
        """`role: text`."""
        return f"{self.role}: {self.text}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HistoryEntry) and (other.role, other.text) == (self.role, self.text)

    def __hash__(self) -> int:
        return hash((self.role, self.text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


class UserInput(HistoryEntry):
    """What the caller said or keyed in."""

    role = "user"


class AgentResponse(HistoryEntry):
    """What the agent said."""

    role = "agent"


class ConversationLogger:
    """`conv.log`: lines for the conversation's log. With `is_pii` the line is kept out of every other log."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def info(self, content: object, is_pii: bool = False, **fields: Any) -> None:
        """Log `content` with `fields` at level info."""
        self._journal.add("info", content, is_pii=is_pii, fields=fields)

    def warning(self, content: object, is_pii: bool = False, **fields: Any) -> None:
        """Log `content` with `fields` at level warning."""
        self._journal.add("warning", content, is_pii=is_pii, fields=fields)

    def error(self, content: object, is_pii: bool = False, **fields: Any) -> None:
        """Log `content` with `fields` at level error."""
        self._journal.add("error", content, is_pii=is_pii, fields=fields)


class Utilities:
    """`conv.utils`."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._secrets = secrets

    def get_secret(self, secret_name: str) -> str | dict[str, Any]:
        """The secret's text, or a dict where it is a JSON object. Raises `SecretNotFound`."""
        try:
            text = self._secrets[secret_name]
        except KeyError:
            raise SecretNotFound(f"The secret {secret_name!r} is not configured for this project.") from None
        if text.lstrip().startswith("{"):
            try:
                value = msgspec.json.decode(text)
            except msgspec.DecodeError:
                return text
            if isinstance(value, dict):
                return value
        return text


class FunctionExecutor:
    """`conv.functions`: other global functions of the project, called by name without `conv`."""

    def __init__(self, conv: Conversation) -> None:
        self._conv = conv

    def __getattr__(self, name: str) -> Callable[..., Any]:
        conv = self._conv
        function = conv._code.find_function(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return function(conv, *args, **kwargs)

        return call


class FlowFunctionExecutor:
    """`flow.functions`: transition functions of the current flow, called by name without `conv` and `flow`."""

    def __init__(self, conv: Conversation, flow: Flow) -> None:
        self._conv = conv
        self._flow = flow

    def __getattr__(self, name: str) -> Callable[..., Any]:
        conv, flow = self._conv, self._flow
        function = conv._code.find_flow_function(flow.name, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return function(conv, flow, *args, **kwargs)

        return call


class Flow:
    """`flow`: the flow a function step or transition function belongs to."""

    def __init__(self, conv: Conversation, name: str, step: str) -> None:
        self._conv = conv
        self.name = name
        self.current_step = step

    @property
    def functions(self) -> FlowFunctionExecutor:
        """The flow's transition functions."""
        return FlowFunctionExecutor(self._conv, self)

    def goto_step(self, step_name: str, label: str | None = None) -> None:
        """Go to another step of this flow once the function has returned. `label` is for the log."""
        step = self._conv._code.find_step(self.name, step_name)
        if label is not None:
            self._conv._journal.add("info", f"goto_step {step}: {label}")
        self._conv._navigation = Navigation(flow=self.name, step=step)


class Conversation:
    """`conv`: one conversation as a function sees it.

    Reading gives the state of things when the turn began, with the changes functions have made since. See
    docs/reference/conv.md for every name.
    """

    def __init__(
        self,
        snapshot: ConversationSnapshot,
        code: ProjectCode,
        journal: Journal,
        user_input: str | None = None,
    ) -> None:
        self._code = code
        self._journal = journal
        self._says: list[str] = []
        self._metrics: list[Metric] = []
        self._metrics_written = list(snapshot.metrics_written)
        self._navigation: Navigation | None = None
        self._handoff: dict[str, Any] | None = None
        self._sms = SmsQueue(code.spec.sms_templates, snapshot.env)
        self._history = list(snapshot.history)
        self._variant_name = snapshot.variant_name
        self._current_flow = snapshot.current_flow
        self._current_step = snapshot.current_step
        self._state = State(snapshot.state)
        self.id = snapshot.id
        self.account_id = snapshot.account_id
        self.project_id = snapshot.project_id
        self.env = snapshot.env
        self.channel_type = snapshot.channel_type
        self.sip_headers = SipHeaders(snapshot.sip_headers)
        self.integration_attributes = snapshot.integration_attributes
        self.context = CallContext(snapshot.context, snapshot.integration_attributes)
        self.caller_number = snapshot.caller_number
        self.callee_number = snapshot.callee_number
        self.language = snapshot.language
        self.handoff_result = snapshot.handoff_result
        self.user_input = user_input
        self.log = ConversationLogger(journal)
        self.utils = Utilities(code.secrets)
        self.functions = FunctionExecutor(self)

    @property
    def state(self) -> State:
        """The conversation's state: a dict with attribute access, kept from turn to turn."""
        return self._state

    @property
    def history(self) -> list[UserInput | AgentResponse]:
        """What was said so far, oldest first."""
        return [
            (UserInput if entry.get("role") == "user" else AgentResponse)(str(entry.get("text", "")))
            for entry in self._history
        ]

    @property
    def handoffs(self) -> dict[str, HandoffConfig]:
        """The project's handoff destinations by name."""
        return {item.name: HandoffConfig.of(item) for item in self._code.spec.destinations}

    @property
    def sms_templates(self) -> dict[str, SMSTemplate]:
        """The project's SMS templates by name."""
        return self._sms.templates()

    @property
    def sms_queue(self) -> list[OutgoingSMS | OutgoingSMSTemplate]:
        """The text messages that this turn has asked for so far."""
        return self._sms.entries()

    @property
    def current_flow(self) -> str | None:
        """The name of the flow the conversation is in, or None."""
        return self._current_flow

    @property
    def current_step(self) -> str | None:
        """The step of the current flow, or None."""
        return self._current_step

    @property
    def variant_name(self) -> str | None:
        """The variant set by `set_variant` or a `variant` return key, or None."""
        return self._variant_name

    def say(self, utterance: str) -> None:
        """Speak `utterance` after the function has returned, before its returned utterance."""
        if require_text(utterance, "the utterance of conv.say").strip():
            self._says.append(utterance)

    def goto_flow(self, flow_name: str) -> None:
        """Enter a flow at its start step once the function has returned."""
        flow = self._code.find_flow(flow_name)
        self._navigation = Navigation(flow=flow.name)

    def exit_flow(self) -> None:
        """Leave the current flow once the function has returned."""
        self._navigation = Navigation(leave=True)

    def set_variant(self, variant: str) -> None:
        """Set the name of the conversation's variant."""
        self._variant_name = require_text(variant, "the variant of conv.set_variant")

    def call_handoff(
        self,
        destination: str,
        reason: str | None = None,
        utterance: str | None = None,
        sip_headers: dict[str, str] | None = None,
        route: str | None = None,
    ) -> None:
        """Hand the caller to `destination` once the function has returned and `utterance` has been spoken.

        Raises `MissingHandoff` for a name the project does not have.
        """
        target = find_destination(self._code.spec.destinations, destination)
        for label, text in (("reason", reason), ("utterance", utterance), ("route", route)):
            if text is not None:
                require_text(text, f"the {label} of conv.call_handoff")
        self._handoff = {
            "destination": target.name,
            "reason": reason,
            "utterance": utterance,
            "route": route,
            "sip_headers": to_header_values(sip_headers or {}, "conv.call_handoff"),
        }

    def send_sms(
        self, to_number: str, from_number: str, content: str, retry_count: int | None = None
    ) -> None:
        """Send a text message once the function has returned; `retry_count` times more if Twilio cannot take it.

        Raises `ValueError` for what can never be sent.
        """
        self._sms.add(to_number, from_number, content, retry_count)

    def send_sms_template(self, to_number: str, template: str, retry_count: int | None = None) -> None:
        """Send one of the project's templates, filled in now, as `send_sms` does.

        Raises `MissingTemplate` for a name the project does not have, `MissingToken` for tokens without a value.
        """
        variables = {
            "caller_number": self.caller_number,
            "callee_number": self.callee_number,
            "conversation_id": self.id,
            **self._state,
        }
        self._sms.add_template(to_number, template, retry_count, self.integration_attributes, variables)

    def write_metric(self, name: str, value: Any = None, *, write_once: bool = False) -> None:
        """Record a metric of this conversation; with `write_once` only the first time in the call."""
        if not require_text(name, "the name of conv.write_metric"):
            raise ValueError("conv.write_metric takes a name as its first argument.")
        if write_once and name in self._metrics_written:
            return
        plain = to_json(value, f"the metric {name}")
        if name not in self._metrics_written:
            self._metrics_written.append(name)
        self._metrics.append(Metric(name=name, value=plain, write_once=write_once))


add_unsupported(Conversation, "conv", attributes=CONVERSATION_ATTRIBUTES, methods=CONVERSATION_METHODS)
add_unsupported(Utilities, "conv.utils", attributes={}, methods=UTILITIES)


def require_text(value: Any, what: str) -> str:
    """`value`, which must be text. Raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, not {type(value).__name__}.")
    return value


def find_destination(destinations: tuple[Destination, ...], name: str) -> Destination:
    """The destination called `name`, exactly; `"default"` in any case is the default one. Or `MissingHandoff`."""
    require_text(name, "the destination of a handoff")
    for destination in destinations:
        if destination.name == name:
            return destination
    if name.lower() == "default":
        for destination in destinations:
            if destination.is_default:
                return destination
    known = ", ".join(item.name for item in destinations) or "none"
    raise MissingHandoff(f"There is no handoff destination {name!r}. Configured: {known}.")


def to_header_values(headers: Any, where: str) -> dict[str, str]:
    """Headers as text: booleans as `true` and `false`, numbers in digits; a None value leaves the header out."""
    if not isinstance(headers, dict):
        raise TypeError(f"sip_headers of {where} must be a dict, not {type(headers).__name__}.")
    values: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"sip_headers of {where} has the name {name!r}; names must be text.")
        if value is None:
            continue
        if isinstance(value, bool):
            values[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            values[name] = str(value)
        else:
            kind = type(value).__name__
            raise TypeError(
                f"sip_headers of {where}: {name} must be text, a number or a boolean, not {kind}."
            )
    return values


METHOD_KEYS = tuple(method.value for method in HandoffMethod)
"""The keys under which a returned handoff gives its own method."""
