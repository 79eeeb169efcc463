"""The one clock every part of the sandbox reads, so that a test can travel in time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

DAY_MS = 86_400_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class SandboxClock:
    """Unix milliseconds from `source` (the wall by default) plus whatever has been advanced."""

    def __init__(self, source: Callable[[], int] = wall_ms) -> None:
        self._source = source
        self._offset_ms = 0

    def now_ms(self) -> int:
        return self._source() + self._offset_ms

    def source_ms(self) -> int:
        """The time without the travelling: what a caller's own clock shows."""
        return self._source()

    def advance(self, seconds: float) -> None:
        self._offset_ms += int(seconds * 1000)


def midnight_before(moment_ms: int) -> int:
    """Unix milliseconds of the last UTC midnight."""
    return moment_ms // DAY_MS * DAY_MS


def iso_z(moment_ms: int) -> str:
    """X writes `2026-11-20T09:00:00.000Z`."""
    stamp = datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{moment_ms % 1000:03d}Z"


def iso_offset(moment_ms: int) -> str:
    """Meta writes `2026-11-03T09:15:22+0000`, without a colon."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def ruby_style(moment_ms: int) -> str:
    """X's v1.1 objects write `Mon Mar 26 16:33:26 +0000 2018`."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")


def parse_moment(text: str) -> int:
    """Unix milliseconds of an ISO 8601 text or of unix seconds; ValueError when it is neither."""
    if text.isdigit():
        return int(text) * 1000
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
