"""What the edges are given in tests: real crypto and adapters, doubles for the stores."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn

from actors.runtime.envelope import Envelope
from domain.clock import ManualClock
from storage.crypto import Keyring
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.edge.doubles import CountingMetrics, until
from tests.unit.edge.live_world import Server, World


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def envelope() -> Envelope:
    return Envelope(Keyring.generate(), partitions=64)


@pytest.fixture
def metrics() -> CountingMetrics:
    return CountingMetrics()


@pytest.fixture
def redis(clock: ManualClock) -> FakeRedis:
    return FakeRedis(clock)


@pytest.fixture
def mailboxes(redis: FakeRedis) -> Faulty:
    return Faulty(FakeMailboxes(redis))


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
