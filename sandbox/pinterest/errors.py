"""Pinterest's error body, one for everything. Source: the examples in Pinterest's OpenAPI document 5.23.0."""

from typing import Any

from sandbox.ids import hexadecimal
from sandbox.web import Call, Reply, json_reply

API = ("api.pinterest.com",)
LOGIN = ("www.pinterest.com",)
UPLOAD = ("pinterest-media-upload.s3-accelerate.amazonaws.com",)

_CODES = {400: 1, 401: 2, 403: 29, 404: 50, 405: 5, 429: 8}
_TEXTS = {
    401: "Authentication failed.",
    403: "You are not permitted to access that resource.",
    429: "This request exceeded a rate limit.",
}


class Refused(Exception):
    """A call ends here with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def refusal(status: int, code: int, message: str, details: Any = None) -> Reply:
    body: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        body["details"] = details
    return json_reply(body, status, {"x-pinterest-rid": hexadecimal(16, "rid", status, code, message)})


def wrong(message: str) -> Refused:
    """A parameter that the API document does not allow."""
    return Refused(refusal(400, 1, message))


def no_pin() -> Refused:
    return Refused(refusal(404, 50, "Pin not found."))


def no_board() -> Refused:
    return Refused(refusal(404, 40, "Board not found."))


def dead_token(call: Call) -> Reply:
    return refusal(401, 2, "Authentication failed.")


def failure(status: int, reset_s: int, now_s: int) -> Reply:
    """Pinterest's own body for a status ordered by a fault; codes of faults are unconfirmed."""
    reply = refusal(status, _CODES.get(status, status), _TEXTS.get(status, "ordered by a fault"))
    if status == 429:
        reply.headers["x-ratelimit-reset"] = str(max(1, reset_s - now_s))
    return reply
