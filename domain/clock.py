"""Time as a dependency: nothing in the project reads the wall clock except through a `Clock`."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for records and decisions, monotonic seconds for deadlines."""

    def now(self) -> datetime:
        """Timezone-aware UTC time, truncated to milliseconds (what BSON can hold)."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return truncate_ms(datetime.now(UTC))

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that only moves when told to: for tests and the simulation."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return truncate_ms(self._now)

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


def truncate_ms(moment: datetime) -> datetime:
    """Drop what a BSON date cannot keep, so that a value reads back equal to what was written."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
