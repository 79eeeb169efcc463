"""Numbers of videos and accounts. The developers' service tells totals only; reach, watch time and days come
from the business service, with a consent of its own (`Access.surface` "business", its token, and its own id
of the account).

Source: TD/tiktok-api-v2-video-object, TD/tiktok-api-v2-get-user-info, TB/ `/business/get/`,
`/business/video/list/`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.tiktok import business
from platforms.tiktok.errors import outcome_of
from platforms.tiktok.spec import API, BUSINESS_SURFACE, SPEC
from platforms.wire import Json, count_at, id_at, mapping, moment_at, objects

_M = MetricName
_VIDEO = {
    "view_count": _M.VIEWS,
    "like_count": _M.LIKES,
    "comment_count": _M.COMMENTS,
    "share_count": _M.SHARES,
}
_USER = {"follower_count": _M.FOLLOWERS, "likes_count": _M.LIKES, "video_count": _M.CONTENT_COUNT}
# The business service's name -> ours, and the factor to our unit (TikTok tells seconds).
_BUSINESS_VIDEO: Mapping[str, tuple[MetricName, int]] = {
    "video_views": (_M.VIEWS, 1),
    "reach": (_M.REACH, 1),
    "likes": (_M.LIKES, 1),
    "comments": (_M.COMMENTS, 1),
    "shares": (_M.SHARES, 1),
    "favorites": (_M.SAVES, 1),
    "total_time_watched": (_M.WATCH_TIME_MS, 1000),
    "average_time_watched": (_M.AVERAGE_WATCH_TIME_MS, 1000),
    "full_video_watched_rate": (_M.COMPLETION_RATE, 1),
    "new_followers": (_M.FOLLOWERS_GAINED, 1),
    "profile_views": (_M.PROFILE_VIEWS, 1),
    "website_clicks": (_M.LINK_CLICKS, 1),
}
_BUSINESS_DAY: Mapping[str, MetricName] = {
    "video_views": _M.VIEWS,
    "unique_video_views": _M.REACH,
    "profile_views": _M.PROFILE_VIEWS,
    "likes": _M.LIKES,
    "comments": _M.COMMENTS,
    "shares": _M.SHARES,
    "daily_new_followers": _M.FOLLOWERS_GAINED,
    "daily_lost_followers": _M.FOLLOWERS_LOST,
    "bio_link_clicks": _M.LINK_CLICKS,
    "engaged_audience": _M.ENGAGEMENTS,
}
_PERMISSION = "permission_missing"
_NOT_ANSWERED = "not_answered"


class TiktokInsights:
    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        if access.surface == BUSINESS_SURFACE:
            return await _business_video(access, content_id)
        call = Call(
            "POST",
            f"{API}/v2/video/query/",
            "videos",
            query={"fields": ",".join(["id", *_VIDEO])},
            json={"filters": {"video_ids": [content_id]}},
            bearer=access.token,
        )
        answer = outcome_of(await access.http.send(SPEC, call), "videos")
        if not isinstance(answer, Ok):
            return answer
        video = next((v for v in objects(answer.value, "videos") if id_at(v, "id") == content_id), None)
        if video is None:
            return Rejected("no_such_video", "TikTok shows no such public video of this account.")
        told = [_total(name, field, video) for field, name in _VIDEO.items()]
        return Ok((*told, *_withheld(_VIDEO.values(), (n for n, _ in _BUSINESS_VIDEO.values()))))

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        """Totals of today, or with the business service's consent the days from `since` to before `until`."""
        if access.surface == BUSINESS_SURFACE:
            return await _business_days(access, since, until)
        query = {"fields": ",".join(_USER)}
        call = Call("GET", f"{API}/v2/user/info/", "user_info", query=query, bearer=access.token)
        answer = outcome_of(await access.http.send(SPEC, call), "user_info")
        if not isinstance(answer, Ok):
            return answer
        user = mapping(answer.value, "user")
        told = [_total(name, field, user) for field, name in _USER.items()]
        return Ok((*told, *_withheld(_USER.values(), _BUSINESS_DAY.values())))


async def _business_video(access: Access, content_id: str) -> Outcome[tuple[Metric, ...]]:
    query: dict[str, business.Value] = {
        "business_id": access.external_id,
        "fields": ["item_id", *_BUSINESS_VIDEO],
        "filters": {"video_ids": [content_id]},
    }
    answer = await business.get(access, "business/video/list", query)
    if not isinstance(answer, Ok):
        return answer
    video = next((v for v in objects(answer.value, "videos") if id_at(v, "item_id") == content_id), None)
    if video is None:
        return Rejected("no_such_video", "TikTok shows no such video of this account.")
    return Ok(tuple(_total(name, field, video, factor) for field, (name, factor) in _BUSINESS_VIDEO.items()))


async def _business_days(access: Access, since: datetime, until: datetime) -> Outcome[tuple[Metric, ...]]:
    last = until - timedelta(microseconds=1)
    query: dict[str, business.Value] = {
        "business_id": access.external_id,
        "fields": ["followers_count", *_BUSINESS_DAY],
        "start_date": since.date().isoformat(),
        "end_date": last.date().isoformat(),
    }
    answer = await business.get(access, "business/get", query)
    if not isinstance(answer, Ok):
        return answer
    metrics = [_total(_M.FOLLOWERS, "followers_count", answer.value)]
    for row in objects(answer.value, "metrics"):
        day = moment_at(row, "date")
        if day is not None:
            metrics += [_of_day(name, field, row, day) for field, name in _BUSINESS_DAY.items()]
    return Ok(tuple(metrics))


def _total(name: MetricName, field: str, row: Json, factor: int = 1) -> Metric:
    value = _number(row, field, factor)
    return Metric(name, field, value, reason=_NOT_ANSWERED if value is None else None)


def _of_day(name: MetricName, field: str, row: Json, day: datetime) -> Metric:
    value = _number(row, field, 1)
    reason = _NOT_ANSWERED if value is None else None
    return Metric(name, field, value, Period.DAY, day, day + timedelta(days=1), reason)


def _number(row: Json, field: str, factor: int) -> int | float | None:
    """A whole number, or with its decimals where TikTok tells some; times are whole in our unit."""
    found = row.get(field)
    if isinstance(found, float) and found >= 0 and not found.is_integer():
        return found if factor == 1 else round(found * factor)
    count = count_at(row, field)
    return None if count is None else count * factor


def _withheld(told: Iterable[MetricName], known: Iterable[MetricName]) -> list[Metric]:
    """What only the business service tells."""
    missing = dict.fromkeys(known)
    for name in told:
        missing.pop(name, None)
    return [Metric(name, f"business.{name}", None, reason=_PERMISSION) for name in missing]
