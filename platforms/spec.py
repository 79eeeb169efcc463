"""Facts about a platform as data. Behaviour that is truly different lives in the platform's class."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.quota import Cycle, Period
from platforms.outcome import LimitScope


class TokenModel(StrEnum):
    ROTATING = "rotating"  # a refresh spends the refresh token and answers a new one (X)
    EXTENDED = "extended"  # a long-lived token is extended by presenting itself (Instagram)
    RENEWED = "renewed"  # a refresh token that stays good, or whose predecessor does for a while (Google)
    LASTING = "lasting"  # no expiry of its own: page tokens (Facebook); it ends when somebody ends it


class PkceChallenge(StrEnum):
    """How the S256 challenge of PKCE is written."""

    BASE64URL = "base64url"  # RFC 7636
    HEX = "hex"  # TikTok


@dataclass(frozen=True, slots=True)
class TokenRules:
    model: TokenModel
    lifetime_s: int  # only used when an answer carries no `expires_in`
    refresh_margin: float  # share of the lifetime before its end at which a refresh is due
    min_age_s: int = 0  # the platform refuses to refresh a younger token
    data_access_s: int | None = (
        None  # data is shown for so long after the person's last consent; None: always
    )


@dataclass(frozen=True, slots=True)
class RateWindow:
    """`limit` calls per `seconds` for one API family; F2 as data, corrected by every answer's headers.

    With `scope` APP all accounts of one platform application share it: the window may then span several API
    families (`costs`: family -> units that one call may cost; empty: `family` itself, one unit), end with a
    calendar day or month of a time zone (`period`, `zone`; `seconds` is then its usual length), and count
    what is answered instead of calls (`by_item`: a call's cost is the most it can answer, the rest is given
    back when the answer is there).
    """

    family: str
    limit: int
    seconds: int
    scope: LimitScope = LimitScope.ACCOUNT
    period: Period = Period.ROLLING
    zone: str = "UTC"
    costs: Mapping[str, int] = field(default_factory=dict)
    by_item: bool = False

    @property
    def cycle(self) -> Cycle:
        return Cycle(self.period, self.seconds, self.zone)

    def cost(self, family: str) -> int:
        """Units of this window that one call of an API family may cost; 0: it does not count there."""
        return self.costs.get(family, 0) if self.costs else int(family == self.family)


@dataclass(frozen=True, slots=True)
class ContentSource:
    """A list that sync walks: its own cursor per account. `name` is stable (it keys the stored cursor)."""

    name: str  # "posts", "stories", "mentions"
    family: str
    page_size: int
    remarks: bool = False  # yields remarks (mentions) instead of content
    complete: bool = False  # lists everything alive (stories): nothing to page back through


@dataclass(frozen=True, slots=True)
class PlatformSpec:
    name: str
    title: str
    authorize_url: str
    pkce: bool
    default_scopes: tuple[str, ...]
    scope_separator: str
    token: TokenRules
    windows: tuple[RateWindow, ...]
    sources: tuple[ContentSource, ...]
    hosts: tuple[str, ...]  # the only hosts a token may be sent to
    capabilities: frozenset[str]  # "webhooks", "comments", "mentions", "stories", "revoke", ...
    profile_family: str
    batch_read_family: str
    batch_read: int = 1  # how many ids one read by id takes
    batch_read_calls: int = 1  # calls that one such read may need
    webhook_signature_header: str | None = None  # None: nothing is pushed
    # API family -> calls that asking for webhooks may need
    subscribe_calls: Mapping[str, int] = field(default_factory=dict)
    publish_family: str = "publishing"  # the window that a step of a publication counts in
    # Where that is not all: stage of a publication, `edit`, `delete` or `find` -> API family -> calls.
    publish_calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    # Files go there, or come from there, by an address that the platform gave; never a token.
    file_hosts: tuple[str, ...] = ()
    webhook_lease_s: int | None = None  # webhooks end so long after they were asked for (WebSub)
    pkce_challenge: PkceChallenge = PkceChallenge.BASE64URL
    # What a call of a capability may need: `ads.objects` -> API family -> calls. `insights.content@business`
    # is the same with the consent of that surface.
    capability_calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    # Capability -> which tokens of its own it wants, in a sentence: a person may bring them.
    brought: Mapping[str, str] = field(default_factory=dict)
    # Capability, or `webhooks` -> why the platform does not have it, in a sentence.
    not_offered: Mapping[str, str] = field(default_factory=dict)

    def calls_of(self, name: str, surface: str | None = None) -> Mapping[str, int]:
        """API family -> calls that one call of a capability may need. What is not listed counts as reading
        the profile does: no call is free."""
        listed = self.capability_calls
        found = listed.get(f"{name}@{surface}") if surface else None
        return found or listed.get(name) or {self.profile_family: 1}

    def code_challenge(self, verifier: str) -> str:
        """The S256 challenge of a PKCE verifier, as this platform writes it."""
        digest = hashlib.sha256(verifier.encode()).digest()
        if self.pkce_challenge is PkceChallenge.HEX:
            return digest.hex()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def window(self, family: str) -> RateWindow:
        """The window of this name; KeyError names the one that the spec lacks."""
        for window in self.windows:
            if window.family == family:
                return window
        raise KeyError(f"{self.name} has no rate window {family!r}")

    def account_window(self, family: str) -> RateWindow | None:
        """The window that an account has for itself in an API family. None: only its application's counts.
        KeyError when the spec knows no limit at all for the family: that is a mistake in the spec."""
        for window in self.windows:
            if window.family == family and window.scope is LimitScope.ACCOUNT:
                return window
        if not any(window.cost(family) for window in self.app_windows):
            raise KeyError(f"{self.name} has no rate window {family!r}")
        return None

    @property
    def app_windows(self) -> tuple[RateWindow, ...]:
        """The windows that all accounts of one platform application share."""
        return tuple(window for window in self.windows if window.scope is LimitScope.APP)

    def app_costs(self, calls: Mapping[str, int]) -> dict[str, int]:
        """Shared window -> units that calls of these API families take from it; without those they do not
        count in."""
        costs = {w.family: sum(w.cost(family) * n for family, n in calls.items()) for w in self.app_windows}
        return {window: units for window, units in costs.items() if units}

    def app_pool(self, family: str) -> str | None:
        """The shared window of this name, or the first in which the API family counts."""
        named = [w.family for w in self.app_windows if w.family == family]
        counted = [w.family for w in self.app_windows if w.cost(family)]
        return next(iter(named + counted), None)
