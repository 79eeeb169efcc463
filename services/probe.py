"""What a media file is, measured from its bytes and never believed from its name."""

import asyncio
from dataclasses import dataclass
from typing import Any

import av
from av.error import FFmpegError
from PIL import Image, UnidentifiedImageError

from domain.content import MediaKind
from domain.errors import Invalid

_IMAGES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}
_VIDEOS = (
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("matroska", "video/x-matroska"),
    ("avi", "video/avi"),
)
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Measured:
    kind: MediaKind
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    codec: str | None = None
    frames_per_s: float | None = None


async def probe(file: Any) -> Measured:
    """`file`: seekable and readable. Reads headers, not the whole. Invalid for what is neither a picture
    nor a video."""
    return await asyncio.to_thread(_probe, file)


def _probe(file: Any) -> Measured:
    try:
        # Only the header is read: a picture that would unpack to gigabytes is never unpacked.
        with Image.open(file) as image:
            if image.format in _IMAGES:
                kind = MediaKind.GIF if image.format == "GIF" else MediaKind.IMAGE
                return Measured(kind, _IMAGES[image.format], image.width, image.height)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        pass
    file.seek(0)
    try:
        with av.open(file, mode="r", metadata_errors="replace") as container:
            return _video(container, file)
    except (FFmpegError, ValueError, OSError, IndexError):
        raise Invalid(
            "media_unreadable", "The file is neither a picture nor a video.", field="file"
        ) from None


def _video(container: Any, file: Any) -> Measured:
    stream = container.streams.video[0]
    names = container.format.name
    content_type = next((type_ for name, type_ in _VIDEOS if name in names), None)
    if content_type is None or not stream.width:
        raise ValueError("not a film")  # FFmpeg takes the head of a picture for one
    if content_type == "video/mp4":
        file.seek(0)
        content_type = "video/quicktime" if file.read(12)[8:12] == b"qt  " else content_type
    elif content_type == "video/x-matroska" or content_type == "video/webm":
        file.seek(0)
        content_type = "video/webm" if b"webm" in bytes(file.read(_HEAD)) else "video/x-matroska"
    rate = stream.average_rate
    duration = container.duration
    return Measured(
        MediaKind.VIDEO,
        content_type,
        stream.width or None,
        stream.height or None,
        round(duration / 1000) if duration else None,  # microseconds
        stream.codec_context.name,
        float(rate) if rate else None,
    )
