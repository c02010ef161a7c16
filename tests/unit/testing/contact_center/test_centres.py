"""The ready-made contact centres, against our stack and against the profiles of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.testing.contact_center.test_as_callee import Pair
from tieline.errors import NotFound
from tieline.integrations.profiles import PROFILES
from tieline.sip.events import ReferCompleted
from tieline.testing.contact_center import CENTRES, MemoryCentre, find_behaviour, find_centre
from tieline.testing.contact_center.transfer import decode_uui
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual

FRONT_DESK = Path(__file__).parents[4] / "examples" / "front_desk"


def test_there_is_one_for_each_profile() -> None:
    """But for those whose calls are handed on by the provider's API instead of by SIP."""
    assert set(CENTRES) == {name for name, profile in PROFILES.items() if not profile.places_calls}


@pytest.mark.parametrize("name", CENTRES)
def test_what_a_centre_sends_and_takes_is_what_its_profile_says(name: str) -> None:
    manners, profile = CENTRES[name].manners, PROFILES[name]
    sent = {key.lower() for key, _ in manners.headers}
    if profile.shared_id:
        assert sent & {header.lower() for header in profile.shared_id}
    if profile.caller_number:
        assert sent & {header.lower() for header in profile.caller_number}
    assert manners.header_limit == profile.headers.count
    assert manners.reads_bye is profile.bye_headers
    assert ("REFER" in manners.allow) is profile.refer.supported


@pytest.mark.parametrize(
    ("name", "refer_to", "status"),
    [
        ("generic", "<sip:queue@192.0.2.99>", 202),
        ("five9", "<sip:queue@192.0.2.99>", 405),
        ("agentforce", "<sip:queue@192.0.2.99>", 603),
        ("twilio", "<sip:queue@192.0.2.99>", 403),
        ("twilio", "<tel:+15550100>", 202),
    ],
)
def test_refer(name: str, refer_to: str, status: int) -> None:
    pair = Pair(manners=find_centre(name).manners)
    leg = pair.call()
    pair.ours.stack.refer(leg, refer_to, pair.network.now)
    pair.network.run_for(5.0)
    (done,) = pair.events(ReferCompleted)
    assert isinstance(done, ReferCompleted)
    assert done.status == status
    transfer = pair.centre.transfer
    assert transfer is not None
    assert transfer.target == refer_to.strip("<>")
    assert transfer.user_to_user is None


def test_user_to_user_inside_refer_to() -> None:
    pair = Pair(manners=find_centre("genesys").manners)
    leg = pair.call()
    refer_to = f"<sip:queue@192.0.2.99?User-to-User=00{b'case-7'.hex()}%3Bencoding%3Dhex&X-A=1>"
    pair.ours.stack.refer(leg, refer_to, pair.network.now)
    pair.network.run_for(1.0)
    transfer = pair.centre.transfer
    assert transfer is not None
    assert transfer.user_to_user == "case-7"
    assert transfer.headers["X-A"] == "1"


@pytest.mark.parametrize(
    ("value", "text"), [("abc", "abc"), ("zz;encoding=hex", "zz"), ("04616263; encoding=hex", "abc")]
)
def test_user_to_user_values(value: str, text: str) -> None:
    assert decode_uui(value) == text


@pytest.mark.parametrize("name", CENTRES)
def test_the_headers_arrive_filled_in(name: str) -> None:
    async def story() -> dict[str, str]:
        async with MemoryServer.open(FRONT_DESK) as server:
            centre = MemoryCentre(server, CENTRES[name].manners, name=name)
            call = centre.call_number("100", caller="+15550123456")
            await centre.up(call)
            await elapse(1)
            centre.act(call.hang_up)
            await centre.over(call)
            await server.idle()
            (conversation,) = await server.board.conversations()
            return dict(conversation.opened.sip_headers)

    headers = run_virtual(story())
    sent = {key: headers[key] for key, _ in CENTRES[name].manners.headers}
    assert not any("{" in value for value in sent.values())
    if name == "zoom":
        assert sent["X-ZOOM-ORIGINAL-CALLING-NUMBER"] == "+15550123456"


def test_unknown_names() -> None:
    with pytest.raises(NotFound, match="known: generic, five9"):
        find_centre("five8")
    with pytest.raises(NotFound, match="did you mean refer-no-notify"):
        find_behaviour("refer-no-notif")
    with pytest.raises(NotFound, match="no behaviour xyzzy"):
        find_behaviour("xyzzy")
