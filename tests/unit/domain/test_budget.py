"""Windows of calls: never overrun, fair by priority, corrected by what the platform says."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from domain.budget import SHARES, Priority, Window

QUICK = settings(max_examples=50, deadline=None)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PRIORITIES = st.sampled_from(Priority)
LIMITS = st.integers(1, 500)


def spend(window: Window, priority: Priority, now: datetime = NOW) -> tuple[Window, int]:
    """Call until refused."""
    calls = 0
    while isinstance(taken := window.take(priority, now), Window):
        window, calls = taken, calls + 1
    return window, calls


class Quota(RuleBasedStateMachine):
    """The model knows only how many calls the platform would still allow, and until when."""

    @initialize(limit=st.integers(1, 12), seconds=st.sampled_from([1, 60, 900]))
    def begin(self, limit: int, seconds: int) -> None:
        self.now = NOW
        self.window = Window(limit, seconds)
        self.left: int = limit
        self.until: datetime | None = None

    @rule(priority=PRIORITIES)
    def take(self, priority: Priority) -> None:
        before = self.window
        taken = self.window.take(priority, self.now)
        if isinstance(taken, datetime):
            assert taken > self.now  # when to ask again is never now: nobody spins
            assert taken == self.until
            assert before.remaining(self.now) <= before.limit - max(
                1, math.floor(before.limit * SHARES[priority])
            )
            return
        if self.until is None or self.until <= self.now:
            self.left, self.until = before.limit, self.now + timedelta(seconds=before.seconds)
        self.left -= 1
        assert self.left >= 0, "one call more than the platform allows"
        # Saved before the call and read back after a crash: the same values, so the call counts as made.
        self.window = Window(taken.limit, taken.seconds, taken.used, taken.resets_at)
        assert self.window.remaining(self.now) <= self.left

    @rule(seconds=st.sampled_from([0.001, 0.5, 1, 30, 60, 900]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(limit=st.integers(0, 20), remaining=st.integers(-1, 25), seconds=st.integers(-5, 900))
    def told_numbers(self, limit: int, remaining: int, seconds: int) -> None:
        resets_at = self.now + timedelta(seconds=seconds)
        self.window = self.window.told(limit, remaining, resets_at)
        if limit > 0:
            self.left, self.until = min(limit, max(0, remaining)), resets_at

    @rule(remaining=st.integers(0, 100))
    def told_percent(self, remaining: int) -> None:
        self.window = self.window.told(100, remaining, None)
        self.left = math.floor(self.window.limit * remaining / 100)

    @rule(seconds=st.integers(1, 900))
    def refused(self, seconds: int) -> None:
        until = self.now + timedelta(seconds=seconds)
        self.window = self.window.exhausted(until)
        self.left, self.until = 0, until


TestQuota = Quota.TestCase
TestQuota.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@QUICK
@given(limit=LIMITS, order=st.permutations(list(Priority)))
def test_whatever_the_order_of_priorities_a_window_holds_exactly_its_limit(
    limit: int, order: list[Priority]
) -> None:
    window, total = Window(limit, 900), 0
    for priority in [*order, Priority.PERSON]:
        window, calls = spend(window, priority)
        total += calls
    assert total == limit


@QUICK
@given(limit=LIMITS, below=st.sampled_from([p for p in Priority if p is not Priority.PERSON]))
def test_people_have_what_lower_priorities_may_not_take(limit: int, below: Priority) -> None:
    window = Window(limit, 900)
    for priority in (below, Priority.BACKFILL, Priority.SCHEDULED):
        if priority >= below:
            window, _ = spend(window, priority)
    window, left = spend(window, Priority.PERSON)
    assert left == limit - max(1, math.floor(limit * SHARES[below]))


@QUICK
@given(limit=LIMITS, priority=PRIORITIES)
def test_a_small_limit_starves_nobody(limit: int, priority: Priority) -> None:
    _, calls = spend(Window(limit, 900), priority)
    assert calls >= 1


@QUICK
@given(limit=LIMITS, upper=PRIORITIES, lower=PRIORITIES)
def test_a_higher_priority_reaches_at_least_as_far(limit: int, upper: Priority, lower: Priority) -> None:
    upper, lower = min(upper, lower), max(upper, lower)
    assert spend(Window(limit, 900), upper)[1] >= spend(Window(limit, 900), lower)[1]


def test_the_window_begins_with_its_first_call() -> None:
    taken = Window(1, 900).take(Priority.PERSON, NOW)
    assert taken == Window(1, 900, 1, NOW + timedelta(seconds=900))


def test_the_next_window_begins_when_the_last_is_over() -> None:
    window, _ = spend(Window(10, 900), Priority.PERSON)
    later = NOW + timedelta(seconds=900)
    assert window.remaining(later - timedelta(milliseconds=1)) == 0
    assert window.remaining(later) == 10
    taken = window.take(Priority.PERSON, later)
    assert taken == Window(10, 900, 1, later + timedelta(seconds=900))


def test_the_platforms_own_limit_wins() -> None:
    window = Window(300, 900).told(900, 850, NOW + timedelta(seconds=60))
    assert window == Window(900, 900, 50, NOW + timedelta(seconds=60))


def test_percentages_are_a_share_of_the_known_limit_rounded_up() -> None:
    window = Window(240, 3600, 3, NOW + timedelta(seconds=60))
    assert window.told(100, 72, None) == Window(240, 3600, 68, NOW + timedelta(seconds=60))
    assert window.told(100, 0, None).remaining(NOW) == 0


def test_a_limit_of_nothing_is_not_believed() -> None:
    assert Window(5, 900).told(0, 0, NOW) == Window(5, 900)


@QUICK
@given(LIMITS, PRIORITIES, st.lists(st.integers(1, 20), max_size=30))
def test_several_calls_are_taken_at_once_or_not_at_all(
    limit: int, priority: Priority, wanted: list[int]
) -> None:
    window, reach = Window(limit, 900), math.floor(limit * SHARES[priority])
    for n, calls in enumerate(wanted):
        taken = window.take(priority, NOW, calls)
        if n and window.used + calls > reach:
            assert taken == window.resets_at
        else:
            # What a window begins with is let through, or it would never be.
            assert isinstance(taken, Window) and taken.used == window.used + calls
            window = taken


def test_more_calls_than_a_window_holds_go_out_once_a_window() -> None:
    window = Window(5, 900).take(Priority.WEBHOOK, NOW, 16)
    assert isinstance(window, Window)
    later = NOW + timedelta(seconds=900)
    assert window.take(Priority.PERSON, NOW) == later
    assert isinstance(window.take(Priority.WEBHOOK, later, 16), Window)
