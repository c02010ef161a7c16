"""What the tests with real processes share: a server per module, with the resources of `served.RESOURCES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.rtp_end import RtpEnd
from tests.integration.served import Served, serving

LONGEST = (
    "test_demo", "test_durability", "test_handoffs_cut_short", "test_pytest_plugin", "test_restart", "test_store_kill",
    "test_trunk_watch", "test_webhooks",
)  # fmt: skip
"""Files with few tests that take long. Given out last, as their numbers would have it, they keep one worker waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest (`--no-loadscope-reorder` keeps that order)."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server of this module's own."""
    with serving(tmp_path_factory.mktemp("server"), {"log": {"level": "debug"}}) as running:
        yield running


@pytest.fixture
async def ear() -> AsyncIterator[RtpEnd]:
    """The far end of one call's audio."""
    end = await RtpEnd.open()
    yield end
    await end.close()
