"""Errors that carry their own meaning: code, HTTP status and one sentence.

RookeryError
|-- Invalid            422  the request is understood but breaks a rule; `field` names the culprit
|-- NotFound           404  also for another org's things: their existence is nobody's business
|-- Conflict           409  the current state does not allow it
|-- Unauthorized       401
|-- Forbidden          403  a role is missing (never used for another org's ids)
|-- Busy               503  try again after `retry_after_s`; nothing is known to have happened
`-- BadRequest         400
"""

from typing import Any, ClassVar


class RookeryError(Exception):
    """Base of all expected failures. `code` is stable, snake_case; the message is one sentence."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field

    def to_json(self) -> dict[str, Any]:
        return {"error": type(self).__name__, "code": self.code, "message": self.message, "field": self.field}


class Invalid(RookeryError):
    status = 422


class NotFound(RookeryError):
    status = 404


class Conflict(RookeryError):
    status = 409


class Unauthorized(RookeryError):
    status = 401


class Forbidden(RookeryError):
    status = 403


class BadRequest(RookeryError):
    status = 400


class Busy(RookeryError):
    status = 503

    def __init__(self, code: str, message: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"retry_after_s": self.retry_after_s}


_BY_NAME: dict[str, type[RookeryError]] = {
    c.__name__: c for c in (Invalid, NotFound, Conflict, Unauthorized, Forbidden, BadRequest)
}


def from_json(data: dict[str, Any]) -> RookeryError:
    """Rebuild an error that crossed a process; an unknown kind becomes a plain RookeryError."""
    if data["error"] == "Busy":
        return Busy(data["code"], data["message"], retry_after_s=data["retry_after_s"])
    return _BY_NAME.get(data["error"], RookeryError)(data["code"], data["message"], field=data["field"])
