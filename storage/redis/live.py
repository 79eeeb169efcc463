"""The live feed of each org, for the WebSocket."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from domain.clock import Clock
from storage.records import ZERO, BusEntry, StreamId
from storage.redis.client import guard
from storage.redis.streams import RawEntry, read_streams

KEPT_FOR: Final = timedelta(minutes=15)


def append_live(pipeline: Pipeline, org: str, sealed: bytes, now: datetime) -> None:
    """Add to an org's feed as part of a larger round trip, and drop what is too old."""
    oldest = int((now - KEPT_FOR).timestamp() * 1000)
    pipeline.xadd(_feed(org), {"e": sealed}, minid=oldest, approximate=True)
    pipeline.expire(_feed(org), KEPT_FOR)


class RedisLiveFeed:
    """`storage.ports.LiveFeed`: streams `live:{org}`, field e. Who is away for longer starts afresh."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def publish_live(self, items: Sequence[tuple[str, bytes]]) -> None:
        if not items:
            return
        pipeline = self._redis.pipeline(transaction=True)
        for org, sealed in items:
            append_live(pipeline, org, sealed, self._clock.now())
        async with guard():
            await pipeline.execute()

    async def read(
        self, after: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[BusEntry]]:
        positions = {_feed(org): id_ for org, id_ in after.items()}
        found = await read_streams(self._redis, positions, count, block_ms)
        return {
            feed.removeprefix("live:"): [BusEntry(StreamId.parse(id_), f[b"e"]) for id_, f in entries]
            for feed, entries in found.items()
        }

    async def last(self, org: str) -> StreamId:
        async with guard():
            newest = cast(list[RawEntry], await self._redis.xrevrange(_feed(org), count=1))
        return StreamId.parse(newest[0][0]) if newest else ZERO

    async def has(self, org: str, id: StreamId) -> bool:
        # Trimming takes the oldest first: where the id is still there, so is all that followed.
        async with guard():
            return bool(await self._redis.xrange(_feed(org), str(id), str(id)))


def _feed(org: str) -> str:
    return f"live:{org}"
