"""Live videos of a page: listed, looked at, commented on. They are begun by acts, in Facebook's own tools.

    schedule -> SCHEDULED_UNPUBLISHED --stream--> LIVE --stream_end--> VOD
                                      --stream_cancel--> SCHEDULED_CANCELED

Sources: references page/live_videos, live-video; documentation/live-video-api/interact-with-viewers. Making
them over the API is not emulated.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.acts import Act, Done
from sandbox.clock import iso_offset
from sandbox.facebook.access import Access, Caller
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.generate import draft_comment, voice_of
from sandbox.ids import seeded
from sandbox.meta import errors, forms
from sandbox.meta.errors import Refused
from sandbox.meta.fields import Wanted, chosen
from sandbox.meta.paging import page_of
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import BadInput, Call, Reply, json_reply
from sandbox.world import Profile

STATUSES = (
    "UNPUBLISHED",
    "LIVE",
    "LIVE_STOPPED",
    "PROCESSING",
    "VOD",
    "SCHEDULED_UNPUBLISHED",
    "SCHEDULED_LIVE",
    "SCHEDULED_EXPIRED",
    "SCHEDULED_CANCELED",
)
ACTS = ("schedule", "stream", "stream_end", "stream_cancel", "chat")
_READ = "pages_read_engagement pages_show_list"
_LISTED_AT_MOST = 100
_DEFAULT = [Wanted(n) for n in ("status", "stream_url", "secure_stream_url", "embed_html", "id")]
_IN_AN_HOUR_MS = 3_600_000
_SITE = "https://www.facebook.com"


@dataclass(slots=True)
class Comment:
    id: str
    author: Profile
    text: str
    at_ms: int


@dataclass(slots=True)
class LiveVideo:
    """`planned_ms` None: begun without a plan."""

    id: str
    video_id: str
    page: Profile
    title: str
    made_ms: int
    planned_ms: int | None
    status: str
    began_ms: int | None = None
    comments: list[Comment] = field(default_factory=list)


class Live:
    def __init__(self, state: State, access: Access, reading: Reading) -> None:
        self._state, self._access, self._reading = state, access, reading
        self._videos: dict[str, LiveVideo] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/:id/live_videos", self.listed, _READ),
            op("GET", "/1399:id/comments", self.comments, _READ),
            op("GET", "/1399:id", self.one, _READ),
        ]

    async def listed(self, call: Call, caller: Caller) -> Reply:
        """Newest first, of every status unless some are named."""
        page = self._reading.own(call, caller)
        statuses = forms.names(call.query.get("broadcast_status", ""))
        if any(status not in STATUSES for status in statuses):
            raise bad_parameter(f"Param broadcast_status must be one of {', '.join(STATUSES)}")
        own = [v for v in reversed(self._videos.values()) if v.page is page]
        rows = [v for v in own if not statuses or v.status in statuses]
        wanted = self._reading.wanted(call, _DEFAULT)
        return page_of(call, rows, _LISTED_AT_MOST, lambda v: self._shown(v, wanted, call))

    async def one(self, call: Call, caller: Caller) -> Reply:
        video = self._own(call, caller)
        return json_reply(self._shown(video, self._reading.wanted(call, _DEFAULT), call))

    async def comments(self, call: Call, caller: Caller) -> Reply:
        video = self._own(call, caller)
        wanted = self._reading.wanted(call, [Wanted(n) for n in ("created_time", "from", "message", "id")])
        return page_of(call, _ordered(video, call.query), _LISTED_AT_MOST, lambda c: _comment(c, wanted))

    def act(self, page: Profile, act: Act) -> Done:
        """What the page's people and its viewers do with live videos."""
        now = self._state.clock.now_ms()
        if act.kind == "schedule" or (act.kind == "stream" and act.content_id is None):
            planned = now + _IN_AN_HOUR_MS if act.kind == "schedule" else None
            return Done(self._begun(page, act.text or "Kiln opening", planned, now).id)
        video = self._meant(page, act)
        match act.kind:
            case "stream":
                if video.status not in ("UNPUBLISHED", "SCHEDULED_UNPUBLISHED"):
                    raise BadInput(f"the live video {video.id} is {video.status}")
                video.status, video.began_ms = "LIVE", now
            case "stream_end":
                video.status = "VOD"
            case "stream_cancel":
                video.status = "SCHEDULED_CANCELED"
            case _:
                world = self._state.world
                rng = seeded(self._state.seed, "live", video.id, len(video.comments))
                author = act.author_in(world, "facebook", rng)
                text = act.text or draft_comment(rng, voice_of(page), author)
                comment_id = f"{video.video_id}_{world.ids.numbered('8802', 15)}"
                video.comments.append(Comment(comment_id, author, text, now))
                return Done(comment_id)
        return Done(video.id)

    def _begun(self, page: Profile, title: str, planned_ms: int | None, now: int) -> LiveVideo:
        ids = self._state.world.ids
        status = "LIVE" if planned_ms is None else "SCHEDULED_UNPUBLISHED"
        began = now if planned_ms is None else None
        made = LiveVideo(
            ids.numbered("1399", 15), ids.numbered("1398", 15), page, title, now, planned_ms, status, began
        )
        self._videos[made.id] = made
        return made

    def _meant(self, page: Profile, act: Act) -> LiveVideo:
        """The one named, or the page's newest."""
        own = [v for v in self._videos.values() if v.page is page and act.content_id in (None, v.id)]
        if not own:
            raise BadInput("the page has no such live video; let it `schedule` or `stream` one first")
        return own[-1]

    def _own(self, call: Call, caller: Caller) -> LiveVideo:
        video_id = f"1399{call.params['id']}"
        found = self._videos.get(video_id)
        if found is None or caller.page is not found.page:
            raise Refused(errors.no_such_object(video_id))
        return found

    def _shown(self, video: LiveVideo, wanted: list[Wanted], call: Call) -> dict[str, Any]:
        live = video.status == "LIVE"
        path = f"/{video.page.id}/videos/{video.video_id}/"
        frame = f"{_SITE}/plugins/video.php?href={_SITE}{path}"
        shown: dict[str, Any] = {
            "id": video.id,
            "title": video.title,
            "status": video.status,
            "creation_time": iso_offset(video.made_ms),
            "planned_start_time": iso_offset(video.planned_ms) if video.planned_ms else None,
            "broadcast_start_time": iso_offset(video.began_ms) if video.began_ms else None,
            "live_views": len({c.author.id for c in video.comments}) if live else 0,
            "permalink_url": path,
            "embed_html": f'<iframe src="{frame}" width="1280" height="720"></iframe>',
            "from": {"name": video.page.name, "id": video.page.id},
            "stream_url": f"rtmps://live-api-s.facebook.com:443/rtmp/FB-{video.id}-0",
            "secure_stream_url": f"rtmps://live-api-s.facebook.com:443/rtmp/FB-{video.id}-0",
        }
        edges = {
            "video": lambda want: {"id": video.video_id},
            "comments": lambda want: _nested(video, want, call),
        }
        return chosen(shown, wanted, edges)


def _ordered(video: LiveVideo, arguments: dict[str, str]) -> list[Comment]:
    return video.comments[::-1] if arguments.get("order") == "reverse_chronological" else video.comments


def _nested(video: LiveVideo, want: Wanted, call: Call) -> dict[str, Any] | None:
    """The comments inside the video's own answer. An edge without anything is left out."""
    inner = Call("GET", call.host, f"/{video.id}/comments", dict(want.arguments), {}, b"")
    wanted = want.inner or [Wanted(n) for n in ("created_time", "from", "message", "id")]
    rows = _ordered(video, want.arguments)
    reply = page_of(inner, rows, _LISTED_AT_MOST, lambda c: _comment(c, wanted))
    answer: dict[str, Any] = orjson.loads(reply.body)
    return answer if answer["data"] else None


def _comment(comment: Comment, wanted: list[Wanted]) -> dict[str, Any]:
    shown = {
        "id": comment.id,
        "message": comment.text,
        "created_time": iso_offset(comment.at_ms),
        "from": {"name": comment.author.name, "id": comment.author.id},
        "like_count": 0,
        "is_hidden": False,
    }
    return chosen(shown, wanted, {})
