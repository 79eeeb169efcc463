"""X as a `Platform`: OAuth 2.0 with PKCE and rotating refresh tokens, API v2, activity webhooks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from domain.content import PlatformEvent, Profile
from domain.secrets import Secret
from platforms import oauth
from platforms.base import (
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
from platforms.twitter import events, subscriptions, webhooks
from platforms.twitter.ads import TwitterAds
from platforms.twitter.commerce import COMMERCE
from platforms.twitter.consents import CONSENTS
from platforms.twitter.errors import outcome_of, token_outcome_of
from platforms.twitter.insights import TwitterInsights
from platforms.twitter.normalise import Includes, content_item, is_outdated, profile, remark
from platforms.twitter.publish import TwitterPublishing
from platforms.twitter.spec import API, SPEC
from platforms.wire import Json, id_at, mapping, objects, text_at

# Asked for in the dialect of the current API specification (2.167); answers in either dialect are read.
_POST_FIELDS = "attachments,conversation_id,created_at,entities,id,lang,note_post,public_metrics,text"
_MEDIA_FIELDS = "alt_text,duration_ms,height,media_key,preview_image_url,type,url,variants,width"
_OWN = {
    "post.fields": _POST_FIELDS,
    "media.fields": _MEDIA_FIELDS,
    "expansions": "attachments.media_keys,edit_history_post_ids,referenced_posts",
}
_OTHERS = {
    **_OWN,
    "expansions": f"{_OWN['expansions']},author_id",  # every expanded user is billed: only where needed
    "user.fields": "id,name,username",
}
_USER_FIELDS = "description,id,name,profile_image_url,public_metrics,username,verified"


class Twitter(oauth.AuthorizationCode):
    """Stateless; one object serves every account and app."""

    spec: PlatformSpec = SPEC
    publishing = TwitterPublishing()
    insights = TwitterInsights()
    ads = TwitterAds()
    commerce = COMMERCE
    live = None
    consents = CONSENTS

    # -- OAuth --------------------------------------------------------------------------------------

    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: oauth.Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]:
        """Every refresh spends the token (measured; X's pages do not say so)."""
        basic = (app.client_id, app.client_secret)
        call = Call("POST", f"{API}/2/oauth2/token", "oauth", form=form, basic=basic)
        answer = token_outcome_of(await http.send(SPEC, call, timeout_s), refreshing=refreshing)
        return oauth.grant_of(answer, "X")

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        """Both tokens, the lasting one first. A token that X no longer knows is revoked already."""
        for token in (grant.refresh_token, grant.access_token):
            if token is None:
                continue
            call = Call(
                "POST",
                f"{API}/2/oauth2/revoke",
                "oauth",
                form={"token": token},
                basic=(app.client_id, app.client_secret),
            )
            outcome = outcome_of(await http.send(SPEC, call), "oauth")
            gone = isinstance(outcome, Rejected) and outcome.code == "400"
            if not isinstance(outcome, Ok) and not gone:
                return outcome
        return Ok(None)

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        answer = await self._get(http, token, "users", "/2/users/me", {"user.fields": _USER_FIELDS})
        if not isinstance(answer, Ok):
            return answer
        found = profile(mapping(answer.value, "data"))
        if found is None:
            return Rejected("no_profile", "X answered without the account's id and name.", answer.readings)
        return Ok(found, answer.readings)

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        remarks = query.source.remarks
        params = {"max_results": str(query.source.page_size), **(_OTHERS if remarks else _OWN)}
        if query.since is not None:
            params["start_time"] = _seconds(query.since)  # wider than the newest id: the overlap window
        elif query.newer_than_id is not None:
            params["since_id"] = query.newer_than_id
        if query.cursor is not None:
            params["pagination_token"] = query.cursor
        path = f"/2/users/{quote(external_id, safe='')}/{'mentions' if remarks else 'tweets'}"
        answer = await self._get(http, token, query.source.family, path, params)
        if not isinstance(answer, Ok):
            return answer
        return Ok(_page(answer.value, query.cursor, remarks=remarks), answer.readings)

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        """The old id of an edited post answers the old words: the newest version is then read in a second
        call, and left out of the answer if that fails."""
        answer = await self._lookup(http, token, ids)
        if not isinstance(answer, Ok):
            return answer
        includes, posts = Includes.of(answer.value), list(objects(answer.value, "data"))
        items = [item for p in posts if not is_outdated(p) and (item := content_item(p, includes))]
        newest = {item.external_id for p in posts if is_outdated(p) and (item := content_item(p, includes))}
        missing = sorted(newest - {item.external_id for item in items})
        readings = answer.readings
        if missing:
            again = await self._lookup(http, token, missing)
            if isinstance(again, Ok):
                readings = again.readings
                includes = Includes.of(again.value)
                items += [i for p in objects(again.value, "data") if (i := content_item(p, includes))]
        return Ok(ItemReads(tuple(items), _gone(answer.value, ids)), readings)

    async def _lookup(self, http: PlatformHttp, token: Secret, ids: Sequence[str]) -> Outcome[Json]:
        return await self._get(http, token, "lookup", "/2/tweets", {"ids": ",".join(ids), **_OWN})

    async def _get(
        self, http: PlatformHttp, token: Secret, family: str, path: str, params: Mapping[str, str]
    ) -> Outcome[Json]:
        call = Call("GET", f"{API}{path}", family, query=params, bearer=token)
        return outcome_of(await http.send(SPEC, call), family)

    # -- webhooks -----------------------------------------------------------------------------------

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        return await subscriptions.subscribe(http, app, token, external_id, callback_url)

    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        return webhooks.handshake(app, query)

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        return webhooks.verify(app, headers, body)

    def split(self, body: bytes) -> list[RawEntry]:
        return webhooks.split(body)

    def parse(self, entry: RawEntry) -> PlatformEvent:
        return events.parse(entry)


def _page(document: Json, cursor: str | None, *, remarks: bool) -> Page:
    includes, posts = Includes.of(document), list(objects(document, "data"))
    following = text_at(mapping(document, "meta"), "next_token")
    next_cursor = following if following != cursor else None  # the same token again would never end
    if remarks:
        return Page(remarks=tuple(r for p in posts if (r := remark(p, includes))), next_cursor=next_cursor)
    return Page(items=tuple(i for p in posts if (i := content_item(p, includes))), next_cursor=next_cursor)


def _gone(document: Json, asked: Sequence[str]) -> frozenset[str]:
    """Ids that X names as not found. "Not authorized" is not gone: a protected account comes back."""
    missing = (
        id_at(error, "resource_id", "value")
        for error in objects(document, "errors")
        if (text_at(error, "type") or "").endswith("/resource-not-found")
    )
    return frozenset(i for i in missing if i is not None) & frozenset(asked)


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
