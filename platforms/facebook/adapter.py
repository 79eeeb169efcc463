"""Facebook Pages as a `Platform`: one consent opens several pages, each with a lasting token of its own."""

from collections.abc import Sequence

from domain.content import PlatformEvent, Profile
from domain.secrets import Secret
from platforms.base import (
    AuthorizeRequest,
    Connectable,
    Grant,
    ItemReads,
    Page,
    PageQuery,
    PlatformApp,
    RawEntry,
)
from platforms.facebook import comments, events, login, reading, subscriptions, webhooks
from platforms.facebook.ads import FacebookAds
from platforms.facebook.commerce import FacebookCommerce
from platforms.facebook.insights import FacebookInsights
from platforms.facebook.live import FacebookLive
from platforms.facebook.publishing import FacebookPublishing
from platforms.facebook.spec import SPEC
from platforms.http import PlatformHttp
from platforms.meta.callbacks import MetaCallbacks
from platforms.outcome import Outcome, Rejected
from platforms.spec import PlatformSpec


class Facebook(MetaCallbacks):
    """Stateless; one object serves every page and app."""

    spec: PlatformSpec = SPEC
    publishing = FacebookPublishing()
    insights = FacebookInsights()
    ads = FacebookAds()
    commerce = FacebookCommerce()
    live = FacebookLive()

    # -- OAuth --------------------------------------------------------------------------------------

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return login.authorize_url(request)

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str, verifier: str | None
    ) -> Outcome[Grant]:
        return await login.exchange(http, app, code, redirect_uri)

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Nothing is refreshed: the same token comes back when Facebook says that it is good. Repeatable."""
        return await login.confirm(http, app, grant, timeout_s)

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        return Rejected(
            "unsupported",
            "Facebook can only take back a person's whole consent, with every page it opened: the person "
            "removes the app or the page in Facebook's settings.",
        )

    async def connectables(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        return await login.pages(http, grant)

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        return await reading.read_profile(http, token)

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        if query.source.name == "comments":
            return await comments.comments_page(http, token, external_id, query)
        return await reading.list_page(http, token, external_id, query)

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        return await reading.read_items(http, token, external_id, ids)

    # -- webhooks -----------------------------------------------------------------------------------

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        return await subscriptions.subscribe(http, app, token, external_id, callback_url)

    def split(self, body: bytes) -> list[RawEntry]:
        return webhooks.split(body)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return events.parse(entry)
