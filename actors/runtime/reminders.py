"""Reminders: due times that survive restarts, because they are fields of the entities' documents.

Once a minute each owned partition is asked what is due within the next two; in between, this process's own
saves keep the heap current. A reminder may come twice or late, never not at all; after a long stop an
entity gets one tick, not one per missed interval.
"""

import heapq
from datetime import datetime, timedelta

from domain.clock import Clock
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore

HORIZON = timedelta(minutes=2)
SCAN_INTERVAL_S = 60.0
SCAN_LIMIT = 1000


class Reminders:
    def __init__(self, store: EntityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heap: list[tuple[datetime, str]] = []
        self._due: dict[str, datetime] = {}  # the only valid heap row per key; older rows are skipped

    def __len__(self) -> int:
        return len(self._due)

    def note(self, key: EntityKey, due: datetime | None) -> None:
        """What a save wrote. Farther away than the next scan's horizon: the scan will find it."""
        name = str(key)
        if due is None or due > self._clock.now() + HORIZON:
            self._due.pop(name, None)
            return
        if self._due.get(name) != due:
            self._due[name] = due
            heapq.heappush(self._heap, (due, name))

    async def scan(self, partition: int) -> bool:
        """Ask the store; True when a full page came back, so that the caller scans again soon."""
        full = False
        for kind in Kind:
            rows = await self._store.due(kind, partition, self._clock.now() + HORIZON, SCAN_LIMIT)
            full = full or len(rows) == SCAN_LIMIT
            for due, id_ in rows:
                self.note(EntityKey(kind, id_), due)
        return full

    def pop_due(self, limit: int) -> list[EntityKey]:
        """Keys whose time has come, earliest first."""
        now = self._clock.now()
        keys: list[EntityKey] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < limit:
            due, name = heapq.heappop(self._heap)
            if self._due.get(name) == due:
                del self._due[name]
                keys.append(EntityKey.parse(name))
        return keys
