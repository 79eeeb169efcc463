"""Who may call api.pinterest.com: bearer tokens, scopes, a minute's window for each category of operations.

Source: `x-ratelimit-category` in Pinterest's OpenAPI document and its page on rate limits (numbers of org_*
and catalogs_* second-hand). The headers are what clients have seen; no document names them. An app with trial
access has a thousand calls a day for all its users.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.apps import PlatformApp
from sandbox.limits import Rule, Window
from sandbox.pinterest import errors
from sandbox.pinterest.errors import API, Refused
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Profile

CATEGORIES = {
    "org_read": Rule(1000, 60),
    "org_write": Rule(100, 60),
    "org_analytics": Rule(60, 60),
    "ads_read": Rule(1000, 60),
    "ads_write": Rule(400, 60),
    "ads_analytics": Rule(300, 60),
    "catalogs_read": Rule(100, 60),
    "catalogs_write": Rule(100, 60),
}
TRIAL, TRIAL_FAMILY = "trial", "trial_day"
_TRIAL_DAY = Rule(1000, 86_400)


@dataclass(frozen=True, slots=True)
class Caller:
    app: PlatformApp
    account: Profile
    token: AccessToken


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Access:
    def __init__(self, state: State) -> None:
        self._state = state

    def operation(
        self, method: str, template: str, handler: Handler, scopes: tuple[str, ...], category: str
    ) -> Operation:
        """All of `scopes` are needed."""

        async def guarded(call: Call) -> Reply:
            headers: dict[str, str] = {}
            try:
                caller = self._caller(call)
                headers = self._spend(category, caller)
                missing = [scope for scope in scopes if scope not in caller.token.grant.scopes]
                if missing:
                    message = f"Your token does not have the scope {missing[0]}."
                    raise Refused(errors.refusal(401, 3, message))
                reply = await handler(call, caller)
            except BadInput as error:
                reply = errors.refusal(400, 1, str(error))
            except Refused as refused:
                reply = refused.reply
            reply.headers.update(headers)
            return reply

        return Operation("pinterest", API, method, f"/v5{template}", guarded)

    def _caller(self, call: Call) -> Caller:
        token = self._state.tokens.access(call.bearer() or "")
        if token is None or token.grant.platform != "pinterest" or token.revoked:
            raise Refused(errors.dead_token(call))
        if token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += 1
            raise Refused(errors.dead_token(call))
        account = self._state.world.accounts["pinterest", token.grant.external_id]
        return Caller(self._state.app_of(token.grant.app_id), account, token)

    def _spend(self, category: str, caller: Caller) -> dict[str, str]:
        """The window's headers; Refused when it has no room."""
        limits, now = self._state.limits, self._state.clock.now_ms()
        subject = f"{caller.app.id}:{caller.account.id}"
        window = limits.spend("pinterest", category, "user", subject, CATEGORIES[category], now)
        exceeded = window.exceeded
        if caller.app.dialect == TRIAL:
            day = limits.spend("pinterest", TRIAL_FAMILY, "app", caller.app.id, _TRIAL_DAY, now)
            if day.exceeded or (not exceeded and day.remaining < window.remaining):
                window, exceeded = day, day.exceeded or exceeded
        headers = _headers(window, now)
        if exceeded:
            self._state.ledger.limited(caller.app.id)
            reply = errors.refusal(429, 8, "This request exceeded a rate limit.")
            reply.headers.update(headers)
            raise Refused(reply)
        return headers


def _headers(window: Window, now_ms: int) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(window.limit),
        "x-ratelimit-remaining": str(window.remaining),
        "x-ratelimit-reset": str(max(0, -(-(window.ends_ms - now_ms) // 1000))),
    }
