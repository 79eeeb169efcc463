"""What is confirmed survives the death of the servers; what is not confirmed says so; then work goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from domain.clock import ManualClock, SystemClock
from domain.ids import EntityKey, Kind
from ops.embedded import DataPlane, Urls
from storage.mongo.claims import MongoClaims
from storage.mongo.client import Database
from storage.mongo.client import connect as connect_mongo
from storage.mongo.entities import MongoEntityStore
from storage.mongo.schema import prepare
from storage.mongo.side import MongoSideStore
from storage.records import ZERO, Mail, Rev, Save, SaveOutcome, StoreUnavailable, StreamId
from storage.redis.appender import INDEX
from storage.redis.bus import RedisEventBus
from storage.redis.client import connect as connect_redis
from storage.redis.mailbox import RedisMailboxes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the embedded servers run on Linux only")

STREAM = "mailbox:account:1"
T0 = datetime(2026, 5, 1, tzinfo=UTC)


class Servers:
    def __init__(self, folder: Path) -> None:
        self.plane = DataPlane(folder)
        self.urls: Urls = self.plane.start()

    def signal(self, number: signal.Signals) -> None:
        for server in self.plane.status():
            if server.pid is not None:
                os.kill(server.pid, number)

    def start(self) -> None:
        assert self.plane.start() == self.urls


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that the tests of this module may kill."""
    servers = Servers(tmp_path_factory.mktemp("killed"))
    yield servers
    servers.plane.stop()


@pytest.fixture
async def database(own: Servers) -> AsyncIterator[Database]:
    handle = connect_mongo(own.urls.mongodb)
    await handle.client.drop_database(handle.name)
    await prepare(handle, 64)
    yield handle
    handle.client.close()


@pytest.fixture
async def redis(own: Servers) -> AsyncIterator[Redis]:
    client = connect_redis(own.urls.redis)
    await client.flushall()
    yield client
    await client.aclose()


def link(n: int, version: int = 1) -> tuple[EntityKey, Save]:
    document = {"_id": f"l{n}", "org": "acme", "version": version, "partition": 1, "next_due_at": None}
    return EntityKey(Kind.LINK, f"l{n}"), Save(document | {"createdAt": T0}, version - 1)


async def test_everything_confirmed_is_there_after_a_kill(
    own: Servers, database: Database, redis: Redis
) -> None:
    entities, sides, claims = MongoEntityStore(database), MongoSideStore(database), MongoClaims(database)
    mailboxes, bus = RedisMailboxes(redis, SystemClock()), RedisEventBus(redis, SystemClock())
    saved: set[EntityKey] = set()
    told: set[str] = set()

    async def save_until_killed(worker: int) -> None:
        for n in range(worker * 10_000, (worker + 1) * 10_000):
            key, save = link(n)
            if (await entities.save_many({key: save}))[key] is SaveOutcome.SAVED:
                saved.add(key)

    async def tell_until_killed(worker: int) -> None:
        for n in range(100_000):
            pair = [f"{worker}.{n}.{half}" for half in "ab"]
            await mailboxes.tell([(STREAM, Mail(f"twitter:{worker}", event, b"sealed")) for event in pair])
            told.update(pair)

    await sides.upsert_many("social_content", [{"_id": "p", "org": "acme", "publishedAt": T0}], Rev(1, 1))
    await claims.assign({1: "host"}, "build")
    claim = await claims.claim(1, "host", "incarnation", "build")
    await mailboxes.mark_seen({STREAM: ["seen"]})
    await bus.publish([("social-events", "acme", b"event")])
    await bus.commit("social-events", "analytics", StreamId(1, 1))

    workers = [*(save_until_killed(w) for w in range(4)), *(tell_until_killed(w) for w in range(8))]
    tasks = [asyncio.create_task(worker) for worker in workers]
    await asyncio.sleep(1)
    own.signal(signal.SIGKILL)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ended} == {StoreUnavailable}
    assert len(saved) > 50 and len(told) > 500

    await asyncio.to_thread(own.start)
    assert set(await entities.load_many(sorted(saved, key=str))) == saved
    entries = (await mailboxes.read({STREAM: ZERO}, 1_000_000, 0))[STREAM]
    held = [entry.mail.event_id for entry in entries]
    assert told <= set(held)
    assert len(held) == len(set(held))
    # Also what was not confirmed is there as a whole or not at all.
    halves = {event.rsplit(".", 1)[0] for event in held}
    assert len(held) == 2 * len(halves)
    assert await claims.all() == [claim]
    assert set(await sides.load_many("social_content", ["p"])) == {"p"}
    assert await mailboxes.seen(STREAM, ["seen", "not"]) == {"seen"}
    assert [e.event for e in await bus.read("social-events", "analytics", ZERO, 10, 0)] == [b"event"]
    assert await bus.position("social-events", "analytics") == StreamId(1, 1)


async def test_while_the_servers_are_away_every_call_says_so_and_then_works_again(
    own: Servers, database: Database, redis: Redis
) -> None:
    entities, mailboxes = MongoEntityStore(database), RedisMailboxes(redis, SystemClock())
    key, save = link(1)
    mails = [(STREAM, Mail("twitter:1", "e1", b"sealed"))]
    await entities.save_many({key: save})
    await mailboxes.tell(mails)
    own.signal(signal.SIGKILL)
    calls = (
        entities.load_many([key]),
        entities.save_many(dict([link(1, version=2)])),
        entities.due(Kind.LINK, 1, T0, 1),
        entities.page(Kind.LINK, "acme", 1),
        MongoSideStore(database).upsert_many("social_content", [{"_id": "p"}]),
        MongoClaims(database).all(),
        mailboxes.tell(mails),
        mailboxes.read({STREAM: ZERO}, 1, 1000),
        mailboxes.last_ids([STREAM]),
        mailboxes.overflows([STREAM]),
        RedisEventBus(redis, SystemClock()).publish([("social-events", "acme", b"sealed")]),
    )
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ended] == [StoreUnavailable] * len(calls)
    assert not any("sealed" in str(end) for end in ended)
    await asyncio.to_thread(own.start)
    await mailboxes.tell(mails)
    assert len((await mailboxes.read({STREAM: ZERO}, 10, 0))[STREAM]) == 2
    assert await entities.save_many(dict([link(1, version=2)])) == {key: SaveOutcome.SAVED}


async def test_a_server_that_hangs_is_unavailable_within_its_deadline(own: Servers, redis: Redis) -> None:
    mailboxes = RedisMailboxes(redis, SystemClock())
    await mailboxes.tell([(STREAM, Mail("twitter:1", "e1", b"x"))])
    own.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(8):
            calls = (mailboxes.tell([(STREAM, Mail("t", f"e{n}", b"x"))]) for n in range(3))
            ended = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        own.signal(signal.SIGCONT)
    assert {type(end) for end in ended} == {StoreUnavailable}
    await mailboxes.tell([(STREAM, Mail("twitter:1", "e9", b"x"))])


async def test_a_full_redis_refuses_mail_but_lets_mailboxes_be_emptied(own: Servers, redis: Redis) -> None:
    mailboxes = RedisMailboxes(redis, SystemClock(), memory_limit=1)
    with pytest.raises(StoreUnavailable, match="full"):
        await mailboxes.tell([(STREAM, Mail("twitter:1", "e1", b"x"))])
    roomy = RedisMailboxes(redis, SystemClock(), memory_limit=1 << 40)
    await roomy.tell([(STREAM, Mail("twitter:1", "e1", b"x"))])
    before = str((await redis.config_get("maxmemory"))["maxmemory"])
    await redis.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(StoreUnavailable, match="OutOfMemory"):
            await roomy.tell([(STREAM, Mail("twitter:1", "e2", b"x")), (STREAM, Mail("t", "e3", b"x"))])
        entries = (await roomy.read({STREAM: ZERO}, 10, 0))[STREAM]
        assert [entry.mail.event_id for entry in entries] == ["e1"]
    finally:
        await redis.config_set("maxmemory", before)
    await roomy.delete(entries, {1: 1})
    assert await roomy.lag([STREAM]) == {STREAM: 0}


async def test_when_memory_is_scarce_a_target_that_floods_is_refused_and_its_neighbours_are_not(
    own: Servers, redis: Redis
) -> None:
    await redis.setrange("ballast", 20_000_000, "x")  # without a buffer of that size for the sender
    used = (await redis.info("memory"))["used_memory"]
    clock = ManualClock()
    mailboxes = RedisMailboxes(redis, clock, memory_limit=int(used / 0.9))
    loud = [(STREAM, Mail("twitter:loud", f"e{n}", b"x")) for n in range(640)]
    for start in range(0, 640, 64):
        await mailboxes.tell(loud[start : start + 64])
    assert [*await redis.hkeys(INDEX)] == [f"{STREAM}:overflow:twitter:loud".encode()]
    clock.advance(2)
    await mailboxes.tell([(STREAM, Mail("twitter:quiet", "q1", b"x"))])  # looks at the memory again
    with pytest.raises(StoreUnavailable, match="floods"):
        await mailboxes.tell([(STREAM, Mail("twitter:loud:org_a", "late", b"x"))])
    await mailboxes.tell([(STREAM, Mail("twitter:quiet", "q2", b"x"))])
    other = f"{STREAM}:overflow:twitter:other"
    await redis.hdel(INDEX, f"{STREAM}:overflow:twitter:loud")
    await redis.hset(INDEX, other, "1-1")
    clock.advance(2)  # it has ended, and another has begun: only that one is refused
    await mailboxes.tell([(STREAM, Mail("twitter:loud", "again", b"x"))])
    with pytest.raises(StoreUnavailable, match="floods"):
        await mailboxes.tell([(STREAM, Mail("twitter:other", "late", b"x"))])
    await redis.delete("ballast")
    clock.advance(2)
    await mailboxes.tell([(STREAM, Mail("twitter:other", "welcome", b"x"))])


async def test_cancelled_tellers_leave_the_others_alone(own: Servers, redis: Redis) -> None:
    mailboxes = RedisMailboxes(redis, SystemClock())
    tasks = [
        asyncio.create_task(mailboxes.tell([(STREAM, Mail("twitter:1", f"e{n}", b"x"))])) for n in range(20)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [end for end in ended if end is None] == [None] * 10
    told = {e.mail.event_id for e in (await mailboxes.read({STREAM: ZERO}, 100, 0))[STREAM]}
    assert told >= {f"e{n}" for n in range(1, 20, 2)}
