"""Entities that are held up: their messages wait in order, and their neighbours go on."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog

from actors.runtime.deliveries import Delivery, Owed
from domain.clock import Clock
from domain.ids import EntityKey

log = structlog.get_logger()

RETRY_S = (0.2, 1.0, 5.0, 15.0)
"""Pauses after the first, second... failure of a message."""


@dataclass(slots=True)
class Queue:
    partition: int
    waiting: deque[Delivery]
    failures: int = 0  # of the first one waiting
    retry_at: float = 0.0  # monotonic seconds
    alone: bool = False  # in a batch with others it may be what breaks the batch


class Held:
    """Guarantee: messages of one entity leave in the order they came, and count failures only for the
    first of them. What is no longer owed is not kept."""

    def __init__(self, owed: Owed, clock: Clock) -> None:
        self._owed = owed
        self._clock = clock
        self._queues: dict[EntityKey, Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, key: EntityKey) -> bool:
        return key in self._queues

    def sizes(self) -> dict[str, int]:
        return {str(key): len(queue.waiting) for key, queue in self._queues.items()}

    def remove(self, partitions: Collection[int]) -> None:
        self._queues = {k: q for k, q in self._queues.items() if q.partition not in partitions}

    def hold(
        self,
        key: EntityKey,
        deliveries: Sequence[Delivery],
        *,
        failures: int = 0,
        wait_s: float | None = None,
        first: bool = False,
        alone: bool = False,
    ) -> None:
        """`failures`: how often the first of `deliveries` has failed; without `wait_s` they say how long to
        wait. `first`: before what is waiting, instead of behind it. `alone`: not to be tried with others."""
        owed = [d for d in deliveries if self._owed.holds(d)]
        if not owed:
            return
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(owed[0].partition, deque())
        if first or not queue.waiting:
            queue.failures = failures
            queue.alone = alone or failures > 0
        if first:
            queue.waiting.extendleft(reversed(owed))
        else:
            queue.waiting.extend(owed)
        wait = pause_after(failures) if wait_s is None else wait_s
        queue.retry_at = self._clock.monotonic() + wait

    def follow(self, key: EntityKey, deliveries: Iterable[Delivery]) -> None:
        """Wait behind what is held already."""
        self._queues[key].waiting.extend(d for d in deliveries if self._owed.holds(d))

    def failed(
        self, key: EntityKey, rest: Sequence[Delivery], failures: int, error: Exception | None
    ) -> None:
        """The first of `rest` was applied and failed, for the `failures`-th time."""
        log.warning(
            "message.failed",
            entity=str(key),
            stream=rest[0].entry.stream,
            position=str(rest[0].entry.id),
            failures=failures,
            error=type(error).__name__,
        )
        self.hold(key, rest, failures=failures, first=True)

    def due(self, *, alone: bool) -> list[EntityKey]:
        """Those to be tried alone, or those that may be tried together."""
        now = self._clock.monotonic()
        return [k for k, queue in self._queues.items() if queue.retry_at <= now and queue.alone == alone]

    def take(self, key: EntityKey) -> Queue | None:
        """None when its partition was lost meanwhile."""
        return self._queues.pop(key, None)


def pause_after(failures: int) -> float:
    return RETRY_S[min(max(failures, 1), len(RETRY_S)) - 1]
