"""Mailboxes: durable messages, one stream per kind and partition, one reader each."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from domain.clock import Clock
from storage.records import OVERFLOW, ZERO, Entry, Mail, StreamId, partition_of
from storage.redis.appender import INDEX, Appender
from storage.redis.client import guard
from storage.redis.seen import Seen
from storage.redis.streams import RawEntry, read_streams

SPILL_AT: Final = 10_000
"""A target floods when its stream owes more than this and most of the newest entries are its own."""

FENCES: Final = "mailbox:fences"
"""Hash: partition -> the highest claim epoch that has said that it reads there."""

_DELETED_AT_ONCE: Final = 1_000
"""Ids per stream in one script: Lua takes a few thousand arguments."""

_FENCE: Final = """
-- KEYS: the fences. ARGV: partition, epoch.
local epoch = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if epoch > tonumber(ARGV[2]) then return 0 end
if epoch < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1
"""

_DELETE: Final = """
-- KEYS: the fences, a stream of the partition, its attempts. ARGV: partition, epoch, then ids.
local epoch = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if epoch > tonumber(ARGV[2]) then return 0 end
if epoch < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('XDEL', KEYS[2], unpack(ARGV, 3))
if redis.call('EXISTS', KEYS[3]) == 1 then
  for i = 3, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i], ARGV[i] .. ':alone') end
end
return 1
"""


class RedisMailboxes:
    """`storage.ports.Mailboxes`. An entry has the fields t, e, b, n: target, event id, body, number.

    Guarantee: what `tell` returned for is on disk and stays until `delete`; streams are never trimmed.

    `memory_limit`: bytes of Redis memory in use above which `tell` refuses. Default: 80 % of Redis's own
    maxmemory, or of its machine's memory where it has none.
    """

    def __init__(
        self, redis: Redis, clock: Clock, *, spill_at: int = SPILL_AT, memory_limit: int | None = None
    ) -> None:
        self._redis = redis
        self._appender = Appender(redis, clock, spill_at, memory_limit)
        self._seen = Seen(redis, clock)
        self._fence = redis.register_script(_FENCE)
        self._delete = redis.register_script(_DELETE)

    async def tell(self, mails: Sequence[tuple[str, Mail]]) -> None:
        await self._appender.append(mails)

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        found = await read_streams(self._redis, positions, count, block_ms)
        return {stream: [_entry(stream, raw) for raw in entries] for stream, entries in found.items()}

    async def fence(self, partition: int, epoch: int) -> bool:
        async with guard():
            return bool(await self._fence(keys=[FENCES], args=[partition, epoch]))

    async def delete(self, entries: Sequence[Entry], epochs: Mapping[int, int]) -> set[int]:
        by_stream: dict[str, list[str]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(str(entry.id))
        if not by_stream:
            return set()
        calls = [
            (stream, ids[start : start + _DELETED_AT_ONCE])
            for stream, ids in by_stream.items()
            for start in range(0, len(ids), _DELETED_AT_ONCE)
        ]
        pipeline = self._redis.pipeline(transaction=False)
        for stream, ids in calls:
            partition = partition_of(stream)
            await self._delete(
                keys=[FENCES, stream, _attempts(stream)],
                args=[partition, epochs[partition], *ids],
                client=pipeline,
            )
        async with guard():
            answers = await pipeline.execute()
        fenced = {partition_of(stream) for (stream, _), done in zip(calls, answers, strict=True) if not done}
        for stream in by_stream:
            if OVERFLOW in stream and partition_of(stream) not in fenced:
                await self._appender.close_if_empty(stream.partition(OVERFLOW)[0], stream)
        return fenced

    async def overflows(self, streams: Sequence[str]) -> list[str]:
        async with guard():
            index = cast(dict[bytes, bytes], await self._redis.hgetall(INDEX))
            spilled = [(key.decode(), StreamId.parse(since)) for key, since in index.items()]
            mine = [(key, since) for key, since in spilled if key.partition(OVERFLOW)[0] in streams]
            pipeline = self._redis.pipeline(transaction=False)
            for key, _ in mine:
                pipeline.xrange(key.partition(OVERFLOW)[0], count=1)
            heads = await pipeline.execute() if mine else []
        return [
            f"{key}:{since}"
            for (key, since), head in zip(mine, heads, strict=True)
            if not head or since < StreamId.parse(head[0][0])
        ]

    async def lag(self, streams: Sequence[str]) -> dict[str, int]:
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xlen(stream)
        async with guard():
            return dict(zip(streams, await pipeline.execute(), strict=True))

    async def last_ids(self, streams: Sequence[str]) -> dict[str, StreamId]:
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xinfo_stream(stream)
        async with guard():
            answers = await pipeline.execute(raise_on_error=False)
            return {s: _last_id(answer) for s, answer in zip(streams, answers, strict=True)}

    async def seen(self, partition_kind: str, event_ids: Sequence[str]) -> set[str]:
        return await self._seen.among(partition_kind, event_ids)

    async def mark_seen(self, marks: Mapping[str, Sequence[str]]) -> None:
        await self._seen.mark(marks)

    async def raise_attempts(self, entries: Sequence[Entry], *, alone: bool = False) -> dict[StreamId, int]:
        if not entries:
            return {}
        pipeline = self._redis.pipeline(transaction=True)
        for entry in entries:
            pipeline.hincrby(_attempts(entry.stream), f"{entry.id}:alone" if alone else str(entry.id), 1)
        async with guard():
            counts = await pipeline.execute()
        return {entry.id: count for entry, count in zip(entries, counts, strict=True)}


def _entry(stream: str, raw: RawEntry) -> Entry:
    id_, fields = raw
    mail = Mail(fields[b"t"].decode(), fields[b"e"].decode(), fields[b"b"])
    return Entry(stream, StreamId.parse(id_), mail, int(fields.get(b"n", 0)))


def _last_id(answer: Any) -> StreamId:
    if isinstance(answer, ResponseError) and "no such key" in str(answer):
        return ZERO
    if isinstance(answer, Exception):
        raise answer
    return StreamId.parse(answer["last-generated-id"])


def _attempts(stream: str) -> str:
    return f"attempts:{stream}"
