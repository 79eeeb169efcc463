"""Carries out what accounts decide: calls to platforms, and what surrounds a connection.

Tokens are opened here, for one call, and sealed again before the outcome becomes a message.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import structlog

from actors.account.calls import Calls, FindApp
from actors.account.content import recheck
from actors.account.content.parked import Parked
from actors.account.content.work import source_of
from actors.account.costs import NAMES, calls_of_effect, items_of, what_was_sent
from actors.account.effects import (
    ChooseRecheck,
    FetchPage,
    FetchProfile,
    FindRemains,
    LookForPublication,
    PlatformCall,
    PublishStep,
    ReadItems,
    Recall,
    Refresh,
    ReplayParked,
    Revoke,
    Subscribe,
    TaskStep,
)
from actors.account.operations.performer import Performer
from actors.account.publishing.publisher import Publisher
from actors.account.remains import Remains
from actors.account.runner import StepRunner
from actors.account.tokens.grant import field
from actors.account.tokens.grants import consents_of
from actors.account.tokens.token import Call
from actors.budget.hand import Held, Paid
from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.metrics import Counter
from domain.budget import Priority
from domain.clock import Clock
from domain.ids import AccountId, EntityKey
from domain.secrets import Secret
from platforms.base import Grant, PageQuery, Platform
from platforms.capabilities import Consent
from platforms.http import PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.crypto import Keyring
from storage.ports import Mailboxes, Parking

log = structlog.get_logger()

_ACCOUNT = LimitScope.ACCOUNT
MIN_CALL_S = 5.0
"""What is left of a call's time when it has waited for its turn: not enough, and it is not sent."""
CONCURRENT = 64
"""Effects in flight per process: bounds sockets and memory, not correctness. What waits for its turn in a
shared quota is not in flight: a token is refreshed meanwhile."""


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


class AccountHandler:
    def __init__(
        self,
        platforms: Mapping[str, Platform],
        http: PlatformHttp,
        find_app: FindApp,
        keyring: Keyring,
        publisher: Publisher,
        performer: Performer,
        contents: recheck.KnownContent,
        parking: Parking,
        mailboxes: Mailboxes,
        partitions: int,
        public_url: str,
        clock: Clock,
        failpoints: Failpoints,
        count: Counter,
        quotas: Quotas,
        remains: Remains | None = None,
    ) -> None:
        """`remains` None: where nothing is erased, as in benchmarks."""
        self._quotas = quotas
        self._remains = remains
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._platforms = platforms
        self._http = http
        self._calls = Calls(find_app, keyring, clock, failpoints, count)
        self._runner = StepRunner(self._calls, publisher, performer)
        self._contents = contents
        self._parked = Parked(parking, mailboxes, partitions)
        self._public_url = public_url
        self._clock = clock
        self._failpoints = failpoints

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        account = AccountId.parse(key.id)
        platform = self._platforms[account.platform]
        call: Call | None = getattr(effect, "call", None)
        if isinstance(effect, PlatformCall) and call is not None:
            return await self._paying(account, platform, effect, call)
        async with self._slots:
            if call is not None and self._calls.left_s(call) <= 0:
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
                return [await self._runner.publication(account, platform, effect)]
            case LookForPublication():
                return [await self._runner.look(account, platform, effect)]
            case TaskStep():
                return [await self._runner.task(account, platform, effect)]
            case Recall():
                self._quotas.recall(effect.call_id)
                return []
            case Revoke():
                await self._revoke(account, platform, effect)
                return []
            case ReplayParked():
                done = await self._parked.replay(account) and effect.again_at is not None
                return [Message("replayed", {"again_at": effect.again_at})] if done else []
            case FindRemains() if self._remains is not None:
                return await self._remains.find(account, effect)
            case _:
                raise TypeError(type(effect).__name__)

    # -- paying -------------------------------------------------------------------------------------
    async def _paying(
        self, account: AccountId, platform: Platform, effect: PlatformCall, call: Call
    ) -> list[Message]:
        """Pay for the call from what all accounts of the application share, make it, and say what it cost."""
        left = self._calls.left_s(call)
        if left <= 0:
            return []
        paid = await self._quotas.pay(
            account,
            effect.app_id,
            calls_of_effect(platform.spec, effect),
            effect.priority,
            call.id,
            left - MIN_CALL_S,
        )
        if isinstance(paid, Held):
            now = self._clock.now()
            data = {"call_id": call.id, "outcome": paid.outcome(), "asked_at": now, "answered_at": now}
            return [Message(NAMES[type(effect)], data | what_was_sent(effect))]
        items: int | None = None
        try:
            async with self._slots:
                if self._calls.left_s(call) <= 0:
                    items = 0
                    return []
                messages = await self._run(account, platform, effect)
            items = items_of(effect, messages[0].data["outcome"])
            self._quotas.learn(account.platform, effect.app_id, messages[0].data["outcome"])
            return messages
        finally:
            self._quotas.settle(paid, items)

    # -- tokens -------------------------------------------------------------------------------------
    async def _refresh(self, account: AccountId, platform: Platform, effect: Refresh) -> Message:
        self._failpoints.hit(Failpoint.INTENT_SAVED)
        outcome = await self._send_refresh(account, platform, effect)
        self._failpoints.hit(Failpoint.INTENT_ANSWERED)
        self._calls.tally(account, "refresh", outcome)
        data: dict[str, Any] = {"intent_id": effect.intent_id, "outcome": outcome}
        if effect.grant is not None:
            data["grant"] = effect.grant
        if isinstance(outcome, Ok):
            grant = outcome.value
            data |= {
                "outcome": Ok(None),
                "access": self._calls.seal(account, field("accessToken", effect.grant), grant.access_token),
                "refresh": grant.refresh_token
                and self._calls.seal(account, field("refreshToken", effect.grant), grant.refresh_token),
                "expires_in_s": grant.expires_in_s,
                "scopes": grant.scopes,
                "data_access_in_s": grant.data_access_in_s,
            }
        return Message("refreshed", data)

    async def _send_refresh(self, account: AccountId, platform: Platform, effect: Refresh) -> Outcome[Grant]:
        app = await self._calls.app(effect.app_id)
        if isinstance(app, RetryAfter):
            return app
        refresh = None
        if effect.refresh is not None:
            refresh = self._calls.open(account, field("refreshToken", effect.grant), effect.refresh)
        access = self._calls.open(account, field("accessToken", effect.grant), effect.access)
        grant = Grant(access, refresh, None, None)
        owner: Platform | Consent = platform
        if effect.grant is not None:
            consent = consents_of(platform).get(effect.grant)
            if consent is None:
                return Rejected("unsupported", "A token that was brought is not refreshed.")
            owner = consent
        # The last look at the clock before sending. What remains (a stop between here and the send) cannot
        # be closed by anyone: it is counted as `in_doubt` when nobody hears the outcome.
        left = (effect.not_after - self._clock.now()).total_seconds()
        if left <= 1.0:
            return RetryAfter(1.0, _ACCOUNT, "too_late_to_send")
        self._failpoints.hit(Failpoint.INTENT_BEFORE_SEND)
        try:
            async with asyncio.timeout(left):
                return await owner.refresh(self._http, app, grant, timeout_s=left - 0.5)
        except TimeoutError:
            return Unknown("the refresh may have happened")

    # -- reading ------------------------------------------------------------------------------------
    async def _fetch(self, account: AccountId, platform: Platform, effect: FetchPage) -> Message:
        source = source_of(platform.spec, effect.source)
        token = self._calls.open(account, "accessToken", effect.access)
        query = PageQuery(source, effect.cursor, effect.since, effect.newer_than_id, effect.etag)
        work = platform.list_page(self._http, token, account.external_id, query)
        return await self._asked("page_fetched", account, source.family, effect, work)

    async def _read(self, account: AccountId, platform: Platform, effect: ReadItems) -> Message:
        token = self._calls.open(account, "accessToken", effect.access)
        work = platform.read_items(self._http, token, account.external_id, effect.ids)
        return await self._asked("items_read", account, platform.spec.batch_read_family, effect, work)

    async def _profile(self, account: AccountId, platform: Platform, effect: FetchProfile) -> Message:
        work = platform.profile(self._http, self._calls.open(account, "accessToken", effect.access))
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
            async with asyncio.timeout(self._calls.left_s(effect.call)):
                outcome = await work
        except TimeoutError:
            outcome = RetryAfter(0.0, _ACCOUNT, "timeout")  # none of these calls is once-only
        self._calls.tally(account, family, outcome)
        data = {
            "call_id": effect.call.id,
            "outcome": outcome,
            "asked_at": asked_at,
            "answered_at": self._clock.now(),
            "access": effect.access,
        }
        return Message(name, data)

    # -- around a connection ------------------------------------------------------------------------
    async def _subscribe(self, account: AccountId, platform: Platform, effect: Subscribe) -> Message:
        token = self._calls.open(account, "accessToken", effect.access)
        work = self._subscribed(account, platform, effect.app_id, token)
        answer = await self._asked("subscribed", account, "subscribe", effect, work)
        outcome = answer.data["outcome"]
        if not isinstance(outcome, Ok):
            log.warning("webhooks.not_subscribed", account=str(account), outcome=type(outcome).__name__)
        return answer

    async def _subscribed(
        self, account: AccountId, platform: Platform, app_id: str, token: Secret
    ) -> Outcome[None]:
        app = await self._calls.app(app_id)
        if isinstance(app, RetryAfter):
            return app
        callback = f"{self._public_url}/webhooks/{account.platform}/{app.id}"
        return await platform.subscribe(self._http, app, token, account.external_id, callback)

    async def _revoke(self, account: AccountId, platform: Platform, effect: Revoke) -> None:
        app = await self._calls.app(effect.app_id)
        if isinstance(app, RetryAfter) or "revoke" not in platform.spec.capabilities or not effect.access:
            return
        grant = Grant(
            self._calls.open(account, "accessToken", effect.access),
            self._calls.open(account, "refreshToken", effect.refresh) if effect.refresh is not None else None,
            None,
            None,
        )
        outcome = await platform.revoke(self._http, app, grant)
        if not isinstance(outcome, Ok | ReauthRequired):
            log.warning("grant.not_revoked", account=str(account), outcome=type(outcome).__name__)
