"""Instagram's objects by the fields asked for. Source: Instagram Platform reference."""

from collections.abc import Callable
from typing import Any

from sandbox.apps import PlatformApp
from sandbox.clock import iso_offset
from sandbox.ids import digits, secret
from sandbox.meta.fields import Wanted, chosen
from sandbox.meta.paging import paging_inside
from sandbox.world import Content, Media, Profile, World

_TYPES = {"image": "IMAGE", "carousel": "CAROUSEL_ALBUM", "reel": "VIDEO", "video": "VIDEO"}
COMMENTS_AT_MOST = 50
# Lists a nested edge of a content, newest first.
Listing = Callable[[Content, int], list[Content]]


def scoped_id(app: PlatformApp, account: Profile) -> str:
    """The app-scoped id (`id`); the professional account's own id is `user_id`. Paths take either."""
    return digits(17, app.id, account.id, "scoped", prefix="24")


def product_type(content: Content) -> str:
    return {"story": "STORY", "reel": "REELS"}.get(content.kind, "FEED")


def shortcode(content: Content) -> str:
    return "D" + secret(10, content.id, "shortcode")


def user(
    world: World, app: PlatformApp, account: Profile, wanted: list[Wanted], resolve: Callable[[Wanted], Any]
) -> dict[str, Any]:
    listed = [c for c in world.timeline("instagram", account.id) if not c.deleted and c.kind != "story"]
    shown: dict[str, Any] = {
        "id": scoped_id(app, account),
        "user_id": account.id,
        "ig_id": int(account.id),
        "username": account.username,
        "name": account.name,
        "biography": account.bio,
        "website": account.website,
        "account_type": account.account_type,
        "followers_count": account.followers,
        "follows_count": account.following,
        "media_count": len(listed),
        "has_profile_pic": True,
        "shopping_product_tag_eligibility": account.account_type == "BUSINESS",
        "is_published": True,
        "profile_picture_url": f"https://scontent.cdninstagram.com/v/{account.id}_p.jpg?oe=sig",
    }
    return chosen(shown, wanted, {"mentioned_media": resolve, "mentioned_comment": resolve})


def media(world: World, content: Content, wanted: list[Wanted]) -> dict[str, Any]:
    first = content.media[0] if content.media else None
    author = world.people["instagram", content.author_id]
    code = shortcode(content)
    kind = "reel" if content.kind == "reel" else "p"
    link = f"https://www.instagram.com/{kind}/{code}/"
    if content.kind == "story":
        link = f"https://www.instagram.com/stories/{author.username}/{content.id}"
    film = first is not None and first.kind == "VIDEO" and content.kind != "carousel"
    shown: dict[str, Any] = {
        "id": content.id,
        "ig_id": content.id,
        "caption": content.text if content.kind != "story" and content.text else None,
        "media_type": _TYPES.get(content.kind) or (first.kind if first else "IMAGE"),
        "media_product_type": product_type(content),
        "media_url": first.url if first else None,
        "thumbnail_url": first.preview_url if first and film else None,
        "permalink": link,
        "shortcode": code,
        "timestamp": iso_offset(content.created_ms),
        "username": author.username,
        "owner": {"id": author.id},
        "like_count": content.metrics["likes"],
        "comments_count": content.metrics["comments"],
        "is_comment_enabled": True,
        "is_shared_to_feed": True if content.kind == "reel" else None,
        "alt_text": first.alt_text if first and content.kind == "image" else None,
        "media_audio_type": "ORIGINAL_SOUND" if content.kind == "reel" else None,
    }
    edges = {
        "children": lambda want: children(world, content, want.inner) if content.kind == "carousel" else None,
        "comments": lambda want: _nested(world, content, want),
    }
    return chosen(shown, wanted, edges)


def child(content: Content, item: Media, world: World, wanted: list[Wanted]) -> dict[str, Any]:
    """One slide of an album: it has no caption, link or insights of its own."""
    shown = {
        "id": item.id,
        "media_type": item.kind,
        "media_url": item.url,
        "thumbnail_url": item.preview_url if item.kind == "VIDEO" else None,
        "alt_text": item.alt_text,
        "timestamp": iso_offset(content.created_ms),
        "username": world.people["instagram", content.author_id].username,
        "owner": {"id": content.author_id},
        "ig_id": item.id,
    }
    return chosen(shown, wanted, {})


def children(world: World, content: Content, inner: list[Wanted] | None) -> dict[str, Any]:
    return {"data": [child(content, item, world, inner or []) for item in content.media]}


def comment(world: World, item: Content, wanted: list[Wanted]) -> dict[str, Any]:
    author = world.people["instagram", item.author_id]
    media_of = world.content.get(("instagram", item.root_id or ""))
    shown: dict[str, Any] = {
        "id": item.id,
        "text": item.text,
        "timestamp": iso_offset(item.created_ms),
        "username": author.username,
        "from": {"id": author.id, "username": author.username},
        "like_count": item.metrics["likes"],
        "hidden": item.hidden,
        "parent_id": item.parent_id if item.parent_id != item.root_id else None,
        "media": {"id": media_of.id, "media_product_type": product_type(media_of)} if media_of else None,
        "user": {"id": author.id} if author.account_type else None,
    }
    return chosen(shown, wanted, {"replies": lambda want: _nested(world, item, want)})


def default_comment() -> list[Wanted]:
    """A comment read without `fields` shows these."""
    return [Wanted("timestamp"), Wanted("text"), Wanted("id")]


def _nested(world: World, content: Content, want: Wanted) -> dict[str, Any] | None:
    """An edge asked for inside `fields`; left out when there is nothing on it."""
    limit = want.arguments.get("limit", "25")
    size = min(int(limit) if limit.isdigit() else 25, COMMENTS_AT_MOST)
    found, more = world.answers("instagram", content.id).older(None, size, lambda c: not c.deleted)
    if not found:
        return None
    address = f"graph.instagram.com/{content.id}/{want.name}"
    paging = paging_inside(address, want.arguments, found[0].key, found[-1].key, more)
    inner = want.inner or default_comment()
    return {"data": [comment(world, item, inner) for item in found], "paging": paging}
