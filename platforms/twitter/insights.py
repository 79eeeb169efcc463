"""Numbers of posts and of the account: public ones at any time, private ones of the account's own posts.

X tells private numbers with a post for 30 days; after that, and for what became of followers, the analytics
of posts are asked, which not every app may. There are no numbers of an account over a time.
Sources: docs.x.com x-api/fundamentals/metrics, specification 2.167 (`/2/tweets/analytics`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.twitter.errors import outcome_of
from platforms.twitter.spec import API, SPEC
from platforms.wire import Json, count_at, mapping, moment_at, objects

_M = MetricName
_PRIVATE_FOR = timedelta(days=30)
_QUESTION = {
    "post.fields": "created_at,public_metrics,non_public_metrics,organic_metrics",
    "expansions": "attachments.media_keys",
    "media.fields": "type,public_metrics,non_public_metrics",
}


@dataclass(frozen=True, slots=True)
class _Told:
    """One number, and where it can stand, the first that is there: groups and fields of a post (or of its
    film), and the field of the post's analytics. Without `private` everybody may know it."""

    name: MetricName
    places: tuple[str, ...] = ()
    analytics: str | None = None
    private: bool = True
    film: bool = False

    @property
    def source(self) -> str:
        return self.places[0] if self.places else f"analytics.{self.analytics}"


_POST = (
    _Told(_M.LIKES, ("public_metrics.like_count",), "likes", private=False),
    _Told(_M.COMMENTS, ("public_metrics.reply_count",), "replies", private=False),
    _Told(
        _M.SHARES, ("public_metrics.repost_count", "public_metrics.retweet_count"), "retweets", private=False
    ),
    _Told(_M.QUOTES, ("public_metrics.quote_count",), "quote_tweets", private=False),
    _Told(_M.SAVES, ("public_metrics.bookmark_count",), "bookmarks", private=False),
    _Told(_M.IMPRESSIONS, ("public_metrics.impression_count",), "impressions", private=False),
    _Told(_M.ENGAGEMENTS, ("non_public_metrics.engagements",), "engagements"),
    _Told(
        _M.LINK_CLICKS,
        ("non_public_metrics.url_link_clicks", "organic_metrics.url_link_clicks"),
        "url_clicks",
    ),
    _Told(
        _M.PROFILE_CLICKS,
        ("non_public_metrics.user_profile_clicks", "organic_metrics.user_profile_clicks"),
        "user_profile_clicks",
    ),
    _Told(_M.FOLLOWERS_GAINED, analytics="follows"),
    _Told(_M.FOLLOWERS_LOST, analytics="unfollows"),
    _Told(_M.VIEWS, ("media.public_metrics.view_count",), private=False, film=True),
    _Told(_M.COMPLETED_VIEWS, ("media.non_public_metrics.playback_100_count",), film=True),
)
_ANALYTICS = [one.analytics for one in _POST if one.analytics is not None]
_ACCOUNT = {
    _M.FOLLOWERS: ("followers_count",),
    _M.CONTENT_COUNT: ("post_count", "tweet_count"),
}
_NOT_OFFERED = (_M.IMPRESSIONS, _M.ENGAGEMENTS, _M.PROFILE_VIEWS, _M.LINK_CLICKS, _M.FOLLOWERS_GAINED)


class TwitterInsights:
    """Stateless."""

    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        answer = await _get(access, "lookup", "/2/tweets", {"ids": content_id, **_QUESTION})
        if not isinstance(answer, Ok):
            return answer
        post = next(objects(answer.value, "data"), None)
        if post is None:
            return Rejected("no_such_post", "X shows no such post to this account.", answer.readings)
        created, now = moment_at(post, "created_at"), access.http.now()
        told = await _analytics(access, content_id, created, now)
        if not isinstance(told, Ok):
            return told
        analytics, why = told.value
        old = created is not None and now - created > _PRIVATE_FOR
        media = list(objects(mapping(answer.value, "includes"), "media"))
        metrics = []
        for one in _POST:
            if one.film and not any(medium.get("type") == "video" for medium in media):
                metrics.append(Metric(one.name, one.source, None, reason="not_for_kind"))
                continue
            source, value = _found(one, post, media, analytics)
            reason = None
            if value is None:
                withheld = why if not one.places else "too_old" if old else None
                reason = (withheld if one.private else None) or "not_answered"
            metrics.append(Metric(one.name, source, value, reason=reason))
        return Ok(tuple(metrics), answer.readings)

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]:
        """What it has now; X tells nothing about an account from one day to another."""
        answer = await _get(access, "users", "/2/users/me", {"user.fields": "public_metrics"})
        if not isinstance(answer, Ok):
            return answer
        told = mapping(answer.value, "data", "public_metrics")
        metrics = []
        for name, keys in _ACCOUNT.items():
            key = next((key for key in keys if key in told), keys[0])
            value = count_at(told, key)
            reason = "not_answered" if value is None else None
            metrics.append(Metric(name, f"public_metrics.{key}", value, reason=reason))
        for name in _NOT_OFFERED:
            metrics.append(Metric(name, name.value, None, Period.RANGE, since, until, "not_offered"))
        return Ok(tuple(metrics), answer.readings)


async def _analytics(
    access: Access, post_id: str, created: datetime | None, now: datetime
) -> Outcome[tuple[Json, str | None]]:
    """The sums since the post was written, and why there are none. An app that may not ask goes without."""
    if created is None or now - created < timedelta(seconds=2):  # an empty window is refused
        return Ok(({}, None))
    query = {
        "ids": post_id,
        "start_time": _seconds(created),
        "end_time": _seconds(now),
        "granularity": "total",
        "analytics.fields": ",".join(["id", "timestamped_metrics", *_ANALYTICS]),
    }
    answer = await _get(access, "analytics", "/2/tweets/analytics", query)
    if isinstance(answer, Rejected):
        return Ok(({}, "permission_missing"))
    if not isinstance(answer, Ok):
        return answer
    row = next(objects(answer.value, "data"), {})
    buckets = [mapping(bucket, "metrics") for bucket in objects(row, "timestamped_metrics")] or [row]
    told = [(name, count_at(numbers, name)) for numbers in buckets for name in _ANALYTICS]
    sums: Json = {}
    for name, value in told:
        if value is not None:
            sums[name] = (count_at(sums, name) or 0) + value
    return Ok((sums, None), answer.readings)


def _found(one: _Told, post: Json, media: list[Json], analytics: Json) -> tuple[str, int | None]:
    """Where it was found first, and the number; where it should have been, if nowhere."""
    for place in one.places:
        values = list(_at(place, post, media))
        if values:
            return place, sum(values)
    if one.analytics is not None and (value := count_at(analytics, one.analytics)) is not None:
        return f"analytics.{one.analytics}", value
    return one.source, None


def _at(place: str, post: Json, media: list[Json]) -> Iterator[int]:
    *groups, field = place.split(".")
    rows = media if groups[0] == "media" else [post]
    for row in rows:
        value = count_at(mapping(row, groups[-1]), field)
        if value is not None:
            yield value


async def _get(access: Access, family: str, path: str, query: dict[str, str]) -> Outcome[Json]:
    call = Call("GET", f"{API}{path}", family, query=query, bearer=access.token)
    return outcome_of(await access.http.send(SPEC, call), family)


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
