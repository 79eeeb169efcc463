"""Domain events on their way out: topics with consumers."""

from collections.abc import Sequence

from redis.asyncio import Redis

from domain.clock import Clock
from storage.records import ZERO, BusEntry, StreamId
from storage.redis.client import guard
from storage.redis.live import append_live
from storage.redis.streams import read_streams


class RedisEventBus:
    """`storage.ports.EventBus`. An entry has one field, e: the sealed event.

    Guarantee: an event stays on its topic until every consumer that ever asked for its position there has
    committed past it; before any has asked, it stays for the first to come.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> None:
        if not events:
            return
        pipeline = self._redis.pipeline(transaction=True)
        for topic, org, sealed in events:
            pipeline.xadd(_topic(topic), {"e": sealed})
            append_live(pipeline, org, sealed, self._clock.now())
        async with guard():
            await pipeline.execute()

    async def read(
        self, topic: str, consumer: str, after: StreamId, count: int, block_ms: int
    ) -> list[BusEntry]:
        found = await read_streams(self._redis, {_topic(topic): after}, count, block_ms)
        return [BusEntry(StreamId.parse(id_), fields[b"e"]) for id_, fields in found.get(_topic(topic), [])]

    async def position(self, topic: str, consumer: str) -> StreamId:
        """Where the consumer is; ZERO, and from now on nothing is trimmed before it, when it is new."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hsetnx(_positions(topic), consumer, str(ZERO))
        pipeline.hget(_positions(topic), consumer)
        async with guard():
            _, position = await pipeline.execute()
        return StreamId.parse(position)

    async def commit(self, topic: str, consumer: str, position: StreamId) -> None:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(_positions(topic), consumer, str(position))
        pipeline.hvals(_positions(topic))
        async with guard():
            _, positions = await pipeline.execute()
            passed = min(map(StreamId.parse, positions))
            oldest_wanted = StreamId(passed.ms, passed.seq + 1)
            await self._redis.xtrim(_topic(topic), minid=str(oldest_wanted), approximate=False)


def _topic(topic: str) -> str:
    return f"bus:{topic}"


def _positions(topic: str) -> str:
    return f"bus:{topic}:positions"
