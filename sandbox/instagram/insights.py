"""Insights of media and accounts. Source: Instagram Platform "Insights", references of June 2026.

One breakdown each is emulated; any other is answered by the generic error Meta gives.
"""

from collections.abc import Callable
from typing import Any

from sandbox.clock import DAY_MS, iso_offset
from sandbox.ids import seeded
from sandbox.instagram import errors
from sandbox.instagram.webhooks import story_is_live
from sandbox.meta import errors as graph
from sandbox.meta.errors import Refused
from sandbox.world import Content, Profile, World

_COMMON = ("reach", "reposts", "shares", "total_interactions", "views", "facebook_views")
_POSTED = ("comments", "likes", "saved")
_PROFILE = ("follows", "profile_activity", "profile_visits")
_REEL_TIMES = ("ig_reels_avg_watch_time", "ig_reels_video_view_total_time", "reels_skip_rate")
MEDIA_METRICS = {
    "FEED": (*_COMMON, *_POSTED, *_PROFILE),
    "REELS": (*_COMMON, *_POSTED, *_REEL_TIMES, "crossposted_views"),
    "STORY": (*_COMMON, *_PROFILE, "navigation", "replies"),
}
ACCOUNT_METRICS = (
    "accounts_engaged",
    "comments",
    "likes",
    "saves",
    "shares",
    "replies",
    "reposts",
    "total_interactions",
    "views",
    "reach",
    "follows_and_unfollows",
    "profile_links_taps",
)
_REMOVED = ("impressions", "plays", "video_views", "clips_replays_count", "profile_views", "website_clicks")
# Metric -> breakdown -> shares of its parts, in hundredths.
_PARTS = {
    "navigation": (
        "story_navigation_action_type",
        {"TAP_FORWARD": 70, "TAP_BACK": 8, "TAP_EXIT": 15, "SWIPE_FORWARD": 7},
    ),
    "follows_and_unfollows": ("follow_type", {"FOLLOWER": 75, "NON_FOLLOWER": 25}),
}


def of_media(
    content: Content, product: str, wanted: list[str], breakdown: str | None, now_ms: int
) -> list[dict[str, Any]]:
    """One row per metric, period lifetime. Fewer than five viewers of a story: refused with code 10. A story
    that has ended has none."""
    _check(wanted, MEDIA_METRICS[product])
    if product == "STORY" and not story_is_live(content, now_ms):
        return []
    if product == "STORY" and content.metrics["views"] < 5:
        raise Refused(graph.graph_error(10, "(#10) Not enough viewers for the media to show insights"))
    rows = []
    for name in wanted:
        value = _media_value(content, name)
        row = _row(content.id, name, "lifetime")
        if breakdown is not None:
            row["total_value"] = _split(name, value, breakdown)
        else:
            row["values"] = [{"value": value}]
        rows.append(row)
    return rows


def of_account(
    world: World,
    account: Profile,
    wanted: list[str],
    since_ms: int,
    until_ms: int,
    series: bool,
    breakdown: str | None,
) -> list[dict[str, Any]]:
    """Totals of what was published in the window, or for `reach` a value per day."""
    _check(wanted, ACCOUNT_METRICS)
    own = [c for c in world.timeline("instagram", account.id) if not c.deleted]
    rows = []
    for name in wanted:
        row = _row(account.id, name, "day")
        if series and name == "reach":
            row["values"] = [
                {"value": _total(own, name, day, day + DAY_MS), "end_time": iso_offset(day + DAY_MS)}
                for day in range(since_ms, until_ms, DAY_MS)
            ]
        else:
            value = _of_days(world, account, name, since_ms, until_ms)
            total = _total(own, name, since_ms, until_ms) if value is None else value
            row["total_value"] = {"value": total} if breakdown is None else _split(name, total, breakdown)
        rows.append(row)
    return rows


def _row(object_id: str, name: str, period: str) -> dict[str, Any]:
    return {
        "name": name,
        "period": period,
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "id": f"{object_id}/insights/{name}/{period}",
    }


def _split(name: str, total: int | float, breakdown: str) -> dict[str, Any]:
    key, parts = _PARTS.get(name, ("", {}))
    if breakdown != key:
        raise Refused(graph.graph_error(1, "An unknown error has occurred.", status=500))
    results = [
        {"dimension_values": [part], "value": int(total * share // 100)} for part, share in parts.items()
    ]
    return {"value": total, "breakdowns": [{"dimension_keys": [key], "results": results}]}


def _check(wanted: list[str], known: tuple[str, ...]) -> None:
    for name in wanted:
        if name in _REMOVED:
            raise Refused(errors.bad_parameter(f"metric {name} is no longer supported"))
        if name not in known:
            allowed = ", ".join(known)
            raise Refused(errors.bad_parameter(f"metric[0] must be one of the following values: {allowed}"))


def _of_days(world: World, account: Profile, name: str, since_ms: int, until_ms: int) -> int | None:
    """Numbers of the account itself, whatever it published; None for those of its media."""
    most = {"follows_and_unfollows": account.followers // 100, "profile_links_taps": account.followers // 200}
    if name not in most:
        return None
    days = range(since_ms // DAY_MS, -(-until_ms // DAY_MS))
    return sum(seeded(world.seed, account.id, name, day).randrange(max(2, most[name])) for day in days)


def _total(contents: list[Content], name: str, since_ms: int, until_ms: int) -> int | float:
    return sum(_media_value(c, name) for c in contents if since_ms <= c.created_ms < until_ms)


_VALUES: dict[str, Callable[[dict[str, int]], int | float]] = {
    "views": lambda m: m["views"],
    "reach": lambda m: m["views"] * 4 // 5,
    "likes": lambda m: m["likes"],
    "comments": lambda m: m["comments"],
    "replies": lambda m: m["comments"],
    "saved": lambda m: m["saves"],
    "saves": lambda m: m["saves"],
    "shares": lambda m: m["shares"],
    "reposts": lambda m: m["shares"] // 3,
    "total_interactions": lambda m: m["likes"] + m["comments"] + m["saves"] + m["shares"],
    "accounts_engaged": lambda m: (m["likes"] + m["comments"] + m["saves"] + m["shares"]) * 9 // 10,
    "follows": lambda m: m["views"] // 300,
    "profile_visits": lambda m: m["views"] // 50,
    "profile_activity": lambda m: m["views"] // 200,
    "navigation": lambda m: m["views"] * 2,
    "facebook_views": lambda m: m["views"] // 10,
    "crossposted_views": lambda m: m["views"] * 11 // 10,
    "ig_reels_avg_watch_time": lambda m: 4200,
    "ig_reels_video_view_total_time": lambda m: 4200 * m["views"],
    "reels_skip_rate": lambda m: 31.25,
}


def _media_value(content: Content, name: str) -> int | float:
    return _VALUES[name](content.metrics)
