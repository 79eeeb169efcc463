"""Ad sets and ads made at Facebook: once, paused, of what is published, and by Facebook's rules."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    Promoted,
    ReportRequest,
)
from domain.content import ContentKind
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.facebook.ads import FacebookAds
from platforms.http import Answer
from platforms.outcome import Rejected, Unknown
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import Answers, World, answer, ok
from tests.unit.platforms.test_facebook_contract import edges, fields
from tests.unit.platforms.test_facebook_contract import pytestmark as with_specs

ADS = FacebookAds()
EUR = Money(1500, "EUR")
LATER = datetime(2027, 5, 1, 9, tzinfo=UTC)


async def opened(world: World, posts: int = 0) -> tuple[dict[str, Any], Access, AdAccount]:
    account = await world.account("facebook", posts=posts)
    access = replace(access_of(world, account), token_secret=Secret(account["refresh_token"]))
    (owner,) = ok(await ADS.accounts(access))
    return account, access, owner


async def campaign_in(
    access: Access, owner: AdAccount, objective: str = "OUTCOME_TRAFFIC", budget: Money | None = None
) -> AdObject:
    wish = NewAdCampaign("Summer", f"rk-{objective}", objective, budget)
    made: AdObject = ok(await ADS.create_campaign(access, owner, wish))
    return made


def group_of(campaign: AdObject, **changes: Any) -> NewAdGroup:
    wish = NewAdGroup(
        "Germany",
        "rk-group",
        campaign.external_id,
        campaign.objective,
        campaign.daily_budget is not None,
        "LINK_CLICKS",
        ("DE", "FR"),
        daily_budget=EUR,
    )
    return replace(wish, **changes)


async def shown(access: Access, owner: AdAccount, level: AdLevel, id_: str) -> AdObject:
    items: tuple[AdObject, ...] = ok(await ADS.objects(access, owner, level, None)).items
    return next(item for item in items if item.external_id == id_)


async def test_an_ad_set_is_made_paused_as_it_was_asked_for(world: World) -> None:
    _, access, owner = await opened(world)
    wish = group_of(await campaign_in(access, owner), starts_at=LATER, ends_at=LATER + timedelta(days=7))
    assert ok(await ADS.find_group(access, owner, wish)) is None
    made = ok(await ADS.create_group(access, owner, wish))
    found = ok(await ADS.find_group(access, owner, wish))
    for ad_set in (made, found, await shown(access, owner, AdLevel.GROUP, made.external_id)):
        assert (ad_set.level, ad_set.status) == (AdLevel.GROUP, AdStatus.PAUSED)
        assert (ad_set.parent_id, ad_set.name) == (wish.campaign_id, "Germany [rk-group]")
        assert (ad_set.daily_budget, ad_set.lifetime_budget) == (EUR, None)
        assert (ad_set.starts_at, ad_set.ends_at) == (wish.starts_at, wish.ends_at)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=EUR)
    assert ok(await ADS.create_group(access, owner, whole)).lifetime_budget == EUR
    shared = await campaign_in(access, owner, "OUTCOME_SALES", EUR)
    without = group_of(shared, tag="rk-shared", daily_budget=None)
    assert ok(await ADS.create_group(access, owner, without)).daily_budget is None


async def test_goals_that_need_an_object_are_given_it(world: World) -> None:
    account, access, owner = await opened(world)
    engagement = await campaign_in(access, owner, "OUTCOME_ENGAGEMENT")
    likes = ok(await ADS.create_group(access, owner, group_of(engagement, goal="PAGE_LIKES")))
    sales = await campaign_in(access, owner, "OUTCOME_SALES")
    pixel = {"pixel_id": "77", "custom_event_type": "PURCHASE", "dsa_payor": "Kiln & Co"}
    wish = group_of(sales, tag="rk-sold", goal="OFFSITE_CONVERSIONS", settings=pixel)
    sold = ok(await ADS.create_group(access, owner, wish))
    objects = []
    for made in (likes, sold):
        told = await world.control.get(
            f"/graph.facebook.com/{made.external_id}",
            params={"fields": "promoted_object,dsa_payor", "access_token": account["refresh_token"]},
        )
        objects.append(told.json())
    assert objects[0]["promoted_object"] == {"page_id": account["external_id"]}
    assert objects[1]["promoted_object"] == {"pixel_id": "77", "custom_event_type": "PURCHASE"}
    assert objects[1]["dsa_payor"] == "Kiln & Co"


async def test_an_ad_shows_a_post_of_the_page(world: World) -> None:
    account, access, owner = await opened(world, posts=6)
    group = ok(await ADS.create_group(access, owner, group_of(await campaign_in(access, owner))))
    post = next(row["id"] for row in await world.content(account) if row["kind"] != "story")
    content = Promoted("facebook", account["external_id"], post, ContentKind.POST)
    wish = NewAd("Blue bowl", "rk-ad", group.external_id, content)
    made = ok(await ADS.create_ad(access, owner, wish))
    assert (made.level, made.parent_id, made.status) == (AdLevel.AD, group.external_id, AdStatus.PAUSED)
    assert ok(await ADS.find_ad(access, owner, wish)).external_id == made.external_id
    asked = {"fields": "creative", "access_token": account["refresh_token"]}
    told = await world.control.get(f"/graph.facebook.com/{made.external_id}", params=asked)
    creative = told.json()["creative"]["id"]
    told = await world.control.get(
        f"/graph.facebook.com/{creative}", params=asked | {"fields": "object_story_id"}
    )
    assert told.json()["object_story_id"] == post
    button = {"call_to_action": "SHOP_NOW", "link": "https://shop.example/bowl"}
    ok(await ADS.create_ad(access, owner, replace(wish, tag="rk-button", settings=button)))
    nowhere = replace(wish, tag="rk-nowhere", settings=button | {"link": "shop"})
    assert isinstance(await ADS.create_ad(access, owner, nowhere), Rejected)
    ok(await ADS.set_status(access, owner, AdLevel.AD, made.external_id, AdStatus.ACTIVE))
    found = await shown(access, owner, AdLevel.AD, made.external_id)
    assert (found.status, found.native_status) == (AdStatus.ACTIVE, "CAMPAIGN_PAUSED")


async def test_an_ad_shows_media_of_the_linked_instagram_account(world: World) -> None:
    account, access, owner = await opened(world)
    wish = {"platform": "instagram", "seed": "beside", "posts": 3, "username": account["username"]}
    instagram = await world.ask("POST", "/accounts", wish)
    group = ok(await ADS.create_group(access, owner, group_of(await campaign_in(access, owner))))
    media = (await world.content(instagram))[0]["id"]
    content = Promoted("instagram", instagram["external_id"], media, ContentKind.PHOTO)
    ok(await ADS.create_ad(access, owner, NewAd("Blue bowl", "rk-ad", group.external_id, content)))
    stranger = await world.account("instagram", posts=1, seed="stranger")
    theirs = Promoted(
        "instagram", stranger["external_id"], (await world.content(stranger))[0]["id"], ContentKind.PHOTO
    )
    refused = await ADS.create_ad(access, owner, NewAd("x", "rk-2", group.external_id, theirs))
    assert isinstance(refused, Rejected) and refused.code == "100"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for(world: World, made: bool) -> None:
    """Before or after Facebook acted: what is there is found, and what is not there is not."""
    account, access, owner = await opened(world, posts=4)
    campaign = await campaign_in(access, owner)
    group, post = group_of(campaign), (await world.content(account))[0]["id"]
    under = ok(await ADS.create_group(access, owner, group_of(campaign, tag="rk-under"))).external_id
    ad = NewAd("x", "rk-ad", under, Promoted("facebook", account["external_id"], post, ContentKind.POST))

    async def lost(path: str) -> None:
        how = {"kind": "half_body"} if made else {"kind": "status", "status": 500}
        await world.ask("POST", "/faults", {"platform": "facebook", "path": path, "count": 1, **how})

    await lost("/adsets")
    assert isinstance(await unheard(ADS.create_group(access, owner, group)), Unknown)
    assert (ok(await ADS.find_group(access, owner, group)) is not None) == made
    await lost("/ads$")
    assert isinstance(await unheard(ADS.create_ad(access, owner, ad)), Unknown)
    assert (ok(await ADS.find_ad(access, owner, ad)) is not None) == made


async def unheard(call: Any) -> Any:
    try:
        return await call
    except ConnectionResetError:  # in process there is no connection to cut
        return Unknown("cut")


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
    campaign = AdObject(AdLevel.CAMPAIGN, "1", None, "n", AdStatus.PAUSED, "PAUSED", b"{}")
    http = Answers()
    access = Access(http, None, Secret("t"), "104")  # type: ignore[arg-type]
    owner = AdAccount("3", "n", "EUR", None)
    refused = await ADS.create_group(access, owner, group_of(campaign, **changes))
    assert isinstance(refused, Rejected) and refused.code == code and refused.message.endswith(".")
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
    http = Answers()
    access = Access(http, None, Secret("t"), "104")  # type: ignore[arg-type]
    owner = AdAccount("3", "n", "EUR", None)
    for wish in (NewAd("n", "t", "1", content), NewAd("n", "t", "1", content, {"x": "y"})):
        assert isinstance(await ADS.create_ad(access, owner, wish), Rejected)
    assert http.asked == []


async def test_a_button_leads_somewhere() -> None:
    http = Answers()
    access = Access(http, None, Secret("t"), "104")  # type: ignore[arg-type]
    content = Promoted("facebook", "104", "104_7", ContentKind.POST)
    wish = NewAd("n", "t", "1", content, {"call_to_action": "SHOP_NOW"})
    refused = await ADS.create_ad(access, AdAccount("3", "n", "EUR", None), wish)
    assert isinstance(refused, Rejected) and "needs the setting link" in refused.message
    assert http.asked == []


async def test_what_facebook_refuses_is_refused(world: World) -> None:
    """The sandbox checks as Facebook does, what the adapter leaves to it as well."""
    _, access, owner = await opened(world)
    campaign = await campaign_in(access, owner)
    for changes in (
        {"goal": "APP_INSTALLS"},
        {"countries": ("Germany",)},
        {"daily_budget": Money(50, "EUR")},
        {"daily_budget": None, "lifetime_budget": EUR},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"campaign_id": "120290000000099"},
        {"campaign_has_budget": True, "daily_budget": None},
    ):
        refused = await ADS.create_group(access, owner, group_of(campaign, **changes))
        assert isinstance(refused, Rejected) and refused.code == "100", changes
    gone = Promoted("facebook", access.external_id, f"{access.external_id}_1", ContentKind.POST)
    group = ok(await ADS.create_group(access, owner, group_of(campaign)))
    for ad, code in (
        (NewAd("n", "t", group.external_id, gone), "100"),
        (NewAd("n", "t", "120290000000099", gone), "100"),
    ):
        refused = await ADS.create_ad(access, owner, ad)
        assert isinstance(refused, Rejected) and refused.code == code


async def test_what_nobody_was_shown_has_no_numbers(world: World) -> None:
    account, access, owner = await opened(world, posts=3)
    group = ok(await ADS.create_group(access, owner, group_of(await campaign_in(access, owner))))
    post = (await world.content(account))[0]["id"]
    content = Promoted("facebook", account["external_id"], post, ContentKind.POST)
    ad = ok(await ADS.create_ad(access, owner, NewAd("x", "t", group.external_id, content)))
    day = datetime.now(UTC).date() - timedelta(days=2)
    state = ADS.report(ReportRequest(AdLevel.AD, day, day))
    rows = []
    while state is not None:
        step = ok(await ADS.report_step(access, owner, state))
        rows += step.rows
        state = step.state
        await world.ask("POST", "/clock", {"advance_s": 5})
    assert len(rows) == 8 and ad.external_id not in {row.external_id for row in rows}


class TestContract:
    """Meta's node specs as the judge of what is sent."""

    pytestmark = with_specs

    async def test_every_parameter_exists(self) -> None:
        known, campaign = (
            edges("AdAccount", "POST"),
            AdObject(AdLevel.CAMPAIGN, "1", None, "n", AdStatus.PAUSED, "PAUSED", b"{}", "OUTCOME_SALES"),
        )
        told: list[Answer] = [answer(200, {"id": str(n)}) for n in range(1, 5)]
        http = Answers(*told)
        access = Access(http, None, Secret("t"), "104")  # type: ignore[arg-type]
        owner = AdAccount("3", "n", "EUR", None)
        pixel = {"pixel_id": "7", "custom_event_type": "PURCHASE", "dsa_beneficiary": "A", "dsa_payor": "A"}
        wish = group_of(campaign, goal="VALUE", settings=pixel, starts_at=LATER, ends_at=LATER)
        ok(await ADS.create_group(access, owner, wish))
        ok(await ADS.create_group(access, owner, replace(wish, daily_budget=None, lifetime_budget=EUR)))
        for content in (
            Promoted("facebook", "104", "104_7", ContentKind.POST),
            Promoted("instagram", "17", "18", ContentKind.PHOTO),
        ):
            button = {"call_to_action": "SHOP_NOW", "link": "https://shop.example/bowl"}
            ok(await ADS.create_ad(access, owner, NewAd("n", "t", "1", content, button)))
        for call in http.asked:
            edge = call.url.rpartition("/")[2]
            assert set(call.form or {}) <= known[edge], edge
            creative = json.loads(str((call.form or {}).get("creative", "{}")))
            assert set(creative) <= known["adcreatives"]

    async def test_what_the_sandbox_shows_are_fields_of_the_nodes(self, world: World) -> None:
        account, access, owner = await opened(world, posts=3)
        group = ok(await ADS.create_group(access, owner, group_of(await campaign_in(access, owner))))
        post = (await world.content(account))[0]["id"]
        content = Promoted("facebook", account["external_id"], post, ContentKind.POST)
        ad = ok(await ADS.create_ad(access, owner, NewAd("x", "t", group.external_id, content)))
        for node, made in (("AdSet", group), ("Ad", ad)):
            told = await world.control.get(
                f"/graph.facebook.com/{made.external_id}",
                params={"fields": ",".join(fields(node)), "access_token": account["refresh_token"]},
            )
            assert told.status_code == 200 and set(told.json()) <= fields(node)
