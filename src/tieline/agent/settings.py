"""How a project's agent processes are run. Times in seconds."""

from __future__ import annotations

import msgspec

KEPT_ENVIRONMENT = (
    "PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "PYTHONPATH",
)  # fmt: skip
"""Environment variables of the server that agent processes see; everything else is withheld."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one project's agent.

    `start_limit_s` is the time of `start_function`, which the caller waits for before hearing anything. A function
    that is still running `grace_s` after its limit is killed with its process. `memory_mb` is what a runner may use
    beyond the loaded project. At most `runners_max` functions run at a time; `runners_warm` processes are kept ready.
    Beyond that, `queue_max` runs wait for up to `queue_wait_s`. `runs_per_runner` of 0 keeps a process for good; 1
    gives every run a fresh one.
    """

    function_limit_s: float = 10.0
    start_limit_s: float = 3.0
    grace_s: float = 1.0
    memory_mb: int = 512
    runners_warm: int = 2
    runners_max: int = 32
    queue_max: int = 1_000
    queue_wait_s: float = 10.0
    runs_per_runner: int = 0
    load_limit_s: float = 30.0
    restart_delay_s: float = 0.2
    restart_delay_max_s: float = 30.0
    kept_environment: tuple[str, ...] = KEPT_ENVIRONMENT
