"""Comments on an account's media, with their replies: asked for inside the media, and of what holds more,
media by media and comment by comment.

A first reading asks for all comments of all media. After it webhooks tell of comments on every media,
whatever its age; a reading of what is newer only finds what they did not tell. An account has few calls an
hour, so that reading is one call for the newest hundred media and the newest comments and replies of each, a
further one for each that holds still more new ones, and one for the next hundred media where among these
there was a new comment. A reply that no webhook told, to a comment that is not among the newest of its media,
and what was said meanwhile under older media, is found by the next reading of everything (a backfill) alone.

Sources: IGP/reference/instagram-media, IGP/instagram-graph-api/reference/ig-comment (at most 50 a page, the
newest first), docs/graph-api/results.
"""

from datetime import datetime
from urllib.parse import quote

from domain.content import Remark
from domain.secrets import Secret
from platforms.base import Page, PageQuery
from platforms.http import PlatformHttp
from platforms.instagram.api import read
from platforms.instagram.normalise import comment_remark
from platforms.meta.errors import NO_PERMISSION
from platforms.meta.paging import cursor_query, goes_on, next_cursor
from platforms.nesting import Place
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, id_at, mapping, objects

_FIELDS = "id,text,timestamp,username,from,parent_id"
_AT_MOST = 50
_MEDIA = 100
"""Of a reading of what is newer, with so many comments of each and so many replies to each of those."""
_NEWEST, _NEWEST_REPLIES = 10, 5
_FIRST, _FIRST_REPLIES = 25, 10


async def comments_page(http: PlatformHttp, token: Secret, query: PageQuery) -> Outcome[Page]:
    """A page of media with the newest comments of each, a page of one media's comments, or a page of one
    comment's replies. A media or a comment that holds more than came with it is read by itself from its
    newest on, before what follows."""
    at = Place.read(query.cursor)
    if at.inner:
        return await _of_one(http, token, query, at)
    first = query.since is None
    inside = _comments(_FIRST, _FIRST_REPLIES) if first else _comments(_NEWEST, _NEWEST_REPLIES)
    size = query.source.page_size if first else _MEDIA
    params = {"fields": f"id,{inside}", "limit": str(size)} | cursor_query(at.outer)
    answer = await read(http, token, "me/media", params)
    if not isinstance(answer, Ok):
        return answer
    remarks: list[Remark] = []
    longer: list[str] = []
    for media in objects(answer.value, "data"):
        if (media_id := id_at(media, "id")) is None:
            continue
        edge = mapping(media, "comments")
        remarks += _remarks(edge, media_id)
        # Also for the replies to one comment: only media are named here, so that these are no more than they.
        if goes_on(edge, "timestamp", query.since) or _threads(edge, query.since):
            longer.append(media_id)
    new = _newer(remarks, query.since)
    following = next_cursor(answer.value, at.outer) if first or new else None
    return Ok(Page(remarks=new, next_cursor=Place(following, tuple(longer)).cursor()), answer.readings)


async def _of_one(http: PlatformHttp, token: Secret, query: PageQuery, at: Place) -> Outcome[Page]:
    name, after = at.first
    media_id, _, comment_id = name.partition("/")
    if comment_id:
        path, fields = f"{quote(comment_id, safe='')}/replies", _FIELDS
    else:
        path, fields = f"{quote(media_id, safe='')}/comments", f"{_FIELDS},{_replies(_FIRST_REPLIES)}"
    params = {"fields": fields, "limit": str(_AT_MOST)} | cursor_query(after)
    answer = await read(http, token, path, params)
    if isinstance(answer, Rejected) and answer.code not in NO_PERMISSION:
        # It is said of this one, which may be gone, and not of the others
        return Ok(Page(next_cursor=at.onward(None).cursor()), answer.readings)
    if not isinstance(answer, Ok):
        return answer
    following = None
    if goes_on(answer.value, "timestamp", query.since):
        following = next_cursor(answer.value, after)
    threads = [f"{media_id}/{thread}" for thread in _threads(answer.value, query.since)]
    remarks = _newer(_remarks(answer.value, media_id, comment_id or None), query.since)
    return Ok(Page(remarks=remarks, next_cursor=at.onward(following, threads).cursor()), answer.readings)


def _remarks(edge: Json, media_id: str, parent_id: str | None = None) -> list[Remark]:
    """Each comment before the replies that came with it."""
    found: list[Remark] = []
    for row in objects(edge, "data"):
        remark = comment_remark(row, media_id, parent_id)
        if remark is not None:
            found += [remark, *_remarks(mapping(row, "replies"), media_id, remark.external_id)]
    return found


def _threads(edge: Json, since: datetime | None) -> list[str]:
    """Comments with more replies than came with them."""
    rows = (row for row in objects(edge, "data") if goes_on(mapping(row, "replies"), "timestamp", since))
    return [comment_id for row in rows if (comment_id := id_at(row, "id"))]


def _comments(comments: int, replies: int) -> str:
    return f"comments.limit({comments}){{{_FIELDS},{_replies(replies)}}}"


def _replies(most: int) -> str:
    return f"replies.limit({most}){{{_FIELDS}}}"


def _newer(remarks: list[Remark], since: datetime | None) -> tuple[Remark, ...]:
    """Comments come late to old media: `since` is for the comment, not for its media."""
    return tuple(r for r in remarks if since is None or r.at is None or r.at >= since)
