"""The pool's properties under any order of events; both stores in lock-step, each the other's oracle."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tieline.errors import TielineError
from tieline.model.pool import CallerPolicy, LatePolicy, NumberAdmin, NumberState
from tieline.model.reservation import BindResult, Reservation, ReservationState
from tieline.model.resources import Resources
from tieline.store.base import Store
from tieline.store.memory import MemoryStore
from tieline.store.migration import migrate
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_samples import CALLER, STRANGER, T0, ask, invite, numbers, pool

NUMBERS = numbers(4)
CALLERS = st.sampled_from([None, CALLER, STRANGER])
CALLS = st.sampled_from([f"call-{index}" for index in range(6)])
PICK = st.integers(0, 1000)
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 3.0, 5.0, 10.0, 31.0, 60.0, 61.0, 120.0])


def anonymise(value: Any) -> Any:
    """The value without what the two stores make up for themselves."""
    if isinstance(value, Reservation):
        return msgspec.structs.replace(value, id="")
    if isinstance(value, BindResult):
        return msgspec.structs.replace(value, reservation=anonymise(value.reservation))
    return value


class PoolMachine(RuleBasedStateMachine):
    """Whatever clients, calls, operators and crashes do to one pool."""

    template: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="tieline-properties-"))
        self.now = T0
        self.made: list[tuple[Reservation, Reservation]] = []
        self.epochs: dict[str, int] = {}
        self.answered: dict[tuple[str, int], str] = {}
        self.calls: dict[str, tuple[str, int]] = {}
        self.unclean_until: dict[str, datetime] = {}
        self.key = 0

    @initialize(
        late=st.sampled_from(LatePolicy), cooldowns=st.sampled_from([(5.0, 60.0), (0.0, 0.0), (1.0, 10.0)])
    )
    def open_stores(self, late: LatePolicy, cooldowns: tuple[float, float]) -> None:
        path = self.folder / "tieline.db"
        if PoolMachine.template is None:
            folder = tempfile.mkdtemp(prefix="tieline-template-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            PoolMachine.template = Path(folder) / "tieline.db"
            migrate(PoolMachine.template)
        shutil.copy(PoolMachine.template, path)
        self.memory = MemoryStore()
        self.sqlite = SqliteStore(path)
        self.runner.run(self.sqlite.open(T0))
        self.policy = pool(
            numbers=NUMBERS[:3],
            late_policy=late,
            claim_cooldown_s=cooldowns[0],
            expiry_cooldown_s=cooldowns[1],
        )
        self.configure()

    def both(self, verb: Callable[[Store], Awaitable[Any]]) -> tuple[Any, Any]:
        """Do the same to both stores; they must agree, errors included."""
        got = []
        for store in (self.memory, self.sqlite):
            try:
                got.append(self.runner.run(_as_coroutine(verb(store))))
            except TielineError as error:
                got.append(error)
        first, second = got
        if isinstance(first, TielineError) or isinstance(second, TielineError):
            assert (type(first), str(first), getattr(first, "fields", None)) == (
                type(second),
                str(second),
                getattr(second, "fields", None),
            )
        else:
            assert anonymise(first) == anonymise(second)
        return first, second

    def configure(self) -> None:
        self.both(lambda store: store.apply(lambda _: Resources(pools=(self.policy,)), self.now))

    def pick(self, choice: int) -> tuple[Reservation, Reservation] | None:
        return self.made[-1 - choice % min(len(self.made), 6)] if self.made else None

    # ------------------------------------------------------------------------------------------------- events

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(ttl=st.sampled_from([None, 5.0, 10.0]), expected=CALLERS, policy=st.sampled_from(CallerPolicy))
    def reserve(self, ttl: float | None, expected: str | None, policy: CallerPolicy) -> None:
        wanted = ask(ttl_s=ttl, expected_caller=expected, caller_policy=policy)
        self.note_made(self.both(lambda store: store.reserve(wanted, "p", self.now)))

    @rule(again=st.booleans(), body=st.sampled_from(["a", "b"]))
    def reserve_with_key(self, again: bool, body: str) -> None:
        self.key += not again
        wanted = ask(idempotency_key=f"k{self.key}", body_hash=body)
        self.note_made(self.both(lambda store: store.reserve(wanted, "p", self.now)))

    def note_made(self, made: tuple[Any, Any]) -> None:
        held = made[0]
        if isinstance(held, Reservation) and not held.replayed:
            assert held.epoch > self.epochs.get(held.number, 0), "epochs grow"
            self.epochs[held.number] = held.epoch
            assert self.now >= self.unclean_until.get(held.number, T0), "handed out before it was clean"
            self.made.append(made)

    @rule(number=st.sampled_from(NUMBERS), call=CALLS, caller=CALLERS, forwarded=st.booleans())
    def invite_arrives(self, number: str, call: str, caller: str | None, forwarded: bool) -> None:
        request = invite(number, call, caller=caller, forwarded=forwarded and caller is None)
        got, _ = self.both(lambda store: store.bind(request, self.now))
        if got.reservation is not None:
            held = (got.reservation.number, got.reservation.epoch)
            assert self.calls.setdefault(call, held) == held, "one call binds one reservation"
            assert self.answered.get(held, call) == call, "an answered reservation is nobody else's"
            assert got.attributes == msgspec.json.decode(got.reservation.attributes_json)

    @rule(choice=PICK, verified=st.booleans())
    def answer(self, choice: int, verified: bool) -> None:
        if (chosen := self.pick(choice)) is None:
            return
        before = self.runner.run(self.memory.reservation(chosen[0].id, self.now))
        assert before is not None
        claims = iter(chosen)
        done, _ = self.both(
            lambda store: store.claim((one := next(claims)).id, one.epoch, self.now, verified=verified)
        )
        if done:
            held = (before.number, before.epoch)
            assert held not in self.answered, "one reservation is answered once"
            self.answered[held] = before.sip_call_id or ""
            if not verified:
                # The caller for whom the number was lent may still be dialling, until the lease ends; a lease that
                # has ended, or was given up, starts a quarantine anew.
                quarantine = self.now + timedelta(seconds=self.policy.expiry_cooldown_s)
                self.unclean_until[before.number] = quarantine if before.late else before.expires_at

    @rule(choice=PICK)
    def set_up_fails(self, choice: int) -> None:
        if (chosen := self.pick(choice)) is None:
            return
        holder = self.runner.run(self.memory.reservation(chosen[0].id, self.now))
        assert holder is not None
        unbinds = iter(chosen)
        done, _ = self.both(lambda store: store.unbind((one := next(unbinds)).id, one.epoch, self.now))
        if done:
            del self.calls[holder.sip_call_id or ""]

    @rule(choice=PICK)
    def release(self, choice: int) -> None:
        if (chosen := self.pick(choice)) is not None:
            releases = iter(chosen)
            self.both(lambda store: store.release(next(releases).id, "x", self.now))

    @rule(number=st.sampled_from(NUMBERS), admin=st.sampled_from(NumberAdmin))
    def operator_decides(self, number: str, admin: NumberAdmin) -> None:
        self.both(lambda store: store.set_number_admin("p", number, admin))

    @rule(members=st.sets(st.sampled_from(NUMBERS), min_size=1))
    def operator_applies(self, members: set[str]) -> None:
        self.policy = msgspec.structs.replace(self.policy, numbers=tuple(sorted(members)))
        self.configure()

    @rule()
    def server_restarts(self) -> None:
        """Only the database does; the memory store is told what a restart settles."""
        self.runner.run(self.sqlite.close())
        self.sqlite = SqliteStore(self.folder / "tieline.db")
        self.runner.run(self.sqlite.open(self.now))
        bound = [
            one.sip_call_id
            for mine, _ in self.made
            if (one := self.runner.run(self.memory.reservation(mine.id, self.now))) is not None
            and one.state is ReservationState.BOUND
        ]
        self.both(lambda store: store.settle_interrupted(self.now))
        for call in bound:
            del self.calls[call or ""]

    # --------------------------------------------------------------------------------------------- invariants

    @invariant()
    def stores_agree(self) -> None:
        if hasattr(self, "memory"):
            for verb in ("pool_stats", "pool_numbers"):
                self.both(lambda store, verb=verb: getattr(store, verb)("p", self.now))  # type: ignore[misc]
            self.both(lambda store: store.lingering_pools(self.now))

    @invariant()
    def one_live_lease_a_number(self) -> None:
        if not hasattr(self, "memory"):
            return
        live: dict[str, int] = {}
        for mine, theirs in self.made[-12:]:
            one = self.runner.run(self.memory.reservation(mine.id, self.now))
            other = self.runner.run(self.sqlite.reservation(theirs.id, self.now))
            assert anonymise(one) == anonymise(other)
            assert one is not None
            if one.state in {ReservationState.RESERVED, ReservationState.BOUND}:
                assert one.number not in live
                live[one.number] = one.epoch
                assert one.epoch == self.epochs[one.number], "only the newest epoch is live"

    @invariant()
    def never_clean_before_its_time(self) -> None:
        if hasattr(self, "memory"):
            for found in self.runner.run(self.memory.pool_numbers("p", self.now)):
                if self.now < self.unclean_until.get(found.number, T0):
                    assert found.state is not NumberState.FREE_CLEAN

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.runner.run(self.sqlite.close())
        self.runner.close()
        shutil.rmtree(self.folder)


async def _as_coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


PoolMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestPoolProperties = PoolMachine.TestCase
