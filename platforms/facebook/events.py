"""What an entry cut by `webhooks.split` tells. Never raises: what is not understood is Happening.OTHER.

Source: docs/graph-api/webhooks/reference/{page,permissions}.
"""

from collections.abc import Callable

from msgspec.structs import replace

from domain.content import (
    ContentItem,
    ContentKind,
    Happening,
    Media,
    MediaKind,
    PlatformEvent,
    Remark,
    RemarkKind,
    Text,
)
from platforms.base import RawEntry
from platforms.facebook.normalise import author, tagged_text
from platforms.facebook.webhooks import PERMISSIONS
from platforms.meta import signed_request
from platforms.meta.messages import message_event, remarked
from platforms.wire import (
    Json,
    NotJson,
    decode,
    id_at,
    mapping,
    moment_at,
    packed,
    strings,
    text_at,
    words_at,
)

_EDITS = ("edit", "edited", "update")
_POST_KINDS = {
    "photo": ContentKind.PHOTO,
    "video": ContentKind.VIDEO,
    "album": ContentKind.CAROUSEL,
    "story": ContentKind.STORY,
    "post": ContentKind.POST,
    "status": ContentKind.POST,
    "link": ContentKind.POST,
    "share": ContentKind.POST,
    "event": ContentKind.POST,
    "note": ContentKind.POST,
}
_PROFILE_FIELDS = ("name", "picture", "about", "bio", "description", "website", "general_info", "cover")
# Without these nothing of a page can be read.
_NEEDED = ("pages_show_list", "pages_read_engagement")


def parse(entry: RawEntry) -> PlatformEvent:
    try:
        happening = decode(entry.raw)
    except NotJson:
        happening = {}
    value = mapping(happening, "value")
    at = moment_at(value, "created_time") or moment_at(happening, "time")
    blank = PlatformEvent(entry.external_id, entry.event_id, Happening.OTHER, occurred_at=at)
    field = text_at(happening, "field") or ""
    if text_at(happening, "object") == PERMISSIONS:
        revoked = text_at(value, "verb") == "revoked" and field in _NEEDED
        return replace(blank, what=Happening.ACCESS_REVOKED) if revoked else blank
    if field in _PROFILE_FIELDS:
        return replace(blank, what=Happening.PROFILE_CHANGED)
    reader = _READERS.get(field)
    return blank if reader is None else reader(blank, value)


def _feed(blank: PlatformEvent, value: Json) -> PlatformEvent:
    item = text_at(value, "item") or ""
    if item == "comment":
        return _comment(blank, value)
    if item in ("reaction", "like"):
        return _reaction(blank, value)
    return _post(blank, value, item) if item in _POST_KINDS else blank


def _comment(blank: PlatformEvent, value: Json) -> PlatformEvent:
    comment_id, post_id = id_at(value, "comment_id"), id_at(value, "post_id")
    verb = text_at(value, "verb")
    if comment_id is None:
        return blank
    if verb in ("remove", "delete"):
        return replace(blank, what=Happening.REMARK_DELETED, subject_id=comment_id, content_id=post_id)
    if verb != "add" and verb not in _EDITS:
        return blank  # hidden and shown again: it is still there
    parent = id_at(value, "parent_id")
    words = _remark(blank, value, comment_id, RemarkKind.COMMENT)
    return remarked(
        blank, replace(words, content_id=post_id, parent_id=parent if parent != post_id else None)
    )


def _reaction(blank: PlatformEvent, value: Json) -> PlatformEvent:
    """On a post. Changing one reaction for another changes no total; those on comments are not counted."""
    post_id, verb = id_at(value, "post_id"), text_at(value, "verb")
    what = {"add": Happening.LIKED, "remove": Happening.UNLIKED}.get(verb or "")
    if what is None or post_id is None or id_at(value, "comment_id") is not None:
        return blank
    return replace(blank, what=what, subject_id=post_id, content_id=post_id)


def _post(blank: PlatformEvent, value: Json, item: str) -> PlatformEvent:
    post_id, verb = id_at(value, "post_id"), text_at(value, "verb")
    if post_id is None:
        return blank
    if author(value).external_id != blank.external_id:
        return _of_others(blank, value, item, post_id)
    if verb in ("remove", "delete"):
        return replace(blank, what=Happening.CONTENT_DELETED, subject_id=post_id, content_id=post_id)
    if value.get("published") in (0, "0", False):
        return blank  # a draft, or scheduled: it comes again when it is out
    if verb != "add" and verb not in _EDITS:
        return blank
    if verb != "add":
        # Only named: the entry tells the new words without the files, so the post is read by its id.
        return replace(blank, what=Happening.CONTENT_EDITED, subject_id=post_id, content_id=post_id)
    content = ContentItem(
        external_id=post_id,
        kind=_POST_KINDS[item],
        text=_text(value),
        payload=packed(value),
        media=_media(value, item),
        published_at=moment_at(value, "created_time"),
        permalink=words_at(mapping(value, "post"), "permalink_url"),
    )
    created = Happening.CONTENT_CREATED
    return replace(blank, what=created, subject_id=post_id, content_id=post_id, content=content)


def _of_others(blank: PlatformEvent, value: Json, item: str, post_id: str) -> PlatformEvent:
    """Somebody shares a post of the page, or writes on the page itself."""
    verb, parent = text_at(value, "verb"), id_at(value, "parent_id")
    if item == "share":
        shared = verb == "add" and parent is not None and parent.startswith(f"{blank.external_id}_")
        if not shared:
            return blank
        return replace(blank, what=Happening.SHARED, subject_id=post_id, content_id=parent)
    if verb in ("remove", "delete"):
        return replace(blank, what=Happening.REMARK_DELETED, subject_id=post_id)
    if verb != "add" and verb not in _EDITS:
        return blank
    return remarked(blank, _remark(blank, value, post_id, RemarkKind.MENTION))


def _mention(blank: PlatformEvent, value: Json) -> PlatformEvent:
    mention_id = id_at(value, "comment_id") or id_at(value, "post_id")
    if mention_id is None:
        return blank
    if text_at(value, "verb") in ("remove", "delete"):
        return replace(blank, what=Happening.REMARK_DELETED, subject_id=mention_id)
    return remarked(blank, _remark(blank, value, mention_id, RemarkKind.MENTION))


def _rating(blank: PlatformEvent, value: Json) -> PlatformEvent:
    """A review of the page: words addressed to it, under no post."""
    review_id = id_at(value, "open_graph_story_id", "comment_id")
    if review_id is None:
        return blank
    if text_at(value, "verb") in ("remove", "delete"):
        return replace(blank, what=Happening.REMARK_DELETED, subject_id=review_id)
    row = value | {"from": {"id": value.get("reviewer_id"), "name": value.get("reviewer_name")}}
    words = _remark(blank, row, review_id, RemarkKind.MENTION)
    text = tagged_text(text_at(value, "review_text") or "", value, "message_tags")
    return remarked(blank, replace(words, text=text, payload=packed(value)))


def _deauthorize(blank: PlatformEvent, _value: Json) -> PlatformEvent:
    """Made of the deauthorise callback, not sent as a webhook."""
    return replace(blank, what=Happening.ACCESS_REVOKED)


def _remark(blank: PlatformEvent, value: Json, remark_id: str, kind: RemarkKind) -> Remark:
    return Remark(
        external_id=remark_id,
        kind=kind,
        author=author(value),
        text=_text(value),
        payload=packed(value),
        at=blank.occurred_at,
    )


def _text(value: Json) -> Text:
    return tagged_text(text_at(value, "message") or "", value, "message_tags")


def _media(value: Json, item: str) -> tuple[Media, ...]:
    """What the entry shows of the files: their addresses alone."""
    if item == "video":
        return (Media(MediaKind.VIDEO, url=words_at(value, "link"), platform_id=id_at(value, "video_id")),)
    photos = list(strings(value, "photos"))
    if not photos and item == "photo" and (link := words_at(value, "link", "photo")) is not None:
        return (Media(MediaKind.IMAGE, url=link, platform_id=id_at(value, "photo_id")),)
    return tuple(Media(MediaKind.IMAGE, url=photo) for photo in photos)


_READERS: dict[str, Callable[[PlatformEvent, Json], PlatformEvent]] = {
    "feed": _feed,
    "mention": _mention,
    "ratings": _rating,
    "messaging": message_event,
    signed_request.FIELD: _deauthorize,
}
