"""The consents beside Login Kit's: TikTok's advertising, its account holders' analytics and its shops each
ask the person on a page of their own, and answer tokens that are good for nothing else.

Source: TB/ id 1738373164380162 (advertisers), 1738084387220481 (account holders), TS/authorization-overview.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant, PlatformApp
from platforms.capabilities import Access, CodeConsent
from platforms.http import WHOLE_TIMEOUT_S, Call, PlatformHttp
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected
from platforms.spec import TokenModel, TokenRules
from platforms.tiktok import shop
from platforms.tiktok.errors import business_outcome_of, shop_outcome_of
from platforms.tiktok.spec import BUSINESS, BUSINESS_SURFACE, DAY_S, OPEN_ID, SHOP_TOKENS, SPEC
from platforms.wire import Json, account_id_at, count_at, objects, secret_at, strings, text_at

_CODE_SPENT = "the authorization code may be spent"
_REFRESH_SPENT = "the refresh token may be spent"


class Advertiser:
    """For `ads`. The token does not expire; it ends when the advertiser takes it back."""

    token = TokenRules(TokenModel.LASTING, lifetime_s=3650 * DAY_S, refresh_margin=0.1)
    code_parameter = "auth_code"
    required = True
    surface: str | None = None

    def authorize_url(self, request: AuthorizeRequest) -> str:
        """As the portal prints it for an app (parameters unconfirmed)."""
        query = {"app_id": request.app.client_id, "state": request.state}
        query["redirect_uri"] = request.redirect_uri
        return f"https://business-api.tiktok.com/portal/auth?{urlencode(query, quote_via=quote)}"

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str
    ) -> Outcome[Grant]:
        body: Json = {
            "app_id": app.client_id,
            "secret": app.client_secret.reveal(),
            "auth_code": code,
        }
        call = Call("POST", f"{BUSINESS}/oauth2/access_token/", "oauth", json=body)
        answer = business_outcome_of(await http.send(SPEC, call), "oauth", once=_CODE_SPENT)
        return _grant(answer, "advertiser_id")

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        return Rejected("unsupported", "An advertiser's token is not refreshed: it does not expire.")


class Holder:
    """For `insights` of the surface "business", and for comments; `Grant.external_id` is the business id of
    its calls."""

    # Lifetimes are unconfirmed: the answer tells them.
    token = TokenRules(TokenModel.ROTATING, lifetime_s=DAY_S, refresh_margin=0.2)
    code_parameter = "code"
    required = False
    surface: str | None = BUSINESS_SURFACE
    scopes = ("user.info.basic", "user.insights", "video.list", "video.insights", "comment.list")

    def authorize_url(self, request: AuthorizeRequest) -> str:
        query = {
            "client_key": request.app.client_id,
            "response_type": "code",
            "scope": ",".join(request.scopes or self.scopes),
            "redirect_uri": request.redirect_uri,
            "state": request.state,
        }
        return f"{SPEC.authorize_url}?{urlencode(query, quote_via=quote)}"

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str
    ) -> Outcome[Grant]:
        body: Json = {"grant_type": "authorization_code", "auth_code": code, "redirect_uri": redirect_uri}
        return await self._ask(http, app, "token", body, _CODE_SPENT, WHOLE_TIMEOUT_S)

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        if grant.refresh_token is None:
            return ReauthRequired("no_refresh_token")
        body: Json = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token.reveal()}
        return await self._ask(http, app, "refresh_token", body, _REFRESH_SPENT, timeout_s)

    async def _ask(
        self, http: PlatformHttp, app: PlatformApp, what: str, body: Json, once: str, timeout_s: float
    ) -> Outcome[Grant]:
        body |= {"client_id": app.client_id, "client_secret": app.client_secret.reveal()}
        call = Call("POST", f"{BUSINESS}/tt_user/oauth2/{what}/", "oauth", json=body)
        answer = business_outcome_of(await http.send(SPEC, call, timeout_s), "oauth", once=once)
        return _grant(answer, "open_id")


class Seller:
    """For `commerce`: seven days at a time, by a refresh token that may be answered anew."""

    token = TokenRules(TokenModel.ROTATING, lifetime_s=7 * DAY_S, refresh_margin=0.2)
    code_parameter = "code"
    required = True
    surface: str | None = None

    def authorize_url(self, request: AuthorizeRequest) -> str:
        """Scopes and redirect address belong to the app. Sellers of the United States have a host of their
        own (`services.us.tiktokshop.com`); this one leads everybody else."""
        query = {"service_id": request.app.client_id, "state": request.state}
        return f"https://services.tiktokshop.com/open/authorize?{urlencode(query, quote_via=quote)}"

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str
    ) -> Outcome[Grant]:
        query: dict[str, str | Secret] = {"auth_code": Secret(code), "grant_type": "authorized_code"}
        answer = await self._ask(http, app, "get", query, _CODE_SPENT, WHOLE_TIMEOUT_S)
        return await _of_shop(http, app, answer.value) if isinstance(answer, Ok) else answer

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        if grant.refresh_token is None:
            return ReauthRequired("no_refresh_token")
        query: dict[str, str | Secret] = {
            "refresh_token": grant.refresh_token,
            "grant_type": "refresh_token",
        }
        return await self._ask(http, app, "refresh", query, _REFRESH_SPENT, timeout_s)

    async def _ask(
        self,
        http: PlatformHttp,
        app: PlatformApp,
        what: str,
        query: dict[str, str | Secret],
        once: str,
        timeout_s: float,
    ) -> Outcome[Grant]:
        query |= {"app_key": app.client_id, "app_secret": app.client_secret}
        call = Call("GET", f"{SHOP_TOKENS}/{what}", "oauth", query=query)
        result = await http.send(SPEC, call, timeout_s)
        answer = shop_outcome_of(result, "oauth", once=once)
        # The two `..._expire_in` are moments, in Unix seconds.
        now_s = int(http.now().timestamp())
        return _grant(answer, "open_id", now_s)


async def _of_shop(http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[Grant]:
    """Calls are made for a shop, not for its seller. A seller with several has the first one connected; the
    others are seen as its catalogues."""
    access = Access(http, app, grant.access_token, grant.external_id or "")
    answer = await shop.shops(access)
    if not isinstance(answer, Ok):
        return answer
    row = next(objects(answer.value, "shops"), {})
    shop_id = account_id_at(row, "id", shape=OPEN_ID)
    if shop_id is None:
        return Rejected("no_shop", "The seller's consent opens no shop.")
    return Ok(replace(grant, external_id=shop_id, token_secret=secret_at(row, "cipher")))


CONSENTS: Mapping[str, CodeConsent] = {"ads": Advertiser(), "insights": Holder(), "commerce": Seller()}


def _grant(answer: Outcome[Json], id_key: str, now_s: int = 0) -> Outcome[Grant]:
    if not isinstance(answer, Ok):
        return answer
    token = secret_at(answer.value, "access_token")
    if token is None:
        return Rejected("no_access_token", "TikTok answered without an access token.")
    until = count_at(answer.value, "access_token_expire_in")
    lifetime = count_at(answer.value, "expires_in") if until is None else max(0, until - now_s)
    scope = text_at(answer.value, "scope")
    scopes = tuple(s.strip() for s in scope.split(",") if s.strip()) if scope else None
    return Ok(
        Grant(
            token,
            refresh_token=secret_at(answer.value, "refresh_token"),
            expires_in_s=lifetime,
            scopes=scopes or tuple(strings(answer.value, "granted_scopes")) or None,
            external_id=account_id_at(answer.value, id_key, shape=OPEN_ID),
        )
    )
