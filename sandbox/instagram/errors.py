"""Meta's error bodies. Sources: developers.facebook.com "Handling errors", "Rate limits"; the Instagram
Platform error code reference. Most errors are HTTP 400, throttling included: clients go by the code."""

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


def flat_error(message: str, status: int = 400) -> Reply:
    """How api.instagram.com words its refusals."""
    return json_reply({"error_type": "OAuthException", "code": status, "error_message": message}, status)


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


def bad_parameter(message: str) -> Reply:
    return graph_error(100, f"(#100) {message}", kind="IGApiException")


def missing_permission(scope: str) -> Reply:
    return graph_error(
        10, f"(#10) Application does not have permission for this action ({scope})", status=403
    )


def app_limit() -> Reply:
    return graph_error(4, "(#4) Application request limit reached", status=403, transient=True)


def account_limit(account_id: str, regain_minutes: int) -> Reply:
    message = "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again."
    reply = graph_error(80002, message, 2446079)
    reply.headers["x-business-use-case-usage"] = business_usage(account_id, 100, regain_minutes)
    return reply


def business_usage(account_id: str, percent: int, regain_minutes: int = 0) -> str:
    usage = {
        "type": "instagram",
        "call_count": percent,
        "total_cputime": percent // 2,
        "total_time": percent // 2,
        "estimated_time_to_regain_access": regain_minutes,
    }
    return orjson.dumps({account_id: [usage]}).decode()


def app_usage(percent: int) -> str:
    usage = {"call_count": percent, "total_time": percent // 2, "total_cputime": percent // 2}
    return orjson.dumps(usage).decode()


def failure(status: int, account_id: str, wait_s: int, flat: bool) -> Reply:
    """Meta's own body for a status ordered by a fault; 429 becomes its throttling answer (HTTP 400)."""
    if flat:
        return flat_error("Sorry, this content isn't available right now", status)
    if status == 429:
        return account_limit(account_id, -(-wait_s // 60))
    if status == 401:
        return unknown_token()
    if status >= 500:
        message = "An unexpected error has occurred. Please retry your request later."
        return graph_error(2 if status != 500 else 1, message, status=status, transient=True)
    if status == 403:
        return graph_error(200, "(#200) Permissions error", status=403)
    return graph_error(100, "(#100) Invalid parameter", status=status)
