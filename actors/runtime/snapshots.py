"""Live snapshots: at once on the first change, then at most four times a second per entity."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from actors.runtime.tasks import Tasks
from domain.ids import EntityKey

MIN_INTERVAL_S = 0.25

Show = Callable[[EntityKey, str, dict[str, Any]], Awaitable[None]]
"""(key, org, snapshot): put it where people look."""


class Snapshots:
    def __init__(self, show: Show, tasks: Tasks) -> None:
        self._show = show
        self._tasks = tasks
        self._latest: dict[EntityKey, tuple[str, dict[str, Any]] | None] = {}

    def offer(self, key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
        running = key in self._latest
        self._latest[key] = (org, snapshot)
        if not running:
            self._tasks.spawn(self._drain(key), f"snapshot:{key}")

    async def _drain(self, key: EntityKey) -> None:
        try:
            while (latest := self._latest[key]) is not None:
                self._latest[key] = None
                await self._show(key, *latest)
                await asyncio.sleep(MIN_INTERVAL_S)
        finally:
            del self._latest[key]
