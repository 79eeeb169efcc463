"""TikTok's videos and users as Rookery's content. Never raises for odd values; what has no id is None.

TikTok sends no entities: hashtags, mentions and links are found in the text. Its user names are made of the
same characters as Instagram's (letters, digits, `_`, `.`, not at the end), so the same rules find them.
Source: TD/tiktok-api-v2-video-object, TD/tiktok-api-v2-get-user-info.
"""

from domain.content import ContentItem, ContentKind, Engagement, Media, MediaKind, Profile
from platforms.meta.captions import caption_text
from platforms.tiktok.spec import OPEN_ID
from platforms.wire import (
    Json,
    account_id_at,
    count_at,
    flag_at,
    id_at,
    moment_at,
    packed,
    text_at,
    words_at,
)

VIDEO_FIELDS = (
    "id,create_time,cover_image_url,share_url,video_description,duration,height,width,title,embed_link,"
    "like_count,comment_count,share_count,view_count"
)
BASIC_FIELDS = "open_id,union_id,avatar_url,avatar_large_url,display_name"
PROFILE_FIELDS = f"{BASIC_FIELDS},bio_description,profile_deep_link,is_verified,username"
STATS_FIELDS = "follower_count,following_count,likes_count,video_count"


def content_item(video: Json) -> ContentItem | None:
    """A video of the account, or a photo post, which only its address tells (unconfirmed)."""
    video_id = id_at(video, "id")
    if video_id is None:
        return None
    address = words_at(video, "share_url")
    photos = address is not None and "/photo/" in address
    # `title` and `video_description` are two cuts of one caption, each of at most 150 characters.
    words = max((text_at(video, name) or "" for name in ("video_description", "title")), key=len)
    return ContentItem(
        external_id=video_id,
        kind=ContentKind.PHOTO if photos else ContentKind.VIDEO,
        text=caption_text(words),
        payload=packed(video),
        media=(_medium(video, video_id, photos),),
        published_at=moment_at(video, "create_time"),
        permalink=address,
        engagement=Engagement(
            likes=count_at(video, "like_count"),
            comments=count_at(video, "comment_count"),
            shares=count_at(video, "share_count"),
            views=count_at(video, "view_count"),
        ),
    )


def profile(user: Json) -> Profile | None:
    """The user name comes with `user.info.profile` alone: without it the display name stands in."""
    external_id = account_id_at(user, "open_id", shape=OPEN_ID)
    if external_id is None:
        return None
    name = words_at(user, "display_name") or ""
    return Profile(
        external_id=external_id,
        username=words_at(user, "username") or name or external_id,
        display_name=name,
        follower_count=count_at(user, "follower_count"),
        profile_image_url=words_at(user, "avatar_large_url", "avatar_url"),
        bio=words_at(user, "bio_description") or "",
        is_verified=flag_at(user, "is_verified"),
    )


def _medium(video: Json, video_id: str, photos: bool) -> Media:
    """TikTok gives no address of the film itself: `embed_link` is a page that plays it."""
    seconds = count_at(video, "duration")
    return Media(
        kind=MediaKind.IMAGE if photos else MediaKind.VIDEO,
        preview_url=words_at(video, "cover_image_url"),  # signed, good for six hours
        width=count_at(video, "width"),
        height=count_at(video, "height"),
        duration_ms=seconds * 1000 if seconds and not photos and seconds < 10**9 else None,
        platform_id=video_id,
    )
