"""Facebook Login: consent for pages, code for a short token, short for long, inspection and taking back.

Source: "Manually build a login flow", "Long-lived tokens", references debug_token, user/permissions.
Lifetimes: short 1 h 30, long about 60 days; of a code one reading: 10 minutes (unconfirmed).
"""

import base64
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.facebook.access import GRAPH, Access, Caller
from sandbox.facebook.roles import NEVER_S, USER_PREFIX, Consent, Roles
from sandbox.ledger import RefreshRow
from sandbox.meta import errors
from sandbox.meta.access import credential
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tokens import AccessToken
from sandbox.web import Call, Reply, json_reply, redirect
from sandbox.world import Profile

CODE_LIFETIME_S = 600
SHORT_LIFETIME_S = 5400
LONG_LIFETIME_S = 5_183_944
DEFAULT_SCOPES = (
    "pages_show_list",
    "pages_read_engagement",
    "pages_read_user_content",
    "pages_manage_posts",
    "pages_manage_engagement",
    "pages_manage_metadata",
    "pages_messaging",
    "read_insights",
    "ads_read",
    "ads_management",
    "business_management",
    "catalog_management",
)
_LOGIN = ("www.facebook.com",)
_REFUSED = {
    "error_reason": "user_denied",
    "error": "access_denied",
    "error_description": "Permissions error",
}


class OAuth:
    def __init__(self, state: State, access: Access, roles: Roles) -> None:
        self._state, self._access, self._roles = state, access, roles

    def operations(self) -> list[Operation]:
        return [
            Operation("facebook", _LOGIN, "GET", "/dialog/oauth", self.ask),
            Operation("facebook", _LOGIN, "POST", "/dialog/oauth", self.decide),
            Operation("facebook", GRAPH, "GET", "/oauth/access_token", self.token),
            Operation("facebook", GRAPH, "POST", "/oauth/access_token", self.token),
            Operation("facebook", GRAPH, "GET", "/debug_token", self.inspect),
            self._access.operation("GET", "/:id/permissions", self.permissions),
            self._access.operation("DELETE", "/:id/permissions", self.take_back),
        ]

    async def ask(self, call: Call) -> Reply:
        wrong = self._wrong(call.query)
        if wrong:
            return problem_page("Facebook", wrong)
        app = self._state.apps.by_client_id("facebook", call.query["client_id"])
        pages = [(p.id, p.username, p.name) for p in self._pages()]
        name = app.name if app else ""
        return choose_account("Facebook", name, call.query, pages, _scopes(call.query), several=True)

    async def decide(self, call: Call) -> Reply:
        """`user`: the pages ticked, once for each or separated by commas; none is a person without pages."""
        pairs = [*call.query.items(), *parse_qsl(call.body.decode("utf-8", "replace"))]
        form = dict(pairs)
        wrong = self._wrong(form)
        if wrong:
            return problem_page("Facebook", wrong)
        kept = {"state": form["state"]} if "state" in form else {}
        if form.get("decision") != "approve":
            return redirect(_with(form["redirect_uri"], _REFUSED | kept))
        ticked = {page for name, value in pairs if name == "user" for page in value.split(",") if page}
        pages = [page for page in self._pages() if page.id in ticked]
        if ticked - {page.id for page in pages}:
            return problem_page("Facebook", "Choose among the pages: user must be their external ids.")
        person = self._roles.manager(pages[0]) if pages else "770000000000"
        wanted = tuple(page.id for page in pages)
        expires = self._state.clock.now_ms() + CODE_LIFETIME_S * 1000
        chosen = f"{person}:{','.join(wanted)}"
        code = self._state.tokens.issue_code(
            "facebook", form["client_id"], chosen, _scopes(form), form["redirect_uri"], expires
        )
        # Facebook, too, appends #_=_ to the address.
        return redirect(_with(form["redirect_uri"], {"code": code} | kept) + "#_=_")

    async def token(self, call: Call) -> Reply:
        query = _basic(call) | call.fields()
        app = self._state.apps.by_client_id("facebook", query.get("client_id", ""))
        if app is None:
            return errors.graph_error(101, "Error validating application. Invalid application ID.")
        if query.get("client_secret") != app.client_secret:
            return errors.graph_error(1, "Error validating client secret.")
        match query.get("grant_type"):
            case "client_credentials":
                return json_reply(
                    {"access_token": f"{app.client_id}|{app.client_secret}", "token_type": "bearer"}
                )
            case "fb_exchange_token":
                return self._lengthen(query.get("fb_exchange_token", ""), app, call)
        return self._redeem(query, app)

    async def inspect(self, call: Call) -> Reply:
        app = self._access.app_of_token(call)
        asked = self._state.tokens.access(credential(call) or "")
        if app is None and asked is not None and self._access.why_dead(asked) is None:
            app = self._state.app_of(asked.grant.app_id)  # an app's developer may ask with an own token
        if app is None:
            return errors.graph_error(100, "(#100) You must provide an app access token")
        token = self._state.tokens.access(call.query.get("input_token", ""))
        if token is None or token.grant.app_id != app.id:
            error = {"code": 190, "message": "Invalid OAuth access token.", "subcode": 467}
            return json_reply({"data": {"error": error, "is_valid": False, "scopes": []}})
        return json_reply({"data": self._shown(token, app)})

    async def permissions(self, call: Call, caller: Caller) -> Reply:
        rows = [{"permission": scope, "status": "granted"} for scope in caller.scopes]
        return json_reply({"data": rows})

    async def take_back(self, call: Call, caller: Caller) -> Reply:
        """The person removes the app: every page it opened goes with it."""
        self._roles.end(self._roles.person_grant(caller.token.grant))
        return json_reply({"success": True})

    def _redeem(self, query: dict[str, str], app: PlatformApp) -> Reply:
        now = self._state.clock.now_ms()
        code = self._state.tokens.code(query.get("code", ""), app.id)
        if code is None:
            return errors.graph_error(100, "Invalid verification code format.")
        if code.used:
            return errors.graph_error(100, "This authorization code has been used.", 36009)
        if code.expires_ms <= now:
            return errors.graph_error(100, "This authorization code has expired.", 36007)
        if code.redirect_uri != query.get("redirect_uri"):
            message = "Error validating verification code. Please make sure your redirect_uri is identical"
            return errors.graph_error(100, message, 36008)
        code.used = True
        platform, app_id, chosen, scopes = code.grant_args
        person, _, pages = chosen.partition(":")
        grant = self._state.tokens.grant(platform, app_id, person, scopes, now, "consent")
        self._roles.consented(grant, Consent(person, tuple(filter(None, pages.split(",")))))
        token = self._state.tokens.issue_access(grant, now, SHORT_LIFETIME_S, USER_PREFIX)
        return _answer(token.value, SHORT_LIFETIME_S)

    def _lengthen(self, value: str, app: PlatformApp, call: Call) -> Reply:
        """A token that is still good, short or long, for another sixty days."""
        token = self._state.tokens.access(value)
        if token is None or token.grant.app_id != app.id:
            return errors.unknown_token()
        wrong = self._access.why_dead(token)
        row = RefreshRow(
            platform="facebook",
            external_id=token.grant.external_id,
            app_id=app.id,
            at=iso_z(self._state.clock.now_ms()),
            outcome="invalid" if wrong else "exchanged",
            answered=call.answered,
            family=token.grant.id,
        )
        self._state.ledger.refreshed(row, in_doubt=False)
        if wrong:
            return errors.bad_token(*wrong)
        long = self._state.tokens.issue_access(
            token.grant, self._state.clock.now_ms(), LONG_LIFETIME_S, USER_PREFIX, long_lived=True
        )
        return _answer(long.value, LONG_LIFETIME_S)

    def _shown(self, token: AccessToken, app: PlatformApp) -> dict[str, Any]:
        grant = token.grant
        consent = self._roles.consent(self._roles.person_grant(grant))
        page = self._state.world.accounts.get(("facebook", grant.external_id))
        wrong = self._access.why_dead(token)
        endless = token.expires_ms - token.issued_ms >= NEVER_S * 1000
        shown: dict[str, Any] = {
            "app_id": app.client_id,
            "type": "PAGE" if page else "USER",
            "application": app.name,
            "expires_at": 0 if endless else token.expires_ms // 1000,
            "data_access_expires_at": self._roles.data_access_ends_ms(grant) // 1000,
            "is_valid": wrong is None,
            "scopes": list(grant.scopes),
            "granular_scopes": [
                {"scope": scope, "target_ids": list(consent.pages)} if consent else {"scope": scope}
                for scope in grant.scopes
            ],
            "user_id": self._roles.scoped(app, consent.person) if consent else "0",
        }
        if token.long_lived:
            shown["issued_at"] = token.issued_ms // 1000
        if page:
            shown["profile_id"] = page.id
        if wrong:
            shown["error"] = {"code": 190, "message": wrong[0], "subcode": wrong[1]}
        return shown

    def _pages(self) -> list[Profile]:
        return [a for a in self._state.world.accounts.values() if a.platform == "facebook"]

    def _wrong(self, query: dict[str, str]) -> str | None:
        app = self._state.apps.by_client_id("facebook", query.get("client_id", ""))
        if app is None:
            return "client_id names no app of this sandbox; GET /_sandbox/apps lists them."
        if query.get("response_type", "code") != "code":
            return "the sandbox emulates response_type code only."
        if not app.accepts_redirect(query.get("redirect_uri", "")):
            return "redirect_uri is not one of the app's registered addresses."
        return None if query.get("scope") else "scope is needed."


def _basic(call: Call) -> dict[str, str]:
    """The app's id and secret in the Authorization header, as OAuth clients send them."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = (
            base64.b64decode(value if scheme.lower() == "basic" else "").decode().partition(":")
        )
    except ValueError:
        return {}
    return {"client_id": user, "client_secret": password} if user else {}


def _answer(value: str, lifetime_s: int) -> Reply:
    return json_reply({"access_token": value, "token_type": "bearer", "expires_in": lifetime_s})


def _scopes(query: dict[str, str]) -> tuple[str, ...]:
    return tuple(query.get("scope", "").replace(",", " ").split())


def _with(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
