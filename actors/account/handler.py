"""Carries out what accounts decide: calls to platforms, and what surrounds a connection.

Tokens are opened here, for one call, and sealed again before the outcome becomes a message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from actors.account import recheck
from actors.account.effects import (
    ChooseRecheck,
    FetchPage,
    FetchProfile,
    LookForPublication,
    PlatformCall,
    PublishStep,
    ReadItems,
    Recall,
    Refresh,
    ReplayParked,
    Revoke,
    Subscribe,
)
from actors.account.errands import calls_of
from actors.account.publisher import Publisher
from actors.account.state import Errand
from actors.account.token import Call
from actors.account.work import source_of
from actors.budget.hand import Held, Paid
from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import stream_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from domain.budget import Priority
from domain.clock import Clock
from domain.ids import AccountId, EntityKey, Kind, external_partition
from domain.secrets import Secret
from platforms.base import Grant, ItemReads, Page, PageQuery, Platform, PlatformApp
from platforms.http import PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec
from storage.crypto import Keyring, field_aad
from storage.ports import Mailboxes, Parking
from storage.records import StoreUnavailable

log = structlog.get_logger()

_ACCOUNT = LimitScope.ACCOUNT
MIN_CALL_S = 5.0
"""What is left of a call's time when it has waited for its turn: not enough, and it is not sent."""
CALL_MARGIN_S = 5.0
"""A call ends so much earlier than its owner stops waiting: the same call is never under way twice."""
REPLAY_BATCH = 500
CONCURRENT = 64
"""Effects in flight per process: bounds sockets and memory, not correctness. What waits for its turn in a
shared quota is not in flight: a token is refreshed meanwhile."""
NAMES: Mapping[type[PlatformCall], str] = {
    FetchPage: "page_fetched",
    ReadItems: "items_read",
    FetchProfile: "profile_fetched",
    Subscribe: "subscribed",
}
"""As which message the outcome of a call comes back."""


class Quotas(Protocol):
    """What all accounts of one platform application share (`actors.budget.leases.Leases`)."""

    async def pay(
        self,
        account: AccountId,
        app_id: str,
        calls: Mapping[str, int],
        priority: Priority,
        call_id: str,
        patience_s: float,
    ) -> Paid | Held: ...

    def settle(self, paid: Paid, items: int | None) -> None: ...

    def learn(self, platform: str, app_id: str, outcome: Outcome[Any]) -> None: ...

    def recall(self, call_id: str) -> None: ...


FindApp = Callable[[str], Awaitable[PlatformApp | None]]


class AccountHandler:
    def __init__(
        self,
        platforms: Mapping[str, Platform],
        http: PlatformHttp,
        find_app: FindApp,
        keyring: Keyring,
        publisher: Publisher,
        contents: recheck.ContentPages,
        parking: Parking,
        mailboxes: Mailboxes,
        partitions: int,
        public_url: str,
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
        quotas: Quotas,
    ) -> None:
        self._quotas = quotas
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._platforms = platforms
        self._http = http
        self._find_app = find_app
        self._keyring = keyring
        self._publisher = publisher
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
        call: Call | None = getattr(effect, "call", None)
        if isinstance(effect, PlatformCall) and call is not None:
            return await self._paying(account, platform, effect, call)
        async with self._slots:
            if call is not None and self._left_s(call) <= 0:
                return []  # it waited too long for its turn: its owner asks again, or has done so
            return await self._run(account, platform, effect)

    async def _run(self, account: AccountId, platform: Platform, effect: Effect) -> list[Message]:
        match effect:
            case Refresh():
                return [await self._refresh(account, platform, effect)]
            case FetchPage():
                return [await self._fetch(account, platform, effect)]
            case ChooseRecheck():
                ids = await recheck.choose(self._contents, account, effect)
                return [Message("recheck_chosen", {"call_id": effect.call.id, "ids": ids})]
            case ReadItems():
                return [await self._read(account, platform, effect)]
            case FetchProfile():
                return [await self._profile(account, platform, effect)]
            case Subscribe():
                return [await self._subscribe(account, platform, effect)]
            case PublishStep():
                return [await self._publish_step(account, platform, effect)]
            case LookForPublication():
                return [await self._look(account, platform, effect)]
            case Recall():
                self._quotas.recall(effect.call_id)
                return []
            case Revoke():
                await self._revoke(account, platform, effect)
                return []
            case ReplayParked():
                done = await self._replay(account) and effect.again_at is not None
                return [Message("replayed", {"again_at": effect.again_at})] if done else []
            case _:
                raise TypeError(type(effect).__name__)

    # -- paying -------------------------------------------------------------------------------------
    async def _paying(
        self, account: AccountId, platform: Platform, effect: PlatformCall, call: Call
    ) -> list[Message]:
        """Pay for the call from what all accounts of the application share, make it, and say what it cost."""
        left = self._left_s(call)
        if left <= 0:
            return []
        paid = await self._quotas.pay(
            account, effect.app_id, _calls(platform.spec, effect), effect.priority, call.id, left - MIN_CALL_S
        )
        if isinstance(paid, Held):
            now = self._clock.now()
            data = {"call_id": call.id, "outcome": paid.outcome(), "asked_at": now, "answered_at": now}
            return [Message(NAMES[type(effect)], data | {"access": getattr(effect, "access", b"")})]
        items: int | None = None
        try:
            async with self._slots:
                if self._left_s(call) <= 0:
                    items = 0
                    return []
                messages = await self._run(account, platform, effect)
            items = _items(messages[0].data["outcome"])
            self._quotas.learn(account.platform, effect.app_id, messages[0].data["outcome"])
            return messages
        finally:
            self._quotas.settle(paid, items)

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
                "data_access_in_s": grant.data_access_in_s,
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
        token = self._open(account, "accessToken", effect.access)
        query = PageQuery(source, effect.cursor, effect.since, effect.newer_than_id, effect.etag)
        work = platform.list_page(self._http, token, account.external_id, query)
        return await self._asked("page_fetched", account, source.family, effect, work)

    async def _read(self, account: AccountId, platform: Platform, effect: ReadItems) -> Message:
        token = self._open(account, "accessToken", effect.access)
        work = platform.read_items(self._http, token, account.external_id, effect.ids)
        return await self._asked("items_read", account, platform.spec.batch_read_family, effect, work)

    async def _profile(self, account: AccountId, platform: Platform, effect: FetchProfile) -> Message:
        work = platform.profile(self._http, self._open(account, "accessToken", effect.access))
        family = platform.spec.profile_family
        answer = await self._asked("profile_fetched", account, family, effect, work)
        outcome = answer.data["outcome"]
        if isinstance(outcome, Ok):
            outcome = Ok(outcome.value.facts(), outcome.readings)
        return Message(answer.name, {**answer.data, "outcome": outcome})

    async def _asked(
        self,
        name: str,
        account: AccountId,
        family: str,
        effect: FetchPage | ReadItems | FetchProfile | Subscribe,
        work: Awaitable[Outcome[Any]],
    ) -> Message:
        """Make the call and say what came of it, to be matched with the call that the owner waits for."""
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(self._left_s(effect.call)):
                outcome = await work
        except TimeoutError:
            outcome = RetryAfter(0.0, _ACCOUNT, "timeout")  # none of these calls is once-only
        self._tally(account, family, outcome)
        data = {
            "call_id": effect.call.id,
            "outcome": outcome,
            "asked_at": asked_at,
            "answered_at": self._clock.now(),
            "access": effect.access,
        }
        return Message(name, data)

    def _left_s(self, call: Call) -> float:
        return (call.until - self._clock.now()).total_seconds() - CALL_MARGIN_S

    # -- publishing ---------------------------------------------------------------------------------
    async def _publish_step(self, account: AccountId, platform: Platform, effect: PublishStep) -> Message:
        record = effect.record
        if record.decisive:
            self._failpoints.hit(Failpoint.INTENT_SAVED)
        app, sealed = await self._app(effect.app_id), None
        left_s = self._left_s(effect.call)
        outcome: Outcome[Any]
        if isinstance(app, RetryAfter):
            outcome = app
        elif left_s <= 1.0:
            outcome = RetryAfter(1.0, _ACCOUNT, "too_late_to_send")
        else:
            if record.decisive:
                self._failpoints.hit(Failpoint.INTENT_BEFORE_SEND)
            try:
                async with asyncio.timeout(left_s):
                    outcome, sealed = await self._publisher.step(account, platform, app, effect, left_s - 0.5)
            except TimeoutError:
                outcome = Unknown("it may have been published")
            if record.decisive:
                self._failpoints.hit(Failpoint.INTENT_ANSWERED)
        self._tally(account, platform.spec.publish_family, outcome)
        data = {"publication_id": record.id, "call_id": effect.call.id, "outcome": outcome, "sealed": sealed}
        return Message("publish_stepped", data | {"access": effect.access})

    async def _look(self, account: AccountId, platform: Platform, effect: LookForPublication) -> Message:
        app = await self._app(effect.app_id)
        left_s = self._left_s(effect.call)
        outcome: Outcome[Any]
        if isinstance(app, RetryAfter):
            outcome = app
        else:
            try:
                async with asyncio.timeout(left_s):
                    outcome = await self._publisher.look(account, platform, app, effect, left_s)
            except TimeoutError:
                outcome = RetryAfter(0.0, _ACCOUNT, "timeout")
        self._tally(account, platform.spec.publish_family, outcome)
        data = {"publication_id": effect.record.id, "call_id": effect.call.id, "outcome": outcome}
        return Message("publication_looked", data | {"access": effect.access})

    # -- around a connection ------------------------------------------------------------------------
    async def _subscribe(self, account: AccountId, platform: Platform, effect: Subscribe) -> Message:
        token = self._open(account, "accessToken", effect.access)
        work = self._subscribed(account, platform, effect.app_id, token)
        answer = await self._asked("subscribed", account, "subscribe", effect, work)
        outcome = answer.data["outcome"]
        if not isinstance(outcome, Ok):
            log.warning("webhooks.not_subscribed", account=str(account), outcome=type(outcome).__name__)
        return answer

    async def _subscribed(
        self, account: AccountId, platform: Platform, app_id: str, token: Secret
    ) -> Outcome[None]:
        app = await self._app(app_id)
        if isinstance(app, RetryAfter):
            return app
        callback = f"{self._public_url}/webhooks/{account.platform}/{app.id}"
        return await platform.subscribe(self._http, app, token, account.external_id, callback)

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

    async def _replay(self, account: AccountId) -> bool:
        """Parked events go through the mailbox like any other, under their own ids: once. False: not now."""
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
            return False
        return True

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


def _calls(spec: PlatformSpec, effect: PlatformCall) -> Mapping[str, int]:
    """API family -> calls that the effect may need."""
    match effect:
        case FetchPage():
            return {source_of(spec, effect.source).family: 1}
        case ReadItems():
            return {spec.batch_read_family: spec.batch_read_calls}
        case Subscribe():
            return calls_of(spec, Errand.SUBSCRIBE)
        case _:
            return calls_of(spec, Errand.PROFILE)


def _items(outcome: Outcome[Any]) -> int | None:
    """How many things an answer brought; None when the call may have brought some that nobody saw."""
    match outcome:
        case Ok(value=Page() | ItemReads() as found):
            return len(found.items) + len(getattr(found, "remarks", ()))
        case Ok() | Rejected() | ReauthRequired():
            return 0
        case RetryAfter(rate_limited=True):
            return 0
        case _:
            return None
