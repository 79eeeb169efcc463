"""Walking the comments of one media: pages of comments, and for long threads pages of replies."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from domain.content import Remark
from platforms.base import Page
from platforms.instagram.errors import GONE
from platforms.instagram.normalise import comment
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, id_at, mapping, objects, text_at

_REPLY_FIELDS = "id,text,timestamp,username,from,like_count,hidden,parent_id"
_REPLIES_BROUGHT = 25
_COMMENT_FIELDS = f"{_REPLY_FIELDS},replies.limit({_REPLIES_BROUGHT}){{{_REPLY_FIELDS}}}"
_PAGE_SIZE = 50  # IGP/instagram-graph-api/reference/ig-media/comments: at most 50 a page

Get = Callable[[str, dict[str, str]], Awaitable[Outcome[Json]]]


async def list_comments(get: Get, content_id: str, cursor: str | None) -> Outcome[Page]:
    """One page. A comment brings its first replies along; the cursor lists what is still to be read, as
    (object id, Graph cursor), replies before the next page of comments, so that it stays short."""
    todo = _resumed(cursor) or [(content_id, "")]
    parent, after = todo.pop(0)
    top = parent == content_id
    params = {"fields": _COMMENT_FIELDS if top else _REPLY_FIELDS, "limit": str(_PAGE_SIZE)}
    if after:
        params["after"] = after
    answer = await get(f"{quote(parent, safe='')}/{'comments' if top else 'replies'}", params)
    if isinstance(answer, Rejected) and answer.code in GONE and not top:
        return Ok(Page(next_cursor=_cursor(todo)), answer.readings)  # deleted since it was listed
    if not isinstance(answer, Ok):
        return answer
    remarks: list[Remark | None] = []
    for row in objects(answer.value, "data"):
        row_id, replies = id_at(row, "id"), mapping(row, "replies")
        remarks.append(comment(row, content_id, None if top else parent))
        brought = [comment(reply, content_id, row_id) for reply in objects(replies, "data")]
        remarks += brought
        # Nested lists do not always tell that they go on: a full one is read again as pages of its own.
        if row_id and len(brought) >= _REPLIES_BROUGHT:
            todo.append((row_id, next_cursor(replies, "") or ""))
    if following := next_cursor(answer.value, after):
        todo.append((parent, following))
    found = tuple(remark for remark in remarks if remark is not None)
    return Ok(Page(remarks=found, next_cursor=_cursor(todo)), answer.readings)


def next_cursor(document: Json, given: str | None) -> str | None:
    """Graph names an `after` cursor on the last page too: only `next` says that there is more. The same
    cursor again would never end."""
    paging = mapping(document, "paging")
    after = text_at(mapping(paging, "cursors"), "after")
    return after if text_at(paging, "next") and after != given else None


def _resumed(cursor: str | None) -> list[tuple[str, str]]:
    return [(parent, after) for parent, after in json.loads(cursor)] if cursor else []


def _cursor(todo: list[tuple[str, str]]) -> str | None:
    return json.dumps(todo) if todo else None
