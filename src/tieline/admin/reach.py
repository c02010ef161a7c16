"""Where this server is reached, as clients, trunks and providers are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reach:
    """Known once the server has started. `http` is the base URL; `sip` the advertised `host, port` by transport."""

    http: str = ""
    sip: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def sip_host(self, transport: str = "udp") -> str:
        """The SIP address as it stands in a URI, of another transport where that one is off; `:5060` left out."""
        found = self.sip.get(transport) or next(iter(self.sip.values()), None)
        if found is None:
            return ""
        host, port = found
        shown = f"[{host}]" if ":" in host else host
        return shown if port == 5060 else f"{shown}:{port}"
