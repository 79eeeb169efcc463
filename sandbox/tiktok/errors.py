"""TikTok's error bodies; each of its services has a shape of its own. Sources: developers.tiktok.com "Error
handling" and "OAuth error handling", business-api.tiktok.com return codes, partner.tiktokshop.com "Common
errors"."""

from typing import Any

from sandbox.ids import hexadecimal
from sandbox.web import Call, Reply, json_reply

OPEN = ("open.tiktokapis.com",)
UPLOAD = ("open-upload.tiktokapis.com", "upload.us.tiktokapis.com")
BUSINESS = ("business-api.tiktok.com",)
SHOP = ("open-api.tiktokglobalshop.com",)
SHOP_AUTH = ("auth.tiktok-shops.com",)

_STATUS = {
    "access_token_invalid": 401,
    "scope_not_authorized": 401,
    "spam_risk_too_many_posts": 403,
    "spam_risk_too_many_pending_share": 403,
    "spam_risk_user_banned_from_posting": 403,
    "url_ownership_unverified": 403,
    "privacy_level_option_mismatch": 403,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
}


class Refused(Exception):
    """A call ends here with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def log_id(*parts: object) -> str:
    return "20261122" + hexadecimal(26, "log", *parts).upper()


def fine(data: dict[str, Any]) -> Reply:
    return json_reply({"data": data, "error": {"code": "ok", "message": "", "log_id": log_id(data)}})


def refusal(code: str, message: str, status: int | None = None) -> Reply:
    """The developers' service; the status is the code's unless given. Whether `data` is there on errors is
    unconfirmed: here it is, empty."""
    body = {"data": {}, "error": {"code": code, "message": message, "log_id": log_id(code, message)}}
    return json_reply(body, status or _STATUS.get(code, 400))


def oauth_refusal(error: str, description: str, status: int = 400) -> Reply:
    """The status is unconfirmed; clients go by `error`."""
    body = {"error": error, "error_description": description, "log_id": log_id(error, description)}
    return json_reply(body, status)


def coded(code: int, message: str, data: dict[str, Any] | None = None, status: int = 200) -> Reply:
    """The business service, which answers 200 to everything, and the shop's."""
    body = {"code": code, "message": message, "request_id": log_id(code, data or message), "data": data or {}}
    return json_reply(body, status)


def dead_token(call: Call) -> Reply:
    if call.host in BUSINESS:
        return coded(40105, "Access token is incorrect or has been revoked.")
    if call.host in SHOP or call.host in SHOP_AUTH:
        return coded(105002, "Expired credentials", status=401)
    if call.path.startswith("/v2/oauth/"):
        return oauth_refusal("invalid_grant", "Refresh token is invalid or expired.")
    return refusal("access_token_invalid", "The access token is invalid or not found in the request.")


def failure(status: int, call: Call) -> Reply:
    """The service's own body for a status ordered by a fault."""
    if call.host in BUSINESS:
        codes = {429: 40100, 401: 40105, 403: 40001, 404: 40007}
        return coded(codes.get(status, 50000 if status >= 500 else 40002), "ordered by a fault")
    if call.host in SHOP or call.host in SHOP_AUTH:
        codes = {429: 36009002, 401: 105002, 403: 105005}
        return coded(codes.get(status, 36009003), "ordered by a fault", status=status)
    if call.host in UPLOAD:
        return Reply(status)
    if call.path.startswith("/v2/oauth/"):
        error = "server_error" if status >= 500 else "invalid_request"
        return oauth_refusal("temporarily_unavailable" if status == 429 else error, "Try again.", status)
    if status == 429:
        return refusal("rate_limit_exceeded", "The API rate limit was exceeded. Please try again later.")
    if status == 401:
        return dead_token(call)
    if status >= 500:
        return refusal("internal_error", "Something went wrong. Please try again later.", status)
    code = "scope_not_authorized" if status == 403 else "invalid_params"
    return refusal(code, "ordered by a fault", status)
