"""All admin functions, as one value: what the HTTP admin API and the studio are given."""

from __future__ import annotations

from dataclasses import dataclass

from tieline.admin.audit import AuditAdmin
from tieline.admin.calls import CallAdmin
from tieline.admin.credentials import CredentialAdmin
from tieline.admin.exposure import ExposureAdmin
from tieline.admin.handoffs import HandoffAdmin
from tieline.admin.installation import InstallationAdmin
from tieline.admin.overview import OverviewAdmin
from tieline.admin.people import PeopleAdmin
from tieline.admin.pools import PoolAdmin
from tieline.admin.projects import ProjectAdmin
from tieline.admin.reach import Reach
from tieline.admin.resources import ResourceAdmin
from tieline.admin.sessions import Sessions
from tieline.admin.sign_in import SignIn
from tieline.admin.sms import SmsAdmin
from tieline.admin.test_calls import TestCallAdmin
from tieline.admin.trail import AuditTrail
from tieline.admin.trunks import TrunkAdmin
from tieline.admin.twilio import TwilioAdmin
from tieline.admin.webhooks import WebhookAdmin


@dataclass(frozen=True, slots=True)
class Admin:
    """One noun a field. Every function takes first who acts, and raises `TielineError`s alone."""

    resources: ResourceAdmin
    trail: AuditTrail
    audit: AuditAdmin
    people: PeopleAdmin
    sessions: Sessions
    sign_in: SignIn
    reach: Reach
    pools: PoolAdmin
    handoffs: HandoffAdmin
    sms: SmsAdmin
    credentials: CredentialAdmin
    exposure: ExposureAdmin
    trunks: TrunkAdmin
    test_calls: TestCallAdmin
    calls: CallAdmin
    webhooks: WebhookAdmin
    projects: ProjectAdmin
    overview: OverviewAdmin
    installation: InstallationAdmin
    twilio: TwilioAdmin
