"""Totals of one content: what the platform said last, plus the distinct events since.

A like heard by webhook is not counted again by the next poll: a reading replaces the base and drops the
events that it already holds. Which those are is told by time, and time is vague: platforms name whole
seconds, and a reading takes as long as its call. An event that the last reading may or may not hold is not
counted; the content is *unsettled* until a later reading tells.
"""

from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from domain.content import Engagement

METRICS = ("likes", "comments", "shares", "views", "click_throughs")
KEPT_EVENTS = 500
NOTHING_KNOWN = Engagement()

SETTLE_SOONEST, SETTLE_LATEST = timedelta(seconds=2), timedelta(minutes=5)
"""Pause before the reading that settles: half as long as readings have left something in doubt. Content with
a comment a second is always in doubt, and must not spend the account's calls."""

_MILLISECOND = timedelta(milliseconds=1)

Since = tuple[tuple[str, str, int, datetime], ...]
"""(event id, metric, +1 or -1, when it happened)"""


def end_of(at: datetime) -> datetime:
    """When what a platform dates `at` had surely happened: a time without a fraction is any of its second."""
    return at + (_MILLISECOND if at.microsecond else timedelta(seconds=1))


class Reading(Struct, frozen=True):
    """When totals were asked for and answered: what happened between may or may not be in them."""

    asked_at: datetime
    answered_at: datetime

    @classmethod
    def dated(cls, at: datetime) -> "Reading":
        """Totals that the platform itself dates."""
        return cls(at, end_of(at) - _MILLISECOND)

    def surely_holds(self, at: datetime) -> bool:
        return end_of(at) <= self.asked_at

    def surely_lacks(self, at: datetime) -> bool:
        return at > self.answered_at


class Tally(Struct, frozen=True):
    base: Engagement = NOTHING_KNOWN
    read: Reading | None = None  # the reading that the base is of
    since: Since = ()
    folded: dict[str, int] = field(default_factory=dict)  # older events beyond KEPT_EVENTS, counted only
    unsettled_until: datetime | None = None  # a reading asked from then on settles the totals
    doubted_since: datetime | None = None  # since then every reading has left something in doubt

    def totals(self) -> Engagement:
        """None stays None only while nothing at all is known."""
        if not self.since and not self.folded:
            return self.base
        moved = self.moved()
        if not moved:
            return self.base
        values: dict[str, int] = {}
        for metric, step in moved.items():
            base = getattr(self.base, metric)
            if base is not None or step:
                values[metric] = max(0, (base or 0) + step)
        return replace(self.base, **values)

    def moved(self) -> dict[str, int]:
        """What the events since the base come to, per metric."""
        moved = dict(self.folded)
        for _, metric, step, _ in self.since:
            moved[metric] = moved.get(metric, 0) + step
        return moved

    def settle_at(self) -> datetime | None:
        """When to read the totals again; None: they are settled."""
        if self.unsettled_until is None or self.doubted_since is None:
            return None
        pause = (self.unsettled_until - self.doubted_since) / 2
        return self.unsettled_until + min(max(pause, SETTLE_SOONEST), SETTLE_LATEST)

    def heard(self, event_id: str, metric: str, step: int, at: datetime) -> "Tally":
        """Count one event once; one that the base holds changes nothing, one that it may hold unsettles."""
        if self.read is not None and getattr(self.base, metric) is not None:
            if self.read.surely_holds(at):
                return self
            if not self.read.surely_lacks(at):
                until = _later(self.unsettled_until, end_of(at))
                return replace(self, unsettled_until=until, doubted_since=self.doubted_since or at)
        for known, known_metric, _, _ in self.since:
            if known == event_id and known_metric == metric:
                return self
        since = (*self.since, (event_id, metric, step, at))
        folded = self.folded
        if len(since) > KEPT_EVENTS:
            _, old_metric, old_step, _ = since[0]
            folded = folded | {old_metric: folded.get(old_metric, 0) + old_step}
            since = since[1:]
        return replace(self, since=since, folded=folded)

    def polled(self, totals: Engagement, read: Reading) -> "Tally":
        """The platform's own totals; a metric it does not tell keeps what is known."""
        told = {m: getattr(totals, m) for m in METRICS if getattr(totals, m) is not None}
        if not told or (self.read is not None and read.asked_at < self.read.asked_at):
            return self
        until, since = self.unsettled_until, self.doubted_since
        if until is None:
            since = None  # the reading before this one left nothing in doubt
        elif until <= read.asked_at:
            until = None
        kept = []
        for event in self.since:
            _, metric, _, at = event
            if metric not in told or read.surely_lacks(at):
                kept.append(event)
            elif not read.surely_holds(at):
                until = _later(until, end_of(at))
        if any(m in told for m in self.folded):  # nobody knows their times any more
            until = _later(until, end_of(read.answered_at))
        if until is not None:
            since = since or read.asked_at
        folded = {m: n for m, n in self.folded.items() if m not in told}
        return Tally(replace(self.base, **told), read, tuple(kept), folded, until, since)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
