"""Instagram Login: consent, code for a short token, short for a long one, and its extension.

Source: Instagram Platform "Business Login for Instagram", references access_token and
refresh_access_token. Lifetimes: code 1 h, short token 1 h, long token 60 days.
"""

from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import DAY_MS, iso_z
from sandbox.instagram import errors
from sandbox.instagram.access import GRAPH, Access
from sandbox.ledger import RefreshRow
from sandbox.meta import errors as graph
from sandbox.meta.errors import Refused
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply, redirect

CODE_LIFETIME_S = 3600
SHORT_LIFETIME_S = 3600
LONG_LIFETIME_S = 5_183_944  # 60 days less a minute, as Meta answers
DEFAULT_SCOPES = (
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_messages",
    "instagram_business_manage_insights",
)
TOKEN_PREFIX = "IGAA"
_REFRESH_FROM_MS = DAY_MS
_API = ("api.instagram.com",)
_LOGIN = ("www.instagram.com", "api.instagram.com")


class OAuth:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access

    def operations(self) -> list[Operation]:
        return [
            Operation("instagram", _LOGIN, "GET", "/oauth/authorize", self.ask),
            Operation("instagram", _LOGIN, "POST", "/oauth/authorize", self.decide),
            Operation("instagram", _API, "POST", "/oauth/access_token", self.exchange),
            Operation("instagram", GRAPH, "GET", "/access_token", self.lengthen),
            Operation("instagram", GRAPH, "GET", "/refresh_access_token", self.extend),
        ]

    async def ask(self, call: Call) -> Reply:
        wrong = self._wrong(call.query)
        if wrong:
            return problem_page("Instagram", wrong)
        app = self._state.apps.by_client_id("instagram", call.query["client_id"])
        accounts = [
            (a.id, a.username, a.name)
            for a in self._state.world.accounts.values()
            if a.platform == "instagram"
        ]
        return choose_account("Instagram", app.name if app else "", call.query, accounts, _scopes(call.query))

    async def decide(self, call: Call) -> Reply:
        form = {**call.query, **call.form()}
        wrong = self._wrong(form)
        if wrong:
            return problem_page("Instagram", wrong)
        kept = {"state": form["state"]} if "state" in form else {}
        if form.get("decision") != "approve":
            refusal = {
                "error": "access_denied",
                "error_reason": "user_denied",
                "error_description": "The user denied your request.",
            }
            return redirect(_with(form["redirect_uri"], refusal | kept))
        account = self._state.world.accounts.get(("instagram", form.get("user", "")))
        if account is None:
            return problem_page(
                "Instagram", "Choose one of the accounts: user must be the external id of one."
            )
        expires = self._state.clock.now_ms() + CODE_LIFETIME_S * 1000
        code = self._state.tokens.issue_code(
            "instagram", form["client_id"], account.id, _scopes(form), form["redirect_uri"], expires
        )
        # Meta appends #_ to the address; clients must not take it for a part of the code.
        return redirect(_with(form["redirect_uri"], {"code": code} | kept) + "#_")

    async def exchange(self, call: Call) -> Reply:
        form = call.form()
        app = self._state.apps.by_client_id("instagram", form.get("client_id", ""))
        if app is None or form.get("client_secret") != app.client_secret:
            return errors.flat_error("Error validating client secret")
        if form.get("grant_type") != "authorization_code":
            return errors.flat_error("Invalid grant_type: must be authorization_code")
        now = self._state.clock.now_ms()
        code = self._state.tokens.code(form.get("code", ""), app.id)
        if code is None or code.expires_ms <= now:
            return errors.flat_error("Invalid authorization code")
        if code.used:
            return errors.flat_error("This authorization code has been used")
        if code.redirect_uri != form.get("redirect_uri"):
            message = "Error validating verification code. Please make sure your redirect_uri is identical"
            return errors.flat_error(message)
        grant = self._state.tokens.redeem(code, now)
        token = self._state.tokens.issue_access(grant, now, SHORT_LIFETIME_S, TOKEN_PREFIX)
        # The id goes out as a bare number beyond 2^53, as in production.
        answer = {
            "access_token": token.value,
            "user_id": int(grant.external_id),
            "permissions": ",".join(grant.scopes),
        }
        return json_reply({"data": [answer]} if app.wrapped_tokens else answer)

    async def lengthen(self, call: Call) -> Reply:
        """ig_exchange_token: a short-lived token for one of 60 days."""
        if call.query.get("grant_type") != "ig_exchange_token":
            return errors.bad_parameter("grant_type must be ig_exchange_token")
        try:
            caller = self._access.caller(call)
        except Refused as refused:
            return refused.reply
        if call.query.get("client_secret") != caller.app.client_secret:
            return graph.graph_error(1, "Error validating client secret.")
        return self._long(caller.token.grant.external_id, caller.app, call, "exchanged")

    async def extend(self, call: Call) -> Reply:
        """ig_refresh_token: sixty more days for a long token at least 24 hours old and not expired."""
        if call.query.get("grant_type") != "ig_refresh_token":
            return errors.bad_parameter("grant_type must be ig_refresh_token")
        try:
            caller = self._access.caller(call)
        except Refused as refused:
            self._record(call, None, "invalid")
            return refused.reply
        too_young = self._state.clock.now_ms() - caller.token.issued_ms < _REFRESH_FROM_MS
        if not caller.token.long_lived or too_young or DEFAULT_SCOPES[0] not in caller.token.grant.scopes:
            self._record(call, caller.app, "invalid")
            return graph.graph_error(10, "The access token must be long-lived and at least 24 hours old.")
        return self._long(caller.token.grant.external_id, caller.app, call, "extended")

    def _long(self, external_id: str, app: PlatformApp, call: Call, outcome: str) -> Reply:
        caller = self._access.caller(call)
        now = self._state.clock.now_ms()
        token = self._state.tokens.issue_access(
            caller.token.grant, now, LONG_LIFETIME_S, TOKEN_PREFIX, long_lived=True
        )
        if outcome == "extended":
            self._record(call, app, outcome)
        return json_reply(
            {
                "access_token": token.value,
                "token_type": "bearer",
                "expires_in": LONG_LIFETIME_S,
                "permissions": ",".join(caller.token.grant.scopes),
            }
        )

    def _record(self, call: Call, app: PlatformApp | None, outcome: str) -> None:
        grant = self._state.tokens.owner(call.query.get("access_token", ""))
        row = RefreshRow(
            platform="instagram",
            external_id=grant.external_id if grant else None,
            app_id=grant.app_id if grant else (app.id if app else ""),
            at=iso_z(self._state.clock.now_ms()),
            outcome=outcome,
            answered=call.answered,
            family=grant.id if grant else None,
        )
        self._state.ledger.refreshed(row, in_doubt=False)

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._state.apps.by_client_id("instagram", query.get("client_id", ""))
        if app is None:
            return "client_id names no app of this sandbox; GET /_sandbox/apps lists them."
        if query.get("response_type") != "code":
            return "response_type must be code."
        if not app.accepts_redirect(query.get("redirect_uri", "")):
            return "redirect_uri is not one of the app's registered addresses."
        return None if query.get("scope") else "scope is needed."


def _scopes(query: dict[str, str]) -> tuple[str, ...]:
    return tuple(query.get("scope", "").replace(",", " ").split())


def _with(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
