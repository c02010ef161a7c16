"""Every seed and every crash that was ever found, through the target that it belongs to."""

from __future__ import annotations

import pytest

from fuzz.seeds import CRASHES, seeds
from fuzz.targets import TARGETS, fuzz_message, fuzz_sdp

CASES = [(name, data) for name in TARGETS for data in seeds(name)]


@pytest.mark.parametrize(("name", "data"), CASES)
def test_a_peers_bytes_do_no_harm(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_seeds_and_bears_nothing_and_noise(name: str) -> None:
    assert list(seeds(name))
    TARGETS[name](b"")
    TARGETS[name](bytes(range(256)) * 3)


def test_crashes_are_kept_under_the_name_of_a_target() -> None:
    assert {path.name for path in CRASHES.glob("*")} <= set(TARGETS)


def test_a_target_tells_a_defect_from_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz_sdp(b"nothing like it")

    def broken(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("fuzz.targets.parse_message", broken)
    with pytest.raises(KeyError):
        fuzz_message(b"")
