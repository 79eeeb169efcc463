"""The platform apps whose webhooks this process accepts, in memory."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from actors.compose import platform_app
from domain.clock import Clock
from platforms.base import PlatformApp
from storage.mongo.apps import AppRecord
from storage.records import StoreUnavailable

# Each poll reads this far behind the newest change it knows: writers' clocks differ, and a write may take
# a while to become visible.
_OVERLAP = timedelta(minutes=10)
MAX_LOOK_UPS = 64  # waiting at once: invented ids must not take every place in the replica's queue
_log = structlog.get_logger(__name__)


class AppSource(Protocol):
    async def changed_since(self, at: datetime) -> Sequence[AppRecord]:
        """Apps written at or after `at`. Raises StoreUnavailable."""
        ...


class AppDirectory:
    """Platform apps by (platform, app id). Apps change and are added; nothing removes them.

    Guarantee: `get` never waits. A change is seen after at most `poll_s`, an added app at its first webhook.
    While the document server is away, what is known stays in force.
    """

    def __init__(
        self, source: AppSource, clock: Clock, *, poll_s: float = 5.0, look_up_every_s: float = 1.0
    ) -> None:
        self._source = source
        self._clock = clock
        self._poll_s = poll_s
        self._look_up_every_s = look_up_every_s
        self._apps: dict[tuple[str, str], PlatformApp] = {}
        self._newest = datetime.fromtimestamp(0, UTC)
        self._attempted_at = float("-inf")
        self._looking_up = 0
        self._rounds = 0
        self._current = False  # whether the last attempt to read succeeded
        self._reading: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read and begin polling. A document server that is away does not prevent the start: until it
        answers, no app is known and `look_up` raises."""
        if self._polling is None:
            with suppress(StoreUnavailable):
                await self.reload()
            self._polling = asyncio.create_task(self._poll(), name="webhook-apps")

    async def stop(self) -> None:
        tasks = [task for task in (self._polling, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._polling = self._reading = None

    def get(self, platform: str, app_id: str) -> PlatformApp | None:
        return self._apps.get((platform, app_id))

    async def look_up(self, platform: str, app_id: str) -> PlatformApp | None:
        """For an app that `get` does not know: it may be seconds old.

        All such requests together read at most once per `look_up_every_s`, whatever ids they invent, and
        wait for that read: what was written before they came is found. Raises StoreUnavailable when it
        cannot be told whether the app exists, or when too many wait already.
        """
        if self._looking_up >= MAX_LOOK_UPS:
            raise StoreUnavailable("too many requests for unknown apps")
        self._looking_up += 1
        try:
            if self._reading is None:
                pause = self._attempted_at + self._look_up_every_s - self._clock.monotonic()
                rounds = self._rounds
                await asyncio.sleep(max(0.0, min(pause, self._look_up_every_s)))
                if self._rounds == rounds:
                    await self.reload()
            if self._reading is not None:
                await self.reload()
        finally:
            self._looking_up -= 1
        if not self._current:
            raise StoreUnavailable("the platform apps could not be read")
        return self.get(platform, app_id)

    async def reload(self) -> None:
        """Read what changed, now; concurrent callers share one read. Raises StoreUnavailable."""
        if self._reading is None:
            self._attempted_at = self._clock.monotonic()
            self._rounds += 1
            self._reading = asyncio.create_task(self._read(), name="webhook-apps-read")
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            records = await self._source.changed_since(self._newest - _OVERLAP)
            for record in records:
                self._apps[record.platform, record.id] = platform_app(record)
                self._newest = max(self._newest, record.updated_at)
            self._current = True
        except Exception:
            self._current = False
            raise
        finally:
            self._reading = None

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            was_current = self._current
            try:
                await self.reload()
            except Exception as error:  # one bad round must not end the polling
                if was_current:
                    _log.warning("webhooks.apps_not_read", error=type(error).__name__)
