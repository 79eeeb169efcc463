"""Pinterest's advertising: ad accounts, campaigns, ad groups and ads, numbers by day, the few changes Rookery
makes. Source: PO/ `/ad_accounts/...`.

Numbers come from the synchronous reports: some objects and 90 days at a time. The asynchronous ones reach
further back, but lead to an address on a host that no document names, and Rookery sends nothing to hosts it
does not know. Amounts are millionths of the account's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from urllib.parse import quote

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
)
from domain.money import Money, from_decimal, to_decimal
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.pinterest.errors import outcome_of, value_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import (
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

DAYS = 90  # PO/ analytics: not older than 90 days
_MICRO = 1_000_000
_PAGE = 100  # of at most 250: the ids of a page have to fit into one address
_STATUSES = {
    "ACTIVE": AdStatus.ACTIVE,
    "PAUSED": AdStatus.PAUSED,
    "ARCHIVED": AdStatus.ARCHIVED,
    "DRAFT": AdStatus.PAUSED,
    "DELETED_DRAFT": AdStatus.DELETED,
}
_SETTABLE = {status: name for name, status in _STATUSES.items() if name in ("ACTIVE", "PAUSED", "ARCHIVED")}
_LISTED = ("ACTIVE", "PAUSED", "ARCHIVED", "DRAFT")
_COLUMNS = (
    "SPEND_IN_MICRO_DOLLAR",
    "IMPRESSION_1",
    "CLICKTHROUGH_1",
    "TOTAL_CONVERSIONS",
    "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR",
)
_CREATED = "the campaign may have been created"


@dataclass(frozen=True, slots=True)
class _Level:
    path: str
    parent: str | None
    ids: str  # parameter of the report
    id_: str  # column of the report


_LEVELS: Mapping[AdLevel, _Level] = {
    AdLevel.CAMPAIGN: _Level("campaigns", None, "campaign_ids", "CAMPAIGN_ID"),
    AdLevel.GROUP: _Level("ad_groups", "campaign_id", "ad_group_ids", "AD_GROUP_ID"),
    AdLevel.AD: _Level("ads", "ad_group_id", "ad_ids", "AD_ID"),
}


class PinterestAds:
    """Stateless."""

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        """The first 100; the days of reports are UTC days."""
        call = Call(
            "GET", f"{API}/ad_accounts", "ads_read", query={"page_size": str(_PAGE)}, bearer=access.token
        )
        answer = outcome_of(await access.http.send(SPEC, call), "ads_read")
        if not isinstance(answer, Ok):
            return answer
        found = (_account(row) for row in objects(answer.value, "items"))
        return Ok(tuple(a for a in found if a is not None), answer.readings)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        query = {"page_size": str(_PAGE)} | ({"bookmark": cursor} if cursor else {})
        call = Call(
            "GET",
            _url(account, _LEVELS[level].path),
            "ads_read",
            query=query,
            repeated={"entity_statuses": _LISTED},
            bearer=access.token,
        )
        answer = outcome_of(await access.http.send(SPEC, call), "ads_read")
        if not isinstance(answer, Ok):
            return answer
        items = (_object(row, level, account.currency) for row in objects(answer.value, "items"))
        following = text_at(answer.value, "bookmark")
        following = following if following and following != cursor else None
        return Ok(AdPage(tuple(i for i in items if i is not None), following), answer.readings)

    def report(self, request: ReportRequest) -> ReportState:
        return ReportState(request)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        """A page of objects and their days. Resumed by the bookmark; no job is left behind at Pinterest."""
        request = state.request
        today = access.http.now().astimezone(UTC).date()
        since = max(request.since, today - timedelta(days=DAYS - 1))
        until = min(request.until, today)
        if since > until:
            return Ok(ReportStep())
        page = await self.objects(access, account, request.level, state.cursor)
        if not isinstance(page, Ok):
            return page
        rest = None
        if page.value.next_cursor is not None:
            rest = replace(state, cursor=page.value.next_cursor, percent=min(99, state.percent + 1))
        ids = [item.external_id for item in page.value.items]
        if not ids:
            return Ok(ReportStep(state=rest), page.readings)
        names = _LEVELS[request.level]
        call = Call(
            "GET",
            _url(account, f"{names.path}/analytics"),
            "ads_analytics",
            query={
                "start_date": since.isoformat(),
                "end_date": until.isoformat(),
                "columns": ",".join((*_COLUMNS, names.id_)),
                "granularity": "DAY",
            },
            repeated={names.ids: ids},
            bearer=access.token,
        )
        answer = value_of(await access.http.send(SPEC, call), "ads_analytics")
        if not isinstance(answer, Ok):
            return answer
        if not isinstance(answer.value, list):
            return Rejected("no_report", "Pinterest answered without the rows of a report.", answer.readings)
        rows = objects({"rows": answer.value}, "rows")
        days = (_day(row, request.level, account.currency) for row in rows)
        return Ok(ReportStep(tuple(d for d in days if d is not None), rest), answer.readings)

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        """Paused. The tag is part of the name: Pinterest has no other place for it."""
        body: Json = {
            "ad_account_id": account.external_id,
            "name": f"{wish.name} [{wish.tag}]",
            "objective_type": wish.objective,
            "status": "PAUSED",
        }
        for name, budget in (
            ("daily_spend_cap", wish.daily_budget),
            ("lifetime_spend_cap", wish.lifetime_budget),
        ):
            if budget is not None:
                if budget.currency != account.currency:
                    return _other_currency(account)
                body[name] = _to_micro(budget)
        answer = await self._write(access, account, "POST", "campaigns", body, once=_CREATED)
        if not isinstance(answer, Ok):
            return answer
        made = _object(answer.value, AdLevel.CAMPAIGN, account.currency)
        return Unknown(_CREATED) if made is None else Ok(made, answer.readings)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        """Through every page: names cannot be searched for."""
        cursor = None
        while True:
            page = await self.objects(access, account, AdLevel.CAMPAIGN, cursor)
            if not isinstance(page, Ok):
                return page
            found = next((i for i in page.value.items if f"[{wish.tag}]" in i.name), None)
            cursor = page.value.next_cursor
            if found is not None or cursor is None:
                return Ok(found, page.readings)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        """A campaign's daily cap, or an ad group's budget, whose type only drafts may change."""
        if level is AdLevel.AD:
            return Rejected("unsupported", "Pinterest's ads have no budget: set the ad group's.")
        if daily.currency != account.currency:
            return _other_currency(account)
        name = "daily_spend_cap" if level is AdLevel.CAMPAIGN else "budget_in_micro_currency"
        return await self._change(access, account, level, id_, {name: _to_micro(daily)})

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        name = _SETTABLE.get(status)
        if name is None:
            known = ", ".join(_SETTABLE)
            return Rejected("unsupported", f"Pinterest has no status {status}; it takes {known}.")
        return await self._change(access, account, level, id_, {"status": name})

    async def _change(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, change: Json
    ) -> Outcome[None]:
        body: Json = {"id": id_, **change}
        if level is AdLevel.CAMPAIGN:
            body["ad_account_id"] = account.external_id
        answer = await self._write(access, account, "PATCH", _LEVELS[level].path, body)
        return Ok(None, answer.readings) if isinstance(answer, Ok) else answer

    async def _write(
        self,
        access: Access,
        account: AdAccount,
        method: str,
        path: str,
        body: Json,
        once: str | None = None,
    ) -> Outcome[Json]:
        """One object of a list. Pinterest answers 200 also when it refused: campaigns and ad groups carry a
        list of exceptions, ads a single one."""
        call = Call(method, _url(account, path), "ads_write", json=[body], bearer=access.token)
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


def _url(account: AdAccount, path: str) -> str:
    return f"{API}/ad_accounts/{quote(account.external_id, safe='')}/{path}"


def _account(row: Json) -> AdAccount | None:
    id_, currency = id_at(row, "id"), text_at(row, "currency")
    if id_ is None or currency is None:
        return None
    return AdAccount(id_, words_at(row, "name") or id_, currency, "UTC")


def _object(row: Json, level: AdLevel, currency: str) -> AdObject | None:
    id_, names = id_at(row, "id"), _LEVELS[level]
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
        status=_STATUSES.get(status, AdStatus.UNKNOWN),
        native_status=text_at(row, "summary_status") or status,
        payload=packed(row),
        objective=text_at(row, "objective_type"),
        daily_budget=_money(row, daily, currency),
        lifetime_budget=_money(row, lifetime, currency),
        starts_at=moment_at(row, "start_time"),
        ends_at=moment_at(row, "end_time"),
    )


def _day(row: Json, level: AdLevel, currency: str) -> AdDay | None:
    """A column without a number is left out or null; a day without spend is none that ran."""
    id_, day = id_at(row, _LEVELS[level].id_), _date(text_at(row, "DATE"))
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


def _to_micro(money: Money) -> int:
    return int(to_decimal(money) * _MICRO)


def _other_currency(account: AdAccount) -> Rejected:
    return Rejected("currency", f"The ad account's budgets are in {account.currency}.")
