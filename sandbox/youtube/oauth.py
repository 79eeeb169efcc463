"""Google's OAuth 2.0 for web servers: consent, code for tokens, refresh, revocation, inspection.

A refresh token comes for offline access only, and on an account's first consent to an app only unless the
prompt asks for consent again; it stays good when it is used. Source: "Using OAuth 2.0 for Web Server
Applications". Not emulated: the cap of a hundred refresh tokens per account and client.
"""

from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import DAY_MS
from sandbox.login import record_refresh, scopes_of, verified
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Handler, Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply, redirect
from sandbox.youtube.errors import oauth_error

CODE_LIFETIME_S = 600
ACCESS_LIFETIME_S = 3599
ACCESS_PREFIX = "ya29.a0"
REFRESH_PREFIX = "1//0g"
DEFAULT_SCOPES = tuple(
    f"https://www.googleapis.com/auth/{name}"
    for name in ("youtube.readonly", "youtube.force-ssl", "youtube.upload", "yt-analytics.readonly")
)
_LOGIN = ("accounts.google.com",)
_TOKENS = ("oauth2.googleapis.com",)
_UNUSED_FOR_MS = 182 * DAY_MS
_EXPIRED = "Token has been expired or revoked."


class OAuth:
    def __init__(self, state: State) -> None:
        self._state = state
        self._lasting: set[str] = set()  # codes that were asked for with a refresh token to come
        self._used_ms: dict[str, int] = {}  # refresh token -> when it was used last

    def operations(self) -> list[Operation]:
        def row(hosts: tuple[str, ...], method: str, template: str, handler: Handler) -> Operation:
            return Operation("youtube", hosts, method, template, handler)

        return [
            *(
                row(_LOGIN, method, template, handler)
                for template in ("/o/oauth2/v2/auth", "/o/oauth2/auth")
                for method, handler in (("GET", self.ask), ("POST", self.decide))
            ),
            row(_TOKENS, "POST", "/token", self.token),
            row(_TOKENS, "POST", "/revoke", self.revoke),
            row(_TOKENS, "GET", "/tokeninfo", self.inspect),
        ]

    async def ask(self, call: Call) -> Reply:
        wrong = self._wrong(call.query)
        if wrong:
            return problem_page("Google", wrong)
        app = self._state.apps.by_client_id("youtube", call.query["client_id"])
        accounts = [
            (a.id, a.username, a.name) for a in self._state.world.accounts.values() if a.platform == "youtube"
        ]
        return choose_account("YouTube", app.name if app else "", call.query, accounts, scopes_of(call.query))

    async def decide(self, call: Call) -> Reply:
        """`granted` (of the form, separated by spaces): the boxes the person left ticked; all of them when it
        is not sent."""
        form = {**call.query, **call.form()}
        wrong = self._wrong(form)
        if wrong:
            return problem_page("Google", wrong)
        kept = {"state": form["state"]} if "state" in form else {}
        if form.get("decision") != "approve":
            return redirect(_with(form["redirect_uri"], {"error": "access_denied"} | kept))
        account = self._state.world.accounts.get(("youtube", form.get("user", "")))
        if account is None:
            return problem_page("Google", "Choose one of the channels: user must be the external id of one.")
        app = self._state.apps.by_client_id("youtube", form["client_id"])
        assert app is not None  # _wrong has looked
        scopes = scopes_of(form)
        if "granted" in form:
            scopes = tuple(scope for scope in scopes if scope in form["granted"].split())
        now = self._state.clock.now_ms()
        first = not self._state.tokens.connected("youtube", app.id, account.id)
        code = self._state.tokens.issue_code(
            "youtube",
            app.id,
            account.id,
            scopes,
            form["redirect_uri"],
            now + CODE_LIFETIME_S * 1000,
            form.get("code_challenge"),
            form.get("code_challenge_method", "plain"),
        )
        if form.get("access_type") == "offline" and (first or "consent" in form.get("prompt", "").split()):
            self._lasting.add(code)
        return redirect(_with(form["redirect_uri"], kept | {"code": code, "scope": " ".join(scopes)}))

    async def token(self, call: Call) -> Reply:
        """Credentials come in the body."""
        form = call.form()
        app = self._state.apps.by_client_id("youtube", form.get("client_id", ""))
        if app is None or form.get("client_secret") != app.client_secret:
            return oauth_error("invalid_client", "The provided client secret is invalid.", 401)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(app, form)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(app, form.get("refresh_token", ""), call.answered)
        return oauth_error("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")

    async def revoke(self, call: Call) -> Reply:
        """Either token ends the whole permission."""
        value = call.form().get("token") or call.query.get("token", "")
        grant = self._state.tokens.owner(value)
        if grant is None or grant.platform != "youtube" or not grant.authorised:
            return oauth_error("invalid_token", "Token expired or revoked")
        self._state.tokens.end(grant)
        return json_reply({})

    async def inspect(self, call: Call) -> Reply:
        token = self._state.tokens.access(call.query.get("access_token", ""))
        now = self._state.clock.now_ms()
        if token is None or token.revoked or not token.grant.authorised or token.expires_ms <= now:
            return oauth_error("invalid_token", "Invalid Value")
        app = self._state.app_of(token.grant.app_id)
        return json_reply(
            {
                "azp": app.client_id,
                "aud": app.client_id,
                "scope": " ".join(token.grant.scopes),
                "exp": str(token.expires_ms // 1000),
                "expires_in": str((token.expires_ms - now) // 1000),
                "access_type": "offline",
            }
        )

    def _exchange(self, app: PlatformApp, form: dict[str, str]) -> Reply:
        now = self._state.clock.now_ms()
        code = self._state.tokens.code(form.get("code", ""), app.id)
        if code is None or code.used or code.expires_ms <= now:
            return oauth_error("invalid_grant", "Malformed auth code.")
        if code.redirect_uri != form.get("redirect_uri"):
            return oauth_error("redirect_uri_mismatch", "Bad Request")
        if not verified(code, form.get("code_verifier", "")):
            return oauth_error("invalid_grant", "Invalid code verifier.")
        grant = self._state.tokens.redeem(code, now)
        refresh = None
        if form["code"] in self._lasting:
            refresh = self._state.tokens.issue_refresh(grant, REFRESH_PREFIX)
            self._used_ms[refresh] = now
        access = self._state.tokens.issue_access(grant, now, ACCESS_LIFETIME_S, ACCESS_PREFIX)
        return _tokens(access.value, grant.scopes, refresh)

    def _refresh(self, app: PlatformApp, value: str, answered: bool) -> Reply:
        now = self._state.clock.now_ms()
        if now - self._used_ms.get(value, now) > _UNUSED_FOR_MS:
            return oauth_error("invalid_grant", _EXPIRED)
        result = self._state.tokens.renew(value, app.id, now, ACCESS_LIFETIME_S, answered, ACCESS_PREFIX)
        record_refresh(self._state, result, app, answered)
        if result.grant is None or result.access is None:
            return oauth_error("invalid_grant", _EXPIRED)
        self._used_ms[value] = now
        return _tokens(result.access.value, result.grant.scopes, None)

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._state.apps.by_client_id("youtube", query.get("client_id", ""))
        if app is None:
            return "invalid_client: client_id names no app of this sandbox; GET /_sandbox/apps lists them."
        if query.get("response_type") != "code":
            return "invalid_request: response_type must be code."
        if not app.accepts_redirect(query.get("redirect_uri", "")):
            return "redirect_uri_mismatch: it is not one of the app's registered addresses."
        if query.get("code_challenge_method", "plain") not in ("S256", "plain"):
            return "invalid_request: code_challenge_method must be S256 or plain."
        return None if query.get("scope") else "invalid_scope: scope is needed."


def _with(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _tokens(access: str, scopes: tuple[str, ...], refresh: str | None) -> Reply:
    """A refresh answers no refresh token: the one presented stays good."""
    body: dict[str, object] = {
        "access_token": access,
        "expires_in": ACCESS_LIFETIME_S,
        "scope": " ".join(scopes),
        "token_type": "Bearer",
    }
    return json_reply(body | ({"refresh_token": refresh} if refresh else {}))
