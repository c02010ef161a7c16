"""Settings: one table, read from `tieline.toml` and the environment."""

from tieline.config.loader import DEFAULT_FILE, load_settings
from tieline.config.records import (
    AgentSettings,
    HttpSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    RtpSettings,
    ServerSettings,
    Settings,
    SipSettings,
    SmsSettings,
    StoreSettings,
    StudioSettings,
    UnknownPeers,
    VoiceSettings,
    rtp_capacity,
)
from tieline.config.table import ENV_PREFIX, SECTIONS, SETTINGS, Setting

__all__ = [
    "DEFAULT_FILE",
    "ENV_PREFIX",
    "SECTIONS",
    "SETTINGS",
    "AgentSettings",
    "HttpSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "RtpSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "SipSettings",
    "SmsSettings",
    "StoreSettings",
    "StudioSettings",
    "UnknownPeers",
    "VoiceSettings",
    "load_settings",
    "rtp_capacity",
]
