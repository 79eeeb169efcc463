"""X's error bodies. Sources: docs.x.com "Response codes and errors", spec 2.167 problem schemas."""

from typing import Any

from sandbox.web import Reply, json_reply

PROBLEMS = "https://api.x.com/2/problems/"


class Refused(Exception):
    """A call ends here with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def problem(status: int, title: str, detail: str, kind: str = "about:blank", **more: Any) -> Reply:
    body = {"title": title, "type": kind, "status": status, "detail": detail, **more}
    return json_reply(body, status, {"content-type": "application/problem+json"})


def unauthorized() -> Reply:
    return problem(401, "Unauthorized", "Unauthorized")


def forbidden(detail: str) -> Reply:
    return problem(403, "Forbidden", detail)


def unsupported_authentication(detail: str) -> Reply:
    return problem(403, "Unsupported Authentication", detail, PROBLEMS + "unsupported-authentication")


def not_found_error(resource_id: str, resource_type: str = "tweet", parameter: str = "id") -> dict[str, Any]:
    """One entry of `errors`: part of a 200 answer, or all of it."""
    return {
        "value": resource_id,
        "detail": f"Could not find {resource_type} with {parameter}: [{resource_id}].",
        "title": "Not Found Error",
        "resource_type": resource_type,
        "parameter": parameter,
        "resource_id": resource_id,
        "type": PROBLEMS + "resource-not-found",
    }


def field_withheld(resource_id: str, field: str) -> dict[str, Any]:
    """One entry of `errors` beside the data: a private field that is not the caller's, or too old."""
    return {
        "value": resource_id,
        "detail": f"Sorry, you are not authorized to access the field '{field}' on the Tweet.",
        "title": "Field Authorization Error",
        "resource_type": "tweet",
        "parameter": "id",
        "resource_id": resource_id,
        "section": "data",
        "field": field,
        "type": PROBLEMS + "not-authorized-for-field",
    }


def invalid(parameter: str, value: str, message: str) -> Reply:
    return json_reply(
        {
            "errors": [{"parameters": {parameter: [value]}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": PROBLEMS + "invalid-request",
        },
        400,
        {"content-type": "application/problem+json"},
    )


def too_many(reset_s: int, limit: int) -> Reply:
    reply = problem(429, "Too Many Requests", "Too Many Requests")
    reply.headers |= rate_headers(limit, 0, reset_s)
    return reply


def too_many_of_app(reset_s: int, limit: int) -> Reply:
    reply = problem(429, "Too Many Requests", "Too Many Requests")
    reply.headers |= app_headers(limit, 0, reset_s)
    return reply


def app_headers(limit: int, remaining: int, reset_s: int) -> dict[str, str]:
    """Of what all users of an app share."""
    return {
        "x-app-limit-24hour-limit": str(limit),
        "x-app-limit-24hour-remaining": str(remaining),
        "x-app-limit-24hour-reset": str(reset_s),
    }


def rate_headers(limit: int, remaining: int, reset_s: int) -> dict[str, str]:
    """`reset_s`: unix seconds at which the window ends."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(reset_s),
    }


def oauth_error(error: str, description: str, status: int = 400) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)


def ads_error(
    status: int, code: str, message: str, parameter: str | None = None, value: str | None = None
) -> Reply:
    """How the Ads API words its refusals."""
    errors = [error_of(code, message, parameter, value)]
    return json_reply({"errors": errors, "request": {"params": {}}}, status)


def error_of(code: str, message: str, parameter: str | None, value: str | None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    return error if parameter is None else error | {"parameter": parameter, "value": value or ""}


def credits_depleted() -> Reply:
    return problem(402, "Payment Required", "credits depleted", PROBLEMS + "credits-depleted")


def dead_token(path: str) -> Reply:
    if path.endswith("/oauth2/token"):
        return oauth_error("invalid_request", "Value passed for the token was invalid.")
    return unauthorized()


def failure(status: int, reset_s: int, ads: bool = False) -> Reply:
    """The platform's own body for a status ordered by a fault; `ads`: of the Ads API."""
    if ads:
        codes = {401: "UNAUTHORIZED_ACCESS", 429: "TOO_MANY_REQUESTS", 503: "SERVICE_UNAVAILABLE"}
        reply = ads_error(status, codes.get(status, "ERROR"), "ordered by a fault")
        if status == 429:
            reply.headers |= {
                f"x-account-{name.removeprefix('x-')}": value
                for name, value in rate_headers(250, 0, reset_s).items()
            }
        return reply
    if status == 429:
        return too_many(reset_s, 900)
    if status == 402:
        return credits_depleted()
    if status == 401:
        return unauthorized()
    titles = {403: "Forbidden", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
    title = titles.get(status, "Error")
    return problem(status, title, title)
