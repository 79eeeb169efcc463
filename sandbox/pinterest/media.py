"""Films: registered, received at the upload host, processed. Bytes are checked, not kept.

Source: Pinterest's OpenAPI document 5.23.0 (`/media`), its sample project. The upload host is S3: the fields
of the answer to the registration are the permission, no token travels with them; its error bodies are XML.
"""

import hashlib
import re
from dataclasses import dataclass, field

from sandbox.ids import hexadecimal, secret
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.errors import UPLOAD, Refused, refusal, wrong
from sandbox.pinterest.paging import listed
from sandbox.pinterest.shapes import moment
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply

PROCESSING_MS = 3000
LIFETIME_MS = 3_600_000
LARGEST = 2_000_000_000
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?')
_NAME = re.compile(rb'name="([^"]*)"')


@dataclass(slots=True)
class Upload:
    id: str
    owner_id: str
    until_ms: int
    parameters: dict[str, str] = field(repr=False)
    size: int = 0
    digest: str = ""
    received_ms: int | None = None
    film: bool = False

    def status(self, now_ms: int) -> str:
        if self.received_ms is None:
            return "registered"
        if now_ms < self.received_ms + PROCESSING_MS:
            return "processing"
        return "succeeded" if self.film else "failed"


class Uploads:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access
        self._known: dict[str, Upload] = {}
        self._by_key: dict[str, Upload] = {}

    def operations(self) -> list[Operation]:
        op, write = self._access.operation, ("pins:read", "pins:write")
        return [
            op("POST", "/media", self.register, write, "org_write"),
            op("GET", "/media", self.list, ("pins:read",), "org_read"),
            op("GET", "/media/:media", self.show, ("pins:read",), "org_read"),
            Operation("pinterest", UPLOAD, "POST", "/", self.receive),
        ]

    def finished(self, media_id: str, owner_id: str) -> Upload:
        """The upload of a new Pin; Refused unless it is the account's and processed."""
        upload = self._known.get(media_id)
        if upload is None or upload.owner_id != owner_id:
            raise wrong("The media does not exist.")
        if upload.status(self._state.clock.now_ms()) != "succeeded":
            raise wrong("The media is not ready.")
        return upload

    async def register(self, call: Call, caller: Caller) -> Reply:
        if call.json().get("media_type") != "video":
            raise wrong("'media_type' must be video.")
        now = self._state.clock.now_ms()
        id_ = self._state.world.ids.numbered("8807", 18)
        stamp = moment(now).replace("-", "").replace(":", "") + "Z"
        folder = "/".join(hexadecimal(2, id_, part) for part in "abc")
        parameters = {
            "x-amz-date": stamp,
            "x-amz-signature": hexadecimal(64, id_, "signature"),
            "x-amz-security-token": "IQoJ" + secret(60, self._state.seed, id_, "token"),
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "key": f"uploads/{folder}:video:{caller.account.id}:{id_}",
            "policy": secret(80, id_, "policy"),
            "x-amz-credential": f"ASIA{secret(16, id_).upper()}/{stamp[:8]}/us-east-1/s3/aws4_request",
            "Content-Type": "multipart/form-data",
        }
        upload = Upload(id_, caller.account.id, now + LIFETIME_MS, parameters)
        self._known[id_] = self._by_key[parameters["key"]] = upload
        answer = {"media_id": id_, "media_type": "video", "upload_url": f"https://{UPLOAD[0]}/"}
        return json_reply({**answer, "upload_parameters": parameters}, 201)

    async def list(self, call: Call, caller: Caller) -> Reply:
        own = [self._view(u) for u in self._known.values() if u.owner_id == caller.account.id]
        return listed(call, "media", own)

    async def show(self, call: Call, caller: Caller) -> Reply:
        upload = self._known.get(call.params["media"])
        if upload is None or upload.owner_id != caller.account.id:
            raise Refused(refusal(404, 4150, "Media not found."))  # the number is unconfirmed
        return json_reply(self._view(upload))

    async def receive(self, call: Call) -> Reply:
        """204, or S3's own refusal: every field must be there as it was given, the file last."""
        parts = multipart(call.headers.get("content-type", ""), call.body)
        fields = {name: content.decode("utf-8", "replace") for name, content in parts if name != "file"}
        upload = self._by_key.get(fields.get("key", ""))
        if "authorization" in call.headers:
            return _s3(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not parts or parts[-1][0] != "file":
            return _s3(400, "InvalidArgument", "POST requires exactly one file upload per request.")
        if upload is None or fields != upload.parameters:
            return _s3(403, "AccessDenied", "Invalid according to Policy: Policy Condition failed")
        if upload.until_ms <= self._state.clock.now_ms():
            return _s3(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        content = parts[-1][1]
        if len(content) > LARGEST:
            return _s3(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        upload.size, upload.digest = len(content), hashlib.sha256(content).hexdigest()
        upload.film = content[4:8] == b"ftyp"
        upload.received_ms = self._state.clock.now_ms()
        return Reply(204)

    def _view(self, upload: Upload) -> dict[str, str]:
        status = upload.status(self._state.clock.now_ms())
        return {"media_id": upload.id, "media_type": "video", "status": status}


def multipart(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """Name and bytes of each part; none when it is no multipart body (RFC 7578)."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.startswith("multipart/form-data"):
        return []
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    parts = []
    for piece in pieces:
        head, empty_line, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name and empty_line:
            parts.append((name[1].decode("utf-8", "replace"), content))
    return parts


def _s3(status: int, code: str, message: str) -> Reply:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return Reply(status, f"{head}{text}".encode(), {"content-type": "application/xml"})
