"""Carries out what accounts decide: calls to platforms, and what surrounds a connection.

Tokens are opened here, for one call, and sealed again before the outcome becomes a message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import structlog

from actors.account.documents import CONTENT
from actors.account.effects import (
    ChooseRecheck,
    FetchPage,
    FetchProfile,
    ReadItems,
    Refresh,
    ReplayParked,
    Revoke,
    Subscribe,
)
from actors.account.sync import source_of
from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import stream_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.mail import Counter
from domain.clock import Clock
from domain.ids import AccountId, EntityKey, Kind, external_partition
from domain.secrets import Secret
from platforms.base import Grant, PageQuery, Platform, PlatformApp
from platforms.http import PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, RetryAfter, Unknown
from storage.crypto import Keyring, field_aad
from storage.ports import Mailboxes, Parking
from storage.records import Cursor, Document, Page, StoreUnavailable

log = structlog.get_logger()

_ACCOUNT = LimitScope.ACCOUNT
RECHECK_PAGES = 20
"""Pages of known content looked through for what a listing no longer showed."""
REPLAY_BATCH = 500


class ContentPages(Protocol):
    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page: ...


FindApp = Callable[[str], Awaitable[PlatformApp | None]]


class AccountHandler:
    def __init__(
        self,
        platforms: Mapping[str, Platform],
        http: PlatformHttp,
        find_app: FindApp,
        keyring: Keyring,
        contents: ContentPages,
        parking: Parking,
        mailboxes: Mailboxes,
        partitions: int,
        public_url: str,
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
    ) -> None:
        self._platforms = platforms
        self._http = http
        self._find_app = find_app
        self._keyring = keyring
        self._contents = contents
        self._parking = parking
        self._mailboxes = mailboxes
        self._partitions = partitions
        self._public_url = public_url
        self._clock = clock
        self._failpoints = failpoints
        self._count = count

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        account = AccountId.parse(key.id)
        platform = self._platforms[account.platform]
        match effect:
            case Refresh():
                return [await self._refresh(account, platform, effect)]
            case FetchPage():
                return [await self._fetch(account, platform, effect)]
            case ChooseRecheck():
                return [await self._choose(account, effect)]
            case ReadItems():
                return [await self._read(account, platform, effect)]
            case FetchProfile():
                return await self._profile(account, platform, effect)
            case Subscribe():
                return [await self._subscribe(account, platform, effect)]
            case Revoke():
                await self._revoke(account, platform, effect)
                return []
            case ReplayParked():
                await self._replay(account)
                return []
            case _:
                raise TypeError(type(effect).__name__)

    # -- tokens -------------------------------------------------------------------------------------
    async def _refresh(self, account: AccountId, platform: Platform, effect: Refresh) -> Message:
        self._failpoints.hit(Failpoint.INTENT_SAVED)
        outcome = await self._send_refresh(account, platform, effect)
        self._failpoints.hit(Failpoint.INTENT_ANSWERED)
        self._tally(account, "refresh", outcome)
        data: dict[str, Any] = {"intent_id": effect.intent_id, "outcome": outcome}
        if isinstance(outcome, Ok):
            grant = outcome.value
            data |= {
                "outcome": Ok(None),
                "access": self._seal(account, "accessToken", grant.access_token),
                "refresh": grant.refresh_token and self._seal(account, "refreshToken", grant.refresh_token),
                "expires_in_s": grant.expires_in_s,
                "scopes": grant.scopes,
            }
        return Message("refreshed", data)

    async def _send_refresh(self, account: AccountId, platform: Platform, effect: Refresh) -> Outcome[Grant]:
        app = await self._app(effect.app_id)
        if isinstance(app, RetryAfter):
            return app
        grant = Grant(
            self._open(account, "accessToken", effect.access),
            self._open(account, "refreshToken", effect.refresh) if effect.refresh is not None else None,
            None,
            None,
        )
        # The last look at the clock before sending. What remains (a stop between here and the send) cannot
        # be closed by anyone: it is counted as `in_doubt` when nobody hears the outcome.
        left = (effect.not_after - self._clock.now()).total_seconds()
        if left <= 1.0:
            return RetryAfter(1.0, _ACCOUNT, "too_late_to_send")
        self._failpoints.hit(Failpoint.INTENT_BEFORE_SEND)
        try:
            async with asyncio.timeout(left):
                return await platform.refresh(self._http, app, grant, timeout_s=left - 0.5)
        except TimeoutError:
            return Unknown("the refresh may have happened")

    # -- reading ------------------------------------------------------------------------------------
    async def _fetch(self, account: AccountId, platform: Platform, effect: FetchPage) -> Message:
        source = source_of(platform.spec, effect.source)
        asked_at = self._clock.now()
        token = self._open(account, "accessToken", effect.access)
        query = PageQuery(source, effect.cursor, effect.since, effect.newer_than_id)
        outcome = await platform.list_page(self._http, token, account.external_id, query)
        self._tally(account, source.family, outcome)
        data = {"job_id": effect.job_id, "outcome": outcome, "asked_at": asked_at, "access": effect.access}
        return Message("page_fetched", data)

    async def _read(self, account: AccountId, platform: Platform, effect: ReadItems) -> Message:
        asked_at = self._clock.now()
        token = self._open(account, "accessToken", effect.access)
        outcome = await platform.read_items(self._http, token, account.external_id, effect.ids)
        self._tally(account, platform.spec.batch_read_family, outcome)
        data = {"job_id": effect.job_id, "outcome": outcome, "asked_at": asked_at, "access": effect.access}
        return Message("items_read", data)

    async def _choose(self, account: AccountId, effect: ChooseRecheck) -> Message:
        """First what a complete listing did not show, then the newest of the rest, as one read takes."""
        missing: list[str] = []
        newest: list[str] = []
        after: Cursor | None = None
        for _ in range(RECHECK_PAGES):
            page = await self._page(account, after)
            for document in page.documents:
                if document["status"] not in ("active", "pending") or document["listedIn"] == effect.job_id:
                    continue
                inside = _inside(document, effect.window_from, effect.window_to)
                (missing if inside else newest).append(document["externalContentId"])
            after = page.next
            enough = len(missing) >= effect.limit
            past = not page.documents or not _later(page.documents[-1], effect.window_from)
            if after is None or enough or past:
                break
        ids = tuple(dict.fromkeys([*missing, *newest]))[: effect.limit]
        return Message("recheck_chosen", {"job_id": effect.job_id, "ids": ids})

    async def _page(self, account: AccountId, after: Cursor | None) -> Page:
        while True:
            try:
                return await self._contents.page(
                    CONTENT, account.org, {"socialAccountId": str(account)}, 100, after
                )
            except StoreUnavailable:
                await asyncio.sleep(1.0)

    async def _profile(self, account: AccountId, platform: Platform, effect: FetchProfile) -> list[Message]:
        outcome = await platform.profile(self._http, self._open(account, "accessToken", effect.access))
        self._tally(account, platform.spec.profile_family, outcome)
        if not isinstance(outcome, Ok):
            return []
        told = outcome.value
        profile = {
            "username": told.username,
            "displayName": told.display_name,
            "followerCount": told.follower_count,
            "profileImageUrl": told.profile_image_url,
            "bio": told.bio,
            "isVerified": told.is_verified,
            "aliasIds": list(told.alias_ids),
        }
        return [Message("profile_fetched", {"profile": profile})]

    # -- around a connection ------------------------------------------------------------------------
    async def _subscribe(self, account: AccountId, platform: Platform, effect: Subscribe) -> Message:
        app = await self._app(effect.app_id)
        if isinstance(app, RetryAfter):
            return Message("subscribed", {"ok": False})
        token = self._open(account, "accessToken", effect.access)
        callback = f"{self._public_url}/webhooks/{account.platform}/{app.id}"
        outcome = await platform.subscribe(self._http, app, token, account.external_id, callback)
        if not isinstance(outcome, Ok):
            log.warning("webhooks.not_subscribed", account=str(account), outcome=type(outcome).__name__)
        return Message("subscribed", {"ok": isinstance(outcome, Ok)})

    async def _revoke(self, account: AccountId, platform: Platform, effect: Revoke) -> None:
        app = await self._app(effect.app_id)
        if isinstance(app, RetryAfter) or "revoke" not in platform.spec.capabilities or not effect.access:
            return
        grant = Grant(
            self._open(account, "accessToken", effect.access),
            self._open(account, "refreshToken", effect.refresh) if effect.refresh is not None else None,
            None,
            None,
        )
        outcome = await platform.revoke(self._http, app, grant)
        if not isinstance(outcome, Ok | ReauthRequired):
            log.warning("grant.not_revoked", account=str(account), outcome=type(outcome).__name__)

    async def _replay(self, account: AccountId) -> None:
        """Parked events go through the mailbox like any other, under their own ids: once."""
        target = f"{account.platform}:{account.external_id}"
        partition = external_partition(account.platform, account.external_id, self._partitions)
        stream = stream_of(Kind.ACCOUNT, partition)
        try:
            mails = await self._parking.take(target)
            for start in range(0, len(mails), REPLAY_BATCH):
                batch = mails[start : start + REPLAY_BATCH]
                await self._mailboxes.tell([(stream, mail) for mail in batch])
                await self._parking.forget(target, [mail.event_id for mail in batch])
        except StoreUnavailable:
            log.warning("parked.replay_postponed", account=str(account))

    # -- helpers ------------------------------------------------------------------------------------
    async def _app(self, app_id: str) -> PlatformApp | RetryAfter:
        try:
            app = await self._find_app(app_id)
        except StoreUnavailable:
            return RetryAfter(2.0, _ACCOUNT, "store_unavailable")
        return app if app is not None else RetryAfter(300.0, _ACCOUNT, "platform_app_missing")

    def _open(self, account: AccountId, field: str, sealed: bytes) -> Secret:
        return Secret(self._keyring.open(sealed, field_aad("social_accounts", str(account), field)).decode())

    def _seal(self, account: AccountId, field: str, secret: Secret) -> bytes:
        aad = field_aad("social_accounts", str(account), field)
        return self._keyring.seal(secret.reveal().encode(), aad)

    def _tally(self, account: AccountId, family: str, outcome: Outcome[Any]) -> None:
        name = type(outcome).__name__.lower()
        if isinstance(outcome, RetryAfter) and outcome.rate_limited:
            name = "rate_limited"
        self._count("platform_calls", platform=account.platform, family=family, outcome=name)


def _inside(document: Document, begin: datetime | None, end: datetime | None) -> bool:
    if begin is None:
        return False
    at: datetime = document["publishedAt"]
    return begin <= at and (end is None or at <= end)


def _later(document: Document, moment: datetime | None) -> bool:
    return moment is not None and bool(document["publishedAt"] >= moment)
