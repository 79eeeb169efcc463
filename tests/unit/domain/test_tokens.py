"""When a token is refreshed, and the reason that is given for it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.tokens import BACKOFF_S, Decision, backoff, refresh_decision

QUICK = settings(max_examples=50, deadline=None)

ISSUED = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY_S = 86_400


def seconds(n: float) -> datetime:
    return ISSUED + timedelta(seconds=n)


def decide(
    now_s: float,
    *,
    lifetime_s: float | None = 7200,
    margin: float = 0.2,
    min_age_s: int = 0,
    retry_at_s: float | None = None,
    refreshable: bool = True,
) -> Decision:
    return refresh_decision(
        seconds(now_s),
        issued_at=ISSUED,
        expires_at=None if lifetime_s is None else seconds(lifetime_s),
        margin=margin,
        min_age_s=min_age_s,
        retry_at=None if retry_at_s is None else seconds(retry_at_s),
        refreshable=refreshable,
    )


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (decide(0), Decision(False, "fresh", seconds(5760))),
        (decide(5759.999), Decision(False, "fresh", seconds(5760))),
        (decide(5760), Decision(True, "due")),
        (decide(7199), Decision(True, "due")),
        (decide(7200), Decision(True, "expired")),
        (decide(9_999_999), Decision(True, "expired")),
        (decide(1, lifetime_s=None), Decision(False, "no_expiry")),
        (decide(1, lifetime_s=None, refreshable=False), Decision(False, "no_expiry")),
        (decide(6000, refreshable=False), Decision(False, "cannot_refresh", seconds(7200))),
        (decide(7200, refreshable=False), Decision(False, "cannot_refresh")),
        (decide(6000, retry_at_s=6060), Decision(False, "backing_off", seconds(6060))),
        (decide(7300, retry_at_s=7360), Decision(False, "backing_off", seconds(7360))),
        (decide(6060, retry_at_s=6060), Decision(True, "due")),
        (decide(10, retry_at_s=60), Decision(False, "backing_off", seconds(5760))),
        (decide(60, lifetime_s=900, min_age_s=600), Decision(False, "too_young", seconds(720))),
        (decide(650, lifetime_s=900, min_age_s=600), Decision(False, "fresh", seconds(720))),
        (decide(720, lifetime_s=900, min_age_s=800), Decision(False, "too_young", seconds(800))),
        # Instagram: 60 days, refreshed with a quarter left, never in the first 24 hours
        (
            decide(DAY_S, lifetime_s=60 * DAY_S, margin=0.25, min_age_s=DAY_S),
            Decision(False, "fresh", seconds(45 * DAY_S)),
        ),
        (decide(45 * DAY_S, lifetime_s=60 * DAY_S, margin=0.25, min_age_s=DAY_S), Decision(True, "due")),
    ],
)
def test_decisions_and_their_reasons(decision: Decision, expected: Decision) -> None:
    assert decision == expected


LIFETIMES = st.integers(1, 60 * DAY_S)
MARGINS = st.floats(0.01, 0.9)
AGES = st.integers(0, 2 * DAY_S)


@QUICK
@given(now_s=st.integers(0, 90 * DAY_S), lifetime_s=LIFETIMES, margin=MARGINS, min_age_s=AGES)
def test_never_before_the_least_age(now_s: int, lifetime_s: int, margin: float, min_age_s: int) -> None:
    if decide(now_s, lifetime_s=lifetime_s, margin=margin, min_age_s=min_age_s).act:
        assert now_s >= min_age_s


@QUICK
@given(now_s=st.integers(0, 90 * DAY_S), lifetime_s=LIFETIMES, margin=MARGINS, min_age_s=AGES)
def test_pain_11_always_before_the_expiry(now_s: int, lifetime_s: int, margin: float, min_age_s: int) -> None:
    """Who asks again whenever a decision says so refreshes while the token lives."""
    assume(min_age_s < lifetime_s and now_s < lifetime_s)
    decision = decide(now_s, lifetime_s=lifetime_s, margin=margin, min_age_s=min_age_s)
    if not decision.act:
        assert decision.at is not None
        assert seconds(now_s) < decision.at < seconds(lifetime_s)
        at_s = (decision.at - ISSUED).total_seconds()
        assert decide(at_s, lifetime_s=lifetime_s, margin=margin, min_age_s=min_age_s).reason == "due"


@QUICK
@given(
    now_s=st.integers(0, 90 * DAY_S),
    lifetime_s=LIFETIMES,
    margin=MARGINS,
    min_age_s=AGES,
    retry_at_s=st.none() | st.integers(0, 90 * DAY_S),
    refreshable=st.booleans(),
)
def test_what_is_not_done_now_is_asked_again_later(
    now_s: int, lifetime_s: int, margin: float, min_age_s: int, retry_at_s: int | None, refreshable: bool
) -> None:
    def at(second: float) -> Decision:
        return decide(
            second,
            lifetime_s=lifetime_s,
            margin=margin,
            min_age_s=min_age_s,
            retry_at_s=retry_at_s,
            refreshable=refreshable,
        )

    decision = at(now_s)
    if decision.act:
        assert decision.reason in ("due", "expired") and decision.at is None
        assert retry_at_s is None or retry_at_s <= now_s
    elif decision.at is None:
        assert not refreshable and now_s >= lifetime_s
    else:
        assert decision.at > seconds(now_s)
        # Then it is done, not put off again: a reminder at that time is not in vain.
        assert at((decision.at - ISSUED).total_seconds()).act is refreshable


@QUICK
@given(st.integers(-3, 100))
def test_back_off_grows_and_stays_bounded(failures: int) -> None:
    pause = backoff(failures)
    assert timedelta(seconds=BACKOFF_S[0]) <= pause <= backoff(failures + 1)
    assert pause <= timedelta(minutes=15)
