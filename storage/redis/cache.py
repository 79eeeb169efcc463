"""Values that are read far more often than they change, kept for an hour."""

from enum import StrEnum
from typing import Final, cast

from redis.asyncio import Redis

from storage.redis.client import guard

TTL_S: Final = 3600


class Cached(StrEnum):
    """What is cached; the value is the first part of the key."""

    CAMPAIGN_METRICS = "campaign_metrics"  # by campaign id
    ENGAGEMENT_STATS = "engagement_stats"  # by content id


class RedisCache:
    """Sealed bytes in, the same bytes out or None. Losing it all at any time must not matter."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, what: Cached, id: str) -> bytes | None:
        async with guard():
            return cast(bytes | None, await self._redis.get(f"{what}:{id}"))

    async def set(self, what: Cached, id: str, sealed: bytes) -> None:
        async with guard():
            await self._redis.set(f"{what}:{id}", sealed, ex=TTL_S)
