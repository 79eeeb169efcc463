"""Numbers of media and accounts, by the names that are alive since version 22.

Withdrawn and answered as such: impressions and plays (April 2025; `views` counts what both did), profile
views and taps on contact buttons (January 2025). An empty answer is "not available". `facebook_views` and
`crossposted_views` are Facebook's numbers and not asked for. Sources: IGP/insights,
IGP/reference/instagram-media/insights, IGP/api-reference/instagram-user/insights (June 2026).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.instagram import api
from platforms.meta.errors import NO_PERMISSION
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import INT64_MAX, Json, count_at, mapping, objects, strings, text_at

_LONGEST = timedelta(days=30)  # of one question; for more, the newest are asked for
_M = MetricName
_FEED, _REEL, _STORY = "feed", "reel", "story"
_PRODUCTS = {
    ContentKind.PHOTO: _FEED,
    ContentKind.CAROUSEL: _FEED,
    ContentKind.VIDEO: _FEED,
    ContentKind.REEL: _REEL,
    ContentKind.STORY: _STORY,
}


@dataclass(frozen=True, slots=True)
class _Told:
    """One of our numbers: Instagram's metric, and of a metric that is split (`breakdown`) the part."""

    name: MetricName
    metric: str
    products: frozenset[str] = frozenset({_FEED, _REEL, _STORY})
    breakdown: str | None = None
    part: str | None = None

    @property
    def source(self) -> str:
        return self.metric if self.part is None else f"{self.metric}.{self.part}"


def _navigation(name: MetricName, part: str) -> _Told:
    return _Told(name, "navigation", frozenset({_STORY}), "story_navigation_action_type", part)


_SEEN, _POSTED = frozenset({_FEED, _STORY}), frozenset({_FEED, _REEL})
_MEDIA = (
    _Told(_M.VIEWS, "views"),
    _Told(_M.REACH, "reach"),
    _Told(_M.ENGAGEMENTS, "total_interactions"),
    _Told(_M.SHARES, "shares"),
    _Told(_M.REPOSTS, "reposts"),
    _Told(_M.LIKES, "likes", _POSTED),
    _Told(_M.COMMENTS, "comments", _POSTED),
    _Told(_M.SAVES, "saved", _POSTED),
    _Told(_M.REPLIES, "replies", frozenset({_STORY})),
    _Told(_M.FOLLOWERS_GAINED, "follows", _SEEN),
    _Told(_M.PROFILE_VIEWS, "profile_visits", _SEEN),
    _Told(_M.PROFILE_CLICKS, "profile_activity", _SEEN),
    _Told(_M.AVERAGE_WATCH_TIME_MS, "ig_reels_avg_watch_time", frozenset({_REEL})),
    _Told(_M.WATCH_TIME_MS, "ig_reels_video_view_total_time", frozenset({_REEL})),
    _Told(_M.SKIPPED_PERCENT, "reels_skip_rate", frozenset({_REEL})),
    _navigation(_M.EXITS, "TAP_EXIT"),
    _navigation(_M.TAPS_FORWARD, "TAP_FORWARD"),
    _navigation(_M.TAPS_BACK, "TAP_BACK"),
)
_ACCOUNT = (
    _Told(_M.VIEWS, "views"),
    _Told(_M.REACH, "reach"),
    _Told(_M.ENGAGED_ACCOUNTS, "accounts_engaged"),
    _Told(_M.ENGAGEMENTS, "total_interactions"),
    _Told(_M.LIKES, "likes"),
    _Told(_M.COMMENTS, "comments"),
    _Told(_M.SHARES, "shares"),
    _Told(_M.SAVES, "saves"),
    _Told(_M.REPLIES, "replies"),
    _Told(_M.REPOSTS, "reposts"),
    _Told(_M.LINK_CLICKS, "profile_links_taps"),
    _Told(_M.FOLLOWERS_GAINED, "follows_and_unfollows", breakdown="follow_type", part="FOLLOWER"),
    _Told(_M.FOLLOWERS_LOST, "follows_and_unfollows", breakdown="follow_type", part="NON_FOLLOWER"),
)
_TOTALS = {_M.FOLLOWERS: "followers_count", _M.CONTENT_COUNT: "media_count"}
_WITHDRAWN_OF_ACCOUNT = {_M.IMPRESSIONS: "impressions", _M.PROFILE_VIEWS: "profile_views"}


class InstagramInsights:
    """Stateless."""

    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        """Since it was published. Stories tell for a day, and nothing of fewer than five viewers."""
        product = _PRODUCTS.get(kind)
        told = [one for one in _MEDIA if product in one.products]
        others = (one for one in _MEDIA if one not in told)
        absent = [Metric(one.name, one.source, None, reason="not_for_kind") for one in others]
        if product == _STORY:
            # Stories have links, but only apps with Facebook Login hear how often they were followed.
            absent.append(Metric(_M.LINK_CLICKS, "link_clicks", None, reason="permission_missing"))
        absent.append(Metric(_M.IMPRESSIONS, "impressions", None, reason="withdrawn"))
        refused = {"10": "too_few_viewers"} if product == _STORY else {}
        path = f"{quote(content_id, safe='')}/insights"
        answer = await _ask(access, path, told, {}, refused)
        if not isinstance(answer, Ok):
            return answer
        found = [_metric(one, answer.value) for one in told]
        return Ok((*found, *absent), answer.readings)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        since = max(since, until - _LONGEST)
        window = {"since": str(int(since.timestamp())), "until": str(int(until.timestamp()))}
        params = {"period": "day", "metric_type": "total_value"} | window
        answer = await _ask(access, "me/insights", _ACCOUNT, params, {})
        if not isinstance(answer, Ok):
            return answer
        profile = await api.get(access, "me", {"fields": ",".join(_TOTALS.values())})
        if not isinstance(profile, Ok):
            return profile
        found = [_metric(one, answer.value, Period.RANGE, since, until) for one in _ACCOUNT]
        for name, source in _TOTALS.items():
            value = count_at(profile.value, source)
            found.append(Metric(name, source, value, reason="not_answered" if value is None else None))
        found += [
            Metric(name, source, None, Period.RANGE, since, until, "withdrawn")
            for name, source in _WITHDRAWN_OF_ACCOUNT.items()
        ]
        return Ok(tuple(found), profile.readings)


async def _ask(
    access: Access, path: str, told: Iterable[_Told], params: Mapping[str, str], refused: Mapping[str, str]
) -> Outcome[Json]:
    """Values by `_Told.source`; a question for each breakdown, because it holds for all metrics of one.
    `refused`: codes that mean "not available", and why; without a permission nothing is."""
    by_breakdown: dict[str | None, list[str]] = {}
    for one in told:
        by_breakdown.setdefault(one.breakdown, []).append(one.metric)
    found: Json = {}
    answer: Outcome[Json] = Ok({})
    for breakdown, metrics in by_breakdown.items():
        question = {"metric": ",".join(dict.fromkeys(metrics)), **params}
        answer = await api.get(access, path, question | ({"breakdown": breakdown} if breakdown else {}))
        if isinstance(answer, Rejected) and (reason := _reason(answer.code, refused)):
            return Ok({"": reason}, answer.readings)
        if not isinstance(answer, Ok):
            return answer
        for row in objects(answer.value, "data"):
            _take(row, found)
    return Ok(found, answer.readings if isinstance(answer, Ok) else ())


def _reason(code: str, refused: Mapping[str, str]) -> str | None:
    return refused.get(code) or ("permission_missing" if code in NO_PERMISSION else None)


def _take(row: Json, found: Json) -> None:
    """`values[{value}]` or `total_value{value, breakdowns[{results[{dimension_values[], value}]}]}`. Of a
    breakdown without results every part is nothing."""
    name, total = text_at(row, "name") or "", mapping(row, "total_value")
    found[name] = total.get("value") if total else next(objects(row, "values"), {}).get("value")
    for breakdown in objects(total, "breakdowns"):
        found[f"{name}.*"] = 0
        for result in objects(breakdown, "results"):
            part = ".".join(strings(result, "dimension_values"))
            found[f"{name}.{part}"] = result.get("value")


def _metric(
    one: _Told,
    found: Json,
    period: Period = Period.LIFETIME,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Metric:
    value = _number(found.get(one.source, found.get(f"{one.metric}.*") if one.part else None))
    reason = None if value is not None else text_at(found, "") or "not_answered"
    return Metric(one.name, one.source, value, period, since, until, reason)


def _number(value: object) -> int | float | None:
    """Counts are whole, percentages are not."""
    if isinstance(value, float) and 0 <= value <= INT64_MAX and not value.is_integer():
        return value
    return count_at({"value": value}, "value")
