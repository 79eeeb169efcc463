"""Commands to owners: idempotency keys, versions, and the ids derived from them."""

import hashlib
import re
from base64 import b32encode
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response

from actors.runtime.entity import Message
from api.access import caller_of, services_of
from domain.errors import BadRequest, RookeryError
from domain.ids import EntityKey, new_id

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_ETAG = re.compile(r'"(\d{1,18})"')


class CommandContext:
    """One state-changing request: who sends it, under which id, against which version.

    With an `Idempotency-Key` the id is the same in every repetition, so the owner answers what it answered
    first, and ids derived from it name the same thing. Without one, each request is its own command.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.services = services_of(request)
        self.caller = caller_of(request)
        self._key = _header(request, "idempotency-key")
        self.keyed = self._key is not None
        self.id = self._id()

    def _id(self) -> str:
        if self._key is None:
            return new_id("cmd")
        if not _KEY.fullmatch(self._key):
            raise BadRequest(
                "idempotency_key_invalid",
                "One Idempotency-Key is 1 to 128 visible ASCII characters.",
                field="Idempotency-Key",
            )
        return f"{self.caller.org}:{self.caller.user_id}:{self._key}"

    def derived_id(self, prefix: str) -> str:
        """An id for what this command creates: 80 bits of a hash of the command's id."""
        return f"{prefix}_{short_hash(self.id)[:16]}"

    async def check_repeated(self) -> None:
        """Refuse an Idempotency-Key that was used for a different request."""
        if self.keyed:
            await self.services.directory.idempotency.same_request(
                self.id, await self._fingerprint(), self.services.clock.now()
            )

    async def send(self, key: EntityKey, name: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the owner; answers its view."""
        await self.check_repeated()
        self.request.state.audit_target = str(key)
        version = if_match(self.request)
        expected = {} if version is None else {"if_version": version}
        return await self.services.owners.ask(key, Message(name, (data or {}) | expected, self.id))

    async def once(self, prefix: str, make: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Make something that is no entity, under the id that `make` is given; repeated with the same
        Idempotency-Key it is made once and answered again."""
        resource_id = new_id(prefix)
        if not self.keyed:
            self.request.state.audit_target = resource_id
            return await make(resource_id)
        records = self.services.directory.idempotency
        now = self.services.clock.now()
        attempt = await records.begin(self.id, await self._fingerprint(), resource_id, now)
        self.request.state.audit_target = attempt.resource_id
        if attempt.answer is not None:
            answer: dict[str, Any] = orjson.loads(attempt.answer)
            return answer
        try:
            made = await make(attempt.resource_id)
        except RookeryError:
            await records.refuse(attempt)
            raise
        await records.finish(attempt, orjson.dumps(made))
        return made

    async def _fingerprint(self) -> str:
        request = self.request
        digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
        digest.update(await request.body())
        return digest.hexdigest()


def command_context(request: Request) -> CommandContext:
    return CommandContext(request)


Command = Annotated[CommandContext, Depends(command_context)]


def short_hash(text: str) -> str:
    """52 characters of base32, lower case: safe in ids and URLs."""
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=").lower()


def if_match(request: Request) -> int | None:
    """The version in `If-Match`; None when any will do."""
    header = _header(request, "if-match")
    if header is None or header == "*":
        return None
    found = _ETAG.fullmatch(header)
    if found is None:
        raise BadRequest(
            "if_match_invalid",
            'If-Match takes one ETag of this service, such as "7", or *.',
            field="If-Match",
        )
    return int(found[1])


def _header(request: Request, name: str) -> str | None:
    """The header's value; of one that is repeated all of them, as RFC 9110 (5.3) reads it."""
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


def with_etag(response: Response, view: dict[str, Any]) -> dict[str, Any]:
    """The view, with its version as the answer's ETag."""
    if "version" in view:
        response.headers["ETag"] = f'"{view["version"]}"'
    return view
