"""The platforms Rookery knows: one line each."""

from domain.errors import NotFound
from platforms.base import Platform
from platforms.facebook.adapter import Facebook
from platforms.instagram.adapter import Instagram
from platforms.pinterest.adapter import Pinterest
from platforms.tiktok.adapter import Tiktok
from platforms.twitter.adapter import Twitter
from platforms.youtube.adapter import YouTube

PLATFORMS: dict[str, Platform] = {
    "facebook": Facebook(),
    "instagram": Instagram(),
    "pinterest": Pinterest(),
    "tiktok": Tiktok(),
    "twitter": Twitter(),
    "youtube": YouTube(),
}


def get(name: str) -> Platform:
    """The platform of that name; NotFound says which there are."""
    platform = PLATFORMS.get(name)
    if platform is None:
        known = ", ".join(sorted(PLATFORMS))
        raise NotFound(
            "platform_unknown", f"There is no such platform here; known are {known}.", field="platform"
        )
    return platform
