"""Login Kit: the consent page, codes for tokens, refreshes that rotate, revocation.

Sources: developers.tiktok.com "Login Kit for Web", "for Desktop", "OAuth user access token management" and
"Refresh a user access token" (Nov 2026). The challenge of PKCE is the hex form of the SHA-256.
Unconfirmed and decided here: a code is good for five minutes; a refusal at the consent page comes back as
`access_denied`; a spent refresh token is refused and harms nothing else.
"""

import hashlib
import re
from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.ledger import RefreshRow
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok.errors import OPEN, oauth_refusal
from sandbox.tokens import Grant, Refreshed
from sandbox.web import Call, Reply, json_reply, redirect

CODE_LIFETIME_S = 300
# App dialect -> lifetimes of access and refresh tokens.
LIFETIMES_S = {"two_hours": (7200, 15_552_000), "one_day": (86_400, 31_536_000)}
ACCESS_PREFIX = "act."
SCOPES = (
    "user.info.basic",
    "user.info.profile",
    "user.info.stats",
    "video.list",
    "video.publish",
    "video.upload",
)
# Of the business service's account holders, who consent on the same page.
COMMENT_SCOPES = frozenset({"comment.list", "comment.list.manage"})
HOLDER_SCOPES = frozenset({"user.insights", "video.insights"}) | COMMENT_SCOPES
CODE_END = "*!0.e1"  # TikTok's codes hold characters that must be decoded before use
_LOGIN = ("www.tiktok.com",)
_HEX = re.compile(r"[0-9a-f]{64}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class OAuth:
    def __init__(self, state: State) -> None:
        self._state = state

    def operations(self) -> list[Operation]:
        return [
            Operation("tiktok", _LOGIN, "GET", "/v2/auth/authorize/", self.ask),
            Operation("tiktok", _LOGIN, "POST", "/v2/auth/authorize/", self.decide),
            Operation("tiktok", OPEN, "POST", "/v2/oauth/token/", self.token),
            Operation("tiktok", OPEN, "POST", "/v2/oauth/revoke/", self.revoke),
        ]

    async def ask(self, call: Call) -> Reply:
        wrong = self._wrong(call.query)
        if wrong:
            return problem_page("TikTok", wrong)
        app = self._state.apps.by_client_id("tiktok", call.query["client_key"])
        scopes = _scopes(call.query)
        return choose_account("TikTok", app.name if app else "", call.query, accounts(self._state), scopes)

    async def decide(self, call: Call) -> Reply:
        """`granted` (a field of this page only) lets a person grant a part of the scopes."""
        form = {**call.query, **call.form()}
        wrong = self._wrong(form)
        if wrong:
            return problem_page("TikTok", wrong)
        back, kept = form["redirect_uri"], form["state"]
        if form.get("decision") != "approve":
            denied = {"error": "access_denied", "error_description": "User denied access", "state": kept}
            return redirect(f"{back}?{urlencode(denied)}")
        account = self._state.world.accounts.get(("tiktok", form.get("user", "")))
        if account is None:
            return problem_page("TikTok", "Choose one of the accounts: user must be the external id of one.")
        app = self._state.apps.by_client_id("tiktok", form["client_key"])
        assert app is not None  # _wrong has looked
        scopes = _scopes({"scope": form["granted"]}) if form.get("granted") else _scopes(form)
        code = self._state.tokens.issue_code(
            "tiktok",
            app.id,
            account.id,
            scopes,
            back,
            self._state.clock.now_ms() + CODE_LIFETIME_S * 1000,
            form.get("code_challenge"),
            form.get("code_challenge_method"),
        )
        answer = {"code": f"{code}{CODE_END}", "scopes": ",".join(scopes), "state": kept}
        return redirect(f"{back}?{urlencode(answer)}")

    async def token(self, call: Call) -> Reply:
        form = call.form()
        app = self._client(form)
        if app is None:
            return oauth_refusal("invalid_client", "Client key or secret is incorrect.", 401)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(app, form)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(app, form, call.answered)
        return oauth_refusal("unsupported_grant_type", "The grant type is not supported.")

    async def revoke(self, call: Call) -> Reply:
        """An access token ends the permission it stands for, refresh tokens included."""
        form = call.form()
        app = self._client(form)
        if app is None:
            return oauth_refusal("invalid_client", "Client key or secret is incorrect.", 401)
        token = self._state.tokens.access(form.get("token", ""))
        if token is None or token.grant.app_id != app.id:
            return oauth_refusal("invalid_request", "The token is not valid.")
        token.grant.authorised = False
        self._state.tokens.kill_family(token.grant)
        return Reply(200)

    def _exchange(self, app: PlatformApp, form: dict[str, str]) -> Reply:
        now = self._state.clock.now_ms()
        code = self._state.tokens.code(form.get("code", "").removesuffix(CODE_END), app.id)
        if code is None or code.used or code.expires_ms <= now:
            return oauth_refusal("invalid_grant", "Authorization code is expired.")
        if code.redirect_uri != form.get("redirect_uri"):
            return oauth_refusal("invalid_request", "Redirect_uri is not matched with the uri of the code.")
        if code.challenge and not _verified(code.challenge, form.get("code_verifier", "")):
            return oauth_refusal("invalid_request", "Code verifier or code challenge is invalid.")
        if HOLDER_SCOPES & set(code.grant_args[3]):
            return oauth_refusal("invalid_grant", "The code is one of the business service.")
        grant = self._state.tokens.redeem(code, now)
        access_s, _ = LIFETIMES_S[app.dialect]
        refresh = self._state.tokens.issue_refresh(grant)
        access = self._state.tokens.issue_access(grant, now, access_s, ACCESS_PREFIX)
        return _tokens(app, grant, access.value, refresh)

    def _refresh(self, app: PlatformApp, form: dict[str, str], answered: bool) -> Reply:
        access_s, _ = LIFETIMES_S[app.dialect]
        result = self._state.tokens.refresh(
            form.get("refresh_token", ""),
            app.id,
            self._state.clock.now_ms(),
            access_s,
            answered,
            ACCESS_PREFIX,
            reuse_kills=False,
        )
        record(self._state, result, app, answered)
        if result.outcome != "rotated" or result.grant is None or result.access is None:
            return oauth_refusal("invalid_grant", "Refresh token is invalid or expired.")
        return _tokens(app, result.grant, result.access.value, result.refresh_token)

    def _client(self, form: dict[str, str]) -> PlatformApp | None:
        app = self._state.apps.by_client_id("tiktok", form.get("client_key", ""))
        return app if app and app.client_secret == form.get("client_secret") else None

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._state.apps.by_client_id("tiktok", query.get("client_key", ""))
        back = query.get("redirect_uri", "")
        if query.get("response_type") != "code":
            return "response_type must be code."
        if app is None:
            return "client_key names no app of this sandbox; GET /_sandbox/apps lists them."
        if not app.accepts_redirect(back):
            return "redirect_uri is not one of the app's registered addresses."
        if "?" in back or "#" in back:
            return "redirect_uri must have neither query nor fragment."
        if not query.get("state"):
            return "state is needed."
        if query.get("code_challenge") is not None:
            if query.get("code_challenge_method") != "S256":
                return "code_challenge_method must be S256."
            if not _HEX.fullmatch(query["code_challenge"]):
                return "code_challenge must be the SHA-256 of the verifier as 64 hex digits."
        unknown = [scope for scope in _scopes(query) if scope not in (*SCOPES, *HOLDER_SCOPES)]
        if unknown:
            return f"the scope {unknown[0]!r} does not exist."
        return None if query.get("scope") else "scope is needed."


def accounts(state: State) -> list[tuple[str, str, str]]:
    return [(a.id, a.username, a.name) for a in state.world.accounts.values() if a.platform == "tiktok"]


def record(state: State, result: Refreshed, app: PlatformApp, answered: bool) -> None:
    grant = result.grant
    row = RefreshRow(
        platform="tiktok",
        external_id=grant.external_id if grant else None,
        app_id=app.id,
        at=iso_z(state.clock.now_ms()),
        outcome=result.outcome,
        answered=answered,
        family=grant.id if grant else None,
        repeated=result.repeated,
    )
    state.ledger.refreshed(row, result.in_doubt)


def _scopes(query: dict[str, str]) -> tuple[str, ...]:
    return tuple(scope.strip() for scope in query.get("scope", "").split(",") if scope.strip())


def _verified(challenge: str, verifier: str) -> bool:
    good = _VERIFIER.fullmatch(verifier) is not None
    return good and hashlib.sha256(verifier.encode()).hexdigest() == challenge


def _tokens(app: PlatformApp, grant: Grant, access: str, refresh: str | None) -> Reply:
    access_s, refresh_s = LIFETIMES_S[app.dialect]
    return json_reply(
        {
            "access_token": access,
            "expires_in": access_s,
            "open_id": grant.external_id,
            "refresh_expires_in": refresh_s,
            "refresh_token": refresh,
            "scope": ",".join(grant.scopes),
            "token_type": "Bearer",
        }
    )
