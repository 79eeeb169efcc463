"""Uploads to X: begun, received in segments, finished, processed for a while; or in one call. Bytes are
counted and hashed, not kept."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access, Caller
from sandbox.twitter.errors import Refused
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Media

SEGMENT_AT_MOST = 5 * 1024 * 1024
PROCESSING_MS = 1_500
_KINDS = {"tweet_image": "photo", "tweet_gif": "animated_gif", "tweet_video": "video"}
_PREFIXES = {"photo": "3", "video": "7", "animated_gif": "16"}
_LARGEST = {"photo": 5_000_000, "animated_gif": 15_000_000, "video": 512_000_000}


@dataclass(slots=True)
class Upload:
    id: str
    owner_id: str
    kind: str
    total: int
    segments: dict[int, tuple[int, str]] = field(default_factory=dict)  # index -> size, digest
    ready_ms: int | None = None  # None: not finished
    alt_text: str | None = None

    @property
    def received(self) -> int:
        return sum(size for size, _ in self.segments.values())

    @property
    def fingerprint(self) -> str:
        return "+".join(digest for _, (_, digest) in sorted(self.segments.items()))


class Uploads:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access
        self._known: dict[str, Upload] = {}

    def operations(self) -> list[Operation]:
        op, scopes = self._access.operation, "media.write"
        return [
            op("POST", "/2/media/upload/initialize", self.initialize, scopes=scopes, per_user=1875),
            op("POST", "/2/media/upload/:id/append", self.append, scopes=scopes, per_user=1875),
            op("POST", "/2/media/upload/:id/finalize", self.finalize, scopes=scopes, per_user=1875),
            op("POST", "/2/media/upload", self.at_once, scopes=scopes, per_user=500),
            op("GET", "/2/media/upload", self.status, scopes=scopes, per_user=1000),
            op("POST", "/2/media/metadata", self.metadata, scopes=scopes, per_user=500),
        ]

    def attach(self, ids: list[Any], owner_id: str) -> list[Media]:
        """The finished uploads of a new post; Refused for any that is not the author's or not ready."""
        found = []
        for id_ in ids:
            upload = self._known.get(str(id_))
            ready = upload and upload.ready_ms is not None and upload.ready_ms <= self._state.clock.now_ms()
            if upload is None or upload.owner_id != owner_id or not ready:
                raise Refused(errors.invalid("media.media_ids", str(id_), "Your media IDs are invalid."))
            found.append(upload)
        kinds = {upload.kind for upload in found}
        if len(found) > 4 or len(kinds) > 1 or (len(found) > 1 and kinds != {"photo"}):
            raise Refused(errors.invalid("media.media_ids", "", "Attach 4 photos or 1 GIF or 1 video."))
        return [
            Media(
                id=f"{_PREFIXES[u.kind]}_{u.id}",
                kind=u.kind,
                url=f"https://pbs.twimg.com/media/{u.id}.jpg",
                preview_url=None if u.kind == "photo" else f"https://pbs.twimg.com/thumb/{u.id}.jpg",
                width=1200,
                height=800,
                duration_ms=15_000 if u.kind == "video" else None,
                alt_text=u.alt_text,
            )
            for u in found
        ]

    def fingerprints(self, ids: list[Any]) -> list[str]:
        """What tells the files of a new post from others."""
        return [self._known[str(id_)].fingerprint for id_ in ids if str(id_) in self._known]

    async def at_once(self, call: Call, caller: Caller) -> Reply:
        """`media` and `media_category` in one call."""
        sent = _sent(call)
        category, data = sent.get("media_category", b"").decode("utf-8", "replace"), sent.get("media", b"")
        kind = _KINDS.get(category)
        if kind is None:
            raise Refused(errors.invalid("media_category", category, "unknown category"))
        if not 0 < len(data) <= _LARGEST[kind]:
            raise Refused(errors.invalid("media", "", "File size is out of range."))
        id_ = self._state.world.ids.snowflake(self._state.clock.now_ms())
        upload = self._known[id_] = Upload(id_, caller.owner().id, kind, len(data))
        upload.segments[0] = (len(data), hashlib.sha256(data).hexdigest())
        upload.ready_ms = self._state.clock.now_ms() + (PROCESSING_MS if kind != "photo" else 0)
        return json_reply({"data": self._data(upload)})

    async def initialize(self, call: Call, caller: Caller) -> Reply:
        wish = call.json()
        kind = _KINDS.get(str(wish.get("media_category")))
        total = wish.get("total_bytes")
        if kind is None:
            raise Refused(
                errors.invalid("media_category", str(wish.get("media_category")), "unknown category")
            )
        if not isinstance(total, int) or not 0 < total <= _LARGEST[kind]:
            raise Refused(errors.invalid("total_bytes", str(total), "File size is out of range."))
        id_ = self._state.world.ids.snowflake(self._state.clock.now_ms())
        self._known[id_] = Upload(id_, caller.owner().id, kind, total)
        return json_reply({"data": self._data(self._known[id_]) | {"expires_after_secs": 1_295_999}})

    async def append(self, call: Call, caller: Caller) -> Reply:
        upload = self._own(call.params["id"], caller)
        sent = _sent(call)
        number, data = sent.get("segment_index", b""), sent.get("media", b"")
        index = int(number) if number.isdigit() else -1
        if upload.ready_ms is not None:
            raise Refused(errors.invalid("id", upload.id, "The upload is finished."))
        if not 0 <= index <= 999 or not 0 < len(data) <= SEGMENT_AT_MOST:
            raise Refused(errors.invalid("segment_index", str(index), "Segments do not add up."))
        upload.segments[index] = (len(data), hashlib.sha256(data).hexdigest())
        return json_reply({"data": {"expires_at": self._state.clock.now_ms() // 1000 + 1_295_999}})

    async def finalize(self, call: Call, caller: Caller) -> Reply:
        upload = self._own(call.params["id"], caller)
        whole = sorted(upload.segments) == list(range(len(upload.segments)))
        if upload.received != upload.total or not whole:
            message = f"Segments do not add up to provided total file size ({upload.received})."
            raise Refused(errors.invalid("id", upload.id, message))
        if upload.ready_ms is None:
            wait = PROCESSING_MS if upload.kind != "photo" else 0
            upload.ready_ms = self._state.clock.now_ms() + wait
        return json_reply({"data": self._data(upload)})

    async def status(self, call: Call, caller: Caller) -> Reply:
        if call.query.get("command") != "STATUS":
            raise Refused(errors.invalid("command", call.query.get("command", ""), "command must be STATUS"))
        return json_reply({"data": self._data(self._own(call.query.get("media_id", ""), caller))})

    async def metadata(self, call: Call, caller: Caller) -> Reply:
        wish = call.json()
        upload = self._own(str(wish.get("id")), caller)
        told = wish.get("metadata")
        alt = told.get("alt_text") if isinstance(told, dict) else None
        text = alt.get("text") if isinstance(alt, dict) else None
        if not isinstance(text, str) or len(text) > 1000:
            raise Refused(errors.invalid("metadata.alt_text.text", "", "alt text has 1 to 1000 characters"))
        upload.alt_text = text
        return json_reply({"data": {"id": upload.id, "associated_metadata": {"alt_text": {"text": text}}}})

    def _own(self, id_: str, caller: Caller) -> Upload:
        upload = self._known.get(id_)
        if upload is None or upload.owner_id != caller.owner().id:
            raise Refused(errors.problem(404, "Not Found", f"Could not find media with id: [{id_}]."))
        return upload

    def _data(self, upload: Upload) -> dict[str, Any]:
        data: dict[str, Any] = {"id": upload.id, "media_key": f"{_PREFIXES[upload.kind]}_{upload.id}"}
        if upload.ready_ms is None:
            return data
        data |= {"size": upload.total, "expires_after_secs": 86_400}
        if upload.kind != "photo":
            left_ms = upload.ready_ms - self._state.clock.now_ms()
            if left_ms > 0:
                percent = 100 - 100 * left_ms // PROCESSING_MS
                info = {"state": "in_progress", "check_after_secs": 1, "progress_percent": percent}
            else:
                info = {"state": "succeeded", "progress_percent": 100}
            data["processing_info"] = info
        return data


def _sent(call: Call) -> dict[str, bytes]:
    """The parts of a multipart body, or the members of a JSON object, whose `media` is base64."""
    content_type = call.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        body = {name: str(value).encode() for name, value in call.json().items()}
        try:
            return body | {"media": base64.b64decode(body.get("media", b""), validate=True)}
        except binascii.Error:
            raise Refused(errors.invalid("media", "", "media is not base64")) from None
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + call.body)
    found: dict[str, bytes] = {}
    for part in message.get_payload() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found
