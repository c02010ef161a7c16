"""The composition root: the only file that builds everything. Start, drain, stop."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from tieline.agent.providers.offline import OfflineVoice
from tieline.calls.admission import Admission
from tieline.calls.agents import Agents
from tieline.calls.directory import Directory
from tieline.calls.leg_switch import LegSwitch
from tieline.calls.observer import MetricsObserver
from tieline.calls.outcomes import Outcomes
from tieline.calls.ports import CallServices, CallSettings
from tieline.calls.prompts import Prompts, load_recordings
from tieline.calls.refusals import RefusalLog
from tieline.calls.registry import CallRegistry
from tieline.calls.reservations import Reservations
from tieline.calls.trunk_watch import TrunkHealth, TrunkWatch
from tieline.clock import SystemClock
from tieline.config import Settings, UnknownPeers
from tieline.errors import ConfigurationError, TielineError
from tieline.gauges import refresh_gauges
from tieline.http.app import create_app
from tieline.http.services import Health, Services
from tieline.http.web_server import WebServer
from tieline.media.tones import tone_clips
from tieline.model.project import Project
from tieline.model.trunk import Trunk
from tieline.net.dialogs import end_dialog
from tieline.net.media_link import MediaLink
from tieline.net.sip_connection import StreamLimits
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.net.sip_legs import SipLegs
from tieline.net.sip_tls import TlsContexts
from tieline.observe.feed import CounterFeed
from tieline.observe.logging import get_logger
from tieline.observe.loop_lag import watch_lag
from tieline.observe.metrics import Metrics
from tieline.outward import Outward
from tieline.sip.config import Admission as Peer
from tieline.sip.config import Busy
from tieline.sip.events import Flow, SipEvent, Transport
from tieline.sip.stack import SipStack
from tieline.store.anchor import steady_anchor
from tieline.store.seal import seal_of
from tieline.store.sqlite import SqliteStore
from tieline.wiring import (
    agent_settings,
    listen_http,
    make_agent,
    media_address,
    media_settings,
    peer_options,
    sip_bindings,
    sip_config,
    sip_location,
    tls_files,
    trunk_options,
)

PRUNE_S = 3600.0
"""How often what has been kept for long enough is deleted."""

WATCH_S = 1.0
"""How often changed resources are looked for and gauges brought up to date."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a started server is reached; what `tieline serve --ready-file` writes."""

    http: str
    sip_udp: tuple[str, int] | None
    sip_tcp: tuple[str, int] | None
    sip_tls: tuple[str, int] | None


class Server:
    """One server: everything between the settings and the sockets."""

    def __init__(self, settings: Settings, *, before_commit: Callable[[], None] | None = None) -> None:
        self.settings = settings
        path = Path(settings.store.path)
        self.clock = SystemClock(steady_anchor(path))
        self.metrics = Metrics()
        self._feed = CounterFeed(self.metrics)
        seal = seal_of(path, settings.store.key_file)
        self.store = SqliteStore(path, before_commit=before_commit, seal=seal)
        self.outcomes = Outcomes(self.store)
        limits = settings.server
        self.admission = Admission(limits.max_calls, limits.max_cps or None, limits.max_lag_ms / 1000 or None)
        self.media = MediaLink(media_settings(settings))
        self.voice = OfflineVoice(language=settings.voice.language, variant=settings.voice.name)
        self.prompts = Prompts(
            self.voice, self.media, count=lambda source: self.metrics.inc("tieline_prompts_total", source)
        )
        self.agents = Agents(functools.partial(make_agent, agent_settings(settings)))
        self.directory = Directory.empty()
        self.reservations = Reservations(
            self.store,
            self.directory,
            self.clock,
            max_attribute_bytes=settings.http.attributes_max_bytes,
            max_attribute_depth=settings.http.attributes_max_depth,
            default_region=settings.server.default_region,
        )
        self._bindings = sip_bindings(settings)
        self.tls = TlsContexts(tls_files(settings))
        self.location = sip_location(settings, self._bindings, time.monotonic)
        config = sip_config(settings, self._bindings)
        options_of = trunk_options(settings, config)
        peers = peer_options(options_of, self._trunks_at)
        self.endpoint = SipEndpoint(
            SipStack(config, SystemIds(), self._admit_peer, peers, self._busy_for),
            self._on_sip_event,
            StreamLimits(keepalive_s=settings.sip.keepalive_s),
            self.tls,
            self._tls_name,
        )
        self._legs = SipLegs(self.endpoint, options_of)
        self.legs = LegSwitch(self._legs)
        self.trunks = TrunkWatch(self._legs, self.location, self._on_trunk_changed)
        self.refusals = RefusalLog(self.store, self.clock, self.metrics)
        self.registry = CallRegistry(
            self._call_services(), self.admission, self.refusals, self.agents.take, self.agents.give_back
        )
        self.outward = self._make_outward()
        self.http = self._http_services()
        self._web: WebServer | None = None
        self._web_task: asyncio.Task[None] | None = None
        self._chores: list[asyncio.Task[None]] = []
        self._lost_dialogs: list[str] = []
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._log = get_logger("server")

    def _make_outward(self) -> Outward:
        return Outward(
            self.settings, self.store, self.clock, self.metrics, self.registry, self.legs, self.reservations,
            self.trunks, self._not_ready,
        )  # fmt: skip

    async def _not_ready(self) -> list[str]:
        return await self.http.health.reasons()

    def _http_services(self) -> Services:
        return Services(
            reservations=self.reservations,
            outcomes=self.outcomes,
            conversations=self.store,
            directory=self.directory,
            health=Health(
                checks={"store": self._check_store, "media": self._check_media, "agents": self._check_agents},
                trunks=self.trunks.states,
            ),
            metrics=self.metrics,
            clock=self.clock,
            settings=self.settings,
            uses=self.registry.uses,
        )

    def _call_services(self) -> CallServices:
        settings = self.settings
        return CallServices(
            sip=self.legs,
            media=self.media,
            prompts=self.prompts,
            bindings=self.reservations,
            store=self.store,
            outcomes=self.outcomes,
            clock=self.clock,
            settings=CallSettings(
                function_limit_s=settings.agent.function_limit_s,
                start_limit_s=settings.agent.start_limit_s,
                silence_timeout_s=settings.rtp.silence_timeout_s or None,
                hold_timeout_s=settings.rtp.hold_timeout_s or None,
            ),
            media_address=media_address(settings),
            observer=MetricsObserver(self.metrics),
            trunk=self._trunk,
            location=self.location,
            provider=self.legs,
        )

    # -- life -------------------------------------------------------------------------------------------------

    async def start(self) -> Addresses:
        """Bring everything up, innermost first; calls are taken last. Raises `TielineError`, and then nothing runs."""
        try:
            await self._start_inside()
            return await self._start_outside()
        except BaseException:
            await self.stop()
            raise

    async def _start_inside(self) -> None:
        await self.store.open(self.clock.utc())
        self._closers += [self.store.close, self.refusals.close]
        self._closers.append(self.media.stop)
        await self.media.start()
        for clip in tone_clips():
            self.media.send(clip)
        self._closers.append(self.voice.stop)
        try:
            await self.voice.start()
        except ConfigurationError as error:
            # Projects whose prompts are all recordings need no voice; the others say so call by call.
            self._log.warning("no offline voice", detail=error.message)
        self._closers.append(self.agents.close)
        await self._load_resources()
        going_on, self._lost_dialogs = await self.outward.take_up(self.directory, self.outcomes)
        settled = await self.outcomes.settle_interrupted(self.directory, self.clock.utc(), going_on)
        if settled:
            self.metrics.inc("tieline_calls_interrupted_total", by=settled)
            self._log.warning("calls of the previous run settled as interrupted", calls=settled)

    async def _start_outside(self) -> Addresses:
        await self._start_sip()
        self._closers += [self.endpoint.stop, self.location.close]
        listener = listen_http(self.settings)
        host, port = listener.getsockname()[:2]
        http = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.outward.reach.http = self.settings.server.public_url or http
        app = create_app(self.http)
        self.outward.mount(app.rest)
        self._web = WebServer(app, self.settings.http.max_connections)
        self._web_task = asyncio.create_task(self._web.serve(sockets=[listener]), name="http")
        self._closers.append(self._stop_web)
        chores = (self._watch(), self._prune(), watch_lag(self.admission.note_lag))
        self._chores = [asyncio.create_task(chore) for chore in chores]
        self._closers.append(self._stop_chores)
        while not self._web.started:
            if self._web_task.done():
                raise ConfigurationError("the HTTP server did not start")
            await asyncio.sleep(0.005)
        addresses = Addresses(
            http=http,
            sip_udp=self.endpoint.address(Transport.UDP),
            sip_tcp=self.endpoint.address(Transport.TCP),
            sip_tls=self.endpoint.address(Transport.TLS),
        )
        self._log.info("= ready", **msgspec.to_builtins(addresses))
        self._closers.append(self.trunks.close)
        self.trunks.sync(self.directory.resources.trunks)
        self._closers.append(self.outward.stop)
        self.outward.reach.sip = {
            key.value.lower(): there for key, there in self.endpoint.stack.config.advertised.items()
        }
        await self.outward.start(self.directory)
        await self._end_lost_calls()
        return addresses

    async def _end_lost_calls(self) -> None:
        """Hang up the calls that the previous process had up, now that whoever sees it can ask for their outcome."""
        ended = 0
        for text in self._lost_dialogs:
            ended += end_dialog(self.endpoint, text)
            await asyncio.sleep(0)
        if self._lost_dialogs:
            self._log.warning("calls of the previous run ended", legs=ended, of=len(self._lost_dialogs))

    async def _start_sip(self) -> None:
        bound = self._bindings
        try:
            await self.endpoint.start(udp=bound.udp, tcp=bound.tcp, tls=bound.tls)
        except OSError as error:
            shown = ", ".join(f"{name} {host}:{port}" for name, (host, port) in bound.present())
            raise ConfigurationError(
                f"SIP cannot listen on {shown}: {error.strerror}", field="sip.udp_port"
            ) from None

    async def drain(self, timeout_s: float | None = None) -> None:
        """Refuse new calls and reservations, let running calls finish within the configured time, or a shorter one."""
        self.http.health.draining = True
        self.endpoint.stack.draining = True
        self._log.info("= draining", calls=self.admission.calls)
        limit_s = self.settings.server.drain_timeout_s if timeout_s is None else timeout_s
        ended = await self.registry.drain(limit_s)
        self._log.info("= drained", ended_by_us=ended)

    async def stop(self) -> None:
        """Take everything down, outermost first. May be called after a failed start."""
        while self._closers:
            close = self._closers.pop()
            try:
                await close()
            except Exception:
                self._log.exception("a part did not stop cleanly")

    async def _stop_web(self) -> None:
        if self._web is not None and self._web_task is not None:
            self._web.should_exit = True
            await self._web_task

    async def _stop_chores(self) -> None:
        for task in self._chores:
            task.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)

    # -- resources --------------------------------------------------------------------------------------------

    async def _load_resources(self, *, renew: bool = False) -> None:
        """Take the resources as they are now. Calls that are up keep the route that they have."""
        version = await self.store.resources_version()
        lingering = await self.store.lingering_pools(self.clock.utc())
        directory = Directory(await self.store.resources(), version, lingering)
        for project in directory.projects():
            self._load_recordings(project)
        await self.agents.sync(directory, renew=renew)
        self.directory = directory
        self.registry.directory = directory
        self.trunks.sync(directory.resources.trunks if self._web is not None else ())
        self.reservations.directory = directory
        self.http.directory = directory
        self.outward.want(directory)
        if self._web is not None:
            await self.outward.follow(directory)
        self._log.info(
            "= resources loaded", version=version, projects=len(directory.projects()),
            trunks=len(directory.resources.trunks), pools=len(directory.resources.pools),
        )  # fmt: skip

    async def reload(self) -> None:
        """Read resources, recordings, agents' code and certificates again. What cannot be loaded stays as it was."""
        self.tls.reload()
        try:
            await self._load_resources(renew=True)
        except TielineError as error:
            self._log.error("not reloaded", detail=error.message)

    def _load_recordings(self, project: Project) -> None:
        if project.path is None:
            return
        try:
            self.prompts.add_project(project.id, load_recordings(Path(project.path)))
        except ConfigurationError as error:
            self._log.error("recordings not loaded", project=project.slug, detail=error.message)

    async def _watch(self) -> None:
        """Notice what another process has applied, and keep the gauges fresh."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self._follow_resources()
            self.tls.follow(self.clock.utc())
            refresh_gauges(self, self._feed)

    async def _follow_resources(self) -> None:
        """Take over what another process has applied. The one read tells whether the store answers, too."""
        ready = False
        try:
            version = await self.store.resources_version()
            ready = True
            if version != self.directory.version:
                await self._load_resources()
        except TielineError as error:
            if ready:
                self._log.error("resources not loaded", detail=error.message)
        self.metrics.set("tieline_store_ready", float(ready))

    async def _prune(self) -> None:
        """Delete what has been kept for long enough, now and every hour."""
        kept = self.settings.store
        keep_s = kept.keep_days * 86400 or None
        keep_audit_s = kept.keep_audit_days * 86400 or None
        while True:
            try:
                now = self.clock.utc()
                pruned = await self.store.prune(
                    now, keep_s=keep_s, keep_keys_s=kept.idempotency_retention_s, keep_audit_s=keep_audit_s
                )
                self._log.info("= pruned", **msgspec.structs.asdict(pruned))
            except Exception:
                self._log.exception("old records not deleted")
            await asyncio.sleep(PRUNE_S)

    def _trunk(self, name: str) -> Trunk | None:
        return self.directory.trunk(name)

    def _on_sip_event(self, event: SipEvent) -> None:
        self.registry.on_event(event)
        self.trunks.on_event(event)

    def _on_trunk_changed(self, trunk: Trunk, health: TrunkHealth, before: TrunkHealth) -> None:
        self.outward.note_trunk(trunk, health, before)
        if health.state is not before.state:
            self.metrics.inc("tieline_trunk_changes_total", health.state)

    # -- checks -----------------------------------------------------------------------------------------------

    def _admit_peer(self, flow: Flow) -> Peer:
        """Whether a datagram is worth reading: only those of trunks are."""
        if self._trunks_at(flow.remote[0]):
            return Peer.KNOWN
        return Peer.REFUSE if self.settings.sip.unknown_peers is UnknownPeers.REFUSE else Peer.DROP

    def _busy_for(self, flow: Flow) -> Busy | None:
        """Whether new calls of a peer are to be refused at once, because it is refused by the dozen."""
        brief = self.registry.refuse_briefly(flow.remote[0])
        return None if brief is None else Busy(brief[1].rules[0].detail, brief[1].retry_after_s or 1)

    def _trunks_at(self, host: str) -> Sequence[Trunk]:
        """The trunks that an address belongs to: by their networks, or because we called one there."""
        found = self.directory.trunks_by_host(host)
        if not found and (name := self.location.trunk_at(host)) is not None:
            called = self.directory.trunk(name)
            return () if called is None else (called,)
        return found

    def _tls_name(self, flow: Flow) -> str | None:
        """The name for the certificate of a peer that is called at an address: its trunk's."""
        trunks = self._trunks_at(flow.remote[0])
        return trunks[0].tls_name if trunks else None

    async def _check_store(self) -> str | None:
        try:
            await self.store.resources_version()
        except TielineError as error:
            return error.message
        return None

    async def _check_media(self) -> str | None:
        return None if self.media.up else "no media process is up"

    async def _check_agents(self) -> str | None:
        """One project's broken agent is its own affair; a server without any that works should get no calls."""
        wanted = [p for p in self.directory.projects() if p.path is not None and not p.answer_only]
        if not wanted or any(self.agents.find(project) is not None for project in wanted):
            return None
        return "; ".join(f"{project}: {fault}" for project, fault in self.agents.faults.items())
