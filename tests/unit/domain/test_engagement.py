"""Totals of one content from readings and events, each counted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import Engagement
from domain.engagement import KEPT_EVENTS, SETTLE_LATEST, SETTLE_SOONEST, Reading, Tally, end_of

QUICK = settings(max_examples=50, deadline=None)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
Deed = tuple[str, str, int, datetime]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def read(second: float) -> Reading:
    """A reading answered at once: events dated with a fraction are surely before or after it."""
    return Reading(at(second), at(second))


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
    return [(f"e{n}", metric, step, at(second + 0.5)) for n, (metric, step, second) in enumerate(rows)]


def sums(some: Sequence[Deed], *, after: float = 0) -> dict[str, int]:
    moved: dict[str, int] = {}
    for _, metric, step, when in some:
        if when > at(after):
            moved[metric] = moved.get(metric, 0) + step
    return moved


def test_nothing_known_is_not_zero() -> None:
    assert Tally().totals() == Engagement()
    tally = Tally().polled(Engagement(likes=0), read(0))
    assert tally.totals() == Engagement(likes=0)


def test_events_alone_count_from_nothing() -> None:
    tally = heard(Tally(), [("a", "likes", 1, at(1)), ("b", "likes", 1, at(2))])
    assert tally.totals() == Engagement(likes=2)


@QUICK
@given(deeds(), st.integers(0, 50))
def test_totals_are_the_base_and_what_happened_since(happened: list[Deed], base: int) -> None:
    tally = Tally().polled(Engagement(base, base, base, base), read(0))
    moved = sums(happened)
    expected = {m: max(0, base + moved.get(m, 0)) for m in ("likes", "comments", "shares", "views")}
    assert heard(tally, happened).totals() == Engagement(**expected)


@QUICK
@given(deeds(), st.integers(0, 101))
def test_a_reading_holds_what_happened_up_to_its_time(happened: list[Deed], second: int) -> None:
    base = Engagement(1000, 1000, 1000, 1000)
    tally = heard(Tally(), happened).polled(base, read(second))
    moved = sums(happened, after=second)
    assert tally.totals() == Engagement(
        **{m: 1000 + moved.get(m, 0) for m in ("likes", "comments", "shares", "views")}
    )
    assert all(when > at(second) for _, _, _, when in tally.since)
    assert tally.settle_at() is None


@QUICK
@given(st.data(), deeds(), st.integers(0, 101))
def test_the_order_of_deliveries_does_not_matter(
    data: st.DataObject, happened: list[Deed], second: int
) -> None:
    """Nor does the moment at which the reading is heard, nor repeats of what is still kept."""
    base = Engagement(1000, 1000, 1000, 1000)
    expected = heard(Tally(), happened).polled(base, read(second)).totals()
    order = data.draw(
        st.permutations(
            [*happened, *data.draw(st.lists(st.sampled_from(happened)) if happened else st.just([]))]
        )
    )
    cut = data.draw(st.integers(0, len(order)))
    tally = heard(heard(Tally(), order[:cut]).polled(base, read(second)), order[cut:])
    assert tally.totals() == expected


@QUICK
@given(deeds())
def test_a_repeated_event_changes_nothing(happened: list[Deed]) -> None:
    once = heard(Tally(), happened)
    assert heard(once, happened) is once


def test_a_reading_older_than_the_last_is_ignored() -> None:
    tally = Tally().polled(Engagement(likes=10), read(10))
    assert tally.polled(Engagement(likes=3), read(9)) is tally
    assert tally.polled(Engagement(likes=12), read(10)).totals().likes == 12


@QUICK
@given(deeds(), st.integers(0, 101))
def test_a_metric_that_a_reading_does_not_tell_keeps_what_is_known(happened: list[Deed], second: int) -> None:
    """Instagram hides likes when the owner wishes so; that is no reason to forget or to count twice."""
    before = heard(Tally().polled(Engagement(likes=1000), read(0)), happened)
    after = before.polled(Engagement(), read(second))
    assert after.totals() == before.totals()
    assert heard(after, happened).totals() == before.totals()


@settings(max_examples=10, deadline=None)
@given(st.integers(KEPT_EVENTS, KEPT_EVENTS + 60), st.integers(0, 5))
def test_beyond_what_is_kept_events_are_counted_only(events: int, unlikes: int) -> None:
    happened = [(f"e{n}", "likes", -1 if n % 100 < unlikes else 1, at(n + 0.5)) for n in range(events)]
    tally = heard(Tally().polled(Engagement(likes=5), read(0)), happened)
    assert tally.totals().likes == 5 + sum(step for _, _, step, _ in happened)
    assert len(tally.since) == KEPT_EVENTS
    folded = bool(tally.folded)
    tally = tally.polled(Engagement(likes=7), read(events + 2))
    assert tally.totals().likes == 7
    assert (tally.settle_at() is not None) is folded  # of what was only counted nobody knows the times
    assert tally.polled(Engagement(likes=7), read(events + 4)).settle_at() is None


def test_totals_never_fall_below_zero() -> None:
    tally = Tally().polled(Engagement(likes=1), read(0))
    tally = heard(tally, [("a", "likes", -1, at(1)), ("b", "likes", -1, at(2)), ("c", "comments", -1, at(3))])
    assert tally.totals() == Engagement(likes=0, comments=0)


def test_an_empty_reading_hides_no_event() -> None:
    """A payload without numbers says nothing about when numbers were read."""
    tally = Tally().polled(Engagement(likes=1), read(0)).polled(Engagement(), read(20))
    assert tally.heard("late", "likes", 1, at(10)).totals().likes == 2


# -- times in whole seconds -------------------------------------------------------------------------


def test_a_time_without_a_fraction_is_any_of_its_second() -> None:
    assert end_of(at(3)) == at(4)
    assert end_of(at(3.25)) == at(3.251)


def test_an_event_of_the_second_of_the_reading_is_in_doubt() -> None:
    """Done at 3.9, told as 3; the totals were read at 3.5 and do not hold it."""
    tally = Tally().polled(Engagement(comments=7), Reading(at(3.5), at(3.6)))
    doubted = tally.heard("c1", "comments", 1, at(3))
    assert doubted.totals().comments == 7
    assert doubted.settle_at() == at(4) + SETTLE_SOONEST
    assert doubted.heard("c1", "comments", 1, at(3)) == doubted
    settled = doubted.polled(Engagement(comments=8), Reading(at(6), at(6.1)))
    assert settled.totals().comments == 8
    assert settled.settle_at() is None
    assert settled.heard("c1", "comments", 1, at(3)) is settled


def test_a_reading_in_the_second_of_an_event_puts_it_in_doubt() -> None:
    tally = Tally().polled(Engagement(comments=7), Reading(at(0), at(0.1))).heard("c1", "comments", 1, at(3))
    assert tally.totals().comments == 8
    read_late = tally.polled(Engagement(comments=7), Reading(at(3.5), at(3.6)))
    assert read_late.settle_at() is not None
    assert read_late.polled(Engagement(comments=8), Reading(at(6), at(6.1))).totals().comments == 8


def test_what_happens_while_the_platform_answers_is_in_doubt() -> None:
    tally = Tally().polled(Engagement(likes=7), Reading(at(3.1), at(5.2)))
    for second in (3.4, 5.2):
        assert tally.heard("a", "likes", 1, at(second)).settle_at() is not None
    assert tally.heard("a", "likes", 1, at(5.201)).totals().likes == 8


def test_a_reading_asked_too_early_settles_nothing() -> None:
    tally = Tally().polled(Engagement(likes=7), Reading(at(3.5), at(3.6))).heard("a", "likes", 1, at(3))
    assert tally.polled(Engagement(likes=7), Reading(at(3.9), at(3.95))).unsettled_until == at(4)


def test_doubt_that_does_not_end_is_read_ever_more_seldom() -> None:
    """Content with something every second is in doubt after every reading."""
    tally, asked, pauses = Tally().polled(Engagement(likes=0), Reading(at(0.5), at(0.6))), at(0.5), []
    for n in range(1, 21):
        tally = tally.heard(f"e{n}", "likes", 1, asked.replace(microsecond=0))
        settle_at, until = tally.settle_at(), tally.unsettled_until
        assert settle_at is not None and until is not None
        pauses.append(settle_at - until)
        asked = settle_at.replace(microsecond=500_000)
        tally = tally.polled(Engagement(likes=n), Reading(asked, asked))
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (SETTLE_SOONEST, SETTLE_LATEST)
    assert sum(pauses, timedelta()) > timedelta(minutes=20)


def test_doubt_that_ended_is_forgotten_by_the_reading_after() -> None:
    tally = Tally().polled(Engagement(likes=0), Reading(at(0.5), at(0.5))).heard("e1", "likes", 1, at(0))
    tally = tally.polled(Engagement(likes=1), read(600))
    assert tally.settle_at() is None
    # As long as no reading has gone by without doubt, it is the same one.
    again = tally.heard("e2", "likes", 1, at(600)).settle_at()
    assert again is not None and again - at(601) > SETTLE_SOONEST
    tally = tally.polled(Engagement(likes=1), read(700))
    assert tally.heard("e3", "likes", 1, at(700)).settle_at() == at(701) + SETTLE_SOONEST


@dataclass(frozen=True)
class Done:
    """Something done on the platform, to the millisecond; told to the second."""

    name: str
    step: int
    second: float

    @property
    def told_at(self) -> datetime:
        return at(self.second).replace(microsecond=0)


@dataclass(frozen=True)
class Read:
    """A reading: the platform looked at its numbers at some time between question and answer."""

    asked: float
    looked: float
    answered: float

    def of(self, done: Sequence[Done], before: int) -> tuple[Engagement, Reading]:
        total = before + sum(d.step for d in done if d.second <= self.looked)
        return Engagement(comments=total), Reading(at(self.asked), at(self.answered))


MOMENTS = st.integers(1000, 9999).map(lambda ms: ms / 1000)
READS = st.lists(MOMENTS, min_size=3, max_size=3).map(lambda moments: Read(*sorted(moments)))


@settings(max_examples=300, deadline=None)
@given(
    done=st.lists(st.tuples(st.sampled_from([1, 1, -1]), MOMENTS), max_size=8),
    reads=st.lists(READS, max_size=4),
    data=st.data(),
)
def test_any_order_of_readings_and_events_of_whole_seconds_ends_at_the_platforms_total(
    done: list[tuple[int, float]], reads: list[Read], data: st.DataObject
) -> None:
    before = 20
    happened = [Done(f"e{n}", step, second) for n, (step, second) in enumerate(done)]
    repeated = [d for d in happened if data.draw(st.booleans())]
    heard: list[Done | Read] = data.draw(st.permutations([*happened, *repeated, *reads]))
    tally = Tally().polled(Engagement(comments=before), Reading(at(0), at(0.5)))
    steps = [d.step for d in happened]
    for one in heard:
        if isinstance(one, Read):
            tally = tally.polled(*one.of(happened, before))
        else:
            tally = tally.heard(one.name, "comments", one.step, one.told_at)
        # Nothing is ever counted twice, in doubt or not.
        total = tally.totals().comments
        assert total is not None
        assert before + sum(s for s in steps if s < 0) <= total <= before + sum(s for s in steps if s > 0)

    truth = before + sum(steps)
    settle_at = tally.settle_at()
    if settle_at is not None:
        # One reading at the time named is enough, when nothing happens any more.
        asked_at = max(settle_at, at(10))
        tally = tally.polled(Engagement(comments=truth), Reading(asked_at, asked_at))
        assert tally.settle_at() is None
    assert tally.totals().comments == truth
    for d in happened:  # told once more, late: at most in doubt
        tally = tally.heard(d.name, "comments", d.step, d.told_at)
    assert tally.totals().comments == truth
