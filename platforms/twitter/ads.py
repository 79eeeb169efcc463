"""X's advertising: accounts, campaigns, line items and promoted posts, and the few changes Rookery makes.
Making is in `ads_making`, numbers by day are in `stats`; amounts are millionths.

Sources: docs.x.com x-ads-api/{campaign-management,fundamentals}; fields and the calls that change
something as X's own client library makes them (twitter-ads 11).
"""

from collections.abc import Mapping
from urllib.parse import quote

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
)
from domain.money import Money
from platforms.ad_rules import other_currency
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected
from platforms.twitter import ads_making, stats
from platforms.twitter.ads_api import PAGE, call, page_of, path_of, rows_of
from platforms.twitter.ads_rows import DAILY, to_micro
from platforms.wire import flag_at, id_at, objects, text_at, words_at

_SETTABLE = {AdStatus.ACTIVE: "ACTIVE", AdStatus.PAUSED: "PAUSED"}


class TwitterAds:
    """Stateless."""

    missing: Mapping[str, str] = {}

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        """Those with a funding instrument: it names the currency, and nothing is advertised without one."""
        answer = await call(access, "GET", "accounts", {"count": str(PAGE)})
        if not isinstance(answer, Ok):
            return answer
        found: list[AdAccount] = []
        for row in objects(answer.value, "data"):
            account_id = id_at(row, "id")
            if account_id is None or flag_at(row, "deleted"):
                continue
            funding = await rows_of(access, account_id, "funding_instruments")
            if not isinstance(funding, Ok):
                return funding
            currency = next((c for f in funding.value if (c := text_at(f, "currency"))), None)
            if currency is not None:
                name = words_at(row, "name") or account_id
                found.append(AdAccount(account_id, name, currency, words_at(row, "timezone")))
        return Ok(tuple(found), answer.readings)

    async def objects(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None
    ) -> Outcome[AdPage]:
        return await page_of(access, account, level, cursor)

    def report(self, request: ReportRequest) -> ReportState:
        return in_parts(request, stats.DAYS)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        return await stats.step(access, account, state)

    async def create_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject]:
        return await ads_making.campaign(access, account, wish)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        return await ads_making.find_campaign(access, account, wish)

    async def create_group(self, access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
        return await ads_making.group(access, account, wish)

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]:
        return await ads_making.find_group(access, account, wish)

    async def target_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup, group_id: str
    ) -> Outcome[None]:
        return await ads_making.target(access, account, wish, group_id)

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
        return await ads_making.ad(access, account, wish)

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
        return await ads_making.find_ad(access, account, wish)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        if level is AdLevel.AD:
            return Rejected("unsupported", "At X budgets are set for campaigns and ad groups, not for ads.")
        if (wrong := other_currency(account, daily)) is not None:
            return wrong
        return await _change(access, account, level, id_, {DAILY: to_micro(daily)})

    async def set_status(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, status: AdStatus
    ) -> Outcome[None]:
        """Promoted posts can only be deleted."""
        if status is AdStatus.DELETED:
            path = f"{path_of(account, level)}/{quote(id_, safe='')}"
            answer = await call(access, "DELETE", path, {}, family="ads_write")
            gone = isinstance(answer, Rejected) and answer.code == "404"
            return Ok(None) if gone or isinstance(answer, Ok) else answer
        word = _SETTABLE.get(status) if level is not AdLevel.AD else None
        if word is None:
            return Rejected("unsupported", f"X does not let others set a {level} to {status}.")
        return await _change(access, account, level, id_, {"entity_status": word})


async def _change(
    access: Access, account: AdAccount, level: AdLevel, id_: str, change: Mapping[str, str]
) -> Outcome[None]:
    path = f"{path_of(account, level)}/{quote(id_, safe='')}"
    answer = await call(access, "PUT", path, change, family="ads_write")
    return Ok(None, answer.readings) if isinstance(answer, Ok) else answer
