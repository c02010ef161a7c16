"""Settings: the records that *are* the table; every field carries its type, default, meaning and unit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tieline.model.record import Record

_Port = Annotated[int, Meta(ge=0, le=65535)]
_Positive = Annotated[float, Meta(gt=0)]
_NotNegative = Annotated[float, Meta(ge=0)]
_Count = Annotated[int, Meta(ge=1)]


def _about(description: str, unit: str = "") -> Meta:
    return Meta(description=description, extra={"unit": unit})


class UnknownPeers(StrEnum):
    """What happens to SIP from an address that belongs to no trunk."""

    REFUSE = "refuse"
    DROP = "drop"


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The lowest level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ServerSettings(Record):
    """The server as a whole."""

    public_url: Annotated[
        str | None,
        _about("Base URL under which clients reach the HTTP API; shown in OpenAPI and by the demo."),
    ] = None
    default_region: Annotated[
        Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None,
        _about("ISO 3166 country that completes national phone numbers where a trunk names none."),
    ] = None
    max_calls: Annotated[
        _Count, _about("Calls at one time; further ones get 503 with Retry-After.", "calls")
    ] = 250
    max_cps: Annotated[
        _NotNegative,
        _about("New calls in a second over all trunks; further ones get 503; 0 sets no limit.", "1/s"),
    ] = 0.0
    max_lag_ms: Annotated[
        _NotNegative,
        _about(
            "How late the server may run before new calls get 503, so that those that are up stay well; 0 never does.",
            "ms",
        ),
    ] = 250.0
    drain_timeout_s: Annotated[
        _NotNegative, _about("How long running calls may finish after SIGTERM before they are ended.", "s")
    ] = 30.0


class HttpSettings(Record):
    """The HTTP API."""

    host: Annotated[str, _about("Address that HTTP listens on.")] = "127.0.0.1"
    port: Annotated[_Port, _about("Port that HTTP listens on; 0 takes a free one.")] = 8080
    max_connections: Annotated[
        Annotated[int, Meta(ge=1)],
        _about(
            "Connections at a time, with browsers and media streams; further ones get 503 with Retry-After."
        ),
    ] = 1000
    attributes_max_bytes: Annotated[
        Annotated[int, Meta(ge=2)],
        _about("Largest `attributes` object of a reservation, as JSON text; larger ones get 413.", "bytes"),
    ] = 65536
    attributes_max_depth: Annotated[
        Annotated[int, Meta(ge=1, le=200)],
        _about("Deepest nesting of `attributes`; deeper ones get 400.", "levels"),
    ] = 20
    max_wait_s: Annotated[
        Annotated[float, Meta(ge=0, le=300)], _about("Longest `?wait=` that Get Handoff grants.", "s")
    ] = 60.0


class SipSettings(Record):
    """SIP: where we listen, and the address we write into Via and Contact."""

    udp_host: Annotated[str, _about("Address that SIP over UDP is bound to; empty turns UDP off.")] = (
        "0.0.0.0"
    )
    udp_port: Annotated[_Port, _about("Port of SIP over UDP; 0 takes a free one.")] = 5060
    tcp_host: Annotated[str, _about("Address that SIP over TCP is bound to; empty turns TCP off.")] = (
        "0.0.0.0"
    )
    tcp_port: Annotated[_Port, _about("Port of SIP over TCP; 0 takes a free one.")] = 5060
    tls_host: Annotated[
        str, _about("Address that SIP over TLS is bound to, once there is a certificate; empty turns it off.")
    ] = "0.0.0.0"
    tls_port: Annotated[_Port, _about("Port of SIP over TLS; 0 takes a free one.")] = 5061
    tls_certificate: Annotated[
        str | None,
        _about("PEM file with our certificate and those between it and its root; unset: no calls in by TLS."),
    ] = None
    tls_key: Annotated[
        str | None, _about("PEM file with the key, without a password; unset: it is in `tls_certificate`.")
    ] = None
    tls_ca: Annotated[
        str | None,
        _about("PEM file with the authorities that we trust when we call; unset: the system's."),
    ] = None
    tls_client_ca: Annotated[
        str | None,
        _about("PEM file with the authority whose certificate callers have to show; unset: they need none."),
    ] = None
    tls_client_certificate: Annotated[
        str | None, _about("PEM file with the certificate that we show when we call, if it is another one.")
    ] = None
    tls_client_key: Annotated[str | None, _about("PEM file with the key of `tls_client_certificate`.")] = None
    keepalive_s: Annotated[
        _NotNegative,
        _about("Longest silence on a TCP or TLS connection before it gets a ping (CRLF); 0 sends none.", "s"),
    ] = 100.0
    dns_servers: Annotated[
        str | None,
        _about("DNS servers for the names of trunks, `address` or `address:port`; unset: the system's."),
    ] = None
    advertised_host: Annotated[
        str | None,
        _about(
            "Address or name that peers are told to reach us by; without it, the bound or routed address."
        ),
    ] = None
    advertised_port: Annotated[
        _Port | None,
        _about("Port of UDP and TCP that peers are told to reach us by; without it, the bound port."),
    ] = None
    advertised_tls_port: Annotated[
        _Port | None, _about("Port of TLS that peers are told to reach us by; without it, the bound port.")
    ] = None
    unknown_peers: Annotated[
        UnknownPeers, _about("Answer an unknown peer's INVITE with 403 (`refuse`), or say nothing (`drop`).")
    ] = UnknownPeers.REFUSE
    max_message_bytes: Annotated[
        Annotated[int, Meta(ge=1500, le=65535)],
        _about("Largest SIP message that is parsed; larger ones get 513 or are dropped.", "bytes"),
    ] = 65535


class RtpSettings(Record):
    """Audio: where RTP is received, and the address we write into SDP."""

    bind_host: Annotated[str, _about("Address that RTP sockets are bound to.")] = "0.0.0.0"
    advertised_host: Annotated[
        str | None, _about("Address written into SDP; without it, the advertised SIP address.")
    ] = None
    port_first: Annotated[
        Annotated[int, Meta(ge=1024, le=65535)], _about("First port of the RTP range; even ports are used.")
    ] = 20000
    port_last: Annotated[
        Annotated[int, Meta(ge=1024, le=65535)], _about("Last port of the RTP range, included.")
    ] = 20999
    silence_timeout_s: Annotated[
        _NotNegative, _about("End a call after so long without any RTP; 0 never does.", "s")
    ] = 60.0
    hold_timeout_s: Annotated[
        _NotNegative,
        _about("End a call that was on hold, or muted, for so long without a break; 0 never does.", "s"),
    ] = 3600.0
    media_processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)], _about("Processes that carry audio; about 300 calls each.")
    ] = 1


class StoreSettings(Record):
    """Where reservations, conversations and resources are kept."""

    path: Annotated[str, _about("The SQLite database file; `:memory:` keeps nothing (tests only).")] = (
        "tieline.db"
    )
    key_file: Annotated[
        str | None,
        _about(
            "File with the keys that projects' secrets are encrypted with; without it, `<store.path>.key`, "
            "which is made when needed."
        ),
    ] = None
    keep_days: Annotated[
        _NotNegative,
        _about(
            "How long ended conversations (turns, outcomes) and reservations are kept; 0 keeps them for ever.",
            "days",
        ),
    ] = 90.0
    keep_audit_days: Annotated[
        _NotNegative,
        _about("How long entries of the audit log are kept; 0 keeps them for ever.", "days"),
    ] = 400.0
    idempotency_retention_s: Annotated[
        _Positive,
        _about(
            "How long an `Idempotency-Key` is remembered at least; it is forgotten within two hours after.",
            "s",
        ),
    ] = 86400.0


class AgentSettings(Record):
    """The processes that run the customer's functions."""

    function_limit_s: Annotated[_Positive, _about("Time limit of one function.", "s")] = 10.0
    start_limit_s: Annotated[
        _Positive, _about("Time limit of `start_function`, while the caller hears ringing.", "s")
    ] = 3.0
    runner_memory_mb: Annotated[
        Annotated[int, Meta(ge=64)], _about("Memory limit of one runner process.", "MiB")
    ] = 512
    max_runners: Annotated[_Count, _about("Runner processes of one project at one time.", "processes")] = 32
    warm_runners: Annotated[
        Annotated[int, Meta(ge=0)], _about("Runner processes kept ready between runs.", "processes")
    ] = 2


class VoiceSettings(Record):
    """The offline voice that speaks prompts."""

    name: Annotated[
        str, _about("eSpeak NG voice variant, for example `f2`; empty takes the language's own.")
    ] = ""
    language: Annotated[str, _about("Language of prompts, as eSpeak NG names it.")] = "en-us"


class LogSettings(Record):
    """Logs."""

    level: Annotated[LogLevel, _about("Lowest level written.")] = LogLevel.INFO
    format: Annotated[LogFormat, _about("`console` for people, `json` for machines.")] = LogFormat.CONSOLE
    personal_data: Annotated[
        bool, _about("Write values under a `pii.` key (numbers, attributes, digits). Off: they are dropped.")
    ] = False


class StudioSettings(Record):
    """The web console."""

    enabled: Annotated[bool, _about("Serve the studio, at `/studio` of the HTTP port.")] = True
    session_idle_hours: Annotated[
        _Positive, _about("How long somebody stays signed in without doing anything.", "hours")
    ] = 12.0
    session_max_days: Annotated[
        _Positive, _about("How long somebody stays signed in at most; then they sign in again.", "days")
    ] = 30.0
    trusted_proxies: Annotated[
        str,
        _about(
            "Addresses or networks of proxies, with commas between, whose `X-Forwarded-For` is believed; the limit "
            "on sign-in attempts and the audit log go by it."
        ),
    ] = ""


class TestCallSettings(Record):
    """Test calls in the studio: a browser's audio comes by WebRTC, straight to this server."""

    __test__ = False

    max_calls: Annotated[
        Annotated[int, Meta(ge=0)], _about("Test calls at one time; 0 allows none.", "calls")
    ] = 4
    bind_host: Annotated[
        str | None,
        _about(
            "Address that browsers' audio is received on; without it, that of HTTP, and where HTTP listens on loopback "
            "or on all addresses: loopback and the address of the default route."
        ),
    ] = None
    advertised_host: Annotated[
        str | None, _about("Address that browsers are told in its place, where the server is behind NAT.")
    ] = None
    port_first: Annotated[_Port, _about("First UDP port of browsers' audio; 0 takes any free one.")] = 0
    port_last: Annotated[_Port, _about("Last UDP port of browsers' audio, included.")] = 0


class WebhookSettings(Record):
    """Webhooks out."""

    private_targets: Annotated[
        bool,
        _about("Let endpoints that say so be private or loopback addresses; otherwise all such are refused."),
    ] = False


class TwilioSettings(Record):
    """Customers' own Twilio accounts."""

    api_url: Annotated[
        str | None,
        _about(
            "Base URL that takes the place of `https://<product>.twilio.com`: for a proxy, or a Twilio of tests."
        ),
    ] = None
    sip_address: Annotated[
        str | None,
        _about(
            "Where `<Dial><Sip>` reaches our SIP: `host[:port][;transport=...]`; without it, the advertised address, "
            "by TLS where there is a certificate."
        ),
    ] = None


class SmsSettings(Record):
    """Text messages."""

    answer_keywords: Annotated[
        bool,
        _about(
            "Answer STOP, START and HELP ourselves. Leave it off while Twilio does (its default on all numbers)."
        ),
    ] = False
    stop_answer: Annotated[str, _about("Answer to STOP; empty for none.")] = (
        "You will get no more messages from us. Reply START to get them again."
    )
    start_answer: Annotated[str, _about("Answer to START; empty for none.")] = (
        "You will get messages from us again. Reply STOP to end them."
    )
    help_answer: Annotated[str, _about("Answer to HELP; empty for none.")] = (
        "Reply STOP to get no more messages. Message and data rates may apply."
    )


class Settings(Record):
    """All settings, checked. `source` is the file they came from, if any."""

    server: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
    sip: SipSettings = SipSettings()
    rtp: RtpSettings = RtpSettings()
    store: StoreSettings = StoreSettings()
    agent: AgentSettings = AgentSettings()
    studio: StudioSettings = StudioSettings()
    test_calls: TestCallSettings = TestCallSettings()
    webhooks: WebhookSettings = WebhookSettings()
    sms: SmsSettings = SmsSettings()
    twilio: TwilioSettings = TwilioSettings()
    voice: VoiceSettings = VoiceSettings()
    log: LogSettings = LogSettings()
    source: Path | None = None


def rtp_capacity(rtp: RtpSettings) -> int:
    """How many calls the port range carries: each takes an even port for RTP and leaves the next one free."""
    return len(range(rtp.port_first + rtp.port_first % 2, rtp.port_last + 1, 2))
