"""Trunks: live state, profiles, what to enter at the other side."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.admin.profile_facts import ProfileFacts
from tieline.admin.trunks import Entry, ListedTrunk
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, Fields
from tieline.resources.handoff_check import HandoffRemark

trunks = Noun("telephony")


@trunks.get("/trunks")
async def list_trunks(call: Call) -> Sequence[ListedTrunk]:
    """The trunks with what is known of them now."""
    return await call.admin.trunks.trunks(call.who)


@trunks.post("/trunks")
async def create_trunk(call: Call, body: Fields) -> Altered:
    """Make a trunk of the key's account from its fields."""
    return call.altered(await call.admin.trunks.create(call.who, body))


@trunks.get("/trunks/{trunk}")
async def get_trunk(call: Call, trunk: str) -> ListedTrunk:
    """One trunk with what is known of it now."""
    return await call.admin.trunks.trunk(call.who, trunk)


@trunks.patch("/trunks/{trunk}")
async def change_trunk(call: Call, trunk: str, body: Fields) -> Altered:
    """Change fields of a trunk; secrets that are not named stay."""
    return call.altered(await call.admin.trunks.change(call.who, trunk, body))


@trunks.delete("/trunks/{trunk}")
async def remove_trunk(call: Call, trunk: str) -> Altered:
    """Take a trunk away that no pool or destination names."""
    return call.altered(await call.admin.trunks.remove(call.who, trunk))


@trunks.post("/trunks/{trunk}/remarks")
async def list_trunk_remarks(call: Call, trunk: str, body: Fields) -> Sequence[HandoffRemark]:
    """What would be lost of handoffs by calls of this trunk with these fields changed; nothing is saved."""
    resources = await call.admin.resources.resources(call.who)
    theirs = {one.slug for one in resources.projects}
    found = await call.admin.trunks.remarks(call.who, trunk, body)
    return [one for one in found if one.project in theirs]


@trunks.get("/trunks/{trunk}/entries")
async def list_trunk_entries(call: Call, trunk: str) -> Sequence[Entry]:
    """What to enter at the other side."""
    return await call.admin.trunks.entries(call.who, trunk)


@trunks.get("/profiles")
async def list_profiles(call: Call) -> Sequence[ProfileFacts]:
    """The trunk profiles there are, in words."""
    return call.admin.trunks.profiles()


@trunks.get("/profiles/{profile}")
async def get_profile(call: Call, profile: str) -> ProfileFacts:
    """One trunk profile, in words."""
    return call.admin.trunks.profile(profile)
