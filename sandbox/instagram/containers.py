"""Containers: what an app wants published, read, checked, and its file really fetched.

Source: Instagram Platform "Content publishing", references ig-user/media, ig-container, error codes. Pictures
are fetched inside of the call, films after it. Megabytes are read as decimal, the narrower way.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.apps import PlatformApp
from sandbox.clock import DAY_MS
from sandbox.instagram import errors
from sandbox.meta.errors import Refused
from sandbox.picture import jpeg_size
from sandbox.world import Content, Profile

CAPTION_AT_MOST, HASHTAGS_AT_MOST, MENTIONS_AT_MOST, ALT_TEXT_AT_MOST = 2200, 30, 20, 1000
CHILDREN = (2, 10)
PICTURE_AT_MOST = 8_000_000
FILM_AT_MOST = {"reel": 300_000_000, "slide": 300_000_000, "story": 100_000_000}
PROCESSING_MS = 2000
TAGS_AT_MOST = 5
_RATIOS = (0.8, 1.91)
_HASHTAG, _MENTION = re.compile(r"#\w"), re.compile(r"@\w")
# Of an atom behind the first length: MP4 and MOV.
_FILM_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free")


@dataclass(slots=True)
class Container:
    """`kind`: image, reel, story, carousel, or slide (an item of a carousel)."""

    id: str
    account: Profile
    app: PlatformApp
    made_ms: int
    kind: str
    film: bool = False
    address: str = ""
    caption: str = ""
    alt_text: str | None = None
    children: list["Container"] = field(default_factory=list)
    size: tuple[int, int] = (1080, 1080)
    digest: str = ""
    product_tags: list[dict[str, Any]] = field(default_factory=list)
    done_ms: int | None = None
    failed: int | None = None  # error subcode
    content: Content | None = None

    def status(self, now_ms: int) -> str:
        if self.content is not None:
            return "PUBLISHED"
        if self.failed is not None:
            return "ERROR"
        if now_ms >= self.made_ms + DAY_MS:
            return "EXPIRED"
        return "FINISHED" if self.done_ms is not None and now_ms >= self.done_ms else "IN_PROGRESS"

    def words(self, now_ms: int) -> str:
        """The field `status`, for people; of an error it holds the subcode."""
        return {
            "PUBLISHED": "Published: Media has been successfully published.",
            "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
            "IN_PROGRESS": "In Progress: Media is still being processed.",
            "EXPIRED": "Expired: The container was not published within 24 hours.",
            "ERROR": f"Error: Media upload has failed with error code {self.failed}",
        }[self.status(now_ms)]

    def fingerprint(self) -> str:
        parts = [self, *self.children]
        return "+".join(f"{part.digest}{part.product_tags or ''}" for part in parts)


def read(form: dict[str, str], container: Container, shops: bool) -> None:
    """Fill the container from the parameters of `POST /{ig}/media`, children apart. Raises Refused.
    `shops`: the caller may tag products."""
    kind, item = form.get("media_type"), form.get("is_carousel_item", "").lower() == "true"
    picture, film = form.get("image_url"), form.get("video_url")
    match kind:
        case None | "IMAGE":
            container.kind, film = "slide" if item else "image", None
        case "VIDEO" if item:
            container.kind, picture = "slide", None
        case "REELS" if not item:
            container.kind, picture = "reel", None
        case "STORIES" if not item:
            container.kind = "story"
        case "CAROUSEL" if not item:
            container.kind, picture, film = "carousel", None, None
        case _:
            raise errors.refused(100, 2207023, f"Media type {kind} is unknown")
    address = film or picture
    if container.kind != "carousel" and not (address or "").startswith(("https://", "http://")):
        name = "video_url" if kind in ("VIDEO", "REELS") else "image_url"
        raise Refused(errors.bad_parameter(f"The parameter {name} is required"))
    container.film, container.address = bool(film), address or ""
    if container.kind not in ("story", "slide"):
        container.caption = _caption(form.get("caption", ""))
    alt_text = form.get("alt_text")
    if alt_text is not None and len(alt_text) > ALT_TEXT_AT_MOST:
        raise Refused(errors.bad_parameter(f"alt_text has at most {ALT_TEXT_AT_MOST} characters"))
    container.alt_text = alt_text if not container.film else None
    _check_people(form, container)
    if "upload_type" in form:
        raise Refused(errors.bad_parameter("The sandbox does not emulate resumable uploads of Instagram"))
    if "product_tags" in form:
        if not shops:
            message = "product_tags is not offered to apps with Instagram Login"
            raise Refused(errors.bad_parameter(message))
        container.product_tags = product_tags(listed(form, "product_tags"), container)


def check_children(children: Sequence[Container | None], now_ms: int) -> list[Container]:
    if not CHILDREN[0] <= len(children) <= CHILDREN[1]:
        raise errors.refused(100, 2207028, "The carousel has a wrong number of children")
    found = [child for child in children if child is not None and child.kind == "slide"]
    if len(found) < len(children):
        raise errors.refused(24, 2207008, "A child of the carousel does not exist")
    if any(child.status(now_ms) != "FINISHED" for child in found):
        raise errors.refused(9007, 2207027, "A child of the carousel is not ready")
    return found


async def fetch(container: Container, client: httpx.AsyncClient) -> tuple[int, int] | None:
    """Get the file; what is wrong with it as code and subcode, or None. Redirects are not followed."""
    digest, size, head = hashlib.sha256(), 0, b""
    most = FILM_AT_MOST[container.kind] if container.film else PICTURE_AT_MOST
    try:
        async with client.stream("GET", container.address) as answer:
            if answer.status_code != 200:
                return 9004, 2207052
            async for data in answer.aiter_bytes():
                digest.update(data)
                size += len(data)
                head = head if container.film and len(head) > 16 else head + data
                if size > most:
                    return (352, 2207026) if container.film else (36000, 2207004)
    except (httpx.HTTPError, httpx.InvalidURL):
        return 9004, 2207052
    container.digest = digest.hexdigest()
    if container.film:
        return None if head[4:8] in _FILM_ATOMS else (352, 2207026)
    found = jpeg_size(head)
    if found is None:
        return 36001, 2207005
    container.size = found
    if container.kind != "story" and not _RATIOS[0] <= found[0] / found[1] <= _RATIOS[1]:
        return 36003, 2207009
    return None


def product_tags(tags: list[Any], container: Container) -> list[dict[str, Any]]:
    """x and y on pictures, none on films. Which of the three subcodes is which is unconfirmed."""
    if container.kind not in ("image", "slide", "reel") or len(tags) > TAGS_AT_MOST:
        raise errors.refused(100, 2207037, "The product tags are not allowed")
    for tag in tags:
        if not isinstance(tag, dict) or not str(tag.get("product_id", "")).isdigit():
            raise errors.refused(100, 2207037, "A product tag names no product")
        places = [tag[side] for side in ("x", "y") if tag.get(side) is not None]
        if container.film and places:
            raise errors.refused(100, 2207036, "A product tag on a video has a place")
        if not container.film and len(places) < 2:
            raise errors.refused(100, 2207035, "A product tag on a picture has no place")
        if not all(isinstance(place, int | float) and 0 <= place <= 1 for place in places):
            raise Refused(errors.bad_parameter("Param product_tags: x and y must be between 0 and 1"))
    return [dict(tag) for tag in tags]


def _caption(text: str) -> str:
    if len(text) > CAPTION_AT_MOST or len(_HASHTAG.findall(text)) > HASHTAGS_AT_MOST:
        raise errors.refused(36004, 2207010, "The caption is too long")
    if len(_MENTION.findall(text)) > MENTIONS_AT_MOST:
        raise errors.refused(100, 2207040, "The caption has too many tags")
    return text


def _check_people(form: dict[str, str], container: Container) -> None:
    """`user_tags` with places on pictures, and `collaborators`."""
    for tag in listed(form, "user_tags"):
        if not isinstance(tag, dict) or not tag.get("username"):
            raise Refused(errors.bad_parameter("user_tags must be a list of username, x and y"))
        places = [tag[side] for side in ("x", "y") if side in tag]
        if container.kind in ("image", "slide") and not container.film and len(places) < 2:
            raise Refused(errors.bad_parameter("user_tags need x and y on pictures"))
        if not all(isinstance(place, int | float) and 0 <= place <= 1 for place in places):
            raise Refused(errors.bad_parameter("Param user_tags: x and y must be between 0 and 1"))
    if len(listed(form, "collaborators")) > 3:
        raise Refused(errors.bad_parameter("collaborators has at most 3 names"))


def listed(form: dict[str, str], name: str) -> list[Any]:
    try:
        found = json.loads(form.get(name) or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise Refused(errors.bad_parameter(f"{name} must be a list"))
    return found
