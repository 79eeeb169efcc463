"""What platforms call: `GET|POST /webhooks/{platform}/{app}`, as a bare ASGI application.

200 means: the signature is right and every entry of the body is durably in a mailbox, so the platform may
forget it. A body is accepted whole or refused whole; a refused one leaves nothing behind but a count.

    accepted, or nothing in it   200        not what the platform sends   400
    signature wrong or missing   401        no such platform or app       404
    body not sent in time        408        larger than MAX_BODY          413
    mailboxes away or full       503 with Retry-After: the platform sends it again

Frameworks cost more here than everything this module does, hence ASGI by hand; see docs/benchmarks.md.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson
import structlog

from actors.runtime.envelope import Envelope
from api.webhook_apps import AppDirectory
from platforms.base import Handshake, Platform, PlatformApp, WebhookRefused
from storage.ports import Mailboxes
from storage.records import StoreUnavailable

MAX_BODY = 3 * 1024 * 1024  # bytes; Meta batches up to 1,000 changes, the others send far less
BODY_TIMEOUT_S = 10.0  # X gives up after 10 s, Meta after 20 s
RETRY_AFTER_S = 5
MAX_UNDER_WAY = 1024  # requests in this replica; the platforms send the rest again
_log = structlog.get_logger(__name__)
_PREFIX = "/webhooks"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Metrics(Protocol):
    """Counters."""

    def count(self, name: str, value: float = 1, **labels: str) -> None: ...


class Tally:
    """Adds counts up and passes them on once a second: handing each to Ray's metrics took 7 % of the time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self._counts[name, tuple(labels.items())] += value

    def flush(self) -> None:
        counts, self._counts = self._counts, Counter()
        for (name, labels), value in counts.items():
            self._metrics.count(name, value, **dict(labels))

    async def flush_forever(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.flush()


class Answer:
    """A response, prepared once."""

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, status: int, body: bytes, content_type: bytes, reason: str, *extra: bytes) -> None:
        self.status = status
        self.body = body
        self.reason = reason
        self.headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        self.headers += zip(extra[::2], extra[1::2], strict=True)

    async def send(self, send: Send) -> None:
        # New objects each time: the server's middleware adds headers to the very list it is given.
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


def _problem(status: int, code: str, title: str, *extra: bytes) -> Answer:
    body = {"type": f"urn:rookery:error:{code}", "title": title, "status": status}
    return Answer(status, orjson.dumps(body), b"application/problem+json", code, *extra)


# Without a body uvicorn writes a response in one piece; two would wake the proxy twice for each webhook.
_OK = Answer(200, b"", b"text/plain", "accepted")
_NOT_FOUND = _problem(404, "not_found", "No such webhook address.")
_NOT_ALLOWED = _problem(405, "method_not_allowed", "Use GET or POST.", b"allow", b"GET, POST")
_UNSIGNED = _problem(401, "signature_invalid", "The signature is missing or wrong.")
_REFUSED = _problem(400, "webhook_invalid", "The body is not a webhook of this platform.")
# The rest of an unfinished body is not worth reading: these two close the connection.
_TOO_LARGE = _problem(413, "webhook_too_large", f"At most {MAX_BODY} bytes.", b"connection", b"close")
_TOO_SLOW = _problem(408, "body_timeout", "The body did not arrive in time.", b"connection", b"close")
_LATER = _problem(
    503, "temporarily_unavailable", "Not accepted now; send it again.", b"retry-after", b"%d" % RETRY_AFTER_S
)
_FAILED = _problem(500, "internal_error", "Something went wrong here; send it again.")


class ClientGone(Exception):
    """The sender hung up before its body was complete: nobody waits for an answer."""


class Webhooks:
    """The ASGI application. Touches no document server and no Ray: only its `apps` in memory and Redis.

    Runs under a path prefix or without one, stripped or not (servers differ). The server's lifespan events
    call `start` and `stop`; both may also be called directly.
    """

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        apps: AppDirectory,
        envelope: Envelope,
        mailboxes: Mailboxes,
        metrics: Metrics,
    ) -> None:
        self._platforms = platforms
        self._apps = apps
        self._envelope = envelope
        self._mailboxes = mailboxes
        self._metrics = Tally(metrics)
        self._flushing: asyncio.Task[None] | None = None
        self._under_way = 0

    async def start(self) -> None:
        await self._apps.start()
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._metrics.flush_forever(), name="webhook-counts")

    async def stop(self) -> None:
        await self._apps.stop()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._metrics.flush()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._under_way += 1
            try:
                answer = await self._respond(scope, receive)
            except ClientGone:
                return
            finally:
                self._under_way -= 1
            await answer.send(send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _respond(self, scope: Scope, receive: Receive) -> Answer:
        prefix, _, address = scope["path"].rpartition("/")
        prefix, _, name = prefix.rpartition("/")
        platform = self._platforms.get(name)
        if platform is None or prefix not in ("", _PREFIX, scope.get("root_path")):
            self._metrics.count("webhooks_refused", platform="unknown", reason="not_found")
            return _NOT_FOUND
        try:
            app = self._apps.get(name, address) or await self._apps.look_up(name, address)
            if app is None:
                answer = _NOT_FOUND
            elif self._under_way > MAX_UNDER_WAY:
                answer = _LATER
            elif scope["method"] == "POST":
                answer = await self._accept(platform, app, scope, receive)
            elif scope["method"] == "GET":
                return await self._handshake(platform, app, scope)
            else:
                answer = _NOT_ALLOWED
        except StoreUnavailable:
            answer = _LATER
        except ClientGone:
            raise
        except Exception:
            # The platform sends it again; what failed must not be read off a bare status.
            _log.exception("webhook.failed", platform=name)
            answer = _FAILED
        if answer is _OK:
            self._metrics.count("webhooks_accepted", platform=name)
        else:
            self._metrics.count("webhooks_refused", platform=name, reason=answer.reason)
        return answer

    async def _accept(self, platform: Platform, app: PlatformApp, scope: Scope, receive: Receive) -> Answer:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY:
            return _TOO_LARGE
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(receive)
        except TimeoutError:
            return _TOO_SLOW
        if body is None:
            return _TOO_LARGE
        if not platform.verify(app, headers, body):
            return _UNSIGNED
        try:
            entries = platform.split(body)
        except WebhookRefused:
            return _REFUSED
        if entries:
            seal = self._envelope.webhook_mail
            await self._mailboxes.tell([seal(platform.spec.name, app.id, entry) for entry in entries])
            self._metrics.count("webhook_entries", len(entries), platform=platform.spec.name)
        return _OK

    async def _handshake(self, platform: Platform, app: PlatformApp, scope: Scope) -> Answer:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        handshake = platform.handshake(app, query) or Handshake(404, b"")
        self._metrics.count("webhook_handshakes", platform=platform.spec.name, status=str(handshake.status))
        if handshake.status == 404:
            return _NOT_FOUND
        if handshake.entry is not None:
            mail = self._envelope.webhook_mail(platform.spec.name, app.id, handshake.entry)
            await self._mailboxes.tell([mail])
        return Answer(handshake.status, handshake.body, handshake.content_type.encode(), "handshake")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None as soon as it is longer than MAX_BODY."""
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request":
        body: bytes = message.get("body", b"")  # nearly always one piece
        return body if len(body) <= MAX_BODY else None
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(pieces)
        message = await receive()
    raise ClientGone
