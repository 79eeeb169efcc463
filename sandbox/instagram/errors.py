"""Instagram's own error bodies, beside those of `sandbox.meta.errors`. Source: the Instagram Platform error
code reference."""

from sandbox.meta.errors import Refused, business_limit, graph_error, ordered
from sandbox.web import Reply, json_reply


def flat_error(message: str, status: int = 400) -> Reply:
    """How api.instagram.com words its refusals."""
    return json_reply({"error_type": "OAuthException", "code": status, "error_message": message}, status)


def bad_parameter(message: str) -> Reply:
    return graph_error(100, f"(#100) {message}", kind="IGApiException")


def refused(code: int, subcode: int, message: str) -> Refused:
    """One of the error codes of publishing; those below nothing are a server's, and pass."""
    kind = "OAuthException" if code < 10 else "IGApiException"
    return Refused(graph_error(code, f"(#{code}) {message}", subcode, kind=kind, transient=code == -1))


def account_limit(account_id: str, regain_minutes: int) -> Reply:
    return business_limit(80002, "instagram", account_id, regain_minutes, "Instagram account")


def failure(status: int, account_id: str, wait_s: int, flat: bool) -> Reply:
    """Meta's own body for a status ordered by a fault; 429 becomes its throttling answer (HTTP 400)."""
    if flat:
        return flat_error("Sorry, this content isn't available right now", status)
    if status == 429:
        return account_limit(account_id, -(-wait_s // 60))
    return ordered(status)
