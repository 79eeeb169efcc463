"""What an app wants published, read and checked, and how far it is."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.apps import PlatformApp
from sandbox.tiktok import errors
from sandbox.tiktok.errors import Refused
from sandbox.world import Content, Profile

MEGABYTE = 1_000_000  # decimal or binary is unconfirmed: what fits both is taken
VIDEO_BYTES_AT_MOST = 4_000 * MEGABYTE
IMAGE_BYTES_AT_MOST = 20 * MEGABYTE
_CHUNK = (5 * MEGABYTE, 64 * MEGABYTE)
_LAST_CHUNK_AT_MOST = 128 * MEGABYTE
_TITLE_AT_MOST, _PHOTO_TITLE_AT_MOST, _DESCRIPTION_AT_MOST = 2200, 90, 4000
_PHOTOS_AT_MOST = 35
_FLAGS = (
    "disable_duet",
    "disable_stitch",
    "disable_comment",
    "brand_content_toggle",
    "brand_organic_toggle",
    "is_aigc",
    "auto_add_music",
)


@dataclass(slots=True)
class Wish:
    direct: bool
    photo: bool
    text: str
    privacy: str | None  # None: the creator decides, in the app
    addresses: list[str]  # to pull from; empty: uploaded
    size: int = 0
    chunk: int = 0
    count: int = 0


@dataclass(slots=True)
class Task:
    publish_id: str
    account: Profile
    app: PlatformApp
    wish: Wish
    status: str = ""
    fail_reason: str | None = None
    received: int = 0
    head: bytes = b""
    digest: Any = field(default_factory=hashlib.sha256)
    upload_until_ms: int = 0
    done_ms: int | None = None
    published_ms: int | None = None
    becomes_public_ms: int | None = None
    public: bool = False
    pending_draft: bool = False
    content: Content | None = None

    def __post_init__(self) -> None:
        self.status = "PROCESSING_DOWNLOAD" if self.wish.addresses else "PROCESSING_UPLOAD"

    @property
    def publish_type(self) -> str:
        """Only INBOX_SHARE is documented."""
        return "DIRECT_POST" if self.wish.direct else "INBOX_SHARE"

    def take(self, data: bytes) -> None:
        self.head = self.head or data[:16]
        self.received += len(data)
        self.digest.update(data)

    def fingerprint(self) -> str:
        return str(self.digest.hexdigest())

    def wrong_format(self) -> str | None:
        """A picture must be JPEG or WebP; a film must not plainly be something else: the sandbox decodes
        nothing."""
        if self.wish.photo:
            good = self.head.startswith((b"\xff\xd8", b"RIFF"))
        else:
            good = not self.head.lstrip().startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"<", b"{"))
        return None if good else "file_format_check_failed"


def read_video(body: dict[str, Any], levels: tuple[str, ...], direct: bool) -> Wish:
    info = _object(body, "post_info") if direct else {}
    text = _text(info, "title", _TITLE_AT_MOST)
    privacy = _privacy(info, levels) if direct else None
    _flags(info)
    source = _object(body, "source_info")
    kind = source.get("source")
    if kind == "PULL_FROM_URL":
        return Wish(direct, False, text, privacy, [_address(source.get("video_url"))])
    if kind != "FILE_UPLOAD":
        raise _wrong("source must be FILE_UPLOAD or PULL_FROM_URL")
    size, chunk, count = (source.get(n) for n in ("video_size", "chunk_size", "total_chunk_count"))
    if type(size) is not int or type(chunk) is not int or type(count) is not int:
        raise _wrong("video_size, chunk_size and total_chunk_count must be int64")
    _check_chunks(size, chunk, count)
    return Wish(direct, False, text, privacy, [], size, chunk, count)


def read_photos(body: dict[str, Any], levels: tuple[str, ...]) -> Wish:
    if body.get("media_type") != "PHOTO" or body.get("post_mode") not in ("DIRECT_POST", "MEDIA_UPLOAD"):
        raise _wrong("media_type must be PHOTO, post_mode DIRECT_POST or MEDIA_UPLOAD")
    direct = body["post_mode"] == "DIRECT_POST"
    info, source = _object(body, "post_info"), _object(body, "source_info")
    title = _text(info, "title", _PHOTO_TITLE_AT_MOST)
    description = _text(info, "description", _DESCRIPTION_AT_MOST)
    privacy = _privacy(info, levels) if direct else None
    _flags(info)
    images, cover = source.get("photo_images"), source.get("photo_cover_index", 0)
    if source.get("source") != "PULL_FROM_URL":
        raise _wrong("photos are pulled: source must be PULL_FROM_URL")
    if not isinstance(images, list) or not 1 <= len(images) <= _PHOTOS_AT_MOST:
        raise _wrong("photo_images must hold 1 to 35 addresses")
    if type(cover) is not int or not 0 <= cover < len(images):
        raise _wrong("photo_cover_index must be the index of a photo")
    text = "\n".join(filter(None, (title, description)))
    return Wish(direct, True, text, privacy, [_address(image) for image in images])


async def fetch(task: Task, client: httpx.AsyncClient) -> str | None:
    """Pull what the app pointed at, really; why that failed, or None. Redirects are not followed."""
    failed = "photo_pull_failed" if task.wish.photo else "video_pull_failed"
    most = IMAGE_BYTES_AT_MOST if task.wish.photo else VIDEO_BYTES_AT_MOST
    for address in task.wish.addresses:
        task.head, size = b"", 0
        try:
            async with client.stream("GET", address) as answer:
                if answer.status_code != 200:
                    return failed
                async for data in answer.aiter_bytes():
                    task.take(data)
                    size += len(data)
                    if size > most:
                        return "file_format_check_failed" if task.wish.photo else failed
        except (httpx.HTTPError, httpx.InvalidURL):
            return failed
        if not size or task.wrong_format():
            return "file_format_check_failed"
    return None


def _check_chunks(size: int, chunk: int, count: int) -> None:
    if not 0 < size <= VIDEO_BYTES_AT_MOST:
        raise _wrong("video_size is out of range")
    if count != max(size // chunk if chunk > 0 else 0, 1) or count > 1000:
        raise _wrong("The total chunk count is invalid")
    if size < _CHUNK[0]:
        good = chunk == size
    else:
        last = size - chunk * (count - 1)
        good = _CHUNK[0] <= chunk <= _CHUNK[1] and chunk <= size and last <= _LAST_CHUNK_AT_MOST
    if not good:
        raise _wrong("The chunk size is invalid")


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    if not isinstance(found, dict):
        raise _wrong(f"{name} is required")
    return found


def _text(info: dict[str, Any], name: str, most: int) -> str:
    """Lengths count UTF-16 units."""
    found = info.get(name, "")
    if not isinstance(found, str) or len(found.encode("utf-16-le")) // 2 > most:
        raise _wrong(f"{name} must be a text of at most {most} UTF-16 units")
    return found


def _privacy(info: dict[str, Any], levels: tuple[str, ...]) -> str:
    found = info.get("privacy_level")
    if found is None:
        raise _wrong("privacy_level is required")
    if found not in levels:
        message = "privacy_level is not among the creator's options."
        raise Refused(errors.refusal("privacy_level_option_mismatch", message))
    return str(found)


def _flags(info: dict[str, Any]) -> None:
    for name in _FLAGS:
        if not isinstance(info.get(name, False), bool):
            raise _wrong(f"{name} must be a boolean")


def _address(found: object) -> str:
    if not isinstance(found, str) or not found.startswith("https://"):
        raise _wrong("media is pulled from an https address")
    return found


def _wrong(message: str) -> Refused:
    return Refused(errors.refusal("invalid_param", f"{message}."))
