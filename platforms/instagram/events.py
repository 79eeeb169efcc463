"""What an entry cut by `webhooks.split` tells. Never raises: what is not understood is Happening.OTHER.

Source: IGP/webhooks (+/examples), docs/graph-api/webhooks/reference/instagram.
"""

from collections.abc import Callable

from msgspec.structs import replace

from domain.content import Engagement, Happening, Person, PlatformEvent, Remark, RemarkKind, Text
from platforms.base import RawEntry
from platforms.instagram.normalise import author
from platforms.meta import signed_request
from platforms.meta.captions import caption_text
from platforms.meta.messages import message_event, remarked
from platforms.wire import Json, NotJson, count_at, decode, id_at, mapping, moment_at, packed, text_at


def parse(entry: RawEntry) -> PlatformEvent:
    try:
        happening = decode(entry.raw)
    except NotJson:
        happening = {}
    blank = PlatformEvent(
        entry.external_id, entry.event_id, Happening.OTHER, occurred_at=moment_at(happening, "time")
    )
    reader = _READERS.get(text_at(happening, "field") or "")
    return blank if reader is None else reader(blank, mapping(happening, "value"))


def _comment(blank: PlatformEvent, value: Json) -> PlatformEvent:
    comment_id = id_at(value, "id", "comment_id")
    if comment_id is None:
        return blank
    writer = author(value)
    if id_at(mapping(value, "from"), "self_ig_scoped_id"):
        # The account's own comment comes under a scoped id: named by the id everything else uses.
        writer = replace(writer, external_id=blank.external_id)
    content_id = id_at(mapping(value, "media"), "id")
    parent_id = id_at(value, "parent_id")
    words = Remark(
        external_id=comment_id,
        kind=RemarkKind.COMMENT,
        author=writer,
        text=caption_text(text_at(value, "text") or ""),
        payload=packed(value),
        content_id=content_id,
        parent_id=parent_id if parent_id != content_id else None,
        at=blank.occurred_at,
    )
    return remarked(blank, words)


def _mention(blank: PlatformEvent, value: Json) -> PlatformEvent:
    """Only ids: in a comment, or without `comment_id` in a caption. Words and author must be read."""
    media_id = id_at(value, "media_id")
    mention_id = id_at(value, "comment_id") or media_id
    if mention_id is None:
        return blank
    words = Remark(
        external_id=mention_id,
        kind=RemarkKind.MENTION,
        author=Person(external_id=""),
        text=Text(),
        payload=packed(value),
        content_id=media_id,
        at=blank.occurred_at,
    )
    return remarked(blank, words)


def _story_insights(blank: PlatformEvent, value: Json) -> PlatformEvent:
    """Sent once, when the story ends; -1 stands for "fewer than five viewers"."""
    media_id = id_at(value, "media_id")
    if media_id is None:
        return blank
    totals = Engagement(comments=count_at(value, "replies"), views=count_at(value, "impressions"))
    return replace(blank, what=Happening.TOTALS, subject_id=media_id, content_id=media_id, totals=totals)


def _deauthorize(blank: PlatformEvent, _value: Json) -> PlatformEvent:
    """The person removed the app in Instagram's settings (made of a callback, not sent as a webhook)."""
    return replace(blank, what=Happening.ACCESS_REVOKED)


_READERS: dict[str, Callable[[PlatformEvent, Json], PlatformEvent]] = {
    "comments": _comment,
    "live_comments": _comment,
    signed_request.FIELD: _deauthorize,
    "mentions": _mention,
    "messaging": message_event,
    "story_insights": _story_insights,
}
