"""Comments on the account's videos. The developers' service shows none; the business service does, with the
consent of the account holder and its scope `comment.list`.

TikTok pushes none to us, and each video costs a call of its own, from a window that all accounts of the
application share. A first reading walks all videos that have comments, a page of one video or of one
comment's replies at a time. A reading of what is newer looks at the newest twenty videos, and at the next
twenty while it finds something; of a video it reads back to the first older comment, with the three replies
that come beside each, and all replies to new comments. What it does not find, and nothing else does: new
comments on older videos while the newer ones have none, and new replies to an older comment that are not
among the three beside it.

Source: TB/ `/business/video/list/`, `/business/comment/list/`, `/business/comment/reply/list/`: in the order
of `create_time` when asked for, at most 30 a page; behind the first 500 by likes, and some may come twice.
"""

from datetime import datetime

from domain.content import Person, Remark, RemarkKind
from platforms.base import Page
from platforms.capabilities import Access
from platforms.meta.captions import caption_text
from platforms.nesting import Place
from platforms.outcome import Ok, Outcome, Rejected
from platforms.tiktok import business
from platforms.tiktok.spec import BUSINESS_SURFACE, PAGE
from platforms.wire import (
    Json,
    count_at,
    flag_at,
    id_at,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

_COMMENTS_A_PAGE = 30
_GONE = frozenset({"40002", "40007"})
"""Said of a video or comment that is not there, and not of the others."""
_IF_ANY = "?"
"""Before the next page of videos, while those of this one showed nothing new."""


class TiktokComments:
    async def page(self, access: Access, since: datetime | None, cursor: str | None) -> Outcome[Page]:
        """A page of videos, which has no comment itself, then one of each video's comments, and before the
        next of these one of each comment's replies."""
        if access.surface != BUSINESS_SURFACE:
            return Rejected("grant_missing", "TikTok shows comments with the account holder's consent only.")
        at = Place.read(cursor)
        if at.inner:
            return await _of_one(access, since, at)
        query: dict[str, business.Value] = {
            "business_id": access.external_id,
            "fields": ["item_id", "comments"],
            "max_count": PAGE,
        }
        if at.outer is not None:
            query["cursor"] = at.outer
        answer = await business.get(access, "business/video/list", query)
        if not isinstance(answer, Ok):
            return answer
        videos = [
            i
            for row in objects(answer.value, "videos")
            if count_at(row, "comments") != 0 and (i := id_at(row, "item_id"))
        ]
        following = _following(answer.value, at.outer)
        if following is not None and since is not None:
            following = f"{_IF_ANY}{following}"
        return Ok(Page(next_cursor=_left(following, tuple(videos))))


async def _of_one(access: Access, since: datetime | None, at: Place) -> Outcome[Page]:
    since = since and since.replace(microsecond=0)  # TikTok tells whole seconds
    name, cursor = at.first
    video_id, _, comment_id = name.partition("/")
    query: dict[str, business.Value] = {
        "business_id": access.external_id,
        "video_id": video_id,
        "sort_field": "create_time",
        "sort_order": "desc",
        "max_count": _COMMENTS_A_PAGE,
    }
    query |= {"comment_id": comment_id} if comment_id else {"include_replies": "true"}
    query |= {"cursor": cursor} if cursor is not None else {}
    path = "business/comment/reply/list" if comment_id else "business/comment/list"
    answer = await business.get(access, path, query)
    if isinstance(answer, Rejected) and answer.code in _GONE:
        rest = at.onward(None)
        return Ok(Page(next_cursor=_left(rest.outer, rest.inner)))
    if not isinstance(answer, Ok):
        return answer
    rows = list(objects(answer.value, "comments"))
    new = [r for row in rows for r in _remarks(row, access) if since is None or r.at is None or r.at >= since]
    ids = {remark.external_id for remark in new}
    longer = [
        f"{video_id}/{i}"
        for row in rows
        if (i := id_at(row, "comment_id")) in ids
        and (count_at(row, "replies") or 0) > len(list(objects(row, "reply_list")))
    ]
    reached = any((i := id_at(row, "comment_id")) is not None and i not in ids for row in rows)
    place = at.onward(None if reached else _following(answer.value, cursor), longer)
    outer = place.outer.removeprefix(_IF_ANY) if new and place.outer is not None else place.outer
    return Ok(Page(remarks=tuple(new), next_cursor=_left(outer, place.inner)))


def _left(outer: str | None, inner: tuple[str, ...]) -> str | None:
    """Where to go on, if there was a reason to."""
    if not inner and outer is not None and outer.startswith(_IF_ANY):
        return None
    return Place(outer, inner).cursor()


def _remarks(row: Json, access: Access) -> list[Remark]:
    """A comment, and the replies beside it."""
    rows = [row, *objects(row, "reply_list")]
    return [remark for found in rows if (remark := _remark(found, access)) is not None]


def _remark(row: Json, access: Access) -> Remark | None:
    comment_id = id_at(row, "comment_id")
    if comment_id is None:
        return None
    own = flag_at(row, "owner")
    author = access.external_id if own else id_at(row, "unique_identifier", "user_id") or ""
    return Remark(
        external_id=comment_id,
        kind=RemarkKind.COMMENT,
        author=Person(author, words_at(row, "username"), words_at(row, "display_name")),
        text=caption_text(text_at(row, "text") or ""),
        payload=packed({name: value for name, value in row.items() if name != "reply_list"}),
        content_id=id_at(row, "video_id"),
        parent_id=id_at(row, "parent_comment_id"),
        at=moment_at(row, "create_time"),
    )


def _following(document: Json, given: str | None) -> str | None:
    """The same cursor again would never end."""
    found = id_at(document, "cursor")
    return found if flag_at(document, "has_more") and found != given else None
