"""One suite, every backend: the fakes, and the real stores on the embedded servers."""

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pymongo import WriteConcern

from domain.clock import ManualClock
from ops.embedded import DataPlane, Urls
from storage import ports
from storage.mongo.claims import MongoClaims
from storage.mongo.client import Database
from storage.mongo.client import connect as connect_mongo
from storage.mongo.dead_letters import MongoDeadLetters
from storage.mongo.entities import MongoEntityStore
from storage.mongo.members import MongoMembers
from storage.mongo.parking import MongoParking
from storage.mongo.schema import INDEXES, prepare
from storage.mongo.schema import PARTITIONS as CLAIMS
from storage.mongo.side import MongoSideStore
from storage.redis.bus import RedisEventBus
from storage.redis.cache import RedisCache
from storage.redis.client import connect as connect_redis
from storage.redis.live import RedisLiveFeed
from storage.redis.mailbox import RedisMailboxes
from tests.fakes.documents import (
    FakeClaims,
    FakeDeadLetters,
    FakeEntityStore,
    FakeMembers,
    FakeParking,
    FakeSideStore,
)
from tests.fakes.streams import FakeCache, FakeEventBus, FakeLiveFeed, FakeMailboxes, FakeRedis

SPILL_AT = 200
PARTITIONS = 64


@dataclass
class Stores:
    clock: ManualClock
    entities: ports.EntityStore
    sides: ports.SideStore
    claims: ports.Claims
    dead_letters: ports.DeadLetters
    parking: ports.Parking
    members: MongoMembers | FakeMembers
    mailboxes: ports.Mailboxes
    bus: ports.EventBus
    live: ports.LiveFeed
    cache: RedisCache | FakeCache


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    if sys.platform != "linux":
        pytest.skip("the embedded servers run on Linux only")
    plane = DataPlane(tmp_path_factory.mktemp("servers"))
    yield plane.start()
    plane.stop()


@pytest.fixture
async def database(servers: Urls) -> AsyncIterator[Database]:
    """A prepared database without documents."""
    handle = connect_mongo(servers.mongodb)
    await prepare(handle, PARTITIONS)
    yield handle
    for collection in [*INDEXES, CLAIMS]:
        await handle[collection].with_options(write_concern=WriteConcern("majority")).delete_many({})
    handle.client.close()


@pytest.fixture
def clock() -> ManualClock:
    # From the present, because Redis makes the ids of entries from its own clock.
    return ManualClock(datetime.now(UTC))


@pytest.fixture
async def fake(clock: ManualClock) -> Stores:
    streams = FakeRedis(clock)
    live = FakeLiveFeed(streams)
    sides = FakeSideStore()
    return Stores(
        clock,
        FakeEntityStore(),
        sides,
        FakeClaims(),
        FakeDeadLetters(),
        FakeParking(),
        FakeMembers(sides),
        FakeMailboxes(streams, spill_at=SPILL_AT),
        FakeEventBus(streams, live),
        live,
        FakeCache(),
    )


@pytest.fixture
async def real(database: Database, servers: Urls, clock: ManualClock) -> AsyncIterator[Stores]:
    redis = connect_redis(servers.redis)
    await redis.flushall()
    yield Stores(
        clock,
        MongoEntityStore(database),
        MongoSideStore(database),
        MongoClaims(database),
        MongoDeadLetters(database),
        MongoParking(database),
        MongoMembers(database),
        RedisMailboxes(redis, clock, spill_at=SPILL_AT),
        RedisEventBus(redis, clock),
        RedisLiveFeed(redis, clock),
        RedisCache(redis),
    )
    await redis.aclose()


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Each test of the suite runs once on the fakes and once on the real ones."""
    chosen: Stores = request.getfixturevalue(request.param)
    return chosen
