"""Which project a call belongs to: trunk by address, then token, reserved number, number or extension.

Every rule that is asked leaves a `RuleResult`, whether the call is routed or refused, so that "why was my call
refused?" can be answered rule by rule.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

from tieline.calls.caller_identity import asserted_caller, is_withheld
from tieline.calls.directory import Directory
from tieline.integrations.profiles import dialect_of
from tieline.model import number as numbers
from tieline.model.pool import Pool
from tieline.model.project import Project, SipToken, hash_secret
from tieline.model.record import Record
from tieline.model.trunk import NumberSource, Refusal, RefusalReason, RuleResult, Trunk
from tieline.sip.message import Request

FORWARDING_HEADERS = ("Diversion", "History-Info")
"""Headers that say that the call was dialled to someone else first (RFC 5806, RFC 7044)."""

PHRASES = {
    403: "Forbidden",
    404: "Not Found",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
}


SIP_CHANNEL = "sip.polyai"
"""`conv.channel_type` of calls that came in by SIP; the word that integrations compare with."""


class Route(Record):
    """Where a call goes: the project, and the pool when the number is a reserved kind.

    `caller` and `callee` are canonical, None where they cannot be read; `verified_trunk` says that the trunk is
    one of the pool's own, `withheld` that the caller's number is to be shown to nobody. `channel` is what
    `conv.channel_type` says; `token_hash` is that of the token that chose the project; `attributes` came with the call
    itself, for a reservation's are read when it is bound.
    """

    trunk: Trunk
    project: Project
    caller: str | None
    callee: str | None
    pool: Pool | None
    verified_trunk: bool
    forwarded: bool
    withheld: bool = False
    rules: tuple[RuleResult, ...]
    channel: str = SIP_CHANNEL
    token_hash: str | None = None
    attributes: dict[str, Any] = {}


@dataclass(slots=True)
class _Decision:
    """The rules asked so far."""

    rules: list[RuleResult] = field(default_factory=list)
    token_hash: str | None = None

    def note(self, rule: str, held: bool, detail: str) -> None:
        self.rules.append(RuleResult(rule=rule, held=held, detail=detail))

    def refuse(self, status: int, reason: RefusalReason) -> Refusal:
        return Refusal(status=status, phrase=PHRASES[status], reason=reason, rules=tuple(self.rules))


def route_call(
    request: Request, host: str, directory: Directory, proven: str | None = None
) -> Route | Refusal:
    """Decide for an INVITE from the address `host`, whose sender has proven to be the user `proven`.

    Limits and draining are admission's business, not routing's.
    """
    decision = _Decision()
    trunk = directory.trunk_by_host(host, proven)
    if trunk is None:
        decision.note("trunk", False, f"no trunk's networks hold the source address {host}")
        return decision.refuse(403, RefusalReason.UNKNOWN_TRUNK)
    by = f", user {proven}," if proven is not None else ""
    decision.note("trunk", True, f"{host}{by} belongs to trunk {trunk.name}")
    return _route_over(request, trunk, directory, decision)


def route_over(request: Request, trunk: Trunk, directory: Directory, why: str) -> Route | Refusal:
    """Decide for a call whose trunk is known by other means than an address; `why` says by which."""
    decision = _Decision()
    decision.note("trunk", True, why)
    return _route_over(request, trunk, directory, decision)


def _route_over(request: Request, trunk: Trunk, directory: Directory, decision: _Decision) -> Route | Refusal:
    named = _by_token(request, trunk, directory, decision)
    if isinstance(named, Refusal):
        return named
    callee = dialled_number(request, trunk)
    candidate = _short_dnis(callee, directory)
    pool = _pool_for(candidate, trunk, named, directory, decision)
    project = _project_for(named, pool, callee, trunk, directory, decision)
    if project is None:
        return decision.refuse(404, RefusalReason.NO_ROUTE)
    return Route(
        trunk=trunk,
        project=project,
        caller=_caller(request, trunk, decision),
        callee=candidate if pool else callee,
        pool=pool,
        verified_trunk=pool is not None and trunk.name in pool.trunks,
        forwarded=is_forwarded(request, trunk),
        withheld=is_withheld(request, trunk),
        token_hash=decision.token_hash,
        rules=tuple(decision.rules),
    )


def dialled_number(request: Request, trunk: Trunk) -> str | None:
    """The dialled number in canonical form, from where the trunk says that it is; None when unreadable."""
    if trunk.number_from is NumberSource.REQUEST_URI:
        text: str | None = request.uri_text
    elif trunk.number_from is NumberSource.TO:
        text = request.headers.get("To")
    else:
        text = request.headers.get(trunk.number_header or "")
    return numbers.dialled(text, trunk.default_region) if text else None


def is_forwarded(request: Request, trunk: Trunk) -> bool:
    """Whether the call was diverted to us, so that a reservation of this number cannot be meant for it."""
    if trunk.attach_forwarded:
        return False
    own = (trunk.number_header or "").casefold() if trunk.number_from is NumberSource.HEADER else ""
    return any(name.casefold() != own and request.headers.get(name) for name in FORWARDING_HEADERS)


def _caller(request: Request, trunk: Trunk, decision: _Decision) -> str | None:
    """The caller's number: from a header that profile or trunk say to hold the real one, else from From."""
    profile = dialect_of(trunk).profile
    for header in profile.caller_number:
        value = request.headers.get(header)
        found = numbers.caller(value, trunk.default_region) if value else None
        if found is not None:
            decision.note("caller", True, f"{header} gives the caller's number (profile {profile.name})")
            return found
    asserted = asserted_caller(request, trunk)
    if asserted is not None:
        decision.note("caller", True, f"{asserted[1]} gives the caller's number (caller_from)")
        return asserted[0]
    return numbers.caller(request.headers.get("From") or "", trunk.default_region)


def _by_token(
    request: Request, trunk: Trunk, directory: Directory, decision: _Decision
) -> Project | Refusal | None:
    """The project that the token header names; None when there is no such header."""
    header = dialect_of(trunk).token_header
    given = request.headers.get(header)
    if given is None:
        if trunk.require_token:
            decision.note("token", False, f"trunk {trunk.name} requires the header {header}")
            return decision.refuse(403, RefusalReason.TOKEN_REQUIRED)
        decision.note("token", False, f"no {header} header: not routed by token")
        return None
    token = _verified(given.strip(), directory)
    project = directory.project(token.project) if token else None
    if token is None or project is None:
        decision.note("token", False, f"{header} is present but matches no token")
        return decision.refuse(403, RefusalReason.BAD_TOKEN)
    if trunk.account is not None and project.account != trunk.account:
        decision.note(
            "token", False, f"token {token.name} belongs to another account than trunk {trunk.name}"
        )
        return decision.refuse(403, RefusalReason.BAD_TOKEN)
    decision.token_hash = token.token_hash
    decision.note("token", True, f"token {token.name} names project {project.slug}")
    return project


def _verified(given: str, directory: Directory) -> SipToken | None:
    digest = hash_secret(given)
    token = directory.token(digest)
    # The look-up is by a digest that the sender cannot steer; the final compare is constant-time all the same.
    return token if token is not None and hmac.compare_digest(token.token_hash, digest) else None


def _short_dnis(callee: str | None, directory: Directory) -> str | None:
    """The pool number meant by the dialled one: itself, or the unique pool number that ends with a short DNIS."""
    if callee is None or directory.pools_by_number(callee) or directory.projects_by_number(callee):
        return callee
    return directory.pool_number_by_suffix(callee) or callee


def _pool_for(
    callee: str | None, trunk: Trunk, named: Project | None, directory: Directory, decision: _Decision
) -> Pool | None:
    """The pool whose number was dialled, of those that this trunk (and the token's project) may reach."""
    if callee is None:
        decision.note("reserved_dni", False, "no readable number was dialled")
        return None
    reachable = [
        pool
        for pool in directory.pools_by_number(callee)
        if _may_reach(pool, trunk, directory) and (named is None or pool.project == named.id)
    ]
    if not reachable:
        decision.note("reserved_dni", False, f"{callee} is in no pool that trunk {trunk.name} may reach")
        return None
    reachable.sort(key=lambda pool: trunk.name not in pool.trunks)
    decision.note("reserved_dni", True, f"{callee} is a number of pool {reachable[0].name}")
    return reachable[0]


def _may_reach(pool: Pool, trunk: Trunk, directory: Directory) -> bool:
    if pool.trunks and trunk.name not in pool.trunks:
        return False
    project = directory.project(pool.project)
    return project is not None and trunk.account in (None, project.account)


def _project_for(
    named: Project | None,
    pool: Pool | None,
    callee: str | None,
    trunk: Trunk,
    directory: Directory,
    decision: _Decision,
) -> Project | None:
    if named is not None:
        return named
    if pool is not None:
        return directory.project(pool.project)
    found = [
        project
        for project in (directory.projects_by_number(callee) if callee else ())
        if trunk.account in (None, project.account)
    ]
    if len(found) == 1:
        decision.note("number", True, f"{callee} is a number of project {found[0].slug}")
        return found[0]
    if found:
        decision.note(
            "number", False, f"{callee} belongs to {len(found)} projects on a trunk without an account"
        )
    else:
        decision.note("number", False, f"no project has the number {callee or '(none)'}")
    return None
