"""Pinterest's advertising against the sandbox: lists, days, changes that HTTP 200 hides the refusal of."""

import json
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from domain.advertising import AdAccount, AdLevel, AdStatus, NewAdCampaign, ReportRequest
from domain.clock import ManualClock, SystemClock
from domain.money import Money
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.outcome import Rejected
from platforms.pinterest import ads
from platforms.pinterest.adapter import Pinterest
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import Answers, World, answer, app_of, ok

ADS = Pinterest().ads
TODAY = SystemClock().now().date()


class Told(Answers):
    """Answers that know the time."""

    def now(self) -> Any:
        return ManualClock().now()


def access_of(http: Any, account: dict[str, Any]) -> Access:
    return Access(http, app_of(account), Secret(account["access_token"]), account["external_id"])


async def opened(world: World) -> tuple[Access, AdAccount]:
    access = access_of(world.http, await world.account("pinterest", posts=5))
    (account,) = ok(await ADS.accounts(access))
    return access, account


async def report(access: Access, account: AdAccount, request: ReportRequest) -> list[Any]:
    rows: list[Any] = []
    state = ADS.report(request)
    while True:
        step = ok(await ADS.report_step(access, account, state))
        rows += step.rows
        if step.state is None:
            return rows
        state = step.state


async def test_three_levels_and_their_days(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ads, "_PAGE", 5)
    access, account = await opened(world)
    assert account.timezone == "UTC"
    parents: set[str | None] = {None}
    for level, count in ((AdLevel.CAMPAIGN, 3), (AdLevel.GROUP, 6), (AdLevel.AD, 12)):
        found, cursor = [], None
        while True:
            page = ok(await ADS.objects(access, account, level, cursor))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len({o.external_id for o in found}) == count
        assert {o.parent_id for o in found} == parents
        parents = {o.external_id for o in found}
        if level is not AdLevel.AD:
            assert all(o.daily_budget and o.daily_budget.minor > 0 for o in found)
        request = ReportRequest(level, TODAY - timedelta(days=89), TODAY)
        rows = await report(access, account, request)
        assert len(rows) == count * 90, "as far back as Pinterest looks"
        assert {row.external_id for row in rows} == parents
        assert all(row.spend.currency == account.currency and row.impressions for row in rows)
        again = await report(access, account, replace(request, since=TODAY - timedelta(days=3)))
        assert all(row in rows for row in again), "storing them again changes nothing"


async def test_days_that_pinterest_does_not_report_any_more_are_not_an_empty_report(world: World) -> None:
    access, account = await opened(world)
    oldest = access.http.now().astimezone(UTC).date() - timedelta(days=89)
    for until in (TODAY - timedelta(days=150), TODAY):
        old = ReportRequest(AdLevel.CAMPAIGN, oldest - timedelta(days=1), until)
        outcome = await ADS.report_step(access, account, ADS.report(old))
        assert isinstance(outcome, Rejected) and outcome.code == "report_too_old"
        assert str(oldest) in outcome.message


async def test_a_list_without_an_end_is_not_looked_through_for_ever() -> None:
    answers = (answer(200, {"items": [], "bookmark": f"b{n}"}) for n in range(1000))
    app = PlatformApp("app", "pinterest", "id", Secret("s"), ())
    access = Access(Answers(*answers), app, Secret("t"), "1")
    wish = NewAdCampaign("Spring", "tag-7", "CONSIDERATION")
    found = await ADS.find_campaign(access, AdAccount("1", "A", "EUR", "UTC"), wish)
    assert isinstance(found, Rejected) and found.code == "too_many"


async def test_a_campaign_is_created_paused_found_and_changed(world: World) -> None:
    access, account = await opened(world)
    wish = NewAdCampaign("Spring", "tag-7", "CONSIDERATION", Money(5000, account.currency))
    assert ok(await ADS.find_campaign(access, account, wish)) is None
    made = ok(await ADS.create_campaign(access, account, wish))
    assert (made.status, made.daily_budget) == (AdStatus.PAUSED, wish.daily_budget)
    assert ok(await ADS.find_campaign(access, account, wish)) == made
    budget = Money(7000, account.currency)
    ok(await ADS.set_budget(access, account, AdLevel.CAMPAIGN, made.external_id, budget))
    ok(await ADS.set_status(access, account, AdLevel.CAMPAIGN, made.external_id, AdStatus.ACTIVE))
    found = ok(await ADS.find_campaign(access, account, wish))
    assert (found.status, found.daily_budget) == (AdStatus.ACTIVE, budget)
    for level in (AdLevel.GROUP, AdLevel.AD):
        item = ok(await ADS.objects(access, account, level, None)).items[0]
        ok(await ADS.set_status(access, account, level, item.external_id, AdStatus.ARCHIVED))
        assert ok(await ADS.objects(access, account, level, None)).items[0].status is AdStatus.ARCHIVED
    group = ok(await ADS.objects(access, account, AdLevel.GROUP, None)).items[0]
    ok(await ADS.set_budget(access, account, AdLevel.GROUP, group.external_id, budget))
    assert ok(await ADS.objects(access, account, AdLevel.GROUP, None)).items[0].daily_budget == budget


@pytest.mark.parametrize("level", list(AdLevel))
async def test_a_refusal_inside_of_200_is_seen(world: World, level: AdLevel) -> None:
    access, account = await opened(world)
    outcome = await ADS.set_status(access, account, level, "1", AdStatus.PAUSED)
    assert isinstance(outcome, Rejected) and outcome.code == "exception/2"


async def test_what_is_not_sent(world: World) -> None:
    access, account = await opened(world)
    other = Money(1, "CHF")
    wish = NewAdCampaign("n", "t", "AWARENESS", other)
    for outcome in (
        await ADS.create_campaign(access, account, wish),
        await ADS.set_budget(access, account, AdLevel.CAMPAIGN, "1", other),
        await ADS.set_budget(access, account, AdLevel.AD, "1", Money(1, account.currency)),
        await ADS.set_status(access, account, AdLevel.AD, "1", AdStatus.DELETED),
    ):
        assert isinstance(outcome, Rejected) and outcome.code in ("currency", "unsupported")


async def test_the_contract(world: World) -> None:
    account = await world.account("pinterest", posts=3)
    access, place = access_of(world.http, account), (await opened(world))[1]
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    root = "/ad_accounts/{ad_account_id}"
    told = await world.control.get("/api.pinterest.com/v5/ad_accounts", headers=headers)
    assert contract.answer_errors("get", "/ad_accounts", 200, told.json()) == []
    for level, path in ((AdLevel.CAMPAIGN, "campaigns"), (AdLevel.GROUP, "ad_groups"), (AdLevel.AD, "ads")):
        rows = ok(await ADS.objects(access, place, level, None)).items
        page = answer(200, {"items": [json.loads(row.payload) for row in rows]})
        http = Told(page, answer(200, []), answer(200, {}))
        now = http.now().date()
        asking = access_of(http, account)
        await ADS.report_step(asking, place, ADS.report(ReportRequest(level, now, now)))
        await ADS.set_status(asking, place, level, rows[0].external_id, AdStatus.PAUSED)
        for call, template in zip(
            http.asked, (f"{root}/{path}", f"{root}/{path}/analytics", f"{root}/{path}"), strict=True
        ):
            sent = {**call.query, **{name: ",".join(values) for name, values in call.repeated.items()}}
            query = {name: str(value) for name, value in sent.items()}
            assert contract.request_errors(call.method.lower(), template, query, call.json) == []
            if "start_date" in query:
                query |= {"start_date": str(TODAY), "end_date": str(TODAY)}
            url = call.url.replace("https://", "/")
            told = await world.control.request(
                call.method, url, params=query, json=call.json, headers=headers
            )
            assert told.status_code == 200, told.text
            assert contract.answer_errors(call.method.lower(), template, 200, told.json()) == []
    http = Told(answer(200, {}))
    wish = NewAdCampaign("n", "t", "AWARENESS", Money(5000, place.currency))
    await ADS.create_campaign(access_of(http, account), place, wish)
    (call,) = http.asked
    assert contract.request_errors("post", f"{root}/campaigns", {}, call.json) == []
    url = call.url.replace("https://", "/")
    told = await world.control.post(url, json=call.json, headers=headers)
    assert contract.answer_errors("post", f"{root}/campaigns", 200, told.json()) == []
