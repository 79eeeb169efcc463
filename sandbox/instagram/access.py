"""Who may call graph.instagram.com, and Meta's usage headers and limits."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from sandbox.apps import PlatformApp
from sandbox.instagram import errors
from sandbox.limits import Rule, Window
from sandbox.meta import errors as graph
from sandbox.meta.access import credential, percent, why_dead
from sandbox.meta.errors import Refused
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import Call, Reply
from sandbox.world import Profile

GRAPH = ("graph.instagram.com",)
POSTS_FAMILY = "posts"
RATE_FAMILIES = ("business", "app", POSTS_FAMILY)
_DAY_S = 86_400
_HOUR_S = 3600
# Meta's pool is 200 x users of the app per rolling hour; this app is taken to have a thousand.
_APP_RULE = Rule(200_000, _HOUR_S)


@dataclass(frozen=True, slots=True)
class Caller:
    app: PlatformApp
    account: Profile
    token: AccessToken


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Guard(Protocol):
    """Lets calls through to a handler: `Access` here, and Facebook Login's on its own host."""

    def operation(self, method: str, template: str, handler: Handler, scope: str = "basic") -> Operation: ...


class Access:
    def __init__(self, state: State) -> None:
        self._state = state

    def operation(self, method: str, template: str, handler: Handler, scope: str = "basic") -> Operation:
        """`scope`: the last part of an `instagram_business_*` permission."""

        async def guarded(call: Call) -> Reply:
            try:
                caller = self.caller(call)
                business, app = self._spend(caller)
                if f"instagram_business_{scope}" not in caller.token.grant.scopes:
                    raise Refused(graph.missing_permission(f"instagram_business_{scope}"))
                try:
                    reply = await handler(call, caller)
                except Refused as refused:
                    reply = refused.reply
            except Refused as refused:
                return refused.reply
            reply.headers["x-app-usage"] = graph.app_usage(percent(app))
            reply.headers["x-business-use-case-usage"] = graph.business_usage(
                "instagram", caller.account.id, percent(business)
            )
            return reply

        return Operation("instagram", GRAPH, method, template, guarded)

    def caller(self, call: Call) -> Caller:
        value = credential(call)
        if not value:
            raise Refused(graph.graph_error(104, "An access token is required to request this resource."))
        token = self._state.tokens.access(value)
        if token is None or token.grant.platform != "instagram":
            raise Refused(graph.unknown_token())
        wrong = why_dead(self._state, token)
        if wrong is not None:
            raise Refused(graph.bad_token(*wrong))
        account = self._state.world.accounts["instagram", token.grant.external_id]
        return Caller(self._state.app_of(token.grant.app_id), account, token)

    def _spend(self, caller: Caller) -> tuple[Window, Window]:
        limits, now = self._state.limits, self._state.clock.now_ms()
        # 4800 calls a day for each impression of the last day; a tenth of the followers see something.
        rule = Rule(4800 * max(10, caller.account.followers // 10), _DAY_S)
        subject = f"{caller.app.id}:{caller.account.id}"
        business = limits.spend("instagram", "business", "account", subject, rule, now)
        app = limits.spend("instagram", "app", "app", caller.app.id, _APP_RULE, now)
        ledger = self._state.ledger
        ledger.shared(caller.app.id, caller.account.id, app.exceeded)
        if app.exceeded:
            ledger.limited(caller.app.id)
            raise Refused(graph.app_limit())
        if business.exceeded:
            ledger.limited(caller.app.id)
            minutes = -(-(business.ends_ms - now) // 60_000)
            raise Refused(errors.account_limit(caller.account.id, minutes))
        return business, app
