"""What Pinterest's advertising calls things, its rows as Rookery's, and the calls that change something.

Sources as in `ads`. Amounts are millionths of the account's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import quote

from domain.advertising import AdAccount, AdDay, AdLevel, AdObject, AdStatus
from domain.money import Money, from_decimal, to_decimal
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest.errors import outcome_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import Json, count_at, id_at, mapping, moment_at, objects, packed, text_at, words_at

_MICRO = 1_000_000
STATUSES = {
    "ACTIVE": AdStatus.ACTIVE,
    "PAUSED": AdStatus.PAUSED,
    "ARCHIVED": AdStatus.ARCHIVED,
    "DRAFT": AdStatus.PAUSED,
    "DELETED_DRAFT": AdStatus.DELETED,
}


@dataclass(frozen=True, slots=True)
class _Level:
    path: str
    parent: str | None
    ids: str  # parameter of the report
    id_: str  # column of the report


LEVELS: Mapping[AdLevel, _Level] = {
    AdLevel.CAMPAIGN: _Level("campaigns", None, "campaign_ids", "CAMPAIGN_ID"),
    AdLevel.GROUP: _Level("ad_groups", "campaign_id", "ad_group_ids", "AD_GROUP_ID"),
    AdLevel.AD: _Level("ads", "ad_group_id", "ad_ids", "AD_ID"),
}


async def write(
    access: Access,
    account: AdAccount,
    method: str,
    path: str,
    body: Json,
    once: str | None = None,
) -> Outcome[Json]:
    """One object of a list. Pinterest answers 200 also when it refused: campaigns and ad groups carry a
    list of exceptions, ads a single one."""
    call = Call(method, url_of(account, path), "ads_write", json=[body], bearer=access.token)
    answer = outcome_of(await access.http.send(SPEC, call), "ads_write", once=once)
    if not isinstance(answer, Ok):
        return answer
    item = next(objects(answer.value, "items"), {})
    refused = next(objects(item, "exceptions"), None) or mapping(item, "exceptions")
    if refused:
        code = count_at(refused, "code")
        return Rejected(
            f"exception/{code if code is not None else '?'}",
            "Pinterest refused the change.",
            answer.readings,
        )
    return Ok(mapping(item, "data"), answer.readings)


def url_of(account: AdAccount, path: str) -> str:
    return f"{API}/ad_accounts/{quote(account.external_id, safe='')}/{path}"


def account_of(row: Json) -> AdAccount | None:
    id_, currency = id_at(row, "id"), text_at(row, "currency")
    if id_ is None or currency is None:
        return None
    return AdAccount(id_, words_at(row, "name") or id_, currency, "UTC")


def object_of(row: Json, level: AdLevel, currency: str) -> AdObject | None:
    id_, names = id_at(row, "id"), LEVELS[level]
    if id_ is None:
        return None
    status = text_at(row, "status") or ""
    daily, lifetime = "daily_spend_cap", "lifetime_spend_cap"
    if level is AdLevel.GROUP:
        kind = text_at(row, "budget_type")
        daily = "budget_in_micro_currency" if kind == "DAILY" else ""
        lifetime = "budget_in_micro_currency" if kind == "LIFETIME" else ""
    return AdObject(
        level=level,
        external_id=id_,
        parent_id=id_at(row, names.parent) if names.parent else None,
        name=words_at(row, "name") or "",
        status=STATUSES.get(status, AdStatus.UNKNOWN),
        native_status=text_at(row, "summary_status") or status,
        payload=packed(row),
        objective=text_at(row, "objective_type"),
        daily_budget=_money(row, daily, currency),
        lifetime_budget=_money(row, lifetime, currency),
        starts_at=moment_at(row, "start_time"),
        ends_at=moment_at(row, "end_time"),
    )


def day_of(row: Json, level: AdLevel, currency: str) -> AdDay | None:
    """A column without a number is left out or null; a day without spend is none that ran."""
    id_, day = id_at(row, LEVELS[level].id_), _date(text_at(row, "DATE"))
    spend = _money(row, "SPEND_IN_MICRO_DOLLAR", currency)
    if id_ is None or day is None or spend is None:
        return None
    conversions = count_at(row, "TOTAL_CONVERSIONS")
    return AdDay(
        level,
        id_,
        day,
        spend,
        impressions=count_at(row, "IMPRESSION_1"),
        clicks=count_at(row, "CLICKTHROUGH_1"),
        conversions=None if conversions is None else float(conversions),
        conversion_value=_money(row, "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR", currency),
    )


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _money(row: Json, name: str, currency: str) -> Money | None:
    micro = count_at(row, name)
    return None if micro is None else from_decimal(str(Decimal(micro) / _MICRO), currency)


def to_micro(money: Money) -> int:
    return int(to_decimal(money) * _MICRO)
