"""The consents of TikTok's other services: advertisers, account holders and sellers.

Sources: business-api.tiktok.com "Authentication", "Authorization for account holders"; partner.tiktokshop.com
"Authorization overview". The parameters of the advertisers' page are unconfirmed; lifetimes of holders'
tokens are those of TikTok's client library (24 hours, a year).
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from sandbox.apps import PlatformApp
from sandbox.ids import digits, open_id
from sandbox.pages import choose_account, problem_page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import errors
from sandbox.tiktok.access import ADS, HOLDER, SHOP
from sandbox.tiktok.errors import BUSINESS, SHOP_AUTH
from sandbox.tiktok.oauth import CODE_END, HOLDER_SCOPES, accounts, record
from sandbox.tokens import Code, Grant
from sandbox.web import BadInput, Call, Reply, redirect
from sandbox.world import Profile

API = "/open_api/v1.3"
CODE_LIFETIME_S = 3600
FOR_EVER_S = 10**10
HOLDER_S, HOLDER_REFRESH_S = 86_400, 31_536_000
SELLER_S, SELLER_REFRESH_S = 7 * 86_400, 10 * 31_536_000
_PORTAL_SCOPES = ("Ads Management", "Reporting")
_SHOP_SCOPES = ("seller.authorization.info", "seller.order.info", "seller.product.basic")
_SERVICES = ("services.tiktokshop.com", "services.us.tiktokshop.com")


def advertiser_id(account: Profile) -> str:
    return digits(19, account.id, "advertiser", prefix="70")


def shop_id(account: Profile) -> str:
    return digits(19, account.id, "shop", prefix="7495")


def business_id(app: PlatformApp, account: Profile) -> str:
    """The account holder's open_id for a business app: another one than Login Kit's."""
    return open_id(app.id, account.id, "business")


class Consents:
    def __init__(self, state: State) -> None:
        self._state = state

    def operations(self) -> list[Operation]:
        rows = [
            (BUSINESS, "GET", "/portal/auth", self.ask_advertiser),
            (BUSINESS, "POST", "/portal/auth", self.advertiser_decides),
            (BUSINESS, "POST", f"{API}/oauth2/access_token/", self.advertiser_token),
            (BUSINESS, "POST", f"{API}/oauth2/revoke_token/", self.revoke),
            (BUSINESS, "POST", f"{API}/tt_user/oauth2/token/", self.holder_token),
            (BUSINESS, "POST", f"{API}/tt_user/oauth2/refresh_token/", self.holder_refresh),
            (BUSINESS, "POST", f"{API}/tt_user/oauth2/revoke/", self.revoke),
            (BUSINESS, "POST", f"{API}/tt_user/token_info/get/", self.holder_info),
            (_SERVICES, "GET", "/open/authorize", self.ask_seller),
            (_SERVICES, "POST", "/open/authorize", self.seller_decides),
            (SHOP_AUTH, "GET", "/api/v2/token/get", self.seller_token),
            (SHOP_AUTH, "GET", "/api/v2/token/refresh", self.seller_refresh),
        ]
        return [Operation("tiktok", hosts, method, path, handler) for hosts, method, path, handler in rows]

    # -- advertisers --------------------------------------------------------------------------------

    async def ask_advertiser(self, call: Call) -> Reply:
        app = self._app(call.query.get("app_id"))
        if app is None or not app.accepts_redirect(call.query.get("redirect_uri", "")):
            return problem_page("TikTok for Business", "app_id or redirect_uri is not known.")
        return self._page("TikTok for Business", app, call, _PORTAL_SCOPES)

    async def advertiser_decides(self, call: Call) -> Reply:
        form = {**call.query, **call.form()}
        app = self._app(form.get("app_id"))
        if app is None or not app.accepts_redirect(form.get("redirect_uri", "")):
            return problem_page("TikTok for Business", "app_id or redirect_uri is not known.")
        return self._decided(form, app, form["redirect_uri"], _PORTAL_SCOPES, ("auth_code", "code"))

    async def advertiser_token(self, call: Call) -> Reply:
        form = _fields(call)
        app = self._app(form.get("app_id"))
        if app is None or form.get("secret") != app.client_secret:
            return errors.coded(40101, "App id or secret is incorrect.")
        code = self._code(form.get("auth_code"), app)
        if code is None:
            return errors.coded(40110, "Auth code is invalid or has been used.")
        grant = self._redeem(code, ADS)
        token = self._state.tokens.issue_access(grant, self._now(), FOR_EVER_S)
        account = self._account(grant)
        data = {"access_token": token.value, "advertiser_ids": [advertiser_id(account)], "scope": [4, 5]}
        return errors.coded(0, "OK", data)

    async def revoke(self, call: Call) -> Reply:
        token = self._state.tokens.access(_fields(call).get("access_token") or "")
        if token is None:
            return errors.coded(40105, "Access token is incorrect or has been revoked.")
        token.grant.authorised = False
        self._state.tokens.kill_family(token.grant)
        return errors.coded(0, "OK")

    # -- account holders ----------------------------------------------------------------------------

    async def holder_token(self, call: Call) -> Reply:
        form = _fields(call)
        app = self._client(form.get("client_id"), form.get("client_secret"))
        if app is None:
            return errors.coded(40101, "Client id or secret is incorrect.")
        code = self._code((form.get("auth_code") or "").removesuffix(CODE_END), app)
        if code is None or not HOLDER_SCOPES & set(code.grant_args[3]):
            return errors.coded(40110, "Auth code is invalid or has been used.")
        if code.redirect_uri != form.get("redirect_uri"):
            return errors.coded(40002, "redirect_uri does not match that of the code.")
        grant = self._redeem(code, HOLDER)
        token = self._state.tokens.issue_access(grant, self._now(), HOLDER_S)
        return self._holder(app, grant, token.value, self._state.tokens.issue_refresh(grant))

    async def holder_refresh(self, call: Call) -> Reply:
        form = _fields(call)
        app = self._client(form.get("client_id"), form.get("client_secret"))
        if app is None:
            return errors.coded(40101, "Client id or secret is incorrect.")
        result = self._state.tokens.refresh(
            form.get("refresh_token") or "", app.id, self._now(), HOLDER_S, call.answered, reuse_kills=False
        )
        record(self._state, result, app, call.answered)
        if result.outcome != "rotated" or result.grant is None or result.access is None:
            return errors.coded(40107, "Refresh token is invalid.")
        return self._holder(app, result.grant, result.access.value, result.refresh_token or "")

    async def holder_info(self, call: Call) -> Reply:
        form = _fields(call)
        token = self._state.tokens.access(form.get("access_token") or "")
        app = self._app(form.get("app_id"))
        if token is None or app is None or token.grant.via != HOLDER:
            return errors.coded(40105, "Access token is incorrect or has been revoked.")
        creator = business_id(app, self._account(token.grant))
        data = {"app_id": app.client_id, "creator_id": creator, "scope": ",".join(token.grant.scopes)}
        return errors.coded(0, "OK", data)

    def _holder(self, app: PlatformApp, grant: Grant, access: str, refresh: str) -> Reply:
        data = {
            "access_token": access,
            "token_type": "Bearer",
            "scope": ",".join(grant.scopes),
            "expires_in": HOLDER_S,
            "refresh_token": refresh,
            "refresh_token_expires_in": HOLDER_REFRESH_S,
            "open_id": business_id(app, self._account(grant)),
        }
        return errors.coded(0, "OK", data)

    # -- sellers ------------------------------------------------------------------------------------

    async def ask_seller(self, call: Call) -> Reply:
        app = self._app(call.query.get("service_id"))
        if app is None or not app.redirect_uris:
            text = "service_id names no app, or the app has no registered redirect address."
            return problem_page("TikTok Shop", text)
        return self._page("TikTok Shop", app, call, _SHOP_SCOPES)

    async def seller_decides(self, call: Call) -> Reply:
        """The redirect address is the app's own."""
        form = {**call.query, **call.form()}
        app = self._app(form.get("service_id"))
        if app is None or not app.redirect_uris:
            return problem_page("TikTok Shop", "service_id names no app with a redirect address.")
        return self._decided(form, app, app.redirect_uris[0], _SHOP_SCOPES, ("code",))

    async def seller_token(self, call: Call) -> Reply:
        app = self._client(call.query.get("app_key"), call.query.get("app_secret"))
        if app is None or call.query.get("grant_type") != "authorized_code":
            return errors.coded(36009004, "Invalid credentials", status=401)
        code = self._code(call.query.get("auth_code"), app)
        if code is None:
            return errors.coded(36004004, "Invalid auth code", status=400)
        grant = self._redeem(code, SHOP)
        token = self._state.tokens.issue_access(grant, self._now(), SELLER_S, "ROW_")
        return self._seller(grant, token.value, self._state.tokens.issue_refresh(grant))

    async def seller_refresh(self, call: Call) -> Reply:
        """A refresh token stays good here: that it does not is nowhere said."""
        app = self._client(call.query.get("app_key"), call.query.get("app_secret"))
        value = call.query.get("refresh_token", "")
        grant = self._state.tokens.owner(value)
        if app is None or call.query.get("grant_type") != "refresh_token":
            return errors.coded(36009004, "Invalid credentials", status=401)
        if grant is None or grant.via != SHOP or not grant.authorised or grant.family_killed:
            return errors.coded(105002, "Expired credentials", status=401)
        token = self._state.tokens.issue_access(grant, self._now(), SELLER_S, "ROW_")
        return self._seller(grant, token.value, value)

    def _seller(self, grant: Grant, access: str, refresh: str) -> Reply:
        account, now_s = self._account(grant), self._now() // 1000
        data = {
            "access_token": access,
            # Moments, not durations.
            "access_token_expire_in": now_s + SELLER_S,
            "refresh_token": refresh,
            "refresh_token_expire_in": now_s + SELLER_REFRESH_S,
            "open_id": open_id(grant.app_id, account.id, "seller"),
            "seller_name": account.name,
            "seller_base_region": "US",
            "user_type": 0,
            "granted_scopes": list(_SHOP_SCOPES),
        }
        return errors.coded(0, "success", data)

    # -- all ----------------------------------------------------------------------------------------

    def _page(self, title: str, app: PlatformApp, call: Call, scopes: Iterable[str]) -> Reply:
        return choose_account(title, app.name, call.query, accounts(self._state), scopes)

    def _decided(
        self,
        form: dict[str, str],
        app: PlatformApp,
        back: str,
        scopes: tuple[str, ...],
        names: tuple[str, ...],
    ) -> Reply:
        kept = {"state": form["state"]} if "state" in form else {}
        if form.get("decision") != "approve":
            return redirect(f"{back}?{urlencode({'error': 'access_denied', **kept})}")
        account = self._state.world.accounts.get(("tiktok", form.get("user", "")))
        if account is None:
            return problem_page("TikTok", "Choose one of the accounts: user must be the external id of one.")
        expires = self._now() + CODE_LIFETIME_S * 1000
        code = self._state.tokens.issue_code("tiktok", app.id, account.id, scopes, back, expires)
        return redirect(f"{back}?{urlencode({**dict.fromkeys(names, code), **kept})}")

    def _code(self, value: str | None, app: PlatformApp) -> Code | None:
        code = self._state.tokens.code(value or "", app.id)
        return code if code and not code.used and code.expires_ms > self._now() else None

    def _redeem(self, code: Code, via: str) -> Grant:
        grant = self._state.tokens.redeem(code, self._now())
        grant.via = via
        return grant

    def _client(self, client_id: str | None, secret: str | None) -> PlatformApp | None:
        app = self._app(client_id)
        return app if app and app.client_secret == secret else None

    def _app(self, client_id: str | None) -> PlatformApp | None:
        return self._state.apps.by_client_id("tiktok", client_id or "")

    def _account(self, grant: Grant) -> Profile:
        return self._state.world.accounts["tiktok", grant.external_id]

    def _now(self) -> int:
        return self._state.clock.now_ms()


def _fields(call: Call) -> dict[str, str]:
    try:
        found: dict[str, Any] = call.json()
    except BadInput:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}
