"""TikTok's Marketing API: advertisers, three levels of objects, numbers by day, and the few changes Rookery
makes. `Access` here carries the business app and the token of the advertiser's consent
(`consents.Advertiser`).
Source: TB/ ids 1739315828649986 (campaigns), 1740302848100353 (reports), and TikTok's client library.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from domain.advertising import (
    AdAccount,
    AdDay,
    AdLevel,
    AdObject,
    AdPage,
    AdStatus,
    NewAdCampaign,
    ReportRequest,
    ReportState,
    ReportStep,
    in_parts,
)
from domain.money import Money, from_decimal, to_decimal
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.tiktok import business
from platforms.wire import (
    INT64_MAX,
    Json,
    count_at,
    id_at,
    mapping,
    moment_at,
    objects,
    packed,
    text_at,
    words_at,
)

DAYS_A_REPORT = 30  # TB/ reports by `stat_time_day` span at most 30 days
_PAGE = 100
_REPORT_PAGE = 1000
_METRICS = ["spend", "impressions", "clicks", "reach", "conversion"]
_MISSING = "-"


@dataclass(frozen=True, slots=True)
class _Level:
    path: str
    id_: str
    parent: str | None
    name: str
    report: str


_LEVELS: Mapping[AdLevel, _Level] = {
    AdLevel.CAMPAIGN: _Level("campaign", "campaign_id", None, "campaign_name", "AUCTION_CAMPAIGN"),
    AdLevel.GROUP: _Level("adgroup", "adgroup_id", "campaign_id", "adgroup_name", "AUCTION_ADGROUP"),
    AdLevel.AD: _Level("ad", "ad_id", "adgroup_id", "ad_name", "AUCTION_AD"),
}
_STATUSES = {"ENABLE": AdStatus.ACTIVE, "DISABLE": AdStatus.PAUSED, "FROZEN": AdStatus.PAUSED}
_OPERATIONS = {AdStatus.ACTIVE: "ENABLE", AdStatus.PAUSED: "DISABLE", AdStatus.DELETED: "DELETE"}
_DAILY, _TOTAL = "BUDGET_MODE_DAY", "BUDGET_MODE_TOTAL"


class TiktokAds:
    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        query: dict[str, business.Value] = {
            "app_id": access.app.client_id,
            "secret": access.app.client_secret,
        }
        answer = await business.get(access, "oauth2/advertiser/get", query)
        if not isinstance(answer, Ok):
            return answer
        ids = [i for row in objects(answer.value, "list") if (i := id_at(row, "advertiser_id"))]
        if not ids:
            return Ok(())
        fields = ["advertiser_id", "name", "currency", "timezone"]
        told = await business.get(access, "advertiser/info", {"advertiser_ids": ids, "fields": fields})
        if not isinstance(told, Ok):
            return told
        found = (_account(row) for row in objects(told.value, "list"))
        return Ok(tuple(account for account in found if account is not None))

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        """The cursor is the number of the page."""
        page = int(cursor) if cursor and cursor.isdecimal() else 1
        answer = await self._list(access, account, level, page, {})
        if not isinstance(answer, Ok):
            return answer
        items = (_object(row, level, account.currency) for row in objects(answer.value, "list"))
        return Ok(AdPage(tuple(i for i in items if i is not None), _next_page(answer.value, page)))

    def report(self, request: ReportRequest) -> ReportState:
        return in_parts(request, DAYS_A_REPORT)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        """A page of the synchronous report: resumed by its number, no job is left behind at TikTok."""
        request, level = state.request, _LEVELS[state.request.level]
        page = int(state.cursor) if state.cursor and state.cursor.isdecimal() else 1
        query: dict[str, business.Value] = {
            "advertiser_id": account.external_id,
            "report_type": "BASIC",
            "service_type": "AUCTION",
            "data_level": level.report,
            "dimensions": [level.id_, "stat_time_day"],
            "metrics": _METRICS,
            "start_date": request.since.isoformat(),
            "end_date": request.until.isoformat(),
            "page": page,
            "page_size": _REPORT_PAGE,
        }
        answer = await business.get(access, "report/integrated/get", query)
        if not isinstance(answer, Ok):
            return answer
        found = (_day(row, request.level, account.currency) for row in objects(answer.value, "list"))
        rows = tuple(row for row in found if row is not None)
        following = _next_page(answer.value, page)
        if following is not None:
            pages = count_at(mapping(answer.value, "page_info"), "total_page") or page
            percent = min(99, page * 100 // pages)
            return Ok(ReportStep(rows, replace(state, cursor=following, percent=percent)))
        if state.rest:
            return Ok(ReportStep(rows, ReportState(state.rest[0], rest=state.rest[1:])))
        return Ok(ReportStep(rows))

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        """Paused. The tag is part of the name, and gives the request id by which TikTok knows it again."""
        number = int.from_bytes(hashlib.sha256(wish.tag.encode()).digest()[:8], "big") & INT64_MAX
        budget = wish.daily_budget or wish.lifetime_budget
        body: Json = {
            "advertiser_id": account.external_id,
            "request_id": str(number),
            "campaign_name": f"{wish.name} [{wish.tag}]",
            "objective_type": wish.objective,
            "operation_status": _OPERATIONS[AdStatus.PAUSED],
            "budget_mode": "BUDGET_MODE_INFINITE",
        }
        if budget is not None:
            if budget.currency != account.currency:
                return _other_currency(account)
            body |= {"budget_mode": _DAILY if wish.daily_budget else _TOTAL, "budget": _units(budget)}
        once = "the campaign may have been created"
        answer = await business.post(access, "campaign/create", body, once=once)
        if not isinstance(answer, Ok):
            return answer
        made = _object({**body, **answer.value}, AdLevel.CAMPAIGN, account.currency)
        return Unknown(once) if made is None else Ok(made)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        filtering: Json = {"campaign_name": wish.tag}
        answer = await self._list(access, account, AdLevel.CAMPAIGN, 1, filtering)
        if not isinstance(answer, Ok):
            return answer
        items = (_object(r, AdLevel.CAMPAIGN, account.currency) for r in objects(answer.value, "list"))
        return Ok(next((i for i in items if i is not None and f"[{wish.tag}]" in i.name), None))

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        """An object keeps its mode: TikTok changes the amount, not whether it is for a day or for all."""
        if level is AdLevel.AD:
            return Rejected(
                "unsupported", "TikTok's ads have no budget: set the ad group's or the campaign's."
            )
        if daily.currency != account.currency:
            return _other_currency(account)
        names = _LEVELS[level]
        body: Json = {"advertiser_id": account.external_id, names.id_: id_, "budget": _units(daily)}
        answer = await business.post(access, f"{names.path}/update", body)
        return Ok(None) if isinstance(answer, Ok) else answer

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        operation = _OPERATIONS.get(status)
        if operation is None:
            return Rejected(
                "unsupported", f"TikTok has no status {status}; it takes active, paused, deleted."
            )
        names = _LEVELS[level]
        body: Json = {"advertiser_id": account.external_id, f"{names.id_}s": [id_]}
        body["operation_status"] = operation
        answer = await business.post(access, f"{names.path}/status/update", body)
        return Ok(None) if isinstance(answer, Ok) else answer

    async def _list(
        self, access: Access, account: AdAccount, level: AdLevel, page: int, filtering: Json
    ) -> Outcome[Json]:
        query: dict[str, business.Value] = {
            "advertiser_id": account.external_id,
            "page": page,
            "page_size": _PAGE,
        }
        if filtering:
            query["filtering"] = filtering
        return await business.get(access, f"{_LEVELS[level].path}/get", query)


def _account(row: Json) -> AdAccount | None:
    id_, currency = id_at(row, "advertiser_id"), text_at(row, "currency")
    if id_ is None or currency is None:
        return None
    return AdAccount(id_, words_at(row, "name") or id_, currency, text_at(row, "timezone"))


def _object(row: Json, level: AdLevel, currency: str) -> AdObject | None:
    names = _LEVELS[level]
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
        daily_budget=budget if mode == _DAILY else None,
        lifetime_budget=budget if mode == _TOTAL else None,
        starts_at=moment_at(row, "schedule_start_time"),  # UTC, "2026-11-20 00:00:00"
        ends_at=moment_at(row, "schedule_end_time"),
    )


def _day(row: Json, level: AdLevel, currency: str) -> AdDay | None:
    """Values are texts; `-` stands for what is not available."""
    dimensions, metrics = mapping(row, "dimensions"), mapping(row, "metrics")
    id_, day = id_at(dimensions, _LEVELS[level].id_), _date(text_at(dimensions, "stat_time_day"))
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


def _units(money: Money) -> int | float:
    """TikTok's budgets are JSON numbers in whole units; a double holds every budget to the minor unit."""
    amount = to_decimal(money)
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _next_page(answer: Json, page: int) -> str | None:
    total = count_at(mapping(answer, "page_info"), "total_page") or 0
    return str(page + 1) if page < total else None


def _other_currency(account: AdAccount) -> Rejected:
    return Rejected("currency", f"The advertiser's budgets are in {account.currency}.")
