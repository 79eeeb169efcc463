"""What X's Ads API calls things, and its rows as Rookery's: objects of three levels, days, amounts in
millionths.

Sources as in `ads`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.advertising import AdAccount, AdDay, AdLevel, AdObject, AdStatus, ReportRequest
from domain.money import Money, from_decimal, to_decimal
from platforms.wire import (
    INT64_MAX,
    Json,
    count_at,
    flag_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

DAILY, TOTAL = "daily_budget_amount_local_micro", "total_budget_amount_local_micro"
_MICRO = 1_000_000
_STATUSES = {"ACTIVE": AdStatus.ACTIVE, "PAUSED": AdStatus.PAUSED, "DRAFT": AdStatus.PAUSED}


@dataclass(frozen=True, slots=True)
class _Level:
    path: str
    entity: str
    parent: str | None
    name: str


LEVELS: Mapping[AdLevel, _Level] = {
    AdLevel.CAMPAIGN: _Level("campaigns", "CAMPAIGN", None, "name"),
    AdLevel.GROUP: _Level("line_items", "LINE_ITEM", "campaign_id", "name"),
    AdLevel.AD: _Level("promoted_tweets", "PROMOTED_TWEET", "line_item_id", "tweet_id"),
}


def object_of(row: Json, level: AdLevel, currency: str) -> AdObject | None:
    id_, names = id_at(row, "id"), LEVELS[level]
    if id_ is None:
        return None
    told = text_at(row, "entity_status") or ""
    status = AdStatus.DELETED if flag_at(row, "deleted") else _STATUSES.get(told, AdStatus.UNKNOWN)
    currency = text_at(row, "currency") or currency
    return AdObject(
        level=level,
        external_id=id_,
        parent_id=id_at(row, names.parent) if names.parent else None,
        name=words_at(row, names.name) or "",
        status=status,
        native_status=text_at(row, "effective_status") or told,
        payload=packed(row),
        objective=text_at(row, "objective"),
        daily_budget=_money(count_at(row, DAILY), currency),
        lifetime_budget=_money(count_at(row, TOTAL), currency),
        starts_at=moment_at(row, "start_time"),
        ends_at=moment_at(row, "end_time"),
    )


def days_of(row: Json, request: ReportRequest, currency: str) -> list[AdDay]:
    """Lists with a number for each day; null stands for a list of nothing, and a day without impressions and
    spend is none that ran."""
    object_id = id_at(row, "id")
    numbers = mapping(next(objects(row, "id_data"), {}), "metrics")
    if object_id is None:
        return []
    days = []
    for n in range((request.until - request.since).days + 1):
        spent, seen = _nth(numbers, "billed_charge_local_micro", n), _nth(numbers, "impressions", n)
        spend = _money(spent or 0, currency)
        if spend is None or not (spent or seen):
            continue
        day = request.since + timedelta(days=n)
        days.append(AdDay(request.level, object_id, day, spend, seen, _nth(numbers, "clicks", n)))
    return days


def _nth(numbers: Json, name: str, n: int) -> int | None:
    listed = numbers.get(name)
    return count_at({"n": listed[n]}, "n") if isinstance(listed, list) and n < len(listed) else None


def zone_of(account: AdAccount) -> ZoneInfo | None:
    try:
        return ZoneInfo(account.timezone or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def midnight(day: date, zone: ZoneInfo) -> str:
    moment = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(micro: int | None, currency: str) -> Money | None:
    if micro is None or micro >= INT64_MAX:
        return None
    return from_decimal(str(Decimal(micro) / _MICRO), currency)


def to_micro(money: Money) -> str:
    return str(int(to_decimal(money) * _MICRO))
