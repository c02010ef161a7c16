"""What an apply would make of the resources there are: the file's drafts as records, merged and checked.

Named resources are created or replaced as the file has them; others stay, or go with `prune`. A key or token that
is there already keeps its secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tieline.agent.destinations import with_default
from tieline.model.handoff import Destination
from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, SipToken, hash_secret
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint
from tieline.resources.checks import check_resources
from tieline.resources.diff import Change, compare
from tieline.resources.document import Document, read_document
from tieline.resources.faults import Sees, sees_all
from tieline.resources.handoff_check import HandoffRemark, check_handoffs, refuse_hopeless
from tieline.resources.kinds import KINDS, identity_field
from tieline.resources.reader import FAULTY, Draft, Reader
from tieline.resources.secrets import (
    PREFIXES,
    SHORTEST_GIVEN,
    readable_prefix,
    write_secret,
)
from tieline.resources.yaml_tree import Value, parse_yaml

ProjectCheck = Callable[[Path, tuple[Destination, ...]], list[str]]
"""Loads a project folder, with the destinations laid over its own; says what keeps it from being served."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A secret made by an apply: shown once, never stored."""

    kind: str
    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The resources as they will be, what changes, the secrets to show, and what of handoffs will not get through."""

    resources: Resources
    changes: tuple[Change, ...]
    issued: tuple[Issued, ...]
    remarks: tuple[HandoffRemark, ...] = ()


@dataclass(slots=True)
class Applier:
    """Makes plans from one file. `random_bytes(n)` gives secrets; `check_project` loads folders.

    A handoff that cannot work on any trunk is a fault, unless `allow_hopeless`; then it is a remark like others.
    Faults name nothing that `sees` does not let be seen.
    """

    file: Path
    text: str
    environ: Mapping[str, str]
    random_bytes: Callable[[int], bytes]
    check_project: ProjectCheck | None = None
    default_region: str | None = None
    prune: bool = False
    allow_hopeless: bool = False
    sees: Sees = sees_all
    _secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    _tree: Value | None = None

    @property
    def tree(self) -> Value:
        """The file as it is written, read once. Raises `ConfigurationError` when it is no YAML."""
        if self._tree is None:
            self._tree = parse_yaml(self.text, str(self.file))
        return self._tree

    def plan(self, current: Resources) -> Plan:
        """The plan for `current`. Raises `ConfigurationError` with every fault. Secrets stay the same when repeated."""
        reader = Reader(str(self.file), self.environ, self.default_region)
        document = read_document(self.tree, reader)
        wanted = _Build(self, document, current).resources()
        reader.check()
        names = {kind: {d.values[identity_field(kind)]: d for d in document.drafts[kind]} for kind in KINDS}
        check_resources(wanted, reader, names, self.sees)
        reader.check()
        remarks = tuple(check_handoffs(wanted))
        if not self.allow_hopeless:
            remarks = refuse_hopeless(remarks, names, reader)
            reader.check()
        issued = tuple(
            Issued(kind, name, secret)
            for (kind, name), secret in self._secrets.items()
            if any(getattr(r, "name", None) == name for r in getattr(wanted, kind))
        )
        changes = tuple(compare(current, wanted))
        return Plan(resources=wanted, changes=changes, issued=issued, remarks=remarks)

    def reuse_secret(self, issued: Issued) -> None:
        """Take the secret of an earlier plan, if one of that kind and name has to be made."""
        self._secrets[issued.kind, issued.name] = issued.secret

    def secret(self, kind: str, name: str) -> str:
        """The new secret of a key or token: made once, also when the plan is made again."""
        return self._secrets.setdefault((kind, name), write_secret(PREFIXES[kind], self.random_bytes(32)))


class _Build:
    """One merge of a document into the current resources."""

    def __init__(self, applier: Applier, document: Document, current: Resources) -> None:
        self.applier, self.document, self.current = applier, document, current
        self.reader = document.reader
        self.accounts: dict[str, Account] = {}
        self.projects: dict[str, Project] = {}
        self.broken: set[tuple[str, str]] = (
            set()
        )  # resources whose own faults are told: references to them are not

    def resources(self) -> Resources:
        accounts = self._merge("accounts", self.current.accounts, self._account)
        self.accounts = {key: one for one in accounts for key in (one.id, one.slug)}
        projects = self._merge("projects", self.current.projects, self._project)
        self.projects = {key: one for one in projects for key in (one.id, one.slug)}
        return Resources(
            accounts=accounts,
            projects=projects,
            pools=self._merge("pools", self.current.pools, self._pool),
            trunks=self._merge("trunks", self.current.trunks, self._trunk),
            sip_tokens=self._merge("sip_tokens", self.current.sip_tokens, self._token),
            api_keys=self._merge("api_keys", self.current.api_keys, self._key),
            webhooks=self._merge("webhooks", self.current.webhooks, self._webhook),
            twilio=self._merge("twilio", self.current.twilio, self._twilio),
        )

    def _merge(
        self, kind: str, current: tuple[Any, ...], make: Callable[[Draft, Any], Any]
    ) -> tuple[Any, ...]:
        """The current resources of a kind with the file's laid over them; a faulty draft keeps what is there."""
        field = identity_field(kind)
        there = {getattr(one, field): one for one in current}
        found: dict[str, Any] = {} if self.applier.prune else dict(there)
        for draft in self.document.drafts[kind]:
            name = draft.values[field]
            faulty = FAULTY in draft.values.values()
            made = there.get(name) if faulty else make(draft, there.get(name))
            if made is not None:
                found[name] = made
            else:
                self.broken.add((kind, "" if name is FAULTY else name))
        return tuple(found.values())

    def _account(self, draft: Draft, there: Account | None) -> Account:
        values = dict(draft.values)
        values.setdefault("id", there.id if there is not None else f"ws-{values['slug']}")
        return Account(**values)

    def _project(self, draft: Draft, there: Project | None) -> Project | None:
        values = dict(draft.values)
        values.setdefault("id", there.id if there is not None else f"PROJECT-{values['slug']}")
        account = self._account_of(draft)
        if account is None:
            return None
        values["account"] = account
        where = f"projects.{values['slug']}"
        answer_only = values.get("answer_only", False)
        if answer_only == ("path" in values):
            problem = "needs a path, or answer_only: true"
            if answer_only:
                problem = "has a path and answer_only; one of them"
            self.reader.fault(draft.line, where, problem)
            return None
        if "path" in values:
            folder = (self.applier.file.parent / values["path"]).resolve()
            values["path"] = str(folder)
        if "path" not in values:  # a folder has destinations of its own, and may have the default one
            values["handoffs"] = with_default(values.get("handoffs", ()))
        project = Project(**values)
        if project.path is not None:
            self._check_folder(draft, Path(project.path), project, where)
        return project

    def _check_folder(self, draft: Draft, folder: Path, project: Project, where: str) -> None:
        line = draft.line_of("path")
        if not folder.is_dir():
            self.reader.fault(line, f"{where}.path", f"there is no folder {folder}")
        elif self.applier.check_project is not None:
            for problem in self.applier.check_project(folder, project.handoffs):
                self.reader.fault(line, f"{where}.path", problem)

    def _pool(self, draft: Draft, there: Pool | None) -> Pool | None:
        project = self._project_of(draft)
        return None if project is None else Pool(**{**draft.values, "project": project.id})

    def _trunk(self, draft: Draft, there: Trunk | None) -> Trunk | None:
        values = dict(draft.values)
        if "account" in values:
            values["account"] = self._account_of(draft)
            if values["account"] is None:
                return None
        if "max_calls" in values:
            values["max_calls"] = int(values["max_calls"])
        return Trunk(**values)

    def _token(self, draft: Draft, there: SipToken | None) -> SipToken | None:
        project = self._project_of(draft)
        secret = self._secret_of(draft, "sip_tokens", "token_hash", there)
        if project is None or secret is None:
            return None
        return SipToken(name=draft.values["name"], project=project.id, token_hash=secret[0], prefix=secret[1])

    def _key(self, draft: Draft, there: ApiKey | None) -> ApiKey | None:
        account = self._account_of(draft)
        project = self._project_of(draft) if "project" in draft.values else None
        secret = self._secret_of(draft, "api_keys", "key_hash", there)
        if account is None or secret is None or (project is None and "project" in draft.values):
            return None
        if project is not None and project.account != account:
            name = draft.values["project"]
            self.reader.fault(draft.line_of("project"), "project", f"{name} belongs to another account")
            return None
        return ApiKey(
            name=draft.values["name"],
            account=account,
            project=project.id if project is not None else None,
            scopes=frozenset(draft.values["scopes"]),
            key_hash=secret[0],
            prefix=secret[1],
            expires_at=draft.values.get("expires_at"),
        )

    def _webhook(self, draft: Draft, there: WebhookEndpoint | None) -> WebhookEndpoint | None:
        values = dict(draft.values)
        values["account"] = self._account_of(draft)
        if values["account"] is None:
            return None
        if "project" in values:
            project = self._project_of(draft)
            if project is None:
                return None
            values["project"] = project.id
        if "secret" not in values:
            values["secret"] = (
                there.secret if there is not None else self.applier.secret("webhooks", values["name"])
            )
        return WebhookEndpoint(**values)

    def _twilio(self, draft: Draft, there: TwilioConnection | None) -> TwilioConnection | None:
        values = dict(draft.values)
        values["account"] = self._account_of(draft)
        if values["account"] is None:
            return None
        numbers = []
        for one in values.get("numbers", ()):
            project = self.projects.get(one.project) if one.project is not None else None
            if one.project is not None and project is None:
                self.reader.fault(
                    draft.line_of("numbers"), "twilio.numbers", f"there is no project {one.project}"
                )
                return None
            numbers.append(msgspec.structs.replace(one, project=project.id if project is not None else None))
        values["numbers"] = tuple(numbers)
        return TwilioConnection(**values)

    def _secret_of(
        self, draft: Draft, kind: str, hash_field: str, there: ApiKey | SipToken | None
    ) -> tuple[str, str] | None:
        """Hash and prefix of a key or token: given, given as hash, there already, or made now."""
        given, given_hash = draft.values.get("value_from_env"), draft.values.get(hash_field)
        if given is not None and given_hash is not None:
            self.reader.fault(
                draft.line_of(hash_field), hash_field, "is given beside value_from_env; one of them"
            )
            return None
        if given is not None:
            if len(given) < SHORTEST_GIVEN or not given.isascii() or not given.isprintable():
                problem = f"the value must be at least {SHORTEST_GIVEN} printable ASCII characters"
                self.reader.fault(draft.line_of("value_from_env"), "value_from_env", problem)
                return None
            return hash_secret(given), readable_prefix(given)
        if given_hash is not None:
            return given_hash, draft.values.get("prefix", "")
        if there is not None:
            return getattr(there, hash_field), there.prefix
        secret = self.applier.secret(kind, draft.values["name"])
        return hash_secret(secret), readable_prefix(secret)

    def _is_broken(self, kind: str, name: str) -> bool:
        """Whether the resource has faults of its own, or may be one whose very name is at fault."""
        return not self.broken.isdisjoint({(kind, name), (kind, "")})

    def _account_of(self, draft: Draft) -> str | None:
        """The id of the account that a draft names, or of the only one there is."""
        name = draft.values.get("account")
        ids = {account.id for account in self.accounts.values()}
        if name is None:
            if len(ids) == 1:
                return next(iter(ids))
            if not ids and self.broken:
                return None
            problem = "is needed: there are several accounts" if ids else "is needed: there is no account"
        elif name in self.accounts:
            return self.accounts[name].id
        elif self._is_broken("accounts", name):
            return None
        else:
            problem = f"there is no account {name}"
        self.reader.fault(draft.line_of("account"), f"{draft.kind}.account", problem)
        return None

    def _project_of(self, draft: Draft) -> Project | None:
        name = draft.values["project"]
        found = self.projects.get(name)
        if found is None and not self._is_broken("projects", name):
            self.reader.fault(
                draft.line_of("project"), f"{draft.kind}.project", f"there is no project {name}"
            )
        return found
