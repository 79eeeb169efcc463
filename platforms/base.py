"""The seam between generic code and a platform: one Protocol, no base class.

Adapters know only real addresses; `PlatformHttp` sends the requests (and, in sandbox mode, rewrites them).
Nothing here reads a clock: `now` is passed where a decision needs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from domain.content import ContentItem, PlatformEvent, Profile, Remark
from domain.secrets import Secret
from platforms.http import PlatformHttp
from platforms.outcome import Ok, Outcome
from platforms.spec import ContentSource, PlatformSpec

if TYPE_CHECKING:  # they speak of `PlatformApp`
    from platforms.capabilities import Ads, Commerce, Insights, Live, Publishing


@dataclass(frozen=True, slots=True)
class PlatformApp:
    """The application registered at the platform: Rookery's own, or one an org brought."""

    id: str  # Rookery's id of it, part of the webhook address
    platform: str
    client_id: str
    client_secret: Secret
    webhook_secrets: tuple[Secret, ...]  # tried in order: platforms disagree on which secret signs
    verify_token: Secret | None = None
    bearer_token: Secret | None = None  # app-only token where the platform has one


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token endpoint answered. `refresh_token` None means "not given": never overwrite by it."""

    access_token: Secret
    refresh_token: Secret | None
    expires_in_s: int | None
    scopes: tuple[str, ...] | None  # None: the answer did not say
    external_id: str | None = None  # where the token answer names the account
    # The person who said yes, where that is not the account itself: whoever manages a page.
    person_id: str | None = None
    # Until data may be read, whatever the token's own end: Meta counts 90 days from the person's last visit.
    data_access_in_s: int | None = None
    token_secret: Secret | None = None  # what calls need beside the token (`capabilities.Access`)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page of a source. `cursor` continues a listing; `since` limits it to newer or equal items
    (inclusive overlap window); `newer_than_id` is the newest id known, for platforms that page by id; `etag`
    is what the first page carried when it was last read, for platforms that can say "nothing new"."""

    source: ContentSource
    cursor: str | None = None
    since: datetime | None = None
    newer_than_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[ContentItem, ...] = ()
    remarks: tuple[Remark, ...] = ()
    next_cursor: str | None = None  # None: the end
    etag: str | None = None  # of this page, where the platform gives one
    unchanged: bool = False  # it is as `PageQuery.etag` says: empty, but nothing is gone


@dataclass(frozen=True, slots=True)
class ItemReads:
    """Answer to a read by id: what is there, and which ids the platform named as gone."""

    items: tuple[ContentItem, ...] = ()
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One unit of a webhook body, cut out without interpreting it further than needed to address it."""

    external_id: str
    event_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Handshake:
    """Answer to a platform's GET on the webhook address, and what the GET tells an account, if anything."""

    status: int
    body: bytes
    content_type: str = "application/json"
    entry: RawEntry | None = None


@dataclass(frozen=True, slots=True)
class Farewell:
    """A person took the app's permissions back, or asked for the deletion of their data."""

    person_id: str  # the platform's id of the person for this app
    at: datetime


class WebhookRefused(ValueError):
    """The body is not what the platform sends (not JSON, nested absurdly, another shape): answer 400."""


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    app: PlatformApp
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    code_verifier: str | None = None


@dataclass(frozen=True, slots=True)
class Connectable:
    """An account that one consent opens: a page, a channel, a business account. `grant` is what its calls
    are made with; most platforms answer the consent's own grant, Facebook one of its own for each page."""

    profile: Profile
    grant: Grant


class Platform(Protocol):
    """`publishing` and what follows it are None where the platform does not offer it, or Rookery does not
    yet."""

    spec: PlatformSpec

    @property
    def publishing(self) -> "Publishing | None": ...

    @property
    def insights(self) -> "Insights | None": ...

    @property
    def ads(self) -> "Ads | None": ...

    @property
    def commerce(self) -> "Commerce | None": ...

    @property
    def live(self) -> "Live | None": ...

    # -- OAuth --------------------------------------------------------------------------------------
    def authorize_url(self, request: AuthorizeRequest) -> str: ...

    async def exchange(
        self, http: PlatformHttp, app: PlatformApp, code: str, redirect_uri: str, verifier: str | None
    ) -> Outcome[Grant]:
        """Code to a lasting grant (the long-lived exchange included where the platform has one)."""
        ...

    async def refresh(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant, timeout_s: float
    ) -> Outcome[Grant]:
        """Once-only for ROTATING tokens: a time-out after sending is Unknown, before sending RetryAfter."""
        ...

    async def revoke(self, http: PlatformHttp, app: PlatformApp, grant: Grant) -> Outcome[None]: ...

    async def connectables(
        self, http: PlatformHttp, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        """What this consent opens, in the platform's order; most platforms answer exactly one. Empty: the
        person has no such account (a Facebook user without a page)."""
        ...

    # -- reading ------------------------------------------------------------------------------------
    async def profile(self, http: PlatformHttp, token: Secret) -> Outcome[Profile]: ...

    async def list_page(
        self, http: PlatformHttp, token: Secret, external_id: str, query: PageQuery
    ) -> Outcome[Page]: ...

    async def read_items(
        self, http: PlatformHttp, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        """At most `spec.batch_read` ids: current engagement, edits, and which are gone. Takes at most
        `spec.batch_read_calls` calls."""
        ...

    async def subscribe(
        self, http: PlatformHttp, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        """Ask the platform to send this account's webhooks; idempotent. Takes at most `spec.subscribe_calls`.
        ReauthRequired concerns `token` alone: an app's token that is refused is Rejected."""
        ...

    # -- webhooks (pure) ----------------------------------------------------------------------------
    def handshake(self, app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
        """The answer to a verification GET; None when it is not one (answer 404)."""
        ...

    def verify(self, app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
        """Signature over the raw bytes, constant time, tried with every secret; malformed is False.
        Header names are lower case."""
        ...

    def split(self, body: bytes) -> list[RawEntry]:
        """Cut a verified body into entries, one per thing that happened, so that the same things grouped
        otherwise get the same event ids. Empty when it concerns no account. Raises WebhookRefused."""
        ...

    def parse(self, entry: RawEntry) -> PlatformEvent:
        """Interpret one entry. Never raises for odd content: what is not understood is Happening.OTHER,
        what is partly understood is normalised as far as possible."""
        ...


@runtime_checkable
class TellsFarewell(Protocol):
    """A platform that calls an address of ours when a person removes the app or wants their data deleted."""

    def farewell(self, app: PlatformApp, request: str) -> Farewell | None:
        """What the callback's `signed_request` says; None when it is not signed as the platform signs."""
        ...

    def farewell_entry(self, external_id: str, farewell: Farewell) -> RawEntry:
        """A webhook entry that tells one account of it: `parse` answers Happening.ACCESS_REVOKED."""
        ...


async def only_account(
    platform: Platform, http: PlatformHttp, grant: Grant
) -> Outcome[tuple[Connectable, ...]]:
    """`connectables` where a consent opens the one account it was given by."""
    answer = await platform.profile(http, grant.access_token)
    return Ok((Connectable(answer.value, grant),), answer.readings) if isinstance(answer, Ok) else answer
