"""Reading pages: lists with their cursors, and several things at once by id.

Sources: docs/graph-api/reference/page/{feed,tagged}, docs/page-stories-api, documentation/video-api/guides/
reels-publishing, docs/graph-api/batch-requests.
"""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from domain.content import ContentItem, Profile, Remark, RemarkKind
from domain.secrets import Secret
from platforms.base import ItemReads, Page, PageQuery
from platforms.facebook.errors import GONE, meaning_of, outcome_of, readings_of
from platforms.facebook.normalise import (
    PAGE_FIELDS,
    POST_FIELDS,
    REEL_FIELDS,
    comment_remark,
    is_public,
    post_item,
    profile,
    reel_item,
    story_item,
)
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter
from platforms.wire import Json, NotJson, decode, mapping, objects, text_at

_UNANSWERED = RetryAfter(15.0, LimitScope.ACCOUNT, "batch_part_unanswered", family="graph")
_EDGES = {
    "posts": "published_posts",
    "reels": "video_reels",
    "stories": "stories",
    "tagged": "tagged",
}
_FIELDS = {
    "posts": POST_FIELDS,
    "reels": REEL_FIELDS,
    "tagged": "id,message,from,created_time,permalink_url,message_tags",
}


async def get(
    http: PlatformHttp, token: Secret, path: str, params: Mapping[str, str], family: str = "graph"
) -> Outcome[Json]:
    call = Call("GET", f"{GRAPH}/{path}", family, query=params, bearer=token)
    return outcome_of(await http.send(SPEC, call), family)


async def read_profile(http: PlatformHttp, token: Secret) -> Outcome[Profile]:
    answer = await get(http, token, "me", {"fields": PAGE_FIELDS})
    if not isinstance(answer, Ok):
        return answer
    found = profile(answer.value)
    if found is None:
        return Rejected("no_profile", "Facebook answered without the page's id and name.", answer.readings)
    return Ok(found, answer.readings)


async def list_page(http: PlatformHttp, token: Secret, page_id: str, query: PageQuery) -> Outcome[Page]:
    """Every source but that of comments."""
    name = query.source.name
    params = {"limit": str(query.source.page_size)} | cursor_query(query.cursor)
    if name in _FIELDS:
        params["fields"] = _FIELDS[name]
    else:
        params["status"] = json.dumps(["PUBLISHED"])  # stories: the archived ones are gone for everybody
    if query.since is not None and name in ("posts", "tagged"):
        params["since"] = str(int(query.since.timestamp()))
    answer = await get(http, token, f"{page_id}/{_EDGES[name]}", params)
    if not isinstance(answer, Ok):
        return answer
    rows = list(objects(answer.value, "data"))
    following = next_cursor(answer.value, query.cursor)
    if query.source.remarks:
        return Ok(Page(remarks=_tags(rows, page_id), next_cursor=following), answer.readings)
    items = tuple(item for row in rows if (item := _item(name, page_id, row)))
    return Ok(Page(items=items, next_cursor=following), answer.readings)


async def read_items(
    http: PlatformHttp, token: Secret, page_id: str, ids: Sequence[str]
) -> Outcome[ItemReads]:
    """One request with a part for each id. A part that was not answered makes the whole to be asked again."""
    parts = [
        {"method": "GET", "relative_url": f"{quote(id_, safe='')}?{urlencode({'fields': _fields_of(id_)})}"}
        for id_ in ids
    ]
    form: dict[str, str | Secret] = {"batch": json.dumps(parts), "include_headers": "false"}
    result = await http.send(SPEC, Call("POST", f"{GRAPH}/", "graph", form=form, bearer=token))
    rows = _batch_rows(result)
    if rows is None or not isinstance(result, Answer):
        answer = outcome_of(result)
        return _UNANSWERED if isinstance(answer, Ok) else answer
    items: list[ContentItem] = []
    gone: set[str] = set()
    for id_, document in zip(ids, rows, strict=False):
        if document is None:
            return _UNANSWERED
        error = mapping(document, "error")
        failure = meaning_of(error, result) if error else None
        if failure is None:
            item = post_item(document) if _is_post(id_) else None
            items += [item] if item is not None else []
        elif isinstance(failure, Rejected) and failure.code in GONE:
            gone.add(id_)
        else:
            return failure
    if len(rows) < len(ids):
        return _UNANSWERED
    return Ok(ItemReads(tuple(items), frozenset(gone)), readings_of(result))


def _batch_rows(result: Answer | NotSent | Broken) -> list[Json | None] | None:
    """The JSON that each part was answered with: `[{"code": 200, "body": "<JSON>"}, null]`; None for a part
    that Facebook had no time for. None for an answer that is no list."""
    if not isinstance(result, Answer) or not 200 <= result.status < 300:
        return None
    try:
        parts = decode(result.body)
    except NotJson:
        return None
    return [_batch_body(part) for part in parts] if isinstance(parts, list) else None


def _batch_body(part: object) -> Json | None:
    try:
        body = decode((text_at(part, "body") or "").encode(errors="replace"))
    except NotJson:
        return None
    return body if isinstance(body, dict) else None


def _is_post(id_: str) -> bool:
    """`page_post`; a bare number is a story, or a video that did not tell its post: asked only whether it is
    there, because a field that an object does not have is an error."""
    return "_" in id_


def _fields_of(id_: str) -> str:
    return POST_FIELDS if _is_post(id_) else "id"


def _item(source: str, page_id: str, row: Json) -> ContentItem | None:
    if source == "reels":
        return reel_item(page_id, row)
    if source == "stories":
        return story_item(row)
    return post_item(row) if is_public(row) else None


def _tags(rows: list[Json], page_id: str) -> tuple[Remark, ...]:
    """Posts of others that tag the page; the page's own are content."""
    found = (comment_remark(row, None, RemarkKind.MENTION) for row in rows)
    return tuple(r for r in found if r is not None and r.author.external_id != page_id)
