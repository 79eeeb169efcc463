"""Live videos of a page, and what people say under them. They are read; making and ending them is left to
Facebook's own tools.

    SCHEDULED_UNPUBLISHED, SCHEDULED_LIVE -> LIVE -> LIVE_STOPPED -> PROCESSING -> VOD
                                         -> SCHEDULED_CANCELED, SCHEDULED_EXPIRED

The addresses that an encoder sends to (`stream_url`) are not asked for: whoever has one can broadcast.
Sources: docs/graph-api/reference/{page/live_videos,live-video}, documentation/live-video-api/
interact-with-viewers.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from domain.content import RemarkKind
from domain.live import Broadcast, BroadcastPage, BroadcastStatus, ChatPage, Stream
from platforms.capabilities import Access
from platforms.facebook.normalise import COMMENT_FIELDS, absolute, comment_remark
from platforms.facebook.reading import get
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, count_at, id_at, mapping, moment_at, objects, packed, text_at, words_at

FIELDS = (
    "id,title,description,status,planned_start_time,broadcast_start_time,creation_time,live_views,"
    "permalink_url,embed_html,video{id}"
)
_PAGE = "50"
_COMMENTS = "comments.filter(stream).live_filter(no_filter).order(chronological).limit(100)"
_POLL_S = 10.0  # Facebook names no interval; comments stream only over a connection that stays open
_STATUS = {
    "UNPUBLISHED": BroadcastStatus.CREATED,
    "SCHEDULED_UNPUBLISHED": BroadcastStatus.READY,
    "SCHEDULED_LIVE": BroadcastStatus.READY,
    "LIVE": BroadcastStatus.LIVE,
    "LIVE_STOPPED": BroadcastStatus.COMPLETE,
    "PROCESSING": BroadcastStatus.COMPLETE,
    "VOD": BroadcastStatus.COMPLETE,
    "SCHEDULED_CANCELED": BroadcastStatus.CANCELLED,
    "SCHEDULED_EXPIRED": BroadcastStatus.CANCELLED,
}
_OVER = (BroadcastStatus.COMPLETE, BroadcastStatus.CANCELLED)
_READ_ONLY = "Rookery reads a page's live videos; they are planned, begun and ended in Facebook's own tools."


class FacebookLive:
    """Stateless."""

    missing: Mapping[str, str] = dict.fromkeys(("create", "stream", "transition"), _READ_ONLY)

    async def broadcasts(self, access: Access, cursor: str | None) -> Outcome[BroadcastPage]:
        params = {"fields": FIELDS, "limit": _PAGE} | cursor_query(cursor)
        answer = await get(access.http, access.token, f"{access.external_id}/live_videos", params)
        if not isinstance(answer, Ok):
            return answer
        items = tuple(b for row in objects(answer.value, "data") if (b := broadcast(row)))
        return Ok(BroadcastPage(items, next_cursor(answer.value, cursor)), answer.readings)

    async def create(
        self, access: Access, title: str, scheduled_at: datetime, options: Mapping[str, str]
    ) -> Outcome[str]:
        return Rejected("unsupported", _READ_ONLY)

    async def create_stream(self, access: Access, title: str) -> Outcome[Stream]:
        return Rejected("unsupported", _READ_ONLY)

    async def bind(self, access: Access, broadcast_id: str, stream_id: str) -> Outcome[None]:
        return Rejected("unsupported", _READ_ONLY)

    async def transition(self, access: Access, broadcast_id: str, to: BroadcastStatus) -> Outcome[None]:
        return Rejected("unsupported", _READ_ONLY)

    async def chat(self, access: Access, chat_id: str, cursor: str | None) -> Outcome[ChatPage]:
        """The comments of a live video, oldest first, with its status in the same answer: one that is over
        and has no further page has ended. Cursors stay good: the last one brings what came since."""
        after = f".after({cursor})" if cursor is not None else ""
        params = {"fields": f"status,{_COMMENTS}{after}{{{COMMENT_FIELDS}}}"}
        answer = await get(access.http, access.token, quote(chat_id, safe=""), params)
        if not isinstance(answer, Ok):
            return answer
        told = mapping(answer.value, "comments")
        found = (comment_remark(row, chat_id, RemarkKind.MESSAGE) for row in objects(told, "data"))
        following = next_cursor(told, cursor)
        over = _STATUS.get(text_at(answer.value, "status") or "") in _OVER
        page = ChatPage(
            messages=tuple(remark for remark in found if remark is not None),
            next_cursor=following or text_at(mapping(told, "paging", "cursors"), "after") or cursor,
            wait_s=1.0 if following is not None else _POLL_S,
            ended=over and following is None,
        )
        return Ok(page, answer.readings)


def broadcast(row: Json) -> Broadcast | None:
    """Facebook tells no end: `ended_at` stays empty."""
    external_id = id_at(row, "id")
    if external_id is None:
        return None
    native = text_at(row, "status") or ""
    return Broadcast(
        external_id=external_id,
        title=words_at(row, "title") or words_at(row, "description") or "",
        status=_STATUS.get(native, BroadcastStatus.UNKNOWN),
        native_status=native,
        scheduled_at=moment_at(row, "planned_start_time"),
        started_at=moment_at(row, "broadcast_start_time"),
        viewers=count_at(row, "live_views"),
        chat_id=external_id,  # people talk in its comments
        permalink=absolute(words_at(row, "permalink_url")),
        embed_html=words_at(row, "embed_html"),
        payload=packed(row),
    )
