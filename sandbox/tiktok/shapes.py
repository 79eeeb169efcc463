"""Users and videos by the fields asked for. Source: developers.tiktok.com "User object", "Video object"."""

from typing import Any

from sandbox.clock import DAY_MS
from sandbox.ids import secret
from sandbox.tiktok import errors
from sandbox.tiktok.errors import Refused
from sandbox.world import Content, Profile, World

CAPTION_AT_MOST = 150
_COVER_LIFETIME_S = 6 * 3600

USER_FIELDS = {
    "user.info.basic": (
        "open_id",
        "union_id",
        "avatar_url",
        "avatar_url_100",
        "avatar_large_url",
        "display_name",
    ),
    "user.info.profile": (
        "bio_description",
        "profile_deep_link",
        "profile_web_link",
        "is_verified",
        "username",
    ),
    "user.info.stats": ("follower_count", "following_count", "likes_count", "video_count"),
}
VIDEO_FIELDS = frozenset(
    {
        "id",
        "create_time",
        "cover_image_url",
        "share_url",
        "video_description",
        "duration",
        "height",
        "width",
        "title",
        "embed_html",
        "embed_link",
        "like_count",
        "comment_count",
        "share_count",
        "view_count",
    }
)


def user(world: World, account: Profile, wanted: list[str], scopes: frozenset[str]) -> dict[str, Any]:
    scope_of = {field: scope for scope, fields in USER_FIELDS.items() for field in fields}
    for field in wanted:
        if field not in scope_of:
            raise Refused(errors.refusal("invalid_params", f"Field {field} does not exist."))
        if scope_of[field] not in scopes:
            message = f"The user did not authorize the scope required for {field}."
            raise Refused(errors.refusal("scope_not_authorized", message))
    public = [c for c in world.timeline("tiktok", account.id) if is_public(c)]
    avatar = f"https://p16-sign.tiktokcdn.com/{account.username}"
    shown: dict[str, Any] = {
        "open_id": account.id,
        "union_id": secret(36, account.id, "union"),
        "avatar_url": f"{avatar}.jpeg",
        "avatar_url_100": f"{avatar}_100.jpeg",
        "avatar_large_url": f"{avatar}_720.jpeg",
        "display_name": account.name,
        "bio_description": account.bio,
        "profile_deep_link": f"https://vm.tiktok.com/{secret(9, account.id, 'deep')}/",
        "profile_web_link": f"https://www.tiktok.com/@{account.username}",
        "is_verified": account.verified,
        "username": account.username,
        "follower_count": account.followers,
        "following_count": account.following,
        "likes_count": sum(c.metrics["likes"] for c in public),
        "video_count": len(public),
    }
    return {field: shown[field] for field in wanted}


def video(world: World, content: Content, wanted: list[str], now_ms: int) -> dict[str, Any]:
    author = world.people["tiktok", content.author_id]
    film = content.media[0]
    expires = now_ms // 1000 + _COVER_LIFETIME_S
    page = f"https://www.tiktok.com/static/profile-video?id={content.id}"
    shown: dict[str, Any] = {
        "id": content.id,
        "create_time": content.created_ms // 1000,
        "cover_image_url": f"{film.preview_url or film.url}?x-expires={expires}",
        "share_url": f"https://www.tiktok.com/@{author.username}/{content.kind}/{content.id}",
        "video_description": content.text[:CAPTION_AT_MOST],
        "duration": (film.duration_ms or 0) // 1000,
        "height": film.height,
        "width": film.width,
        "title": content.text[:CAPTION_AT_MOST],
        "embed_html": f'<blockquote class="tiktok-embed" data-video-id="{content.id}"></blockquote>',
        "embed_link": page,
        "like_count": content.metrics["likes"],
        "comment_count": content.metrics["comments"],
        "share_count": content.metrics["shares"],
        "view_count": content.metrics["views"],
    }
    return {field: shown[field] for field in wanted}


def is_public(content: Content) -> bool:
    return not content.deleted and not content.hidden


def day_of(moment_ms: int) -> int:
    """The start of the UTC day."""
    return moment_ms // DAY_MS * DAY_MS
