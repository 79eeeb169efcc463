"""What the Marketing API calls things, and its rows as Rookery's: accounts and objects of three levels.

Sources as in `ads`.
"""

from collections.abc import Mapping
from dataclasses import replace

from domain.advertising import AdAccount, AdLevel, AdObject, AdStatus
from domain.money import Money
from platforms.facebook.amounts import from_budget
from platforms.wire import Json, count_at, encode, id_at, moment_at, text_at, words_at

EDGES = {AdLevel.CAMPAIGN: "campaigns", AdLevel.GROUP: "adsets", AdLevel.AD: "ads"}
_COMMON = "id,name,status,effective_status"
_BUDGETS = f"{_COMMON},daily_budget,lifetime_budget,start_time"
FIELDS: Mapping[AdLevel, str] = {
    AdLevel.CAMPAIGN: f"{_BUDGETS},objective,stop_time",
    AdLevel.GROUP: f"{_BUDGETS},campaign_id,end_time",
    AdLevel.AD: f"{_COMMON},adset_id,created_time",
}
_STATUSES = {status.value.upper(): status for status in AdStatus if status is not AdStatus.UNKNOWN}


def account_of(row: Json) -> AdAccount | None:
    account_id, currency = id_at(row, "account_id"), text_at(row, "currency")
    if account_id is None or currency is None or from_budget(0, currency) is None:
        return None
    name = words_at(row, "name") or account_id
    return AdAccount(account_id.removeprefix("act_"), name, currency, words_at(row, "timezone_name"))


def object_of(level: AdLevel, row: Json, currency: str) -> AdObject | None:
    """`status` is what a person set, `effective_status` what comes of it (`CAMPAIGN_PAUSED`)."""
    object_id = id_at(row, "id")
    if object_id is None:
        return None
    status = text_at(row, "status") or ""
    made = AdObject(
        level=level,
        external_id=object_id,
        parent_id=id_at(row, "campaign_id") if level is AdLevel.GROUP else id_at(row, "adset_id"),
        name=words_at(row, "name") or "",
        status=_STATUSES.get(status, AdStatus.UNKNOWN),
        native_status=text_at(row, "effective_status") or status,
        payload=encode(row),
        objective=text_at(row, "objective"),
        daily_budget=_budget(row, "daily_budget", currency),
        lifetime_budget=_budget(row, "lifetime_budget", currency),
        starts_at=moment_at(row, "start_time"),
        ends_at=moment_at(row, "stop_time", "end_time"),
    )
    return made if level is not AdLevel.CAMPAIGN else replace(made, parent_id=None)


def _budget(row: Json, key: str, currency: str) -> Money | None:
    """Text of minor units; "0" stands for none."""
    return from_budget(count_at(row, key) or None, currency)
