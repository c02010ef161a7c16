"""What the tests with real processes share: a server per module, with the resources of `served.RESOURCES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.rtp_end import RtpEnd
from tests.integration.served import Served, serving


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
