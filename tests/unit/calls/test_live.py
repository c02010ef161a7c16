"""How the sound of a call that is up is judged."""

from __future__ import annotations

import pytest

from tieline.calls.live import Health, LegSound, health_of, worst


@pytest.mark.parametrize(
    ("received", "lost", "jitter_ms", "owed", "health"),
    [
        (250, 0, 2.0, True, Health.GOOD),
        (248, 2, 2.0, True, Health.GOOD),
        (245, 5, 2.0, True, Health.FAIR),
        (250, 0, 30.0, True, Health.FAIR),
        (230, 20, 2.0, True, Health.POOR),
        (250, 0, 60.0, True, Health.POOR),
        (250, -3, 2.0, True, Health.GOOD),  # a late one came after all
        (0, 0, 2.0, True, Health.SILENT),
        (0, 0, 2.0, False, Health.GOOD),  # on hold nothing is owed
    ],
)
def test_health_is_of_loss_and_jitter(
    received: int, lost: int, jitter_ms: float, owed: bool, health: Health
) -> None:
    assert health_of(received, lost, jitter_ms, owed=owed) is health


def test_a_call_is_as_well_as_its_worst_leg() -> None:
    def leg(health: Health) -> LegSound:
        return LegSound(
            leg="caller", codec="PCMU", packets_received=1, packets_sent=1, packets_lost=0, packets_late=0,
            packets_discarded=0, jitter_ms=0.0, peak_level=0.0, health=health,
        )  # fmt: skip

    assert worst([leg(Health.GOOD), leg(Health.POOR), leg(Health.FAIR)]) is Health.POOR
    assert worst([]) is None
