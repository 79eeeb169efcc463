"""Ad sets and ads made at Facebook: once, paused, of what is published, and by Facebook's rules."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import AdLevel, AdObject, AdStatus, NewAd, NewAdGroup, Promoted, ReportRequest
from domain.content import ContentKind
from domain.money import Money
from domain.secrets import Secret
from platforms.facebook.ads import FacebookAds
from tests.unit.platforms import advertiser
from tests.unit.platforms.advertiser import LATER, Advertiser, first_post
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import World, answer, ok
from tests.unit.platforms.test_facebook_contract import edges, fields
from tests.unit.platforms.test_facebook_contract import pytestmark as with_specs

ADS = FacebookAds()
EUR = Money(1500, "EUR")


async def opened(world: World, posts: int = 0) -> Advertiser:
    account = await world.account("facebook", posts=posts)
    access = replace(access_of(world, account), token_secret=Secret(account["refresh_token"]))
    return await advertiser.opened(ADS, access, account)


def group_of(campaign: AdObject, **changes: Any) -> NewAdGroup:
    return advertiser.group_of(campaign, "LINK_CLICKS", ("DE", "FR"), EUR, **changes)


async def test_an_ad_set_is_made_paused_as_it_was_asked_for(world: World) -> None:
    shop = await opened(world)
    wish = group_of(
        await shop.campaign("OUTCOME_TRAFFIC"), starts_at=LATER, ends_at=LATER + timedelta(days=7)
    )
    assert await shop.find(wish) is None
    made = await shop.group(wish)
    found = await shop.find(wish)
    assert found is not None
    for ad_set in (made, found, await shop.shown(AdLevel.GROUP, made.external_id)):
        assert (ad_set.level, ad_set.status) == (AdLevel.GROUP, AdStatus.PAUSED)
        assert (ad_set.parent_id, ad_set.name) == (wish.campaign_id, "Germany [rk-group]")
        assert (ad_set.daily_budget, ad_set.lifetime_budget) == (EUR, None)
        assert (ad_set.starts_at, ad_set.ends_at) == (wish.starts_at, wish.ends_at)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=EUR)
    assert (await shop.group(whole)).lifetime_budget == EUR
    shared = await shop.campaign("OUTCOME_SALES", EUR)
    without = group_of(shared, tag="rk-shared", daily_budget=None)
    assert (await shop.group(without)).daily_budget is None


async def test_goals_that_need_an_object_are_given_it(world: World) -> None:
    shop = await opened(world)
    engagement = await shop.campaign("OUTCOME_ENGAGEMENT")
    likes = await shop.group(group_of(engagement, goal="PAGE_LIKES"))
    sales = await shop.campaign("OUTCOME_SALES")
    pixel = {"pixel_id": "77", "custom_event_type": "PURCHASE", "dsa_payor": "Kiln & Co"}
    wish = group_of(sales, tag="rk-sold", goal="OFFSITE_CONVERSIONS", settings=pixel)
    sold = await shop.group(wish)
    objects = []
    for made in (likes, sold):
        told = await world.control.get(
            f"/graph.facebook.com/{made.external_id}",
            params={"fields": "promoted_object,dsa_payor", "access_token": shop.told["refresh_token"]},
        )
        objects.append(told.json())
    assert objects[0]["promoted_object"] == {"page_id": shop.told["external_id"]}
    assert objects[1]["promoted_object"] == {"pixel_id": "77", "custom_event_type": "PURCHASE"}
    assert objects[1]["dsa_payor"] == "Kiln & Co"


async def test_an_ad_shows_a_post_of_the_page(world: World) -> None:
    shop = await opened(world, posts=6)
    group = await shop.group(group_of(await shop.campaign("OUTCOME_TRAFFIC")))
    post = next(row["id"] for row in await world.content(shop.told) if row["kind"] != "story")
    content = Promoted("facebook", shop.told["external_id"], post, ContentKind.POST)
    wish = NewAd("Blue bowl", "rk-ad", group.external_id, content)
    made = await shop.ad(wish)
    assert (made.level, made.parent_id, made.status) == (AdLevel.AD, group.external_id, AdStatus.PAUSED)
    found = await shop.find(wish)
    assert found is not None and found.external_id == made.external_id
    asked = {"fields": "creative", "access_token": shop.told["refresh_token"]}
    told = await world.control.get(f"/graph.facebook.com/{made.external_id}", params=asked)
    creative = told.json()["creative"]["id"]
    told = await world.control.get(
        f"/graph.facebook.com/{creative}", params=asked | {"fields": "object_story_id"}
    )
    assert told.json()["object_story_id"] == post
    button = {"call_to_action": "SHOP_NOW", "link": "https://shop.example/bowl"}
    await shop.ad(replace(wish, tag="rk-button", settings=button))
    nowhere = replace(wish, tag="rk-nowhere", settings=button | {"link": "shop"})
    await shop.refused(nowhere)
    ok(await ADS.set_status(shop.access, shop.owner, AdLevel.AD, made.external_id, AdStatus.ACTIVE))
    found = await shop.shown(AdLevel.AD, made.external_id)
    assert (found.status, found.native_status) == (AdStatus.ACTIVE, "CAMPAIGN_PAUSED")


async def test_an_ad_shows_media_of_the_linked_instagram_account(world: World) -> None:
    shop = await opened(world)
    wish = {"platform": "instagram", "seed": "beside", "posts": 3, "username": shop.told["username"]}
    instagram = await world.ask("POST", "/accounts", wish)
    group = await shop.group(group_of(await shop.campaign("OUTCOME_TRAFFIC")))
    content = await first_post(world, instagram, ContentKind.PHOTO)
    await shop.ad(NewAd("Blue bowl", "rk-ad", group.external_id, content))
    stranger = await world.account("instagram", posts=1, seed="stranger")
    theirs = await first_post(world, stranger, ContentKind.PHOTO)
    refused = await shop.refused(NewAd("x", "rk-2", group.external_id, theirs))
    assert refused.code == "100"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for(world: World, made: bool) -> None:
    shop = await opened(world, posts=4)
    campaign = await shop.campaign("OUTCOME_TRAFFIC")
    under = await shop.group(group_of(campaign, tag="rk-under"))
    ad = NewAd("x", "rk-ad", under.external_id, await first_post(world, shop.told))
    await advertiser.answers_are_lost(world, shop, {"/adsets": group_of(campaign), "/ads$": ad}, made)


RULES: list[tuple[str, dict[str, Any]]] = [
    ("currency", {"daily_budget": Money(1500, "USD")}),
    ("budget", {"daily_budget": None}),
    ("budget", {"campaign_has_budget": True}),
    ("setting", {"settings": {"gender": "1"}}),
    ("setting", {"goal": "OFFSITE_CONVERSIONS"}),
    ("setting", {"goal": "VALUE", "settings": {"pixel_id": "1"}}),
]


@pytest.mark.parametrize(("code", "changes"), RULES)
async def test_what_breaks_a_rule_is_not_sent(code: str, changes: dict[str, Any]) -> None:
    shop, http = advertiser.answered(ADS)
    assert (await shop.refused(group_of(advertiser.campaign_of(None), **changes))).code == code
    assert http.asked == []


@pytest.mark.parametrize(
    "content",
    [
        Promoted("facebook", "105", "105_7", ContentKind.POST),  # another page's
        Promoted("facebook", "104", "7", ContentKind.STORY),  # a story has no post
        Promoted("tiktok", "104", "104_7", ContentKind.VIDEO),
    ],
)
async def test_what_cannot_be_promoted_is_not_sent(content: Promoted) -> None:
    shop, http = advertiser.answered(ADS, external_id="104")
    for wish in (NewAd("n", "t", "1", content), NewAd("n", "t", "1", content, {"x": "y"})):
        await shop.refused(wish)
    assert http.asked == []


async def test_a_button_leads_somewhere() -> None:
    shop, http = advertiser.answered(ADS, external_id="104")
    content = Promoted("facebook", "104", "104_7", ContentKind.POST)
    refused = await shop.refused(NewAd("n", "t", "1", content, {"call_to_action": "SHOP_NOW"}))
    assert "needs the setting link" in refused.message
    assert http.asked == []


async def test_what_facebook_refuses_is_refused(world: World) -> None:
    """The sandbox checks as Facebook does, what the adapter leaves to it as well."""
    shop = await opened(world)
    campaign = await shop.campaign("OUTCOME_TRAFFIC")
    for changes in (
        {"goal": "APP_INSTALLS"},
        {"countries": ("Germany",)},
        {"daily_budget": Money(50, "EUR")},
        {"daily_budget": None, "lifetime_budget": EUR},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"campaign_id": "120290000000099"},
        {"campaign_has_budget": True, "daily_budget": None},
    ):
        assert (await shop.refused(group_of(campaign, **changes))).code == "100", changes
    page = shop.told["external_id"]
    gone = Promoted("facebook", page, f"{page}_1", ContentKind.POST)
    group = await shop.group(group_of(campaign))
    for group_id in (group.external_id, "120290000000099"):
        assert (await shop.refused(NewAd("n", "t", group_id, gone))).code == "100"


async def test_what_nobody_was_shown_has_no_numbers(world: World) -> None:
    shop = await opened(world, posts=3)
    group = await shop.group(group_of(await shop.campaign("OUTCOME_TRAFFIC")))
    ad = await shop.ad(NewAd("x", "t", group.external_id, await first_post(world, shop.told)))
    day = datetime.now(UTC).date() - timedelta(days=2)
    state = ADS.report(ReportRequest(AdLevel.AD, day, day))
    rows = []
    while state is not None:
        step = ok(await ADS.report_step(shop.access, shop.owner, state))
        rows += step.rows
        state = step.state
        await world.ask("POST", "/clock", {"advance_s": 5})
    assert len(rows) == 8 and ad.external_id not in {row.external_id for row in rows}


class TestContract:
    """Meta's node specs as the judge of what is sent."""

    pytestmark = with_specs

    async def test_every_parameter_exists(self) -> None:
        known, campaign = edges("AdAccount", "POST"), advertiser.campaign_of("OUTCOME_SALES")
        told = [answer(200, {"id": str(n)}) for n in range(1, 5)]
        shop, http = advertiser.answered(ADS, *told, external_id="104")
        pixel = {"pixel_id": "7", "custom_event_type": "PURCHASE", "dsa_beneficiary": "A", "dsa_payor": "A"}
        wish = group_of(campaign, goal="VALUE", settings=pixel, starts_at=LATER, ends_at=LATER)
        await shop.group(wish)
        await shop.group(replace(wish, daily_budget=None, lifetime_budget=EUR))
        for content in (
            Promoted("facebook", "104", "104_7", ContentKind.POST),
            Promoted("instagram", "17", "18", ContentKind.PHOTO),
        ):
            button = {"call_to_action": "SHOP_NOW", "link": "https://shop.example/bowl"}
            await shop.ad(NewAd("n", "t", "1", content, button))
        for call in http.asked:
            edge = call.url.rpartition("/")[2]
            assert set(call.form or {}) <= known[edge], edge
            creative = json.loads(str((call.form or {}).get("creative", "{}")))
            assert set(creative) <= known["adcreatives"]

    async def test_what_the_sandbox_shows_are_fields_of_the_nodes(self, world: World) -> None:
        shop = await opened(world, posts=3)
        group = await shop.group(group_of(await shop.campaign("OUTCOME_TRAFFIC")))
        ad = await shop.ad(NewAd("x", "t", group.external_id, await first_post(world, shop.told)))
        for node, made in (("AdSet", group), ("Ad", ad)):
            told = await world.control.get(
                f"/graph.facebook.com/{made.external_id}",
                params={"fields": ",".join(fields(node)), "access_token": shop.told["refresh_token"]},
            )
            assert told.status_code == 200 and set(told.json()) <= fields(node)
