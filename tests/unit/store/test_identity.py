"""Reservation ids and the keys in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieline.store.identity import ReservationKeys, new_reservation_ids, reservation_key
from tieline.store.records import stamp
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_samples import T0, after, ask, give_pool, pool


def test_an_id_leads_to_its_key() -> None:
    ids = new_reservation_ids(stamp(T0), 3)
    assert [reservation_key(one) for one in ids] == [stamp(T0), stamp(T0) + 1, stamp(T0) + 2]
    assert sorted(ids) == ids
    assert len({one[-20:] for one in ids}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rsv-",
        "rsv-none",
        "rsv-" + "0" * 33,
        "rsv-" + "0" * 35,
        "rsv-" + "A" * 34,
        "x" * 38,
        "rsv-" + "-1" * 17,
    ],
)
def test_what_is_no_id_has_no_key(text: str) -> None:
    assert reservation_key(text) == -1


def test_keys_follow_the_time_and_never_repeat() -> None:
    keys = ReservationKeys()
    assert keys.take(3, 1000) == 1000
    assert keys.take(2, 1001) == 1003, "the moment is taken: the next free one"
    assert keys.take(1, 5000) == 5000
    assert keys.take(1, 10) == 5001, "a clock that went back"


async def test_keys_go_on_behind_what_another_process_made(tmp_path: Path) -> None:
    """Two stores on one file, at one moment: the second looks before it hands out keys."""
    path = tmp_path / "tieline.db"
    first, second = SqliteStore(path), SqliteStore(path)
    await first.open(T0)
    await give_pool(first, pool(4))
    await second.open(T0)
    made = [await store.reserve(ask(), "p", T0) for store in (first, second, first, second)]
    keys = [reservation_key(one.id) for one in made]
    assert keys == sorted(set(keys))
    for one in made:
        found = await first.reservation(one.id, T0)
        assert found is not None
        assert found.number == one.number
    assert (
        await first.reservation(made[0].id[:-1] + ("0" if made[0].id[-1] != "0" else "1"), after(1)) is None
    )
    await second.close()
    await first.close()
