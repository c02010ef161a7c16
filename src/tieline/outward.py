"""What a server has beyond calls: admin functions, the studio, webhooks, messages, Twilio. Built from its inside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tieline.admin.app import Admin
from tieline.admin.audit import AuditAdmin
from tieline.admin.calls import CallAdmin
from tieline.admin.credentials import CredentialAdmin
from tieline.admin.exposure import ExposureAdmin
from tieline.admin.handoffs import HandoffAdmin
from tieline.admin.installation import InstallationAdmin
from tieline.admin.overview import OverviewAdmin, OverviewParts, Reasons
from tieline.admin.passwords import Passwords
from tieline.admin.people import PeopleAdmin
from tieline.admin.pools import PoolAdmin
from tieline.admin.projects import ProjectAdmin
from tieline.admin.reach import Reach
from tieline.admin.recent import RecentStates
from tieline.admin.resources import ResourceAdmin, ResourceRules
from tieline.admin.sessions import Sessions
from tieline.admin.sign_in import SignIn
from tieline.admin.sms import SmsAdmin, SmsParts, SmsReach
from tieline.admin.test_calls import TestCallAdmin
from tieline.admin.trail import AuditTrail
from tieline.admin.trunks import TrunkAdmin, TrunkLive
from tieline.admin.twilio import TwilioAdmin
from tieline.admin.webhooks import WebhookAdmin, WebhookPorts
from tieline.calls.directory import Directory
from tieline.calls.leg_switch import LegSwitch
from tieline.calls.lost_handoff import LostPorts
from tieline.calls.outcomes import Outcomes
from tieline.calls.registry import CallRegistry
from tieline.calls.reservations import Reservations
from tieline.calls.trunk_watch import TrunkHealth, TrunkState, TrunkWatch
from tieline.clock import Clock
from tieline.config import Settings
from tieline.gateway.calls import GatewayCalls, gateway_trunk, media_host
from tieline.gateway.studio_calls import StudioCalls
from tieline.gateway.twilio_lost import LostCalls
from tieline.gateway.twilio_voice import TwilioVoice, VoiceReach
from tieline.http.admin.app import AdminApi
from tieline.http.signed_form import SignedForms
from tieline.http.sms import SmsRoutes
from tieline.http.voice import VoiceRoutes
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.messaging.inbox import SmsInbox
from tieline.messaging.sender import SmsSender
from tieline.messaging.senders import Senders
from tieline.model.project import Project
from tieline.model.trunk import Trunk
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.store.base import Store
from tieline.store.migration import REVISIONS
from tieline.webhooks.dispatcher import Dispatcher, TrunkChange, tls_context
from tieline.webhooks.posting import Poster
from tieline.webhooks.targets import TargetGuard
from tieline.wiring import about, check_folder, ice_place, twilio_sip_address


class Outward:
    """Owned by the server, which starts it after the calls and stops it before them."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        registry: CallRegistry,
        legs: LegSwitch,
        reservations: Reservations,
        trunks: TrunkWatch,
        reasons: Reasons,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.metrics = metrics
        self.registry = registry
        self.legs = legs
        self.directory = Directory.empty()
        self._lost: LostCalls | None = None
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._log = get_logger("server")
        trail = AuditTrail(store, clock)
        resources = ResourceAdmin(store, clock, trail, self._make_rules())
        self.reach = reach = Reach()
        recent = RecentStates(store)
        sessions = self._make_sessions()
        passwords = Passwords()
        self.twilio = TwilioAccounts(settings.twilio.api_url)
        self.voice = self._make_voice()
        self.dispatcher, webhook_ports = self._make_dispatcher()
        live = TrunkLive(health=trunks.states, calls=registry.admission.calls_on)
        pools = self._pools(resources, reservations, trail)
        trunk_admin = TrunkAdmin(resources, live, reach, settings)
        most = settings.server.max_calls
        parts = OverviewParts(resources, pools, trunk_admin, self._projects_up, store, reasons, clock, most)
        self.admin = Admin(
            resources=resources,
            trail=trail,
            audit=AuditAdmin(store),
            people=PeopleAdmin(store, clock, trail, sessions, passwords),
            sessions=sessions,
            sign_in=SignIn(store, clock, trail, sessions, passwords),
            reach=reach,
            pools=pools,
            handoffs=HandoffAdmin(resources, recent),
            sms=self._make_sms(SmsParts(resources, store, clock, trail, recent)),
            test_calls=self._test_calls(resources, trail),
            credentials=CredentialAdmin(resources, store, registry.uses, clock, reach),
            exposure=ExposureAdmin(resources, store, recent),
            trunks=trunk_admin,
            projects=ProjectAdmin(resources),
            overview=OverviewAdmin(parts),
            calls=CallAdmin(
                store, registry, lambda: self.directory, clock, trail, settings.server.default_region
            ),
            webhooks=WebhookAdmin(resources, store, clock, trail, webhook_ports),
            twilio=self._twilio_admin(resources, pools),
            installation=InstallationAdmin(settings, reasons, about(settings, REVISIONS[-1])),
        )  # fmt: skip

    def _pools(self, resources: ResourceAdmin, reservations: Reservations, trail: AuditTrail) -> PoolAdmin:
        return PoolAdmin(
            resources, self.store, reservations, self.clock, trail,
            pool_names=lambda: [one.name for one in self.directory.resources.pools], reach=self.reach,
            default_region=self.settings.server.default_region,
        )  # fmt: skip

    def _make_sessions(self) -> Sessions:
        studio = self.settings.studio
        return Sessions(
            self.store,
            self.clock,
            idle=timedelta(hours=studio.session_idle_hours),
            longest=timedelta(days=studio.session_max_days),
        )

    def _make_rules(self) -> ResourceRules:
        region = self.settings.server.default_region
        return ResourceRules(default_region=region, check_project=check_folder, folder=Path.cwd())

    def _make_sms(self, parts: SmsParts) -> SmsAdmin:
        self.senders = Senders(self.twilio.of)
        self.sms = SmsSender(
            self.store, self.clock, self.senders, self.store.add_events, self.metrics,
            self.settings.server.public_url,
        )  # fmt: skip
        return SmsAdmin(parts, SmsReach(self.twilio.of, self.sms.wake))

    def _twilio_admin(self, resources: ResourceAdmin, pools: PoolAdmin) -> TwilioAdmin:
        api_url, public_url = self.settings.twilio.api_url, self.settings.server.public_url
        return TwilioAdmin(resources, self.twilio, pools, self.reach, api_url=api_url, public_url=public_url)

    def _make_voice(self) -> TwilioVoice:
        reach = self.reach
        return TwilioVoice(
            self.registry,
            self.legs,
            self.twilio,
            VoiceReach(http=lambda: reach.http, sip=partial(twilio_sip_address, self.settings, reach)),
            media_host(self.settings.rtp.bind_host),
        )

    def _test_calls(self, resources: ResourceAdmin, trail: AuditTrail) -> TestCallAdmin:
        settings = self.settings
        host = media_host(settings.rtp.bind_host)
        limit = settings.test_calls.max_calls
        calls = StudioCalls(GatewayCalls(self.registry, self.legs, host), limit, lambda: ice_place(settings))
        self._closers.append(calls.close)
        trunk = gateway_trunk("studio", host)
        return TestCallAdmin(resources, self.store, calls, trunk, trail, self._project)

    def _projects_up(self) -> list[Project]:
        return [one.route.project for one in self.registry.sessions()]

    def _project(self, name: str) -> Project | None:
        return self.directory.project(name)

    def _pooled(self, account: str, number: str) -> str | None:
        """The project of an account whose pool has a number."""
        found = (self.directory.project(one.project) for one in self.directory.pools_by_number(number))
        return next((one.id for one in found if one is not None and one.account == account), None)

    def _make_dispatcher(self) -> tuple[Dispatcher, WebhookPorts]:
        guard = TargetGuard(private=self.settings.webhooks.private_targets)
        dispatcher = Dispatcher(self.store, self.clock, self.metrics, partial(Poster, guard, tls_context()))
        return dispatcher, WebhookPorts(wake=dispatcher.wake, check=guard.check)

    def mount(self, app: FastAPI) -> None:
        """Add to the HTTP application what needs to be there before it serves."""
        AdminApi(
            self.admin, lambda: self.directory, self.clock, self.registry.uses, self.metrics,
            self.settings.server.public_url, self.settings.studio.trusted_proxies,
        ).mount(app)  # fmt: skip
        forms = SignedForms(
            lambda: self.directory.resources.twilio, self.settings.server.public_url, self.metrics
        )
        VoiceRoutes(self.voice, forms, self.metrics).mount(app)
        inbox = SmsInbox(
            self.store, self.clock, self.store.add_events, self.metrics, self.settings.sms, self._pooled
        )
        SmsRoutes(inbox, forms).mount(app)
        if self.settings.studio.enabled:
            from tieline.studio.app import StudioServices, mount

            mount(app, StudioServices(self.admin, self.clock, self.settings))

    async def take_up(self, directory: Directory, outcomes: Outcomes) -> tuple[frozenset[str], list[str]]:
        """What the last process has left: conversations of which more will be told, and SIP dialogs to be ended.

        From here on webhooks are known by their signatures.
        """
        self.directory = directory
        self.voice.follow(directory)
        self.senders.connections = directory.resources.twilio
        ports = LostPorts(self.store, outcomes, self.clock, lambda: self.directory, self.voice.ways.begin)
        self._lost = LostCalls(self.voice, ports)
        return await self._lost.take_up(await self.store.dialogs_up(), directory)

    async def start(self, directory: Directory) -> None:
        """Begin to work: calls are taken, HTTP is served."""
        self._begin(self.admin.sessions.keep(), "sessions")
        self._begin(self.admin.pools.watch(), "pool pace")
        self._closers.append(partial(self.registry.uses.save, self.store))
        self._begin(self.registry.uses.keep_saving(self.store), "credential use")
        self._closers += [self.twilio.close, self.voice.stop]
        self._begin(self.dispatcher.run(), "webhooks")
        await self.follow(directory)
        self._begin(self.sms.run(), "text messages")
        if self._lost is not None:
            self._lost.begin()
            self._closers.append(self._lost.stop)

    def want(self, directory: Directory) -> None:
        """From now on what happens is written down for these resources' webhooks."""
        self.dispatcher.want(directory.resources.webhooks)

    def note_trunk(self, trunk: Trunk, health: TrunkHealth, before: TrunkHealth) -> None:
        """The state of a watched trunk has changed."""
        was_down, down = before.state is TrunkState.DOWN, health.state is TrunkState.DOWN
        if health.state is not before.state:
            self.dispatcher.note_trunk(TrunkChange(trunk, health.detail, down=down, was_down=was_down))

    async def first_owner_link(self, http: str) -> str | None:
        """The link with which the first person makes themselves the owner; None when somebody is there already.

        `http` is where HTTP is served, for when no public URL is set. Links made before stop working.
        """
        if not self.settings.studio.enabled:
            return None
        token = await self.admin.sign_in.first_owner_token()
        base = (self.settings.server.public_url or http).rstrip("/")
        return None if token is None else f"{base}/studio/welcome?token={token}"

    async def follow(self, directory: Directory) -> None:
        """The resources have changed."""
        self.directory = directory
        self.voice.follow(directory)
        self.dispatcher.follow(directory.resources.webhooks)
        self.senders.connections = directory.resources.twilio
        await self.twilio.keep(directory.resources.twilio)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Keep a chore going until the server stops."""
        task = asyncio.create_task(work, name=name)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._closers.append(end)

    async def stop(self) -> None:
        """End what `start` began, the last first."""
        while self._closers:
            await self._closers.pop()()
