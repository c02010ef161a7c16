"""The module that projects know as `_gen`: `from _gen import *` at the head of every function file.

Type names (`Conversation`, `Flow`) for annotations, decorators that describe a function to a language model, the
errors a function may catch, and plain value classes for voices and the like, so that a file which names them can
be imported; using them raises `NotInThisRelease` at the `conv` method they are handed to.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

from tieline.agent import conversation, sms, state, unsupported

F = TypeVar("F", bound=Callable[..., Any])


def func_description(description: str) -> Callable[[F], F]:
    """Describe the function to a language model. Kept on the function as `__description__`."""

    def decorate(function: F) -> F:
        function.__dict__["__description__"] = description
        return function

    return decorate


def func_parameter(name: str, description: str) -> Callable[[F], F]:
    """Describe one parameter to a language model. Kept on the function in `__parameters_described__`."""

    def decorate(function: F) -> F:
        function.__dict__.setdefault("__parameters_described__", {})[name] = description
        return function

    return decorate


def func_latency_control(
    delay_before_responses_start: float = 0,
    silence_after_each_response: float = 0,
    delay_responses: list[tuple[str, float]] | None = None,
    randomize: bool = False,
) -> Callable[[F], F]:
    """Say what to play while the function runs. Kept on the function as `__latency_control__`; not yet played."""
    settings = {
        "delay_before_responses_start": delay_before_responses_start,
        "silence_after_each_response": silence_after_each_response,
        "delay_responses": delay_responses or [],
        "randomize": randomize,
    }

    def decorate(function: F) -> F:
        function.__dict__["__latency_control__"] = settings
        return function

    return decorate


class Value:
    """A bag of what it was made with: stands for the voice, message and configuration classes of `_gen`."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        self.args = args
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


VALUE_CLASSES = (
    "AgentResponseSuggestion",
    "Address",
    "ApiExecutor",
    "Attachment",
    "CartesiaVoice",
    "CustomVoice",
    "ElevenLabsVoice",
    "Emotion",
    "EmotionIntensity",
    "EmotionKind",
    "EntityValidationResult",
    "GoogleVoice",
    "HumeVoice",
    "Integrations",
    "MetricEvent",
    "MinimaxVoice",
    "PlayHTVoice",
    "RimeVoice",
    "SMSReceived",
    "TTSVoice",
    "Variant",
    "VoiceType",
    "VoiceWeighting",
)
"""Names that projects mention and this release does not act on."""

ERROR_CLASSES = ("MissingAccess", "SMSIntegrationNotFound", "SMSMissingAssistantAccess")
"""Errors that projects catch and this release never raises."""

SUPPORTED: dict[str, Any] = {
    "AgentResponse": conversation.AgentResponse,
    "Conversation": conversation.Conversation,
    "ConversationLogger": conversation.ConversationLogger,
    "Flow": conversation.Flow,
    "FlowFunctionExecutor": conversation.FlowFunctionExecutor,
    "FunctionExecutor": conversation.FunctionExecutor,
    "MissingHandoff": conversation.MissingHandoff,
    "MissingTemplate": sms.MissingTemplate,
    "MissingToken": sms.MissingToken,
    "NotInThisRelease": unsupported.NotInThisRelease,
    "OutgoingSMS": sms.OutgoingSMS,
    "OutgoingSMSTemplate": sms.OutgoingSMSTemplate,
    "SMSTemplate": sms.SMSTemplate,
    "SecretNotFound": conversation.SecretNotFound,
    "State": state.State,
    "UserInput": conversation.UserInput,
    "Utils": conversation.Utilities,
    "func_description": func_description,
    "func_latency_control": func_latency_control,
    "func_parameter": func_parameter,
}
"""Names that mean what they say."""


def make_gen_module() -> types.ModuleType:
    """A fresh `_gen`."""
    module = types.ModuleType("_gen", "Names that Tieline gives to every function file.")
    module.__dict__.update(SUPPORTED)
    for name in VALUE_CLASSES:
        module.__dict__[name] = type(name, (Value,), {"__module__": "_gen"})
    for name in ERROR_CLASSES:
        module.__dict__[name] = type(name, (Exception,), {"__module__": "_gen"})
    module.__dict__["__all__"] = sorted([*SUPPORTED, *VALUE_CLASSES, *ERROR_CLASSES])
    return module


def make_plog_module() -> types.ModuleType:
    """A fresh `plog`: logging without `conv`, into the log of the run that is under way."""
    module = types.ModuleType("plog", "Logging for function files: info, warning, error, debug, tmp_bind.")
    for level in ("debug", "info", "warning", "error", "exception", "critical"):
        module.__dict__[level] = functools.partial(
            _log, "error" if level in {"exception", "critical"} else level
        )
    module.__dict__["warn"] = module.__dict__["warning"]
    module.__dict__["tmp_bind"] = _Bound
    module.__dict__["bind"] = _Bound
    return module


def _log(level: str, content: object = "", *args: object, is_pii: bool = False, **fields: Any) -> None:
    text = str(content) % args if args else content
    sink = getattr(sys.stdout, "log", None)
    if sink is not None:
        sink(level, text, is_pii=is_pii, fields=fields)


class _Bound:
    """`plog.tmp_bind(...)`: accepted as decorator and context manager; the bound fields are not repeated."""

    def __init__(self, **_fields: Any) -> None:
        pass

    def __call__(self, function: F) -> F:
        return function

    def __enter__(self) -> _Bound:
        return self

    def __exit__(self, *_error: object) -> None:
        return None
