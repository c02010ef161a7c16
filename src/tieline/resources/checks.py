"""Rules that bind several resources together, checked on the resources as they will be."""

from __future__ import annotations

from collections.abc import Mapping

from tieline.handoff.plan import DEFAULT_NAME
from tieline.integrations.profiles import PROFILES
from tieline.model.project import Account, ApiKey, Project, SipToken
from tieline.model.resources import Resources
from tieline.model.trunk import NumberSource, Trunk
from tieline.model.twilio import TwilioConnection
from tieline.resources.faults import Fault, Names, Sees, sees_all
from tieline.resources.number_checks import check_numbers
from tieline.resources.reader import Draft, Reader, unknown

NEED_TARGET = ("register", "options_interval_s", "transport", "tls_name")
"""Fields of a trunk that say how it is reached, and are nothing without saying where."""


def check_resources(resources: Resources, reader: Reader, drafts: Names, sees: Sees = sees_all) -> None:
    """Note every broken rule. A fault is placed at the file's resource where one of those concerned is in it.

    It names no resource that `sees` does not let whoever is told of it know of.
    """

    def fault(kind: str, name: str, field: str, message: str, item: str | None = None) -> None:
        draft = drafts[kind].get(name)
        line = 1
        if draft is not None:
            line = draft.line_of(field) if item is None else draft.line_of_item(field, item)
        reader.fault(line, f"{kind}.{name}.{field}", message)

    _check_ids(resources, fault, sees)
    _check_references(resources, fault)
    _check_pools(resources, fault)
    check_numbers(resources, fault, lambda kind, name: name in drafts[kind], sees)
    _check_trunks(resources, fault, drafts["trunks"], sees)
    _check_reach(resources, fault)
    _check_handoffs(resources, fault)
    _check_secrets(resources, fault, sees)
    _check_outward(resources, fault, sees)


def _check_ids(resources: Resources, fault: Fault, sees: Sees) -> None:
    kinds: tuple[tuple[str, tuple[Account | Project, ...]], ...] = (
        ("accounts", resources.accounts),
        ("projects", resources.projects),
    )
    for kind, found in kinds:
        owners: dict[str, Account | Project] = {}
        for one in found:
            for field, key in (("id", one.id), ("slug", one.slug)):
                owner = owners.setdefault(key, one)
                if owner is not one:
                    known = sees(resources, owner)
                    fault(
                        kind,
                        one.slug,
                        field,
                        f"{key} already names {owner.slug}" if known else f"{key} is taken",
                    )


def _check_references(resources: Resources, fault: Fault) -> None:
    """What `prune` may have left hanging; names in the file itself were resolved before."""
    accounts = {one.id for one in resources.accounts}
    projects = {one.id for one in resources.projects}
    # Calls to numbers of a Twilio connection come over a trunk of its name.
    trunks = {one.name for one in resources.trunks} | {one.name for one in resources.twilio}
    for project in resources.projects:
        if project.account not in accounts:
            fault("projects", project.slug, "account", f"there is no account {project.account}")
        names = {one.name for one in project.handoffs}
        wanted = project.fallback_handoff
        if wanted is not None and project.path is None and wanted not in names:
            fault("projects", project.slug, "fallback_handoff", f"there is no destination {wanted!r}")
    for pool in resources.pools:
        if pool.project not in projects:
            fault("pools", pool.name, "project", f"there is no project {pool.project}")
        for trunk in pool.trunks:
            if trunk not in trunks:
                fault("pools", pool.name, "trunks", f"there is no trunk {trunk}")
    for token in resources.sip_tokens:
        if token.project not in projects:
            fault("sip_tokens", token.name, "project", f"there is no project {token.project}")
    for key in resources.api_keys:
        if key.account not in accounts or (key.project is not None and key.project not in projects):
            fault("api_keys", key.name, "account", "its account or project is gone")
    for one in resources.trunks:
        if one.account is not None and one.account not in accounts:
            fault("trunks", one.name, "account", f"there is no account {one.account}")


def _check_pools(resources: Resources, fault: Fault) -> None:
    for pool in resources.pools:
        if not pool.min_ttl_s <= pool.ttl_s <= pool.max_ttl_s:
            fault(
                "pools",
                pool.name,
                "ttl_s",
                f"{pool.ttl_s:g} is not between min_ttl_s {pool.min_ttl_s:g} and max_ttl_s {pool.max_ttl_s:g}",
            )


def _check_trunks(resources: Resources, fault: Fault, drafts: Mapping[str, Draft], sees: Sees) -> None:
    holders: dict[str, list[Trunk]] = {}
    # Those of the file last: of two that cannot be told apart, the one at hand is at fault.
    for trunk in sorted(resources.trunks, key=lambda one: one.name in drafts):
        if not trunk.networks:
            fault("trunks", trunk.name, "networks", "at least one network is needed")
        if (trunk.number_from is NumberSource.HEADER) != (trunk.number_header is not None):
            fault("trunks", trunk.name, "number_header", "goes with `number_from: header`, and only with it")
        for network in trunk.networks:
            others = holders.setdefault(network, [])
            for other in others:
                if not _told_apart(trunk, other):
                    wanted = "an `auth_username` of its own for each of them would tell their calls apart"
                    known = f"the trunk {other.name}" if sees(resources, other) else "another trunk"
                    message = f"{network} already belongs to {known}; {wanted}"
                    fault("trunks", trunk.name, "networks", message)
            others.append(trunk)


def _told_apart(one: Trunk, other: Trunk) -> bool:
    """Whether calls from one address can be known as either's: by the user that they have proven to be."""
    names = {one.auth_username, other.auth_username}
    return one is other or (None not in names and len(names) == 2)


def _check_reach(resources: Resources, fault: Fault) -> None:
    """What a trunk says of its peer and of how it is reached has to hang together."""
    for trunk in resources.trunks:
        if trunk.profile not in PROFILES:
            fault(
                "trunks",
                trunk.name,
                "profile",
                f"{trunk.profile!r}: {unknown(trunk.profile, PROFILES, 'profile')}",
            )
        if trunk.target is None:
            for field in NEED_TARGET:
                if getattr(trunk, field):
                    fault("trunks", trunk.name, field, "needs a `target`")
        if trunk.register and trunk.username is None:
            fault("trunks", trunk.name, "register", "needs a `username`")
        for name, secret in (("username", "password"), ("auth_username", "auth_password")):
            given = [field for field in (name, secret) if getattr(trunk, field) is not None]
            if len(given) == 1:
                other = secret if given == [name] else name
                fault("trunks", trunk.name, given[0], f"goes with `{other}`, and only with it")
        if not trunk.auth_algorithms or len(set(trunk.auth_algorithms)) < len(trunk.auth_algorithms):
            fault("trunks", trunk.name, "auth_algorithms", "must name SHA-256, MD5 or both, each once")


def _check_handoffs(resources: Resources, fault: Fault) -> None:
    """What destinations name has to be there: trunks always, other destinations unless the folder may have them."""
    accounts = {trunk.name: trunk.account for trunk in resources.trunks}
    for project in resources.projects:
        names = {one.name for one in project.handoffs}
        for one in project.handoffs:
            endpoint = one.sip_config.outbound_endpoint
            if endpoint is not None and accounts.get(endpoint, "") not in {None, project.account}:
                problem = "belongs to another account"
                if endpoint not in accounts:
                    own = [name for name, account in accounts.items() if account in {None, project.account}]
                    problem = unknown(endpoint, own, "trunk")
                message = f"{one.name}: outbound_endpoint {endpoint!r}: {problem}"
                fault("projects", project.slug, "handoffs", message, one.name)
            for rung in one.fallback or ():
                wanted = rung.destination
                if wanted is None or wanted in names or wanted.casefold() == DEFAULT_NAME:
                    continue
                if project.path is None:
                    problem = unknown(wanted, names, "destination")
                    message = f"{one.name}: fallback {wanted!r}: {problem}"
                    fault("projects", project.slug, "handoffs", message, one.name)


def _check_outward(resources: Resources, fault: Fault, sees: Sees) -> None:
    """Webhooks and Twilio connections belong to accounts that exist; a number comes in by one connection only."""
    account_of = {project.id: project.account for project in resources.projects}
    accounts = {one.id for one in resources.accounts}
    for webhook in resources.webhooks:
        if webhook.account not in accounts:
            fault("webhooks", webhook.name, "account", f"there is no account {webhook.account}")
        if webhook.project is not None and account_of.get(webhook.project) != webhook.account:
            fault("webhooks", webhook.name, "project", "is gone, or belongs to another account")
        if (webhook.previous_secret is None) != (webhook.previous_until is None):
            fault("webhooks", webhook.name, "previous_secret", "goes with `previous_until`, and only with it")
    owners: dict[str, TwilioConnection] = {}
    trunks = {one.name for one in resources.trunks}
    for one in resources.twilio:
        if one.name in trunks:
            fault(
                "twilio", one.name, "name", "is the name of a trunk, and calls could not be told apart by it"
            )
        if one.account not in accounts:
            fault("twilio", one.name, "account", f"there is no account {one.account}")
        if one.auth_token is None and one.api_key_secret is None:
            fault("twilio", one.name, "auth_token", "an Auth Token, or an API key and its secret, is needed")
        for name, secret in (
            ("api_key_sid", "api_key_secret"),
            ("sip_username", "sip_password"),
            ("region", "edge"),
        ):
            if (getattr(one, name) is None) != (getattr(one, secret) is None):
                fault("twilio", one.name, name, f"goes with `{secret}`, and only with it")
        for line in one.numbers:
            if line.project is not None and account_of.get(line.project) != one.account:
                fault(
                    "twilio",
                    one.name,
                    "numbers",
                    f"the project of {line.number} is gone, or another account's",
                )
            owner = owners.setdefault(line.number, one)
            if owner is not one:
                known = f"by {owner.name}" if sees(resources, owner) else "somewhere else"
                fault("twilio", one.name, "numbers", f"{line.number} comes in {known} already")


def _check_secrets(resources: Resources, fault: Fault, sees: Sees) -> None:
    for key in resources.api_keys:
        if not key.scopes:
            fault("api_keys", key.name, "scopes", "at least one scope is needed")
    owners: dict[tuple[str, str], ApiKey | SipToken] = {}

    def check(kind: str, noun: str, stored: str, one: ApiKey | SipToken) -> None:
        owner = owners.setdefault((kind, stored), one)
        if owner is not one:
            known = f"the {noun} {owner.name}" if sees(resources, owner) else f"another {noun}"
            fault(kind, one.name, "value_from_env", f"has the same value as {known}")

    for key in resources.api_keys:
        check("api_keys", "key", key.key_hash, key)
    for token in resources.sip_tokens:
        check("sip_tokens", "token", token.token_hash, token)
