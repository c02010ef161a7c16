"""The trunk profiles that come with Tieline, one TOML file each, and what holds on a trunk that has one."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from tieline.errors import NotFound
from tieline.model.profile import Dialect, Profile
from tieline.model.trunk import Trunk

GENERIC = "generic"
"""The profile of a trunk that names none, or one that this release does not have."""


def _read_profiles() -> dict[str, Profile]:
    texts = {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".toml")
    }
    return {
        name: msgspec.convert(tomllib.loads(text), Profile, strict=False)
        for name, text in sorted(texts.items())
    }


PROFILES = MappingProxyType(_read_profiles())
"""Every profile by its name, in the order of the names."""


def profile(name: str) -> Profile:
    """The profile called `name`. Raises `NotFound`."""
    try:
        return PROFILES[name]
    except KeyError:
        raise NotFound(f"there is no profile {name} (known: {', '.join(PROFILES)})", profile=name) from None


@lru_cache(maxsize=1024)
def dialect_of(trunk: Trunk) -> Dialect:
    """What holds on a trunk: its profile, with whatever the trunk says itself laid over it."""
    chosen = PROFILES.get(trunk.profile, PROFILES[GENERIC])
    own = {
        field: value
        for field in Dialect.__struct_fields__
        if field in Trunk.__struct_fields__ and (value := getattr(trunk, field)) is not None
    }
    laid = {
        field: getattr(chosen, field)
        for field in Dialect.__struct_fields__
        if field in Profile.__struct_fields__
    }
    mine = () if trunk.shared_id_header is None else (trunk.shared_id_header,)
    folded = {name.casefold() for name in mine}
    shared_id = (*mine, *(name for name in chosen.shared_id if name.casefold() not in folded))
    own = {"refer_domain": None, "max_headers": chosen.headers.count} | laid | own
    own |= {"profile": chosen, "shared_id": shared_id}
    return msgspec.convert(own, Dialect)
