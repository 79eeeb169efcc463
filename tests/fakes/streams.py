"""Redis's side in memory. Nothing sleeps: a blocking read waits for the next append, `block_ms` at most."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from domain.clock import Clock
from storage.records import OVERFLOW, ZERO, BusEntry, Entry, Mail, StreamId, partition_of
from storage.redis.cache import Cached
from storage.redis.live import KEPT_FOR
from storage.redis.mailbox import SPILL_AT

_SEEN_FOR = timedelta(hours=40)


@dataclass
class _Stream:
    entries: dict[StreamId, tuple[object, bytes]] = field(default_factory=dict)  # in order
    last: StreamId = ZERO
    added: int = 0


class FakeRedis:
    """All data, kept apart from the stores so that a test can make new stores on the old data, go back to
    what was there before, or lose a part."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.streams: dict[str, _Stream] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.seen: dict[tuple[str, str], float] = {}  # stream, event id -> when marked
        self.attempts: Counter[tuple[str, StreamId, bool]] = Counter()  # stream, id, alone
        self.fences: dict[int, int] = {}  # partition -> epoch
        self.spilling: dict[str, StreamId] = {}  # "{stream}:overflow:{route}" -> since
        self._appended = asyncio.Event()

    def copy(self) -> "FakeRedis":
        """The data as of now: what an append-only file that ends here would bring back."""
        copied = FakeRedis(self.clock)
        copied.take(self)
        return copied

    def take(self, other: "FakeRedis") -> None:
        """Hold what `other` holds and nothing else."""
        self.streams = {n: _Stream(dict(s.entries), s.last, s.added) for n, s in other.streams.items()}
        self.hashes = {name: dict(held) for name, held in other.hashes.items()}
        self.seen, self.spilling = dict(other.seen), dict(other.spilling)
        self.attempts, self.fences = Counter(other.attempts), dict(other.fences)

    def append(self, stream: str, label: object, body: bytes) -> StreamId:
        held = self.streams.setdefault(stream, _Stream())
        now = StreamId(int(self.clock.now().timestamp() * 1000), 0)
        id_ = now if held.last < now else StreamId(held.last.ms, held.last.seq + 1)
        held.last = id_
        held.added += 1
        held.entries[id_] = (label, body)
        self._appended.set()
        return id_

    def after(
        self, positions: Mapping[str, StreamId], count: int
    ) -> dict[str, list[tuple[StreamId, object, bytes]]]:
        found = {}
        for stream, position in positions.items():
            held = self.streams.get(stream, _Stream()).entries
            entries = [(id_, *held[id_]) for id_ in held if position < id_][:count]
            if entries:
                found[stream] = entries
        return found

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[tuple[StreamId, object, bytes]]]:
        found = self.after(positions, count)
        if not found and positions and block_ms > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(block_ms / 1000):
                    while not found:
                        self._appended.clear()
                        await self._appended.wait()
                        found = self.after(positions, count)
        return found


class FakeMailboxes:
    def __init__(self, redis: FakeRedis, *, spill_at: int = SPILL_AT) -> None:
        self._redis = redis
        self._spill_at = spill_at

    async def tell(self, mails: Sequence[tuple[str, Mail]]) -> None:
        for stream, mail in mails:
            overflow = f"{stream}{OVERFLOW}{_route(mail.target)}"
            if (since := self._redis.spilling.get(overflow)) is not None:
                spill = self._redis.streams.setdefault(f"{overflow}:{since}", _Stream(last=since))
                spill.last = max(spill.last, since)
                self._redis.append(f"{overflow}:{since}", (mail, 0), mail.body)
                continue
            added = self._redis.streams.setdefault(stream, _Stream()).added
            id_ = self._redis.append(stream, (mail, added + 1), mail.body)
            held = self._redis.streams[stream].entries
            if len(held) > self._spill_at and len(held) % 64 == 0:
                newest = [_mail(label) for label, _ in list(held.values())[-128:]]
                own = sum(_route(m.target) == _route(mail.target) for m, _ in newest)
                if own > 64:
                    self._redis.spilling[overflow] = id_

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        found = await self._redis.read(positions, count, block_ms)
        return {
            stream: [Entry(stream, id_, *_mail(label)) for id_, label, _ in entries]
            for stream, entries in found.items()
        }

    async def fence(self, partition: int, epoch: int) -> bool:
        if self._redis.fences.get(partition, 0) > epoch:
            return False
        self._redis.fences[partition] = epoch
        return True

    async def delete(self, entries: Sequence[Entry], epochs: Mapping[int, int]) -> set[int]:
        partitions = {partition_of(entry.stream) for entry in entries}
        fenced = {p for p in partitions if not await self.fence(p, epochs[p])}
        streams: set[str] = set()
        for entry in entries:
            stream = self._redis.streams.get(entry.stream)
            if stream is None or partition_of(entry.stream) in fenced:
                continue
            streams.add(entry.stream)
            stream.entries.pop(entry.id, None)
            for alone in (False, True):
                self._redis.attempts.pop((entry.stream, entry.id, alone), None)
        for name in {name for name in streams if OVERFLOW in name}:
            if not self._redis.streams[name].entries:
                parent = self._redis.streams[name.partition(OVERFLOW)[0]]
                parent.last = max(parent.last, self._redis.streams.pop(name).last)
                self._redis.spilling.pop(name.rpartition(":")[0], None)
        return fenced

    async def overflows(self, streams: Sequence[str]) -> list[str]:
        ready = []
        for overflow, since in self._redis.spilling.items():
            parent = overflow.partition(OVERFLOW)[0]
            owed = self._redis.streams[parent].entries
            if parent in streams and not any(id_ <= since for id_ in owed):
                ready.append(f"{overflow}:{since}")
        return ready

    async def lag(self, streams: Sequence[str]) -> dict[str, int]:
        return {s: len(self._redis.streams.get(s, _Stream()).entries) for s in streams}

    async def last_ids(self, streams: Sequence[str]) -> dict[str, StreamId]:
        return {s: self._redis.streams.get(s, _Stream()).last for s in streams}

    async def seen(self, partition_kind: str, event_ids: Sequence[str]) -> set[str]:
        oldest = (self._redis.clock.now() - _SEEN_FOR).timestamp()
        stream = partition_kind.partition(OVERFLOW)[0]
        return {e for e in event_ids if self._redis.seen.get((stream, e), 0.0) >= oldest}

    async def mark_seen(self, marks: Mapping[str, Sequence[str]]) -> None:
        now = self._redis.clock.now().timestamp()
        for stream, event_ids in marks.items():
            self._redis.seen |= {(stream.partition(OVERFLOW)[0], event_id): now for event_id in event_ids}

    async def raise_attempts(self, entries: Sequence[Entry], *, alone: bool = False) -> dict[StreamId, int]:
        counts = {}
        for entry in entries:
            self._redis.attempts[entry.stream, entry.id, alone] += 1
            counts[entry.id] = self._redis.attempts[entry.stream, entry.id, alone]
        return counts


class FakeEventBus:
    def __init__(self, redis: FakeRedis, live: "FakeLiveFeed") -> None:
        self._redis = redis
        self._live = live

    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> None:
        for topic, _, sealed in events:
            self._redis.append(f"bus:{topic}", None, sealed)
        await self._live.publish_live([(org, sealed) for _, org, sealed in events])

    async def read(
        self, topic: str, consumer: str, after: StreamId, count: int, block_ms: int
    ) -> list[BusEntry]:
        found = await self._redis.read({f"bus:{topic}": after}, count, block_ms)
        return [BusEntry(id_, body) for id_, _, body in found.get(f"bus:{topic}", [])]

    async def position(self, topic: str, consumer: str) -> StreamId:
        return StreamId.parse(self._redis.hashes.setdefault(topic, {}).setdefault(consumer, str(ZERO)))

    async def commit(self, topic: str, consumer: str, position: StreamId) -> None:
        positions = self._redis.hashes.setdefault(topic, {})
        positions[consumer] = str(position)
        passed = min(map(StreamId.parse, positions.values()))
        held = self._redis.streams.get(f"bus:{topic}", _Stream()).entries
        for id_ in [id_ for id_ in held if id_ <= passed]:
            del held[id_]


class FakeLiveFeed:
    def __init__(self, redis: FakeRedis) -> None:
        self._redis = redis

    async def publish_live(self, items: Sequence[tuple[str, bytes]]) -> None:
        oldest = StreamId(int((self._redis.clock.now() - KEPT_FOR).timestamp() * 1000), 0)
        for org, sealed in items:
            self._redis.append(f"live:{org}", None, sealed)
            held = self._redis.streams[f"live:{org}"].entries
            for id_ in [id_ for id_ in held if id_ < oldest]:
                del held[id_]

    async def read(
        self, after: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[BusEntry]]:
        found = await self._redis.read({f"live:{o}": id_ for o, id_ in after.items()}, count, block_ms)
        return {
            feed.removeprefix("live:"): [BusEntry(id_, body) for id_, _, body in entries]
            for feed, entries in found.items()
        }

    async def last(self, org: str) -> StreamId:
        held = self._redis.streams.get(f"live:{org}", _Stream()).entries
        return next(reversed(held), ZERO)

    async def has(self, org: str, id: StreamId) -> bool:
        return id in self._redis.streams.get(f"live:{org}", _Stream()).entries


class FakeCache:
    def __init__(self) -> None:
        self._data: dict[tuple[Cached, str], bytes] = {}

    async def get(self, what: Cached, id: str) -> bytes | None:
        return self._data.get((what, id))

    async def set(self, what: Cached, id: str, sealed: bytes) -> None:
        self._data[what, id] = sealed


def _mail(label: object) -> tuple[Mail, int]:
    """The mail of a mailbox's entry, and its number."""
    assert isinstance(label, tuple)
    return label[0], label[1]


def _route(target: str) -> str:
    """All targets of one external account (`platform:external id[:org]`) share a route."""
    return ":".join(target.split(":")[:2])
