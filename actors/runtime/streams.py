"""The streams this host reads, and how far it is in each."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from actors.runtime.deliveries import Delivery
from actors.runtime.envelope import stream_of
from actors.runtime.metrics import Counter
from domain.ids import Kind
from storage.ports import Mailboxes
from storage.records import OVERFLOW, ZERO, Entry, StreamId

log = structlog.get_logger()

READ_COUNT = 256  # entries per stream and read


@dataclass(slots=True)
class _Stream:
    partition: int
    epoch: int
    generation: int
    position: StreamId = ZERO
    suspect_until: StreamId = ZERO  # what was pending at the claim may have killed the process before
    applied: StreamId = ZERO
    number: int = 0  # of the newest entry that was read
    broken: bool = False  # it goes on with numbers that were there before: Redis has lost some


class Streams:
    """Guarantee: every entry of a partition's streams is read once after `add`, in the order of each
    stream; an overflow stream only when all earlier mail of its target is applied."""

    def __init__(self, mailboxes: Mailboxes, count: Counter) -> None:
        self._mailboxes = mailboxes
        self._count = count
        self._streams: dict[str, _Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, partition: int, epoch: int, generation: int, last_ids: Mapping[str, StreamId]) -> None:
        """Read a claimed partition from the beginning: what is there is owed. `last_ids` of its streams, as
        of the claim."""
        for name, last_id in last_ids.items():
            self._streams[name] = _Stream(partition, epoch, generation, suspect_until=last_id)

    def reads_under(self, partition: int, epoch: int) -> bool:
        """Whether the partition is read here by this claim."""
        return any(s.partition == partition and s.epoch == epoch for s in self._streams.values())

    def names(self) -> Collection[str]:
        return self._streams.keys()

    def remove(self, partitions: Collection[int]) -> None:
        self._streams = {n: s for n, s in self._streams.items() if s.partition not in partitions}

    async def read(
        self, block_ms: int, has_room: Callable[[str], bool] = lambda stream: True
    ) -> list[Delivery]:
        """What is new in those streams for which there is room; without waiting if that is in none."""
        asked = {n: s for n, s in self._streams.items() if not s.broken and has_room(n)}
        got = await self._mailboxes.read({n: s.position for n, s in asked.items()}, READ_COUNT, block_ms)
        deliveries: list[Delivery] = []
        for name, entries in got.items():
            stream = asked[name]
            if self._streams.get(name) is not stream or not entries:
                # Lost meanwhile; and if it was claimed again, it is read from the beginning.
                continue
            if not _go_on(stream.number, entries):
                stream.broken = True
                continue
            stream.position, stream.number = entries[-1].id, entries[-1].number
            deliveries += [Delivery(e, stream.partition, stream.epoch, stream.generation) for e in entries]
        return deliveries

    def is_suspect(self, entry: Entry) -> bool:
        """Whether it was pending at the claim."""
        stream = self._streams.get(entry.stream)
        return stream is not None and entry.id <= stream.suspect_until

    async def find_overflows(self, owed: Callable[[], Collection[str]]) -> None:
        """Read the streams that flooding targets spilled into, from when their turn has come; forget those
        that are gone and of which nothing is `owed`."""
        usual = self._usual()
        found = set(await self._mailboxes.overflows(list(usual)))
        new = found - self._streams.keys()
        last_ids = await self._mailboxes.last_ids(sorted(new)) if new else {}
        for name, last_id in last_ids.items():
            stream = usual[name.partition(OVERFLOW)[0]]
            if self._streams.get(name.partition(OVERFLOW)[0]) is not stream:
                continue
            self._streams[name] = _Stream(
                stream.partition, stream.epoch, stream.generation, suspect_until=last_id
            )
            log.warning("mailbox.overflow", stream=name)
            self._count("mailbox_overflows")
        busy = owed()
        for name in [n for n in self._streams if OVERFLOW in n and n not in found and n not in busy]:
            del self._streams[name]

    def note_applied(self, entries: Collection[Entry]) -> None:
        """Finished and deleted."""
        for entry in entries:
            stream = self._streams.get(entry.stream)
            if stream is not None and stream.applied < entry.id:
                stream.applied = entry.id

    def applied_ids(self) -> dict[int, dict[str, StreamId]]:
        """Partition -> stream -> highest id that was read and finished."""
        high: dict[int, dict[str, StreamId]] = {}
        for name, stream in self._usual().items():
            if stream.applied != ZERO:
                high.setdefault(stream.partition, {})[name] = stream.applied
        return high

    async def lost(self, busy: Callable[[str], bool]) -> set[int]:
        """Partitions with a stream of which Redis has lost the end: it stops before what was already read
        from it, or goes on with numbers that were there before, or holds what was read and deleted, though
        it is not `busy`."""
        usual = self._usual()
        before = {n: s.position for n, s in usual.items()}
        idle = {n for n in usual if not busy(n)}
        there = await self._mailboxes.lag(list(usual))
        last = await self._mailboxes.last_ids(list(usual))
        found = set()
        for name, stream in usual.items():
            end = last.get(name, ZERO)
            is_back = name in idle and bool(there.get(name)) and end <= before[name]
            if self._streams.get(name) is stream and (stream.broken or end < before[name] or is_back):
                found.add(stream.partition)
        return found

    def _usual(self) -> dict[str, _Stream]:
        return {n: s for n, s in self._streams.items() if OVERFLOW not in n}


def _go_on(number: int, entries: Sequence[Entry]) -> bool:
    """Whether the numbers rise. Overflow streams have none, and lose nothing that their stream keeps."""
    for entry in entries:
        if entry.number and entry.number <= number:
            return False
        number = entry.number
    return True


def streams_of(partition: int) -> list[str]:
    return [stream_of(kind, partition) for kind in Kind]
