"""Pinterest as a `Platform`: OAuth with Basic and continuous refresh, Pins and boards; what it publishes,
measures, advertises and sells is in the modules beside this one. Rookery subscribes to nothing
(`not_offered` of the spec): everything is polled.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from urllib.parse import quote

from domain.content import ContentItem, Profile
from domain.secrets import Secret
from platforms import oauth
from platforms.base import (
    Grant,
    ItemReads,
    Page,
    PageQuery,
    PlatformApp,
)
from platforms.http import Call, PlatformHttp
from platforms.outcome import LimitReading, Ok, Outcome, ReauthRequired, Rejected, Unknown
from platforms.pinterest.ads import PinterestAds
from platforms.pinterest.commerce import PinterestCommerce
from platforms.pinterest.errors import AUTHENTICATION, NO_BOARD, NO_PIN, outcome_of, token_outcome_of
from platforms.pinterest.insights import PinterestInsights
from platforms.pinterest.normalise import board, pin, profile
from platforms.pinterest.publishing import PinterestPublishing
from platforms.pinterest.spec import API, BOARDS, SPEC
from platforms.silent import PushesNothing
from platforms.spec import PlatformSpec
from platforms.wire import Json, objects, text_at

_METRICS = {"pin_metrics": "true"}


class Pinterest(oauth.AuthorizationCode, PushesNothing):
    """Stateless; one object serves every account and app."""

    spec: PlatformSpec = SPEC
    publishing = PinterestPublishing()
    insights = PinterestInsights()
    ads = PinterestAds()
    commerce = PinterestCommerce()
    live = None  # PO/ has no live streaming

    # -- OAuth --------------------------------------------------------------------------------------

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Pinterest refuses a dead token and a wrong app secret with one and the same answer. Before a person
        is asked to connect again, the app asks for a token of its own: only an app that Pinterest knows
        proves that it is the refresh token which is dead."""
        ends_at = asyncio.get_running_loop().time() + timeout_s
        answer = await super().refresh(http, app, grant, timeout_s)
        if not (isinstance(answer, Rejected) and answer.code == AUTHENTICATION):
            return answer
        own: oauth.Form = {"grant_type": "client_credentials", "scope": "user_accounts:read"}
        left_s = ends_at - asyncio.get_running_loop().time()
        proof = await self._token(http, app, own, left_s, refreshing=False)
        if isinstance(proof, Ok):
            return ReauthRequired("refresh_token_invalid")
        if isinstance(proof, Rejected):
            if proof.code == AUTHENTICATION:
                return Rejected("app_refused", "Pinterest does not accept this app's id and secret.")
            return ReauthRequired("refresh_token_invalid")  # known, but not given such tokens
        return proof if not isinstance(proof, Unknown) else answer

    async def _token(
        self, http: PlatformHttp, app: PlatformApp, form: oauth.Form, timeout_s: float, *, refreshing: bool
    ) -> Outcome[Grant]:
        if form["grant_type"] == "authorization_code":
            # Apps from before 25 Sep 2025 need to say it, others have no other.
            form = {**form, "continuous_refresh": "true"}
        basic = (app.client_id, app.client_secret)
        call = Call("POST", f"{API}/oauth/token", "oauth", form=form, basic=basic)
        answer = token_outcome_of(await http.send(SPEC, call, timeout_s), refreshing=refreshing)
        return oauth.grant_of(answer, SPEC.title)

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]:
        """PO/ `/oauth/token/revoke`: for tokens of system users only, so far."""
        return Rejected(
            "unsupported",
            "Pinterest revokes no person's token: the person removes the app in Pinterest's settings.",
        )

    # -- reading ------------------------------------------------------------------------------------

    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]:
        answer = await self._get(http, token, "user_account", {})
        if not isinstance(answer, Ok):
            return answer
        found = profile(answer.value)
        if found is None:
            return Rejected("no_profile", "Pinterest answered without the account's id.", answer.readings)
        return Ok(found, answer.readings)

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]:
        """Pinterest can only go back in time: the page that reaches `since` is the last. Boards are listed
        whole."""
        source = query.source
        params = {"page_size": str(source.page_size)}
        if source.name != BOARDS:
            params |= _METRICS
        if query.cursor is not None:
            params["bookmark"] = query.cursor
        answer = await self._get(http, token, source.name, params)
        if not isinstance(answer, Ok):
            return answer
        if not isinstance(answer.value.get("items"), list):
            return Rejected("no_items", "Pinterest answered without a list.", answer.readings)
        read: Callable[[Json], ContentItem | None] = board if source.name == BOARDS else pin
        items = [item for row in objects(answer.value, "items") if (item := read(row))]
        following = next_bookmark(answer.value, query.cursor)
        if query.since is not None and not source.complete:
            # Pinterest tells whole seconds.
            since = query.since.astimezone(UTC).replace(microsecond=0)
            recent = [i for i in items if i.published_at is None or i.published_at >= since]
            following = following if len(recent) == len(items) else None
            items = recent
        return Ok(Page(items=tuple(items), next_cursor=following), answer.readings)

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        """Pins and boards share one space of ids: what is no Pin may be a board."""
        items: list[ContentItem] = []
        gone: set[str] = set()
        readings: tuple[LimitReading, ...] = ()
        for content_id in ids[: SPEC.batch_read]:
            name = quote(content_id, safe="")
            answer = await self._get(http, token, f"pins/{name}", _METRICS)
            found = pin(answer.value) if isinstance(answer, Ok) else None
            if isinstance(answer, Rejected) and answer.code == NO_PIN:
                answer = await self._get(http, token, f"boards/{name}", {})
                found = board(answer.value) if isinstance(answer, Ok) else None
            if isinstance(answer, Rejected) and answer.code == NO_BOARD:
                gone.add(content_id)
            elif not isinstance(answer, Ok):
                return answer
            elif found is not None:
                items.append(found)
            readings = answer.readings
        return Ok(ItemReads(tuple(items), frozenset(gone)), readings)

    async def _get(
        self, http: PlatformHttp, token: Secret, path: str, params: Mapping[str, str]
    ) -> Outcome[Json]:
        call = Call("GET", f"{API}/{path}", "org_read", query=params, bearer=token)
        return outcome_of(await http.send(SPEC, call), "org_read")


def next_bookmark(answer: Json, given: str | None) -> str | None:
    """The same bookmark again would never end."""
    following = text_at(answer, "bookmark")
    return following if following and following != given else None
