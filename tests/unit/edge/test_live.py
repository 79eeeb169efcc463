"""The live WebSocket over a real server and client: who may listen, what they hear, and how they resume."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from actors.runtime.envelope import Envelope
from api.auth import Authenticator
from api.live import ACCOUNTS_EVERY, live_router
from api.live_hub import LiveHub
from domain.clock import ManualClock
from storage.crypto import JwtKeys, Keyring
from storage.mongo.identity import ApiKey, Org, Role
from storage.records import StoreUnavailable, StreamId
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeLiveFeed, FakeRedis
from tests.unit.edge.doubles import CountingMetrics, until

RECHECK_S = 0.02
MINE = "twitter:1:org_a"
OTHERS = "instagram:2:org_a"
_JWT = JwtKeys.generate()
pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all tests


class Revocations:
    def __init__(self) -> None:
        self.revoked: dict[tuple[str, str], datetime] = {}
        self.away = False

    async def current(self, now: datetime) -> dict[tuple[str, str], datetime]:
        if self.away:
            raise StoreUnavailable("mongo: AutoReconnect")
        return self.revoked


class World:
    """A server with `/v1/live`, its feed, and tokens for it."""

    def __init__(
        self,
        server: "Server",
        clock: ManualClock,
        envelope: Envelope,
        metrics: CountingMetrics,
        redis: FakeRedis,
    ) -> None:
        self.server = server
        self.clock = clock
        self.metrics = metrics
        self.envelope = envelope
        self.redis = redis
        self.feed = Faulty(FakeLiveFeed(redis))
        self.revocations = Revocations()
        self.auth = Authenticator(_JWT, clock, self.revocations)  # type: ignore[arg-type]
        self.own = {"creator": frozenset({MINE})}
        self.url = f"ws://{server.address}/v1/live"
        self.serve()

    def serve(self, **limits: int) -> None:
        """Put a new hub behind the server."""
        feed: Any = self.feed
        self.hub = LiveHub(feed, self.envelope, self.metrics, **limits)
        self.server.app = FastAPI()
        router = live_router(self.hub, self.auth, self.own_accounts, recheck_s=RECHECK_S)
        self.server.app.include_router(router)

    async def own_accounts(self, org: str, user_id: str) -> frozenset[str]:
        return self.own[user_id]

    def token(self, org: str = "org_a", role: Role = Role.ANALYST, user: str = "creator") -> str:
        now = self.clock.now()
        key = ApiKey("key_1", org, user, "", "rk_live_", now)
        return self.auth.issue(Org(org, "", False, now), key, role, [])

    async def publish(self, event: dict[str, Any], org: str = "org_a") -> None:
        await self.feed.publish_live([(org, self.envelope.seal_event(event))])

    def listen(self, query: str = "", *, token: str | None = None) -> connect:
        headers = {"authorization": f"Bearer {token or self.token()}"}
        return connect(self.url + query, additional_headers=headers)


def event(n: int, name: str = "SocialAccountChanged", source: str = MINE, **data: Any) -> dict[str, Any]:
    kind = "account" if ":" in source else "campaign"
    return {
        "specversion": "1.0",
        "id": f"{kind}/{source}:{n}:0",
        "source": f"/{kind}s/{source}",
        "type": f"rookery.{name}",
        "subject": source,
        "org": "org_a",
        "data": {"n": n} | data,
    }


class Server:
    """One HTTP server for all tests of this module; each puts its own application behind it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.address = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    shared = Server()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        shared.address = f"127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(shared, log_level="critical", lifespan="off", ws_ping_interval=None)
        http = uvicorn.Server(config)
        serving = asyncio.create_task(http.serve([listener]))
        await until(lambda: http.started)
        yield shared
        http.should_exit = True
        await serving


@pytest_asyncio.fixture(loop_scope="module")
async def world(
    server: Server, clock: ManualClock, envelope: Envelope, metrics: CountingMetrics, redis: FakeRedis
) -> AsyncIterator[World]:
    world = World(server, clock, envelope, metrics, redis)
    yield world
    await world.hub.stop()


async def hear(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await client.recv())
        return message


async def closed(client: ClientConnection) -> int | None:
    """The close code; fails if anything but messages already sent comes before it."""
    async with asyncio.timeout(10):
        try:
            while True:
                await client.recv()
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else None


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [m["event"]["data"]["n"] for m in messages]


# -- who may listen -------------------------------------------------------------------------------------
async def test_a_token_in_the_header(world: World) -> None:
    async with world.listen() as client:
        assert await hear(client) == {"type": "ready", "id": "0-0"}
        await world.publish(event(1))
        heard = await hear(client)
        assert heard["type"] == "event"
        assert heard["event"] == event(1)
        assert StreamId.parse(heard["id"]) > StreamId(0, 0)


async def test_a_token_in_the_first_message(world: World) -> None:
    async with connect(world.url) as client:
        await client.send(json.dumps({"type": "auth", "token": world.token()}))
        assert (await hear(client))["type"] == "ready"


async def test_a_token_in_the_query(world: World) -> None:
    async with connect(f"{world.url}?token={world.token()}") as client:
        assert (await hear(client))["type"] == "ready"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "token": "guessed"}, 4401),
        ({"type": "auth", "token": ""}, 4401),
        ({"type": "subscribe"}, 4401),
        ({"type": "auth"}, 1008),
        ({"type": "auth", "token": "x", "more": 1}, 1008),
        ({"type": "unheard_of"}, 1008),
        ([1], 1008),
    ],
)
async def test_a_bad_first_message(world: World, first: Any, code: int) -> None:
    async with connect(world.url) as client:
        await client.send(json.dumps(first))
        assert await closed(client) == code


@pytest.mark.parametrize("first", ["not json", '{"type":"auth",', "", b"\xff\x00 binary"])
async def test_a_first_message_that_is_not_json(world: World, first: str | bytes) -> None:
    async with connect(world.url) as client:
        await client.send(first)
        assert await closed(client) == 1008


async def test_a_message_too_large(world: World) -> None:
    async with world.listen() as client:
        await client.send("x" * 20_000)
        assert await closed(client) == 1009


async def test_nothing_said_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.AUTH_TIMEOUT_S", 0.01)
    async with connect(world.url) as client:
        assert await closed(client) == 4401


async def test_an_expired_token_ends_the_connection(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.clock.advance(25 * 3600)
        assert await closed(client) == 4401
        assert world.hub._clients == {}


async def test_a_revoked_token_ends_the_connection(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.revocations.revoked["org_a", "creator"] = world.clock.now() + timedelta(seconds=1)
        world.clock.advance(5)
        assert await closed(client) == 4401


async def test_mongo_away_ends_nothing_but_admits_nobody(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.revocations.away = True
        world.clock.advance(60)
        await asyncio.sleep(RECHECK_S * 3)
        await world.publish(event(1))
        assert numbers([await hear(client)]) == [1]
        async with world.listen() as another:
            assert await closed(another) == 1013


# -- what they hear -------------------------------------------------------------------------------------
async def test_an_org_hears_only_itself(world: World) -> None:
    async with world.listen() as a, world.listen(token=world.token("org_b")) as b:
        await hear(a)
        await hear(b)
        await world.publish(event(1) | {"org": "org_b"}, org="org_b")
        await world.publish(event(2))
        assert numbers([await hear(a)]) == [2]
        assert numbers([await hear(b)]) == [1]


async def test_a_snapshot_has_its_own_message(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        await world.publish(event(1, "CampaignMetrics", "cmp_1", clicks=5))
        heard = await hear(client)
        assert heard["type"] == "snapshot"
        assert heard["campaign"] == {"n": 1, "clicks": 5}


async def test_a_creator_hears_only_own_accounts(world: World) -> None:
    async with world.listen(token=world.token(role=Role.CREATOR)) as client:
        await hear(client)
        await world.publish(event(1, source=OTHERS))
        await world.publish(event(2, "CampaignMetrics", "cmp_1"))
        await world.publish(event(3, "CampaignLaunched", "cmp_1"))
        await world.publish(event(4, source=MINE))
        assert numbers([await hear(client)]) == [4]
        world.own["creator"] = frozenset({OTHERS})
        await asyncio.sleep(RECHECK_S * (ACCOUNTS_EVERY + 5))
        await world.publish(event(5, source=MINE))
        await world.publish(event(6, source=OTHERS))
        assert numbers([await hear(client)]) == [6]


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"topics": ["content-events"]}, [2]),
        ({"topics": ["campaign-events", "social-events"]}, [1, 3, 4]),
        ({"types": ["rookery.ContentEngaged", "CampaignMetrics"]}, [2, 4]),
        ({"topics": ["content-events"], "types": ["CampaignLaunched"]}, []),
        ({"campaign_id": "cmp_1"}, [3, 4, 5]),
        ({"campaign_id": "cmp_1", "types": ["LinkClicked"]}, [5]),
        ({"campaign_id": "cmp_2"}, []),
        ({"topics": []}, []),
    ],
)
async def test_a_filter(world: World, wanted: dict[str, Any], heard: list[int]) -> None:
    async with world.listen() as client:
        await hear(client)
        await client.send(json.dumps({"type": "subscribe"} | wanted))
        assert await hear(client) == {"type": "subscribed"}
        await world.publish(event(1))
        await world.publish(event(2, "ContentEngaged"))
        await world.publish(event(3, "CampaignLaunched", "cmp_1"))
        await world.publish(event(4, "CampaignMetrics", "cmp_1"))
        await world.publish(event(5, "LinkClicked", "link0001", campaign_id="cmp_1"))
        await client.send('{"type":"subscribe"}')
        found = []
        while (message := await hear(client))["type"] != "subscribed":
            found.append(message["event"]["data"]["n"] if "event" in message else message["campaign"]["n"])
        assert found == heard


async def test_a_type_of_newer_code_disturbs_nobody(world: World) -> None:
    async with world.listen() as everything, world.listen() as topical:
        await hear(everything)
        await hear(topical)
        await topical.send('{"type":"subscribe","topics":["social-events"]}')
        await hear(topical)
        await world.publish(event(1, "InventedLater"))
        await world.publish(event(2))
        assert numbers([await hear(everything), await hear(everything)]) == [1, 2]
        assert numbers([await hear(topical)]) == [2]


async def test_an_entry_of_another_key_is_skipped(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        stranger = Envelope(Keyring.generate(), 64)
        await world.feed.publish_live([("org_a", stranger.seal_event(event(1)))])
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]
        assert world.metrics.counts[("live_entries_unreadable",)] == 1


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "topics": ["gossip"]},
        {"type": "subscribe", "types": ["Gossip"]},
        {"type": "subscribe", "colour": "red"},
        {"type": "auth", "token": "again"},
    ],
)
async def test_a_message_not_understood(world: World, message: dict[str, Any]) -> None:
    async with world.listen() as client:
        await hear(client)
        await client.send(json.dumps(message))
        assert await closed(client) == 1008


async def test_silence_is_filled_with_pings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.PING_S", 0.01)
    async with world.listen() as client:
        await hear(client)
        assert await hear(client) == {"type": "ping"}


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
    monkeypatch.setattr("api.live.CLOSE_TIMEOUT_S", 0.1)
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
        assert await asyncio.wait_for(slow(), 5) == 1013


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


@asynccontextmanager
async def slow_reader(world: World) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A client that asks and then does not read. Yields what reads on, up to the close code."""
    host, port = world.url.removeprefix("ws://").removesuffix("/v1/live").split(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (host, int(port)))
        request = (
            f"GET /v1/live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {world.token()}\r\n\r\n"
        )
        await loop.sock_sendall(raw, request.encode())

        async def close_code() -> int:
            tail = b""
            while b"too_slow" not in tail:
                data = await loop.sock_recv(raw, 1 << 20)
                assert data, "the server hung up without saying why"
                tail = tail[-200:] + data
            at = tail.index(b"too_slow") - 2
            return int.from_bytes(tail[at : at + 2])

        yield close_code
