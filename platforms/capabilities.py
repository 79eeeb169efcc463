"""What some platforms can do beyond connecting and reading: one Protocol for each, None where a platform
lacks it.

The same rules as in `base.py` hold: pure but for `PlatformHttp`, every call ends in an Outcome, adapters know
only real addresses. A call that must not be repeated blindly answers `Unknown` when it may have happened; the
owner has saved an intent before it and looks (`find...`) before anything else.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdPage,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    ReportRequest,
    ReportState,
    ReportStep,
)
from domain.catalog import BatchState, Catalog, OrderPage, Product, ProductPage
from domain.content import ContentKind
from domain.insights import Metric
from domain.live import BroadcastPage, BroadcastStatus, ChatPage, Stream
from domain.money import Money
from domain.publishing import Draft, KindRules, Published, PublishQuota, PublishState, Refusal
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, Grant, Page, PlatformApp
from platforms.http import PlatformHttp
from platforms.outcome import Outcome
from platforms.spec import TokenRules


class MediaReader(Protocol):
    """Bytes of a draft's media, streamed: nothing holds a whole file in memory."""

    def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of at most 1 MiB."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """With what a call is made. `token_secret` is for OAuth 1.0a (X Ads) and shop ciphers (TikTok Shop);
    `surface` names which of a platform's services the token is for, where one capability has several."""

    http: PlatformHttp
    app: PlatformApp
    token: Secret
    external_id: str
    token_secret: Secret | None = None
    surface: str | None = None


@dataclass(frozen=True, slots=True)
class PublishJob:
    """One publication at one account. `key` is ours, the same at every attempt: platforms that take an
    idempotency key get it. `began_at` bounds where `find` looks."""

    key: str
    draft: Draft
    media: MediaReader
    state: PublishState
    began_at: datetime
    timeout_s: float


class Publishing(Protocol):
    rules: Mapping[ContentKind, KindRules]

    def adapt(self, draft: Draft) -> Draft:
        """The draft as this platform would have it: a cross-posted kind mapped, a link put into the text
        where there is no field for it. Never cuts text."""
        ...

    def refusals(self, draft: Draft) -> list[Refusal]:
        """Every rule an adapted draft breaks: `domain.publishing.refusals` with what data cannot say."""
        ...

    async def quota(self, access: Access) -> Outcome[PublishQuota]:
        """What the platform says is left now. Rejected("unsupported") where it does not say."""
        ...

    async def step(self, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
        """Make the step `job.state.stage`. Steps that are not decisive are safe to repeat: a time-out in
        them is RetryAfter. A decisive one is Unknown when it may have happened. One step makes at most a
        few calls and ends within `job.timeout_s`; an upload answers after each chunk with the offset
        reached."""
        ...

    async def find(self, access: Access, job: PublishJob) -> Outcome[Published | PublishState | None]:
        """After an unknown outcome, or while the id is pending: look at the platform. None: it is not there.
        Compares what the platform shows with the draft (text, time, media), never by guess alone. A state: it
        is out, and that step is still to be made; nothing in it is sealed."""
        ...

    async def edit(self, access: Access, external_id: str, draft: Draft) -> Outcome[None]:
        """Rejected("unsupported") where the platform cannot."""
        ...

    async def delete(self, access: Access, external_id: str) -> Outcome[None]:
        """Ok also when it was gone already. Rejected("unsupported") where the platform cannot."""
        ...


class Insights(Protocol):
    async def of_content(
        self, access: Access, content_id: str, kind: ContentKind
    ) -> Outcome[tuple[Metric, ...]]:
        """Every metric the platform has for this kind; those it did not answer with the reason."""
        ...

    async def of_account(
        self, access: Access, since: datetime, until: datetime
    ) -> Outcome[tuple[Metric, ...]]: ...


class Comments(Protocol):
    async def page(self, access: Access, since: datetime | None, cursor: str | None) -> Outcome[Page]:
        """Comments on the account's content, replies among them; with `since` those that are as new."""
        ...


@runtime_checkable
class ListsComments(Protocol):
    """A platform that shows comments with the consent for `insights` only. Where the account's own token
    shows them they are a source of its spec."""

    comments: Comments


class Ads(Protocol):
    """`missing` names what the platform does not offer, with the sentence that says so: `create_group`,
    `create_ad`.

    Making is once-only, and what is made is paused; an ad that has no paused state is made below a paused
    group only, which keeps it from being shown. What breaks a rule of the platform is Rejected before
    anything is sent, the rule named.
    """

    missing: Mapping[str, str]

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]: ...

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]: ...

    def report(self, request: ReportRequest) -> ReportState:
        """The state before the first step (already split where the platform bounds the days of a report)."""
        ...

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]: ...

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]: ...

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]: ...

    async def create_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject]: ...

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]: ...

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]: ...

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]: ...

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        """An absolute value: repeating it changes nothing."""
        ...

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]: ...


@runtime_checkable
class TargetsApart(Protocol):
    """Ads where an ad group's countries are objects of their own, made after it: until then it is for people
    everywhere, and paused."""

    async def target_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup, group_id: str
    ) -> Outcome[None]:
        """Looks which of the countries the group has, and makes those that it lacks: repeating it changes
        nothing. Rejected: it has none of them."""
        ...


class Commerce(Protocol):
    """`missing` names what the platform does not offer, with the sentence that says so: `catalogs`,
    `products`, `upsert`, `orders`, `tags`."""

    missing: Mapping[str, str]

    async def catalogs(self, access: Access) -> Outcome[tuple[Catalog, ...]]: ...

    async def products(self, access: Access, catalog_id: str, cursor: str | None) -> Outcome[ProductPage]: ...

    async def upsert(
        self, access: Access, catalog_id: str, products: Sequence[Product]
    ) -> Outcome[BatchState]:
        """Absolute values by retailer id: repeating it changes nothing."""
        ...

    async def batch(self, access: Access, catalog_id: str, handle: str) -> Outcome[BatchState]: ...

    async def orders(self, access: Access, since: datetime, cursor: str | None) -> Outcome[OrderPage]: ...


class Live(Protocol):
    """`missing` names what the platform does not offer, with the sentence that says so: `create`, `stream`,
    `transition`, `chat`. `chat_id` of a broadcast is what `chat` is asked with."""

    missing: Mapping[str, str]

    async def broadcasts(self, access: Access, cursor: str | None) -> Outcome[BroadcastPage]: ...

    async def create(
        self, access: Access, title: str, scheduled_at: datetime, options: Mapping[str, str]
    ) -> Outcome[str]:
        """Once-only: the id of the broadcast."""
        ...

    async def create_stream(self, access: Access, title: str) -> Outcome[Stream]: ...

    async def bind(self, access: Access, broadcast_id: str, stream_id: str) -> Outcome[None]: ...

    async def transition(self, access: Access, broadcast_id: str, to: BroadcastStatus) -> Outcome[None]: ...

    async def chat(self, access: Access, chat_id: str, cursor: str | None) -> Outcome[ChatPage]: ...


class Consent(Protocol):
    """What one capability asks of a person beside the account's own consent, on a page of its own. The tokens
    are good for that capability alone; they have a model and lifetimes of their own (`token`).

    `required`: without it the capability answers nothing; else it answers less. `surface`: of the calls made
    with it.
    """

    token: TokenRules
    required: bool
    surface: str | None

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Rejected("unsupported") where there is nothing to refresh: a refused token is then dead."""
        ...


class CodeConsent(Consent, Protocol):
    """By a code in the redirect. `code_parameter`: the name under which it is there."""

    code_parameter: str

    def authorize_url(self, request: AuthorizeRequest) -> str: ...

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str
    ) -> Outcome[Grant]:
        """`Grant.external_id`: the id that calls are made for, where it is another than the account's."""
        ...


@dataclass(frozen=True, slots=True)
class RequestToken:
    """A pair of OAuth 1.0a that stands for a consent asked for: the browser carries `token` to the platform
    and back, `secret` never leaves us."""

    token: Secret
    secret: Secret


@runtime_checkable
class SignedConsent(Consent, Protocol):
    """By OAuth 1.0a (RFC 5849): its request token takes the place of a state, and is good for one consent."""

    async def request_token(
        self, http: PlatformHttp, app: PlatformApp, redirect_uri: str
    ) -> Outcome[RequestToken]:
        """Rejected also where the platform does not confirm the address that the browser is sent back to."""
        ...

    def authorize_url(self, request: RequestToken) -> str: ...

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, request: RequestToken, verifier: str
    ) -> Outcome[Grant]:
        """`Grant.external_id`: the account that said yes. The request token is spent."""
        ...


@runtime_checkable
class AsksFurther(Protocol):
    """A platform whose capabilities want consents of their own, by the capability's name."""

    @property
    def consents(self) -> Mapping[str, CodeConsent | SignedConsent]: ...
