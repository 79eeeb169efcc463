"""Totals of one content from readings and events, each counted once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import Engagement
from domain.engagement import KEPT_EVENTS, Tally

QUICK = settings(max_examples=50, deadline=None)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
Deed = tuple[str, str, int, datetime]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def heard(tally: Tally, deeds: Sequence[Deed]) -> Tally:
    for deed in deeds:
        tally = tally.heard(*deed)
    return tally


@st.composite
def deeds(draw: st.DrawFn, most: int = 30) -> list[Deed]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["likes", "comments", "shares", "views"]),
                st.sampled_from([1, -1]),
                st.integers(1, 100),
            ),
            max_size=most,
        )
    )
    return [(f"e{n}", metric, step, at(second)) for n, (metric, step, second) in enumerate(rows)]


def sums(some: Sequence[Deed], *, after: float = 0) -> dict[str, int]:
    moved: dict[str, int] = {}
    for _, metric, step, when in some:
        if when > at(after):
            moved[metric] = moved.get(metric, 0) + step
    return moved


def test_nothing_known_is_not_zero() -> None:
    assert Tally().totals() == Engagement()
    read = Tally().polled(Engagement(likes=0), at(0))
    assert read.totals() == Engagement(likes=0)


def test_events_alone_count_from_nothing() -> None:
    tally = heard(Tally(), [("a", "likes", 1, at(1)), ("b", "likes", 1, at(2))])
    assert tally.totals() == Engagement(likes=2)


@QUICK
@given(deeds(), st.integers(0, 50))
def test_totals_are_the_base_and_what_happened_since(happened: list[Deed], base: int) -> None:
    tally = Tally().polled(Engagement(base, base, base, base), at(0))
    moved = sums(happened)
    expected = {m: max(0, base + moved.get(m, 0)) for m in ("likes", "comments", "shares", "views")}
    assert heard(tally, happened).totals() == Engagement(**expected)


@QUICK
@given(deeds(), st.integers(0, 101))
def test_a_reading_holds_what_happened_up_to_its_time(happened: list[Deed], second: int) -> None:
    base = Engagement(1000, 1000, 1000, 1000)
    tally = heard(Tally(), happened).polled(base, at(second))
    moved = sums(happened, after=second)
    assert tally.totals() == Engagement(
        **{m: 1000 + moved.get(m, 0) for m in ("likes", "comments", "shares", "views")}
    )
    assert all(when > at(second) for _, _, _, when in tally.since)


@QUICK
@given(st.data(), deeds(), st.integers(0, 101))
def test_the_order_of_deliveries_does_not_matter(
    data: st.DataObject, happened: list[Deed], second: int
) -> None:
    """Nor does the moment at which the reading is heard, nor repeats of what is still kept."""
    base = Engagement(1000, 1000, 1000, 1000)
    expected = heard(Tally(), happened).polled(base, at(second)).totals()
    order = data.draw(
        st.permutations(
            [*happened, *data.draw(st.lists(st.sampled_from(happened)) if happened else st.just([]))]
        )
    )
    cut = data.draw(st.integers(0, len(order)))
    tally = heard(heard(Tally(), order[:cut]).polled(base, at(second)), order[cut:])
    assert tally.totals() == expected


@QUICK
@given(deeds())
def test_a_repeated_event_changes_nothing(happened: list[Deed]) -> None:
    once = heard(Tally(), happened)
    assert heard(once, happened) is once


def test_a_reading_older_than_the_last_is_ignored() -> None:
    tally = Tally().polled(Engagement(likes=10), at(10))
    assert tally.polled(Engagement(likes=3), at(9)) is tally
    assert tally.polled(Engagement(likes=12), at(10)).totals().likes == 12


@QUICK
@given(deeds(), st.integers(0, 101))
def test_a_metric_that_a_reading_does_not_tell_keeps_what_is_known(happened: list[Deed], second: int) -> None:
    """Instagram hides likes when the owner wishes so; that is no reason to forget or to count twice."""
    before = heard(Tally().polled(Engagement(likes=1000), at(0)), happened)
    after = before.polled(Engagement(), at(second))
    assert after.totals() == before.totals()
    assert heard(after, happened).totals() == before.totals()


@settings(max_examples=10, deadline=None)
@given(st.integers(KEPT_EVENTS, KEPT_EVENTS + 60), st.integers(0, 5))
def test_beyond_what_is_kept_events_are_counted_only(events: int, unlikes: int) -> None:
    happened = [(f"e{n}", "likes", -1 if n % 100 < unlikes else 1, at(n + 1)) for n in range(events)]
    tally = heard(Tally().polled(Engagement(likes=5), at(0)), happened)
    assert tally.totals().likes == 5 + sum(step for _, _, step, _ in happened)
    assert len(tally.since) == KEPT_EVENTS
    assert tally.polled(Engagement(likes=7), at(events + 1)).totals().likes == 7


def test_totals_never_fall_below_zero() -> None:
    tally = Tally().polled(Engagement(likes=1), at(0))
    tally = heard(tally, [("a", "likes", -1, at(1)), ("b", "likes", -1, at(2)), ("c", "comments", -1, at(3))])
    assert tally.totals() == Engagement(likes=0, comments=0)
