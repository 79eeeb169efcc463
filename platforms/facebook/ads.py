"""Facebook ads: accounts, campaigns, ad sets, ads, and daily numbers by report runs.

Ads are a person's, not a page's: calls are made with the person's own token (`Access.token_secret`), which
the grant of a page carries as its refresh token. Without one Facebook refuses.

Sources: docs/marketing-api/reference/ad-account (+/campaigns, /adsets, /ads, /insights), documentation/
ads-commerce/marketing-api/insights/best-practices.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdPage,
    AdStatus,
    NewAdCampaign,
    ReportRequest,
    ReportState,
    ReportStep,
)
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.facebook import reports
from platforms.facebook.amounts import from_budget, to_budget
from platforms.facebook.errors import outcome_of
from platforms.facebook.reading import get
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import LimitReading, Ok, Outcome, Rejected, Unknown
from platforms.wire import Json, count_at, encode, flag_at, id_at, moment_at, objects, text_at, words_at

_FAMILY = "marketing"
_PAGE_SIZE = 100
_ACCOUNT_PAGES = 10
_EDGES = {AdLevel.CAMPAIGN: "campaigns", AdLevel.GROUP: "adsets", AdLevel.AD: "ads"}
_COMMON = "id,name,status,effective_status"
_BUDGETS = f"{_COMMON},daily_budget,lifetime_budget,start_time"
_FIELDS = {
    AdLevel.CAMPAIGN: f"{_BUDGETS},objective,stop_time",
    AdLevel.GROUP: f"{_BUDGETS},campaign_id,end_time",
    AdLevel.AD: f"{_COMMON},adset_id,created_time",
}
_STATUSES = {status.value.upper(): status for status in AdStatus if status is not AdStatus.UNKNOWN}
_MAYBE = "the campaign may have been created"


class FacebookAds:
    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        found: list[AdAccount] = []
        readings: tuple[LimitReading, ...] = ()
        cursor: str | None = None
        for _ in range(_ACCOUNT_PAGES):
            params = {"fields": "account_id,name,currency,timezone_name", "limit": str(_PAGE_SIZE)}
            answer = await get(
                access.http, _token(access), "me/adaccounts", params | cursor_query(cursor), _FAMILY
            )
            if not isinstance(answer, Ok):
                return answer
            readings = answer.readings
            found += [account for row in objects(answer.value, "data") if (account := _account(row))]
            cursor = next_cursor(answer.value, cursor)
            if cursor is None:
                break
        return Ok(tuple(found), readings)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        params = {"fields": _FIELDS[level], "limit": str(_PAGE_SIZE)} | cursor_query(cursor)
        path = f"act_{account.external_id}/{_EDGES[level]}"
        answer = await get(access.http, _token(access), path, params, _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        rows = objects(answer.value, "data")
        items = tuple(item for row in rows if (item := _object(level, row, account.currency)))
        return Ok(AdPage(items, next_cursor(answer.value, cursor)), answer.readings)

    def report(self, request: ReportRequest) -> ReportState:
        return ReportState(request)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        return await reports.step(access.http, _token(access), account, state)

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        form = {
            "name": _tagged(wish),
            "objective": wish.objective,
            "status": "PAUSED",
            "special_ad_categories": "[]",
        }
        for name, budget in (("daily_budget", wish.daily_budget), ("lifetime_budget", wish.lifetime_budget)):
            if budget is not None:
                units = to_budget(budget)
                if units is None or budget.currency != account.currency:
                    return _other_currency(account)
                form[name] = str(units)
        if wish.daily_budget is None and wish.lifetime_budget is None:
            form["is_adset_budget_sharing_enabled"] = "false"
        answer = await _post(access, f"act_{account.external_id}/campaigns", form, once=_MAYBE)
        if not isinstance(answer, Ok):
            return answer
        campaign_id = id_at(answer.value, "id")
        if campaign_id is None:
            return Unknown(_MAYBE)
        made = AdObject(
            AdLevel.CAMPAIGN,
            campaign_id,
            None,
            form["name"],
            AdStatus.PAUSED,
            "PAUSED",
            encode(answer.value),
            wish.objective,
            wish.daily_budget,
            wish.lifetime_budget,
        )
        return Ok(made, answer.readings)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        """By our tag, which is part of the name."""
        filtering = json.dumps([{"field": "name", "operator": "CONTAIN", "value": wish.tag}])
        params = {"fields": _FIELDS[AdLevel.CAMPAIGN], "filtering": filtering, "limit": "10"}
        path = f"act_{account.external_id}/campaigns"
        answer = await get(access.http, _token(access), path, params, _FAMILY)
        if not isinstance(answer, Ok):
            return answer
        for row in objects(answer.value, "data"):
            found = _object(AdLevel.CAMPAIGN, row, account.currency)
            if found is not None and wish.tag in found.name:
                return Ok(found, answer.readings)
        return Ok(None, answer.readings)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        if level is AdLevel.AD:
            return Rejected(
                "unsupported", "At Facebook budgets are set for campaigns and ad sets, not for ads."
            )
        units = to_budget(daily)
        if units is None or daily.currency != account.currency:
            return _other_currency(account)
        return _confirmed(await _post(access, id_, {"daily_budget": str(units)}))

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        if status is AdStatus.UNKNOWN:
            return Rejected("unsupported", "There is no such status at Facebook.")
        return _confirmed(await _post(access, id_, {"status": status.value.upper()}))


def _token(access: Access) -> Secret:
    return access.token_secret or access.token


async def _post(
    access: Access, path: str, form: Mapping[str, str], *, once: str | None = None
) -> Outcome[Json]:
    call = Call("POST", f"{GRAPH}/{path}", _FAMILY, form=form, bearer=_token(access))
    return outcome_of(await access.http.send(SPEC, call), _FAMILY, once=once)


def _confirmed(answer: Outcome[Json]) -> Outcome[None]:
    if not isinstance(answer, Ok):
        return answer
    if not flag_at(answer.value, "success"):
        return Rejected("not_confirmed", "Facebook did not confirm the change.", answer.readings)
    return Ok(None, answer.readings)


def _other_currency(account: AdAccount) -> Rejected:
    return Rejected("currency", f"The ad account's budgets are in whole units of {account.currency}.")


def _tagged(wish: NewAdCampaign) -> str:
    return f"{wish.name} [{wish.tag}]"


def _account(row: Json) -> AdAccount | None:
    account_id, currency = id_at(row, "account_id"), text_at(row, "currency")
    if account_id is None or currency is None or from_budget(0, currency) is None:
        return None
    name = words_at(row, "name") or account_id
    return AdAccount(account_id.removeprefix("act_"), name, currency, words_at(row, "timezone_name"))


def _object(level: AdLevel, row: Json, currency: str) -> AdObject | None:
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
