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
from tieline.gateway.ice_place import IcePlace
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.model.trunk import DigestAlgorithm, Support, Trunk
from tieline.model.trunk import Transport as TrunkTransport
from tieline.net.addresses import local_address_towards
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.events import Flow, Transport
from tieline.store.seal import MARK
from tieline.wiring import (
    SipBindings,
    ice_place,
    listen_http,
    make_agent,
    media_address,
    peer_options,
    sip_bindings,
    sip_config,
    sip_location,
    trunk_options,
)


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


class TestWhatAPeerIsTold:
    """The address in Via and Contact that is not everybody's."""

    PEER = Flow(Transport.UDP, ("127.0.0.1", 5060))
    SIXTH = Flow(Transport.UDP, ("::1", 5060))

    def told(
        self, flow: Flow, trunk: Trunk | None = None, transports: str = "udp", **sip: object
    ) -> tuple[str, int] | None:
        off = {f"sip.{name}_host": "" for name in ("udp", "tcp") if name not in transports}
        settings = load_settings(
            environ={}, overrides={**off, **{f"sip.{name}": value for name, value in sip.items()}}
        )
        config = sip_config(settings, sip_bindings(settings))
        return trunk_options(settings, config)(flow, trunk).advertised

    def test_everybodys(self) -> None:
        assert self.told(self.PEER, udp_host="127.0.0.1") is None
        assert self.told(self.PEER, advertised_host="203.0.113.4") is None
        assert self.told(self.PEER, advertised_host="sbc.example.com") is None
        assert self.told(self.SIXTH, advertised_host="sbc.example.com") is None

    def test_the_trunks_own(self) -> None:
        both = Trunk(name="t", networks=(), advertised_host="sbc.example.com", advertised_port=5090)
        assert self.told(self.PEER, both) == ("sbc.example.com", 5090)
        host = Trunk(name="t", networks=(), advertised_host="sbc.example.com")
        assert self.told(self.PEER, host, udp_port=5070) == ("sbc.example.com", 5070)
        port = Trunk(name="t", networks=(), advertised_port=5090)
        assert self.told(self.PEER, port, advertised_host="203.0.113.4") == ("203.0.113.4", 5090)

    def test_the_routed_one_where_we_listen_on_all(self) -> None:
        if local_address_towards("192.0.2.1") != "127.0.0.1":
            assert self.told(self.PEER) == ("127.0.0.1", 5060)
        assert self.told(self.SIXTH, udp_host="::") == ("::1", 5060)

    def test_the_routed_one_of_the_peers_family(self) -> None:
        assert self.told(self.SIXTH, advertised_host="203.0.113.4") == ("::1", 5060)
        assert self.told(self.PEER, advertised_host="2001:db8::4") == ("127.0.0.1", 5060)
        assert self.told(Flow(Transport.UDP, ("fe80::1%lo", 5060)), advertised_host="2001:db8::4") is None

    def test_a_transport_that_is_only_used_outwards(self) -> None:
        flow = Flow(Transport.TLS, ("127.0.0.1", 5061), None, "sbc.example.com")
        assert self.told(flow, udp_host="127.0.0.1") == ("127.0.0.1", 5061)
        assert self.told(flow, advertised_host="203.0.113.4") == ("203.0.113.4", 5061)


BOTH_NAMES = {"username": "us", "password": "ours", "auth_username": "them", "auth_password": "theirs"}


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"username": "us", "password": "ours"}, {"credentials": Credentials("us", "ours")}),
        ({"username": "us"}, {}),
        ({"auth_username": "them", "auth_password": "theirs"}, {"required": Credentials("them", "theirs")}),
        ({"auth_password": "theirs"}, {}),
        (BOTH_NAMES, {"credentials": Credentials("us", "ours"), "required": Credentials("them", "theirs")}),
        ({"auth_algorithms": (DigestAlgorithm.MD5,)}, {"algorithms": ("MD5",)}),
        ({"auth_algorithms": tuple(DigestAlgorithm)[::-1]}, {"algorithms": ("MD5", "SHA-256")}),
        ({"session_timer": Support.OFF, "session_expires_s": 600}, {"session_expires_s": None}),
        ({"session_timer": Support.SUPPORTED, "session_expires_s": 600}, {"session_expires_s": 600}),
        ({"session_timer": Support.REQUIRED}, {"timer_required": True}),
        ({"reliable_provisional": Support.OFF}, {"reliable": False}),
        ({"reliable_provisional": Support.SUPPORTED}, {}),
        ({"reliable_provisional": Support.REQUIRED}, {"reliable_required": True}),
        ({"advertised_host": "203.0.113.4", "advertised_port": 5070}, {"advertised": ("203.0.113.4", 5070)}),
        ({"advertised_host": "203.0.113.4"}, {"advertised": ("203.0.113.4", 5060)}),
        ({"advertised_port": 5070}, {"advertised": ("127.0.0.1", 5070)}),
        ({"transport": TrunkTransport.UDP}, {"large_over_tcp": False}),
        ({"target": "sip:sbc.example.com;transport=udp"}, {"large_over_tcp": False}),
    ],
)
def test_how_a_trunks_peer_is_spoken_to(fields: dict[str, object], options: dict[str, object]) -> None:
    settings = load_settings(environ={}, overrides={"sip.udp_host": "127.0.0.1"})
    trunk = Trunk(name="t", networks=(), **fields)  # type: ignore[arg-type]
    options_of = trunk_options(settings, sip_config(settings, sip_bindings(settings)))
    shown = peer_options(options_of, lambda _host: [trunk])(Flow(Transport.UDP, ("127.0.0.1", 5060)))
    assert shown == PeerOptions(**{"large_over_tcp": True, **options})  # type: ignore[arg-type]


def test_a_peer_of_no_trunk_is_spoken_to_as_any() -> None:
    settings = load_settings(environ={}, overrides={"sip.udp_host": "127.0.0.1"})
    options_of = trunk_options(settings, sip_config(settings, sip_bindings(settings)))
    flow = Flow(Transport.UDP, ("127.0.0.1", 5060))
    assert peer_options(options_of, lambda _host: ())(flow) == PeerOptions()


def test_several_trunks_at_one_address_keep_their_terms() -> None:
    settings = load_settings(environ={}, overrides={"sip.udp_host": "127.0.0.1"})
    options_of = trunk_options(settings, sip_config(settings, sip_bindings(settings)))
    trunks = [
        Trunk(name=name, networks=(), target="sip:h;transport=udp", auth_username=name, auth_password="x")
        for name in ("a", "b")
    ]
    shown = peer_options(options_of, lambda _host: trunks)(Flow(Transport.UDP, ("127.0.0.1", 5060)))
    assert shown == PeerOptions(
        required=Credentials("a", "x"), others=(PeerOptions(required=Credentials("b", "x")),)
    )


async def test_where_trunks_are_looked_for() -> None:
    settings = load_settings(environ={}, overrides={"sip.dns_servers": "192.0.2.53, [2001:db8::53]:5353"})
    trunk = Trunk(name="t", networks=(), target="192.0.2.9", transport=TrunkTransport.UDP)
    bindings = SipBindings(udp=("::", 5060), tcp=("127.0.0.1", 5060))
    location = sip_location(settings, bindings, lambda: 0.0)
    assert await location.targets(trunk, "") == [Flow(Transport.UDP, ("192.0.2.9", 5060))]
    assert location.trunk_at("192.0.2.9") == "t"
    assert location._families == {Transport.UDP: (4, 6), Transport.TCP: (4, 6), Transport.TLS: (4, 6)}
    fourth = sip_location(settings, SipBindings(udp=("127.0.0.1", 5060)), lambda: 0.0)
    assert fourth._families == {Transport.UDP: (4,), Transport.TCP: (4,), Transport.TLS: (4,)}
    streams = sip_location(settings, SipBindings(tcp=("::1", 5060)), lambda: 0.0)
    assert streams._families == {Transport.TCP: (4, 6), Transport.TLS: (4, 6)}
    sixth = sip_location(settings, SipBindings(udp=("::1", 5060)), lambda: 0.0)
    assert sixth._families[Transport.UDP] == (6,)
    broken = load_settings(environ={}, overrides={"sip.dns_servers": "dns.example.com"})
    with pytest.raises(ConfigurationError, match=r"sip\.dns_servers: dns\.example\.com is no address"):
        sip_location(broken, bindings, lambda: 0.0)


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
    assert configured(trunk, "::1") == "::1"
    assert configured(own, "127.0.0.1") == "192.0.2.9"


def test_browsers_audio_comes_near_http_or_where_it_is_told() -> None:
    near = ice_place(load_settings(environ={}))
    assert near.addresses[0] == "127.0.0.1"
    assert near.advertised is None
    assert list(near.ports()) == [0]
    assert ice_place(load_settings(environ={}, overrides={"http.host": "0.0.0.0"})) == near
    there = ice_place(
        load_settings(environ={}, overrides={"http.host": "127.0.0.1", "test_calls.port_first": 40000})
    )
    assert list(there.ports()) == [40000]
    told = {"test_calls.bind_host": "127.0.0.1", "test_calls.advertised_host": "203.0.113.4"}
    assert ice_place(load_settings(environ={}, overrides=told)) == IcePlace(("127.0.0.1",), "203.0.113.4")
    outside = ice_place(load_settings(environ={}, overrides={"http.host": "192.0.2.7"}))
    assert outside.addresses == ("192.0.2.7",)


def test_http_listens_where_it_is_told_or_says_why_not() -> None:
    with listen_http(load_settings(environ={}, overrides={"http.port": 0})) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"HTTP cannot listen on 127.0.0.1:{port}"):
            listen_http(load_settings(environ={}, overrides={"http.port": port}))
