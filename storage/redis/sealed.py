"""Sealed values in Redis, counted by key. Nothing here is sealed anew: it is read and deleted, or expires."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from typing import Any, cast

from redis.asyncio import Redis

from storage.redis.client import guard
from storage.redis.streams import RawEntry
from storage.sealed import keys_in

_PAGE = 500


async def count(redis: Redis, known: Collection[str]) -> dict[str, Counter[str]]:
    """Key id -> the first part of the Redis key -> sealed values, in streams and strings (other types hold
    no sealed values)."""
    found: dict[str, Counter[str]] = {key: Counter() for key in known}
    for name in await _names(redis):
        place = name.decode().partition(":")[0]
        async for values in _values(redis, name):
            for key, n in keys_in(values, known).items():
                found[key][place] += n
    return found


async def _names(redis: Redis) -> set[bytes]:
    names: set[bytes] = set()  # a scan may name a key twice
    cursor = 0
    while True:
        async with guard():
            cursor, found = await redis.scan(cursor, count=_PAGE)
        names.update(cast(list[bytes], found))
        if cursor == 0:
            return names


async def _values(redis: Redis, name: bytes) -> AsyncIterator[Any]:
    async with guard():
        kind = await redis.type(name)
    if kind == b"string":
        async with guard():
            yield await redis.get(name)
    elif kind == b"stream":
        after = "-"
        while True:
            async with guard():
                entries = cast(list[RawEntry], await redis.xrange(name, after, "+", count=_PAGE))
            for _, fields in entries:
                yield fields
            if len(entries) < _PAGE:
                return
            after = f"({entries[-1][0].decode()}"
