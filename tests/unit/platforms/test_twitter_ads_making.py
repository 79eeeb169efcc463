"""Ad groups and ads made at X: line items paused, their countries beside them, posts promoted below paused
ones alone; each once, and by X's rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import (
    AdLevel,
    AdObject,
    AdStatus,
    NewAd,
    NewAdGroup,
    Promoted,
    ReportRequest,
)
from domain.content import ContentKind
from domain.money import Money
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.twitter.ads import TwitterAds
from platforms.twitter.ads_api import call
from platforms.wire import Json, decode
from tests.unit.platforms import advertiser
from tests.unit.platforms.advertiser import LATER, Advertiser, unheard
from tests.unit.platforms.support import World, answer, ok
from tests.unit.platforms.test_twitter_ads import signed

ADS = TwitterAds()
OVER = LATER + timedelta(days=9)


async def opened(world: World, posts: int = 0) -> Advertiser:
    account = await world.account("twitter", posts=posts)
    return await advertiser.opened(ADS, signed(world, account), account)


def group_of(shop: Advertiser, campaign: AdObject, **changes: Any) -> NewAdGroup:
    wish = {"ends_at": OVER} | changes
    return advertiser.group_of(campaign, "LINK_CLICKS", ("DE", "FR"), shop.money(5050), **wish)


async def a_group(shop: Advertiser, **changes: Any) -> AdObject:
    return await shop.group(group_of(shop, await shop.campaign("WEBSITE_CLICKS"), **changes))


async def target(shop: Advertiser, wish: NewAdGroup, made: AdObject) -> Outcome[None]:
    return await ADS.target_group(shop.access, shop.owner, wish, made.external_id)


async def criteria(shop: Advertiser, group: AdObject) -> list[Json]:
    """As X shows them."""
    path = f"accounts/{shop.owner.external_id}/targeting_criteria"
    told = ok(await call(shop.access, "GET", path, {"line_item_ids": group.external_id}))
    rows: list[Json] = told["data"]
    return rows


async def own_post(world: World, shop: Advertiser, kind: str = "post") -> Promoted:
    row = next(row for row in await world.content(shop.told) if row["kind"] == kind)
    return Promoted("twitter", shop.told["external_id"], row["id"], ContentKind.POST)


# -- ad groups ----------------------------------------------------------------------------------------
async def test_an_ad_group_is_made_paused_as_it_was_asked_for(world: World) -> None:
    shop = await opened(world)
    wish = group_of(shop, await shop.campaign("WEBSITE_CLICKS"), starts_at=LATER)
    assert await shop.find(wish) is None
    made = await shop.group(wish)
    assert made == await shop.find(wish) == await shop.shown(AdLevel.GROUP, made.external_id)
    assert (made.level, made.status, made.parent_id) == (AdLevel.GROUP, AdStatus.PAUSED, wish.campaign_id)
    assert (made.name, made.objective) == ("Germany [rk-group]", "WEBSITE_CLICKS")
    assert (made.daily_budget, made.lifetime_budget) == (wish.daily_budget, None)
    assert (made.starts_at, made.ends_at) == (LATER, OVER)
    row = decode(made.payload)
    assert isinstance(row, dict) and (row["goal"], row["bid_strategy"]) == ("LINK_CLICKS", "AUTO")
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=shop.money(9000))
    assert (await shop.group(whole)).lifetime_budget == shop.money(9000)
    reach = await shop.campaign("REACH", shop.money(9000))
    shared = group_of(shop, reach, tag="rk-reach", goal="MAX_REACH", daily_budget=None)
    assert ((await shop.group(shared)).objective, shared.campaign_has_budget) == ("REACH", True)


async def test_one_that_has_no_beginning_begins_soon(world: World) -> None:
    made = await a_group(await opened(world))
    assert made.starts_at is not None
    assert timedelta(minutes=4) < made.starts_at - datetime.now(UTC) <= timedelta(minutes=5)


async def test_a_group_is_for_the_countries_asked_for_however_often_it_is_targeted(world: World) -> None:
    shop = await opened(world)
    wish = group_of(shop, await shop.campaign("WEBSITE_CLICKS"))
    made = await shop.group(wish)
    assert await criteria(shop, made) == []
    for _ in range(2):
        ok(await target(shop, wish, made))
    rows = await criteria(shop, made)
    assert [row["name"] for row in rows] == ["Germany", "France"]
    assert {(row["targeting_type"], row["operator_type"]) for row in rows} == {("LOCATION", "EQ")}
    more = replace(wish, countries=("FR", "JP", "DE"))
    ok(await target(shop, more, made))
    assert [row["name"] for row in await criteria(shop, made)] == ["Germany", "France", "Japan"]


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_countries_whose_answer_never_came_are_not_made_twice(world: World, made: bool) -> None:
    shop = await opened(world)
    wish = group_of(shop, await shop.campaign("WEBSITE_CLICKS"))
    group = await shop.group(wish)
    how = {"kind": "half_body"} if made else {"kind": "status", "status": 500}
    fault = {"platform": "twitter", "path": "batch/.*/targeting_criteria$", "count": 1, **how}
    await world.ask("POST", "/faults", fault)
    assert isinstance(await unheard(target(shop, wish, group)), RetryAfter | Unknown)
    assert len(await criteria(shop, group)) == (2 if made else 0)
    ok(await target(shop, wish, group))
    assert len(await criteria(shop, group)) == 2


async def test_a_batch_that_does_not_name_all_of_them_is_looked_at_again() -> None:
    shop, http = advertiser.answered(ADS, places(), answer(200, {"data": []}), answer(201, {"data": []}))
    campaign = advertiser.campaign_of(None)
    outcome = await ADS.target_group(shop.access, shop.owner, group_of(shop, campaign), "g1")
    assert isinstance(outcome, RetryAfter) and outcome.reason == "not_confirmed"
    batch = http.asked[-1]
    assert batch.url.endswith("/batch/accounts/3/targeting_criteria") and not batch.query
    body: Any = batch.json
    assert [(i["operation_type"], i["params"]["targeting_value"]) for i in body] == [
        ("Create", "place-DE"),
        ("Create", "place-FR"),
    ]


async def test_what_is_wrong_with_an_item_of_a_batch_is_told() -> None:
    errors = {"operation_errors": [[], [{"code": "TARGETING_CRITERION_NOT_FOUND", "message": "m"}], None]}
    shop, _ = advertiser.answered(ADS, places(), answer(200, {"data": []}), answer(400, errors))
    campaign = advertiser.campaign_of(None)
    outcome = await ADS.target_group(shop.access, shop.owner, group_of(shop, campaign), "g1")
    assert isinstance(outcome, Rejected) and "(TARGETING_CRITERION_NOT_FOUND)" in outcome.message


def places() -> Any:
    rows = [
        {"country_code": c, "targeting_value": f"place-{c}", "location_type": "COUNTRIES"}
        for c in ("DE", "FR")
    ]
    cities = [{"country_code": "DE", "targeting_value": "place-Berlin", "location_type": "CITIES"}]
    return answer(200, {"data": [*rows, *cities]})


async def test_a_daily_budget_of_an_ad_group_is_changed(world: World) -> None:
    shop = await opened(world)
    made = await a_group(shop)
    for _ in range(2):
        ok(await ADS.set_budget(shop.access, shop.owner, AdLevel.GROUP, made.external_id, shop.money(900)))
    assert (await shop.shown(AdLevel.GROUP, made.external_id)).daily_budget == shop.money(900)


# -- ads ----------------------------------------------------------------------------------------------
async def test_an_ad_is_a_post_that_a_paused_group_promotes(world: World) -> None:
    shop = await opened(world, posts=12)
    group = await a_group(shop)
    post = await own_post(world, shop)
    wish = NewAd("Bowl", "rk-ad", group.external_id, post)
    assert await shop.find(wish) is None
    made = await shop.ad(wish)
    assert made == await shop.find(wish) == await shop.shown(AdLevel.AD, made.external_id)
    assert (made.level, made.parent_id, made.name) == (AdLevel.AD, group.external_id, post.external_id)
    assert made.status is AdStatus.ACTIVE, "X knows no other; its group is paused"
    again = await shop.refused(replace(wish, tag="rk-again"))
    assert "DUPLICATE_PROMOTABLE_ENTITY" in again.message
    beside = await a_group(shop, tag="rk-beside")
    await shop.ad(replace(wish, group_id=beside.external_id))


async def test_nothing_is_promoted_where_it_would_be_shown_at_once(world: World) -> None:
    shop = await opened(world, posts=12)
    group = await a_group(shop)
    wish = NewAd("Bowl", "rk-ad", group.external_id, await own_post(world, shop))

    async def become(status: AdStatus) -> None:
        ok(await ADS.set_status(shop.access, shop.owner, AdLevel.GROUP, group.external_id, status))

    await become(AdStatus.ACTIVE)
    refused = await shop.refused(wish)
    assert refused.code == "group_runs" and "pause the ad group first" in refused.message
    assert await shop.find(wish) is None
    await become(AdStatus.PAUSED)
    await shop.ad(wish)


async def test_only_what_the_ad_accounts_own_user_posted_is_promoted(world: World) -> None:
    shop = await opened(world, posts=12)
    stranger = await world.account("twitter", posts=3, seed="stranger")
    group = await a_group(shop)
    theirs = await own_post(world, replace(shop, told=stranger))
    for content in (theirs, replace(theirs, platform="facebook")):
        refused = await shop.refused(NewAd("x", "t", group.external_id, content))
        assert refused.code == "content" and "the ad account is of" in refused.message
    # As if it were the account's own: X looks itself.
    forged = replace(theirs, owner_id=shop.told["external_id"])
    refused = await shop.refused(NewAd("x", "t", group.external_id, forged))
    assert "TWEET_NOT_FOUND" in refused.message
    settings = NewAd("x", "t", group.external_id, await own_post(world, shop), {"link": "x"})
    assert (await shop.refused(settings)).code == "setting"


async def test_whoever_manages_the_ad_account_promotes_its_owners_posts(world: World) -> None:
    """The tokens may be a colleague's: whose posts are promoted is the ad account's word."""
    shop = await opened(world, posts=12)
    group = await a_group(shop)
    colleague = replace(shop, access=replace(shop.access, external_id="42"))
    await colleague.ad(NewAd("x", "t", group.external_id, await own_post(world, shop)))


async def test_what_nobody_was_shown_has_no_numbers(world: World) -> None:
    shop = await opened(world, posts=12)
    group = await a_group(shop)
    ad = await shop.ad(NewAd("x", "t", group.external_id, await own_post(world, shop)))
    day = datetime.now(UTC).date() - timedelta(days=2)
    for level, made in ((AdLevel.GROUP, group), (AdLevel.AD, ad)):
        state, rows = ADS.report(ReportRequest(level, day, day)), []
        while state is not None:
            step = ok(await ADS.report_step(shop.access, shop.owner, state))
            rows += step.rows
            state = step.state
            await world.ask("POST", "/clock", {"advance_s": 5})
        assert rows and made.external_id not in {row.external_id for row in rows}


# -- what goes wrong ----------------------------------------------------------------------------------
@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for(world: World, made: bool) -> None:
    shop = await opened(world, posts=12)
    campaign = await shop.campaign("WEBSITE_CLICKS")
    under = await shop.group(group_of(shop, campaign, tag="rk-under"))
    ad = NewAd("x", "rk-ad", under.external_id, await own_post(world, shop))
    group = group_of(shop, campaign)
    await advertiser.answers_are_lost(world, shop, {"/line_items$": group, "/promoted_tweets$": ad}, made)


async def test_looking_up_what_is_needed_may_fail_without_a_doubt(world: World) -> None:
    """Nothing was sent that makes anything: it is asked again."""
    shop = await opened(world, posts=12)
    campaign = await shop.campaign("WEBSITE_CLICKS")
    under = await shop.group(group_of(shop, campaign, tag="rk-under"))
    ad = NewAd("x", "t", under.external_id, await own_post(world, shop))
    for path, wish in (
        ("/locations$", group_of(shop, campaign)),
        (f"/line_items/{under.external_id}$", ad),
        ("/promotable_users$", ad),
    ):
        fault = {"platform": "twitter", "path": path, "kind": "status", "status": 500, "count": 1}
        await world.ask("POST", "/faults", fault)
        assert isinstance(await shop.create(wish), RetryAfter), path
        assert await shop.find(wish) is None


RULES: list[tuple[str, dict[str, Any]]] = [
    ("currency", {"daily_budget": Money(1500, "CHF")}),
    ("budget", {"daily_budget": None}),
    ("span", {"ends_at": None}),
    ("goal", {"goal": "FOLLOWERS"}),
    ("setting", {"settings": {"gender": "1"}}),
    ("setting", {"goal": "WEBSITE_CONVERSIONS"}),
]


@pytest.mark.parametrize(("code", "changes"), RULES)
async def test_what_breaks_a_rule_is_not_sent(code: str, changes: dict[str, Any]) -> None:
    shop, http = advertiser.answered(ADS)
    wish = group_of(shop, advertiser.campaign_of(None), **changes)
    assert (await shop.refused(wish)).code == code
    assert http.asked == []


async def test_what_x_refuses_is_refused(world: World) -> None:
    """The sandbox checks as X does, what the adapter leaves to it as well."""
    shop = await opened(world, posts=12)
    small = await shop.campaign("WEBSITE_CLICKS")
    await shop.group(group_of(shop, small))
    for problem, changes in (
        ("CAMPAIGN_NOT_FOUND", {"campaign_id": "nowhere"}),
        ("INVALID_TIME_WINDOW", {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("INVALID_PARAMETER", {"goal": "MAX_REACH"}),  # the campaign has one for clicks already
    ):
        refused = await shop.refused(group_of(shop, small, tag="rk-x", **changes))
        assert f"({problem})" in refused.message, refused
    nowhere = await shop.refused(group_of(shop, small, tag="rk-x", countries=("DE", "KP")))
    assert nowhere.message == "X shows ads nowhere in KP."
    films = await shop.campaign("VIDEO_VIEWS")
    group = await shop.group(group_of(shop, films, goal="VIDEO_VIEW"))
    without = next(r for r in await world.content(shop.told) if r["kind"] == "post" and not r["media"])
    text = Promoted("twitter", shop.told["external_id"], without["id"], ContentKind.POST)
    assert "(INVALID_TWEET)" in (await shop.refused(NewAd("x", "t", group.external_id, text))).message
    assert "(LINE_ITEM_NOT_FOUND)" in (await shop.refused(NewAd("x", "t", "nowhere", text))).message


async def test_an_answer_without_an_object_leaves_it_in_doubt() -> None:
    post = Promoted("twitter", "1", "7", ContentKind.POST)
    paused = answer(200, {"data": {"id": "g1", "entity_status": "PAUSED"}})
    users = answer(200, {"data": [{"user_id": "1", "promotable_user_type": "FULL"}]})
    bodies: list[dict[str, Any]] = [{}, {"data": []}, {"data": [7]}, {"data": [{"tweet_id": "7"}]}]
    for body in bodies:
        shop, _ = advertiser.answered(ADS, paused, users, answer(201, body))
        assert isinstance(await shop.create(NewAd("n", "t", "g1", post)), Unknown)
        shop, _ = advertiser.answered(ADS, places(), answer(201, body))
        wish = group_of(shop, advertiser.campaign_of(None))
        assert isinstance(await shop.create(wish), Unknown)


async def test_a_group_whose_state_x_does_not_tell_is_not_taken_for_a_paused_one() -> None:
    post = Promoted("twitter", "1", "7", ContentKind.POST)
    for row in ({}, {"id": "g1"}, {"id": "g1", "entity_status": "PAUSED", "deleted": True}):
        shop, http = advertiser.answered(ADS, answer(200, {"data": row}))
        assert (await shop.refused(NewAd("n", "t", "g1", post))).code == "group_runs"
        assert [asked.method for asked in http.asked] == ["GET"]
    retweets = answer(200, {"data": [{"user_id": "1", "promotable_user_type": "RETWEETS_ONLY"}]})
    paused = answer(200, {"data": {"id": "g1", "entity_status": "PAUSED"}})
    shop, http = advertiser.answered(ADS, paused, retweets)
    assert (await shop.refused(NewAd("n", "t", "g1", post))).code == "content"


async def test_a_line_item_is_found_on_whatever_page_it_is() -> None:
    pages = [
        answer(200, {"data": [{"id": "g1", "name": "Other [rk-other]"}], "next_cursor": "c1"}),
        answer(200, {"data": [{"id": "g2", "name": "Germany [rk-group]"}], "next_cursor": None}),
    ]
    shop, http = advertiser.answered(ADS, *pages)
    found = await ADS.find_group(shop.access, shop.owner, group_of(shop, advertiser.campaign_of(None)))
    assert isinstance(found, Ok) and found.value is not None and found.value.external_id == "g2"
    assert [asked.query.get("cursor") for asked in http.asked] == [None, "c1"]
    assert {asked.query["campaign_ids"] for asked in http.asked} == {"1"}
