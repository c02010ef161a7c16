"""The profiles are whole, and a trunk's own settings win over them."""

from __future__ import annotations

import msgspec
import pytest

from tieline.errors import NotFound
from tieline.handoff.headers import name_fault
from tieline.integrations.profiles import GENERIC, PROFILES, dialect_of, profile
from tieline.model.handoff import HandoffMethod
from tieline.model.profile import DEFAULT_TOKEN_HEADER, Profile, UuiEncoding
from tieline.model.trunk import Encryption, FirstBye, Support, Transport, Trunk

NAMES = {
    "five9",
    "genesys",
    "nice_cxone",
    "zoom",
    "amazon_connect",
    "twilio",
    "twilio_voice",
    "agentforce",
    "generic",
}


def trunk(**settings: object) -> Trunk:
    return msgspec.convert({"name": "t", "networks": ["192.0.2.0/24"], **settings}, Trunk)


def test_there_is_one_for_each_contact_centre() -> None:
    assert set(PROFILES) == NAMES
    assert profile("five9") is PROFILES["five9"]
    with pytest.raises(NotFound, match="there is no profile avaya"):
        profile("avaya")


@pytest.mark.parametrize("one", PROFILES.values(), ids=PROFILES)
def test_a_profile_is_whole(one: Profile) -> None:
    assert PROFILES[one.name] is one
    assert one.title
    assert one.about.endswith(".")
    assert one.notes
    assert all(note.endswith(".") for note in one.notes)
    named = [*one.shared_id, *one.caller_number, *(source.header for source in one.context), one.token_header]
    assert [header for header in named if name_fault(header) is not None] == []
    if not one.refer.supported:
        assert not one.refer.tel
        assert HandoffMethod.REFER in one.ladder
    for method, rungs in one.ladder.items():
        assert method not in {rung.method for rung in rungs}
        assert all(rung.destination is None for rung in rungs)


def test_what_the_contact_centres_are_known_for() -> None:
    assert PROFILES["five9"].headers.count == 10
    assert not PROFILES["five9"].refer.supported
    assert not PROFILES["agentforce"].refer.supported
    genesys = PROFILES["genesys"]
    assert (genesys.refer.uui, genesys.refer.custom_headers) == (UuiEncoding.HEX, False)
    assert genesys.shared_id == ("x-inin-cnv",)
    assert PROFILES["twilio"].refer.tel
    assert PROFILES["zoom"].caller_number == ("X-ZOOM-ORIGINAL-CALLING-NUMBER",)
    assert PROFILES["amazon_connect"].encryption is Encryption.REQUIRED


def test_a_trunk_that_says_nothing_has_its_profiles_dialect() -> None:
    found = dialect_of(trunk(profile="five9"))
    assert (found.profile.name, found.max_headers, found.refer_domain) == ("five9", 10, None)
    assert (found.token_header, found.shared_id) == (DEFAULT_TOKEN_HEADER, PROFILES["five9"].shared_id)
    assert found.transport is Transport.UDP
    assert dialect_of(trunk()).profile.name == GENERIC
    assert dialect_of(trunk(profile="of_a_later_release")).profile.name == GENERIC


def test_a_trunks_own_settings_win() -> None:
    found = dialect_of(
        trunk(
            profile="genesys", transport="tcp", encryption="refused", session_timer="off", first_bye="peer",
            bye_wait_s=0, notify_timeout_s=5.5, max_headers=3, refer_domain="example.com", token_header="X-T",
            shared_id_header="X-Mine",
        )
    )  # fmt: skip
    assert (found.transport, found.encryption) == (Transport.TCP, Encryption.REFUSED)
    assert (found.session_timer, found.first_bye) == (Support.OFF, FirstBye.PEER)
    assert (found.bye_wait_s, found.notify_timeout_s, found.alive_s) == (0, 5.5, 60)
    assert (found.max_headers, found.refer_domain, found.token_header) == (3, "example.com", "X-T")
    assert found.shared_id == ("X-Mine", "x-inin-cnv")
    assert dialect_of(trunk(profile="genesys", shared_id_header="X-Inin-Cnv")).shared_id == ("X-Inin-Cnv",)
