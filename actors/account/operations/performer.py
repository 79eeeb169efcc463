"""Carries out the steps of tasks: what was asked for is read from its operation, tokens are opened for one
call."""

from collections.abc import Mapping
from typing import Any

import orjson

from actors.account.documents import side_id
from actors.account.effects import TaskStep
from actors.account.operations.steps import ads, ads_making, comments, commerce, insights, live
from actors.account.operations.steps.work import Look, Make, Sides, Work
from actors.account.operations.task import OPERATIONS, Phase, Step, What
from actors.account.tokens.grant import field
from domain.clock import Clock
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Platform, PlatformApp
from platforms.capabilities import Access
from platforms.http import PlatformHttp
from platforms.outcome import LimitScope, Outcome, RetryAfter
from storage.crypto import Keyring, field_aad
from storage.records import StoreUnavailable

_STEPS: Mapping[What, Make] = {
    What.CONTENT_INSIGHTS: insights.of_content,
    What.ACCOUNT_INSIGHTS: insights.of_account,
    What.COMMENTS: comments.walk,
    What.ADS: ads.walk,
    What.CREATE_AD_CAMPAIGN: ads_making.create_campaign,
    What.CREATE_AD_GROUP: ads_making.create_group,
    What.CREATE_AD: ads_making.create_ad,
    What.CHANGE_AD: ads.change,
    What.CATALOGS: commerce.catalogs,
    What.PRODUCTS: commerce.products,
    What.UPSERT_PRODUCTS: commerce.upsert,
    What.ORDERS: commerce.orders,
    What.BROADCASTS: live.broadcasts,
    What.CREATE_BROADCAST: live.create,
    What.STREAM: live.stream,
    What.TRANSITION: live.transition,
    What.CHAT: live.chat,
}
_LOOKS: Mapping[What, Look] = {
    What.CREATE_AD_CAMPAIGN: ads_making.find_campaign,
    What.CREATE_AD_GROUP: ads_making.find_group,
    What.CREATE_AD: ads_making.find_ad,
    What.CREATE_BROADCAST: live.find,
}
_STORE_AWAY = RetryAfter(2.0, LimitScope.ACCOUNT, "store_unavailable")


class Performer:
    """One per host process. Every method answers an outcome; what the platform did is data."""

    def __init__(self, http: PlatformHttp, keyring: Keyring, sides: Sides, clock: Clock) -> None:
        self._http = http
        self._keyring = keyring
        self._sides = sides
        self._clock = clock

    async def perform(
        self, account: AccountId, platform: Platform, app: PlatformApp, effect: TaskStep
    ) -> Outcome[Step | None]:
        """The outcome of the step, or of the look for what it may have done (None: it is not there)."""
        task = effect.task
        try:
            wish = await self._wish(account, task.id) if task.shown else {}
            if wish is None:
                return _STORE_AWAY
            work = Work(
                account,
                platform,
                self._access(account, app, effect),
                task.id,
                orjson.loads(task.facts),
                wish,
                self._sides,
                self._keyring.seal,
                self._clock.now(),
            )
            if task.phase is Phase.LOOKING:
                return await _LOOKS[task.what](work)
            return await _STEPS[task.what](work)
        except StoreUnavailable:
            # Documents are read before a call, and no decisive step reads any.
            return _STORE_AWAY

    async def _wish(self, account: AccountId, task_id: str) -> Mapping[str, Any] | None:
        id_ = side_id(str(account), task_id)
        document = (await self._sides.load_many(OPERATIONS, [id_])).get(id_)
        if document is None:
            return None
        opened: dict[str, Any] = orjson.loads(
            self._keyring.open(bytes(document["wish"]), field_aad(OPERATIONS, id_, "wish"))
        )
        return opened

    def _access(self, account: AccountId, app: PlatformApp, effect: TaskStep) -> Access:
        def opened(name: str, sealed: bytes) -> Secret:
            aad = field_aad("social_accounts", str(account), name)
            return Secret(self._keyring.open(sealed, aad).decode())

        secret = None
        if effect.secret is not None:
            # Without a grant of its own it is the account's refresh token that goes with the call.
            name = field("secret", effect.grant) if effect.grant else "refreshToken"
            secret = opened(name, effect.secret)
        token = opened(field("accessToken", effect.grant), effect.access)
        return Access(self._http, app, token, effect.external_id, secret, effect.surface)
