"""Ad groups and ads made at TikTok: once, switched off, of posts, and by TikTok's rules."""

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
)
from domain.content import ContentKind
from domain.money import Money
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.outcome import Ok, Rejected, RetryAfter, Unknown
from platforms.tiktok.ads import TiktokAds
from tests.unit.platforms.support import Answers, World, answer, ok
from tests.unit.platforms.test_tiktok_services import consented

ADS = TiktokAds()
LATER = datetime(2027, 5, 1, 9, tzinfo=UTC)
PLACED = {"promotion_type": "WEBSITE"}


class Told(Answers):
    """Answers that know the time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)


async def opened(world: World, posts: int = 0) -> tuple[dict[str, Any], Access, AdAccount]:
    account = await world.account("tiktok", posts=posts)
    access = await consented(world, account, "ads")
    (owner,) = ok(await ADS.accounts(access))
    return account, access, owner


async def campaign_in(access: Access, owner: AdAccount, objective: str = "TRAFFIC") -> AdObject:
    made: AdObject = ok(
        await ADS.create_campaign(access, owner, NewAdCampaign("Summer", f"rk-{objective}", objective))
    )
    return made


def group_of(campaign: AdObject, currency: str, **changes: Any) -> NewAdGroup:
    wish = NewAdGroup(
        "Germany",
        "rk-group",
        campaign.external_id,
        campaign.objective,
        False,
        "CLICK",
        ("DE", "US"),
        daily_budget=Money(5050, currency),
        settings=PLACED,
    )
    return replace(wish, **changes)


def post_of(account: dict[str, Any], row: dict[str, Any]) -> Promoted:
    kind = ContentKind.PHOTO if row["kind"] == "photo" else ContentKind.VIDEO
    return Promoted("tiktok", account["external_id"], row["id"], kind)


async def test_an_ad_group_is_made_switched_off_in_the_countries_asked_for(world: World) -> None:
    _, access, owner = await opened(world)
    wish = group_of(await campaign_in(access, owner), owner.currency, starts_at=LATER)
    assert ok(await ADS.find_group(access, owner, wish)) is None
    made = ok(await ADS.create_group(access, owner, wish))
    for group in (made, ok(await ADS.find_group(access, owner, wish))):
        assert (group.level, group.status, group.parent_id) == (
            AdLevel.GROUP,
            AdStatus.PAUSED,
            wish.campaign_id,
        )
        assert (group.name, group.daily_budget) == ("Germany [rk-group]", wish.daily_budget)
        assert (group.starts_at, group.ends_at) == (LATER, None)
    money, end = Money(9000, owner.currency), LATER + timedelta(days=9)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=money, ends_at=end)
    group = ok(await ADS.create_group(access, owner, whole))
    assert (group.lifetime_budget, group.ends_at) == (money, end)
    views = await campaign_in(access, owner, "VIDEO_VIEWS")
    seen = group_of(views, owner.currency, tag="rk-seen", goal="ENGAGED_VIEW", settings={})
    ok(await ADS.create_group(access, owner, seen))
    nowhere = await ADS.create_group(access, owner, replace(wish, tag="rk-x", countries=("DE", "KP")))
    assert isinstance(nowhere, Rejected) and "nowhere in KP" in nowhere.message


async def test_an_ad_shows_a_post_under_the_advertisers_own_identity(world: World) -> None:
    account, access, owner = await opened(world, posts=40)
    campaign = await campaign_in(access, owner)
    group = ok(await ADS.create_group(access, owner, group_of(campaign, owner.currency)))
    rows = {row["kind"]: row for row in await world.content(account)}
    assert {"video", "photo"} <= set(rows)
    for kind in ("video", "photo"):
        wish = NewAd("Bowl", f"rk-{kind}", group.external_id, post_of(account, rows[kind]))
        made = ok(await ADS.create_ad(access, owner, wish))
        assert (made.level, made.status, made.parent_id) == (
            AdLevel.AD,
            AdStatus.PAUSED,
            group.external_id,
        )
        assert ok(await ADS.find_ad(access, owner, wish)).external_id == made.external_id
    unknown = {"identity_type": "TT_USER", "identity_id": "1"}
    refused = await ADS.create_ad(access, owner, replace(wish, tag="rk-2", settings=unknown))
    assert isinstance(refused, Rejected) and refused.code == "40002"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for_and_not_made_twice(world: World, made: bool) -> None:
    account, access, owner = await opened(world, posts=1)
    campaign = await campaign_in(access, owner)
    under = ok(await ADS.create_group(access, owner, group_of(campaign, owner.currency, tag="rk-under")))
    group = group_of(campaign, owner.currency)
    ad = NewAd("x", "rk-ad", under.external_id, post_of(account, (await world.content(account))[0]))
    how = {"kind": "half_body"} if made else {"kind": "status", "status": 500}
    for path in ("adgroup/create", "ad/create"):
        await world.ask("POST", "/faults", {"platform": "tiktok", "path": path, "count": 1, **how})
    assert isinstance(await unheard(ADS.create_group(access, owner, group)), Unknown)
    assert isinstance(await unheard(ADS.create_ad(access, owner, ad)), Unknown)
    assert (ok(await ADS.find_group(access, owner, group)) is not None) == made
    assert (ok(await ADS.find_ad(access, owner, ad)) is not None) == made
    if made:
        repeated = await ADS.create_group(access, owner, group)
        assert isinstance(repeated, Rejected) and repeated.code == "40050", "the request id is known"


async def unheard(call: Any) -> Any:
    try:
        return await call
    except ConnectionResetError:  # in process there is no connection to cut
        return Unknown("cut")


async def test_looking_up_what_is_needed_may_fail_without_a_doubt(world: World) -> None:
    """Nothing was sent that makes anything: it is asked again."""
    account, access, owner = await opened(world, posts=1)
    group = group_of(await campaign_in(access, owner), owner.currency)
    ad = NewAd("x", "t", "1", post_of(account, (await world.content(account))[0]))
    for path in ("tool/region", "identity/get"):
        fault = {"platform": "tiktok", "path": path, "kind": "status", "status": 500, "count": 1}
        await world.ask("POST", "/faults", fault)
    assert isinstance(await ADS.create_group(access, owner, group), RetryAfter)
    assert isinstance(await ADS.create_ad(access, owner, ad), RetryAfter)


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
    campaign = AdObject(AdLevel.CAMPAIGN, "1", None, "n", AdStatus.PAUSED, "", b"{}", "TRAFFIC")
    access, owner = Access(Answers(), None, Secret("t"), "1"), AdAccount("3", "n", "EUR", None)  # type: ignore[arg-type]
    refused = await ADS.create_group(access, owner, group_of(campaign, "EUR", **changes))
    assert isinstance(refused, Rejected) and refused.code == code and refused.message.endswith(".")


async def test_an_identity_is_named_where_there_are_several() -> None:
    film = Promoted("tiktok", "9", "7", ContentKind.VIDEO)
    rows = [{"identity_id": str(n), "identity_type": "TT_USER"} for n in range(2)]
    rows.append({"identity_id": "code", "identity_type": "AUTH_CODE"})
    several = answer(200, {"code": 0, "data": {"identity_list": rows}})
    made = answer(200, {"code": 0, "data": {"ad_ids": ["18"]}})
    http = Told(several, made)
    access, owner = Access(http, None, Secret("t"), "1"), AdAccount("3", "n", "EUR", None)  # type: ignore[arg-type]
    refused = await ADS.create_ad(access, owner, NewAd("n", "t", "1", film))
    assert isinstance(refused, Rejected) and "has 2 identities" in refused.message
    half = await ADS.create_ad(access, owner, NewAd("n", "t", "1", film, {"identity_id": "1"}))
    assert isinstance(half, Rejected) and "identity_type" in half.message
    named = {"identity_id": "1", "identity_type": "TT_USER", "call_to_action": "SHOP_NOW"}
    ad = ok(await ADS.create_ad(access, owner, NewAd("n", "t", "1", film, named)))
    assert (ad.external_id, ad.name, ad.status) == ("18", "n [t]", AdStatus.PAUSED)
    body: Any = http.asked[-1].json
    (creative,) = body["creatives"]
    assert creative.items() >= named.items()
    story = replace(film, kind=ContentKind.STORY)
    for wish in (NewAd("n", "t", "1", story, named), NewAd("n", "t", "1", film, {"x": "y"})):
        assert isinstance(await ADS.create_ad(access, owner, wish), Rejected)


async def test_an_answer_without_an_id_leaves_it_in_doubt() -> None:
    film = Promoted("tiktok", "9", "7", ContentKind.VIDEO)
    named = {"identity_id": "1", "identity_type": "TT_USER"}
    for data in ({}, {"ad_ids": []}, {"ad_ids": "18"}, {"creatives": [7]}):
        http = Told(answer(200, {"code": 0, "data": data}))
        access = Access(http, None, Secret("t"), "1")  # type: ignore[arg-type]
        wish = NewAd("n", "t", "1", film, named)
        assert isinstance(await ADS.create_ad(access, AdAccount("3", "n", "EUR", None), wish), Unknown)


async def test_tiktoks_own_request_models_take_what_is_sent(world: World) -> None:
    sdk = pytest.importorskip("business_api_client", reason="TikTok's own client is not installed")
    sent: list[tuple[str, Any]] = []
    account, access, owner = await opened(world, posts=1)
    send = world.http.send

    async def watched(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        if call.method == "POST":
            sent.append((call.url, call.json))
        return await send(spec, call, timeout_s)

    world.http.send = watched  # type: ignore[method-assign]
    campaign = await campaign_in(access, owner)
    group = ok(await ADS.create_group(access, owner, group_of(campaign, owner.currency, ends_at=LATER)))
    film = post_of(account, (await world.content(account))[0])
    assert isinstance(await ADS.create_ad(access, owner, NewAd("x", "rk-ad", group.external_id, film)), Ok)
    bodies = {url.rpartition("/v1.3/")[2].strip("/"): body for url, body in sent}
    sdk.AdgroupCreateBody(**bodies["adgroup/create"])  # unknown names and missing ones raise
    for creative in bodies["ad/create"]["creatives"]:
        sdk.AdcreateCreatives(**creative)
    sdk.AdCreateBody(**bodies["ad/create"])
