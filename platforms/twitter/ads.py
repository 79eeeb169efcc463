"""X's advertising: accounts, campaigns, line items and promoted posts, and the few changes Rookery makes.
Numbers by day are in `stats`; amounts are millionths.

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
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.twitter import stats
from platforms.twitter.ads_api import PAGE, call, page_of, path_of
from platforms.twitter.ads_rows import DAILY, TOTAL, object_of, to_micro
from platforms.wire import Json, flag_at, id_at, mapping, objects, text_at, words_at

_PAGES_AT_MOST = 50
_CREATED = "the campaign may have been created"
# A line item's countries are objects of their own, made after it; a promoted post has no paused state.
_NOT_BELOW = "At X Rookery makes campaigns only: promoted posts run as soon as they are made, never paused."
_SETTABLE = {AdStatus.ACTIVE: "ACTIVE", AdStatus.PAUSED: "PAUSED"}


class TwitterAds:
    """Stateless."""

    missing: Mapping[str, str] = dict.fromkeys(("create_group", "create_ad"), _NOT_BELOW)

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
            funding = await _funding(access, account_id)
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
        """Paused, paid by the first funding instrument that can. The tag is part of the name. At X the
        objective is a line item's: the campaign has none."""
        query = {"name": f"{wish.name} [{wish.tag}]", "entity_status": "PAUSED"}
        for name, budget in ((DAILY, wish.daily_budget), (TOTAL, wish.lifetime_budget)):
            if budget is not None:
                if budget.currency != account.currency:
                    return _other_currency(account)
                query[name] = to_micro(budget)
        funding = await _funding(access, account.external_id)
        if not isinstance(funding, Ok):
            return funding
        usable = (f for f in funding.value if text_at(f, "currency") == account.currency)
        instrument = next((i for f in usable if flag_at(f, "able_to_fund") and (i := id_at(f, "id"))), None)
        if instrument is None:
            return Rejected("no_funding", "No funding instrument of the ad account can pay for a campaign.")
        query["funding_instrument_id"] = instrument
        path = path_of(account, AdLevel.CAMPAIGN)
        answer = await call(access, "POST", path, query, family="ads_write", once=_CREATED)
        if not isinstance(answer, Ok):
            return answer
        made = object_of(mapping(answer.value, "data"), AdLevel.CAMPAIGN, account.currency)
        return Unknown(_CREATED) if made is None else Ok(made, answer.readings)

    async def find_campaign(
        self, access: Access, account: AdAccount, wish: NewAdCampaign
    ) -> Outcome[AdObject | None]:
        """By our tag, through every page."""
        cursor = None
        for _ in range(_PAGES_AT_MOST):
            page = await self.objects(access, account, AdLevel.CAMPAIGN, cursor)
            if not isinstance(page, Ok):
                return page
            found = next((i for i in page.value.items if f"[{wish.tag}]" in i.name), None)
            cursor = page.value.next_cursor
            if found is not None or cursor is None:
                return Ok(found, page.readings)
        return Rejected("too_many", "The ad account has more campaigns than Rookery looks through.")

    async def create_group(self, access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
        return Rejected("unsupported", _NOT_BELOW)

    async def find_group(
        self, access: Access, account: AdAccount, wish: NewAdGroup
    ) -> Outcome[AdObject | None]:
        return Rejected("unsupported", _NOT_BELOW)

    async def create_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
        return Rejected("unsupported", _NOT_BELOW)

    async def find_ad(self, access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
        return Rejected("unsupported", _NOT_BELOW)

    async def set_budget(
        self, access: Access, account: AdAccount, level: AdLevel, id_: str, daily: Money
    ) -> Outcome[None]:
        if level is not AdLevel.CAMPAIGN:
            return Rejected("unsupported", "At X daily budgets are set for campaigns.")
        if daily.currency != account.currency:
            return _other_currency(account)
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


async def _funding(access: Access, account_id: str) -> Outcome[list[Json]]:
    path = f"accounts/{quote(account_id, safe='')}/funding_instruments"
    answer = await call(access, "GET", path, {"count": str(PAGE)})
    if not isinstance(answer, Ok):
        return answer
    return Ok([row for row in objects(answer.value, "data") if not flag_at(row, "deleted")], answer.readings)


def _other_currency(account: AdAccount) -> Rejected:
    return Rejected("currency", f"The ad account's budgets are in {account.currency}.")
