"""Numbers of YouTube Analytics, and of the channel itself. Sources: discovery document `youtubeAnalytics.v2`;
developers.google.com/youtube/analytics/metrics. Days are Pacific days and lag two or three days behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.outcome import Failure, Ok, Outcome, Rejected
from platforms.wire import Json, count_at, flag_at, mapping, objects, text_at
from platforms.youtube.api import ask
from platforms.youtube.spec import ANALYTICS, QUOTA_ZONE

_SINCE_EVER = date(2005, 2, 14)  # YouTube's first day: a report needs a beginning
_MINUTE_MS, _SECOND_MS = 60_000, 1000
_CURRENCY = "USD"  # what YouTube reports in unless told otherwise; named in `source`


@dataclass(frozen=True, slots=True)
class _Column:
    """A metric of YouTube's; `times` turns its unit into ours."""

    name: MetricName
    times: float = 1


_COMMON: Mapping[str, _Column] = {
    "views": _Column(MetricName.VIEWS),
    "engagedViews": _Column(MetricName.ENGAGED_VIEWS),
    "estimatedMinutesWatched": _Column(MetricName.WATCH_TIME_MS, _MINUTE_MS),
    "averageViewDuration": _Column(MetricName.AVERAGE_WATCH_TIME_MS, _SECOND_MS),
    "averageViewPercentage": _Column(MetricName.AVERAGE_WATCH_PERCENT),
    "likes": _Column(MetricName.LIKES),
    "dislikes": _Column(MetricName.DISLIKES),
    "comments": _Column(MetricName.COMMENTS),
    "shares": _Column(MetricName.SHARES),
    "subscribersGained": _Column(MetricName.FOLLOWERS_GAINED),
    "subscribersLost": _Column(MetricName.FOLLOWERS_LOST),
}
_MONEY: Mapping[str, _Column] = {
    "estimatedRevenue": _Column(MetricName.REVENUE_MINOR, 100),
}
# Known elsewhere; told by YouTube in bulk files only (YouTube Reporting API, reach reports) or not at all.
_ABSENT = {
    MetricName.IMPRESSIONS: "bulk_reports_only",
    MetricName.REACH: "not_offered",
    MetricName.SAVES: "not_offered",
}
_REPORT = "youtubeAnalytics"


class YouTubeInsights:
    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        today = _day(access.http.now())
        return await self._reports(access, _SINCE_EVER, today, Period.LIFETIME, None, None, content_id)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        """The days from `since` up to, not including, `until`, as Pacific days; the totals are of now."""
        query = {"part": "statistics", "mine": "true"}
        told = await ask(access.http, access.token, "channels", "channels", query)
        if not isinstance(told, Ok):
            return told
        first = _day(since)
        last = max(first, _day(until - timedelta(microseconds=1)))
        found = await self._reports(access, first, last, Period.RANGE, since, until)
        if not isinstance(found, Ok):
            return found
        return Ok((*_of_channel(next(objects(told.value, "items"), {})), *found.value))

    async def _reports(
        self,
        access: Access,
        first: date,
        last: date,
        period: Period,
        since: datetime | None,
        until: datetime | None,
        video_id: str | None = None,
    ) -> Outcome[tuple[Metric, ...]]:
        """Money is a report of its own: it needs a permission that the others do not."""
        metrics: list[Metric] = []
        for columns in (_COMMON, _MONEY):
            report = await _report(access, columns, first, last, video_id)
            row: Json = {}
            missing = "no_data_yet"
            if isinstance(report, Ok):
                row = report.value
            elif (missing := _why(report) or "") == "":
                return report
            for name, column in columns.items():
                value = row.get(name)
                known = isinstance(value, int | float) and not isinstance(value, bool)
                source = f"{_REPORT}.{name}" + (f" {_CURRENCY}" if columns is _MONEY else "")
                metrics.append(
                    Metric(
                        column.name,
                        source,
                        _scaled(value, column.times) if known else None,
                        period,
                        since,
                        until,
                        None if known else missing,
                    )
                )
        absent = [Metric(name, _REPORT, None, period, since, until, why) for name, why in _ABSENT.items()]
        return Ok((*metrics, *absent))


async def _report(
    access: Access, columns: Mapping[str, _Column], first: date, last: date, video_id: str | None
) -> Outcome[Json]:
    """One row, by the names of its columns; empty when there is no data."""
    query = {
        "ids": "channel==MINE",
        "startDate": first.isoformat(),
        "endDate": last.isoformat(),
        "metrics": ",".join(columns),
    }
    if video_id is not None:
        query["filters"] = f"video=={video_id}"
    if columns is _MONEY:
        query["currency"] = _CURRENCY
    answer = await ask(access.http, access.token, "analytics", "reports", query, root=f"{ANALYTICS}/v2")
    if not isinstance(answer, Ok):
        return answer
    names = [text_at(column, "name") or "" for column in objects(answer.value, "columnHeaders")]
    rows = answer.value.get("rows")
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], list) else []
    return Ok(dict(zip(names, row, strict=False)))


def _why(failure: Failure) -> str | None:
    """A refusal that is an answer to "which numbers are there". None: it is a failure of the call."""
    if not isinstance(failure, Rejected):
        return None
    if failure.code in ("insufficientPermissions", "forbidden"):
        return "permission_missing"
    return "not_answered"


def _of_channel(channel: Json) -> tuple[Metric, ...]:
    statistics = mapping(channel, "statistics")
    hidden = flag_at(statistics, "hiddenSubscriberCount")
    followers = None if hidden else count_at(statistics, "subscriberCount")
    videos, views = count_at(statistics, "videoCount"), count_at(statistics, "viewCount")
    why = "hidden_by_owner" if hidden else "not_answered"
    return (
        Metric(
            MetricName.FOLLOWERS,
            "channel.subscriberCount",
            followers,
            reason=why if followers is None else None,
        ),
        Metric(
            MetricName.CONTENT_COUNT,
            "channel.videoCount",
            videos,
            reason="not_answered" if videos is None else None,
        ),
        Metric(
            MetricName.VIEWS,
            "channel.viewCount",
            views,
            reason="not_answered" if views is None else None,
        ),
    )


def _scaled(value: object, times: float) -> int | float | None:
    if not isinstance(value, int | float):
        return None
    return value if times == 1 else round(value * times)


def _day(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(QUOTA_ZONE)).date()
