"""Pinterest's advertising: ad accounts, campaigns, ad groups and ads, numbers by day, the few changes Rookery
makes. Source: PO/ `/ad_accounts/...`.

Numbers come from the synchronous reports: some objects and 90 days at a time. The asynchronous ones reach
further back, but lead to an address on a host that no document names, and Rookery sends nothing to hosts it
does not know. Amounts are millionths of the account's currency.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta

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
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.pinterest import ads_making
from platforms.pinterest.ads_rows import (
    LEVELS,
    STATUSES,
    account_of,
    day_of,
    object_of,
    to_micro,
    url_of,
    write,
)
from platforms.pinterest.errors import outcome_of, value_of
from platforms.pinterest.spec import API, SPEC
from platforms.wire import Json, objects, text_at

DAYS = 90  # PO/ analytics: not older than 90 days
_PAGES_AT_MOST = 50
_PAGE = 100  # of at most 250: the ids of a page have to fit into one address
_SETTABLE = {status: name for name, status in STATUSES.items() if name in ("ACTIVE", "PAUSED", "ARCHIVED")}
_LISTED = ("ACTIVE", "PAUSED", "ARCHIVED", "DRAFT")
_COLUMNS = (
    "SPEND_IN_MICRO_DOLLAR",
    "IMPRESSION_1",
    "CLICKTHROUGH_1",
    "TOTAL_CONVERSIONS",
    "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR",
)


class PinterestAds:
    """Stateless."""

    missing: Mapping[str, str] = {}

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        """The first 100; the days of reports are UTC days."""
        call = Call(
            "GET", f"{API}/ad_accounts", "ads_read", query={"page_size": str(_PAGE)}, bearer=access.token
        )
        answer = outcome_of(await access.http.send(SPEC, call), "ads_read")
        if not isinstance(answer, Ok):
            return answer
        found = (account_of(row) for row in objects(answer.value, "items"))
        return Ok(tuple(a for a in found if a is not None), answer.readings)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        query = {"page_size": str(_PAGE)} | ({"bookmark": cursor} if cursor else {})
        call = Call(
            "GET",
            url_of(account, LEVELS[level].path),
            "ads_read",
            query=query,
            repeated={"entity_statuses": _LISTED},
            bearer=access.token,
        )
        answer = outcome_of(await access.http.send(SPEC, call), "ads_read")
        if not isinstance(answer, Ok):
            return answer
        items = (object_of(row, level, account.currency) for row in objects(answer.value, "items"))
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
        oldest = today - timedelta(days=DAYS - 1)
        if request.since < oldest and state.cursor is None:
            message = f"Pinterest reports the last {DAYS} days: ask for days from {oldest} on."
            return Rejected("report_too_old", message)
        since = max(request.since, oldest)  # midnight may pass between two pages
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
        names = LEVELS[request.level]
        call = Call(
            "GET",
            url_of(account, f"{names.path}/analytics"),
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
        days = (day_of(row, request.level, account.currency) for row in rows)
        return Ok(ReportStep(tuple(d for d in days if d is not None), rest), answer.readings)

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
        """Through every page: names cannot be searched for."""
        cursor = None
        for _ in range(_PAGES_AT_MOST):
            page = await self.objects(access, account, level, cursor)
            if not isinstance(page, Ok):
                return page
            found = next((i for i in page.value.items if f"[{tag}]" in i.name), None)
            cursor = page.value.next_cursor
            if found is not None or cursor is None:
                return Ok(found, page.readings)
        return Rejected(
            "too_many", f"The ad account has more of the level {level} than Rookery looks through."
        )

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        """A campaign's daily cap, or an ad group's budget, whose type only drafts may change."""
        if level is AdLevel.AD:
            return Rejected("unsupported", "Pinterest's ads have no budget: set the ad group's.")
        if (wrong := other_currency(account, daily)) is not None:
            return wrong
        name = "daily_spend_cap" if level is AdLevel.CAMPAIGN else "budget_in_micro_currency"
        return await self._change(access, account, level, id_, {name: to_micro(daily)})

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
        answer = await write(access, account, "PATCH", LEVELS[level].path, body)
        return Ok(None, answer.readings) if isinstance(answer, Ok) else answer
