"""Ad groups and ads made at Pinterest: once, paused, of Pins, by Pinterest's rules and to its contract."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import AdLevel, AdObject, AdStatus, NewAd, NewAdCampaign, NewAdGroup, Promoted
from domain.content import ContentKind
from domain.money import Money
from platforms.http import Answer
from platforms.outcome import Rejected
from platforms.pinterest.adapter import Pinterest
from platforms.pinterest.ads import PinterestAds
from tests.unit.platforms import advertiser
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.advertiser import LATER, Advertiser
from tests.unit.platforms.support import World, list_all
from tests.unit.platforms.test_pinterest_ads import access_of

ADS = PinterestAds()


async def opened(world: World, posts: int = 0) -> Advertiser:
    account = await world.account("pinterest", posts=posts)
    return await advertiser.opened(ADS, access_of(world.http, account), account)


def group_of(shop: Advertiser, campaign: AdObject, **changes: Any) -> NewAdGroup:
    return advertiser.group_of(campaign, "CLICKTHROUGH", ("DE", "FR"), shop.money(5000), **changes)


async def pins(world: World, account: dict[str, Any]) -> dict[ContentKind, Promoted]:
    """The newest of each kind."""
    pages = await list_all(Pinterest(), world.http, account, "pins")
    me = account["external_id"]
    items = [item for page in pages for item in page.items]
    return {i.kind: Promoted("pinterest", me, i.external_id, i.kind) for i in reversed(items)}


async def test_an_ad_group_is_made_paused_as_it_was_asked_for(world: World) -> None:
    shop = await opened(world)
    wish = group_of(shop, await shop.campaign("CONSIDERATION"), starts_at=LATER)
    assert await shop.find(wish) is None
    made = await shop.group(wish)
    assert made == await shop.find(wish)
    assert (made.level, made.status, made.parent_id) == (AdLevel.GROUP, AdStatus.PAUSED, wish.campaign_id)
    assert (made.name, made.daily_budget) == ("Germany [rk-group]", wish.daily_budget)
    assert (made.starts_at, made.ends_at) == (LATER, None)
    money, end = shop.money(9000), LATER + timedelta(days=9)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=money, ends_at=end)
    group = await shop.group(whole)
    assert (group.lifetime_budget, group.ends_at) == (money, end)
    sales = await shop.campaign("WEB_CONVERSION")
    tag = {"conversion_tag_id": "77", "conversion_event": "CHECKOUT"}
    bought = group_of(shop, sales, tag="rk-sold", goal="IMPRESSION", settings=tag)
    await shop.group(bought)


async def test_a_campaigns_budget_is_shared_out_or_each_ad_group_has_its_own(world: World) -> None:
    shop = await opened(world)
    money = shop.money(9000)
    sharing, bare = await shop.campaign("AWARENESS", money), await shop.campaign("CONSIDERATION")
    assert (sharing.daily_budget, bare.daily_budget) == (money, None)
    without = group_of(shop, sharing, daily_budget=None)
    assert (await shop.group(without)).daily_budget is None
    own = await shop.refused(group_of(shop, sharing))
    assert own.code == "exception/1"
    lasting = NewAdCampaign("Summer", "t", "AWARENESS", lifetime_budget=money)
    refused = await ADS.create_campaign(shop.access, shop.owner, lasting)
    assert isinstance(refused, Rejected) and "needs an end" in refused.message


async def test_an_ad_shows_a_pin_of_each_kind(world: World) -> None:
    shop = await opened(world, posts=40)
    campaign = await shop.campaign("CONSIDERATION")
    group = await shop.group(group_of(shop, campaign))
    shown = await pins(world, shop.told)
    assert set(shown) >= {ContentKind.PIN, ContentKind.VIDEO, ContentKind.CAROUSEL}
    for kind, pin in shown.items():
        wish = NewAd("Bowl", f"rk-{kind}", group.external_id, pin)
        made = await shop.ad(wish)
        assert (made.status, made.parent_id) == (AdStatus.PAUSED, group.external_id)
        assert await shop.find(wish) == made
        wrong = replace(pin, kind=next(k for k in shown if k is not kind))
        refused = await shop.refused(NewAd("x", "rk-x", group.external_id, wrong))
        assert refused.code == "exception/1"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for(world: World, made: bool) -> None:
    shop = await opened(world, posts=3)
    campaign = await shop.campaign("CONSIDERATION")
    under = await shop.group(group_of(shop, campaign, tag="rk-under"))
    ad = NewAd("x", "rk-ad", under.external_id, next(iter((await pins(world, shop.told)).values())))
    group = group_of(shop, campaign)
    await advertiser.answers_are_lost(world, shop, {"/ad_groups$": group, "/ads$": ad}, made)


RULES: list[tuple[str, dict[str, Any]]] = [
    ("currency", {"daily_budget": Money(1500, "CHF")}),
    ("budget", {"daily_budget": None}),
    ("span", {"daily_budget": None, "campaign_has_budget": True, "ends_at": LATER}),
    ("goal", {"goal": "FAME"}),
    ("setting", {"settings": {"gender": "1"}}),
    ("setting", {"campaign_objective": "WEB_CONVERSION"}),
    ("setting", {"settings": {"conversion_tag_id": "1"}}),
]


@pytest.mark.parametrize(("code", "changes"), RULES)
async def test_what_breaks_a_rule_is_not_sent(code: str, changes: dict[str, Any]) -> None:
    shop, http = advertiser.answered(ADS)
    wish = group_of(shop, advertiser.campaign_of("AWARENESS"), **changes)
    assert (await shop.refused(wish)).code == code
    assert http.asked == []


@pytest.mark.parametrize(
    "content",
    [
        Promoted("pinterest", "2", "7", ContentKind.PIN),  # another account's
        Promoted("pinterest", "1", "7", ContentKind.BOARD),
        Promoted("facebook", "1", "7", ContentKind.PHOTO),
    ],
)
async def test_what_cannot_be_promoted_is_not_sent(content: Promoted) -> None:
    shop, http = advertiser.answered(ADS)
    for wish in (NewAd("n", "t", "1", content), NewAd("n", "t", "1", content, {"x": "y"})):
        await shop.refused(wish)
    assert http.asked == []


async def test_what_pinterest_refuses_is_refused(world: World) -> None:
    """The sandbox checks as Pinterest does, what the adapter leaves to it as well."""
    shop = await opened(world)
    campaign = await shop.campaign("CONSIDERATION")
    for changes in (
        {"countries": ("KP",)},
        {"campaign_id": "1"},
        {"daily_budget": None, "lifetime_budget": shop.money(5000)},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"daily_budget": None, "campaign_has_budget": True},
    ):
        refused = await shop.refused(group_of(shop, campaign, **changes))
        assert refused.code == "exception/1", changes


async def test_the_contract(world: World) -> None:
    """Requests and answers against Pinterest's OpenAPI document."""
    shop = await opened(world, posts=3)
    heard: list[tuple[Any, Any]] = []
    send = world.http.send

    async def watched(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        result = await send(spec, call, timeout_s)
        if call.method == "POST":
            assert isinstance(result, Answer), result
            heard.append((call, result.document()))
        return result

    world.http.send = watched  # type: ignore[method-assign]
    shared = await shop.campaign("WEB_CONVERSION", shop.money(9000))
    tag = {"conversion_tag_id": "77", "conversion_event": "CHECKOUT"}
    await shop.group(group_of(shop, shared, daily_budget=None, settings=tag))
    wish = group_of(shop, await shop.campaign("CONSIDERATION"), ends_at=LATER)
    group = await shop.group(wish)
    pin = next(iter((await pins(world, shop.told)).values()))
    await shop.ad(NewAd("x", "rk-ad", group.external_id, pin))
    assert len(heard) == 5
    for call, told in heard:
        template = "/ad_accounts/{ad_account_id}/" + call.url.rpartition("/")[2]
        assert contract.request_errors("post", template, {}, call.json) == []
        assert contract.answer_errors("post", template, 200, told) == []
