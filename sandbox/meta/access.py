"""Presenting a token to Graph, and how full a window is."""

from sandbox.limits import Window
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import Call


def credential(call: Call) -> str | None:
    """From `access_token` in query or body, or the Authorization header."""
    if "access_token" in call.query:
        return call.query["access_token"]
    return call.bearer() or call.fields().get("access_token")


def why_dead(state: State, token: AccessToken) -> tuple[str, int] | None:
    """Message and subcode of a token that is no longer good; None for one that is."""
    if not token.grant.authorised:
        return "Error validating access token: The user has not authorized the app.", 458
    if token.revoked:
        return "Error validating access token: The session is no longer valid.", 460
    if token.expires_ms <= state.clock.now_ms():
        state.ledger.token_expiries += 1
        return "Error validating access token: Session has expired.", 463
    return None


def percent(window: Window) -> int:
    return min(100, window.used * 100 // window.limit)
