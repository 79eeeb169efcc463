"""Sequences nobody thought of: the fakes answer as the real stores do, and no mail is lost or reordered."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.clock import ManualClock, SystemClock
from domain.ids import EntityKey, Kind
from ops.embedded import Urls
from storage.mongo.client import connect as connect_mongo
from storage.mongo.entities import MongoEntityStore
from storage.mongo.side import MongoSideStore
from storage.ports import EntityStore, Mailboxes, SideStore
from storage.records import ZERO, Mail, Save, StreamId
from storage.redis.client import connect as connect_redis
from storage.redis.mailbox import RedisMailboxes
from tests.fakes.documents import FakeEntityStore, FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis

T0 = datetime(2026, 5, 1, tzinfo=UTC)
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

_round = itertools.count()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all examples of a test, because the drivers' connections belong to it."""
    with asyncio.Runner() as runner:
        yield runner


name = st.sampled_from("abc")
value = st.one_of(st.integers(-(2**63), 2**63), st.text(max_size=3), st.none(), st.binary(max_size=3))
save = st.tuples(name, st.integers(0, 4), value)
due = st.one_of(st.none(), st.integers(0, 3))


@EXAMPLES
@given(batches=st.lists(st.lists(save, max_size=3, unique_by=lambda s: s[0]), max_size=8))
def test_versioned_writes(
    runner: asyncio.Runner, servers: Urls, batches: list[list[tuple[str, int, object]]]
) -> None:
    async def play(store: EntityStore, prefix: str) -> list[object]:
        seen: list[object] = []
        for batch in batches:
            saves = {}
            for id_, expected, x in batch:
                key = EntityKey(Kind.LINK, prefix + id_)
                saves[key] = Save({"_id": key.id, "version": expected + 1, "x": x}, expected)
            outcomes = await store.save_many(saves)
            loaded = await store.load_many(sorted(saves, key=str))
            seen.append({key.id[-1]: outcome for key, outcome in outcomes.items()})
            seen.append({key.id[-1]: (d["version"], d["x"]) for key, d in loaded.items()})
        return seen

    async def both() -> None:
        database = connect_mongo(servers.mongodb)
        real = await play(MongoEntityStore(database), f"{next(_round)}-")
        database.client.close()
        assert real == await play(FakeEntityStore(), "-")

    runner.run(both())


@EXAMPLES
@given(writes=st.lists(st.tuples(name, st.integers(0, 3), st.integers(0, 99)), max_size=12))
def test_side_documents(runner: asyncio.Runner, servers: Urls, writes: list[tuple[str, int, int]]) -> None:
    async def play(store: SideStore, prefix: str) -> list[object]:
        for id_, rev, x in writes:
            await store.upsert_many("social_people", [{"_id": prefix + id_, "rev": rev, "x": x}])
        loaded = await store.load_many("social_people", [prefix + id_ for id_ in "abc"])
        return [(id_[-1], document["rev"], document["x"]) for id_, document in sorted(loaded.items())]

    async def both() -> None:
        database = connect_mongo(servers.mongodb)
        real = await play(MongoSideStore(database), f"{next(_round)}-")
        database.client.close()
        assert real == await play(FakeSideStore(), "-")

    runner.run(both())


class Owner:
    """Reads as a host does, and keeps one watermark per account as an entity does."""

    def __init__(self, mailboxes: Mailboxes, stream: str) -> None:
        self._mailboxes = mailboxes
        self._stream = stream
        self._positions = {stream: ZERO}
        self._watermarks: dict[str, StreamId] = {}
        self.applied: dict[str, list[int]] = {}
        self.overflowed = False

    async def work(self, count: int) -> bool:
        for overflow in await self._mailboxes.overflows([self._stream]):
            self._positions.setdefault(overflow, ZERO)
            self.overflowed = True
        found = await self._mailboxes.read(self._positions, count, 0)
        for stream, entries in found.items():
            for entry in entries:
                account = ":".join(entry.mail.target.split(":")[:2])
                if self._watermarks.get(account, ZERO) < entry.id:
                    self._watermarks[account] = entry.id
                    self.applied.setdefault(account, []).append(int(entry.mail.event_id))
            self._positions[stream] = entries[-1].id
            await self._mailboxes.delete(entries, {int(e.stream.split(":")[2]): 1 for e in entries})
        return bool(found)

    def restart(self) -> None:
        self._positions = {self._stream: ZERO}


step = st.one_of(
    st.tuples(st.sampled_from(["twitter:1", "twitter:1:acme", "twitter:2"]), st.integers(1, 300)),
    st.tuples(st.just("read"), st.integers(1, 300)),
    st.tuples(st.just("restart"), st.just(0)),
)


@pytest.mark.parametrize("backend", ["fake", "real"])
@EXAMPLES
@given(steps=st.lists(step, min_size=3, max_size=25))
def test_a_flood_loses_and_reorders_nothing_under_one_watermark(
    runner: asyncio.Runner, servers: Urls, backend: str, steps: list[tuple[str, int]]
) -> None:
    async def play(mailboxes: Mailboxes, stream: str) -> None:
        owner = Owner(mailboxes, stream)
        told: dict[str, list[int]] = {}
        numbers = itertools.count()
        for what, amount in steps:
            if what == "read":
                await owner.work(amount)
            elif what == "restart":
                owner.restart()
            else:
                events = [next(numbers) for _ in range(amount)]
                await mailboxes.tell([(stream, Mail(what, str(event), b"x")) for event in events])
                told.setdefault(":".join(what.split(":")[:2]), []).extend(events)
        while await owner.work(1000):
            pass
        assert owner.applied == told
        assert await mailboxes.lag([stream]) == {stream: 0}
        # One that was opened by the last mail of all has never held any: it closes with the next one.
        assert not any((await mailboxes.lag(await mailboxes.overflows([stream]))).values())

    async def run() -> None:
        if backend == "fake":
            return await play(FakeMailboxes(FakeRedis(ManualClock()), spill_at=100), "mailbox:account:1")
        redis = connect_redis(servers.redis)
        try:
            mailboxes = RedisMailboxes(redis, SystemClock(), spill_at=100)
            await play(mailboxes, f"mailbox:account:{next(_round)}")
        finally:
            await redis.aclose()

    runner.run(run())
