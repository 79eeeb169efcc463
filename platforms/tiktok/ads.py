"""TikTok's Marketing API: advertisers, three levels of objects, numbers by day, and the few changes Rookery
makes. `Access` here carries the business app and the token of the advertiser's consent
(`consents.Advertiser`).
Source: TB/ ids 1739315828649986 (campaigns), 1740302848100353 (reports), and TikTok's client library.
"""

from collections.abc import Mapping
from dataclasses import replace

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
    in_parts,
    next_part,
)
from domain.money import Money
from platforms.ad_rules import other_currency
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected
from platforms.tiktok import ads_making, business
from platforms.tiktok.ads_rows import LEVELS, OPERATIONS, account_of, day_of, object_of, units
from platforms.wire import Json, count_at, id_at, mapping, objects

DAYS_A_REPORT = 30  # TB/ reports by `stat_time_day` span at most 30 days
_PAGE = 100
_REPORT_PAGE = 1000
_METRICS = ["spend", "impressions", "clicks", "reach", "conversion"]


class TiktokAds:
    missing: Mapping[str, str] = {}

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
        found = (account_of(row) for row in objects(told.value, "list"))
        return Ok(tuple(account for account in found if account is not None))

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        """The cursor is the number of the page."""
        page = int(cursor) if cursor and cursor.isdecimal() else 1
        answer = await self._list(access, account, level, page, {})
        if not isinstance(answer, Ok):
            return answer
        items = (object_of(row, level, account.currency) for row in objects(answer.value, "list"))
        return Ok(AdPage(tuple(i for i in items if i is not None), _next_page(answer.value, page)))

    def report(self, request: ReportRequest) -> ReportState:
        return in_parts(request, DAYS_A_REPORT)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        """A page of the synchronous report: resumed by its number, no job is left behind at TikTok."""
        request, level = state.request, LEVELS[state.request.level]
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
        found = (day_of(row, request.level, account.currency) for row in objects(answer.value, "list"))
        rows = tuple(row for row in found if row is not None)
        following = _next_page(answer.value, page)
        if following is not None:
            pages = count_at(mapping(answer.value, "page_info"), "total_page") or page
            percent = min(99, page * 100 // pages)
            return Ok(ReportStep(rows, replace(state, cursor=following, percent=percent)))
        return Ok(ReportStep(rows, next_part(state)))

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        return await ads_making.campaign(access, account, wish)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        return await self._find(access, account, AdLevel.CAMPAIGN, wish.tag)

    async def create_group(self, access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
        return await ads_making.group(access, account, wish)

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]:
        return await self._find(access, account, AdLevel.GROUP, wish.tag)

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
        return await ads_making.ad(access, account, wish)

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
        return await self._find(access, account, AdLevel.AD, wish.tag)

    async def _find(
        self, access: Access, account: AdAccount, level: AdLevel, tag: str
    ) -> Outcome[AdObject | None]:
        """By our tag: TikTok filters by a part of the name."""
        answer = await self._list(access, account, level, 1, {LEVELS[level].name: tag})
        if not isinstance(answer, Ok):
            return answer
        items = (object_of(r, level, account.currency) for r in objects(answer.value, "list"))
        return Ok(next((i for i in items if i is not None and f"[{tag}]" in i.name), None))

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        """An object keeps its mode: TikTok changes the amount, not whether it is for a day or for all."""
        if level is AdLevel.AD:
            return Rejected(
                "unsupported", "TikTok's ads have no budget: set the ad group's or the campaign's."
            )
        if (wrong := other_currency(account, daily)) is not None:
            return wrong
        names = LEVELS[level]
        body: Json = {"advertiser_id": account.external_id, names.id_: id_, "budget": units(daily)}
        answer = await business.post(access, f"{names.path}/update", body)
        return Ok(None) if isinstance(answer, Ok) else answer

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        operation = OPERATIONS.get(status)
        if operation is None:
            return Rejected(
                "unsupported", f"TikTok has no status {status}; it takes active, paused, deleted."
            )
        names = LEVELS[level]
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
        return await business.get(access, f"{LEVELS[level].path}/get", query)


def _next_page(answer: Json, page: int) -> str | None:
    total = count_at(mapping(answer, "page_info"), "total_page") or 0
    return str(page + 1) if page < total else None
