"""The door: what goes through it before anything else is asked."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException

from tieline.studio.entry.guard import MAX_BODY, _bounded


class TestBodies:
    """`_bounded`: what a request may bring, whatever it says of its length."""

    async def test_up_to_the_limit(self) -> None:
        whole = {"type": "http.request", "body": b"x" * MAX_BODY, "more_body": True}
        parts: list[dict[str, Any]] = [whole, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            return parts.pop(0)

        received = _bounded(receive)
        assert len((await received())["body"]) == MAX_BODY
        assert (await received())["type"] == "http.disconnect"

    async def test_not_beyond(self) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"x" * (MAX_BODY // 2 + 1), "more_body": True}

        received = _bounded(receive)
        await received()
        with pytest.raises(HTTPException) as refused:
            await received()
        assert refused.value.status_code == 413
