"""Errors as RFC 9457 problem details: every failed request is answered in this one form."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from domain.errors import Busy, RookeryError
from storage.records import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
_STORE_RETRY_S = 5.0
_SHOWN = 20  # faults of one request: a body of a thousand wrong items is told the first
_FIELD = 100  # characters of a field's name, which may be the caller's own

_TEXT = {"type": "string"}
_DOCUMENT = {
    "description": "Why not, as RFC 9457 problem details.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "title": "Problem",
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {**_TEXT, "pattern": "^urn:rookery:error:[a-z0-9_]+$"},
                    "title": _TEXT,
                    "status": {"type": "integer"},
                    "detail": {**_TEXT, "description": "A sentence."},
                    "errors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["field", "message"],
                            "properties": {"field": _TEXT, "message": _TEXT},
                        },
                    },
                },
            }
        }
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": _DOCUMENT, "5XX": _DOCUMENT}
"""For the OpenAPI document, which would show FastAPI's own form of a 422 otherwise."""


class TooMany(RookeryError):
    """429: the caller asks too often; nothing happened."""

    status = 429

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[dict[str, str]] = (),
    retry_after_s: float | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """`code` is stable and snake_case; `errors` are {field, message} pairs."""
    body: dict[str, Any] = {
        "type": f"urn:rookery:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    headers = dict(headers or {})
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def problem_of(error: RookeryError) -> JSONResponse:
    """The answer to an expected failure."""
    status = 412 if error.code == "version_mismatch" else error.status
    retry = error.retry_after_s if isinstance(error, Busy | TooMany) else None
    errors = [{"field": error.field, "message": error.message}] if error.field else ()
    return problem(status, error.code, error.message, errors=errors, retry_after_s=retry)


def store_unavailable() -> JSONResponse:
    return problem(
        503,
        "store_unavailable",
        "The service cannot reach its stores: try again.",
        retry_after_s=_STORE_RETRY_S,
    )


def install(app: FastAPI) -> None:
    """Make `app` answer each expected failure as a problem; the unexpected ones are `middleware.Guard`'s."""

    @app.exception_handler(RookeryError)
    async def _expected(_: Request, error: RookeryError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(StoreUnavailable)
    async def _unavailable(_: Request, __: StoreUnavailable) -> JSONResponse:
        return store_unavailable()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        if any(e["type"] == "json_invalid" for e in faults):
            return _not_json()
        unread = [e for e in faults if e["loc"] == ("body",) and e["type"] != "missing"]
        if unread and "json" not in request.headers.get("content-type", ""):
            return problem(
                415, "content_type_unsupported", "Send the body as JSON, with Content-Type: application/json."
            )
        # Only place and rule: the input may be a secret.
        errors = [{"field": _field(e["loc"]), "message": _rule(e)} for e in faults[:_SHOWN]]
        detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        return problem(422, "request_invalid", f"{detail}.", errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        match error.status_code:
            case 400:  # what FastAPI says to a body it cannot even parse
                return _not_json()
            case 404:
                return problem(404, "route_unknown", "There is nothing at this address: see /docs.")
            case 405:
                says = f"{request.method} is not for this address: see /docs."
                return problem(405, "method_not_allowed", says, headers=headers)
        return problem(error.status_code, "request_refused", str(error.detail), headers=headers)


def _not_json() -> JSONResponse:
    return problem(422, "body_invalid", "The request body is not JSON this service can read.")


def _rule(fault: dict[str, Any]) -> str:
    """What pydantic wants, as a sentence without its full stop."""
    return str(fault["msg"]).removeprefix("Value error, ").rstrip(".")


def _field(place: Sequence[Any]) -> str:
    """`("body", "budget", "currency")` is `budget.currency`."""
    parts = [str(p) for p in place]
    if parts and parts[0] in ("body", "query", "path") and len(parts) > 1:
        parts = parts[1:]
    return ".".join(parts)[:_FIELD]
