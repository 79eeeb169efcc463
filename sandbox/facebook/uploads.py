"""Videos on their way to Facebook: sessions, the bytes that arrived, and how far each is processed."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso_offset
from sandbox.world import Content, Profile

PROCESSING_MS = 1000
SESSION_MS = 24 * 3_600_000


@dataclass(slots=True)
class Upload:
    """`kind` is what it will become: video, reel or story."""

    video_id: str
    kind: str
    page: Profile
    size: int | None
    started_ms: int
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256, repr=False)
    done_ms: int | None = None
    finished_ms: int | None = None
    content: Content | None = None
    broken: bool = False

    def take(self, piece: bytes, now_ms: int) -> None:
        if not self.received and not _is_film(piece):
            self.broken = True
        self.digest.update(piece)
        self.received += len(piece)
        if self.size is None or self.received >= self.size:
            self.done_ms = now_ms

    def ready(self, now_ms: int) -> bool:
        return self.done_ms is not None and not self.broken and now_ms >= self.done_ms + PROCESSING_MS

    def status(self, now_ms: int) -> dict[str, Any]:
        """`status` of a video node; the field is really spelled `bytes_transfered`."""
        if self.broken:
            word, processing = (
                "error",
                {"status": "error", "errors": [{"code": 1363026, "message": "Format"}]},
            )
        elif self.done_ms is None:
            expired = now_ms >= self.started_ms + SESSION_MS
            word, processing = "expired" if expired else "uploading", {"status": "not_started"}
        elif self.ready(now_ms):
            word, processing = "ready" if self.content else "upload_complete", {"status": "complete"}
        else:
            word, processing = "processing", {"status": "in_progress"}
        uploading: dict[str, Any] = {"status": "complete" if self.done_ms else "in_progress"}
        if self.done_ms is None:
            uploading["bytes_transfered"] = self.received
        publishing: dict[str, Any] = {"status": "not_started"}
        if self.finished_ms is not None:
            publishing = {"status": "in_progress", "publish_status": "scheduled"}
        if self.content is not None:
            publishing = {
                "status": "complete",
                "publish_status": "published",
                "publish_time": iso_offset(self.content.created_ms),
            }
        return {
            "video_status": word,
            "uploading_phase": uploading,
            "processing_phase": processing,
            "publishing_phase": publishing,
        }


def is_picture(data: bytes) -> bool:
    """By its first bytes: JPEG, PNG, GIF, BMP or TIFF."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"))


def _is_film(first: bytes) -> bool:
    """MP4 and MOV tell `ftyp` (or an older atom) behind the first length."""
    return first[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
