"""The reader of this host's mailboxes: exactly one per partition, no consumer group.

Guarantee: an entry leaves its stream only after its effect on every entity concerned is saved (or it is
parked, or in the dead letters). Any step may be the last before a crash; the next reader starts at the
beginning of the stream and ends in the same place.

    read -> address -> drop what was seen -> apply and save (turns) -> mark seen -> delete
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from actors.runtime.addressing import Addressing, UnknownPlatform
from actors.runtime.deliveries import Delivery, Held, RecentlyApplied, mark_of
from actors.runtime.envelope import stream_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.tasks import Tasks
from actors.runtime.turns import Fate, Item, NotOwner, Verdict
from domain.clock import Clock
from domain.ids import EntityKey, Kind
from storage.crypto import SealBroken
from storage.ports import DeadLetters, Mailboxes, Parking
from storage.records import OVERFLOW, ZERO, Claim, DeadLetter, StoreUnavailable, StreamId

log = structlog.get_logger()

READ_COUNT = 256  # entries per stream and read
MAX_UNFINISHED = 20_000  # deliveries in memory before reading pauses
MAX_FAILURES = 5
SOLO_FAILURES = 5  # starts of one message alone that ended with the process before it is set aside
RETRY_S = (0.2, 1.0, 5.0, 15.0)
LANE_BATCH = 256

Counter = Callable[..., None]
"""`count(name, n=1, **labels)`: the metrics seam."""

RunLocal = Callable[[Mapping[EntityKey, Sequence[Item]]], Awaitable[dict[EntityKey, list[Verdict]]]]
Forward = Callable[[EntityKey, Sequence[Delivery]], Awaitable[list[Verdict]]]


@dataclass(slots=True)
class _Stream:
    partition: int
    generation: int
    position: StreamId = ZERO
    suspect_until: StreamId = ZERO  # what was pending at the claim may have killed the process before
    applied: StreamId = ZERO


class MailLoop:
    def __init__(
        self,
        mailboxes: Mailboxes,
        addressing: Addressing,
        run_local: RunLocal,
        forward: Forward,
        skip: Callable[[EntityKey, Item], Awaitable[None]],
        dead_letters: DeadLetters,
        parking: Parking,
        tasks: Tasks,
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
        org_of: Callable[[EntityKey], str | None],
    ) -> None:
        self._mailboxes = mailboxes
        self._addressing = addressing
        self._run_local = run_local
        self._forward = forward
        self._skip = skip
        self._dead_letters = dead_letters
        self._parking = parking
        self._tasks = tasks
        self._clock = clock
        self._failpoints = failpoints
        self._count = count
        self._org_of = org_of
        self._streams: dict[str, _Stream] = {}
        self._held: dict[EntityKey, Held] = {}
        self._lanes: dict[EntityKey, deque[Delivery]] = {}
        self._recent = RecentlyApplied()
        self._open: dict[tuple[str, StreamId], Delivery] = {}
        self._unrouted: list[Delivery] = []  # read, but the stores went away before each had a place
        self._finished: list[Delivery] = []
        self.dedicated: set[EntityKey] = set()

    # -- partitions ---------------------------------------------------------------------------------
    def streams_of(self, partition: int) -> list[str]:
        return [stream_of(kind, partition) for kind in Kind]

    async def add(self, claim: Claim, generation: int) -> None:
        """Read a claimed partition from the beginning: what is there is owed."""
        last = await self._mailboxes.last_ids(self.streams_of(claim.partition))
        for name, last_id in last.items():
            self._streams[name] = _Stream(claim.partition, generation, suspect_until=last_id)

    def remove(self, partitions: Iterable[int]) -> None:
        """Forget lost partitions at once; their entries are still in the streams."""
        gone = set(partitions)
        for name in [n for n, s in self._streams.items() if s.partition in gone]:
            del self._streams[name]
        self._open = {k: d for k, d in self._open.items() if d.partition not in gone}
        self._unrouted = [d for d in self._unrouted if d.partition not in gone]
        for key in [k for k, h in self._held.items() if h.waiting and h.waiting[0].partition in gone]:
            del self._held[key]
        for key in [k for k, lane in self._lanes.items() if lane and lane[0].partition in gone]:
            del self._lanes[key]

    async def find_overflows(self) -> None:
        """Read the streams that flooding targets spilled into, from when their turn has come."""
        usual = {n: s for n, s in self._streams.items() if OVERFLOW not in n}
        found = set(await self._mailboxes.overflows(list(usual)))
        for name in found - self._streams.keys():
            stream = usual[name.partition(OVERFLOW)[0]]
            last = (await self._mailboxes.last_ids([name]))[name]
            self._streams[name] = _Stream(stream.partition, stream.generation, suspect_until=last)
            log.warning("mailbox.overflow", stream=name)
            self._count("mailbox_overflows")
        busy = {name for name, _ in self._open}
        for name in [n for n in self._streams if OVERFLOW in n and n not in found and n not in busy]:
            del self._streams[name]

    def applied_ids(self) -> dict[int, dict[str, StreamId]]:
        """Partition -> stream -> highest id that was read and finished since the last call."""
        high: dict[int, dict[str, StreamId]] = {}
        for name, stream in self._streams.items():
            if stream.applied != ZERO and OVERFLOW not in name:
                high.setdefault(stream.partition, {})[name] = stream.applied
        return high

    async def lost_streams(self) -> set[int]:
        """Partitions whose stream ends before what was already read from it: Redis lost its tail."""
        usual = {n: s for n, s in self._streams.items() if OVERFLOW not in n}
        before = {n: s.position for n, s in usual.items()}
        last = await self._mailboxes.last_ids(list(usual))
        return {s.partition for n, s in usual.items() if last.get(n, ZERO) < before[n]}

    @property
    def held(self) -> dict[str, int]:
        return {str(k): len(h.waiting) for k, h in self._held.items()}

    # -- the loop -----------------------------------------------------------------------------------
    async def step(self) -> float:
        """One round; answers seconds to wait before the next."""
        await self._finish()
        await self._retry_held()
        if self._unrouted:
            await self._route()
        if not self._streams:
            return 0.2
        if len(self._open) >= MAX_UNFINISHED:
            return 0.1
        positions = {name: s.position for name, s in self._streams.items()}
        got = await self._mailboxes.read(positions, READ_COUNT, 50 if self._held else 250)
        self._failpoints.hit(Failpoint.BATCH_READ)
        for name, entries in got.items():
            stream = self._streams.get(name)
            if stream is None or not entries:
                continue
            stream.position = entries[-1].id
            for entry in entries:
                delivery = Delivery(entry, stream.partition, stream.generation)
                self._open[name, entry.id] = delivery
                self._unrouted.append(delivery)
        await self._route()
        await self._finish()
        return 0.0

    async def _route(self) -> None:
        """Give everything read its place. Interrupted by an unavailable store, it is done again whole:
        what was applied meanwhile is known by watermark, mark or memory."""
        waiting = [d for d in self._unrouted if (d.entry.stream, d.entry.id) in self._open]
        suspects = [d for d in waiting if self._is_suspect(d)]
        cleared = await self._cleared(suspects)
        await self._deliver(cleared + [d for d in waiting if not self._is_suspect(d)])
        self._unrouted.clear()

    def _is_suspect(self, delivery: Delivery) -> bool:
        stream = self._streams.get(delivery.entry.stream)
        return stream is not None and delivery.entry.id <= stream.suspect_until

    async def _cleared(self, suspects: list[Delivery]) -> list[Delivery]:
        """Messages pending at a claim: those met for the first time go on in the batch; those that were in
        a batch when a process ended are applied alone, so that a message that kills is found."""
        if not suspects:
            return []
        counts = await self._mailboxes.raise_attempts([d.entry for d in suspects])
        for delivery in suspects:
            if counts[delivery.entry.id] > 1:
                await self._alone(delivery)
        return [d for d in suspects if counts[d.entry.id] <= 1]

    async def _alone(self, delivery: Delivery) -> None:
        solo = replace(delivery.entry, stream=f"{delivery.entry.stream}:solo")
        attempts = (await self._mailboxes.raise_attempts([solo]))[solo.id]
        if attempts > SOLO_FAILURES:
            for key in await self._address([delivery]):
                await self._bury(key, delivery, "the process ended each time this message was applied")
            self._done(delivery)
        else:
            await self._deliver([delivery])
        await self._finish()

    async def _deliver(self, deliveries: list[Delivery]) -> None:
        work = await self._address(deliveries)
        local: dict[EntityKey, list[Delivery]] = {}
        for key, queue in work.items():
            if key in self._held:
                self._held[key].waiting.extend(queue)
            elif key in self.dedicated:
                self._enqueue_lane(key, queue)
            else:
                local[key] = queue
        await self._run(local)

    async def _address(self, deliveries: list[Delivery]) -> dict[EntityKey, list[Delivery]]:
        """Entity -> its deliveries in order, without what was seen before; parks what nobody owns."""
        webhooks = [d for d in deliveries if self._addressing.is_webhook(d.entry)]
        owners = await self._addressing.resolve([d.entry.mail.target for d in webhooks])
        orphans = [d for d in webhooks if d.entry.mail.target not in owners]
        if orphans:
            # Insert, then look again: a connect between the two would otherwise miss the event.
            await self._parking.park([d.entry.mail for d in orphans], self._clock.now())
            self._failpoints.hit(Failpoint.PARKED)
            owners |= await self._addressing.resolve([d.entry.mail.target for d in orphans], fresh=True)
        work: dict[EntityKey, list[Delivery]] = {}
        for delivery in deliveries:
            ids = owners.get(delivery.entry.mail.target, ())
            if not ids and self._addressing.is_webhook(delivery.entry):
                self._count("webhooks_parked")
                self._done(delivery)
                continue
            try:
                delivery.messages = self._addressing.messages(delivery.entry, ids)
            except (SealBroken, UnknownPlatform, ValueError, KeyError) as error:
                await self._bury(None, delivery, f"{type(error).__name__}: cannot be opened")
                self._done(delivery)
                continue
            for key in delivery.messages:
                work.setdefault(key, []).append(delivery)
        await self._drop_seen(work)
        return {key: queue for key, queue in work.items() if queue}

    async def _drop_seen(self, work: dict[EntityKey, list[Delivery]]) -> None:
        asked: dict[str, list[str]] = {}
        for key, queue in work.items():
            for delivery in queue:
                asked.setdefault(delivery.entry.stream, []).append(mark_of(key, delivery))
        answers = await asyncio.gather(*(self._mailboxes.seen(s, ids) for s, ids in asked.items()))
        seen = dict(zip(asked, answers, strict=True))
        for key, queue in work.items():
            fresh = []
            for delivery in queue:
                if mark_of(key, delivery) in seen[delivery.entry.stream]:
                    self._count("duplicates_dropped")
                    self._settle_one(key, delivery, mark=False)
                else:
                    fresh.append(delivery)
            queue[:] = fresh

    # -- applying -----------------------------------------------------------------------------------
    async def _run(self, local: dict[EntityKey, list[Delivery]]) -> None:
        work: dict[EntityKey, list[Delivery]] = {}
        for key, queue in local.items():
            now, later = self._without_repeats(key, queue)
            if later:
                self._hold(key, later, failures=0, wait_s=0.0)
            if now:
                work[key] = now
        if not work:
            return
        try:
            verdicts = await self._run_local({k: [d.item(k) for d in q] for k, q in work.items()})
        except (StoreUnavailable, NotOwner):
            for key, queue in work.items():
                self._hold(key, queue, failures=0, wait_s=1.0, first=True)
            return
        except Exception as error:
            # Something in the batch broke the whole of it: one by one shows which.
            log.error("batch.failed", keys=len(work), error=type(error).__name__, exc_info=len(work) == 1)
            for key, queue in work.items():
                failures = 1 if len(work) == 1 and len(queue) == 1 else 0
                self._hold(key, queue, failures=failures, wait_s=0.0, first=True, error=error)
            return
        for key, queue in work.items():
            await self._settle(key, queue, verdicts[key])

    def _without_repeats(
        self, key: EntityKey, queue: list[Delivery]
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Split before the first event id that comes twice: whether it is a repeat depends on how the
        first one ends. What this incarnation already applied is dropped here."""
        ids: set[str] = set()
        now: list[Delivery] = []
        for index, delivery in enumerate(queue):
            event_id = delivery.entry.mail.event_id
            if event_id in ids:
                return now, queue[index:]
            if (key, event_id) in self._recent:
                self._count("duplicates_dropped")
                self._settle_one(key, delivery, mark=False)
                continue
            ids.add(event_id)
            now.append(delivery)
        return now, []

    async def _settle(self, key: EntityKey, queue: Sequence[Delivery], verdicts: Sequence[Verdict]) -> None:
        for index, (delivery, verdict) in enumerate(zip(queue, verdicts, strict=True)):
            rest = list(queue[index:])
            match verdict.fate:
                case Fate.APPLIED | Fate.KNOWN:
                    self._recent.add(key, delivery.entry.mail.event_id)
                    self._settle_one(key, delivery, mark=True)
                case Fate.ELSEWHERE:
                    self.dedicated.add(key)
                    return self._enqueue_lane(key, rest, first=True)
                case Fate.LOST_RACE:
                    return self._hold(key, rest, failures=0, wait_s=0.05, first=True)
                case _:
                    return self._hold(key, rest, failures=1, first=True, error=verdict.error)

    def _hold(
        self,
        key: EntityKey,
        queue: Sequence[Delivery],
        *,
        failures: int,
        wait_s: float | None = None,
        first: bool = False,
        error: Exception | None = None,
    ) -> None:
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = Held(deque(), 0, 0.0)
        if first:
            held.waiting.extendleft(reversed(queue))
        else:
            held.waiting.extend(queue)
        held.failures += failures
        if failures:
            log.warning(
                "message.failed",
                entity=str(key),
                event_id=queue[0].entry.mail.event_id,
                failures=held.failures,
                error=type(error).__name__,
            )
        wait = _pause(held.failures) if wait_s is None else wait_s
        held.retry_at = self._clock.monotonic() + wait

    async def _retry_held(self) -> None:
        now = self._clock.monotonic()
        for key in [k for k, h in self._held.items() if h.retry_at <= now]:
            held = self._held[key]
            if held.failures >= MAX_FAILURES and not await self._set_aside(key, held):
                continue
            del self._held[key]
            if key in self.dedicated:
                self._enqueue_lane(key, held.waiting)
                continue
            # After a failure only the head is tried: its followers shall not count attempts for it.
            count = 1 if held.failures else len(held.waiting)
            head = [held.waiting.popleft() for _ in range(count)]
            await self._run({key: head} if head else {})
            again = self._held.get(key)
            if again is not None:
                again.failures += held.failures
                again.waiting.extend(held.waiting)
                if held.failures:
                    again.retry_at = max(again.retry_at, now + _pause(again.failures))
            elif held.waiting:
                self._held[key] = Held(held.waiting, 0, now)

    async def _set_aside(self, key: EntityKey, held: Held) -> bool:
        """Dead letter first, then the watermark passes the message by a versioned write."""
        delivery = held.waiting[0]
        try:
            await self._bury(key, delivery, "applying it failed five times")
            await self._skip(key, delivery.item(key))
        except (StoreUnavailable, NotOwner):
            held.retry_at = self._clock.monotonic() + 1.0
            return False
        self._failpoints.hit(Failpoint.DEAD_PASSED)
        held.waiting.popleft()
        held.failures = 0
        self._settle_one(key, delivery, mark=True)
        return True

    # -- dedicated actors ---------------------------------------------------------------------------
    def _enqueue_lane(self, key: EntityKey, queue: Iterable[Delivery], *, first: bool = False) -> None:
        lane = self._lanes.get(key)
        if lane is not None:
            if first:
                lane.extendleft(reversed(list(queue)))
            else:
                lane.extend(queue)
            return
        self._lanes[key] = deque(queue)
        self._tasks.spawn(self._drain_lane(key), f"lane:{key}")

    async def _drain_lane(self, key: EntityKey) -> None:
        """Forward to the entity's own actor, one call in flight, so that order holds."""
        while (lane := self._lanes.get(key)) is not None:
            if not lane or key not in self.dedicated:
                del self._lanes[key]
                if lane:
                    self._hold(key, list(lane), failures=0, wait_s=0.0)
                return
            batch = [lane.popleft() for _ in range(min(len(lane), LANE_BATCH))]
            now, later = self._without_repeats(key, batch)
            lane.extendleft(reversed(later))
            if not now:
                continue
            try:
                verdicts = await self._forward(key, now)
            except (StoreUnavailable, NotOwner):
                if key in self._lanes:
                    lane.extendleft(reversed(now))
                await asyncio.sleep(0.5)
                continue
            if key not in self._lanes:
                return  # the partition was lost meanwhile
            await self._settle(key, now, verdicts)
            if key in self._held:
                # What did not succeed comes first: a later one applied before it would move the watermark
                # past it, and it would count as known.
                self._held[key].waiting.extend(lane)
                del self._lanes[key]
                return

    # -- the end of a delivery ----------------------------------------------------------------------
    def _settle_one(self, key: EntityKey, delivery: Delivery, *, mark: bool) -> None:
        if mark:
            delivery.marks.append(mark_of(key, delivery))
        delivery.messages.pop(key, None)
        if not delivery.messages:
            self._done(delivery)

    def _done(self, delivery: Delivery) -> None:
        if self._open.pop((delivery.entry.stream, delivery.entry.id), None) is not None:
            self._finished.append(delivery)

    async def _finish(self) -> None:
        if not self._finished:
            return
        finished, self._finished = self._finished, []
        marks: dict[str, list[str]] = {}
        for delivery in finished:
            if delivery.marks:
                marks.setdefault(delivery.entry.stream, []).extend(delivery.marks)
        try:
            if marks:
                await self._mailboxes.mark_seen(marks)
            self._failpoints.hit(Failpoint.SEEN_MARKED)
            await self._mailboxes.delete([d.entry for d in finished])
        except StoreUnavailable:
            self._finished = finished + self._finished
            raise
        self._failpoints.hit(Failpoint.MAIL_DELETED)
        for delivery in finished:
            stream = self._streams.get(delivery.entry.stream)
            if stream is not None and stream.applied < delivery.entry.id:
                stream.applied = delivery.entry.id

    async def _bury(self, key: EntityKey | None, delivery: Delivery, reason: str) -> None:
        entry = delivery.entry
        target = key.id if key else entry.mail.target
        letter = DeadLetter(
            id=f"{entry.stream}:{delivery.generation}:{entry.id}:{target}",
            org=self._org_of(key) if key else None,
            entity=str(key) if key else entry.mail.target,
            event_id=entry.mail.event_id,
            sealed_body=entry.mail.body,
            reason=reason,
            failed_at=self._clock.now(),
        )
        await self._dead_letters.put([letter])
        self._count("dead_lettered")
        self._failpoints.hit(Failpoint.DEAD_LETTERED)


def _pause(failures: int) -> float:
    return RETRY_S[min(max(failures, 1), len(RETRY_S)) - 1]
