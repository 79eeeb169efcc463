"""Which events took effect: what makes a platform's repetition harmless."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from redis.asyncio import Redis

from domain.clock import Clock
from storage.records import OVERFLOW
from storage.redis.client import guard

_BUCKET_S: Final = 20 * 3600
_BUCKETS: Final = 3
"""Sets of 20 h each, three of which are asked: an event is known for 40 to 60 hours (Meta repeats for 36)."""


class Seen:
    """Sets `seen:{stream}:{bucket}` of 16-byte digests.

    Plain sets that expire as a whole, because a sorted set trimmed by time takes twice the memory and work;
    digests, because event ids have any length and may name people.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def among(self, stream: str, event_ids: Sequence[str]) -> set[str]:
        """Those of the ids that were marked within the retention."""
        if not event_ids:
            return set()
        digests = [_digest(event_id) for event_id in event_ids]
        newest = self._bucket()
        pipeline = self._redis.pipeline(transaction=False)
        for bucket in range(newest - _BUCKETS + 1, newest + 1):
            pipeline.smismember(_key(stream, bucket), digests)
        async with guard():
            answers = await pipeline.execute()
        return {
            event_id
            for event_id, known in zip(event_ids, zip(*answers, strict=True), strict=True)
            if any(known)
        }

    async def mark(self, marks: Mapping[str, Sequence[str]]) -> None:
        bucket = self._bucket()
        pipeline = self._redis.pipeline(transaction=True)
        for stream, event_ids in marks.items():
            if event_ids:
                pipeline.sadd(_key(stream, bucket), *map(_digest, event_ids))
                pipeline.expire(_key(stream, bucket), _BUCKETS * _BUCKET_S)
        async with guard():
            await pipeline.execute()

    def _bucket(self) -> int:
        return int(self._clock.now().timestamp()) // _BUCKET_S


def _key(stream: str, bucket: int) -> str:
    # What repeats itself may come by way of an overflow the one time and not the other.
    return f"seen:{stream.partition(OVERFLOW)[0]}:{bucket}"


def _digest(event_id: str) -> bytes:
    # Half of a surrogate pair may come out of a platform's JSON.
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
