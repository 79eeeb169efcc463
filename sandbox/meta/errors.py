"""Meta's error bodies. Sources: developers.facebook.com "Handling errors", "Rate limits". Most errors are
HTTP 400, throttling included: clients go by the code."""

from typing import Any

import orjson

from sandbox.ids import secret
from sandbox.web import Reply, json_reply


class Refused(Exception):
    """A call ends here with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def graph_error(
    code: int,
    message: str,
    subcode: int | None = None,
    status: int = 400,
    kind: str = "OAuthException",
    transient: bool = False,
) -> Reply:
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    error["is_transient"] = transient
    error["fbtrace_id"] = "A" + secret(22, code, subcode, message)
    return json_reply({"error": error}, status)


def bad_token(message: str, subcode: int) -> Reply:
    """190: subcode 463 expired, 460 password changed, 458 app removed, 467 no longer valid."""
    reply = graph_error(190, message, subcode)
    reply.headers["www-authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{message}"'
    return reply


def unknown_token() -> Reply:
    return bad_token("Invalid OAuth access token - Cannot parse access token", 467)


def no_such_object(object_id: str) -> Reply:
    message = (
        f"Unsupported get request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation"
    )
    return graph_error(100, message, 33, kind="GraphMethodException")


def missing_permission(scope: str) -> Reply:
    return graph_error(
        10, f"(#10) Application does not have permission for this action ({scope})", status=403
    )


def app_limit() -> Reply:
    return graph_error(4, "(#4) Application request limit reached", status=403, transient=True)


def business_limit(code: int, kind: str, object_id: str, regain_minutes: int, whom: str) -> Reply:
    """One of the 80000s: `kind` is the row of the usage header, `whom` the end of the sentence."""
    message = f"(#{code}) There have been too many calls to this {whom}. Wait a bit and try again."
    reply = graph_error(code, message, 2446079)
    reply.headers["x-business-use-case-usage"] = business_usage(kind, object_id, 100, regain_minutes)
    return reply


def business_usage(kind: str, object_id: str, percent: int, regain_minutes: int = 0) -> str:
    usage = {
        "type": kind,
        "call_count": percent,
        "total_cputime": percent // 2,
        "total_time": percent // 2,
        "estimated_time_to_regain_access": regain_minutes,
    }
    return orjson.dumps({object_id: [usage]}).decode()


def app_usage(percent: int) -> str:
    usage = {"call_count": percent, "total_time": percent // 2, "total_cputime": percent // 2}
    return orjson.dumps(usage).decode()


def ordered(status: int) -> Reply:
    """Meta's own body for a status ordered by a fault, throttling apart."""
    if status == 401:
        return unknown_token()
    if status >= 500:
        message = "An unexpected error has occurred. Please retry your request later."
        return graph_error(2 if status != 500 else 1, message, status=status, transient=True)
    if status == 403:
        return graph_error(200, "(#200) Permissions error", status=403)
    return graph_error(100, "(#100) Invalid parameter", status=status)
