"""Mail of entities that have an actor of their own: forwarded in order, one call in flight for each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog

from actors.runtime.deliveries import Delivery, Owed
from actors.runtime.held import Held
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Fate, NotOwner, Verdict
from domain.ids import EntityKey
from storage.records import StoreUnavailable

log = structlog.get_logger()

BATCH = 256
AWAY_S = 0.5
BROKEN_S = 5.0

Forward = Callable[[EntityKey, Sequence[Delivery]], Awaitable[list[Verdict]]]


@dataclass(slots=True)
class _Lane:
    partition: int
    waiting: deque[Delivery]
    failures: int  # of the first one waiting


class Lanes:
    """`dedicated`: the entities that are known to run in actors of their own; shared with whoever learns it.

    Guarantee: while a lane exists, nothing of its entity is applied by another way, or a later message
    could move the watermark past an earlier one, which would then count as known. What did not succeed
    ends the lane and is held before everything that came after it.
    """

    def __init__(
        self, forward: Forward, owed: Owed, held: Held, dedicated: set[EntityKey], tasks: Tasks
    ) -> None:
        self._forward = forward
        self._owed = owed
        self._held = held
        self._dedicated = dedicated
        self._tasks = tasks
        self._lanes: dict[EntityKey, _Lane] = {}

    def takes(self, key: EntityKey) -> bool:
        return key in self._dedicated or key in self._lanes

    def remove(self, partitions: Collection[int]) -> None:
        self._lanes = {k: lane for k, lane in self._lanes.items() if lane.partition not in partitions}

    def put(self, key: EntityKey, deliveries: Iterable[Delivery], failures: int = 0) -> None:
        """`failures`: how often the first of them has failed, if it opens the lane."""
        owed = [d for d in deliveries if self._owed.holds(d)]
        if not owed:
            return
        lane = self._lanes.get(key)
        if lane is not None:
            lane.waiting.extend(owed)
            return
        lane = self._lanes[key] = _Lane(owed[0].partition, deque(owed), failures)
        self._tasks.spawn(self._drain(key, lane), f"lane:{key}")

    async def _drain(self, key: EntityKey, lane: _Lane) -> None:
        while self._lanes.get(key) is lane:
            if not lane.waiting or key not in self._dedicated:
                return self._close(key, lane, wait_s=0.0)
            # After a failure only the first is tried: its followers shall not count attempts for it.
            count = 1 if lane.failures else min(len(lane.waiting), BATCH)
            batch = [lane.waiting.popleft() for _ in range(count)]
            now, later = self._owed.without_repeats(key, batch)
            lane.waiting.extendleft(reversed(later))
            if not now:
                lane.failures = 0
                continue
            try:
                verdicts = await self._forward(key, now)
            except (StoreUnavailable, NotOwner):
                lane.waiting.extendleft(reversed(now))
                await asyncio.sleep(AWAY_S)
                continue
            except Exception as error:  # no message's fault: those come back as verdicts
                log.error("lane.failed", entity=str(key), error=type(error).__name__, exc_info=True)
                lane.waiting.extendleft(reversed(now))
                await asyncio.sleep(BROKEN_S)
                continue
            if self._lanes.get(key) is not lane:
                return  # the partition was lost meanwhile
            stopped = self._owed.settle(key, now, verdicts)
            if stopped is None:
                lane.failures = 0
                continue
            lane.failures = lane.failures if stopped.rest[0] is now[0] else 0
            lane.waiting.extendleft(reversed(stopped.rest))
            if stopped.fate is Fate.ELSEWHERE:
                self._dedicated.discard(key)  # the actor says that its entity was released
                return self._close(key, lane, wait_s=0.0)
            if stopped.fate is Fate.LOST_RACE:
                return self._close(key, lane, wait_s=0.05)
            del self._lanes[key]
            return self._held.failed(key, list(lane.waiting), lane.failures + 1, stopped.error)
        return None

    def _close(self, key: EntityKey, lane: _Lane, wait_s: float) -> None:
        del self._lanes[key]
        self._held.hold(key, list(lane.waiting), failures=lane.failures, wait_s=wait_s, first=True)
