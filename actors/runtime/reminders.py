"""Reminders: due times that survive restarts, because they are fields of the entities' documents.

Once a minute each owned partition is asked what is due within the next two; in between, this process's own
saves keep the heaps current. A reminder may come twice or late, never not at all; after a long stop an
entity gets one tick, not one per missed interval.

    store --scan--> soon, by time --its time has come--> ready, by urgency, then lateness --pop--> tick
"""

import asyncio
import heapq
from datetime import datetime, timedelta

from actors.runtime.urgency import Urgency
from domain.clock import Clock
from domain.ids import EntityKey, Kind
from storage.ports import EntityStore

HORIZON = timedelta(minutes=2)
SCAN_INTERVAL_S = 60.0
SCAN_LIMIT = 5000
"""Due entities of a kind and partition that one look finds: one query. After a stop of a day all accounts of
a partition are due."""

LATE = timedelta(seconds=30)
"""After this a `SAVE` is no reminder of the running process: its entity has other work due by now."""

_SLACK = 1000


class Reminders:
    """Guarantee: memory is kept for what is due within `HORIZON`, once, and for nothing else."""

    def __init__(self, store: EntityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._due: dict[str, tuple[datetime, int]] = {}  # the only valid heap row per key; others are skipped
        self._soon: list[tuple[datetime, str]] = []
        self._ready: dict[int, list[tuple[datetime, str]]] = {}  # urgency -> rows

    def __len__(self) -> int:
        return len(self._due)

    def note(self, key: EntityKey, due: datetime | None, urgency: int = Urgency.SCHEDULED) -> None:
        """What a save wrote. Farther away than the next scan's horizon: the scan will find it."""
        name = str(key)
        if due is None or due > self._clock.now() + HORIZON:
            self._due.pop(name, None)
            return
        if self._due.get(name) != (due, urgency):
            self._due[name] = due, urgency
            heapq.heappush(self._soon, (due, name))
            if len(self._soon) > 2 * len(self._due) + _SLACK:
                self._soon = [(at, n) for n, (at, _) in self._due.items()]
                heapq.heapify(self._soon)

    async def scan(self, partition: int, abandoned: bool = False) -> bool:
        """Ask the store; True when a full page came back, so that the caller scans again soon. `abandoned`:
        whoever wrote what is there is gone, so that what a save owes is looked at now, and not after the
        time in which its writer would have done it."""
        now = self._clock.now()
        found = await asyncio.gather(
            *(self._store.due(k, partition, now + HORIZON, SCAN_LIMIT) for k in Kind)
        )
        for kind, rows in zip(Kind, found, strict=True):
            for due, id_, urgency in rows:
                owed = abandoned and urgency == Urgency.SAVE
                self.note(EntityKey(kind, id_), min(due, now) if owed else due, urgency)
        return any(len(rows) == SCAN_LIMIT for rows in found)

    def waiting(self) -> int:
        """Rank what has come due. Answers about how many wait for a call: at least as many as do."""
        now = self._clock.now()
        while self._soon and self._soon[0][0] <= now:
            due, name = heapq.heappop(self._soon)
            at, urgency = self._due.get(name, (None, 0))
            if at == due:
                if urgency == Urgency.SAVE and due < now - LATE:
                    urgency = int(Urgency.SCHEDULED)
                self._due[name] = due, urgency
                heapq.heappush(self._ready.setdefault(urgency, []), (due, name))
        return sum(len(rows) for urgency, rows in self._ready.items() if urgency != Urgency.SAVE)

    def pop_due(self, limit: int, calls: int) -> list[EntityKey]:
        """Keys whose time has come: first all for a save, at most `limit`; then at most `calls` others, the
        most urgent first and of those the latest, but one of each class each time: none waits for ever."""
        self.waiting()
        keys: list[EntityKey] = []
        saves = self._ready.get(Urgency.SAVE, [])
        while len(keys) < limit and (key := self._take(Urgency.SAVE, saves)) is not None:
            keys.append(key)
        classes = [(u, rows) for u, rows in sorted(self._ready.items()) if u != Urgency.SAVE]
        last = len(keys) + min(calls, limit - len(keys))
        one_each = [self._take(u, rows) for u, rows in classes[: last - len(keys)]]
        keys += [key for key in one_each if key is not None]
        for urgency, rows in classes:
            while len(keys) < last and (key := self._take(urgency, rows)) is not None:
                keys.append(key)
        return keys

    def _take(self, urgency: int, rows: list[tuple[datetime, str]]) -> EntityKey | None:
        while rows:
            due, name = heapq.heappop(rows)
            if self._due.get(name) == (due, urgency):
                del self._due[name]
                return EntityKey.parse(name)
        return None
