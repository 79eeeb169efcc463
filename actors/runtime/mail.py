"""The reader of this host's mailboxes: exactly one per stream, no consumer group.

Guarantee: an entry leaves its stream only after its effect on every entity concerned is saved (or it is
parked, or in the dead letters). Any step may be the last before a crash; the next reader starts at the
beginning of the stream and ends in the same place.

    read -> address -> drop what was seen -> apply and save (turns) -> mark seen -> delete

What fails again and again, or ends its process, is set aside when its turn has come: the entity passes it
by a versioned write that says so, then it is put into the dead letters, then deleted.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from actors.runtime.addressing import Addressing
from actors.runtime.deliveries import REMEMBERED, Delivery, Owed, Place, Stopped
from actors.runtime.envelope import stream_of
from actors.runtime.failpoints import Failpoint
from actors.runtime.held import Held, Queue
from actors.runtime.intake import Intake
from actors.runtime.lanes import Forward, Lanes
from actors.runtime.owner import Parts
from actors.runtime.streams import Streams
from actors.runtime.tasks import Tasks
from actors.runtime.turns import Turns
from actors.runtime.verdicts import Fate, NotOwner
from domain.ids import EntityKey
from storage.records import OVERFLOW, StoreUnavailable

log = structlog.get_logger()

MAX_OF_STREAM = 12_000
"""Deliveries of one stream in memory before it is read no further: more than an account can owe there
before it spills (`storage.redis.mailbox.SPILL_AT`), so that its neighbours in the stream are reached."""
MAX_OF_OVERFLOW = 1_000
MAX_UNFINISHED = 20_000
"""Deliveries of one loop in memory before only those streams are read that owe less than FAIR_SHARE."""
FAIR_SHARE = 256
MAX_FAILURES = 5
SOLO_FAILURES = 5  # starts of one message alone that ended with the process before it is set aside
AWAY_S = 1.0
BROKEN_S = 5.0
AT_ONCE = 256
"""Deliveries of one entity, and of all together, that are tried again in one turn."""


@dataclass(slots=True)
class Starts:
    """How many processes have begun a message, this one included: in a batch, and alone."""

    in_batch: int
    alone: int = 0


class MailLoop:
    """`dedicated`: entities known to have an actor of their own; their mail goes through `forward`."""

    def __init__(
        self,
        parts: Parts,
        addressing: Addressing,
        turns: Turns,
        forward: Forward,
        dedicated: set[EntityKey],
        tasks: Tasks,
    ) -> None:
        self._mailboxes = parts.mailboxes
        self._partitions = parts.envelope.partitions
        self._failpoints = parts.failpoints
        self._turns = turns
        self._dedicated = dedicated
        self.streams = Streams(parts.mailboxes, parts.count)
        self._owed = Owed(parts.mailboxes, parts.dead_letters, parts.clock, parts.failpoints, parts.count)
        self._held = Held(self._owed, parts.clock)
        self._lanes = Lanes(forward, self._owed, self._held, dedicated, tasks)
        self._intake = Intake(
            addressing,
            self._owed,
            parts.mailboxes,
            parts.parking,
            parts.clock,
            parts.failpoints,
            parts.count,
        )
        self._counted: OrderedDict[Place, Starts] = OrderedDict()  # what this process has counted itself for
        self._unrouted: list[Delivery] = []  # read, but the stores went away before each had a place
        self.rounds = 0
        """Ended ones. What a round has read is applied, held or in a lane when it ends, or read no more."""

    @property
    def held(self) -> dict[str, int]:
        return self._held.sizes()

    def remove(self, partitions: Collection[int]) -> None:
        """Forget lost partitions at once; their entries are still in the streams."""
        self.streams.remove(partitions)
        self._owed.remove(partitions)
        self._held.remove(partitions)
        self._lanes.remove(partitions)

    async def find_overflows(self) -> None:
        await self.streams.find_overflows(self._owed.streams)

    async def lost(self) -> set[int]:
        """Partitions of which Redis has lost data."""
        return await self.streams.lost(self._owed.has_any_of)

    async def mark_again(self, partition: int) -> None:
        """Of a partition of which Redis has lost data: what this process applied is marked seen once more."""
        partitions = self._partitions
        await self._owed.mark_again(
            lambda key: key.partition(partitions) == partition, lambda key: stream_of(key.kind, partition)
        )

    # -- the loop -----------------------------------------------------------------------------------
    async def step(self) -> float:
        """One round; answers seconds to wait before the next."""
        try:
            return await self._step()
        finally:
            self.rounds += 1

    async def _step(self) -> float:
        await self._finish()
        await self._retry_held()
        if self._unrouted:
            await self._route()
        if not len(self.streams):
            return 0.2
        read = await self.streams.read(50 if self._held else 250, self._has_room)
        self._failpoints.hit(Failpoint.BATCH_READ)
        for delivery in read:
            self._owed.add(delivery)
        self._unrouted += read
        await self._route()
        await self._finish()
        return 0.0 if any(map(self._has_room, self.streams.names())) else 0.1

    def _has_room(self, stream: str) -> bool:
        owed = self._owed.of_stream(stream)
        if OVERFLOW in stream:
            return owed < MAX_OF_OVERFLOW
        return owed < (MAX_OF_STREAM if len(self._owed) < MAX_UNFINISHED else FAIR_SHARE)

    async def _finish(self) -> None:
        deleted, superseded = await self._owed.flush()
        self.streams.note_applied(deleted)
        for entry in deleted:
            self._counted.pop((entry.stream, entry.id), None)
        self.remove([p for p, epoch in superseded.items() if self.streams.reads_under(p, epoch)])

    async def _route(self) -> None:
        """Give everything read its place, in the order it was read. Interrupted by an unavailable store, it
        goes on with what has none yet."""
        waiting = [d for d in self._unrouted if not d.routed and self._owed.holds(d)]
        await self._count_starts([d for d in waiting if self.streams.is_suspect(d.entry)])
        batch: list[Delivery] = []
        for delivery in waiting:
            starts = self._counted.get(delivery.place)
            if starts is not None and starts.in_batch > 1:
                await self._deliver(batch)
                batch = []
                await self._alone(delivery, starts)
            else:
                batch.append(delivery)
        await self._deliver(batch)
        self._unrouted.clear()

    async def _count_starts(self, suspects: Sequence[Delivery]) -> None:
        """Messages pending at a claim: those met for the first time go on in the batch; those that were in
        a batch when a process ended are applied alone, so that a message that kills is found. Counted once
        by each process, however often a store that is away makes it start again, or it loses the partition
        and gets it back."""
        by_stream: dict[str, list[Delivery]] = {}
        for delivery in suspects:
            if delivery.place not in self._counted:
                by_stream.setdefault(delivery.entry.stream, []).append(delivery)
        for deliveries in by_stream.values():
            counts = await self._mailboxes.raise_attempts([d.entry for d in deliveries])
            for delivery in deliveries:
                self._counted[delivery.place] = Starts(counts[delivery.entry.id])
                if len(self._counted) > REMEMBERED:
                    self._counted.popitem(last=False)

    async def _alone(self, delivery: Delivery, starts: "Starts") -> None:
        if not starts.alone:
            counts = await self._mailboxes.raise_attempts([delivery.entry], alone=True)
            starts.alone = counts[delivery.entry.id]
        if starts.alone > SOLO_FAILURES:
            delivery.reason = "the process ended each time this message was applied"
        await self._deliver([delivery])
        await self._finish()

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        # What was parked before may be told again by now. It leaves first, or whoever read it once more would
        # find its position passed by these, and take it for applied.
        await self._finish()
        work = await self._intake.address(deliveries)
        for delivery in deliveries:
            delivery.routed = True
        local: dict[EntityKey, list[Delivery]] = {}
        for key, queue in work.items():
            if key in self._held:
                self._held.follow(key, queue)
            elif self._lanes.takes(key):
                self._lanes.put(key, queue)
            else:
                local[key] = queue
        await self._run(local)

    # -- applying -----------------------------------------------------------------------------------
    async def _run(
        self, local: Mapping[EntityKey, Sequence[Delivery]], failures: int = 0, *, again: bool = False
    ) -> None:
        """`failures`: how often the first message has failed, when it is tried `again`."""
        work: dict[EntityKey, list[Delivery]] = {}
        for key, queue in local.items():
            # What is not owed any more may have had earlier mail of its entity before it, which is gone from
            # memory as well: applied now, it would pass that. Whoever reads the partition next reads both.
            owed = [d for d in queue if self._owed.holds(d)]
            now, later = self._owed.without_repeats(key, owed)
            if later:
                self._held.hold(key, later, wait_s=0.0)
            if now:
                work[key] = now
        if not work:
            return
        try:
            verdicts = await self._turns.run({k: [d.item(k) for d in q] for k, q in work.items()})
        except (StoreUnavailable, NotOwner):
            # Twice in a row: perhaps it is one entity that the store cannot take. One by one shows that, and
            # after an outage it would be too slow to catch up: in turn with all together, then.
            alone = again and len(work) > 1
            for key, queue in work.items():
                self._held.hold(key, queue, failures=failures, wait_s=AWAY_S, first=True, alone=alone)
            return
        except Exception as error:
            # No message's fault: those come back as verdicts. Something about one entity (a document that
            # cannot be read) broke the whole batch: one by one shows which, and holds up only that one.
            log.error("batch.failed", keys=len(work), error=type(error).__name__, exc_info=len(work) == 1)
            wait_s = BROKEN_S if len(work) == 1 else 0.0
            for key, queue in work.items():
                self._held.hold(key, queue, failures=failures, wait_s=wait_s, first=True, alone=True)
            return
        for key, queue in work.items():
            stopped = self._owed.settle(key, queue, verdicts[key])
            if stopped is not None:
                self._wait(key, stopped, failures if stopped.rest[0] is queue[0] else 0)

    def _wait(self, key: EntityKey, stopped: Stopped, failures: int) -> None:
        match stopped.fate:
            case Fate.ELSEWHERE:
                self._dedicated.add(key)
                self._lanes.put(key, stopped.rest, failures)
            case Fate.LOST_RACE:
                self._held.hold(key, stopped.rest, failures=failures, wait_s=0.05, first=True)
            case _:
                self._held.failed(key, stopped.rest, failures + 1, stopped.error)

    async def _retry_held(self) -> None:
        """What only waited for a store goes on together, as it came: after an outage that is everything."""
        batch: dict[EntityKey, Queue] = {}
        size = 0
        for key in self._held.due(alone=False):
            if queue := self._take(key):
                batch[key] = queue
                size += min(len(queue.waiting), AT_ONCE)
            if size >= AT_ONCE:
                await self._retry(batch)
                batch, size = {}, 0
        await self._retry(batch)
        for key in self._held.due(alone=True):
            if queue := self._take(key):
                await self._retry({key: queue}, queue.failures)

    def _take(self, key: EntityKey) -> Queue | None:
        """What is held of the entity, to be tried here and now; None if it is not to be."""
        queue = self._held.take(key)
        if queue is None:
            return None  # the partition was lost meanwhile
        if queue.failures >= MAX_FAILURES:
            queue.waiting[0].set_aside([key], "applying it failed five times")
            queue.failures = 0
        if self._lanes.takes(key):
            self._lanes.put(key, queue.waiting, queue.failures)
            return None
        return queue

    async def _retry(self, batch: Mapping[EntityKey, Queue], failures: int = 0) -> None:
        # After a failure only the first is tried: its followers shall not count attempts for it.
        most = 1 if failures else AT_ONCE
        heads = {
            key: [queue.waiting.popleft() for _ in range(min(most, len(queue.waiting)))]
            for key, queue in batch.items()
        }
        await self._run(heads, failures, again=True)
        for key, queue in batch.items():
            if key in self._held:
                self._held.follow(key, queue.waiting)
            elif self._lanes.takes(key):
                self._lanes.put(key, queue.waiting)
            else:
                self._held.hold(key, list(queue.waiting), wait_s=0.0)
