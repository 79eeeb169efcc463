"""The live WebSocket over a real server and client: coming back, limits and outages."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.unit.edge.doubles import until
from tests.unit.edge.live_world import (
    World,
    closed,
    event,
    hear,
    numbers,
    slow_reader,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all tests


# -- coming back ------------------------------------------------------------------------------------------
async def test_resume_continues_after_the_last_event(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        for n in range(3):
            await world.publish(event(n))
        last = [await hear(client) for _ in range(3)][1]["id"]
    await world.publish(event(3))
    async with world.listen(f"?last_event_id={last}") as client:
        replayed = [await hear(client), await hear(client)]
        assert numbers(replayed) == [2, 3]
        assert await hear(client) == {"type": "ready", "id": replayed[-1]["id"]}
        await world.publish(event(4))
        assert numbers([await hear(client)]) == [4]


async def test_resume_in_the_auth_message(world: World) -> None:
    await world.publish(event(0))
    first = await world.feed.last("org_a")
    await world.publish(event(1))
    async with connect(world.url) as client:
        auth = {"type": "auth", "token": world.token(), "last_event_id": str(first)}
        await client.send(json.dumps(auth))
        assert numbers([await hear(client)]) == [1]


async def test_what_comes_during_a_replay_comes_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live_hub.READ_COUNT", 7)
    await world.publish(event(0))
    first = await world.feed.last("org_a")
    for n in range(1, 120):
        await world.publish(event(n))
    async with world.listen() as other:  # so that the reader is running already
        await hear(other)
        async with world.listen(f"?last_event_id={first}") as client:
            heard = [await hear(client) for _ in range(30)]
            for n in range(120, 130):
                await world.publish(event(n))
            while len(heard) < 130:
                heard.append(await hear(client))
            assert numbers([m for m in heard if m["type"] == "event"]) == list(range(1, 130))


async def test_away_for_longer_than_the_feed_is_a_reset(world: World) -> None:
    await world.publish(event(0))
    old = await world.feed.last("org_a")
    world.clock.advance(16 * 60)
    await world.publish(event(1))
    async with world.listen(f"?last_event_id={old}") as client:
        assert await hear(client) == {"type": "reset"}
        assert (await hear(client))["type"] == "ready"
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]


async def test_never_having_heard_anything_is_a_reset(world: World) -> None:
    await world.publish(event(0))
    async with world.listen("?last_event_id=0-0") as client:
        assert await hear(client) == {"type": "reset"}


@pytest.mark.parametrize("last", ["x", "1", "1-", "-1-1", "9" * 30 + "-0", "٣-٣"])
async def test_an_impossible_last_event_id(world: World, last: str) -> None:
    async with world.listen(f"?last_event_id={last}") as client:
        assert await closed(client) == 1008


# -- limits and outages ---------------------------------------------------------------------------------
async def test_a_slow_client_is_dropped_and_others_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.CLOSE_TIMEOUT_S", 60)  # it is told why whenever it reads on
    world.serve(queue_length=20)
    async with world.listen() as quick, slow_reader(world) as slow:
        await hear(quick)
        await until(lambda: sum(map(len, world.hub._clients.values())) == 2)
        padding = "x" * 100_000
        sent = 0
        while sum(map(len, world.hub._clients.values())) == 2 and sent < 1000:
            await world.publish(event(sent, padding=padding))
            assert numbers([await hear(quick)]) == [sent]
            sent += 1
        assert sent < 1000, "the slow client was never dropped"
        await world.publish(event(sent))
        assert numbers([await hear(quick)]) == [sent]
        assert await asyncio.wait_for(slow(), 60) == 1013


async def test_a_client_that_never_reads_is_let_go_without_a_word(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.CLOSE_TIMEOUT_S", 0.01)
    world.serve(queue_length=2)
    stuck = asyncio.Event()
    sent: list[str] = []
    received = [{"type": "websocket.connect"}]

    async def receive() -> dict[str, Any]:
        if not received:
            await asyncio.Event().wait()
        return received.pop()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])
        if len(sent) > 2:  # accepted and ready; the rest is never taken
            stuck.set()
            await asyncio.Event().wait()

    headers = [(b"authorization", f"Bearer {world.token()}".encode())]
    scope = {
        "type": "websocket",
        "path": "/v1/live",
        "headers": headers,
        "query_string": b"",
        "extensions": {},
    }
    conversation = asyncio.create_task(world.server.app(scope, receive, send))
    await world.publish(event(0))
    await stuck.wait()
    for n in range(1, 4):  # two fit into the queue
        assert not conversation.done()
        await world.publish(event(n))
    await asyncio.wait_for(conversation, 60)
    assert sent == ["websocket.accept", *["websocket.send"] * 2, "websocket.close"]
    assert world.hub._clients == {}


async def test_an_org_has_so_many_clients(world: World) -> None:
    world.serve(clients_per_org=2)
    async with world.listen() as one, world.listen() as two:
        await hear(one)
        await hear(two)
        async with world.listen() as three:
            assert await closed(three) == 4429
        async with world.listen(token=world.token("org_b")) as other_org:
            assert (await hear(other_org))["type"] == "ready"


async def test_redis_away_and_back_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live_hub.RETRY_S", 0.01)
    async with world.listen() as client:
        await hear(client)
        await world.publish(event(1))
        await hear(client)
        world.feed.away = True
        await until(lambda: world.feed.calls["has"] > 0)
        world.feed.away = False
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]


async def test_redis_back_without_its_data_is_a_reset(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live_hub.RETRY_S", 0.01)
    async with world.listen() as client:
        await hear(client)
        await world.publish(event(1))
        await hear(client)
        world.feed.away = True
        reads = world.feed.calls["has"]
        await until(lambda: world.feed.calls["has"] > reads)
        world.redis.streams.clear()
        world.clock.advance(1)
        world.feed.away = False
        assert await hear(client) == {"type": "reset"}
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]


async def test_redis_away_refuses_newcomers(world: World) -> None:
    world.feed.away = True
    async with world.listen() as client:
        assert await closed(client) == 1013
    assert world.hub._clients == {}


async def test_nobody_listening_nothing_read(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
    await until(lambda: world.hub._reader is None)
    reads = world.feed.calls["read"]
    await world.publish(event(1))
    assert world.feed.calls["read"] == reads
    async with world.listen() as client:
        assert (await hear(client))["type"] == "ready"
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]


async def test_stopping_tells_clients_to_resume(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        await world.hub.stop()
        assert await closed(client) == 1001


async def test_the_hub_ends_with_the_application(world: World) -> None:
    async with world.listen() as client:
        async with world.server.app.router.lifespan_context(world.server.app):
            await hear(client)
            reader = world.hub._reader
        assert await closed(client) == 1001
        assert reader is not None and reader.done()
