"""Ad groups and ads made at TikTok: once, switched off, of posts, and by TikTok's rules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.advertising import AdLevel, AdObject, AdStatus, NewAd, NewAdGroup, Promoted
from domain.content import ContentKind
from domain.money import Money
from platforms.outcome import RetryAfter, Unknown
from platforms.tiktok.ads import TiktokAds
from tests.unit.platforms import advertiser
from tests.unit.platforms.advertiser import LATER, Advertiser
from tests.unit.platforms.support import World, answer
from tests.unit.platforms.test_tiktok_services import consented

ADS = TiktokAds()
PLACED = {"promotion_type": "WEBSITE"}


async def opened(world: World, posts: int = 0) -> Advertiser:
    account = await world.account("tiktok", posts=posts)
    return await advertiser.opened(ADS, await consented(world, account, "ads"), account)


def group_of(shop: Advertiser, campaign: AdObject, **changes: Any) -> NewAdGroup:
    placed = {"settings": PLACED} | changes
    return advertiser.group_of(campaign, "CLICK", ("DE", "US"), shop.money(5050), **placed)


def post_of(shop: Advertiser, row: dict[str, Any]) -> Promoted:
    kind = ContentKind.PHOTO if row["kind"] == "photo" else ContentKind.VIDEO
    return Promoted("tiktok", shop.told["external_id"], row["id"], kind)


async def test_an_ad_group_is_made_switched_off_in_the_countries_asked_for(world: World) -> None:
    shop = await opened(world)
    wish = group_of(shop, await shop.campaign("TRAFFIC"), starts_at=LATER)
    assert await shop.find(wish) is None
    made = await shop.group(wish)
    for group in (made, await shop.find(wish)):
        assert group is not None
        assert (group.level, group.status, group.parent_id) == (
            AdLevel.GROUP,
            AdStatus.PAUSED,
            wish.campaign_id,
        )
        assert (group.name, group.daily_budget) == ("Germany [rk-group]", wish.daily_budget)
        assert (group.starts_at, group.ends_at) == (LATER, None)
    money, end = shop.money(9000), LATER + timedelta(days=9)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=money, ends_at=end)
    group = await shop.group(whole)
    assert (group.lifetime_budget, group.ends_at) == (money, end)
    views = await shop.campaign("VIDEO_VIEWS")
    seen = group_of(shop, views, tag="rk-seen", goal="ENGAGED_VIEW", settings={})
    await shop.group(seen)
    nowhere = await shop.refused(replace(wish, tag="rk-x", countries=("DE", "KP")))
    assert "nowhere in KP" in nowhere.message


async def test_an_ad_shows_a_post_under_the_advertisers_own_identity(world: World) -> None:
    shop = await opened(world, posts=40)
    campaign = await shop.campaign("TRAFFIC")
    group = await shop.group(group_of(shop, campaign))
    rows = {row["kind"]: row for row in await world.content(shop.told)}
    assert {"video", "photo"} <= set(rows)
    for kind in ("video", "photo"):
        wish = NewAd("Bowl", f"rk-{kind}", group.external_id, post_of(shop, rows[kind]))
        made = await shop.ad(wish)
        assert (made.level, made.status, made.parent_id) == (
            AdLevel.AD,
            AdStatus.PAUSED,
            group.external_id,
        )
        found = await shop.find(wish)
        assert found is not None and found.external_id == made.external_id
    unknown = {"identity_type": "TT_USER", "identity_id": "1"}
    assert (await shop.refused(replace(wish, tag="rk-2", settings=unknown))).code == "40002"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for_and_not_made_twice(world: World, made: bool) -> None:
    shop = await opened(world, posts=1)
    campaign = await shop.campaign("TRAFFIC")
    under = await shop.group(group_of(shop, campaign, tag="rk-under"))
    group = group_of(shop, campaign)
    ad = NewAd("x", "rk-ad", under.external_id, post_of(shop, (await world.content(shop.told))[0]))
    await advertiser.answers_are_lost(world, shop, {"adgroup/create": group, "ad/create": ad}, made)
    if made:
        assert (await shop.refused(group)).code == "40050", "the request id is known"


async def test_looking_up_what_is_needed_may_fail_without_a_doubt(world: World) -> None:
    """Nothing was sent that makes anything: it is asked again."""
    shop = await opened(world, posts=1)
    group = group_of(shop, await shop.campaign("TRAFFIC"))
    ad = NewAd("x", "t", "1", post_of(shop, (await world.content(shop.told))[0]))
    for path in ("tool/region", "identity/get"):
        fault = {"platform": "tiktok", "path": path, "kind": "status", "status": 500, "count": 1}
        await world.ask("POST", "/faults", fault)
    assert isinstance(await shop.create(group), RetryAfter)
    assert isinstance(await shop.create(ad), RetryAfter)


RULES: list[tuple[str, dict[str, Any]]] = [
    ("currency", {"daily_budget": Money(1500, "CHF")}),
    ("budget", {"daily_budget": None, "campaign_has_budget": True}),
    ("goal", {"goal": "FAME"}),
    ("setting", {"settings": {}}),
    ("setting", {"settings": {"gender": "1"}}),
    ("setting", {"goal": "CONVERT"}),
]


@pytest.mark.parametrize(("code", "changes"), RULES)
async def test_what_breaks_a_rule_is_not_sent(code: str, changes: dict[str, Any]) -> None:
    shop, http = advertiser.answered(ADS)
    wish = group_of(shop, advertiser.campaign_of("TRAFFIC"), **changes)
    assert (await shop.refused(wish)).code == code
    assert http.asked == []


async def test_an_identity_is_named_where_there_are_several() -> None:
    film = Promoted("tiktok", "9", "7", ContentKind.VIDEO)
    rows = [{"identity_id": str(n), "identity_type": "TT_USER"} for n in range(2)]
    rows.append({"identity_id": "code", "identity_type": "AUTH_CODE"})
    several = answer(200, {"code": 0, "data": {"identity_list": rows}})
    made = answer(200, {"code": 0, "data": {"ad_ids": ["18"]}})
    shop, http = advertiser.answered(ADS, several, made)
    refused = await shop.refused(NewAd("n", "t", "1", film))
    assert "has 2 identities" in refused.message
    half = await shop.refused(NewAd("n", "t", "1", film, {"identity_id": "1"}))
    assert "identity_type" in half.message
    named = {"identity_id": "1", "identity_type": "TT_USER", "call_to_action": "SHOP_NOW"}
    ad = await shop.ad(NewAd("n", "t", "1", film, named))
    assert (ad.external_id, ad.name, ad.status) == ("18", "n [t]", AdStatus.PAUSED)
    body: Any = http.asked[-1].json
    (creative,) = body["creatives"]
    assert creative.items() >= named.items()
    story = replace(film, kind=ContentKind.STORY)
    for wish in (NewAd("n", "t", "1", story, named), NewAd("n", "t", "1", film, {"x": "y"})):
        await shop.refused(wish)


async def test_an_answer_without_an_id_leaves_it_in_doubt() -> None:
    film = Promoted("tiktok", "9", "7", ContentKind.VIDEO)
    named = {"identity_id": "1", "identity_type": "TT_USER"}
    bad: list[dict[str, Any]] = [{}, {"ad_ids": []}, {"ad_ids": "18"}, {"creatives": [7]}]
    for data in bad:
        shop, _ = advertiser.answered(ADS, answer(200, {"code": 0, "data": data}))
        assert isinstance(await shop.create(NewAd("n", "t", "1", film, named)), Unknown)


async def test_tiktoks_own_request_models_take_what_is_sent(world: World) -> None:
    import business_api_client as sdk

    sent: list[tuple[str, Any]] = []
    shop = await opened(world, posts=1)
    send = world.http.send

    async def watched(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        if call.method == "POST":
            sent.append((call.url, call.json))
        return await send(spec, call, timeout_s)

    world.http.send = watched  # type: ignore[method-assign]
    campaign = await shop.campaign("TRAFFIC")
    group = await shop.group(group_of(shop, campaign, ends_at=LATER))
    film = post_of(shop, (await world.content(shop.told))[0])
    await shop.ad(NewAd("x", "rk-ad", group.external_id, film))
    bodies = {url.rpartition("/v1.3/")[2].strip("/"): body for url, body in sent}
    sdk.AdgroupCreateBody(**bodies["adgroup/create"])  # unknown names and missing ones raise
    for creative in bodies["ad/create"]["creatives"]:
        sdk.AdcreateCreatives(**creative)
    sdk.AdCreateBody(**bodies["ad/create"])
