"""Uploads: resumable sessions, multipart and simple ones, thumbnails.

Every byte is received and counted into a SHA-256; nothing is kept. Source: "Resumable Uploads" guide.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.ids import secret
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply
from sandbox.world import Content
from sandbox.youtube import errors, shapes
from sandbox.youtube.access import API, UPLOAD, Access, Caller, answer, own_video, tagged
from sandbox.youtube.errors import Refused
from sandbox.youtube.people import People

GRANULE = 262_144
MAX_BYTES = 274_877_906_944
_THUMBNAIL_BYTES = 52_428_800
_SESSION_MS = 7 * 86_400_000
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_TITLE_MAX, _DESCRIPTION_BYTES, _TAGS_MAX = 100, 5000, 500


@dataclass(slots=True)
class Session:
    caller: Caller
    resource: dict[str, Any]
    parts: list[str]
    notify: bool
    content_type: str
    size: int | None
    opened_ms: int
    stored: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    video: Content | None = None


class Uploads:
    def __init__(self, state: State, access: Access, people: People) -> None:
        self._state, self._access, self._people = state, access, people
        self._sessions: dict[str, Session] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        paths = ("/upload/youtube/v3/videos", "/resumable/upload/youtube/v3/videos")
        return [
            *(op("POST", path, self.begin, scopes=UPLOAD, bucket="video_uploads") for path in paths),
            # The session's address is enough: chunks cost nothing and need no token.
            *(Operation("youtube", API, "PUT", path, self.receive) for path in paths),
            op("POST", "/upload/youtube/v3/thumbnails/set", self.thumbnail, scopes=UPLOAD, cost=50),
        ]

    async def begin(self, call: Call, caller: Caller) -> Reply:
        how = call.query.get("uploadType")
        if how == "resumable":
            return self._open(call, caller)
        if how == "multipart":
            resource, content_type, body = related(call)
        else:
            resource, content_type, body = {}, call.headers.get("content-type", ""), call.body
        session = self._session(call, caller, resource, content_type, len(body))
        if not body:
            raise Refused(_no_media())
        session.digest.update(body)
        session.stored = len(body)
        return self._finished(session)

    def _open(self, call: Call, caller: Caller) -> Reply:
        headers = call.headers
        length = headers.get("x-upload-content-length", "")
        session = self._session(
            call,
            caller,
            _resource(call.body),
            headers.get("x-upload-content-type", "application/octet-stream"),
            int(length) if length.isdigit() else None,
        )
        upload_id = "AHmUCY" + secret(58, self._state.seed, "upload", len(self._sessions), caller.account.id)
        self._sessions[upload_id] = session
        return Reply(200, b"", {"location": _address(call, upload_id), "x-guploader-uploadid": upload_id})

    async def receive(self, call: Call) -> Reply:
        now = self._state.clock.now_ms()
        session = self._sessions.get(call.query.get("upload_id", ""))
        if session is None or now - session.opened_ms > _SESSION_MS:
            return errors.error(404, "notFound", "The upload session does not exist any more.", "global")
        if session.video is not None:
            return self._shown(session)
        given = call.headers.get("content-range")
        if given is None:
            given = f"bytes 0-{len(call.body) - 1}/{len(call.body)}"
        found = _RANGE.fullmatch(given)
        if found is None:
            return errors.error(400, "badRequest", "Failed to parse Content-Range header.", "global")
        start, end, total = found.groups()
        size = int(total) if total != "*" else session.size
        if size is not None and session.size not in (None, size):
            return errors.error(400, "badRequest", "The total size does not match the session's.", "global")
        if start is None:
            return self._so_far(session)
        if int(end) - int(start) + 1 != len(call.body):
            return errors.error(400, "badRequest", "Content-Range and body differ in length.", "global")
        last = size is not None and int(end) + 1 == size
        return self._take(session, call.body, int(start), last)

    def _take(self, session: Session, body: bytes, start: int, last: bool) -> Reply:
        """What lies before the stored bytes is passed over; a gap is not taken. Only whole granules are
        kept until the last chunk."""
        if start > session.stored:
            return self._so_far(session)
        fresh = body[session.stored - start :]
        if not last:
            fresh = fresh[: len(fresh) // GRANULE * GRANULE]
        session.digest.update(fresh)
        session.stored += len(fresh)
        return self._finished(session) if last else self._so_far(session)

    def _finished(self, session: Session) -> Reply:
        if session.stored == 0:
            return _no_media()
        caller, snippet = session.caller, session.resource.get("snippet", {})
        digest = session.digest.hexdigest()
        session.video = self._people.upload(
            caller.account, caller.app, snippet, session.resource, session.stored, digest
        )
        return self._shown(session, 201)

    def _shown(self, session: Session, status: int = 200) -> Reply:
        assert session.video is not None  # only finished sessions are shown
        now = self._state.clock.now_ms()
        shown = [*dict.fromkeys([*session.parts, "snippet", "status"])]
        return answer(shapes.video(session.caller.account, session.video, shown, now), status)

    def _so_far(self, session: Session) -> Reply:
        headers = {"range": f"bytes=0-{session.stored - 1}"} if session.stored else {}
        return Reply(308, b"", headers)

    async def thumbnail(self, call: Call, caller: Caller) -> Reply:
        video = own_video(self._state.world, caller, call.query.get("videoId", ""), "thumbnail")
        kind = call.headers.get("content-type", "")
        body = call.body
        if kind.startswith("multipart/"):
            _, kind, body = related(call)
        if not body:
            raise errors.refuse(400, "mediaBodyRequired", "The request has no image.", "thumbnail")
        if (
            kind not in ("image/jpeg", "image/png", "application/octet-stream")
            or len(body) > _THUMBNAIL_BYTES
        ):
            message = "The provided image content is invalid."
            raise errors.refuse(400, "invalidImage", message, "thumbnail")
        video.facts["thumbnail"] = hashlib.sha256(body).hexdigest()[:12]
        sizes = ("default", "medium", "high", "standard", "maxres")
        items = [{name: shapes.thumbnails(video)[name] for name in sizes}]
        return answer(tagged("thumbnailSetResponse", {"items": items}))

    def _session(
        self, call: Call, caller: Caller, resource: dict[str, Any], content_type: str, size: int | None
    ) -> Session:
        if not content_type.startswith("video/") and content_type != "application/octet-stream":
            message = f"Media type '{content_type}' is not supported; video/* is."
            raise errors.refuse(400, "badContent", message, "global")
        if size is not None and size > MAX_BYTES:
            raise errors.refuse(413, "uploadTooLarge", "The file is too large.", "global")
        check_resource(resource, new=True)
        parts = [part for part in call.query.get("part", "").split(",") if part]
        notify = call.query.get("notifySubscribers") != "false"
        now = self._state.clock.now_ms()
        return Session(caller, resource, parts, notify, content_type, size, now)


def check_resource(resource: dict[str, Any], new: bool) -> None:
    """What YouTube refuses of a video's properties."""
    snippet, status = resource.get("snippet", {}), resource.get("status", {})
    if not isinstance(snippet, dict) or not isinstance(status, dict):
        raise Refused(errors.invalid("badRequest", "Invalid value for a part."))
    title, description = snippet.get("title"), snippet.get("description", "")
    tags = snippet.get("tags") or []
    if (new and "snippet" in resource and not title) or (
        title and (len(title) > _TITLE_MAX or _brackets(title))
    ):
        raise Refused(_bad("invalidTitle", "The request metadata specifies an invalid or empty video title."))
    if len(description.encode()) > _DESCRIPTION_BYTES or _brackets(description):
        raise Refused(
            _bad("invalidDescription", "The request metadata specifies an invalid video description.")
        )
    if sum(len(tag) + 2 * (" " in tag) for tag in tags) + max(0, len(tags) - 1) > _TAGS_MAX:
        raise Refused(_bad("invalidTags", "The request metadata specifies invalid video keywords."))
    category = snippet.get("categoryId")
    if category is not None and (not str(category).isdigit() or not 1 <= int(category) <= 44):
        raise Refused(_bad("invalidCategoryId", "The category is invalid."))
    if status.get("privacyStatus", "public") not in ("public", "unlisted", "private"):
        raise errors.refuse(403, "forbiddenPrivacySetting", "Invalid privacy setting.", "video")
    if "publishAt" in status and status.get("privacyStatus") != "private":
        raise Refused(_bad("invalidPublishAt", "publishAt needs privacyStatus private."))


def _brackets(text: str) -> bool:
    return "<" in text or ">" in text


def _bad(reason: str, message: str) -> Reply:
    return errors.error(400, reason, message, "youtube.video")


def _no_media() -> Reply:
    return _bad("mediaBodyRequired", "The request does not include the video content.")


def _resource(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise errors.refuse(400, "parseError", "Parse Error", "global") from None
    if not isinstance(value, dict):
        raise errors.refuse(400, "parseError", "Parse Error", "global")
    return value


def related(call: Call) -> tuple[dict[str, Any], str, bytes]:
    """The two parts of multipart/related: the resource, and the file with its type."""
    found = re.search(r'boundary="?([^";]+)"?', call.headers.get("content-type", ""))
    pieces = call.body.split(b"--" + found[1].encode()) if found else []
    if len(pieces) < 3:
        raise errors.refuse(400, "badRequest", "Malformed multipart body.", "global")
    (_, first), (head, file) = (_piece(piece) for piece in pieces[1:3])
    kind = re.search(rb"(?i)content-type:\s*([^\r\n;]+)", head)
    binary = file if b"base64" not in head.lower() else base64.b64decode(file)
    return _resource(first), kind[1].decode().strip() if kind else "", binary


def _piece(piece: bytes) -> tuple[bytes, bytes]:
    """Headers and content of one part; the line break before the next boundary is not content."""
    blank = b"\r\n\r\n" if b"\r\n\r\n" in piece else b"\n\n"
    head, _, content = piece.lstrip(b"\r\n").partition(blank)
    ending = b"\r\n" if content.endswith(b"\r\n") else b"\n"
    return head, content.removesuffix(ending)


def _address(call: Call, upload_id: str) -> str:
    """Where the session lives, as the caller can reach it: under the sandbox's own address if it came by
    that."""
    path = f"/upload/youtube/v3/videos?uploadType=resumable&upload_id={upload_id}"
    host = call.headers.get("host", "")
    if host.rsplit(":", 1)[0].lower() == call.host:
        return f"https://{call.host}{path}"
    return f"http://{host}/{call.host}{path}"
