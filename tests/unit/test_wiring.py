"""What the composition root decides by itself."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tieline.agent.settings import AgentSettings
from tieline.calls.agents import Agents
from tieline.calls.directory import Directory
from tieline.config import load_settings
from tieline.errors import ConfigurationError
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.sip.events import Transport
from tieline.store.seal import MARK
from tieline.wiring import listen_http, make_agent, media_address, sip_bindings, sip_config


async def test_only_the_project_whose_secrets_are_closed_is_out_of_service(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "start_function.py").write_text("def start_function(conv):\n    pass\n")
    path = str(tmp_path)
    well = Project(id="PROJECT-well", slug="well", account="ws-a", path=path, secrets={"crm": "in clear"})
    closed = Project(
        id="PROJECT-closed", slug="closed", account="ws-a", path=path, secrets={"crm": f"{MARK}x"}
    )
    agents = Agents(functools.partial(make_agent, AgentSettings(runners_warm=0)))
    try:
        await agents.sync(Directory(Resources(projects=(well, closed)), 1, ()))
        assert agents.find(well) is not None
        assert agents.find(closed) is None
        assert list(agents.faults) == ["PROJECT-closed"]
        assert "secrets that cannot be opened: crm; bring back the key" in agents.faults["PROJECT-closed"]
    finally:
        await agents.close()


def test_where_sip_listens_and_what_it_tells_peers() -> None:
    settings = load_settings(
        environ={},
        overrides={"sip.udp_host": "127.0.0.1", "sip.udp_port": 0, "sip.tcp_host": ""},
    )
    bound = sip_bindings(settings)
    assert bound.udp is not None
    assert bound.udp[0] == "127.0.0.1"
    assert bound.udp[1] > 0
    assert bound.tcp is bound.tls is None
    assert bound.present() == [("udp", bound.udp)]
    advertised = sip_config(settings, bound).advertised
    assert dict(advertised) == {Transport.UDP: bound.udp}
    named = load_settings(
        environ={},
        overrides={
            "sip.advertised_host": "sbc.example.com", "sip.advertised_port": 5080,
            "sip.advertised_tls_port": 5081, "sip.tls_certificate": "own.pem", "sip.tls_host": "127.0.0.1",
        },
    )  # fmt: skip
    assert sip_bindings(named).tls == ("127.0.0.1", 5061)
    assert dict(sip_config(named, sip_bindings(named)).advertised) == {
        Transport.UDP: ("sbc.example.com", 5080),
        Transport.TCP: ("sbc.example.com", 5080),
        Transport.TLS: ("sbc.example.com", 5081),
    }
    wild = load_settings(environ={}, overrides={"sip.udp_host": "0.0.0.0"})
    assert sip_config(wild, sip_bindings(wild)).advertised[Transport.UDP][0] != "0.0.0.0"


def test_the_address_for_sdp_is_the_trunks_the_configured_the_bound_or_the_routed_one() -> None:
    trunk = Trunk(name="t", networks=())
    own = Trunk(name="t", networks=(), advertised_host="192.0.2.9")
    wild = media_address(load_settings(environ={}))
    assert wild(trunk, "127.0.0.1") == "127.0.0.1"
    assert wild(own, "127.0.0.1") == "192.0.2.9"
    bound = media_address(load_settings(environ={}, overrides={"rtp.bind_host": "127.0.0.2"}))
    assert bound(trunk, "127.0.0.1") == "127.0.0.2"
    configured = media_address(load_settings(environ={}, overrides={"sip.advertised_host": "203.0.113.4"}))
    assert configured(trunk, "127.0.0.1") == "203.0.113.4"
    assert configured(own, "127.0.0.1") == "192.0.2.9"


def test_http_listens_where_it_is_told_or_says_why_not() -> None:
    with listen_http(load_settings(environ={}, overrides={"http.port": 0})) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"HTTP cannot listen on 127.0.0.1:{port}"):
            listen_http(load_settings(environ={}, overrides={"http.port": port}))
