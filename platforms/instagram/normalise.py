"""Instagram media, comments and accounts as Rookery's content. Never raises for odd values; what has no id is
None. Source: IGP/reference/instagram-media, IGP/instagram-graph-api/reference/{ig-user,ig-comment}.
"""

from domain.content import (
    ContentItem,
    ContentKind,
    Engagement,
    Media,
    MediaKind,
    Person,
    Profile,
    Remark,
    RemarkKind,
)
from platforms.meta.captions import caption_text
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

_MEDIA_KINDS = {"IMAGE": MediaKind.IMAGE, "VIDEO": MediaKind.VIDEO}
_KINDS = {
    "IMAGE": ContentKind.PHOTO,
    "VIDEO": ContentKind.VIDEO,
    "CAROUSEL_ALBUM": ContentKind.CAROUSEL,
    # Names of the publishing side, in case a reading answer uses them.
    "CAROUSEL": ContentKind.CAROUSEL,
    "REELS": ContentKind.REEL,
    "STORIES": ContentKind.STORY,
}


def content_item(media: Json) -> ContentItem | None:
    media_id = id_at(media, "id")
    if media_id is None:
        return None
    children = list(objects(mapping(media, "children"), "data"))
    return ContentItem(
        external_id=media_id,
        kind=_kind(media),
        text=caption_text(text_at(media, "caption") or ""),
        payload=packed(media),
        media=tuple(_medium(child) for child in children or [media]),
        published_at=moment_at(media, "timestamp"),
        permalink=words_at(media, "permalink"),
        engagement=Engagement(
            likes=count_at(media, "like_count"),  # left out when the owner hides likes: not zero
            comments=count_at(media, "comments_count"),
        ),
    )


def comment_remark(row: Json, media_id: str | None, parent_id: str | None = None) -> Remark | None:
    """A comment under a media, or with `parent_id` a reply to one."""
    comment_id = id_at(row, "id")
    if comment_id is None:
        return None
    return Remark(
        external_id=comment_id,
        kind=RemarkKind.COMMENT,
        author=author(row),
        text=caption_text(text_at(row, "text") or ""),
        payload=packed({name: value for name, value in row.items() if name != "replies"}),
        content_id=media_id,
        parent_id=parent_id,
        at=moment_at(row, "timestamp"),
    )


def author(row: Json) -> Person:
    """Who wrote it; the id is empty where Instagram tells only the user name."""
    source = mapping(row, "from")
    return Person(
        external_id=id_at(source, "id") or "",
        username=words_at(source, "username") or words_at(row, "username"),
    )


def profile(document: Json) -> Profile | None:
    """One of Meta's guides wraps the answer in `data[]`. The professional account's id is the one webhooks
    name; the app-scoped id is an alias."""
    user = next(objects(document, "data"), document)
    own, scoped = account_id_at(user, "user_id"), account_id_at(user, "id")
    external_id, username = own or scoped, words_at(user, "username")
    if external_id is None or username is None:
        return None
    return Profile(
        external_id=external_id,
        username=username,
        display_name=words_at(user, "name") or "",
        follower_count=count_at(user, "followers_count"),
        profile_image_url=words_at(user, "profile_picture_url"),
        bio=words_at(user, "biography") or "",
        alias_ids=(scoped,) if scoped is not None and scoped != external_id else (),
    )


def _kind(media: Json) -> ContentKind:
    product = (text_at(media, "media_product_type") or "").upper()
    if product == "STORY":
        return ContentKind.STORY
    if product == "REELS":
        return ContentKind.REEL
    return _KINDS.get((text_at(media, "media_type") or "").upper(), ContentKind.UNKNOWN)


def _medium(media: Json) -> Media:
    return Media(
        kind=_MEDIA_KINDS.get((text_at(media, "media_type") or "").upper(), MediaKind.UNKNOWN),
        url=words_at(media, "media_url"),  # left out for media flagged for copyright
        preview_url=words_at(media, "thumbnail_url"),
        alt_text=words_at(media, "alt_text"),
        platform_id=id_at(media, "id"),
    )
