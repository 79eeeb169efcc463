"""Appending to mailboxes: coalesced, atomic, with overflow streams for targets that flood."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis.asyncio import Redis

from domain.clock import Clock
from storage.records import OVERFLOW, Mail, StoreUnavailable
from storage.redis.client import guard

INDEX: Final = "mailbox:overflows"
"""Hash of open overflows: `{stream}:overflow:{route}` -> the id in the stream after which mail spills."""

COUNTS: Final = "mailbox:counts"
"""Hash: stream -> how many entries were ever added to it; the number in the newest one."""

_MAX_MAILS: Final = 512
_MAX_BYTES: Final = 4 * 1024 * 1024
_MEMORY_CHECK_S: Final = 1.0
_MEMORY_CHECK_NEAR_S: Final = 0.1
"""Between looks once half of what may be used is: a flood fills the rest within a second."""
_MEMORY_SHARE: Final = 0.8
"""Where accepting stops. Short of the limit, at which Redis refuses what emptying a mailbox needs as well."""
_FLOOD_SHARE: Final = 0.75
"""Of that: where targets that flood are refused, so that the rest is left for all others, and for the events
that come of what was accepted (bus and live feed)."""
_SPILL_WHEN_SCARCE: Final = 512
"""Memory above that share, and a target floods sooner: there may be no room for what is a flood otherwise."""

_APPEND: Final = """
-- KEYS: a stream per mail, then the overflow index and the counts. ARGV: the flood limit, then target,
-- event id and body per mail. Ids of one entity's mail must rise across its streams, because it keeps a
-- single watermark: hence all targets of one external account spill together (the route), an overflow
-- starts behind the stream's id, and closing it lifts the stream's id (see CLOSE).
local index, counts, limit = KEYS[#KEYS - 1], KEYS[#KEYS], tonumber(ARGV[1])
local spilling = redis.call('HLEN', index) > 0
local function route(target) return string.match(target, '^[^:]+:[^:]+') or target end
for i = 1, #KEYS - 2 do
  local stream, target, event, body = KEYS[i], ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local overflow = stream .. ':overflow:' .. route(target)
  local since = spilling and redis.call('HGET', index, overflow)
  if since then
    local name, id = overflow .. ':' .. since, '*'
    if redis.call('EXISTS', name) == 0 then
      local ms, seq = string.match(since, '^(%d+)-(%d+)$')
      id = ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
    end
    redis.call('XADD', name, id, 't', target, 'e', event, 'b', body)
  else
    local n = redis.call('HINCRBY', counts, stream, 1)
    local id = redis.call('XADD', stream, '*', 't', target, 'e', event, 'b', body, 'n', n)
    local owed = redis.call('XLEN', stream)
    if owed > limit and owed % 64 == 0 then
      local mine = 0
      for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 128)) do
        if route(entry[2][2]) == route(target) then mine = mine + 1 end
      end
      if mine > 64 then
        redis.call('HSET', index, overflow, id)
        spilling = true
      end
    end
  end
end
"""

_CLOSE: Final = """
-- KEYS: stream, overflow stream, overflow index. ARGV: the overflow's field in the index.
if redis.call('XLEN', KEYS[2]) > 0 then return end
local function last(stream)
  if redis.call('EXISTS', stream) == 0 then return '0-0' end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local id = last(KEYS[2])
local ms, seq = parts(id)
local old_ms, old_seq = parts(last(KEYS[1]))
if old_ms > 0 and (ms > old_ms or (ms == old_ms and seq > old_seq)) then
  redis.call('XSETID', KEYS[1], id)
end
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[3], ARGV[1])
"""


@dataclass(slots=True)
class _Waiting:
    mails: Sequence[tuple[str, Mail]]
    size: int
    done: asyncio.Future[None]


class Appender:
    """Gathers what concurrent callers want appended; one script call is in flight, the rest waits for it.

    Guarantee: a call that returned is on disk as a whole; one that raised is unknown, but never in part.
    The whole gathering is one script, which Redis runs, logs and after a crash replays as one.
    """

    def __init__(self, redis: Redis, clock: Clock, spill_at: int, memory_limit: int | None) -> None:
        self._redis = redis
        self._clock = clock
        self._spill_at = spill_at
        self._memory_limit = memory_limit
        self._append = redis.register_script(_APPEND)
        self._close = redis.register_script(_CLOSE)
        self._waiting: deque[_Waiting] = deque()
        self._flusher: asyncio.Task[None] | None = None
        self._check_at = float("-inf")
        self._full = self._scarce = False
        self._flooding: frozenset[str] = frozenset()  # `{stream}:overflow:{route}`, while memory is scarce

    async def append(self, mails: Sequence[tuple[str, Mail]]) -> None:
        if not mails:
            return
        if self._floods(mails):
            await self._look_at_memory()
            if self._floods(mails):  # it may have ended meanwhile, while others go on
                raise StoreUnavailable("redis: the memory for mailboxes is scarce, and this target floods")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(mails, sum(len(mail.body) for _, mail in mails), done))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        await done

    def _floods(self, mails: Sequence[tuple[str, Mail]]) -> bool:
        flooding = self._flooding
        return bool(flooding) and any(_overflow(stream, mail) in flooding for stream, mail in mails)

    async def close_if_empty(self, stream: str, overflow: str) -> None:
        """Let a target that has stopped flooding go back to its stream."""
        async with guard():
            await self._close(keys=[stream, overflow, INDEX], args=[overflow.rpartition(":")[0]])

    async def _flush(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch = self._gather()
                try:
                    await self._send(batch)
                except StoreUnavailable as unavailable:
                    _settle(batch, str(unavailable))
                else:
                    _settle(batch)
        finally:
            # Cancelled at shutdown, or a defect: nobody may wait for ever.
            self._flusher = None
            _settle((*batch, *self._waiting), "redis: appending was stopped")
            self._waiting.clear()

    def _gather(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        mails, size = len(batch[0].mails), batch[0].size
        while self._waiting:
            mails += len(self._waiting[0].mails)
            size += self._waiting[0].size
            if mails > _MAX_MAILS or size > _MAX_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        streams: list[str] = []
        async with guard():
            await self._look_at_memory()
        if self._full:
            raise StoreUnavailable("redis: the memory for mailboxes is full")
        spill_at = min(self._spill_at, _SPILL_WHEN_SCARCE) if self._scarce else self._spill_at
        args: list[str | bytes | int] = [spill_at]
        for waiting in batch:
            for stream, mail in waiting.mails:
                streams.append(stream)
                args += (mail.target, mail.event_id, mail.body)
        async with guard():
            await self._append(keys=[*streams, INDEX, COUNTS], args=args)

    async def _look_at_memory(self) -> None:
        now = self._clock.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + _MEMORY_CHECK_S
        async with guard():
            info = await self._redis.info("memory")
            limit = self._memory_limit or _MEMORY_SHARE * (info["maxmemory"] or info["total_system_memory"])
            if info["used_memory"] > limit / 2:
                self._check_at = now + _MEMORY_CHECK_NEAR_S
            self._full = info["used_memory"] > limit
            self._scarce = info["used_memory"] > limit * _FLOOD_SHARE
            open_ = cast(list[bytes], await self._redis.hkeys(INDEX)) if self._scarce else []
        self._flooding = frozenset(field.decode() for field in open_)


def _overflow(stream: str, mail: Mail) -> str:
    """The field of the overflow index under which this mail would spill; as the script makes it."""
    parts = mail.target.split(":", 2)
    return f"{stream}{OVERFLOW}{':'.join(parts[:2]) if len(parts) > 1 else mail.target}"


def _settle(batch: Sequence[_Waiting], failure: str | None = None) -> None:
    for waiting in batch:
        if waiting.done.done():  # the caller gave up
            continue
        if failure is None:
            waiting.done.set_result(None)
        else:
            # An object for each: one exception raised in several tasks mixes their tracebacks.
            waiting.done.set_exception(StoreUnavailable(failure))
