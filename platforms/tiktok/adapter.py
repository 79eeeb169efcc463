"""TikTok as a `Platform`: Login Kit with PKCE and rotating refresh tokens, the Display API, webhooks; what it
publishes, measures, advertises and sells is in the modules beside this one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from urllib.parse import quote, urlencode

from domain.content import ContentItem, PlatformEvent, Profile
from domain.secrets import Secret
from platforms import oauth
from platforms.base import (
    AuthorizeRequest,
    Grant,
    Handshake,
    ItemReads,
    Page,
    PageQuery,
    PlatformApp,
    RawEntry,
)
from platforms.http import Call, PlatformHttp
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected
from platforms.spec import PlatformSpec
from platforms.tiktok import events, webhooks
from platforms.tiktok.ads import TiktokAds
from platforms.tiktok.comments import TiktokComments
from platforms.tiktok.commerce import TiktokCommerce
from platforms.tiktok.consents import CONSENTS
from platforms.tiktok.errors import outcome_of, revoke_outcome_of, token_outcome_of
from platforms.tiktok.insights import TiktokInsights
from platforms.tiktok.normalise import (
    BASIC_FIELDS,
    PROFILE_FIELDS,
    STATS_FIELDS,
    VIDEO_FIELDS,
    content_item,
    profile,
)
from platforms.tiktok.publishing import TiktokPublishing
from platforms.tiktok.spec import API, OPEN_ID, PAGE, SPEC
from platforms.wire import (
    Json,
    account_id_at,
    flag_at,
    id_at,
    mapping,
    objects,
)

_SCOPE_REFUSALS = frozenset({"scope_not_authorized", "scope_permission_missed"})


class Tiktok(oauth.AuthorizationCode):
    """Stateless; one object serves every account and app."""

    spec: PlatformSpec = SPEC
    publishing = TiktokPublishing()
    insights = TiktokInsights()
    ads = TiktokAds()
    commerce = TiktokCommerce()
    live = None  # TikTok LIVE has no public API
    comments = TiktokComments()
    consents = CONSENTS

    # -- OAuth --------------------------------------------------------------------------------------

    def authorize_url(self, request: AuthorizeRequest) -> str:
        if request.code_verifier is None:
            raise ValueError("TikTok needs a PKCE code verifier")
        query = {
            # Nothing is called `client_id` at TikTok.
            "client_key": request.app.client_id,
            "response_type": "code",
            "scope": SPEC.scope_separator.join(request.scopes),
            "redirect_uri": request.redirect_uri,
            "state": request.state,
            "code_challenge": SPEC.code_challenge(request.code_verifier),
            "code_challenge_method": "S256",
        }
        return f"{SPEC.authorize_url}?{urlencode(query, quote_via=quote)}"

    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: oauth.Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]:
        """Every refresh spends the token; no grace for the old one is documented."""
        client: oauth.Form = {"client_key": app.client_id, "client_secret": app.client_secret}
        call = Call("POST", f"{API}/v2/oauth/token/", "oauth", form=client | form)
        answer = token_outcome_of(await http.send(SPEC, call, timeout_s), refreshing=refreshing)
        grant = oauth.grant_of(answer, SPEC.title)
        if not isinstance(answer, Ok) or not isinstance(grant, Ok):
            return grant
        return Ok(replace(grant.value, external_id=account_id_at(answer.value, "open_id", shape=OPEN_ID)))

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        """Ends the whole permission. A token that TikTok no longer knows is revoked already."""
        form: dict[str, str | Secret] = {
            "client_key": app.client_id,
            "client_secret": app.client_secret,
            "token": grant.access_token,
        }
        answer = revoke_outcome_of(
            await http.send(SPEC, Call("POST", f"{API}/v2/oauth/revoke/", "oauth", form=form))
        )
        gone = isinstance(answer, Rejected) and answer.code in ("invalid_grant", "invalid_request")
        if isinstance(answer, Ok | ReauthRequired) or gone:
            return Ok(None)
        return answer

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        """People may grant a part of the scopes, and a field outside of them refuses the whole call: what
        every grant opens is then asked for alone."""
        answer = await self._user(http, token, f"{PROFILE_FIELDS},{STATS_FIELDS}")
        if isinstance(answer, Rejected) and answer.code in _SCOPE_REFUSALS:
            answer = await self._user(http, token, BASIC_FIELDS)
        if not isinstance(answer, Ok):
            return answer
        found = profile(mapping(answer.value, "user"))
        if found is None:
            return Rejected("no_profile", "TikTok answered without the account's id.")
        return Ok(found)

    async def _user(self, http: PlatformHttp, token: Secret, fields: str) -> Outcome[Json]:
        call = Call("GET", f"{API}/v2/user/info/", "user_info", query={"fields": fields}, bearer=token)
        return outcome_of(await http.send(SPEC, call), "user_info")

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        """TikTok can only go back in time: the page that reaches `since` is the last."""
        body: Json = {"max_count": query.source.page_size}
        if query.cursor is not None:
            body["cursor"] = int(query.cursor) if query.cursor.isdecimal() else 0
        answer = await self._videos(http, token, "list", body)
        if not isinstance(answer, Ok):
            return answer
        items = [item for row in objects(answer.value, "videos") if (item := content_item(row))]
        following = _next_cursor(answer.value, query.cursor)
        if query.since is not None:
            # TikTok tells whole seconds.
            since = query.since.astimezone(UTC).replace(microsecond=0)
            recent = [i for i in items if i.published_at is None or i.published_at >= since]
            following = following if len(recent) == len(items) else None
            items = recent
        return Ok(Page(items=tuple(items), next_cursor=following))

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        """TikTok leaves out what is deleted or no longer public, without a word."""
        answer = await self._videos(http, token, "query", {"filters": {"video_ids": list(ids[:PAGE])}})
        if not isinstance(answer, Ok):
            return answer
        if not isinstance(answer.value.get("videos"), list):
            return Rejected("no_videos", "TikTok answered without a list of videos.")
        items: list[ContentItem] = []
        there: set[str] = set()
        for row in objects(answer.value, "videos"):
            item = content_item(row)
            if item is not None:
                items.append(item)
                there.add(item.external_id)
        return Ok(ItemReads(tuple(items), frozenset(ids[:PAGE]) - there))

    async def _videos(self, http: PlatformHttp, token: Secret, what: str, body: Json) -> Outcome[Json]:
        call = Call(
            "POST",
            f"{API}/v2/video/{what}/",
            "videos",
            query={"fields": VIDEO_FIELDS},
            json=body,
            bearer=token,
        )
        return outcome_of(await http.send(SPEC, call), "videos")

    # -- webhooks -----------------------------------------------------------------------------------

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        """Nothing to ask for: the address is set once for the app, in TikTok's portal, for every event."""
        return Ok(None)

    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        return None

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        return webhooks.verify(app, headers, body)

    def split(self, body: bytes) -> list[RawEntry]:
        return webhooks.split(body)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return events.parse(entry)


def _next_cursor(answer: Json, given: str | None) -> str | None:
    """The same cursor again would never end."""
    following = id_at(answer, "cursor")
    return following if flag_at(answer, "has_more") and following != given else None
