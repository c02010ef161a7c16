"""The reserve walk: key, request, pool, store; the reply leaves after the commit."""

import asyncio
from datetime import datetime

from tieline.model.reservation import Reservation, ReservationState, ReserveRequest
from tieline.testing.call_parts import JournalStore, ScriptedAgent
from tieline.testing.calls import DNI
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual


def test_the_reply_leaves_after_the_commit_and_carries_the_number() -> None:
    async def story() -> None:
        async with MemoryServer.open(ScriptedAgent()) as server:
            store = server.board.store
            plain = store.reserve

            async def slow(request: ReserveRequest, pool: str, now: datetime) -> Reservation:
                await elapse(2.0)
                server.journal.append("reserve")
                return await JournalStore.reserve(store, request, pool, now)

            assert plain is not None
            store.reserve = slow  # type: ignore[method-assign]
            asking = asyncio.create_task(server.reserve({"shared_id": "s-1"}))
            await elapse(1.9)
            assert not asking.done()
            answer = await asking
            assert server.journal == ["reserve"]
            assert answer.status_code == 200
            body = answer.json()
            assert body["dni"] == DNI
            held = await server.board.reservations.get("PROJECT-1", body["reservation_id"])
            assert held.state is ReservationState.RESERVED
            assert held.attributes_json == '{"shared_id":"s-1"}'

    run_virtual(story())


def test_a_full_pool_is_the_answer_that_clients_route_on() -> None:
    async def story() -> None:
        async with MemoryServer.open(ScriptedAgent()) as server:
            numbers = {(await server.reserve({})).json()["dni"] for _ in range(2)}
            assert len(numbers) == 2
            full = await server.reserve({})
            assert full.status_code == 404
            assert full.json()["message"] == "no available route found"
            assert int(full.headers["Retry-After"]) > 0
            await elapse(121)  # lease and quarantine are over
            assert (await server.reserve({})).status_code == 200

    run_virtual(story())
