"""A real server with `/v1/live` on a feed in memory, and clients for it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from actors.runtime.envelope import Envelope
from api.auth import Authenticator
from api.live import live_router
from api.live_hub import LiveHub
from domain.clock import ManualClock
from storage.crypto import JwtKeys
from storage.mongo.identity import ApiKey, Org, Role
from storage.records import StoreUnavailable
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeLiveFeed, FakeRedis
from tests.unit.edge.doubles import CountingMetrics

RECHECK_S = 0.02
MINE = "twitter:1:org_a"
OTHERS = "instagram:2:org_a"
_JWT = JwtKeys.generate()


class Revocations:
    def __init__(self) -> None:
        self.revoked: dict[tuple[str, str], datetime] = {}
        self.away = False
        self.reads = 0

    async def current(self, now: datetime) -> dict[tuple[str, str], datetime]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("mongo: AutoReconnect")
        return dict(self.revoked)


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
        self.own_reads = 0
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
        self.own_reads += 1
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
