"""Pins as apps make, change, save and delete them. Source: Pinterest's OpenAPI document 5.23.0 (`/pins`).

Decided here: pictures by address are fetched before the answer; a film without any cover is refused (second-
hand); pictures are JPEG or PNG of at most 20 MB; carousels of pictures are taken, as the document says,
although some notes say that they were retired.
"""

import base64
import binascii
import hashlib
from typing import Any

import httpx

from sandbox.clock import iso_z
from sandbox.ids import hexadecimal
from sandbox.ledger import Publication
from sandbox.pinterest import shapes
from sandbox.pinterest.access import TRIAL, Access, Caller
from sandbox.pinterest.boards import Boards
from sandbox.pinterest.errors import Refused, refusal, wrong
from sandbox.pinterest.media import Uploads
from sandbox.pinterest.people import People
from sandbox.pinterest.read import named_board, own_pin
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply

PICTURE_AT_MOST = 20_000_000
_LENGTHS = {"title": 100, "description": 800, "alt_text": 500, "link": 2048}
_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG"}
_WRITE = ("boards:read", "boards:write", "pins:read", "pins:write")
_COVERS = ("cover_image_url", "cover_image_data", "cover_image_key_frame_time")


class Publishing:
    def __init__(
        self, state: State, access: Access, boards: Boards, uploads: Uploads, people: People
    ) -> None:
        self._state, self._access, self._boards = state, access, boards
        self._uploads, self._people = uploads, people

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("POST", "/pins", self.create, _WRITE, "org_write"),
            op("PATCH", "/pins/:pin", self.change, _WRITE, "org_write"),
            op("DELETE", "/pins/:pin", self.delete, _WRITE, "org_write"),
            op("POST", "/pins/:pin/save", self.save, _WRITE, "org_write"),
        ]

    async def create(self, call: Call, caller: Caller) -> Reply:
        if caller.app.dialect == TRIAL:
            message = "Apps with Trial access may not create Pins in production. Use the sandbox environment."
            raise Refused(refusal(403, 29, message))
        body = call.json()
        facts = self._facts(body, caller)
        source = body.get("media_source")
        if not isinstance(source, dict):
            raise wrong("'media_source' is required.")
        kind, digests, slots = await self._media(source, caller)
        now = self._state.clock.now_ms()
        title, text = facts.pop("title", None), facts.pop("description", None)
        content = self._people.pin(caller.account, kind, title or "", text or "", facts, len(digests))
        if slots:
            content.facts["slots"] = slots
        fingerprint = hexadecimal(32, facts["board_id"], title, text, facts.get("link"), *digests)
        self._state.ledger.publications.append(
            Publication("pinterest", caller.account.id, caller.app.id, content.id, fingerprint, iso_z(now))
        )
        return json_reply(shapes.pin(caller.account, content, now, False), 201)

    async def change(self, call: Call, caller: Caller) -> Reply:
        found, body = own_pin(self._state, caller, call), call.json()
        if "board_id" not in body:
            body = {**body, "board_id": found.facts["board_id"]}
        facts = self._facts(body, caller)
        if "title" in facts:
            found.title = facts.pop("title") or ""
        if "description" in facts:
            found.text = facts.pop("description") or ""
        found.facts |= facts
        return json_reply(shapes.pin(caller.account, found, self._state.clock.now_ms(), False))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        self._state.world.remove(own_pin(self._state, caller, call))
        return Reply(204)

    async def save(self, call: Call, caller: Caller) -> Reply:
        found, body = own_pin(self._state, caller, call), call.json()
        board = named_board(self._boards, caller, str(body.get("board_id") or found.facts["board_id"]))
        facts = {**found.facts, "board_id": board.id, "parent_pin_id": found.id}
        saved = self._people.pin(caller.account, found.kind, found.title, found.text, facts, len(found.media))
        found.metrics["saves"] += 1
        return json_reply(shapes.pin(caller.account, saved, self._state.clock.now_ms(), False), 201)

    def _facts(self, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The Pin's own fields, as far as they were sent."""
        board_id = body.get("board_id")
        if not isinstance(board_id, str):
            raise wrong("'board_id' is required.")
        facts: dict[str, Any] = {"board_id": named_board(self._boards, caller, board_id).id}
        for name, most in _LENGTHS.items():
            if name not in body:
                continue
            value = body[name]
            if value is not None and (not isinstance(value, str) or len(value) > most):
                raise wrong(f"'{name}' must be a text of at most {most} characters.")
            facts[name] = value
        link = facts.get("link")
        if link and not link.startswith(("http://", "https://")):
            raise wrong(f"'{link}' is not a valid link.")
        return facts

    async def _media(
        self, source: dict[str, Any], caller: Caller
    ) -> tuple[str, list[str], list[dict[str, Any]]]:
        """Kind, a digest of each file, and the words of a carousel's pictures."""
        match source.get("source_type"):
            case "image_url":
                return "image", [await self._fetched(source.get("url"))], []
            case "image_base64":
                return "image", [_decoded(source)], []
            case "video_id":
                upload = self._uploads.finished(str(source.get("media_id")), caller.account.id)
                if not any(source.get(name) is not None for name in _COVERS):
                    raise wrong("A video Pin needs a cover image.")
                return "video", [upload.digest], []
            case "multiple_image_urls" | "multiple_image_base64" as kind:
                items = source.get("items")
                if not isinstance(items, list) or not 2 <= len(items) <= 5:
                    raise wrong("'items' must hold 2 to 5 images.")
                if not all(isinstance(item, dict) for item in items):
                    raise wrong("'items' must hold objects.")
                if kind == "multiple_image_base64":
                    digests = [_decoded(item) for item in items]
                else:
                    digests = [await self._fetched(item.get("url")) for item in items]
                return "carousel", digests, items
        raise wrong(f"'{source.get('source_type')}' is not a source_type.")

    async def _fetched(self, url: object) -> str:
        """Digest of the picture at an address, really fetched. Redirects are not followed."""
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise wrong("'url' must be an address.")
        try:
            answer = await self._state.deliverer.client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise wrong("Sorry, we could not fetch the image.") from None
        if answer.status_code != 200:
            raise wrong("Sorry, we could not fetch the image.")
        return _checked(answer.content, tuple(_MAGIC.values()))


def _decoded(source: dict[str, Any]) -> str:
    magic = _MAGIC.get(str(source.get("content_type")))
    if magic is None:
        raise wrong(f"'content_type' must be one of {', '.join(_MAGIC)}.")
    try:
        content = base64.b64decode(str(source.get("data")), validate=True)
    except (binascii.Error, ValueError):
        raise wrong("'data' is not base64.") from None
    return _checked(content, (magic,))


def _checked(content: bytes, magics: tuple[bytes, ...]) -> str:
    if not content.startswith(magics):
        raise wrong("The image cannot be read.")
    if len(content) > PICTURE_AT_MOST:
        raise wrong("The image is too large.")
    return hashlib.sha256(content).hexdigest()
