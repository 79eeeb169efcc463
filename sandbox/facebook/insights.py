"""Insights of posts and pages. Source: "Page Insights" reference, list of deprecated metrics (June 2026)."""

from collections.abc import Callable
from typing import Any

from sandbox.clock import DAY_MS, iso_offset
from sandbox.facebook.access import Access, Caller
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.ids import seeded
from sandbox.meta import errors, forms
from sandbox.meta.errors import Refused
from sandbox.meta.paging import moment
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Profile

LIKES_AT_LEAST = 100
_LONGEST_MS = 90 * DAY_MS
_FILMS = ("video", "reel")
_POST: dict[str, Callable[[dict[str, int]], Any]] = {
    "post_media_view": lambda m: m["views"],
    "post_total_media_view_unique": lambda m: m["views"] * 4 // 5,
    "post_clicks": lambda m: m["views"] // 25,
    "post_reactions_like_total": lambda m: m["likes"] * 3 // 4,
    "post_reactions_by_type_total": lambda m: _by_type(m["likes"]),
    "post_activity_by_action_type": lambda m: {
        name: value
        for name, value in (("like", m["likes"]), ("comment", m["comments"]), ("share", m["shares"]))
        if value
    },
}
_POST_FILM: dict[str, Callable[[dict[str, int]], Any]] = {
    "post_video_views": lambda m: m["views"] * 2 // 3,
    "post_video_avg_time_watched": lambda m: 4200,
    "post_video_view_time": lambda m: 4200 * m["views"],
}
PAGE_METRICS = (
    "page_media_view",
    "page_total_media_view_unique",
    "page_views_total",
    "page_post_engagements",
    "page_total_actions",
    "page_follows",
    "page_daily_follows",
    "page_daily_follows_unique",
    "page_daily_unfollows_unique",
    "page_video_views",
)


class Insights:
    def __init__(self, state: State, access: Access, reading: Reading) -> None:
        self._state, self._access, self._reading = state, access, reading

    def operations(self) -> list[Operation]:
        return [self._access.operation("GET", "/:id/insights", self.read, "read_insights")]

    async def read(self, call: Call, caller: Caller) -> Reply:
        object_id = call.params["id"]
        names = forms.names(call.query.get("metric", ""))
        if not names:
            raise Refused(errors.graph_error(3001, "(#3001) Invalid query: metric is required", 1504028))
        if caller.page is not None and object_id in ("me", caller.page.id):
            return json_reply(self._page(call, caller.page, names))
        content = self._reading.needed(object_id, caller)
        return json_reply({"data": [self._post(content, name) for name in names], "paging": {}})

    def _post(self, content: Content, name: str) -> dict[str, Any]:
        known = _POST | (_POST_FILM if content.kind in _FILMS else {})
        if content.kind in ("comment", "story") or name not in known:
            raise bad_parameter("The value must be a valid insights metric")
        return _row(content.id, name, "lifetime", [{"value": known[name](content.metrics)}])

    def _page(self, call: Call, page: Profile, names: list[str]) -> dict[str, Any]:
        """A page that fewer than a hundred people like has none: an empty list."""
        for name in names:
            if name not in PAGE_METRICS:
                raise bad_parameter("The value must be a valid insights metric")
        until = moment(call, "until") or self._state.clock.now_ms()
        since = moment(call, "since") or until - 2 * DAY_MS
        if until - since > _LONGEST_MS:
            raise bad_parameter("There cannot be more than 90 days between since and until")
        if page.followers * 9 // 10 < LIKES_AT_LEAST:
            return {"data": []}
        period = call.query.get("period", "day")
        if period == "total_over_range":
            rows = [_row(page.id, n, period, [{"value": self._day(page, n, since) * 3}]) for n in names]
        elif period == "day":
            days = range(since // DAY_MS * DAY_MS, until, DAY_MS)
            rows = [
                _row(
                    page.id,
                    name,
                    period,
                    [
                        {"value": self._day(page, name, day), "end_time": iso_offset(day + DAY_MS)}
                        for day in days
                    ],
                )
                for name in names
            ]
        else:
            raise bad_parameter("period must be day or total_over_range in the sandbox")
        nowhere = "https://graph.facebook.com/"  # earlier and later windows, which nobody follows
        return {"data": rows, "paging": {"previous": nowhere, "next": nowhere}}

    def _day(self, page: Profile, name: str, day_ms: int) -> int:
        if name == "page_follows":
            return page.followers
        rng = seeded(self._state.seed, page.id, name, day_ms // DAY_MS)
        return rng.randrange(0, max(2, page.followers // 50))


def _row(object_id: str, name: str, period: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "period": period,
        "values": values,
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "id": f"{object_id}/insights/{name}/{period}",
    }


def _by_type(likes: int) -> dict[str, int]:
    love, wow = likes // 5, likes // 20
    found = {"like": likes - love - wow, "love": love, "wow": wow}
    return {name: value for name, value in found.items() if value}
