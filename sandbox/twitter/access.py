"""Who may call an X operation and how often: bearer tokens, scopes, 15-minute windows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.apps import PlatformApp
from sandbox.limits import Rule, Window
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.errors import Refused
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Profile

HOSTS = ("api.x.com", "api.twitter.com")
WINDOW_S = 900
APP_FAMILY = "app"
"""One quota over all users of an app, as agreements have it: none until `PUT /_sandbox/limits` sets it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An app, and the account it acts for; `account` is None for an app-only bearer token."""

    app: PlatformApp
    account: Profile | None
    scopes: frozenset[str] = frozenset()

    def owner(self) -> Profile:
        if self.account is None:
            raise Refused(errors.unsupported_authentication("This endpoint needs OAuth 2.0 User Context."))
        return self.account


Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Access:
    def __init__(self, state: State) -> None:
        self._state = state
        self.families: list[str] = [APP_FAMILY]

    def operation(
        self,
        method: str,
        template: str,
        handler: Handler,
        *,
        scopes: str = "",
        app_only: bool = False,
        per_user: int | None = None,
        per_app: int | None = None,
    ) -> Operation:
        """`scopes`: needed of a user token, separated by spaces. `per_user`, `per_app`: calls per window."""
        needed = frozenset(scopes.split())
        if per_user or per_app:
            self.families.append(f"{method} {template}")

        async def guarded(call: Call) -> Reply:
            try:
                caller = self._caller(call, needed, app_only)
                shared = self._spend_shared(caller)
                windows = self._spend(f"{method} {template}", caller, per_user, per_app)
                try:
                    reply = await handler(call, caller)
                except BadInput as error:
                    reply = errors.invalid("body", "", str(error))
                except Refused as refused:
                    reply = refused.reply
            except Refused as refused:
                return refused.reply
            tightest = min(windows, key=lambda window: window.remaining / window.limit, default=None)
            if tightest:
                reply.headers |= errors.rate_headers(tightest.limit, tightest.remaining, tightest.resets_at_s)
            if shared:
                reply.headers |= errors.app_headers(shared.limit, shared.remaining, shared.resets_at_s)
            return reply

        return Operation("twitter", HOSTS, method, template, guarded)

    def _caller(self, call: Call, needed: frozenset[str], app_only: bool) -> Caller:
        value = call.bearer()
        if not value:
            raise Refused(errors.unauthorized())
        app = self._state.apps.by_bearer(value)
        if app:
            return Caller(app, None)
        token = self._state.tokens.access(value)
        # A token of OAuth 1.0a signs and is shown to nobody: it is no bearer token.
        if token is None or token.grant.platform != "twitter" or token.revoked or token.long_lived:
            raise Refused(errors.unauthorized())
        if token.expires_ms <= self._state.clock.now_ms():
            self._state.ledger.token_expiries += 1
            raise Refused(errors.unauthorized())
        if app_only:
            raise Refused(
                errors.unsupported_authentication("This endpoint needs OAuth 2.0 Application-Only.")
            )
        scopes = frozenset(token.grant.scopes)
        if not needed <= scopes:
            missing = " ".join(sorted(needed - scopes))
            raise Refused(errors.forbidden(f"Your token does not have the required scope: {missing}"))
        account = self._state.world.accounts["twitter", token.grant.external_id]
        return Caller(self._state.app_of(token.grant.app_id), account, scopes)

    def _spend_shared(self, caller: Caller) -> Window | None:
        """Count a call with a user's token in the quota of its app, if there is one."""
        rule = self._state.limits.rule("twitter", APP_FAMILY)
        if caller.account is None or rule is None:
            return None
        now, ledger = self._state.clock.now_ms(), self._state.ledger
        window = self._state.limits.spend("twitter", APP_FAMILY, "app", caller.app.id, rule, now)
        ledger.shared(caller.app.id, caller.account.id, window.exceeded)
        if window.exceeded:
            ledger.limited(caller.app.id)
            raise Refused(errors.too_many_of_app(window.resets_at_s, window.limit))
        return window

    def _spend(self, family: str, caller: Caller, per_user: int | None, per_app: int | None) -> list[Window]:
        limits, now = self._state.limits, self._state.clock.now_ms()
        windows = []
        if caller.account is not None and per_user:
            subject = f"{caller.app.id}:{caller.account.id}"
            windows.append(limits.spend("twitter", family, "user", subject, Rule(per_user, WINDOW_S), now))
        elif per_app:
            windows.append(
                limits.spend("twitter", family, "app", caller.app.id, Rule(per_app, WINDOW_S), now)
            )
        for window in windows:
            if window.exceeded:
                self._state.ledger.limited(caller.app.id)
                raise Refused(errors.too_many(window.resets_at_s, window.limit))
        return windows
