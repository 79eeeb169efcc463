"""X's advertising: accounts, campaigns, line items and promoted posts, numbers by day, and the few changes
Rookery makes.

`Access` here carries the application's API key pair (`app.client_id`, `app.client_secret`: not those of OAuth
2.0), and the OAuth 1.0a token of somebody with a role at the ad account with its secret (`token_secret`).
Amounts are millionths. Numbers come from the synchronous reports: 20 objects and seven days at a time; the
asynchronous ones lead to an address on a host that no document names.

Sources: docs.x.com x-ads-api/{analytics,campaign-management,fundamentals}; fields and the calls that change
something as X's own client library makes them (twitter-ads 11).
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

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
    in_parts,
)
from domain.money import Money
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.twitter.ads_rows import DAILY, LEVELS, TOTAL, days_of, midnight, object_of, to_micro, zone_of
from platforms.twitter.errors import outcome_of
from platforms.twitter.oauth1 import Signer
from platforms.twitter.spec import ADS_API, SPEC
from platforms.wire import Json, flag_at, id_at, mapping, objects, text_at, words_at

DAYS_A_REPORT, OBJECTS_A_REPORT = 7, 20  # x-ads-api/analytics
_PAGE = 200
_PAGES_AT_MOST = 50
_CREATED = "the campaign may have been created"
_SETTABLE = {AdStatus.ACTIVE: "ACTIVE", AdStatus.PAUSED: "PAUSED"}


class TwitterAds:
    """Stateless."""

    async def accounts(self, access: Access) -> Outcome[tuple[AdAccount, ...]]:
        """Those with a funding instrument: it names the currency, and nothing is advertised without one."""
        answer = await _call(access, "GET", "accounts", {"count": str(_PAGE)})
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
        return await self._page(access, account, level, cursor, _PAGE)

    def report(self, request: ReportRequest) -> ReportState:
        return in_parts(request, DAYS_A_REPORT)

    async def report_step(
        self, access: Access, account: AdAccount, state: ReportState
    ) -> Outcome[ReportStep]:
        """A page of objects and their days. Resumed by the cursor; no job is left behind at X."""
        request, zone = state.request, zone_of(account)
        if zone is None:
            return Rejected("timezone", "X did not say in which time zone the ad account counts its days.")
        page = await self._page(access, account, request.level, state.cursor, OBJECTS_A_REPORT)
        if not isinstance(page, Ok):
            return page
        rest = ReportState(state.rest[0], rest=state.rest[1:]) if state.rest else None
        if page.value.next_cursor is not None:
            done = min(99, state.percent + 1)
            rest = ReportState(request, cursor=page.value.next_cursor, percent=done, rest=state.rest)
        ids = [item.external_id for item in page.value.items]
        if not ids:
            return Ok(ReportStep(state=rest), page.readings)
        query = {
            "entity": LEVELS[request.level].entity,
            "entity_ids": ",".join(ids),
            "start_time": midnight(request.since, zone),
            "end_time": midnight(request.until + timedelta(days=1), zone),
            "granularity": "DAY",
            "metric_groups": "ENGAGEMENT,BILLING",
            "placement": "ALL_ON_TWITTER",
        }
        path = f"stats/accounts/{quote(account.external_id, safe='')}"
        answer = await _call(access, "GET", path, query, family="ads_stats")
        if not isinstance(answer, Ok):
            return answer
        days = [
            day for row in objects(answer.value, "data") for day in days_of(row, request, account.currency)
        ]
        return Ok(ReportStep(tuple(days), rest), answer.readings)

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
        path = _path(account, AdLevel.CAMPAIGN)
        answer = await _call(access, "POST", path, query, family="ads_write", once=_CREATED)
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
            path = f"{_path(account, level)}/{quote(id_, safe='')}"
            answer = await _call(access, "DELETE", path, {}, family="ads_write")
            gone = isinstance(answer, Rejected) and answer.code == "404"
            return Ok(None) if gone or isinstance(answer, Ok) else answer
        word = _SETTABLE.get(status) if level is not AdLevel.AD else None
        if word is None:
            return Rejected("unsupported", f"X does not let others set a {level} to {status}.")
        return await _change(access, account, level, id_, {"entity_status": word})

    async def _page(
        self, access: Access, account: AdAccount, level: AdLevel, cursor: str | None, size: int
    ) -> Outcome[AdPage]:
        query = {"count": str(size)} | ({"cursor": cursor} if cursor else {})
        answer = await _call(access, "GET", _path(account, level), query)
        if not isinstance(answer, Ok):
            return answer
        items = (object_of(row, level, account.currency) for row in objects(answer.value, "data"))
        following = text_at(answer.value, "next_cursor")
        following = following if following and following != cursor else None
        return Ok(AdPage(tuple(i for i in items if i is not None), following), answer.readings)


async def _call(
    access: Access,
    method: str,
    path: str,
    query: Mapping[str, str],
    *,
    family: str = "ads",
    once: str | None = None,
) -> Outcome[Json]:
    """Everything is in the query, changes as well, because that is what is signed."""
    if access.token_secret is None:
        return Rejected("no_token_secret", "X's Ads API wants an OAuth 1.0a token and its secret.")
    signer = Signer(access.app.client_id, access.app.client_secret, access.token, access.token_secret)
    url = f"{ADS_API}/{path}"
    header = signer.authorization(method, url, query, secrets.token_hex(16), access.http.now())
    call = Call(method, url, family, query=query, headers={"Authorization": header})
    return outcome_of(await access.http.send(SPEC, call), family, once=once)


async def _change(
    access: Access, account: AdAccount, level: AdLevel, id_: str, change: Mapping[str, str]
) -> Outcome[None]:
    path = f"{_path(account, level)}/{quote(id_, safe='')}"
    answer = await _call(access, "PUT", path, change, family="ads_write")
    return Ok(None, answer.readings) if isinstance(answer, Ok) else answer


async def _funding(access: Access, account_id: str) -> Outcome[list[Json]]:
    path = f"accounts/{quote(account_id, safe='')}/funding_instruments"
    answer = await _call(access, "GET", path, {"count": str(_PAGE)})
    if not isinstance(answer, Ok):
        return answer
    return Ok([row for row in objects(answer.value, "data") if not flag_at(row, "deleted")], answer.readings)


def _path(account: AdAccount, level: AdLevel) -> str:
    return f"accounts/{quote(account.external_id, safe='')}/{LEVELS[level].path}"


def _other_currency(account: AdAccount) -> Rejected:
    return Rejected("currency", f"The ad account's budgets are in {account.currency}.")
