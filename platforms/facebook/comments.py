"""Comments on a page's posts: asked for inside the posts, and of those that have more, post by post.

A first reading asks for all comments of all posts. After it webhooks tell of comments on every post, whatever
its age; a reading of what is newer only finds what they did not tell. An account has few calls an hour, so
that reading is one call for the newest hundred posts and the newest comments of each, a further one for each
post that has still more new ones, and one for the next hundred posts where among these there was a new
comment. What was said under an older post while no webhook came is found by the next reading of everything
(a backfill) alone.

Sources: docs/graph-api/reference/object/comments, docs/graph-api/results.
"""

from domain.content import Remark, RemarkKind
from domain.secrets import Secret
from platforms.base import Page, PageQuery
from platforms.facebook.normalise import COMMENT_FIELDS, comment_remark
from platforms.facebook.reading import get
from platforms.facebook.spec import LISTED_AT_MOST
from platforms.http import PlatformHttp
from platforms.meta.errors import NO_PERMISSION
from platforms.meta.paging import cursor_query, goes_on, next_cursor
from platforms.nesting import Place
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, id_at, mapping, objects

# `stream`: replies among the comments, so that there is one list for each post.
_STREAM = {"filter": "stream", "order": "reverse_chronological"}
_NEWEST = 5
"""Comments of each of a hundred posts: no more rows in one answer than the first reading asks for."""
_FIRST = 25


async def comments_page(http: PlatformHttp, token: Secret, page_id: str, query: PageQuery) -> Outcome[Page]:
    """A page of posts with the newest comments of each, or a page of one post's comments. A post that holds
    more than came with it is read by itself from its newest comment on, before the next page of posts."""
    at = Place.read(query.cursor)
    if at.inner:
        return await _of_a_post(http, token, query, at)
    first = query.since is None
    size, inside = (query.source.page_size, _FIRST) if first else (LISTED_AT_MOST, _NEWEST)
    arguments = "".join(f".{name}({value})" for name, value in _STREAM.items())
    params = {
        "limit": str(size),
        "fields": f"id,comments{arguments}.limit({inside}){{{COMMENT_FIELDS}}}",
    } | cursor_query(at.outer)
    answer = await get(http, token, f"{page_id}/published_posts", params)
    if not isinstance(answer, Ok):
        return answer
    remarks: list[Remark] = []
    longer: list[str] = []
    for post in objects(answer.value, "data"):
        if (post_id := id_at(post, "id")) is None:
            continue
        edge = mapping(post, "comments")
        remarks += _remarks(edge, post_id)
        if goes_on(edge, "created_time", query.since):
            longer.append(post_id)
    new = _newer(remarks, query)
    following = next_cursor(answer.value, at.outer) if first or new else None
    return Ok(Page(remarks=new, next_cursor=Place(following, tuple(longer)).cursor()), answer.readings)


async def _of_a_post(http: PlatformHttp, token: Secret, query: PageQuery, at: Place) -> Outcome[Page]:
    post_id, after = at.first
    params = {"fields": COMMENT_FIELDS, "limit": str(LISTED_AT_MOST), **_STREAM} | cursor_query(after)
    answer = await get(http, token, f"{post_id}/comments", params)
    if isinstance(answer, Rejected) and answer.code not in NO_PERMISSION:
        # It is said of this post, which may be gone, and not of the others
        return Ok(Page(next_cursor=at.onward(None).cursor()), answer.readings)
    if not isinstance(answer, Ok):
        return answer
    following = None
    if goes_on(answer.value, "created_time", query.since):
        following = next_cursor(answer.value, after)
    remarks = _newer(_remarks(answer.value, post_id), query)
    return Ok(Page(remarks=remarks, next_cursor=at.onward(following).cursor()), answer.readings)


def _remarks(edge: Json, post_id: str) -> list[Remark]:
    found = (comment_remark(row, post_id, RemarkKind.COMMENT) for row in objects(edge, "data"))
    return [remark for remark in found if remark is not None]


def _newer(remarks: list[Remark], query: PageQuery) -> tuple[Remark, ...]:
    """Comments come late to old posts: `since` is for the comment, not for its post."""
    since = query.since
    return tuple(r for r in remarks if since is None or r.at is None or r.at >= since)
