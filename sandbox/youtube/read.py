"""Reading: channels, playlist items, videos, comment threads, comments, search.

Source: discovery document `youtube.v3`. Pages hold 5 (comments: 20) unless `maxResults` says otherwise.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Content, Feed, Profile
from sandbox.youtube import errors, shapes
from sandbox.youtube.access import COMMENTS, Access, Caller, answer, parts_of, tagged
from sandbox.youtube.errors import Refused

_TOKEN_PREFIX = "CD"
Keep = Callable[[Content], bool]


class Reading:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._world, self._access = state, state.world, access

    def operations(self) -> list[Operation]:
        op, root = self._access.operation, "/youtube/v3"
        return [
            op("GET", f"{root}/channels", self.channels),
            op("GET", f"{root}/playlistItems", self.playlist_items),
            op("GET", f"{root}/videos", self.videos),
            op("GET", f"{root}/videos:batchGetStats", self.stats, bucket="stats"),
            op("GET", f"{root}/commentThreads", self.threads, scopes=COMMENTS),
            op("GET", f"{root}/comments", self.comments),
            op("GET", f"{root}/search", self.search, bucket="search"),
        ]

    async def channels(self, call: Call, caller: Caller) -> Reply:
        parts, query = parts_of(call, shapes.CHANNEL_PARTS), call.query
        found: list[Profile] = []
        if query.get("mine") == "true":
            found = [caller.account]
        elif "id" in query:
            named = [self._world.people.get(("youtube", i)) for i in query["id"].split(",")]
            found = [person for person in named if person]
        elif "forHandle" in query or "forUsername" in query:
            handle = (query.get("forHandle") or query["forUsername"]).removeprefix("@")
            person = self._world.by_username("youtube", handle)
            found = [person] if person else []
        else:
            raise Refused(errors.missing("id"))
        items = [shapes.channel(self._world, account, parts) for account in found]
        return answer(_listed("channelListResponse", items, len(items), _size(call, 5, 50)))

    async def playlist_items(self, call: Call, caller: Caller) -> Reply:
        parts, size = parts_of(call, shapes.ITEM_PARTS), _size(call, 5, 50)
        account = self._playlist(call.query.get("playlistId") or "")
        if account is None:
            message = "The playlist identified with the request's playlistId parameter cannot be found."
            raise errors.refuse(404, "playlistNotFound", message, "playlistItem")
        wanted = call.query.get("videoId")
        keep = self._visible(caller, lambda v: wanted in (None, v.id))
        feed = self._world.timeline("youtube", account.id)
        everything = [v for v in feed if keep(v)][::-1]
        positions = {v.id: n for n, v in enumerate(everything)}
        found, following = self._page(call, feed, size, keep)
        items = [shapes.playlist_item(account, v, positions[v.id], parts) for v in found]
        return answer(_listed("playlistItemListResponse", items, len(everything), size, following))

    async def videos(self, call: Call, caller: Caller) -> Reply:
        parts, now = parts_of(call, shapes.VIDEO_PARTS), self._state.clock.now_ms()
        if "id" not in call.query:
            raise Refused(errors.missing("id"))
        found = self._named(call, caller)
        owner_only = {"fileDetails", "processingDetails", "suggestions"} & set(parts)
        if owner_only and any(v.author_id != caller.account.id for v in found):
            message = "The request cannot access user rating or file information."
            raise errors.refuse(403, "forbidden", message, "video")
        items = [shapes.video(self._world.people["youtube", v.author_id], v, parts, now) for v in found]
        return answer(_listed("videoListResponse", items, len(items), len(items)))

    async def stats(self, call: Call, caller: Caller) -> Reply:
        parts, now = parts_of(call, shapes.STATS_PARTS), self._state.clock.now_ms()
        found = self._named(call, caller)
        people = self._world.people
        rows = [shapes.video_stats(people["youtube", v.author_id], v, parts, now) for v in found]
        return answer(tagged("batchGetStatsResponse", {"items": rows}))

    async def threads(self, call: Call, caller: Caller) -> Reply:
        parts, size = parts_of(call, shapes.THREAD_PARTS), _size(call, 20, 100, least=1)
        plain, query = call.query.get("textFormat") == "plainText", call.query
        if query.get("order", "time") not in ("time", "relevance"):
            raise Refused(errors.invalid("invalidParameter", "order must be time or relevance"))
        following = None
        if "id" in query:
            named = [self._world.find("youtube", i) for i in query["id"].split(",")]
            found = [c for c in named if c and c.kind == "comment" and c.parent_id == c.root_id]
        elif "videoId" in query:
            video = self._world.find("youtube", query["videoId"])
            if video is None or video.kind == "comment":
                message = "The video identified by the videoId parameter could not be found."
                raise errors.refuse(404, "videoNotFound", message, "commentThread")
            if video.facts.get("comments_disabled"):
                message = "The video identified by the videoId parameter has disabled comments."
                raise errors.refuse(403, "commentsDisabled", message, "commentThread")
            feed = self._world.answers("youtube", video.id)
            found, following = self._page(call, feed, size, lambda c: not c.deleted)
        elif "allThreadsRelatedToChannelId" in query:
            channel_id = query["allThreadsRelatedToChannelId"]
            if ("youtube", channel_id) not in self._world.people:
                message = "The channel identified by the request could not be found."
                raise errors.refuse(404, "channelNotFound", message, "commentThread")
            found, following = self._page(call, self._all_threads(channel_id), size, lambda c: not c.deleted)
        else:
            raise Refused(errors.missing("videoId"))
        items = [shapes.thread(self._world, top, parts, plain) for top in found]
        return answer(_listed("commentThreadListResponse", items, len(items), size, following))

    async def comments(self, call: Call, caller: Caller) -> Reply:
        parts_of(call, ("id", "snippet"))
        size, plain, query = (
            _size(call, 20, 100, least=1),
            call.query.get("textFormat") == "plainText",
            call.query,
        )
        following = None
        if "id" in query:
            named = [self._world.find("youtube", i) for i in query["id"].split(",")]
            found = [c for c in named if c and c.kind == "comment"]
        elif "parentId" in query:
            top = self._world.find("youtube", query["parentId"])
            if top is None or top.kind != "comment":
                message = "One or more of the specified comments cannot be found."
                raise errors.refuse(404, "commentNotFound", message, "comment")
            feed = self._world.answers("youtube", top.id)
            found, following = self._page(call, feed, size, lambda c: not c.deleted)
        else:
            raise Refused(errors.missing("id"))
        items = [shapes.comment(self._world, c, plain) for c in found]
        return answer(_listed("commentListResponse", items, None, size, following))

    async def search(self, call: Call, caller: Caller) -> Reply:
        """Of one channel's videos: `forMine` or `channelId`, and `q` in title or description."""
        parts_of(call, ("id", "snippet"))
        size, words = _size(call, 5, 50), call.query.get("q", "").lower()
        mine = call.query.get("forMine") == "true"
        channel_id = caller.account.id if mine else call.query.get("channelId", "")
        account = self._world.people.get(("youtube", channel_id))
        if account is None:
            raise Refused(errors.missing("channelId"))
        keep = self._visible(caller, lambda v: words in f"{v.title} {v.text}".lower())
        found, following = self._page(call, self._world.timeline("youtube", account.id), size, keep)
        items = []
        for video in found:
            whole = shapes.video(account, video, ["snippet"], self._state.clock.now_ms())["snippet"]
            names = ("publishedAt", "channelId", "title", "description", "thumbnails", "channelTitle")
            snippet = {name: whole[name] for name in (*names, "liveBroadcastContent")}
            body = {"id": {"kind": "youtube#video", "videoId": video.id}, "snippet": snippet}
            items.append(tagged("searchResult", body))
        return answer(_listed("searchListResponse", items, len(items), size, following))

    def _named(self, call: Call, caller: Caller) -> list[Content]:
        """Videos by id; what is gone, or private to somebody else, is left out of the answer."""
        ids = [i for i in call.query.get("id", "").split(",") if i]
        if not 0 < len(ids) <= 50:
            raise Refused(
                errors.invalid("invalidParameter", "The request specifies an invalid filter parameter.")
            )
        keep = self._visible(caller)
        named = [self._world.find("youtube", i) for i in dict.fromkeys(ids)]
        return [v for v in named if v and v.kind != "comment" and keep(v)]

    def _visible(self, caller: Caller, also: Keep = lambda v: True) -> Keep:
        def keep(video: Content) -> bool:
            own = video.author_id == caller.account.id
            return not video.deleted and (own or shapes.privacy(video) == "public") and also(video)

        return keep

    def _playlist(self, playlist_id: str) -> Profile | None:
        account = self._world.people.get(("youtube", "UC" + playlist_id[2:]))
        return account if playlist_id.startswith("UU") else None

    def _all_threads(self, channel_id: str) -> Feed:
        feed = Feed()
        for video in self._world.timeline("youtube", channel_id):
            for top in self._world.answers("youtube", video.id):
                if not video.deleted:
                    feed.add(top)
        return feed

    def _page(self, call: Call, feed: Feed, size: int, keep: Keep) -> tuple[list[Content], str | None]:
        """Newest first; the token names the last one shown."""
        token = call.query.get("pageToken")
        found, more = feed.older(_key(token) if token else None, size, keep)
        return found, _token(found[-1].key) if more and found else None


def _listed(
    kind: str, items: list[dict[str, Any]], total: int | None, size: int, following: str | None = None
) -> dict[str, Any]:
    info = {"resultsPerPage": size} if total is None else {"totalResults": total, "resultsPerPage": size}
    body: dict[str, Any] = {"pageInfo": info, "items": items}
    return tagged(kind, body | ({"nextPageToken": following} if following else {}))


def _size(call: Call, default: int, most: int, least: int = 0) -> int:
    given = call.query.get("maxResults", str(default))
    if not given.isdigit() or not least <= int(given) <= most:
        raise Refused(
            errors.invalid(
                "invalidValue", f"Invalid value '{given}'. Values must be within [{least}, {most}]"
            )
        )
    return int(given)


def _token(key: tuple[int, int]) -> str:
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(f"{key[0]}.{key[1]}".encode()).decode().rstrip("=")


def _key(token: str) -> tuple[int, int]:
    try:
        text = token.removeprefix(_TOKEN_PREFIX)
        moment, _, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
        return int(moment), int(number)
    except (binascii.Error, ValueError, UnicodeDecodeError):
        message = "The request specifies an invalid page token."
        raise errors.refuse(
            400,
            "invalidPageToken",
            message,
            "parameter",
            location="pageToken",
            locationType="parameter",
        ) from None
