"""YouTube Analytics: reports computed from the world. Source: discovery document `youtubeAnalytics.v2`.

Numbers of a day are a fixed share of what a video has gathered, so that a sum over all days is the total.
"""

import re
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any

from sandbox.clock import DAY_MS
from sandbox.ids import seeded
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content
from sandbox.youtube import errors
from sandbox.youtube.access import ANALYTICS, MONEY, REPORTS, Access, Caller
from sandbox.youtube.errors import Refused

_MONEY_METRICS = ("estimatedRevenue", "estimatedAdRevenue", "grossRevenue", "cpm", "adImpressions")
_METRICS = {
    "views": "INTEGER",
    "engagedViews": "INTEGER",
    "estimatedMinutesWatched": "INTEGER",
    "averageViewDuration": "INTEGER",
    "averageViewPercentage": "FLOAT",
    "likes": "INTEGER",
    "dislikes": "INTEGER",
    "comments": "INTEGER",
    "shares": "INTEGER",
    "subscribersGained": "INTEGER",
    "subscribersLost": "INTEGER",
    **dict.fromkeys(_MONEY_METRICS, "FLOAT"),
}
_DIMENSIONS = ("day", "video")
_AVERAGES = ("averageViewDuration", "averageViewPercentage", "cpm")
LAG_DAYS = 2


class Analytics:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/v2/reports", self.report, (*REPORTS, *MONEY), bucket="analytics", hosts=ANALYTICS)
        ]

    async def report(self, call: Call, caller: Caller) -> Reply:
        query = call.query
        if query.get("ids") not in ("channel==MINE", f"channel=={caller.account.id}"):
            raise Refused(_bad("The query is not supported: ids"))
        first, last = _day(query.get("startDate", "")), _day(query.get("endDate", ""))
        metrics = [name for name in query.get("metrics", "").split(",") if name]
        dimensions = [name for name in query.get("dimensions", "").split(",") if name]
        unknown = [name for name in metrics if name not in _METRICS]
        unknown += [name for name in dimensions if name not in _DIMENSIONS]
        if not metrics or unknown or len(dimensions) > 1 or first > last:
            raise Refused(_bad("The query is not supported. Check the documentation for supported queries."))
        if any(name in _MONEY_METRICS for name in metrics) and not caller.may(MONEY):
            raise Refused(errors.missing_scope())
        videos = self._videos(caller, query.get("filters"))
        today = datetime.fromtimestamp(self._state.clock.now_ms() / 1000, UTC).date()
        last = min(last, today - timedelta(days=LAG_DAYS))
        rows = self._rows(videos, first, last, metrics, dimensions)
        rows = _sorted(rows, dimensions + metrics, query.get("sort", ""))
        start = max(int(query.get("startIndex", "1")) - 1, 0)
        most = query.get("maxResults")
        rows = rows[start : start + int(most)] if most and most.isdigit() else rows[start:]
        headers = [{"name": n, "columnType": "DIMENSION", "dataType": "STRING"} for n in dimensions]
        headers += [{"name": n, "columnType": "METRIC", "dataType": _METRICS[n]} for n in metrics]
        body: dict[str, Any] = {"kind": "youtubeAnalytics#resultTable", "columnHeaders": headers}
        return json_reply(body | ({"rows": rows} if rows else {}))

    def _videos(self, caller: Caller, filters: str | None) -> list[Content]:
        own = [v for v in self._state.world.timeline("youtube", caller.account.id) if not v.deleted]
        if not filters:
            return own
        found = re.fullmatch(r"video==([A-Za-z0-9_,-]+)", filters)
        if found is None:
            raise Refused(_bad("The query is not supported: filters"))
        return [v for v in own if v.id in found[1].split(",")]

    def _rows(
        self, videos: list[Content], first: date, last: date, metrics: list[str], dimensions: list[str]
    ) -> list[list[Any]]:
        if dimensions == ["video"]:
            sums = [(v.id, _summed([v], first, last)) for v in videos]
            return [[name, *(total[m] for m in metrics)] for name, total in sums if total["views"]]
        if dimensions == ["day"]:
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            return [
                [day.isoformat(), *(total[m] for m in metrics)]
                for day in days
                if (total := _summed(videos, day, day))["views"]
            ]
        total = _summed(videos, first, last)
        return [[total[m] for m in metrics]] if total["views"] else []


def _summed(videos: list[Content], first: date, last: date) -> dict[str, Any]:
    total: dict[str, Any] = dict.fromkeys(_METRICS, 0)
    seconds = 0
    for video in videos:
        share = _share(video, first, last)
        views = round(video.metrics["views"] * share)
        length = (video.media[0].duration_ms or 0) // 1000 if video.media else 0
        rng = seeded(video.id, "analytics")
        kept = rng.uniform(0.25, 0.7)
        seconds += int(views * length * kept)
        total["views"] += views
        total["engagedViews"] += int(views * 0.8)
        total["likes"] += round(video.metrics["likes"] * share)
        total["dislikes"] += round(video.metrics["likes"] * share * 0.02)
        total["comments"] += round(video.metrics["comments"] * share)
        total["shares"] += int(views * 0.01)
        total["subscribersGained"] += int(views * 0.004)
        total["subscribersLost"] += int(views * 0.001)
        total["averageViewPercentage"] += kept * 100 * views
    views = total["views"] or 1
    total["estimatedMinutesWatched"] = seconds // 60
    total["averageViewDuration"] = seconds // views
    total["averageViewPercentage"] = round(total["averageViewPercentage"] / views, 2)
    total["estimatedRevenue"] = round(total["views"] * 0.0021, 3)
    total["estimatedAdRevenue"] = total["grossRevenue"] = total["estimatedRevenue"]
    total["adImpressions"], total["cpm"] = total["views"] // 3, 4.2
    return total


def _share(video: Content, first: date, last: date) -> float:
    """How much of a video's numbers fell into these days: all of it within its first thirty."""
    born = video.created_ms // DAY_MS
    begin, end = ((day - date(1970, 1, 1)).days for day in (first, last))
    days = min(end, born + 29) - max(begin, born) + 1
    return max(0, days) / 30


def _sorted(rows: list[list[Any]], names: list[str], order: str) -> list[list[Any]]:
    for wish in reversed([name for name in order.split(",") if name]):
        name = wish.removeprefix("-")
        if name not in names:
            raise Refused(_bad("The query is not supported: sort"))
        rows = sorted(rows, key=itemgetter(names.index(name)), reverse=wish.startswith("-"))
    return rows


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(_bad(f"Invalid value for a date: {text!r}")) from None


def _bad(message: str) -> Reply:
    return errors.error(400, "badRequest", message, "global")
