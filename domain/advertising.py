"""Advertisements as every platform has them: accounts, three levels of objects, and numbers by day."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from domain.content import ContentKind
from domain.money import Money


class AdLevel(StrEnum):
    CAMPAIGN = "campaign"
    GROUP = "group"  # ad set, ad group, line item
    AD = "ad"


class AdStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"
    DELETED = "deleted"
    UNKNOWN = "unknown"  # a state the platform invented after us: see `native_status`


@dataclass(frozen=True, slots=True)
class AdAccount:
    external_id: str
    name: str
    currency: str
    timezone: str | None  # IANA name: the days of its reports are of this zone


@dataclass(frozen=True, slots=True)
class AdObject:
    level: AdLevel
    external_id: str
    parent_id: str | None
    name: str
    status: AdStatus
    native_status: str
    payload: bytes = field(repr=False)  # the platform's own JSON
    objective: str | None = None
    daily_budget: Money | None = None
    lifetime_budget: Money | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdPage:
    items: tuple[AdObject, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class AdDay:
    """One object's numbers of one day of the ad account's zone. None: not available."""

    level: AdLevel
    external_id: str
    day: date
    spend: Money
    impressions: int | None
    clicks: int | None
    reach: int | None = None
    conversions: float | None = None
    conversion_value: Money | None = None


@dataclass(frozen=True, slots=True)
class ReportRequest:
    level: AdLevel
    since: date
    until: date  # inclusive


@dataclass(frozen=True, slots=True)
class ReportState:
    """A report under way: saved between any two steps, resumed by `job_id`, split into `rest` when the
    platform finds it too big. `percent` is how patience is measured: a job that moves is waited for."""

    request: ReportRequest
    job_id: str | None = None
    cursor: str | None = None
    percent: int = 0
    wait_s: float = 0.0
    rest: tuple[ReportRequest, ...] = ()  # parts not begun yet


def in_parts(request: ReportRequest, days: int) -> ReportState:
    """The state before the first step where one report spans at most so many days: the oldest part first."""
    parts, since = [], request.since
    while since <= request.until:
        until = min(since + timedelta(days=days - 1), request.until)
        parts.append(ReportRequest(request.level, since, until))
        since = until + timedelta(days=1)
    return ReportState(parts[0] if parts else request, rest=tuple(parts[1:]))


def halved(state: ReportState) -> ReportState | None:
    """The state before the first half, by days, of a report that was too big; the second half is the part
    after it. None: a single day has no halves."""
    request = state.request
    days = (request.until - request.since).days + 1
    if days <= 1:
        return None
    middle = request.since + timedelta(days=days // 2 - 1)
    second = replace(request, since=middle + timedelta(days=1))
    return ReportState(replace(request, until=middle), rest=(second, *state.rest))


def next_part(state: ReportState) -> ReportState | None:
    """The state before the next part; None: this one was the last."""
    return ReportState(state.rest[0], rest=state.rest[1:]) if state.rest else None


@dataclass(frozen=True, slots=True)
class ReportStep:
    """What a step brought: rows (absolute values: storing them again changes nothing), and how to go on; None
    when it was the last."""

    rows: tuple[AdDay, ...] = ()
    state: ReportState | None = None


@dataclass(frozen=True, slots=True)
class NewAdCampaign:
    """`tag` is ours, unguessable, and becomes part of the name where the platform has no other place for
    it: after an unknown outcome the campaign is looked for by it."""

    name: str
    tag: str
    objective: str
    daily_budget: Money | None = None
    lifetime_budget: Money | None = None


@dataclass(frozen=True, slots=True)
class NewAdGroup:
    """An ad set, an ad group, below a campaign. `goal`: what it is optimised for, in the platform's own word.
    `countries`: ISO 3166-1 alpha-2; nobody elsewhere is shown its ads. Of the campaign its objective and
    whether it has a budget, as last read. `tag` as in `NewAdCampaign`; `settings` are what a platform demands
    beyond all this, by its own names."""

    name: str
    tag: str
    campaign_id: str
    campaign_objective: str | None
    campaign_has_budget: bool
    goal: str
    countries: tuple[str, ...]
    daily_budget: Money | None = None
    lifetime_budget: Money | None = None
    starts_at: datetime | None = None  # None: when it is activated
    ends_at: datetime | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promoted:
    """What is published already, at whichever of the platforms, and is shown again as an advertisement."""

    platform: str
    owner_id: str  # the platform's id of the account that published it
    external_id: str
    kind: ContentKind


@dataclass(frozen=True, slots=True)
class NewAd:
    """`tag` and `settings` as in `NewAdGroup`."""

    name: str
    tag: str
    group_id: str
    content: Promoted
    settings: Mapping[str, str] = field(default_factory=dict)


def tagged(wish: NewAdCampaign | NewAdGroup | NewAd) -> str:
    """The name under which it is made, and found again."""
    return f"{wish.name} [{wish.tag}]"
