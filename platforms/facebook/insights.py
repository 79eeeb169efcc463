"""Numbers of posts and pages, with the names that are alive since June 2026.

Withdrawn and answered as such: impressions (15 Nov 2025). Sources: docs/graph-api/reference/page/insights,
documentation/pages-api/platforminsights/page/deprecated-metrics.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.facebook.reading import get
from platforms.outcome import LimitReading, Ok, Outcome, Rejected
from platforms.wire import INT64_MAX, Json, count_at, objects, text_at

_LONGEST = timedelta(days=90)  # of one question; for more, the newest are asked for
_REACTIONS = "post_reactions_by_type_total"
_ACTIVITY = "post_activity_by_action_type"


@dataclass(frozen=True, slots=True)
class _Told:
    """`read` takes the number out of a row's values, newest last; None: it is not there."""

    name: MetricName
    source: str
    read: Callable[[list[Json]], int | float | None]
    films: bool = False


def _last(values: list[Json]) -> int | None:
    return count_at(values[-1], "value") if values else None


def _sum(values: list[Json]) -> int | None:
    numbers = [n for value in values if (n := count_at(value, "value")) is not None]
    return min(sum(numbers), INT64_MAX) if numbers else None


def _of_type(*types: str) -> Callable[[list[Json]], int | None]:
    """The value is an object by type, and left out types are zero; without `types` all of them count."""

    def read(values: list[Json]) -> int | None:
        found = values[-1].get("value") if values else None
        if not isinstance(found, dict):
            return None
        numbers = [count_at(found, key) or 0 for key in (types or found)]
        return min(sum(numbers), INT64_MAX)

    return read


_POST = (
    _Told(MetricName.VIEWS, "post_media_view", _last),
    _Told(MetricName.REACH, "post_total_media_view_unique", _last),
    _Told(MetricName.CLICKS, "post_clicks", _last),
    _Told(MetricName.LIKES, _REACTIONS, _of_type()),
    _Told(MetricName.COMMENTS, _ACTIVITY, _of_type("comment")),
    _Told(MetricName.SHARES, _ACTIVITY, _of_type("share")),
    _Told(MetricName.WATCH_TIME_MS, "post_video_view_time", _last, films=True),
    _Told(MetricName.AVERAGE_WATCH_TIME_MS, "post_video_avg_time_watched", _last, films=True),
)
_PAGE = (
    _Told(MetricName.VIEWS, "page_media_view", _sum),
    _Told(MetricName.PROFILE_VIEWS, "page_views_total", _sum),
    _Told(MetricName.ENGAGEMENTS, "page_post_engagements", _sum),
    _Told(MetricName.FOLLOWERS, "page_follows", _last),
    _Told(MetricName.FOLLOWERS_GAINED, "page_daily_follows", _sum),
    _Told(MetricName.FOLLOWERS_LOST, "page_daily_unfollows_unique", _sum),
)
_PAGE_RANGE = (_Told(MetricName.REACH, "page_total_media_view_unique", _last),)
_FILMS = (ContentKind.VIDEO, ContentKind.REEL)


class FacebookInsights:
    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        gone = _withdrawn("post_impressions")
        if kind is ContentKind.STORY:
            names = {told.name: told for told in _POST}
            absent = [Metric(t.name, t.source, None, reason="not_for_kind") for t in names.values()]
            return Ok((*absent, gone))
        asked = [told for told in _POST if kind in _FILMS or not told.films]
        answer = await _ask(access, content_id, asked, {"period": "lifetime"})
        if not isinstance(answer, Ok):
            return answer
        not_here = [
            Metric(told.name, told.source, None, reason="not_for_kind") for told in _POST if told not in asked
        ]
        found = [_metric(told, answer.value) for told in asked]
        return Ok((*found, *not_here, gone), answer.readings)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        since = max(since, until - _LONGEST)
        window = {"since": str(int(since.timestamp())), "until": str(int(until.timestamp()))}
        metrics: list[Metric] = []
        readings: tuple[LimitReading, ...] = ()
        for told, period in ((_PAGE, "day"), (_PAGE_RANGE, "total_over_range")):
            answer = await _ask(access, access.external_id, told, {"period": period} | window)
            if not isinstance(answer, Ok):
                return answer
            readings = answer.readings
            metrics += [_metric(one, answer.value, Period.RANGE, since, until) for one in told]
        withdrawn = _withdrawn("page_impressions", Period.RANGE, since, until)
        return Ok((*metrics, withdrawn), readings)


async def _ask(
    access: Access, object_id: str, told: Iterable[_Told], params: Mapping[str, str]
) -> Outcome[Json]:
    """The rows by metric. A page too small for numbers, or without the permission, answers none of them:
    that is told by a row of its own."""
    names = ",".join(dict.fromkeys(one.source for one in told))
    answer = await get(access.http, access.token, f"{object_id}/insights", {"metric": names} | dict(params))
    if isinstance(answer, Rejected) and answer.code in ("10", "200"):
        return Ok({"": "permission_missing"}, answer.readings)
    if not isinstance(answer, Ok):
        return answer
    rows = {text_at(row, "name") or "": list(objects(row, "values")) for row in objects(answer.value, "data")}
    return Ok(dict(rows), answer.readings)


def _metric(
    told: _Told,
    rows: Json,
    period: Period = Period.LIFETIME,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Metric:
    values = rows.get(told.source)
    value = told.read(values) if isinstance(values, list) and values else None
    reason = None if value is not None else text_at(rows, "") or "not_answered"
    return Metric(told.name, told.source, value, period, since, until, reason)


def _withdrawn(
    source: str,
    period: Period = Period.LIFETIME,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Metric:
    return Metric(MetricName.IMPRESSIONS, source, None, period, since, until, "withdrawn")
