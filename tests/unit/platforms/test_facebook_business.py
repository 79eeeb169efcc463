"""Facebook's numbers, ads and catalogues: the adapter against the sandbox."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import AdAccount, AdDay, AdLevel, AdStatus, NewAdCampaign, ReportRequest
from domain.catalog import Availability, Product
from domain.content import ContentKind
from domain.insights import MetricName
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.facebook.ads import FacebookAds
from platforms.facebook.amounts import from_budget, from_words, to_budget, to_words
from platforms.facebook.commerce import FacebookCommerce
from platforms.facebook.insights import FacebookInsights
from platforms.outcome import Ok, Rejected, RetryAfter, Unknown
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import World, ok

INSIGHTS, ADS, SHOP = FacebookInsights(), FacebookAds(), FacebookCommerce()


def by_person(world: World, account: dict[str, Any]) -> Access:
    """With the person's own token beside the page's."""
    return replace(access_of(world, account), token_secret=Secret(account["refresh_token"]))


# -- insights -----------------------------------------------------------------------------------------
async def test_numbers_of_content(world: World) -> None:
    account = await world.account("facebook", posts=40)
    access = access_of(world, account)
    rows = {row["kind"]: row for row in await world.content(account)}
    for kind, name in (
        (ContentKind.PHOTO, "image"),
        (ContentKind.VIDEO, "video"),
        (ContentKind.REEL, "reel"),
    ):
        told = rows[name]["metrics"]
        found = {m.name: m for m in ok(await INSIGHTS.of_content(access, rows[name]["id"], kind))}
        assert found[MetricName.VIEWS].value == told["views"]
        assert found[MetricName.LIKES].value == told["likes"], "the sum of all reactions"
        assert found[MetricName.COMMENTS].value == told["comments"]
        assert found[MetricName.SHARES].value == told["shares"]
        gone = found[MetricName.IMPRESSIONS]
        assert (gone.value, gone.reason, gone.source) == (None, "withdrawn", "post_impressions")
        watched = found[MetricName.WATCH_TIME_MS]
        if kind is ContentKind.PHOTO:
            assert (watched.value, watched.reason) == (None, "not_for_kind")
        else:
            assert watched.value
    story = ok(await INSIGHTS.of_content(access, rows["story"]["id"], ContentKind.STORY))
    assert {m.value for m in story} == {None}
    assert all(m.reason for m in story)
    missing = await INSIGHTS.of_content(access, f"{access.external_id}_1", ContentKind.POST)
    assert isinstance(missing, Rejected)


async def test_numbers_of_a_page(world: World) -> None:
    account = await world.account("facebook", posts=1)
    access, until = access_of(world, account), datetime.now(UTC)
    found = ok(await INSIGHTS.of_account(access, until - timedelta(days=7), until))
    by_name = {m.name: m for m in found}
    profile = account["username"]
    assert profile
    for name in (MetricName.VIEWS, MetricName.REACH, MetricName.FOLLOWERS, MetricName.ENGAGEMENTS):
        assert by_name[name].value is not None, name
        assert (by_name[name].since, by_name[name].until) == (until - timedelta(days=7), until)
    assert by_name[MetricName.IMPRESSIONS].reason == "withdrawn"
    longer = ok(await INSIGHTS.of_account(access, until - timedelta(days=400), until))
    assert {m.since for m in longer} == {until - timedelta(days=90)}, "no longer than one question may ask"


# -- ads ----------------------------------------------------------------------------------------------
async def ad_account(world: World, account: dict[str, Any]) -> tuple[Access, AdAccount]:
    access = by_person(world, account)
    (found,) = ok(await ADS.accounts(access))
    return access, found


async def test_ads_are_the_persons_and_not_the_pages(world: World) -> None:
    account = await world.account("facebook", posts=0)
    access, found = await ad_account(world, account)
    assert (found.currency, found.timezone) == ("EUR", "Europe/Berlin")
    assert isinstance(await ADS.accounts(replace(access, token_secret=None)), Rejected)


async def test_campaigns_groups_and_ads(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    pages = {level: ok(await ADS.objects(access, owner, level, None)).items for level in AdLevel}
    assert [len(pages[level]) for level in (AdLevel.CAMPAIGN, AdLevel.GROUP, AdLevel.AD)] == [2, 4, 8]
    campaigns = {c.external_id: c for c in pages[AdLevel.CAMPAIGN]}
    assert {c.daily_budget for c in campaigns.values()} == {Money(2500, "EUR")}
    assert {g.parent_id for g in pages[AdLevel.GROUP]} == set(campaigns)
    assert {a.parent_id for a in pages[AdLevel.AD]} == {g.external_id for g in pages[AdLevel.GROUP]}
    paused = next(c for c in campaigns.values() if c.status is AdStatus.PAUSED)
    group = next(g for g in pages[AdLevel.GROUP] if g.parent_id == paused.external_id)
    assert (group.status, group.native_status) == (AdStatus.ACTIVE, "CAMPAIGN_PAUSED")


WISH = NewAdCampaign("Summer", "rk-7f3a91", "OUTCOME_SALES", Money(1500, "EUR"))


async def test_a_campaign_is_created_paused_and_found_by_its_tag(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    assert ok(await ADS.find_campaign(access, owner, WISH)) is None
    made = ok(await ADS.create_campaign(access, owner, WISH))
    found = ok(await ADS.find_campaign(access, owner, WISH))
    assert found.external_id == made.external_id
    assert (found.status, found.daily_budget) == (AdStatus.PAUSED, Money(1500, "EUR"))
    for _ in range(2):
        ok(await ADS.set_budget(access, owner, AdLevel.CAMPAIGN, made.external_id, Money(3000, "EUR")))
        ok(await ADS.set_status(access, owner, AdLevel.CAMPAIGN, made.external_id, AdStatus.ACTIVE))
    found = ok(await ADS.find_campaign(access, owner, WISH))
    assert (found.status, found.daily_budget) == (AdStatus.ACTIVE, Money(3000, "EUR"))
    without = replace(WISH, tag="rk-other", daily_budget=None)
    assert ok(await ADS.create_campaign(access, owner, without)).daily_budget is None
    for refused in (
        ADS.create_campaign(access, owner, replace(WISH, daily_budget=Money(1, "USD"))),
        ADS.create_campaign(access, owner, replace(WISH, objective="FAME")),
        ADS.set_budget(access, owner, AdLevel.AD, made.external_id, Money(3000, "EUR")),
        ADS.set_status(access, owner, AdLevel.CAMPAIGN, made.external_id, AdStatus.UNKNOWN),
    ):
        assert isinstance(await refused, Rejected)


async def test_a_campaign_whose_answer_never_came_is_looked_for(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    fault = {"platform": "facebook", "path": "/campaigns", "kind": "half_body", "count": 1}
    await world.ask("POST", "/faults", {**fault, "kind": "status", "status": 500})
    assert isinstance(await ADS.create_campaign(access, owner, WISH), Unknown)
    assert ok(await ADS.find_campaign(access, owner, WISH)) is None


async def report(
    world: World, access: Access, owner: AdAccount, request: ReportRequest
) -> tuple[list[AdDay], int]:
    """All rows, and how many runs it took."""
    rows: list[AdDay] = []
    state, runs = ADS.report(request), set[str | None]()
    for _ in range(200):
        step = ok(await ADS.report_step(access, owner, state))
        rows += step.rows
        if step.state is None:
            return rows, len(runs)
        state = step.state
        runs |= {state.job_id} - {None}
        if state.wait_s:
            await world.ask("POST", "/clock", {"advance_s": state.wait_s / 4})
    raise AssertionError("the report never ended")


async def test_daily_numbers_by_a_report_run(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    until = datetime.now(UTC).date() - timedelta(days=1)
    since = until - timedelta(days=6)
    ads, runs = await report(world, access, owner, ReportRequest(AdLevel.AD, since, until))
    assert runs == 1
    assert len(ads) == len({(a.external_id, a.day) for a in ads}) == 8 * 7
    assert {a.day for a in ads} == {since + timedelta(days=n) for n in range(7)}
    campaigns, _ = await report(world, access, owner, ReportRequest(AdLevel.CAMPAIGN, since, until))
    for number in ("impressions", "clicks", "conversions"):
        assert sum(getattr(a, number) for a in ads) == sum(getattr(c, number) for c in campaigns)
    assert sum(a.spend.minor for a in ads) == sum(c.spend.minor for c in campaigns) > 0
    values = [a.conversion_value for a in ads if a.conversion_value]
    assert sum(v.minor for v in values) > 0
    again, _ = await report(world, access, owner, ReportRequest(AdLevel.AD, since, until))
    assert again == ads, "absolute values"


async def test_a_report_that_is_too_big_is_split(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    until = datetime.now(UTC).date() - timedelta(days=1)
    since = until - timedelta(days=120)
    rows, runs = await report(world, access, owner, ReportRequest(AdLevel.AD, since, until))
    assert runs > 2
    assert len(rows) == len({(r.external_id, r.day) for r in rows}) == 8 * 121


async def test_a_run_that_has_ended_is_asked_for_anew(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    day = datetime.now(UTC).date() - timedelta(days=1)
    state = replace(ADS.report(ReportRequest(AdLevel.AD, day, day)), job_id="600000000099999")
    step = ok(await ADS.report_step(access, owner, state))
    assert (step.rows, step.state.job_id) == ((), None)
    limit = {"platform": "facebook", "family": "ads_insights", "limit": 1, "window_s": 3600}
    await world.ask("PUT", "/limits", limit)
    await ADS.report_step(access, owner, step.state)
    limited = await ADS.report_step(access, owner, step.state)
    assert isinstance(limited, RetryAfter)
    assert (limited.rate_limited, limited.family) == (True, "marketing")


async def test_what_is_too_old_is_said_so(world: World) -> None:
    access, owner = await ad_account(world, await world.account("facebook", posts=0))
    state = ADS.report(ReportRequest(AdLevel.AD, date(2019, 1, 1), date(2019, 1, 2)))
    refused = await ADS.report_step(access, owner, state)
    assert isinstance(refused, Rejected)
    assert refused.code == "3018"


# -- catalogues ---------------------------------------------------------------------------------------
async def test_catalogues_products_and_batches(world: World) -> None:
    access = by_person(world, await world.account("facebook", posts=0))
    (catalog,) = ok(await SHOP.catalogs(access))
    page = ok(await SHOP.products(access, catalog.external_id, None))
    assert len(page.items) == catalog.product_count
    assert all(p.price and p.price.currency == "EUR" and p.title and p.external_id for p in page.items)
    new = Product(
        "sku-new",
        "Mug",
        Money(2490, "EUR"),
        sale_price=Money(1990, "EUR"),
        availability=Availability.IN_STOCK,
    )
    begun = ok(await SHOP.upsert(access, catalog.external_id, [new, replace(new, retailer_id="")]))
    assert (begun.done, begun.accepted) == (False, 1)
    assert [id_ for id_, _ in begun.errors] == [""]
    assert not ok(await SHOP.batch(access, catalog.external_id, begun.handle)).done
    await world.ask("POST", "/clock", {"advance_s": 130})
    assert ok(await SHOP.batch(access, catalog.external_id, begun.handle)).done
    items = ok(await SHOP.products(access, catalog.external_id, None)).items
    (found,) = [p for p in items if p.retailer_id == "sku-new"]
    assert (found.price, found.sale_price, found.title) == (new.price, new.sale_price, "Mug")
    again = ok(await SHOP.upsert(access, catalog.external_id, [new]))
    assert again.accepted == 1
    assert len(ok(await SHOP.products(access, catalog.external_id, None)).items) == len(items)
    nothing = ok(await SHOP.upsert(access, catalog.external_id, [replace(new, retailer_id="")]))
    assert (nothing.done, nothing.accepted) == (True, 0)


async def test_orders_are_gone(world: World) -> None:
    access = access_of(world, await world.account("facebook", posts=0))
    outcome = await SHOP.orders(access, datetime.now(UTC), None)
    assert isinstance(outcome, Rejected)
    assert "27 October 2026" in SHOP.missing["orders"]
    assert not isinstance(await SHOP.catalogs(access), Ok), "a page has no catalogues of its own"


@pytest.mark.parametrize(
    ("number", "currency", "minor"), [(2500, "EUR", 2500), (2500, "JPY", 2500), (2500, "HUF", 250_000)]
)
def test_budgets_in_facebooks_units(number: int, currency: str, minor: int) -> None:
    money = from_budget(number, currency)
    assert money == Money(minor, currency)
    assert to_budget(money) == number
    assert to_budget(Money(250_050, "HUF")) is None
    assert from_budget(2**60, "EUR") is None


def test_prices_in_words() -> None:
    assert from_words("€24.90", "EUR") == from_words("24,90 €", "EUR") == Money(2490, "EUR")
    assert from_words("¥1,200", "JPY") == Money(1200, "JPY")
    assert from_words("9.99 USD", "USD") == Money(999, "USD")
    assert from_words("free", "EUR") is from_words(None, "EUR") is from_words("1", "euro") is None
    assert (to_words(Money(999, "USD")), to_words(Money(1200, "JPY"))) == ("9.99 USD", "1200 JPY")
