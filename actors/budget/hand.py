"""What a process holds of a shared window, and what becomes of a call that is to be paid from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.budget import Priority
from domain.ids import EntityKey
from platforms.outcome import LimitReading, LimitScope, RetryAfter


@dataclass(frozen=True, slots=True)
class Paid:
    """Units of a platform application's shared windows, taken for one call."""

    budget: EntityKey
    priority: Priority
    org: str
    needs: Mapping[str, int]
    lives: Mapping[str, int]  # pool -> which lease paid


@dataclass(frozen=True, slots=True)
class Held:
    """The call may not be made now; `pool` is the shared window that has no room, None when nobody knows."""

    seconds: float
    pool: str | None

    def outcome(self) -> RetryAfter:
        return RetryAfter(
            self.seconds, LimitScope.APP, "app_budget", rate_limited=True, family=self.pool, held=True
        )


@dataclass(slots=True)
class Hand:
    """What this process holds of one pool. `units[p]` were granted for priority p: for it or more urgent
    calls. `spent`, `returned`, `told` and `refused_until` wait to be reported; `open` was paid for calls
    whose cost is not known yet."""

    units: list[int] = field(default_factory=lambda: [0] * len(Priority))
    ends: float = 0.0  # monotonic
    renews: float = 0.0  # monotonic: when to have it prolonged, if it is still needed
    life: int = 0  # a lease that lapsed, or that may have, ends one
    spent: int = 0
    returned: int = 0
    open: int = 0
    told: dict[bool, LimitReading] = field(default_factory=dict)  # by whether it names a reset: the newest
    refused_until: datetime | None = None
    again: dict[tuple[Priority, str], float] = field(default_factory=dict)  # monotonic
    limit: int | None = None
    over: bool = False
    per_second: float = 1.0
    recent: dict[tuple[Priority, str], float] = field(default_factory=dict)
    recent_at: float = 0.0
    paid_at: float = 0.0

    def held(self) -> int:
        return sum(self.units)

    def room(self, priority: Priority) -> int:
        return sum(self.units[priority:])

    def take(self, priority: Priority, org: str, units: int, now: float, by_item: bool) -> None:
        """Spend; what counts by item stays open until the answer says how many there were."""
        self.paid_at = now
        if by_item:
            self.open += units
        else:
            self.spend(priority, org, units, now)
        for p in reversed(Priority):
            taken = min(units, self.units[p])
            self.units[p] -= taken
            units -= taken

    def spend(self, priority: Priority, org: str, units: int, now: float) -> None:
        self.spent += units
        self.fade(now)
        self.recent[priority, org] = self.recent.get((priority, org), 0.0) + units

    def fade(self, now: float) -> None:
        """`recent` counts what was spent about one second ago."""
        share = 0.5 ** (now - self.recent_at)
        self.recent = {k: v * share for k, v in self.recent.items() if v * share > 0.1}
        self.recent_at = now

    def drop(self) -> None:
        """Not to be spent any more; the next request gives it back."""
        self.give_back(self.held())

    def give_back(self, units: int) -> None:
        """So many, as far as there are any; those for the least urgent calls first."""
        for p in reversed(Priority):
            back = min(units, self.units[p])
            self.units[p] -= back
            self.returned += back
            units -= back

    def lapse(self) -> None:
        """The owner counts all of it as spent."""
        self.units = [0] * len(Priority)
        self.life += 1
        self.spent = self.returned = self.open = 0
