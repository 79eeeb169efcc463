"""Posts, reels, stories, comments and pages of Facebook as Rookery's content. Never raises for odd values;
what has no id is None. Source: docs/graph-api/reference/{post,page,comment,video,story-attachment},
docs/page-stories-api.
"""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import replace

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
    Text,
)
from platforms.meta.captions import caption_text
from platforms.wire import (
    Json,
    account_id_at,
    clean,
    count_at,
    flag_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

COMMENT_FIELDS = (
    "id,message,from,created_time,parent{id},object{id},like_count,attachment,message_tags,is_hidden"
)
POST_FIELDS = (
    "id,message,story,created_time,updated_time,from,permalink_url,full_picture,status_type,is_published,"
    "parent_id,message_tags,shares,attachments{media_type,type,title,description,url,unshimmed_url,media,target,"
    "subattachments},reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count)"
)
REEL_FIELDS = (
    "id,post_id,description,title,created_time,updated_time,permalink_url,picture,source,length,"
    "likes.limit(0).summary(total_count),comments.limit(0).summary(total_count)"
)
PAGE_FIELDS = "id,name,username,about,followers_count,fan_count,picture{url},verification_status"

_SHIM_HOSTS = ("l.facebook.com", "lm.facebook.com")
_STATUS_KINDS = {"added_photos": ContentKind.PHOTO, "added_video": ContentKind.VIDEO}


def post_item(post: Json) -> ContentItem | None:
    post_id = id_at(post, "id")
    if post_id is None:
        return None
    attachments = list(objects(mapping(post, "attachments"), "data"))
    return ContentItem(
        external_id=post_id,
        kind=_kind(post, attachments),
        text=_post_text(post, attachments),
        payload=packed(post),
        media=tuple(_media(attachments)),
        published_at=moment_at(post, "created_time"),
        permalink=words_at(post, "permalink_url"),
        engagement=Engagement(
            likes=_total(post, "reactions"),
            comments=_total(post, "comments"),
            shares=count_at(mapping(post, "shares"), "count"),
        ),
    )


def reel_item(page_id: str, reel: Json) -> ContentItem | None:
    """By the id of its post, which is how webhooks and the feed name the same reel; by the video's id where
    Facebook does not tell the post."""
    video_id = id_at(reel, "id")
    if video_id is None:
        return None
    post_id = id_at(reel, "post_id")
    if post_id is not None and "_" not in post_id:
        post_id = f"{page_id}_{post_id}"
    video = Media(
        kind=MediaKind.VIDEO,
        url=words_at(reel, "source"),
        preview_url=words_at(reel, "picture"),
        duration_ms=_milliseconds(reel.get("length")),
        platform_id=video_id,
    )
    return ContentItem(
        external_id=post_id or video_id,
        kind=ContentKind.REEL,
        text=caption_text(text_at(reel, "description") or ""),
        payload=packed(reel),
        media=(video,),
        published_at=moment_at(reel, "created_time"),
        permalink=absolute(words_at(reel, "permalink_url")),
        engagement=Engagement(likes=_total(reel, "likes"), comments=_total(reel, "comments")),
    )


def story_item(story: Json) -> ContentItem | None:
    post_id = id_at(story, "post_id", "id")
    if post_id is None:
        return None
    is_video = (text_at(story, "media_type") or "").lower() == "video"
    return ContentItem(
        external_id=post_id,
        kind=ContentKind.STORY,
        text=Text(),
        payload=packed(story),
        media=(
            Media(
                MediaKind.VIDEO if is_video else MediaKind.IMAGE,
                url=words_at(story, "media_url"),
                platform_id=id_at(story, "media_id"),
            ),
        ),
        published_at=moment_at(story, "creation_time", "created_time"),
        permalink=words_at(story, "url"),
    )


def comment_remark(comment: Json, post_id: str | None, kind: RemarkKind) -> Remark | None:
    """A comment, or a post of somebody else that tags the page. `post_id`: where it was made, if known."""
    remark_id = id_at(comment, "id", "comment_id")
    if remark_id is None:
        return None
    parent = id_at(mapping(comment, "parent"), "id")
    return Remark(
        external_id=remark_id,
        kind=kind,
        author=author(comment),
        text=tagged_text(text_at(comment, "message") or "", comment, "message_tags"),
        payload=packed(comment),
        content_id=post_id,
        parent_id=parent if parent != post_id else None,
        at=moment_at(comment, "created_time"),
    )


def author(row: Json) -> Person:
    """Facebook leaves `from` out where the person's privacy or the token asks for it: the id is empty
    then."""
    source = mapping(row, "from")
    return Person(
        external_id=id_at(source, "id") or id_at(row, "sender_id") or "",
        name=words_at(source, "name") or words_at(row, "sender_name"),
    )


def profile(page: Json) -> Profile | None:
    page_id, name = account_id_at(page, "id"), words_at(page, "name")
    if page_id is None or name is None:
        return None
    return Profile(
        external_id=page_id,
        username=words_at(page, "username") or name,  # a page needs no user name
        display_name=name,
        follower_count=count_at(page, "followers_count", "fan_count"),
        profile_image_url=words_at(mapping(page, "picture", "data"), "url"),
        bio=words_at(page, "about") or "",
        is_verified=text_at(page, "verification_status") in ("blue_verified", "gray_verified"),
    )


def tagged_text(words: str, row: Json, key: str) -> Text:
    """Facebook says what is a mention: `@name` alone is none, and a tag needs no sign."""
    text = caption_text(words)
    names = (words_at(tag, "name") for tag in _tags(row, key) if text_at(tag, "type") != "hashtag")
    return replace(text, mentions=tuple(dict.fromkeys(name for name in names if name)))


def _tags(row: Json, key: str) -> Iterator[Json]:
    """A list, or in older answers lists by offset."""
    yield from objects(row, key)
    by_offset = mapping(row, key)
    for offset in by_offset:
        yield from objects(by_offset, offset)


def _post_text(post: Json, attachments: list[Json]) -> Text:
    text = tagged_text(text_at(post, "message") or "", post, "message_tags")
    shared = [_link(attachment) for attachment in attachments if _is_link(attachment)]
    return replace(text, links=tuple(dict.fromkeys((*text.links, *(link for link in shared if link)))))


def _kind(post: Json, attachments: list[Json]) -> ContentKind:
    first = attachments[0] if attachments else {}
    media_type = (text_at(first, "media_type") or text_at(first, "type") or "").lower()
    addresses = (text_at(mapping(first, "target"), "url"), text_at(first, "url"))
    if any("/reel/" in address for address in addresses if address):
        return ContentKind.REEL
    if media_type == "album" and len(list(_parts(first))) > 1:
        return ContentKind.CAROUSEL
    if media_type in ("photo", "album", "cover_photo", "profile_media"):
        return ContentKind.PHOTO
    if media_type.startswith("video"):
        return ContentKind.VIDEO
    if attachments:
        return ContentKind.POST
    return _STATUS_KINDS.get(text_at(post, "status_type") or "", ContentKind.POST)


def _media(attachments: list[Json]) -> Iterator[Media]:
    for attachment in attachments:
        for part in list(_parts(attachment)) or [attachment]:
            medium = _medium(part)
            if medium is not None:
                yield medium


def _medium(part: Json) -> Media | None:
    media = mapping(part, "media")
    image = mapping(media, "image")
    kind = (text_at(part, "media_type") or text_at(part, "type") or "").lower()
    picture, video = words_at(image, "src"), words_at(media, "source")
    if kind.startswith("video") or video is not None:
        found, preview = MediaKind.VIDEO, picture
    elif _is_link(part) or picture is None:
        return None  # the picture of somebody else's page
    else:
        found, video, preview = MediaKind.IMAGE, picture, None
    return Media(
        kind=found,
        url=video,
        preview_url=preview,
        width=count_at(image, "width"),
        height=count_at(image, "height"),
        alt_text=words_at(part, "alt_text"),
        platform_id=id_at(mapping(part, "target"), "id"),
    )


def _parts(attachment: Json) -> Iterator[Json]:
    return objects(mapping(attachment, "subattachments"), "data")


def _is_link(attachment: Json) -> bool:
    return text_at(attachment, "media_type") == "link" or text_at(attachment, "type") == "share"


def _link(attachment: Json) -> str | None:
    """Where a shared link leads, without Facebook's own redirect around it."""
    link = words_at(attachment, "unshimmed_url") or words_at(attachment, "url")
    if link is None:
        return None
    try:
        parts = urlsplit(link)
        inner = parse_qs(parts.query).get("u", [])
    except ValueError:
        return None
    return clean(inner[0]) if parts.hostname in _SHIM_HOSTS and inner else link


def _total(row: Json, edge: str) -> int | None:
    counted = mapping(row, edge)
    total = count_at(mapping(counted, "summary"), "total_count")
    return total if total is not None else count_at(counted, "count")


def _milliseconds(seconds: object) -> int | None:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 10**9:
        return int(seconds * 1000)
    return None


def absolute(link: str | None) -> str | None:
    """Videos tell their address without the host."""
    return f"https://www.facebook.com{link}" if link and link.startswith("/") else link


def is_public(post: Json) -> bool:
    """Lists can hold scheduled posts and drafts; a missing word means that it is out."""
    return "is_published" not in post or flag_at(post, "is_published")
