"""Pages of uploads and of comments, and videos by id. Source: discovery document `youtube.v3`."""

from collections.abc import Sequence

from domain.secrets import Secret
from platforms.base import ItemReads, Page, PageQuery
from platforms.http import PlatformHttp
from platforms.nesting import Place
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, id_at, mapping, objects, text_at
from platforms.youtube.api import UNCHANGED, ask
from platforms.youtube.normalise import comment, content_item, hidden_replies, thread_remarks

_VIDEO_PARTS = "snippet,contentDetails,statistics,status,liveStreamingDetails,fileDetails"
_REPLIES_A_PAGE = 100


async def uploads_page(
    http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
) -> Outcome[Page]:
    """Newest first. The cursor names the playlist, which the channel tells once for a walk."""
    family = query.source.family
    playlist, _, page_token = (query.cursor or "").partition(" ")
    if not playlist:
        told = await ask(http, token, family, "channels", {"part": "contentDetails", "id": external_id})
        if not isinstance(told, Ok):
            return told
        channel = next(objects(told.value, "items"), {})
        found = id_at(mapping(channel, "contentDetails", "relatedPlaylists"), "uploads")
        if found is None:
            return Rejected("no_uploads", "YouTube does not name a list of this channel's uploads.")
        playlist = found
    params = {
        "part": "contentDetails",
        "playlistId": playlist,
        "maxResults": str(query.source.page_size),
    }
    if page_token:
        params["pageToken"] = page_token
    listed = await ask(http, token, family, "playlistItems", params, etag=query.etag)
    if isinstance(listed, Rejected) and listed.code == UNCHANGED:
        return Ok(Page(etag=query.etag, unchanged=True))
    if isinstance(listed, Rejected) and listed.code == "playlistNotFound":
        return Ok(Page())  # a channel that never had a video has no such playlist yet
    if not isinstance(listed, Ok):
        return listed
    ids = [i for row in objects(listed.value, "items") if (i := id_at(row.get("contentDetails"), "videoId"))]
    following = _following(listed.value, page_token)
    page = Page(
        next_cursor=f"{playlist} {following}" if following else None, etag=text_at(listed.value, "etag")
    )
    if not ids:
        return Ok(page)
    read = await read_items(http, token, ids, family)
    if not isinstance(read, Ok):
        return read
    return Ok(Page(read.value.items, next_cursor=page.next_cursor, etag=page.etag))


async def comments_page(
    http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
) -> Outcome[Page]:
    """Threads on all of the channel's videos, newest first. A thread carries a few of its replies: of those
    that have more, all are read in pages of their own before the next page of threads. When only newer
    comments are wanted that is done for new threads alone: YouTube does not tell which old ones grew."""
    at = Place.read(query.cursor)
    if at.inner:
        return await _replies_page(http, token, query, at)
    params = {
        "part": "snippet,replies",
        "allThreadsRelatedToChannelId": external_id,
        "order": "time",
        "textFormat": "plainText",
        "maxResults": str(query.source.page_size),
    }
    if at.outer:
        params["pageToken"] = at.outer
    answer = await ask(http, token, query.source.family, "commentThreads", params)
    if isinstance(answer, Rejected) and answer.code == "commentsDisabled":
        return Ok(Page())
    if not isinstance(answer, Ok):
        return answer
    rows = list(objects(answer.value, "items"))
    remarks = [remark for row in rows for remark in thread_remarks(row)]
    new = [r for r in remarks if query.since is None or (r.at and r.at >= query.since)]
    ids = {r.external_id for r in new}
    parents = [i for row in rows if (i := hidden_replies(row)) and i in ids]
    # Threads are in the order of their first comments: behind an old one there are only older ones.
    reached = any(r.parent_id is None and r.external_id not in ids for r in remarks)
    following = Place(None if reached else _following(answer.value, at.outer), tuple(parents))
    return Ok(Page(remarks=tuple(new), next_cursor=following.cursor()))


async def _replies_page(http: PlatformHttp, token: Secret, query: PageQuery, at: Place) -> Outcome[Page]:
    parent, page_token = at.first
    params = {
        "part": "snippet",
        "parentId": parent,
        "textFormat": "plainText",
        "maxResults": str(_REPLIES_A_PAGE),
    }
    if page_token:
        params["pageToken"] = page_token
    answer = await ask(http, token, query.source.family, "comments", params)
    if isinstance(answer, Rejected) and answer.code.endswith("NotFound"):
        return Ok(Page(next_cursor=at.onward(None).cursor()))  # deleted meanwhile
    if not isinstance(answer, Ok):
        return answer
    remarks = tuple(r for row in objects(answer.value, "items") if (r := comment(row)))
    return Ok(Page(remarks=remarks, next_cursor=at.onward(_following(answer.value, page_token)).cursor()))


async def read_items(
    http: PlatformHttp, token: Secret, ids: Sequence[str], family: str = "videos"
) -> Outcome[ItemReads]:
    """YouTube says that a video is gone by leaving it out of a whole answer. Private ones are not left out:
    their owner asks."""
    answer = await ask(http, token, family, "videos", {"part": _VIDEO_PARTS, "id": ",".join(ids)})
    if not isinstance(answer, Ok):
        return answer
    if not isinstance(answer.value.get("items"), list):
        return Rejected("no_items", "YouTube answered without the list of videos.")
    rows = [row for row in objects(answer.value, "items") if not _deleted(row)]
    items = tuple(item for row in rows if (item := content_item(row)))
    return Ok(ItemReads(items, frozenset(ids) - {item.external_id for item in items}))


def _following(document: Json, given: str | None) -> str | None:
    """The same token again would never end."""
    found = text_at(document, "nextPageToken")
    return found if found and found != given else None


def _deleted(video: Json) -> bool:
    return text_at(mapping(video, "status"), "uploadStatus") == "deleted"
