"""Totals of one content: what the platform said last, plus the distinct events since.

A like heard by webhook is not counted again by the next poll: a poll at time t replaces the base and drops
events that happened up to t, because the platform's total already holds them.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.content import Engagement

METRICS = ("likes", "comments", "shares", "views", "click_throughs")
KEPT_EVENTS = 500
NOTHING_KNOWN = Engagement()

Since = tuple[tuple[str, str, int, datetime], ...]
"""(event id, metric, +1 or -1, when it happened)"""


@dataclass(frozen=True, slots=True)
class Tally:
    base: Engagement = NOTHING_KNOWN
    read_at: datetime | None = None
    since: Since = ()
    folded: dict[str, int] = field(default_factory=dict)  # older events beyond KEPT_EVENTS, counted only

    def totals(self) -> Engagement:
        """None stays None only while nothing at all is known."""
        moved = self.moved()
        values: dict[str, int | None] = {}
        for metric in METRICS:
            base = getattr(self.base, metric)
            if base is None and not moved.get(metric):
                values[metric] = None
            else:
                values[metric] = max(0, (base or 0) + moved.get(metric, 0))
        return Engagement(**values)

    def moved(self) -> dict[str, int]:
        """What the events since the base come to, per metric."""
        moved = dict(self.folded)
        for _, metric, step, _ in self.since:
            moved[metric] = moved.get(metric, 0) + step
        return moved

    def heard(self, event_id: str, metric: str, step: int, at: datetime) -> "Tally":
        """Count one event once; one that a later poll already includes changes nothing."""
        told = getattr(self.base, metric) is not None
        if told and self.read_at is not None and at <= self.read_at:
            return self
        if any(known == event_id and m == metric for known, m, _, _ in self.since):
            return self
        since = (*self.since, (event_id, metric, step, at))
        folded = self.folded
        if len(since) > KEPT_EVENTS:
            _, old_metric, old_step, _ = since[0]
            folded = folded | {old_metric: folded.get(old_metric, 0) + old_step}
            since = since[1:]
        return replace(self, since=since, folded=folded)

    def polled(self, totals: Engagement, at: datetime) -> "Tally":
        """The platform's own totals as of `at`; a metric it does not tell keeps what is known."""
        if self.read_at is not None and at < self.read_at:
            return self
        told = {m: getattr(totals, m) for m in METRICS if getattr(totals, m) is not None}
        newer = tuple(e for e in self.since if e[3] > at or e[1] not in told)
        folded = {m: n for m, n in self.folded.items() if m not in told}
        return Tally(replace(self.base, **told), at, newer, folded)
