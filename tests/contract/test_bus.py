import asyncio

from storage.records import ZERO, StreamId
from storage.redis.cache import Cached
from tests.contract.conftest import Stores

TOPIC = "social-events"


async def publish(stores: Stores, *events: str, org: str = "acme") -> None:
    await stores.bus.publish([(TOPIC, org, event.encode()) for event in events])


async def consume(stores: Stores, consumer: str, after: StreamId = ZERO) -> list[bytes]:
    return [entry.event for entry in await stores.bus.read(TOPIC, consumer, after, 1000, 0)]


async def test_published_events_are_read_in_order_per_topic(stores: Stores) -> None:
    await publish(stores, "a", "b")
    await stores.bus.publish([("campaign-events", "acme", b"x"), (TOPIC, "acme", b"c")])
    await stores.bus.publish([])
    assert await consume(stores, "analytics") == [b"a", b"b", b"c"]
    entries = await stores.bus.read(TOPIC, "analytics", ZERO, 1, 0)
    assert await consume(stores, "analytics", entries[0].id) == [b"b", b"c"]


async def test_a_new_consumer_starts_at_the_beginning(stores: Stores) -> None:
    await publish(stores, "a")
    assert await stores.bus.position(TOPIC, "analytics") == ZERO


async def test_a_position_is_kept_per_consumer(stores: Stores) -> None:
    await stores.bus.commit(TOPIC, "analytics", StreamId(5, 1))
    await stores.bus.commit(TOPIC, "notifications", StreamId(6, 2))
    assert await stores.bus.position(TOPIC, "analytics") == StreamId(5, 1)
    assert await stores.bus.position(TOPIC, "notifications") == StreamId(6, 2)
    assert await stores.bus.position("campaign-events", "analytics") == ZERO


async def test_trimmed_is_only_what_every_consumer_has_passed(stores: Stores) -> None:
    await publish(stores, "a", "b", "c", "d")
    for consumer in ("analytics", "campaigns"):
        await stores.bus.position(TOPIC, consumer)
    ids = [entry.id for entry in await stores.bus.read(TOPIC, "analytics", ZERO, 10, 0)]
    await stores.bus.commit(TOPIC, "analytics", ids[3])
    assert await consume(stores, "campaigns") == [b"a", b"b", b"c", b"d"]
    await stores.bus.commit(TOPIC, "campaigns", ids[1])
    assert await consume(stores, "campaigns") == [b"c", b"d"]
    await stores.bus.commit(TOPIC, "campaigns", ids[3])
    assert await consume(stores, "campaigns") == []
    await publish(stores, "e")
    assert await consume(stores, "analytics", ids[3]) == [b"e"]


async def test_events_of_one_millisecond_are_trimmed_one_by_one(stores: Stores) -> None:
    await publish(stores, *(f"{n}" for n in range(50)))
    await stores.bus.position(TOPIC, "analytics")
    for n in range(50):
        (entry,) = await stores.bus.read(TOPIC, "analytics", ZERO, 1, 0)
        assert entry.event == str(n).encode()
        await stores.bus.commit(TOPIC, "analytics", entry.id)


async def test_a_waiting_consumer_wakes(stores: Stores) -> None:
    waiting = asyncio.create_task(stores.bus.read(TOPIC, "analytics", ZERO, 10, 5_000))
    await asyncio.sleep(0.05)
    await publish(stores, "a")
    assert [entry.event for entry in await asyncio.wait_for(waiting, 2)] == [b"a"]


async def test_the_live_feed_shows_an_org_its_events_and_snapshots(stores: Stores) -> None:
    await publish(stores, "a")
    await publish(stores, "theirs", org="globex")
    await stores.live.publish_live([("acme", b"snapshot")])
    await stores.live.publish_live([])
    found = await stores.live.read({"acme": ZERO, "initech": ZERO}, 10, 0)
    assert {org: [entry.event for entry in entries] for org, entries in found.items()} == {
        "acme": [b"a", b"snapshot"]
    }


async def test_a_subscriber_resumes_after_what_it_has(stores: Stores) -> None:
    assert await stores.live.last("acme") == ZERO
    await publish(stores, "a")
    last = await stores.live.last("acme")
    await publish(stores, "b", "c")
    assert await stores.live.has("acme", last)
    found = await stores.live.read({"acme": last}, 10, 0)
    assert [entry.event for entry in found["acme"]] == [b"b", b"c"]
    assert await stores.live.last("acme") == found["acme"][-1].id
    assert not await stores.live.has("globex", last)
    assert not await stores.live.has("acme", StreamId(last.ms, last.seq + 100))


async def test_who_was_away_longer_than_the_feed_is_kept_cannot_resume(stores: Stores) -> None:
    await publish(stores, *(f"{n}" for n in range(150)))  # Redis trims whole nodes of a hundred
    first = (await stores.live.read({"acme": ZERO}, 1, 0))["acme"][0].id
    stores.clock.advance(14 * 60)
    await publish(stores, "within")
    assert await stores.live.has("acme", first)
    stores.clock.advance(2 * 60)
    await publish(stores, "after")
    assert not await stores.live.has("acme", first)


async def test_cached_values_are_told_apart(stores: Stores) -> None:
    assert await stores.cache.get(Cached.CAMPAIGN_METRICS, "c1") is None
    await stores.cache.set(Cached.CAMPAIGN_METRICS, "c1", b"\x00one")
    await stores.cache.set(Cached.ENGAGEMENT_STATS, "c1", b"two")
    await stores.cache.set(Cached.CAMPAIGN_METRICS, "c1", b"\x00newer")
    assert await stores.cache.get(Cached.CAMPAIGN_METRICS, "c1") == b"\x00newer"
    assert await stores.cache.get(Cached.ENGAGEMENT_STATS, "c1") == b"two"
