"""What surrounds every HTTP request: the size limit, the audit log, and the last line of defence."""

import traceback

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import services_of
from api.problems import problem
from storage.mongo.audit import AuditEntry
from storage.records import StoreUnavailable

MAX_BODY = 1024 * 1024  # bytes; no request of this API comes near
_UPLOAD = "/v1/media"  # streamed, with a limit of its own
_READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
log = structlog.get_logger(__name__)


class BodyLimit:
    """Reads the body before anything else does, and answers 413 when it is larger than `MAX_BODY`. (FastAPI's
    own `max_body_size` answers plain text.)"""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["path"] == _UPLOAD and scope["method"] == "POST"):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY:
                # The rest is not worth reading.
                answer = problem(
                    413,
                    "body_too_large",
                    f"A request body has at most {MAX_BODY} bytes.",
                    headers={"Connection": "close"},
                )
                await answer(scope, receive, send)
                return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


class Guard:
    """Turns a defect into a 500 problem. What is logged is where it broke, never the error's message: that
    may quote a token or a person's words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            log.error(
                "request.failed",
                method=scope.get("method"),
                route=getattr(scope.get("route"), "name", None),
                error=type(error).__name__,
                where=[f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames],
            )
            if scope["type"] != "http" or started:
                raise _Broken(type(error).__name__) from None
            answer = problem(500, "internal", "The service made a mistake; it is in its log.")
            await answer(scope, receive, send)


class _Broken(Exception):
    """Stands for an error whose message must not reach the server's log."""


class AuditLog:
    """Records every state-changing request of a known caller, before its answer is sent.

    A request whose record cannot be written is answered all the same, since its effect has happened; that
    is logged as an error. Routes that are GET and change something (the OAuth callback) set
    `request.state.audit_actor` to (org, user id).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._record(Request(scope), message["status"])
            await send(message)

        await self._app(scope, receive, recording)

    async def _record(self, request: Request, status: int) -> None:
        actor = _actor(request)
        if actor is None:
            return
        services = services_of(request)
        org, user_id = actor
        target = getattr(request.state, "audit_target", None) or "/".join(request.path_params.values())
        action = request.scope["route"].name
        entry = AuditEntry(org, user_id, action, target, services.clock.now(), status)
        try:
            await services.directory.audit.add(entry)
        except StoreUnavailable:
            log.error("audit.lost", org=org, user_id=user_id, action=action, target=target, status=status)


def _actor(request: Request) -> tuple[str, str] | None:
    """(org, user id) when this request is one to record."""
    named: tuple[str, str] | None = getattr(request.state, "audit_actor", None)
    if named is not None:
        return named
    principal = getattr(request.state, "principal", None)
    if principal is None or request.method in _READ_ONLY:
        return None
    return principal.org, principal.user_id
