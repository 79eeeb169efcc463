"""Pins, boards and accounts of Pinterest as Rookery's content. Never raises for odd values; what has no id is
None.

Pinterest sends no entities: hashtags, mentions and links are found in the text; where a Pin leads is a field
of its own. Source: PO/ Pin, Board, Account.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from domain.content import ContentItem, ContentKind, Engagement, Media, MediaKind, Profile, Text
from platforms.meta.captions import caption_text
from platforms.pinterest.spec import PIN_PAGE
from platforms.wire import (
    Json,
    account_id_at,
    count_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

_KINDS = {
    "image": ContentKind.PIN,
    "video": ContentKind.VIDEO,
    "multiple_images": ContentKind.CAROUSEL,
    "multiple_videos": ContentKind.CAROUSEL,
    "multiple_mixed": ContentKind.CAROUSEL,
}


def pin(row: Json) -> ContentItem | None:
    pin_id = id_at(row, "id")
    if pin_id is None:
        return None
    shown = mapping(row, "media")
    alt_text = words_at(row, "alt_text")
    return ContentItem(
        external_id=pin_id,
        kind=_KINDS.get(text_at(shown, "media_type") or "", ContentKind.UNKNOWN),
        text=_pin_text(row, shown),
        payload=packed(row),
        media=tuple(replace(m, alt_text=alt_text) for m in _media(shown)),
        published_at=moment_at(row, "created_at"),
        permalink=f"{PIN_PAGE}/{pin_id}/" if pin_id.isdecimal() else None,
        engagement=_engagement(mapping(row, "pin_metrics", "lifetime_metrics")),
    )


def board(row: Json) -> ContentItem | None:
    """A board is content of its own: name and description are its text, its cover the picture."""
    board_id = id_at(row, "id")
    if board_id is None:
        return None
    cover = words_at(mapping(row, "media"), "image_cover_url")
    return ContentItem(
        external_id=board_id,
        kind=ContentKind.BOARD,
        text=caption_text(_joined(text_at(row, "name"), text_at(row, "description"))),
        payload=packed(row),
        media=(Media(MediaKind.IMAGE, url=cover),) if cover else (),
        published_at=moment_at(row, "created_at"),
    )


def profile(row: Json) -> Profile | None:
    external_id = account_id_at(row, "id")
    if external_id is None:
        return None
    username = words_at(row, "username") or external_id
    return Profile(
        external_id=external_id,
        username=username,
        display_name=words_at(row, "business_name") or username,
        follower_count=count_at(row, "follower_count"),
        profile_image_url=words_at(row, "profile_image"),
        bio=words_at(row, "about") or "",
    )


def _pin_text(row: Json, shown: Json) -> Text:
    """Pictures of a carousel may have words and a link of their own."""
    items = list(objects(shown, "items"))
    parts = [row, *items]
    words = [text for part in parts for text in (text_at(part, "title"), text_at(part, "description"))]
    found = caption_text(_joined(*dict.fromkeys(words)))
    own = [link for part in parts if (link := words_at(part, "link"))]
    return replace(found, links=tuple(dict.fromkeys([*own, *found.links])))


def _joined(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part and part.strip())


def _media(shown: Json) -> Iterator[Media]:
    items = list(objects(shown, "items"))
    for item in items or ([shown] if shown else []):
        kind = text_at(item, "item_type", "media_type")
        if kind == "video" or (kind is None and "video_url" in item):
            yield _video(item)
        else:
            yield _image(item)


def _image(item: Json) -> Media:
    size = _largest(mapping(item, "images"))
    known = bool(size) or text_at(item, "media_type", "item_type") == "image"
    return Media(
        kind=MediaKind.IMAGE if known else MediaKind.UNKNOWN,
        url=words_at(size, "url"),
        width=count_at(size, "width"),
        height=count_at(size, "height"),
    )


def _video(item: Json) -> Media:
    """Everything is null while the film is processed; its address is for some apps only."""
    cover = words_at(item, "cover_image_url") or words_at(_largest(mapping(item, "images")), "url")
    return Media(
        kind=MediaKind.VIDEO,
        url=words_at(item, "video_url", "video_url_hls"),
        preview_url=cover,
        width=count_at(item, "width"),
        height=count_at(item, "height"),
        duration_ms=count_at(item, "duration"),
    )


def _largest(images: Json) -> Json:
    """The size with most pixels; 150x150 and 400x300 are cut, so a shape is told by the others."""
    sizes = [size for size in images.values() if isinstance(size, dict)]
    return max(sizes, key=lambda s: (count_at(s, "width") or 0) * (count_at(s, "height") or 0), default={})


def _engagement(numbers: Json) -> Engagement:
    return Engagement(
        likes=count_at(numbers, "reaction"),
        comments=count_at(numbers, "comment"),
        shares=count_at(numbers, "save"),
        views=count_at(numbers, "impression"),
        click_throughs=count_at(numbers, "clickthrough"),
    )
