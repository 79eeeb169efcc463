"""Reports in parts: whatever is cut, every day is reported once and in its order."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.advertising import AdLevel, ReportRequest, ReportState, halved, in_parts, next_part

SINCE = date(2026, 11, 1)


def days_of(state: ReportState | None) -> list[date]:
    found: list[date] = []
    while state is not None:
        request = state.request
        assert request.since <= request.until
        found += [request.since + timedelta(days=n) for n in range((request.until - request.since).days + 1)]
        state = next_part(state)
    return found


@given(st.integers(1, 400), st.integers(1, 100), st.lists(st.booleans(), max_size=40))
def test_every_day_is_in_one_part(span: int, at_most: int, too_big: list[bool]) -> None:
    whole = ReportRequest(AdLevel.AD, SINCE, SINCE + timedelta(days=span - 1))
    state: ReportState | None = in_parts(whole, at_most)
    days = days_of(state)
    assert days == [SINCE + timedelta(days=n) for n in range(span)]
    for refused in too_big:
        if state is None:
            break
        before = days_of(state)
        following = halved(state) if refused else None
        if following is not None:
            assert days_of(following) == before
            assert 0 <= len(days_of(ReportState(following.rest[0]))) - _length(following.request) <= 1
            state = following
        else:
            assert not refused or state.request.since == state.request.until, "a single day has no halves"
            state = next_part(state)


def _length(request: ReportRequest) -> int:
    return (request.until - request.since).days + 1
