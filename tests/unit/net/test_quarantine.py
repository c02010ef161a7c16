"""Who is tried last, and for how long."""

from tieline.net.quarantine import Quarantine


def test_doubles_up_to_the_most_and_success_clears() -> None:
    quarantine = Quarantine(60, 600)
    now, waits = 0.0, []
    for _ in range(6):
        assert quarantine.fail("a", now)
        assert not quarantine.fail("a", now + 1)
        end = now
        while quarantine.holds("a", end):
            end += 10
        waits.append(end - now)
        now = end
    assert waits == [60, 120, 240, 480, 600, 600]
    assert quarantine.clear("a")
    assert not quarantine.clear("a")
    assert quarantine.fail("a", now)
    assert not quarantine.holds("a", now + 60)


def test_order() -> None:
    quarantine = Quarantine(60, 600)
    quarantine.fail("b", 0.0)
    quarantine.fail("a", 10.0)
    assert quarantine.order(["a", "b", "c", "d"], 20.0) == ["c", "d", "b", "a"]
    assert quarantine.count(20.0) == 2
    assert quarantine.order(["a", "b", "c", "d"], 65.0) == ["b", "c", "d", "a"]
    assert quarantine.order(["a", "b", "c", "d"], 99.0) == ["a", "b", "c", "d"]
    assert quarantine.count(99.0) == 0


def test_what_is_remembered_is_bounded() -> None:
    quarantine = Quarantine()
    for number in range(5_000):
        quarantine.fail(number, float(number))
    assert quarantine.fail(0, 5_000.0)
    assert not quarantine.fail(4_999, 5_000.0)
