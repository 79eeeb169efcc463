"""A platform that speaks plain JSON and OAuth as RFC 6749 has it, with tokens that rotate and one rate window
for each account: what the emulation of a platform without ways of its own begins with."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping

from sandbox.apps import PlatformApp
from sandbox.limits import Rule
from sandbox.login import Login, record_refresh
from sandbox.platform import Issued, plain_dead_token
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken, Grant
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Profile

WINDOW = "calls"
_RULE = Rule(600, 900)
Handler = Callable[[Call, Profile], Awaitable[Reply]]


class Plain:
    """Lives at one host: the consent page at `/login`, tokens at `/token`, and the calls that it is told."""

    def __init__(
        self,
        state: State,
        platform: str,
        title: str,
        host: str,
        scopes: tuple[str, ...],
        rule: Rule = _RULE,
        lifetime_s: int = 3600,
    ) -> None:
        self._state, self._platform, self._hosts, self._scopes = state, platform, (host,), scopes
        self._rule, self._lifetime_s = rule, lifetime_s
        self._login = Login(state, platform, title, self._hosts, "/login")

    def operations(self, handlers: Mapping[str, Handler]) -> list[Operation]:
        """`handlers`: by method and path (`GET /posts/:id`), for calls with a bearer token."""
        token = Operation(self._platform, self._hosts, "POST", "/token", self.token)
        rows = ((name.split(" "), handler) for name, handler in handlers.items())
        return [*self._login.operations(), token, *(self._guarded(m, path, h) for (m, path), h in rows)]

    def _guarded(self, method: str, template: str, handler: Handler) -> Operation:
        """The call counts in the account's window."""

        async def guarded(call: Call) -> Reply:
            token, now = self._state.tokens.access(call.bearer() or ""), self._state.clock.now_ms()
            if token is None or token.revoked or token.expires_ms <= now:
                return plain_dead_token(call)
            grant, limits = token.grant, self._state.limits
            window = limits.spend(self._platform, WINDOW, "user", grant.external_id, self._rule, now)
            if window.exceeded:
                self._state.ledger.limited(grant.app_id)
                wait_s = max(1, window.resets_at_s - now // 1000)
                return json_reply({"error": "too_many_calls"}, 429, {"retry-after": str(wait_s)})
            return await handler(call, self._state.world.accounts[self._platform, grant.external_id])

        return Operation(self._platform, self._hosts, method, template, guarded)

    async def token(self, call: Call) -> Reply:
        """Client id and secret by Basic; a code once, a refresh token once."""
        app, form, now = self._client(call), call.form(), self._state.clock.now_ms()
        if app is None:
            return json_reply({"error": "invalid_client"}, 401)
        if form.get("grant_type") == "authorization_code":
            grant = self._login.redeemed(app, form)
            return json_reply({"error": "invalid_grant"}, 400) if grant is None else self._answer(grant)
        value = form.get("refresh_token", "")
        result = self._state.tokens.refresh(value, app.id, now, self._lifetime_s, call.answered)
        record_refresh(self._state, result, app, call.answered)
        if result.grant is None or result.access is None:
            return json_reply({"error": "invalid_grant"}, 400)
        return self._answer(result.grant, result.access, result.refresh_token)

    def issue(self, app: PlatformApp, account: Profile) -> Issued:
        now = self._state.clock.now_ms()
        grant = self._state.tokens.grant(self._platform, app.id, account.id, self._scopes, now, "control")
        access = self._state.tokens.issue_access(grant, now, self._lifetime_s)
        return Issued(access.value, self._state.tokens.issue_refresh(grant), self._lifetime_s, self._scopes)

    def _answer(self, grant: Grant, access: AccessToken | None = None, refresh: str | None = None) -> Reply:
        tokens, now = self._state.tokens, self._state.clock.now_ms()
        return json_reply(
            {
                "access_token": (access or tokens.issue_access(grant, now, self._lifetime_s)).value,
                "refresh_token": refresh or tokens.issue_refresh(grant),
                "expires_in": self._lifetime_s,
                "scope": " ".join(grant.scopes),
            }
        )

    def _client(self, call: Call) -> PlatformApp | None:
        _, _, value = call.headers.get("authorization", "").partition(" ")
        try:
            client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        app = self._state.apps.by_client_id(self._platform, client_id)
        return app if app is not None and app.client_secret == secret else None
