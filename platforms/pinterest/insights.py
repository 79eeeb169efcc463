"""Numbers of Pins and of the account. Pinterest looks back 90 days; what has no end comes as totals.

Only days that Pinterest calls READY are told: later days still change, earlier ones it no longer has.
Source: PO/ `/pins/{pin_id}/analytics`, `/user_account/analytics`.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import Json, count_at, mapping, moment_at, objects, text_at

DAYS = 90  # PO/: not older than 90 days, and at most 90 days
_M = MetricName
_PIN: Mapping[str, MetricName] = {
    "IMPRESSION": _M.IMPRESSIONS,
    "PIN_CLICK": _M.CLICKS,
    "OUTBOUND_CLICK": _M.LINK_CLICKS,
    "SAVE": _M.SAVES,
    "USER_FOLLOW": _M.FOLLOWERS_GAINED,
    "PROFILE_VISIT": _M.PROFILE_VIEWS,
}
_FILM: Mapping[str, MetricName] = {
    "VIDEO_MRC_VIEW": _M.VIEWS,
    "QUARTILE_95_PERCENT_VIEW": _M.COMPLETED_VIEWS,
    "VIDEO_AVG_WATCH_TIME": _M.AVERAGE_WATCH_TIME_MS,
    "VIDEO_V50_WATCH_TIME": _M.WATCH_TIME_MS,
}
_LIFETIME: Mapping[str, MetricName] = {"TOTAL_COMMENTS": _M.COMMENTS, "TOTAL_REACTIONS": _M.LIKES}
_ACCOUNT: Mapping[str, MetricName] = {
    "IMPRESSION": _M.IMPRESSIONS,
    "ENGAGEMENT": _M.ENGAGEMENTS,
    "PIN_CLICK": _M.CLICKS,
    "OUTBOUND_CLICK": _M.LINK_CLICKS,
    "SAVE": _M.SAVES,
}
_USER: Mapping[str, MetricName] = {"follower_count": _M.FOLLOWERS, "pin_count": _M.CONTENT_COUNT}
_NOT_ANSWERED = "not_answered"


class PinterestInsights:
    """Stateless."""

    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        if kind is ContentKind.BOARD:
            return Rejected("unsupported", "Pinterest tells numbers of Pins and accounts, not of boards.")
        wanted = {**_PIN, **_FILM} if kind is ContentKind.VIDEO else _PIN
        until = access.http.now().astimezone(UTC).date()
        since = until - timedelta(days=DAYS - 1)
        path = f"pins/{quote(content_id, safe='')}/analytics"
        answer = await _analytics(access, path, since, until, [*wanted, *_LIFETIME])
        if not isinstance(answer, Ok):
            return answer
        summary, lifetime = (
            mapping(answer.value, "summary_metrics"),
            mapping(answer.value, "lifetime_metrics"),
        )
        reason = _reason(list(objects(answer.value, "daily_metrics")))
        span = (_midnight(since), _midnight(until) + timedelta(days=1))
        told = [_metric(n, f, lifetime, Period.LIFETIME, None, None) for f, n in _LIFETIME.items()]
        told += [_metric(n, f, summary, Period.RANGE, *span, reason) for f, n in wanted.items()]
        if kind is not ContentKind.VIDEO:
            told += [Metric(name, field, None, reason="not_for_kind") for field, name in _FILM.items()]
        return Ok(tuple(told), answer.readings)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        """Days from `since` to before `until`, as far back as Pinterest looks, and totals of now."""
        user = await _get(access, "user_account", {}, "org_read")
        if not isinstance(user, Ok):
            return user
        totals = [_metric(n, f, user.value, Period.LIFETIME, None, None) for f, n in _USER.items()]
        today = access.http.now().astimezone(UTC).date()
        last = min((until - timedelta(microseconds=1)).astimezone(UTC).date(), today)
        first = max(since.astimezone(UTC).date(), today - timedelta(days=DAYS - 1))
        if first > last:
            return Ok(tuple(totals), user.readings)
        answer = await _analytics(access, "user_account/analytics", first, last, list(_ACCOUNT))
        if not isinstance(answer, Ok):
            return answer
        for row in objects(answer.value, "daily_metrics"):
            day = moment_at(row, "date")
            if day is not None:
                end, numbers, reason = day + timedelta(days=1), mapping(row, "metrics"), _reason([row])
                if reason != _NOT_ANSWERED:
                    numbers = {}  # a number that is not final is none
                totals += [_metric(n, f, numbers, Period.DAY, day, end, reason) for f, n in _ACCOUNT.items()]
        return Ok(tuple(totals), answer.readings)


async def _analytics(
    access: Access, path: str, since: date, until: date, metrics: list[str]
) -> Outcome[Json]:
    """The one split of an answer without splits: that its name is `all` is second-hand."""
    query = {
        "start_date": since.isoformat(),
        "end_date": until.isoformat(),
        "metric_types": ",".join(metrics),
    }
    answer = await _get(access, path, query, "org_analytics")
    if not isinstance(answer, Ok):
        return answer
    splits = [split for split in answer.value.values() if isinstance(split, dict)]
    return Ok(mapping(answer.value, "all") or next(iter(splits), {}), answer.readings)


async def _get(access: Access, path: str, query: Mapping[str, str], family: str) -> Outcome[Json]:
    call = Call("GET", f"{API}/{path}", family, query=query, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call), family)


def _metric(
    name: MetricName,
    field: str,
    numbers: Json,
    period: Period,
    since: datetime | None,
    until: datetime | None,
    reason: str = _NOT_ANSWERED,
) -> Metric:
    value = _number(numbers, field)
    return Metric(name, field, value, period, since, until, reason if value is None else None)


def _number(numbers: Json, field: str) -> int | float | None:
    found = numbers.get(field)
    if isinstance(found, float) and found >= 0 and not found.is_integer():
        return found
    return count_at(numbers, field)


def _reason(rows: list[Json]) -> str:
    """Why a number is missing: what Pinterest calls the newest day, or that it did not say."""
    status = text_at(rows[-1], "data_status") if rows else None
    return status.lower() if status and status != "READY" else _NOT_ANSWERED


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
