"""The consent page, codes for tokens, refreshes that go on for ever.

Sources: Pinterest's OpenAPI document 5.23.0 (`/oauth/token`), its page "Set up authentication and
authorization", its sample project api-quickstart. Unconfirmed and decided here: a code is good for ten
minutes and works once; at the consent page a refusal comes back as `access_denied`; whether a refresh ends
the token presented is the app's dialect (`standard`: it stays good; `rotating`: it ends).
"""

import base64
import binascii

from sandbox.apps import PlatformApp
from sandbox.login import Login, record_refresh, scopes_of
from sandbox.pinterest import errors
from sandbox.pinterest.errors import API, LOGIN
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import Grant
from sandbox.web import Call, Reply, json_reply

ACCESS_S, REFRESH_S = 2_592_000, 5_184_000
ACCESS_PREFIX, REFRESH_PREFIX = "pina_", "pinr_"
ROTATING = "rotating"
SCOPES = tuple(
    f"{what}:{how}"
    for what in ("user_accounts", "pins", "boards", "ads", "catalogs", "billing", "biz_access")
    for how in ("read", "write")
)
_SECRET_SCOPES = tuple(f"{what}:{how}_secret" for what in ("pins", "boards") for how in ("read", "write"))
_KNOWN = frozenset((*SCOPES, *_SECRET_SCOPES))


class OAuth:
    def __init__(self, state: State) -> None:
        self._state = state
        # Pinterest's sample project says `consumer_id`.
        self._login = Login(state, "pinterest", "Pinterest", LOGIN, "/oauth/", _unknown_scope, "consumer_id")
        self._expires_ms: dict[str, int] = {}  # refresh tokens

    def operations(self) -> list[Operation]:
        return [
            *self._login.operations(),
            Operation("pinterest", API, "POST", "/v5/oauth/token", self.token),
            Operation("pinterest", API, "POST", "/v5/oauth/token/revoke", self.revoke),
        ]

    async def token(self, call: Call) -> Reply:
        app, form = self._client(call), call.form()
        if app is None:
            return errors.dead_token(call)
        match form.get("grant_type"):
            case "authorization_code":
                return self._exchange(call, app, form)
            case "refresh_token":
                return self._refresh(call, app, form)
            case "client_credentials":
                return self._own(app, form)
        return errors.refusal(400, 1, "grant_type must be authorization_code or refresh_token.")

    async def revoke(self, call: Call) -> Reply:
        if self._client(call) is None:
            return errors.dead_token(call)
        return errors.refusal(403, 29, "Only tokens of system users can be revoked.")

    def issue_refresh(self, grant: Grant) -> str:
        value = self._state.tokens.issue_refresh(grant, REFRESH_PREFIX)
        self._expires_ms[value] = self._state.clock.now_ms() + REFRESH_S * 1000
        return value

    def _exchange(self, call: Call, app: PlatformApp, form: dict[str, str]) -> Reply:
        grant = self._login.redeemed(app, form)
        return errors.dead_token(call) if grant is None else self._answer(grant, "authorization_code")

    def _refresh(self, call: Call, app: PlatformApp, form: dict[str, str]) -> Reply:
        value, now = form.get("refresh_token", ""), self._state.clock.now_ms()
        if self._expires_ms.get(value, now + 1) <= now:
            return errors.dead_token(call)
        if app.dialect == ROTATING:
            result = self._state.tokens.refresh(
                value, app.id, now, ACCESS_S, call.answered, ACCESS_PREFIX, reuse_kills=False
            )
        else:
            result = self._state.tokens.renew(value, app.id, now, ACCESS_S, call.answered, ACCESS_PREFIX)
        record_refresh(self._state, result, app, call.answered)
        if result.grant is None or result.access is None:
            return errors.dead_token(call)
        return self._answer(result.grant, "refresh_token", result.access.value)

    def _own(self, app: PlatformApp, form: dict[str, str]) -> Reply:
        """A token of the app's owner, whom the sandbox does not have: it opens nothing."""
        value = f"pinc_{app.id}"
        answer = {"access_token": value, "response_type": "client_credentials", "token_type": "bearer"}
        return json_reply({**answer, "expires_in": ACCESS_S, "scope": form.get("scope", "")})

    def _answer(self, grant: Grant, kind: str, access: str | None = None) -> Reply:
        now = self._state.clock.now_ms()
        if access is None:
            access = self._state.tokens.issue_access(grant, now, ACCESS_S, ACCESS_PREFIX).value
        return json_reply(
            {
                "access_token": access,
                "refresh_token": self.issue_refresh(grant),
                "response_type": kind,
                "token_type": "bearer",
                "expires_in": ACCESS_S,
                "refresh_token_expires_in": REFRESH_S,
                "refresh_token_expires_at": now // 1000 + REFRESH_S,
                "scope": " ".join(grant.scopes),
            }
        )

    def _client(self, call: Call) -> PlatformApp | None:
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        try:
            pair = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        client_id, _, secret = pair.partition(":")
        app = self._state.apps.by_client_id("pinterest", client_id)
        good = scheme.lower() == "basic" and app is not None and app.client_secret == secret
        return app if good else None


def _unknown_scope(query: dict[str, str]) -> str | None:
    unknown = [scope for scope in scopes_of(query) if scope not in _KNOWN]
    return f"the scope {unknown[0]!r} does not exist." if unknown else None
