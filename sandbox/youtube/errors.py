"""Google's error bodies. Source: YouTube Data API reference, "Errors"; RFC 6749 for the token endpoint."""

from typing import Any

from sandbox.web import Reply, json_reply

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Refused(Exception):
    """The call ends with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(status: int, reason: str, message: str, domain: str = "youtube.common", **more: str) -> Reply:
    """`more`: `location` and `locationType`, where Google names what is wrong."""
    row: dict[str, Any] = {"message": message, "domain": domain, "reason": reason, **more}
    body: dict[str, Any] = {"code": status, "message": message, "errors": [row]}
    if domain == "global" and status in _STATUS:
        body["status"] = _STATUS[status]
    return json_reply({"error": body}, status)


def refuse(status: int, reason: str, message: str, what: str, **more: str) -> Refused:
    """To be raised; `what` is the resource concerned (`video`), or `global`."""
    domain = what if what == "global" else f"youtube.{what}"
    return Refused(error(status, reason, message, domain, **more))


def bad_token() -> Reply:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential."
    )
    return error(401, "authError", message, "global", location="Authorization", locationType="header")


def no_token() -> Reply:
    return error(
        401,
        "required",
        "Login Required.",
        "global",
        location="Authorization",
        locationType="header",
    )


def missing_scope() -> Reply:
    message = "Request had insufficient authentication scopes."
    reply = {
        "error": {
            "code": 403,
            "message": message,
            "errors": [
                {
                    "message": "Insufficient Permission",
                    "domain": "global",
                    "reason": "insufficientPermissions",
                }
            ],
            "status": "PERMISSION_DENIED",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    "domain": "googleapis.com",
                }
            ],
        }
    }
    return json_reply(
        reply, 403, {"www-authenticate": 'Bearer error="insufficient_scope", scope="see the reference"'}
    )


def quota_exceeded() -> Reply:
    message = "The request cannot be completed because you have exceeded your quota."
    return error(403, "quotaExceeded", message, "youtube.quota")


def bucket_exceeded(metric: str) -> Reply:
    """The buckets of their own answer 429 with the reason of a burst; the message alone says "per day"."""
    message = (
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per day' of service "
        "'youtube.googleapis.com' for consumer 'project_number:123456789012'."
    )
    return error(429, "rateLimitExceeded", message, "global")


def missing(name: str) -> Reply:
    return error(
        400,
        "missingRequiredParameter",
        f"No filter selected. Expected one of: {name}",
        "youtube.parameter",
        location=f"parameters.{name}",
        locationType="parameter",
    )


def invalid(reason: str, message: str) -> Reply:
    return error(400, reason, message, "youtube.parameter")


def oauth_error(name: str, description: str, status: int = 400) -> Reply:
    return json_reply({"error": name, "error_description": description}, status)


def failure(status: int, reset_s: int, token_endpoint: bool) -> Reply:
    """Google's own body for a status that a fault orders."""
    if token_endpoint:
        names = {401: "invalid_client", 429: "slow_down", 503: "temporarily_unavailable"}
        return oauth_error(names.get(status, "internal_failure"), "Ordered by a fault.", status)
    reasons = {
        401: ("authError", "global"),
        403: ("quotaExceeded", "youtube.quota"),
        404: ("notFound", "global"),
        429: ("rateLimitExceeded", "global"),
    }
    reason, domain = reasons.get(status, ("backendError", "global"))
    return error(status, reason, "Ordered by a fault.", domain)
