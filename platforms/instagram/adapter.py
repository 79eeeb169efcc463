"""Instagram with Instagram Login as a `Platform`: long-lived tokens that are extended, Graph reads."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from domain.content import ContentItem, PlatformEvent, Profile
from domain.secrets import Secret
from platforms import oauth
from platforms.base import (
    AuthorizeRequest,
    Connectable,
    Grant,
    ItemReads,
    Page,
    PageQuery,
    PlatformApp,
    RawEntry,
    only_account,
)
from platforms.http import WHOLE_TIMEOUT_S, Call, PlatformHttp
from platforms.instagram import comments, events, webhooks
from platforms.instagram.api import read
from platforms.instagram.commerce import InstagramCommerce
from platforms.instagram.consents import Shop
from platforms.instagram.errors import GONE, outcome_of
from platforms.instagram.insights import InstagramInsights
from platforms.instagram.normalise import content_item, profile
from platforms.instagram.publishing import InstagramPublishing
from platforms.instagram.spec import CODE_EXCHANGE, GRAPH, SPEC, VERSION
from platforms.meta.callbacks import MetaCallbacks
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import LimitReading, Ok, Outcome, Rejected
from platforms.spec import PlatformSpec
from platforms.wire import (
    Json,
    count_at,
    flag_at,
    objects,
    secret_at,
    strings,
    text_at,
)

_MEDIA_FIELDS = (
    "id,caption,media_type,media_product_type,media_url,thumbnail_url,permalink,timestamp,like_count,"
    "comments_count,alt_text,children{id,media_type,media_url,thumbnail_url,alt_text}"
)
_PROFILE_FIELDS = "id,user_id,username,name,biography,account_type,profile_picture_url,followers_count"
# Fields that Instagram Login apps can have (IGP/webhooks).
_SUBSCRIBED_FIELDS = "comments,live_comments,messages"
_LASTING_ATTEMPTS = 3
_LASTING_PAUSE_S = 0.5


class Instagram(MetaCallbacks):
    """Stateless; one object serves every account and app."""

    spec: PlatformSpec = SPEC
    publishing = InstagramPublishing()
    insights = InstagramInsights()
    ads = None
    commerce = InstagramCommerce()
    live = None
    consents = {"commerce": Shop()}  # noqa: RUF012 - read only

    # -- OAuth --------------------------------------------------------------------------------------

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return oauth.login_address(SPEC, request)

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str, verifier: str | None
    ) -> Outcome[Grant]:
        """Code to a one-hour token, and that to a 60-day token."""
        form: dict[str, str | Secret] = {
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": Secret(code.removesuffix("#_")),  # Instagram appends it to the redirect
        }
        result = await http.send(SPEC, Call("POST", CODE_EXCHANGE, "oauth", form=form))
        answer = outcome_of(result, "oauth", once="the authorization code may be spent")
        if isinstance(answer, Rejected):
            return replace(answer, message="Instagram did not accept the authorization code: connect again.")
        if not isinstance(answer, Ok):
            return answer
        # The guide wraps the answer in `data[]`, the wire does not.
        short = next(objects(answer.value, "data"), answer.value)
        short_token = secret_at(short, "access_token")
        if short_token is None:
            return Rejected("no_access_token", "Instagram answered without an access token.")
        return await self._lasting(http, app, short_token, _scopes(short))

    async def _lasting(
        self, http: PlatformHttp, app: PlatformApp, short_token: Secret, scopes: tuple[str, ...] | None
    ) -> Outcome[Grant]:
        """Tried a few times at once: it is repeatable, while the code that led here is spent."""
        query: dict[str, str | Secret] = {
            "grant_type": "ig_exchange_token",
            "client_secret": app.client_secret,
            "access_token": short_token,
        }
        for attempt in range(_LASTING_ATTEMPTS):
            await asyncio.sleep(attempt * _LASTING_PAUSE_S)
            grant = await self._token(http, f"{GRAPH}/access_token", query, WHOLE_TIMEOUT_S)
            if isinstance(grant, Ok):
                return Ok(replace(grant.value, scopes=scopes or grant.value.scopes), grant.readings)
        return Rejected("code_spent", "Instagram gave no lasting token for the code: connect again.")

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Repeatable: the token presented stays valid."""
        query: dict[str, str | Secret] = {
            "grant_type": "ig_refresh_token",
            "access_token": grant.access_token,
        }
        return await self._token(http, f"{GRAPH}/refresh_access_token", query, timeout_s)

    async def _token(
        self, http: PlatformHttp, url: str, query: Mapping[str, str | Secret], timeout_s: float
    ) -> Outcome[Grant]:
        answer = outcome_of(await http.send(SPEC, Call("GET", url, "oauth", query=query), timeout_s), "oauth")
        if not isinstance(answer, Ok):
            return answer
        access_token = secret_at(answer.value, "access_token")
        if access_token is None:
            return Rejected("no_access_token", "Instagram answered without an access token.")
        expires_in = count_at(answer.value, "expires_in")
        return Ok(Grant(access_token, None, expires_in, _scopes(answer.value)), answer.readings)

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        return Rejected(
            "unsupported",
            "Instagram has no call that revokes a token: the person removes the app in Instagram's settings.",
        )

    async def connectables(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        return await only_account(self, http, grant)

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        answer = await read(http, token, "me", {"fields": _PROFILE_FIELDS})
        if not isinstance(answer, Ok):
            return answer
        found = profile(answer.value)
        if found is None:
            return Rejected("no_profile", "Instagram answered without the account's id.", answer.readings)
        return Ok(found, answer.readings)

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        """`me` instead of the id: which of an account's two ids belongs in the path is told both ways."""
        source = query.source
        if source.remarks:
            return await comments.comments_page(http, token, query)
        params = {"fields": _MEDIA_FIELDS, "limit": str(source.page_size)}
        if query.since is not None and not source.complete:
            params["since"] = str(int(query.since.timestamp()))
        params |= cursor_query(query.cursor)
        answer = await read(http, token, f"me/{source.name}", params)
        if not isinstance(answer, Ok):
            return answer
        items = tuple(item for row in objects(answer.value, "data") if (item := content_item(row)))
        return Ok(Page(items=items, next_cursor=next_cursor(answer.value, query.cursor)), answer.readings)

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        """A call for each id: Meta has ended reading several at once."""
        items: list[ContentItem | None] = []
        gone: set[str] = set()
        readings: tuple[LimitReading, ...] = ()
        for media_id in ids:
            answer = await read(http, token, quote(media_id, safe=""), {"fields": _MEDIA_FIELDS})
            if isinstance(answer, Ok):
                items.append(content_item(answer.value))
            elif isinstance(answer, Rejected) and answer.code in GONE:
                gone.add(media_id)
            else:
                return answer
            readings = answer.readings
        return Ok(ItemReads(tuple(i for i in items if i is not None), frozenset(gone)), readings)

    # -- webhooks -----------------------------------------------------------------------------------

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        """The address itself is set once for the app, in Meta's dashboard."""
        form = {"subscribed_fields": _SUBSCRIBED_FIELDS}
        call = Call("POST", f"{GRAPH}/{VERSION}/me/subscribed_apps", "reading", form=form, bearer=token)
        answer = outcome_of(await http.send(SPEC, call))
        if not isinstance(answer, Ok):
            return answer
        if not flag_at(answer.value, "success"):
            return Rejected("not_subscribed", "Instagram did not confirm the webhooks.", answer.readings)
        return Ok(None, answer.readings)

    def split(self, body: bytes) -> list[RawEntry]:
        return webhooks.split(body)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return events.parse(entry)


def _scopes(document: Json) -> tuple[str, ...] | None:
    """`permissions` is comma-separated text or an array; None when the answer does not say."""
    listed = text_at(document, "permissions")
    if listed is not None:
        return tuple(scope.strip() for scope in listed.split(",") if scope.strip())
    return tuple(strings(document, "permissions")) or None
