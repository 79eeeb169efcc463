"""What TikTok's Marketing API calls things, and its rows as Rookery's. Sources as in `ads`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from domain.advertising import AdAccount, AdDay, AdLevel, AdObject, AdStatus
from domain.money import Money, from_decimal, to_decimal
from platforms.wire import Json, count_at, id_at, mapping, moment_at, packed, text_at, words_at

_MISSING = "-"


@dataclass(frozen=True, slots=True)
class _Level:
    path: str
    id_: str
    parent: str | None
    name: str
    report: str


LEVELS: Mapping[AdLevel, _Level] = {
    AdLevel.CAMPAIGN: _Level("campaign", "campaign_id", None, "campaign_name", "AUCTION_CAMPAIGN"),
    AdLevel.GROUP: _Level("adgroup", "adgroup_id", "campaign_id", "adgroup_name", "AUCTION_ADGROUP"),
    AdLevel.AD: _Level("ad", "ad_id", "adgroup_id", "ad_name", "AUCTION_AD"),
}
_STATUSES = {"ENABLE": AdStatus.ACTIVE, "DISABLE": AdStatus.PAUSED, "FROZEN": AdStatus.PAUSED}
OPERATIONS = {AdStatus.ACTIVE: "ENABLE", AdStatus.PAUSED: "DISABLE", AdStatus.DELETED: "DELETE"}
DAILY, TOTAL = "BUDGET_MODE_DAY", "BUDGET_MODE_TOTAL"


def account_of(row: Json) -> AdAccount | None:
    id_, currency = id_at(row, "advertiser_id"), text_at(row, "currency")
    if id_ is None or currency is None:
        return None
    return AdAccount(id_, words_at(row, "name") or id_, currency, text_at(row, "timezone"))


def object_of(row: Json, level: AdLevel, currency: str) -> AdObject | None:
    names = LEVELS[level]
    id_ = id_at(row, names.id_)
    if id_ is None:
        return None
    operation, detail = text_at(row, "operation_status") or "", text_at(row, "secondary_status") or ""
    status = _STATUSES.get(operation, AdStatus.UNKNOWN)
    if "DELETE" in detail or operation == "DELETE":
        status = AdStatus.DELETED
    mode, budget = text_at(row, "budget_mode"), _money(row, "budget", currency)
    return AdObject(
        level=level,
        external_id=id_,
        parent_id=id_at(row, names.parent) if names.parent else None,
        name=words_at(row, names.name) or "",
        status=status,
        native_status=detail or operation,
        payload=packed(row),
        objective=text_at(row, "objective_type"),
        daily_budget=budget if mode == DAILY else None,
        lifetime_budget=budget if mode == TOTAL else None,
        starts_at=moment_at(row, "schedule_start_time"),  # UTC, "2026-11-20 00:00:00"
        ends_at=moment_at(row, "schedule_end_time"),
    )


def day_of(row: Json, level: AdLevel, currency: str) -> AdDay | None:
    """Values are texts; `-` stands for what is not available."""
    dimensions, metrics = mapping(row, "dimensions"), mapping(row, "metrics")
    id_, day = id_at(dimensions, LEVELS[level].id_), _date(text_at(dimensions, "stat_time_day"))
    spend = _money(metrics, "spend", currency)
    if id_ is None or day is None or spend is None:
        return None
    conversions = count_at(metrics, "conversion")
    return AdDay(
        level,
        id_,
        day,
        spend,
        impressions=count_at(metrics, "impressions"),
        clicks=count_at(metrics, "clicks"),
        reach=count_at(metrics, "reach"),
        conversions=None if conversions is None else float(conversions),
    )


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _money(row: Json, name: str, currency: str) -> Money | None:
    found = row.get(name)
    if isinstance(found, bool) or not isinstance(found, str | int | float) or found == _MISSING:
        return None
    return from_decimal(str(found), currency)


def units(money: Money) -> int | float:
    """TikTok's budgets are JSON numbers in whole units; a double holds every budget to the minor unit."""
    amount = to_decimal(money)
    return int(amount) if amount == amount.to_integral_value() else float(amount)
