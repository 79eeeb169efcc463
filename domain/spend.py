"""What an ad campaign cost, day by day, as its platform tells it: absolute amounts that are told again and
corrected, so that only differences are ever added."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

Order = tuple[int, int]
"""Of the event that told it: a day is only corrected by a later one."""

MAX_DAYS = 1_000
"""Of one ad campaign: days beyond them are not counted."""


class Day(NamedTuple):
    minor: int
    order: Order


@dataclass(frozen=True, slots=True)
class AdSpend:
    """`days`: ISO date, of the ad account's zone, to the amount last told, in minor units of `currency`."""

    currency: str
    days: Mapping[str, Day] = field(default_factory=dict)

    @property
    def total_minor(self) -> int:
        return sum(day.minor for day in self.days.values())

    def told(
        self, rows: Iterable[tuple[str, int]], order: Order, first: date, last: date | None
    ) -> tuple["AdSpend", int]:
        """With these days, as far as they are from `first` to `last`; and what they add to the total."""
        days, difference = dict(self.days), 0
        for text, minor in rows:
            day = date.fromisoformat(text)
            known = days.get(text)
            if day < first or (last is not None and day > last):
                continue
            if known is not None and order <= known.order:
                continue
            if known is None and len(days) >= MAX_DAYS:
                continue
            difference += minor - (known.minor if known else 0)
            days[text] = Day(minor, order)
        return replace(self, days=days), difference
