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
_CODES = {404: "route_unknown", 405: "method_not_allowed"}


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
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Only place and rule: the input may be a secret.
        errors = [{"field": _field(e["loc"]), "message": e["msg"]} for e in error.errors()]
        return problem(422, "request_invalid", "The request breaks the rules named in errors.", errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # what FastAPI says to a body it cannot even parse
            return problem(422, "body_invalid", "The request body is not JSON this service can read.")
        code = _CODES.get(error.status_code, "request_refused")
        return problem(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))


def _field(place: Sequence[Any]) -> str:
    """`("body", "budget", "currency")` is `budget.currency`."""
    parts = [str(p) for p in place]
    if parts and parts[0] in ("body", "query", "path") and len(parts) > 1:
        parts = parts[1:]
    return ".".join(parts)
