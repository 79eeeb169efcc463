"""YouTube as a `Platform`: Google's offline consent, Data API v3, WebSub."""

from collections.abc import Mapping, Sequence

from domain.content import PlatformEvent, Profile
from domain.secrets import Secret
from platforms import oauth
from platforms.base import (
    AuthorizeRequest,
    Connectable,
    Grant,
    Handshake,
    ItemReads,
    Page,
    PageQuery,
    PlatformApp,
    RawEntry,
)
from platforms.http import Call, PlatformHttp
from platforms.outcome import Ok, Outcome, Rejected
from platforms.spec import PlatformSpec
from platforms.wire import objects
from platforms.youtube import events, reading, webhooks
from platforms.youtube.api import ask
from platforms.youtube.commerce import COMMERCE
from platforms.youtube.errors import outcome_of, token_outcome_of
from platforms.youtube.insights import YouTubeInsights
from platforms.youtube.live import YouTubeLive
from platforms.youtube.normalise import profile
from platforms.youtube.publishing import YouTubePublishing
from platforms.youtube.spec import EXCHANGE_URL, REVOKE_URL, SPEC

_NO_CHANNEL = "no_channel"


class YouTube(oauth.AuthorizationCode):
    """Stateless; one object serves every account and app."""

    spec: PlatformSpec = SPEC
    publishing = YouTubePublishing()
    insights = YouTubeInsights()
    ads = None  # advertising on YouTube is the Google Ads API, which is another platform
    commerce = COMMERCE
    live = YouTubeLive()

    # -- OAuth --------------------------------------------------------------------------------------

    def authorize_url(self, request: AuthorizeRequest) -> str:
        """Google gives a refresh token for offline access only, and on the first consent only unless it is
        asked for anew (id/oauth2/web-server)."""
        return oauth.login_address(SPEC, request, access_type="offline", prompt="consent")

    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: oauth.Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]:
        """Google takes the application's credentials in the body."""
        whole = {"client_id": app.client_id, "client_secret": app.client_secret, **form}
        result = await http.send(SPEC, Call("POST", EXCHANGE_URL, "oauth", form=whole), timeout_s)
        return oauth.grant_of(token_outcome_of(result, refreshing=refreshing), "Google")

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        """The whole consent ends with either token; one that Google no longer knows is revoked already."""
        token = grant.refresh_token or grant.access_token
        answer = outcome_of(
            await http.send(SPEC, Call("POST", REVOKE_URL, "oauth", form={"token": token})), "oauth"
        )
        if isinstance(answer, Ok) or (isinstance(answer, Rejected) and answer.code == "invalid_token"):
            return Ok(None)
        return answer

    async def connectables(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        """The consent page lets the person choose one of the channels, so it is one; or there is none."""
        answer = await super().connectables(http, app, grant)
        return Ok(()) if isinstance(answer, Rejected) and answer.code == _NO_CHANNEL else answer

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        query = {"part": "snippet,statistics,status", "mine": "true"}
        answer = await ask(http, token, SPEC.profile_family, "channels", query)
        if isinstance(answer, Rejected) and answer.code == "youtubeSignupRequired":
            return Rejected(_NO_CHANNEL, answer.message)
        if not isinstance(answer, Ok):
            return answer
        rows = list(objects(answer.value, "items"))
        found = profile(rows[0]) if rows else None
        if found is None:
            code = "no_profile" if rows else _NO_CHANNEL
            return Rejected(code, "YouTube answered without a channel of this account.")
        return Ok(found)

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        if query.source.remarks:
            return await reading.comments_page(http, token, external_id, query)
        return await reading.uploads_page(http, token, external_id, query)

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        return await reading.read_items(http, token, ids)

    # -- webhooks -----------------------------------------------------------------------------------

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        return await webhooks.subscribe(http, app, external_id, callback_url)

    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        return webhooks.handshake(app, query)

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        return webhooks.verify(app, headers, body)

    def split(self, body: bytes) -> list[RawEntry]:
        return webhooks.split(body)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return events.parse(entry)
