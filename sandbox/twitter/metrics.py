"""Numbers of posts and films: public, private to the author for 30 days, and the analytics of own posts.

Source: docs.x.com "Metrics", specification 2.167 (`/2/tweets/analytics`, of which `granularity=total` is
emulated: everything since a post was written falls into the window that holds its first moment).
"""

from typing import Any

from sandbox.clock import DAY_MS, parse_moment
from sandbox.ids import digits
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access, Caller
from sandbox.twitter.errors import Refused
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Media

PRIVATE_FOR_MS = 30 * DAY_MS
_IDS_AT_MOST = 100


class Analytics:
    def __init__(self, state: State, access: Access) -> None:
        self._world, self._access = state.world, access

    def operations(self) -> list[Operation]:
        scopes = "tweet.read users.read"
        return [self._access.operation("GET", "/2/tweets/analytics", self.posts, scopes=scopes, per_user=300)]

    async def posts(self, call: Call, caller: Caller) -> Reply:
        """Of the caller's own posts; all others are not found."""
        ids = [part for part in call.query.get("ids", "").split(",") if part]
        if not 1 <= len(ids) <= _IDS_AT_MOST or not all(part.isdigit() for part in ids):
            raise Refused(errors.invalid("ids", call.query.get("ids", ""), "ids takes 1 to 100 numeric ids"))
        start, end = (_moment(call, name) for name in ("start_time", "end_time"))
        if end <= start:
            raise Refused(errors.invalid("end_time", call.query["end_time"], "end_time must be later"))
        if call.query.get("granularity", "total") != "total":
            raise Refused(errors.problem(501, "Not Implemented", "The sandbox emulates granularity=total."))
        wanted = set(filter(None, call.query.get("analytics.fields", "id").split(",")))
        rows, wrong = [], []
        for part in ids:
            content = self._world.find("twitter", part)
            if content is None or content.author_id != caller.owner().id:
                wrong.append(errors.not_found_error(part, parameter="ids"))
                continue
            numbers = analytics(content) if start <= content.created_ms < end else {}
            row: dict[str, Any] = {"id": content.id} if "id" in wanted else {}
            if "timestamped_metrics" in wanted:
                kept = {name: value for name, value in numbers.items() if name in wanted}
                row["timestamped_metrics"] = [{"timestamp": call.query["start_time"], "metrics": kept}]
            rows.append(row)
        answer: dict[str, Any] = {"data": rows} if rows else {}
        return json_reply(answer | ({"errors": wrong} if wrong else {}))


def shown_to_author(content: Content, now_ms: int) -> bool:
    """Whether its author may still see what nobody else may: for 30 days."""
    return now_ms - content.created_ms <= PRIVATE_FOR_MS


def public(content: Content) -> dict[str, int]:
    metrics = content.metrics
    return {
        "retweet_count": metrics["shares"],
        "reply_count": metrics["comments"],
        "like_count": metrics["likes"],
        "quote_count": metrics["quotes"],
        "bookmark_count": metrics["saves"],
        "impression_count": metrics["views"],
    }


def non_public(content: Content) -> dict[str, int]:
    metrics = content.metrics
    return {
        "impression_count": metrics["views"],
        "url_link_clicks": metrics["views"] // 40,
        "user_profile_clicks": metrics["views"] // 60,
        "engagements": metrics["likes"] + metrics["comments"] + metrics["shares"],
    }


def organic(content: Content) -> dict[str, int]:
    """Nothing is promoted here: everything is organic."""
    open_to_all, hidden = public(content), non_public(content)
    shown = ("impression_count", "like_count", "reply_count", "retweet_count")
    return {name: open_to_all[name] for name in shown} | {
        name: hidden[name] for name in ("url_link_clicks", "user_profile_clicks")
    }


def analytics(content: Content) -> dict[str, int]:
    """Everything that became of a post, by the names of its analytics."""
    open_to_all, hidden = public(content), non_public(content)
    return {
        "impressions": open_to_all["impression_count"],
        "engagements": hidden["engagements"],
        "likes": open_to_all["like_count"],
        "replies": open_to_all["reply_count"],
        "retweets": open_to_all["retweet_count"],
        "quote_tweets": open_to_all["quote_count"],
        "bookmarks": open_to_all["bookmark_count"],
        "url_clicks": hidden["url_link_clicks"],
        "user_profile_clicks": hidden["user_profile_clicks"],
        "follows": content.metrics["views"] // 500,
        "unfollows": content.metrics["views"] // 5000,
    }


def of_film(item: Media) -> dict[str, int]:
    return {"view_count": int(digits(4, item.id))}


def quartiles(item: Media) -> dict[str, int]:
    """How many watched how much of a film, in percent of it."""
    views = int(digits(4, item.id))
    return {f"playback_{part}_count": views * (100 - part // 2) // 100 for part in (0, 25, 50, 75, 100)}


def _moment(call: Call, name: str) -> int:
    try:
        return parse_moment(call.query[name])
    except (KeyError, ValueError):
        value = call.query.get(name, "")
        raise Refused(errors.invalid(name, value, f"{name} must be an RFC 3339 time")) from None
