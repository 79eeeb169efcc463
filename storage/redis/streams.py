"""Reading streams: the one call that mailboxes, bus and live feed share."""

from collections.abc import Mapping
from typing import cast

from redis.asyncio import Redis

from storage.records import StreamId
from storage.redis.client import TIMEOUT_S, guard

RawEntry = tuple[bytes, dict[bytes, bytes]]


async def read_streams(
    redis: Redis, after: Mapping[str, StreamId], count: int, block_ms: int
) -> dict[str, list[RawEntry]]:
    """One XREAD: up to `count` entries per stream after each id, waiting up to `block_ms` for the first."""
    if not after:
        return {}
    async with guard(TIMEOUT_S + block_ms / 1000):
        answer = await redis.xread(
            {stream: str(id_) for stream, id_ in after.items()},
            count=count,
            block=block_ms if block_ms > 0 else None,  # 0 would wait for ever
        )
    return {stream.decode(): entries for stream, entries in cast(list[tuple[bytes, list[RawEntry]]], answer)}
