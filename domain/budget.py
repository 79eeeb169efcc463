"""Rate budgets: windows of calls per API family, spent before the call and corrected by every answer.

A window is reserved in the same versioned write that decides the call; after a crash the call counts as
made until its window ends, so a restart never overruns a quota.
"""

import math
from datetime import datetime, timedelta
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace


class Priority(IntEnum):
    """Who waits for the call; smaller goes first."""

    PERSON = 0
    PUBLISH = 1
    WEBHOOK = 2
    SCHEDULED = 3
    BACKFILL = 4


SHARES = {
    Priority.PERSON: 1.0,
    Priority.PUBLISH: 0.95,
    Priority.WEBHOOK: 0.9,
    Priority.SCHEDULED: 0.8,
    Priority.BACKFILL: 0.6,
}
"""How far into a window each priority may reach: the rest is kept back for those who matter more."""


class Window(Struct, frozen=True):
    """`used` of `limit` calls are spent until `resets_at`; then the window starts anew with the next call."""

    limit: int
    seconds: int
    used: int = 0
    resets_at: datetime | None = None

    def remaining(self, now: datetime) -> int:
        return self.limit if self._over(now) else max(0, self.limit - self.used)

    def take(self, priority: Priority, now: datetime, calls: int = 1) -> "Window | datetime":
        """The window with so many calls spent, or when to ask again."""
        used, resets_at = self.used, self.resets_at
        if resets_at is None or resets_at <= now:
            used, resets_at = 0, now + timedelta(seconds=self.seconds)
        # What a window begins with is let through: a tiny quota must not starve anybody for ever.
        if used == 0 or used + calls <= math.floor(self.limit * SHARES[priority]):
            return replace(self, used=used + calls, resets_at=resets_at)
        return resets_at

    def returned(self, calls: int, reserved_at: datetime) -> "Window":
        """Calls that were reserved then and never sent, if that was in the window now open."""
        if self.resets_at is None or reserved_at < self.resets_at - timedelta(seconds=self.seconds):
            return self
        return replace(self, used=max(0, self.used - calls))

    def told(self, limit: int, remaining: int, resets_at: datetime | None) -> "Window":
        """Believe the platform. Without a reset time the numbers are a share of the limit (percent)."""
        if limit <= 0:
            return self
        spent = max(0, limit - max(0, remaining))
        if resets_at is None:
            return replace(self, used=math.ceil(self.limit * spent / limit))
        return replace(self, limit=limit, used=spent, resets_at=resets_at)

    def exhausted(self, until: datetime) -> "Window":
        """The platform refused: nothing is left before `until`."""
        return replace(self, used=self.limit, resets_at=until)

    def _over(self, now: datetime) -> bool:
        return self.resets_at is None or self.resets_at <= now
