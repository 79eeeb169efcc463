"""Insights of media and accounts. Source: Instagram Platform "Insights", references of June 2026."""

from typing import Any

from sandbox.clock import DAY_MS, iso_offset
from sandbox.instagram import errors
from sandbox.meta import errors as graph
from sandbox.meta.errors import Refused
from sandbox.world import Content, Profile, World

_COMMON = ("reach", "saved", "shares", "total_interactions", "views", "likes", "comments", "reposts")
MEDIA_METRICS = {
    "FEED": (*_COMMON, "follows", "profile_visits", "profile_activity"),
    "REELS": (*_COMMON, "ig_reels_avg_watch_time", "ig_reels_video_view_total_time"),
    "STORY": (
        "reach",
        "replies",
        "shares",
        "total_interactions",
        "views",
        "navigation",
        "follows",
        "profile_visits",
    ),
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
)
_REMOVED = ("impressions", "plays", "video_views", "clips_replays_count")


def of_media(content: Content, product: str, wanted: list[str]) -> list[dict[str, Any]]:
    """One row per metric, period lifetime. Fewer than five viewers of a story: refused with code 10."""
    _check(wanted, MEDIA_METRICS[product])
    if product == "STORY" and content.metrics["views"] < 5:
        raise Refused(graph.graph_error(10, "(#10) Not enough viewers for the media to show insights"))
    return [
        {
            "name": name,
            "period": "lifetime",
            "values": [{"value": _media_value(content, name)}],
            "title": name.replace("_", " ").capitalize(),
            "description": "",
            "id": f"{content.id}/insights/{name}/lifetime",
        }
        for name in wanted
    ]


def of_account(
    world: World, account: Profile, wanted: list[str], since_ms: int, until_ms: int, series: bool
) -> list[dict[str, Any]]:
    """Totals of what was published in the window, or for `reach` a value per day."""
    _check(wanted, ACCOUNT_METRICS)
    own = [c for c in world.timeline("instagram", account.id) if not c.deleted]
    rows = []
    for name in wanted:
        row: dict[str, Any] = {"name": name, "period": "day", "title": name.replace("_", " ").capitalize()}
        row |= {"description": "", "id": f"{account.id}/insights/{name}/day"}
        if series and name == "reach":
            row["values"] = [
                {"value": _total(own, name, day, day + DAY_MS), "end_time": iso_offset(day + DAY_MS)}
                for day in range(since_ms, until_ms, DAY_MS)
            ]
        else:
            row["total_value"] = {"value": _total(own, name, since_ms, until_ms)}
        rows.append(row)
    return rows


def _check(wanted: list[str], known: tuple[str, ...]) -> None:
    for name in wanted:
        if name in _REMOVED:
            raise Refused(errors.bad_parameter(f"metric {name} is no longer supported"))
        if name not in known:
            allowed = ", ".join(known)
            raise Refused(errors.bad_parameter(f"metric[0] must be one of the following values: {allowed}"))


def _total(contents: list[Content], name: str, since_ms: int, until_ms: int) -> int:
    return sum(_media_value(c, name) for c in contents if since_ms <= c.created_ms < until_ms)


def _media_value(content: Content, name: str) -> int:
    metrics = content.metrics
    interactions = metrics["likes"] + metrics["comments"] + metrics["saves"] + metrics["shares"]
    values = {
        "views": metrics["views"],
        "reach": metrics["views"] * 4 // 5,
        "likes": metrics["likes"],
        "comments": metrics["comments"],
        "replies": metrics["comments"],
        "saved": metrics["saves"],
        "saves": metrics["saves"],
        "shares": metrics["shares"],
        "total_interactions": interactions,
        "accounts_engaged": interactions * 9 // 10,
        "profile_visits": metrics["views"] // 50,
        "profile_activity": metrics["views"] // 200,
        "navigation": metrics["views"] * 2,
        "ig_reels_avg_watch_time": 4200,
        "ig_reels_video_view_total_time": 4200 * metrics["views"],
    }
    return values.get(name, 0)
