"""X's OAuth 2.0: authorization code with PKCE, rotating refresh tokens, revocation, app-only bearer.

Sources: docs.x.com "OAuth 2.0 Authorization Code Flow with PKCE" and "OAuth 2.0 Making requests on
behalf of users"; that a spent refresh token is refused is a third-party measurement.
"""

import base64
import binascii
import hashlib
from urllib.parse import unquote, urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.ledger import RefreshRow
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import Code, Grant, Refreshed
from sandbox.twitter.access import HOSTS
from sandbox.twitter.errors import Refused, oauth_error
from sandbox.web import Call, Reply, json_reply, redirect

CODE_LIFETIME_S = 30
ACCESS_LIFETIME_S = 7200
DEFAULT_SCOPES = (
    "tweet.read",
    "tweet.write",
    "users.read",
    "media.write",
    "like.read",
    "follows.read",
    "offline.access",
)
_LOGIN_HOSTS = ("x.com", "twitter.com")
_STATE_LIMIT = 500
_INVALID_TOKEN = "Value passed for the token was invalid."


class OAuth:
    def __init__(self, state: State) -> None:
        self._state = state

    def operations(self) -> list[Operation]:
        def row(hosts: tuple[str, ...], method: str, template: str, handler: object) -> Operation:
            return Operation("twitter", hosts, method, template, handler)  # type: ignore[arg-type]

        return [
            row(_LOGIN_HOSTS, "GET", "/i/oauth2/authorize", self.ask),
            row(_LOGIN_HOSTS, "POST", "/i/oauth2/authorize", self.decide),
            row(HOSTS, "POST", "/2/oauth2/token", self.token),
            row(HOSTS, "POST", "/2/oauth2/revoke", self.revoke),
            row(HOSTS, "POST", "/oauth2/token", self.app_only),
        ]

    async def ask(self, call: Call) -> Reply:
        """The consent page. Wrong parameters are shown to the person, never sent to the redirect address."""
        wrong = self._wrong(call.query)
        if wrong:
            return problem_page("X", wrong)
        app = self._state.apps.by_client_id("twitter", call.query["client_id"])
        return choose_account("X", app.name if app else "", call.query, self._accounts(), _scopes(call.query))

    async def decide(self, call: Call) -> Reply:
        form = {**call.query, **call.form()}
        wrong = self._wrong(form)
        if wrong:
            return problem_page("X", wrong)
        back, kept = form["redirect_uri"], form["state"]
        if form.get("decision") != "approve":
            return redirect(_with(back, {"error": "access_denied", "state": kept}))
        account = self._state.world.accounts.get(("twitter", form.get("user", "")))
        if account is None:
            return problem_page("X", "Choose one of the accounts: user must be the external id of one.")
        app = self._state.apps.by_client_id("twitter", form["client_id"])
        assert app is not None  # _wrong has looked
        code = self._state.tokens.issue_code(
            "twitter",
            app.id,
            account.id,
            _scopes(form),
            back,
            self._state.clock.now_ms() + CODE_LIFETIME_S * 1000,
            form["code_challenge"],
            form.get("code_challenge_method", "plain"),
        )
        return redirect(_with(back, {"state": kept, "code": code}))

    async def token(self, call: Call) -> Reply:
        form = call.form()
        try:
            app = self._client(call, form)
            if form.get("grant_type") == "authorization_code":
                return self._exchange(app, form)
            if form.get("grant_type") == "refresh_token":
                return self._refresh(app, form, call.answered)
        except Refused as refused:
            return refused.reply
        return oauth_error(
            "unsupported_grant_type", "grant_type must be authorization_code or refresh_token."
        )

    async def revoke(self, call: Call) -> Reply:
        form = call.form()
        try:
            app = self._client(call, form)
        except Refused as refused:
            return refused.reply
        # Unknown tokens are answered alike, as RFC 7009 asks.
        self._state.tokens.revoke(form.get("token", ""), app.id)
        return json_reply({"revoked": True})

    async def app_only(self, call: Call) -> Reply:
        """Basic with the API key and secret; the sandbox accepts the client id as the key too."""
        if call.form().get("grant_type") != "client_credentials":
            return oauth_error("unsupported_grant_type", "grant_type must be client_credentials.")
        user, password = _basic(call)
        app = self._state.apps.by_client_id("twitter", user or "")
        if app is None or password not in (app.webhook_secret, app.client_secret):
            return oauth_error("invalid_client", "Unable to verify your credentials", 403)
        return json_reply({"token_type": "bearer", "access_token": app.bearer_token})

    def _exchange(self, app: PlatformApp, form: dict[str, str]) -> Reply:
        now = self._state.clock.now_ms()
        code = self._state.tokens.code(form.get("code", ""), app.id)
        if code is None or code.used or code.expires_ms <= now:
            return oauth_error("invalid_request", "Value passed for the authorization code was invalid.")
        if code.redirect_uri != form.get("redirect_uri"):
            return oauth_error(
                "invalid_request", "Value passed for the redirect uri did not match the uri of the code."
            )
        if not _verified(code, form.get("code_verifier", "")):
            return oauth_error(
                "invalid_request", "Value passed for the code verifier did not match the code challenge."
            )
        grant = self._state.tokens.redeem(code, now)
        refresh = self._state.tokens.issue_refresh(grant) if "offline.access" in grant.scopes else None
        access = self._state.tokens.issue_access(grant, now, ACCESS_LIFETIME_S)
        return _tokens(grant, access.value, refresh)

    def _refresh(self, app: PlatformApp, form: dict[str, str], answered: bool) -> Reply:
        now = self._state.clock.now_ms()
        value = form.get("refresh_token", "")
        result = self._state.tokens.refresh(value, app.id, now, ACCESS_LIFETIME_S, answered)
        self._record(result, app, answered)
        if result.outcome != "rotated" or result.grant is None or result.access is None:
            return oauth_error("invalid_request", _INVALID_TOKEN)
        return _tokens(result.grant, result.access.value, result.refresh_token)

    def _record(self, result: Refreshed, app: PlatformApp, answered: bool) -> None:
        grant = result.grant
        row = RefreshRow(
            platform="twitter",
            external_id=grant.external_id if grant else None,
            app_id=app.id,
            at=iso_z(self._state.clock.now_ms()),
            outcome=result.outcome,
            answered=answered,
            family=grant.id if grant else None,
            repeated=result.repeated,
        )
        self._state.ledger.refreshed(row, result.in_doubt)

    def _client(self, call: Call, form: dict[str, str]) -> PlatformApp:
        """Confidential clients authenticate with Basic; every app of the sandbox is one."""
        user, password = _basic(call)
        app = self._state.apps.by_client_id("twitter", user or "")
        if app is None or password != app.client_secret:
            raise Refused(oauth_error("unauthorized_client", "Missing valid authorization header", 401))
        return app

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._state.apps.by_client_id("twitter", query.get("client_id", ""))
        if query.get("response_type") != "code":
            return "response_type must be code."
        if app is None:
            return "client_id names no app of this sandbox; GET /_sandbox/apps lists them."
        if not app.accepts_redirect(query.get("redirect_uri", "")):
            return "redirect_uri is not one of the app's registered addresses."
        if not query.get("state") or len(query["state"]) > _STATE_LIMIT:
            return f"state is needed and may have at most {_STATE_LIMIT} characters."
        if not query.get("code_challenge"):
            return "code_challenge is needed (PKCE)."
        if query.get("code_challenge_method", "plain") not in ("S256", "plain"):
            return "code_challenge_method must be S256 or plain."
        return None if query.get("scope") else "scope is needed."

    def _accounts(self) -> list[tuple[str, str, str]]:
        return [
            (a.id, a.username, a.name) for a in self._state.world.accounts.values() if a.platform == "twitter"
        ]


def _scopes(query: dict[str, str]) -> tuple[str, ...]:
    return tuple(query.get("scope", "").replace("+", " ").split())


def _with(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _basic(call: Call) -> tuple[str | None, str | None]:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return unquote(user), unquote(password)


def _verified(code: Code, verifier: str) -> bool:
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge
    return verifier == code.challenge


def _tokens(grant: Grant, access: str, refresh: str | None) -> Reply:
    body = {
        "token_type": "bearer",
        "expires_in": ACCESS_LIFETIME_S,
        "access_token": access,
        "scope": " ".join(grant.scopes),
    }
    return json_reply(body | ({"refresh_token": refresh} if refresh else {}))
