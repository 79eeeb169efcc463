"""Perch, which does not exist: short texts, and tokens that rotate. This is `platforms/perch.py`."""

from collections.abc import Mapping, Sequence

from domain.content import ContentItem, ContentKind, Engagement, Profile, Text
from domain.publishing import KindRules, Published
from domain.secrets import Secret
from platforms import oauth
from platforms.base import Grant, ItemReads, Page, PageQuery, PlatformApp
from platforms.capabilities import Access, PublishJob
from platforms.http import Call, PlatformHttp
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected
from platforms.plain import PublishesAtOnce, get, outcome_of
from platforms.silent import PushesNothing
from platforms.spec import ContentSource, PlatformSpec, RateWindow, TokenModel, TokenRules
from platforms.wire import Json, count_at, id_at, moment_at, objects, packed, text_at, words_at

API = "https://api.perch.example"
SPEC = PlatformSpec(
    name="perch",
    title="Perch",
    authorize_url=f"{API}/login",
    pkce=True,
    default_scopes=("read", "write"),
    scope_separator=" ",
    token=TokenRules(TokenModel.ROTATING, lifetime_s=3600, refresh_margin=0.2),
    windows=(RateWindow("calls", 600, 900), RateWindow("publishing", 60, 900)),
    sources=(ContentSource("posts", "calls", page_size=50),),
    hosts=("api.perch.example",),
    capabilities=frozenset({"publishing"}),
    batch_read_family="calls",
    profile_family="calls",
)


def item_of(row: Json) -> ContentItem | None:
    if (post_id := id_at(row, "id")) is None:
        return None
    text, likes = Text(words_at(row, "text") or ""), Engagement(likes=count_at(row, "likes"))
    at = moment_at(row, "at")
    return ContentItem(post_id, ContentKind.POST, text, packed(row), published_at=at, engagement=likes)


class PerchPublishing(PublishesAtOnce):
    rules: Mapping[ContentKind, KindRules] = {ContentKind.POST: KindRules(500, text_required=True)}

    async def send(self, access: Access, job: PublishJob) -> Outcome[Published]:
        body = {"text": job.draft.text}
        call = Call("POST", f"{API}/posts", "publishing", json=body, bearer=access.token)
        result = await access.http.send(SPEC, call, job.timeout_s)
        answer = outcome_of(result, "publishing", once="the post may be out")
        return Ok(Published(id_at(answer.value, "id"))) if isinstance(answer, Ok) else answer

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | None]:
        answer = await get(access.http, SPEC, access.token, f"{API}/posts")
        if not isinstance(answer, Ok):
            return answer
        items = (item for row in objects(answer.value, "posts") if (item := item_of(row)))
        for item in items:
            if item.text.text == job.draft.text and item.published_at and item.published_at >= job.began_at:
                return Ok(Published(item.external_id))
        return Ok(None)


class Perch(oauth.AuthorizationCode, PushesNothing):
    spec: PlatformSpec = SPEC
    publishing = PerchPublishing()
    insights = ads = commerce = live = None

    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: oauth.Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]:
        basic = (app.client_id, app.client_secret)
        call = Call("POST", f"{API}/token", "oauth", form=form, basic=basic)
        answer = outcome_of(await http.send(SPEC, call, timeout_s), "oauth", once="the token may be spent")
        if refreshing and isinstance(answer, Rejected) and answer.code == "invalid_grant":
            return ReauthRequired("refresh_token_invalid")
        return oauth.grant_of(answer, SPEC.title)

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        return Rejected("unsupported", "Perch lets only the person end a permission.")

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        answer = await get(http, SPEC, token, f"{API}/me")
        if not isinstance(answer, Ok):
            return answer
        account_id, name = id_at(answer.value, "id"), text_at(answer.value, "name")
        if account_id is None or name is None:
            return Rejected("no_profile", "Perch answered without the account's id and name.")
        return Ok(Profile(account_id, name, follower_count=count_at(answer.value, "followers")))

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        asked = {"limit": str(query.source.page_size), "before": query.cursor or ""}
        answer = await get(http, SPEC, token, f"{API}/posts", asked)
        if not isinstance(answer, Ok):
            return answer
        items = tuple(item for row in objects(answer.value, "posts") if (item := item_of(row)))
        return Ok(Page(items, next_cursor=text_at(answer.value, "next")))

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        answer = await get(http, SPEC, token, f"{API}/posts/{ids[0]}")
        if isinstance(answer, Rejected) and answer.code == "no_such_post":
            return Ok(ItemReads(gone=frozenset(ids)))
        if not isinstance(answer, Ok):
            return answer
        item = item_of(answer.value)
        return Ok(ItemReads((item,) if item else ()))
