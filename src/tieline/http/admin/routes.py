"""All routes of the admin API, besides its own `openapi.json`."""

from __future__ import annotations

from tieline.http.admin.declaration import AdminRoute
from tieline.http.admin.nouns.calls import calls
from tieline.http.admin.nouns.credentials import credentials
from tieline.http.admin.nouns.figures import figures
from tieline.http.admin.nouns.handoffs import handoffs
from tieline.http.admin.nouns.overview import overview
from tieline.http.admin.nouns.people import people
from tieline.http.admin.nouns.pools import pools
from tieline.http.admin.nouns.projects import projects
from tieline.http.admin.nouns.resources import resources
from tieline.http.admin.nouns.sms import sms
from tieline.http.admin.nouns.test_calls import test_calls
from tieline.http.admin.nouns.trunks import trunks
from tieline.http.admin.nouns.twilio import twilio
from tieline.http.admin.nouns.webhooks import webhooks

NOUNS = (
    resources, overview, projects, handoffs, pools, trunks, credentials, calls, figures, test_calls, twilio, sms,
    webhooks, people,
)  # fmt: skip

ROUTES: tuple[AdminRoute, ...] = tuple(route for noun in NOUNS for route in noun.routes)
