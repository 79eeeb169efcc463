"""Facebook ads: accounts, campaigns, ad sets, ads, daily numbers by report runs, and changes.

Sources: docs/marketing-api/reference/ad-account (+/campaigns, /adsets, /ads, /insights), documentation/
ads-commerce/marketing-api/insights/best-practices.
"""

from collections.abc import Mapping

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdPage,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    ReportRequest,
    ReportState,
    ReportStep,
)
from domain.money import Money
from platforms.ad_rules import other_currency
from platforms.capabilities import Access
from platforms.facebook import ads_making, marketing, reports
from platforms.facebook.ads_rows import EDGES, FIELDS, account_of, object_of
from platforms.facebook.amounts import to_budget
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import LimitReading, Ok, Outcome, Rejected
from platforms.wire import Json, flag_at, objects

_PAGE_SIZE = 100
_ACCOUNT_PAGES = 10


class FacebookAds:
    missing: Mapping[str, str] = {}

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        found: list[AdAccount] = []
        readings: tuple[LimitReading, ...] = ()
        cursor: str | None = None
        for _ in range(_ACCOUNT_PAGES):
            params = {"fields": "account_id,name,currency,timezone_name", "limit": str(_PAGE_SIZE)}
            answer = await marketing.get(access, "me/adaccounts", params | cursor_query(cursor))
            if not isinstance(answer, Ok):
                return answer
            readings = answer.readings
            found += [account for row in objects(answer.value, "data") if (account := account_of(row))]
            cursor = next_cursor(answer.value, cursor)
            if cursor is None:
                break
        return Ok(tuple(found), readings)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        params = {"fields": FIELDS[level], "limit": str(_PAGE_SIZE)} | cursor_query(cursor)
        answer = await marketing.get(access, f"act_{account.external_id}/{EDGES[level]}", params)
        if not isinstance(answer, Ok):
            return answer
        rows = objects(answer.value, "data")
        items = tuple(item for row in rows if (item := object_of(level, row, account.currency)))
        return Ok(AdPage(items, next_cursor(answer.value, cursor)), answer.readings)

    def report(self, request: ReportRequest) -> ReportState:
        return ReportState(request)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        return await reports.step(access.http, marketing.token_of(access), account, state)

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        return await ads_making.campaign(access, account, wish)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        return await ads_making.find(access, account, AdLevel.CAMPAIGN, wish.tag)

    async def create_group(self, access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
        return await ads_making.group(access, account, wish)

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]:
        return await ads_making.find(access, account, AdLevel.GROUP, wish.tag)

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
        return await ads_making.ad(access, account, wish)

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
        return await ads_making.find(access, account, AdLevel.AD, wish.tag)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        if level is AdLevel.AD:
            return Rejected(
                "unsupported", "At Facebook budgets are set for campaigns and ad sets, not for ads."
            )
        if (wrong := other_currency(account, daily)) is not None:
            return wrong
        units = to_budget(daily)
        if units is None:
            return ads_making.finer(account)
        return _confirmed(await marketing.post(access, id_, {"daily_budget": str(units)}))

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        if status is AdStatus.UNKNOWN:
            return Rejected("unsupported", "There is no such status at Facebook.")
        return _confirmed(await marketing.post(access, id_, {"status": status.value.upper()}))


def _confirmed(answer: Outcome[Json]) -> Outcome[None]:
    if not isinstance(answer, Ok):
        return answer
    if not flag_at(answer.value, "success"):
        return Rejected("not_confirmed", "Facebook did not confirm the change.", answer.readings)
    return Ok(None, answer.readings)
