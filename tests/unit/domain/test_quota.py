"""What all accounts of an application share: never more leased than there is, fair, and nothing left over."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.budget import SHARES, Priority
from domain.quota import KEPT_AT_LEAST, LEASE, Cycle, Period, Pool, Want, level

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUARTER = Cycle(Period.ROLLING, 900)
DAY = Cycle(Period.DAY, 86_400, "America/Los_Angeles")
HOLDERS = st.sampled_from(["host-0.a", "host-1.b", "host-2.c"])
ORGS = st.sampled_from(["org_a", "org_b", "org_c"])
PRIORITIES = st.sampled_from(Priority)


def backfill(org: str, units: int, calls: int = 1) -> Want:
    return Want(Priority.BACKFILL, org, units, calls)


class Leasing(RuleBasedStateMachine):
    """The model is the platform: it counts what was truly spent, and what may still be."""

    @initialize(limit=st.integers(1, 300), cycle=st.sampled_from([QUARTER, DAY, Cycle(Period.ROLLING, 10)]))
    def begin(self, limit: int, cycle: Cycle) -> None:
        self.now, self.cycle = NOW, cycle
        self.pool = Pool(limit)
        self.hands: dict[str, tuple[int, datetime]] = {}  # holder -> units it may still spend, and until when
        self.unreported: dict[str, int] = {}
        self.spent = 0
        self.window_ends: datetime | None = None
        self.told = False

    def _at(self) -> None:
        if self.window_ends is not None and self.window_ends <= self.now:
            self.spent, self.window_ends = 0, None
        self.hands = {h: (n, until) for h, (n, until) in self.hands.items() if until > self.now}
        self.unreported = {h: n for h, n in self.unreported.items() if h in self.hands}
        self.pool = self.pool.at(self.now)

    @rule(
        holder=HOLDERS,
        wants=st.lists(st.tuples(PRIORITIES, ORGS, st.integers(1, 120), st.integers(0, 9)), max_size=4),
        returned=st.integers(0, 50),
    )
    def ask(self, holder: str, wants: list[tuple[Priority, str, int, int]], returned: int) -> None:
        self._at()
        rows = {(p, org): Want(p, org, units, calls) for p, org, units, calls in wants}
        units, _ = self.hands.get(holder, (0, self.now))
        back = min(returned, units)
        self.pool = self.pool.reported(holder, self.unreported.pop(holder, 0), back)
        before = self.pool.committed
        self.pool, given, again = self.pool.granted(holder, list(rows.values()), self.cycle, self.now)
        total = sum(g.units for g in given)
        assert self.pool.committed == before + total
        assert before >= self.pool.limit or self.pool.committed <= self.pool.limit
        for want in given:
            assert want.units <= rows[want.priority, want.org].units
        for row in rows.values():
            got = sum(g.units for g in given if (g.priority, g.org) == (row.priority, row.org))
            assert (got < row.units) == ((row.priority, row.org) in again)
        assert all(at > self.now for at in again.values()), "asking again at once would spin"
        self.hands.pop(holder, None)
        lease = self.pool.leases.get(holder)
        if lease is not None:
            self.hands[holder] = (units - back + total, lease.until)
        if self.window_ends is None and self.pool.resets_at is not None:
            self.window_ends = self.pool.resets_at

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def spend(self, data: st.DataObject) -> None:
        self._at()
        if not self.hands:
            return
        holder = data.draw(st.sampled_from(sorted(self.hands)))
        units, until = self.hands[holder]
        some = data.draw(st.integers(0, units))
        self.hands[holder] = (units - some, until)
        self.unreported[holder] = self.unreported.get(holder, 0) + some
        self.spent += some

    @rule(holder=HOLDERS)
    def crash(self, holder: str) -> None:
        """Its memory is gone; what it had leased may be spent or not."""
        self.hands.pop(holder, None)
        self.unreported.pop(holder, None)

    @rule(seconds=st.sampled_from([0.5, 3, 11, 16, 400, 1000, 90_000]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._at()

    @rule(limit=st.integers(1, 400), used=st.integers(0, 400), seconds=st.sampled_from([-5, 4, 700]))
    def a_header_says(self, limit: int, used: int, seconds: int) -> None:
        self._at()
        ends = self.now + timedelta(seconds=seconds)
        self.pool = self.pool.told(limit, limit - used, ends, self.now)
        if seconds > 0:
            self.window_ends, self.told = ends, True
            assert self.pool.limit == limit
            assert self.pool.committed >= min(used, limit)

    @rule(percent=st.integers(0, 130))
    def a_percentage_says(self, percent: int) -> None:
        self._at()
        limit, self.told = self.pool.limit, True
        self.pool = self.pool.told(100, 100 - percent, None, self.now)
        assert self.pool.limit == limit
        assert self.pool.committed >= limit * min(percent, 100) // 100 - 1

    @rule(seconds=st.sampled_from([-1, 30, 300]))
    def the_platform_refuses(self, seconds: int) -> None:
        self._at()
        until = self.now + timedelta(seconds=seconds)
        self.pool = self.pool.exhausted(until, self.now)
        if seconds > 0:
            self.window_ends = until
            _, given, _ = self.pool.granted("x", [Want(Priority.PERSON, "org_a", 1)], self.cycle, self.now)
            assert not given

    @invariant()
    def the_platform_never_gets_more_than_it_allows(self) -> None:
        if hasattr(self, "pool") and not self.told:
            assert self.spent + sum(units for units, _ in self.hands.values()) <= self.pool.limit

    @invariant()
    def nobody_holds_more_than_is_known_to_be_leased(self) -> None:
        if hasattr(self, "pool"):
            for holder, (units, _) in self.hands.items():
                lease = self.pool.leases.get(holder)
                known = lease.units if lease is not None else 0
                assert units + self.unreported.get(holder, 0) <= known

    @invariant()
    def what_is_kept_of_others_stays_small(self) -> None:
        if hasattr(self, "pool"):
            assert len(self.pool.leases) <= 4 and len(self.pool.waiting) <= 4 and len(self.pool.served) <= 3


TestLeasing = Leasing.TestCase
TestLeasing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# -- windows ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cycle", "now", "ends"),
    [
        (DAY, "2026-11-29T20:00:00+00:00", "2026-11-30T08:00:00+00:00"),  # midnight Pacific, winter
        (DAY, "2026-07-01T06:59:00+00:00", "2026-07-01T07:00:00+00:00"),  # summer
        (DAY, "2026-03-08T12:00:00+00:00", "2026-03-09T07:00:00+00:00"),  # the day has 23 hours
        (Cycle(Period.MONTH, 30 * 86_400), "2026-12-31T23:59:00+00:00", "2027-01-01T00:00:00+00:00"),
        (
            Cycle(Period.MONTH, 30 * 86_400, "Asia/Tokyo"),
            "2026-01-31T15:30:00+00:00",
            "2026-02-28T15:00:00+00:00",
        ),
    ],
)
def test_a_calendar_window_ends_at_midnight_of_its_zone(cycle: Cycle, now: str, ends: str) -> None:
    assert cycle.ends(datetime.fromisoformat(now)) == datetime.fromisoformat(ends)


def test_a_rolling_window_ends_late_enough_for_a_call_at_the_end_of_the_lease() -> None:
    pool, _, _ = Pool(10).granted("h", [backfill("a", 1)], QUARTER, NOW)
    assert pool.resets_at == NOW + LEASE + timedelta(seconds=900)


def test_a_lease_nobody_reports_on_counts_as_spent_until_the_window_ends() -> None:
    pool, given, _ = Pool(100).granted("h", [backfill("a", 40)], QUARTER, NOW)
    assert sum(g.units for g in given) == 40
    pool = pool.at(NOW + LEASE)
    assert (pool.used, pool.leased) == (40, 0)
    assert pool.reported("h", 3, 37).used == 40  # too late: it may have been counted on already
    assert pool.resets_at is not None
    assert pool.at(pool.resets_at).used == 0


def test_what_is_given_back_can_be_leased_again() -> None:
    pool, _, _ = Pool(10).granted("h", [Want(Priority.PERSON, "a", 10)], QUARTER, NOW)
    pool = pool.reported("h", 4, 6)
    assert (pool.used, pool.leased) == (4, 0)
    _, given, _ = pool.granted("g", [Want(Priority.PERSON, "b", 10)], QUARTER, NOW)
    assert [g.units for g in given] == [6]


# -- priorities -------------------------------------------------------------------------------------
def exhaust(pool: Pool, priority: Priority, now: datetime) -> Pool:
    pool, _, _ = pool.granted("h", [Want(priority, "a", pool.limit)], QUARTER, now)
    return pool


def test_a_backfill_storm_leaves_people_their_share_and_the_share_is_used_up_in_the_end() -> None:
    pool = exhaust(Pool(1000), Priority.BACKFILL, NOW)
    assert pool.committed == 1000 * SHARES[Priority.BACKFILL]
    _, given, _ = pool.granted("g", [Want(Priority.PERSON, "b", 400)], QUARTER, NOW)
    assert [g.units for g in given] == [400]
    assert pool.resets_at is not None
    late = pool.resets_at - timedelta(seconds=1)
    pool = pool.at(late)
    kept = (1 - SHARES[Priority.BACKFILL]) * KEPT_AT_LEAST
    assert exhaust(pool, Priority.BACKFILL, late).committed == int(1000 * (1 - kept))


def test_a_tiny_quota_starves_nobody() -> None:
    assert exhaust(Pool(1), Priority.BACKFILL, NOW).committed == 1


# -- fairness ---------------------------------------------------------------------------------------
@settings(max_examples=200, deadline=None)
@given(
    free=st.integers(0, 300),
    demand=st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 90), min_size=1),
    data=st.data(),
)
def test_level_is_max_min_fair(free: int, demand: dict[str, int], data: st.DataObject) -> None:
    served: Mapping[str, int] = {name: data.draw(st.integers(0, 60)) for name in demand}
    parts = level(free, demand, served)
    assert sum(parts.values()) == min(free, sum(demand.values()))
    assert all(0 <= parts[name] <= demand[name] for name in demand)
    for name in demand:
        for other in demand:
            if parts[name] < demand[name] and parts[other] > 0:
                # Nobody got anything that would have been due to one who has less and wanted more.
                assert served[other] + parts[other] <= served[name] + parts[name] + 1


def test_an_org_with_many_accounts_gets_no_more_than_one_with_few() -> None:
    """One call at a time for each account, over a whole window, 300 accounts against 3."""
    pool, now, got = Pool(600), NOW, {"many": 0, "few": 0}
    step = timedelta(seconds=5)
    for _ in range(int(timedelta(seconds=900) / step)):
        pool = pool.at(now)
        wants = [backfill("many", 300, 300), backfill("few", 3, 3)]
        pool, given, _ = pool.granted("h", wants, QUARTER, now)
        for want in given:
            got[want.org] += want.units
        pool = pool.reported("h", sum(g.units for g in given), 0)
        now += step
    assert got["few"] >= 0.43 * sum(got.values())
    assert sum(got.values()) >= 0.95 * 600


def test_what_one_org_does_not_use_goes_to_the_others_before_the_window_ends() -> None:
    pool, _, _ = Pool(1000).granted("h", [backfill("rare", 1)], QUARTER, NOW)
    assert pool.resets_at is not None
    end = pool.resets_at - timedelta(seconds=1)
    pool, given, _ = pool.at(end).granted("h", [backfill("busy", 1000)], QUARTER, end)
    assert sum(g.units for g in given) >= 950


def test_a_scarce_part_is_divided_between_hosts_by_the_calls_that_wait_there() -> None:
    pool = Pool(100)
    pool, _, _ = pool.granted("h", [Want(Priority.PERSON, "a", 100, 1)], QUARTER, NOW)
    pool, _, _ = pool.granted("g", [backfill("a", 30, 30)], QUARTER, NOW)
    pool, _, _ = pool.granted("k", [backfill("a", 500, 10)], QUARTER, NOW)
    pool = replace(pool.reported("h", 0, 100), used=20)  # 40 of 60 are left for backfill
    _, of_k, _ = pool.granted("k", [backfill("a", 500, 10)], QUARTER, NOW)
    _, of_g, _ = pool.granted("g", [backfill("a", 30, 30)], QUARTER, NOW)
    assert [g.units for g in of_k] == [10] and [g.units for g in of_g] == [30]


def test_who_can_have_all_gets_all_also_what_is_no_whole_number_of_calls() -> None:
    want = Want(Priority.BACKFILL, "a", 653, calls=6, step=100)
    _, given, again = Pool(1_000_000).granted("h", [want], QUARTER, NOW)
    assert [g.units for g in given] == [653] and not again


def test_of_a_scarce_part_only_whole_calls_are_granted() -> None:
    want = Want(Priority.PERSON, "a", 653, calls=6, step=100)
    _, given, again = Pool(250).granted("h", [want], QUARTER, NOW)
    assert [g.units for g in given] == [200] and again


def test_nobody_gets_units_ahead_while_calls_wait_that_cannot_be_paid() -> None:
    """What is given ahead and not used at once would be spent by others, in the name of who was given it."""
    _, given, _ = Pool(100).granted("g", [backfill("rare", 6, 1), backfill("busy", 200, 200)], QUARTER, NOW)
    assert {g.org: g.units for g in given} == {"rare": 1, "busy": 30}
    _, given, _ = Pool(100).granted("g", [backfill("rare", 6, 1)], QUARTER, NOW)
    assert [g.units for g in given] == [6]


def test_the_odd_call_is_made_where_one_waits_longest() -> None:
    """One unit at a time, and a host that always asks first: the calls at the other one come in turn."""
    pool, now, paid = Pool(10), NOW, {"first": 0, "other": 0}
    waits = {"first": now, "other": now}
    for _ in range(6):
        now += timedelta(seconds=1)
        pool = replace(pool.at(now), limit=pool.committed + 1, opened_at=None)  # room for one more
        for holder in ("first", "other", "first"):
            want = Want(Priority.PERSON, "a", 1, 1, since=waits[holder])
            pool, given, _ = pool.granted(holder, [want], QUARTER, now)
            if given:
                paid[holder] += 1
                waits[holder] = now
    assert paid == {"first": 3, "other": 3}


def test_a_holder_that_comes_again_when_the_window_begins_finds_its_part() -> None:
    """Who asks first in a new window does not take what others were told to come for."""
    pool, _, again = replace(Pool(10), used=10).granted("h", [backfill("a", 10, 10)], QUARTER, NOW)
    pool, _, _ = pool.granted("g", [backfill("a", 10, 10)], QUARTER, NOW)
    (at,) = again.values()
    pool, given, _ = pool.at(at).granted("g", [backfill("a", 10, 10)], QUARTER, at)
    assert [g.units for g in given] == [3]
