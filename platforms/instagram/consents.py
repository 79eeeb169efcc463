"""The consent beside Instagram Login: shops are opened by Facebook Login, with an application and a token of
Meta's own. Source: IGP/instagram-api-with-facebook-login/product-tagging (Business accounts only)."""

from dataclasses import replace

from platforms.base import AuthorizeRequest, Grant, PlatformApp
from platforms.facebook import login
from platforms.http import PlatformHttp
from platforms.instagram.spec import DAY_S, FACEBOOK_LOGIN
from platforms.outcome import Outcome
from platforms.spec import TokenModel, TokenRules


class Shop:
    """For `commerce`, and for what is published with product tags. The person has to administer the business
    that owns the shop; the account's id is the same for both logins."""

    # A long-lived user token: 60 days, and nothing renews it but the person.
    token = TokenRules(TokenModel.LASTING, lifetime_s=60 * DAY_S, refresh_margin=0.25)
    code_parameter = "code"
    required = True
    surface: str | None = FACEBOOK_LOGIN
    scopes = (
        "instagram_basic",
        "instagram_content_publish",
        "instagram_shopping_tag_products",
        "instagram_manage_contents",
        "catalog_management",
        "business_management",
        "pages_show_list",
        "pages_read_engagement",
    )

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return login.authorize_url(replace(request, scopes=request.scopes or self.scopes))

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str
    ) -> Outcome[Grant]:
        return await login.exchange(http, app, code.removesuffix("#_=_"), redirect_uri)

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Nothing is refreshed: the same token comes back when Facebook says that it is good. Repeatable."""
        return await login.confirm(http, app, grant, timeout_s)
