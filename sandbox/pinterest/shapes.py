"""Accounts, boards and Pins as Pinterest shows them. Source: Pinterest's OpenAPI document 5.23.0."""

from datetime import UTC, datetime
from typing import Any

from sandbox.ids import hexadecimal
from sandbox.pinterest.boards import Board, Boards
from sandbox.world import Content, Media, Profile, World

PROCESSING_MS = 2000  # a film's own numbers are null for so long after the Pin was made
_SIZES = {"150x150": (150, 150), "400x300": (400, 300), "600x": (600, None), "1200x": (1200, None)}
_CREATIVE = {"image": "REGULAR", "video": "VIDEO", "carousel": "CAROUSEL"}
_IMAGES = "https://i.pinimg.com"


def moment(at_ms: int) -> str:
    """Without a zone; it is UTC (that the wire has no zone is second-hand)."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def account(world: World, boards: Boards, profile: Profile) -> dict[str, Any]:
    pins = [c for c in world.timeline("pinterest", profile.id) if not c.deleted]
    return {
        "account_type": "BUSINESS",
        "id": profile.id,
        "username": profile.username,
        "business_name": profile.name,
        "about": profile.bio,
        "profile_image": f"{_IMAGES}/280x280_RS/{profile.username}.jpg",
        "website_url": profile.website,
        "board_count": len(boards.of(profile)),
        "pin_count": len(pins),
        "follower_count": profile.followers,
        "following_count": profile.following,
        "monthly_views": sum(c.metrics["views"] for c in pins) // 3,
    }


def board(world: World, owner: Profile, shown: Board) -> dict[str, Any]:
    pins = [c for c in world.timeline("pinterest", owner.id) if on_board(c, shown.id)]
    pins.reverse()
    thumbnails = [f"{_IMAGES}/150x150/{picture(c.media[0])}" for c in pins[:4]]
    return {
        "id": shown.id,
        "name": shown.name,
        "description": shown.description,
        "privacy": shown.privacy,
        "owner": {"username": owner.username},
        "pin_count": len(pins),
        "follower_count": shown.followers,
        "collaborator_count": 0,
        "is_ads_only": shown.ads_only,
        "created_at": moment(shown.created_ms),
        "board_pins_modified_at": moment(pins[0].created_ms if pins else shown.created_ms),
        "media": {
            "image_cover_url": f"{_IMAGES}/400x300/{picture(pins[0].media[0])}" if pins else None,
            "pin_thumbnail_urls": thumbnails,
        },
    }


def pin(owner: Profile, shown: Content, now_ms: int, metrics: bool) -> dict[str, Any]:
    facts = shown.facts
    return {
        "id": shown.id,
        "created_at": moment(shown.created_ms),
        "link": facts.get("link"),
        "title": shown.title or None,
        "description": shown.text or None,
        "alt_text": facts.get("alt_text"),
        "dominant_color": f"#{hexadecimal(6, shown.id, 'color').upper()}",
        "board_id": facts["board_id"],
        "board_section_id": None,
        "board_owner": {"username": owner.username},
        "parent_pin_id": facts.get("parent_pin_id"),
        "is_owner": True,
        "is_standard": True,
        "has_been_promoted": False,
        "creative_type": _CREATIVE[shown.kind],
        "media": _media(shown, now_ms),
        "pin_metrics": _metrics(shown) if metrics else None,
    }


def on_board(content: Content, board_id: str) -> bool:
    return not content.deleted and content.facts.get("board_id") == board_id


def picture(medium: Media) -> str:
    """Name of the picture, or of a film's cover."""
    return medium.preview_url or medium.url


def clicks(content: Content) -> dict[str, int]:
    """Derived from what is counted, so that every place tells the same."""
    views = content.metrics["views"]
    return {"pin_click": views // 30, "clickthrough": views // 80}


def _metrics(content: Content) -> dict[str, dict[str, int]]:
    seen = {"impression": content.metrics["views"], **clicks(content)}
    social = {"reaction": content.metrics["likes"], "comment": content.metrics["comments"]}
    return {"90d": seen, "lifetime_metrics": {**seen, "save": content.metrics["saves"], **social}}


def _media(content: Content, now_ms: int) -> dict[str, Any]:
    if content.kind == "video":
        film = content.media[0]
        ready = now_ms >= content.created_ms + PROCESSING_MS
        return {
            "media_type": "video",
            "images": _sizes(film),
            "cover_image_url": f"{_IMAGES}/1200x/{picture(film)}",
            "duration": film.duration_ms if ready else None,
            "width": film.width if ready else None,
            "height": film.height if ready else None,
            "video_url": None,  # only for some apps
        }
    if content.kind == "carousel":
        slots = content.facts.get("slots") or [{} for _ in content.media]
        items = [
            {
                "item_type": "image",
                "images": _sizes(medium),
                "title": slot.get("title"),
                "description": slot.get("description"),
                "link": slot.get("link"),
            }
            for medium, slot in zip(content.media, slots, strict=True)
        ]
        return {"media_type": "multiple_images", "items": items}
    return {"media_type": "image", "images": _sizes(content.media[0])}


def _sizes(medium: Media) -> dict[str, Any]:
    sizes = {}
    for name, (width, height) in _SIZES.items():
        fitting = height or width * medium.height // medium.width
        url = f"{_IMAGES}/{name}/{picture(medium)}"
        sizes[name] = {"width": width, "height": fitting, "url": url}
    return sizes
