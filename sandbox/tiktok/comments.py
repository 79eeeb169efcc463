"""Comments on an account holder's videos, and the replies to one of them.

Source: business-api.tiktok.com `/business/comment/list/`, `/business/comment/reply/list/`: at most 30 a page,
by `create_time` if that is asked for and otherwise in no order at all, up to three replies beside a comment.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.ids import open_id
from sandbox.tiktok import errors
from sandbox.tiktok.errors import Refused
from sandbox.tiktok.shapes import is_public
from sandbox.web import BadInput
from sandbox.world import Content, Profile, World

_PAGE, _AT_MOST = 20, 30
_REPLIES_BESIDE = 3


def of_video(world: World, account: Profile, query: Mapping[str, str]) -> dict[str, Any]:
    video = world.find("tiktok", query.get("video_id", ""))
    if video is None or video.author_id != account.id or not is_public(video):
        raise Refused(errors.coded(40002, "The video does not exist or is not owned by the account."))
    return _page(world, account, video, query, query.get("include_replies") == "true")


def replies(world: World, account: Profile, query: Mapping[str, str]) -> dict[str, Any]:
    comment = world.find("tiktok", query.get("comment_id", ""))
    if comment is None or comment.kind != "comment" or comment.root_id != query.get("video_id"):
        raise Refused(errors.coded(40002, "The comment does not exist."))
    return _page(world, account, comment, query, False)


def _page(
    world: World, account: Profile, content: Content, query: Mapping[str, str], beside: bool
) -> dict[str, Any]:
    found = _answers(world, content)
    if query.get("sort_field") == "create_time" and query.get("sort_order") == "desc":
        found = found[::-1]
    start, size = _whole(query, "cursor", 0), _whole(query, "max_count", _PAGE)
    if not 1 <= size <= _AT_MOST:
        raise BadInput(f"max_count must be from 1 to {_AT_MOST}")
    shown = [_comment(world, account, c, beside) for c in found[start : start + size]]
    return {"comments": shown, "cursor": start + size, "has_more": len(found) > start + size}


def _comment(world: World, account: Profile, item: Content, beside: bool) -> dict[str, Any]:
    author, answers = world.people["tiktok", item.author_id], _answers(world, item)
    row: dict[str, Any] = {
        "comment_id": item.id,
        "video_id": item.root_id,
        "unique_identifier": open_id(author.id, "unique"),
        "username": author.username,
        "display_name": author.name,
        "profile_image": f"https://p16-sign.tiktokcdn.com/{author.id}.jpeg?x-expires=1",
        "create_time": str(item.created_ms // 1000),
        "text": item.text,
        "likes": item.metrics["likes"],
        "replies": len(answers),
        "owner": item.author_id == account.id,
        "liked": False,
        "pinned": False,
        "status": "PUBLIC",
    }
    if item.parent_id != item.root_id:
        row["parent_comment_id"] = item.parent_id
    elif beside and answers:
        row["reply_list"] = [_comment(world, account, c, False) for c in answers[:_REPLIES_BESIDE]]
    return row


def _answers(world: World, content: Content) -> list[Content]:
    return [c for c in world.answers("tiktok", content.id) if not c.deleted]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise BadInput(f"{name} must be a number")
    return int(text)
