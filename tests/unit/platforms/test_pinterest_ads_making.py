"""Ad groups and ads made at Pinterest: once, paused, of Pins, by Pinterest's rules and to its contract."""

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
from platforms.outcome import Rejected, Unknown
from platforms.pinterest.adapter import Pinterest
from platforms.pinterest.ads import PinterestAds
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import Answers, World, list_all, ok
from tests.unit.platforms.test_pinterest_ads import access_of

ADS = PinterestAds()
LATER = datetime(2027, 5, 1, 9, tzinfo=UTC)


async def opened(world: World, posts: int = 0) -> tuple[dict[str, Any], Access, AdAccount]:
    account = await world.account("pinterest", posts=posts)
    access = access_of(world.http, account)
    (owner,) = ok(await ADS.accounts(access))
    return account, access, owner


async def campaign_in(
    access: Access, owner: AdAccount, objective: str = "CONSIDERATION", budget: Money | None = None
) -> AdObject:
    wish = NewAdCampaign("Summer", f"rk-{objective}", objective, budget)
    made: AdObject = ok(await ADS.create_campaign(access, owner, wish))
    return made


def group_of(campaign: AdObject, currency: str, **changes: Any) -> NewAdGroup:
    wish = NewAdGroup(
        "Germany",
        "rk-group",
        campaign.external_id,
        campaign.objective,
        campaign.daily_budget is not None,
        "CLICKTHROUGH",
        ("DE", "FR"),
        daily_budget=Money(5000, currency),
    )
    return replace(wish, **changes)


async def pins(world: World, account: dict[str, Any]) -> dict[ContentKind, Promoted]:
    """The newest of each kind."""
    pages = await list_all(Pinterest(), world.http, account, "pins")
    me = account["external_id"]
    items = [item for page in pages for item in page.items]
    return {i.kind: Promoted("pinterest", me, i.external_id, i.kind) for i in reversed(items)}


async def test_an_ad_group_is_made_paused_as_it_was_asked_for(world: World) -> None:
    _, access, owner = await opened(world)
    wish = group_of(await campaign_in(access, owner), owner.currency, starts_at=LATER)
    assert ok(await ADS.find_group(access, owner, wish)) is None
    made = ok(await ADS.create_group(access, owner, wish))
    assert made == ok(await ADS.find_group(access, owner, wish))
    assert (made.level, made.status, made.parent_id) == (AdLevel.GROUP, AdStatus.PAUSED, wish.campaign_id)
    assert (made.name, made.daily_budget) == ("Germany [rk-group]", wish.daily_budget)
    assert (made.starts_at, made.ends_at) == (LATER, None)
    money, end = Money(9000, owner.currency), LATER + timedelta(days=9)
    whole = replace(wish, tag="rk-whole", daily_budget=None, lifetime_budget=money, ends_at=end)
    group = ok(await ADS.create_group(access, owner, whole))
    assert (group.lifetime_budget, group.ends_at) == (money, end)
    sales = await campaign_in(access, owner, "WEB_CONVERSION")
    tag = {"conversion_tag_id": "77", "conversion_event": "CHECKOUT"}
    bought = group_of(sales, owner.currency, tag="rk-sold", goal="IMPRESSION", settings=tag)
    ok(await ADS.create_group(access, owner, bought))


async def test_a_campaigns_budget_is_shared_out_or_each_ad_group_has_its_own(world: World) -> None:
    _, access, owner = await opened(world)
    money = Money(9000, owner.currency)
    sharing, bare = await campaign_in(access, owner, "AWARENESS", money), await campaign_in(access, owner)
    assert (sharing.daily_budget, bare.daily_budget) == (money, None)
    without = group_of(sharing, owner.currency, daily_budget=None)
    assert ok(await ADS.create_group(access, owner, without)).daily_budget is None
    own = await ADS.create_group(access, owner, group_of(sharing, owner.currency))
    assert isinstance(own, Rejected) and own.code == "exception/1"
    lasting = NewAdCampaign("Summer", "t", "AWARENESS", lifetime_budget=money)
    refused = await ADS.create_campaign(access, owner, lasting)
    assert isinstance(refused, Rejected) and "needs an end" in refused.message


async def test_an_ad_shows_a_pin_of_each_kind(world: World) -> None:
    account, access, owner = await opened(world, posts=40)
    campaign = await campaign_in(access, owner)
    group = ok(await ADS.create_group(access, owner, group_of(campaign, owner.currency)))
    shown = await pins(world, account)
    assert set(shown) >= {ContentKind.PIN, ContentKind.VIDEO, ContentKind.CAROUSEL}
    for kind, pin in shown.items():
        wish = NewAd("Bowl", f"rk-{kind}", group.external_id, pin)
        made = ok(await ADS.create_ad(access, owner, wish))
        assert (made.status, made.parent_id) == (AdStatus.PAUSED, group.external_id)
        assert ok(await ADS.find_ad(access, owner, wish)) == made
        wrong = replace(pin, kind=next(k for k in shown if k is not kind))
        refused = await ADS.create_ad(access, owner, NewAd("x", "rk-x", group.external_id, wrong))
        assert isinstance(refused, Rejected) and refused.code == "exception/1"


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
async def test_one_whose_answer_never_came_is_looked_for(world: World, made: bool) -> None:
    account, access, owner = await opened(world, posts=3)
    campaign = await campaign_in(access, owner)
    under = ok(await ADS.create_group(access, owner, group_of(campaign, owner.currency, tag="rk-under")))
    group = group_of(campaign, owner.currency)
    ad = NewAd("x", "rk-ad", under.external_id, next(iter((await pins(world, account)).values())))
    how = {"kind": "half_body"} if made else {"kind": "status", "status": 500}
    await world.ask("POST", "/faults", {"platform": "pinterest", "path": "/ad_groups$", "count": 1, **how})
    assert isinstance(await unheard(ADS.create_group(access, owner, group)), Unknown)
    assert (ok(await ADS.find_group(access, owner, group)) is not None) == made
    await world.ask("POST", "/faults", {"platform": "pinterest", "path": "/ads$", "count": 1, **how})
    assert isinstance(await unheard(ADS.create_ad(access, owner, ad)), Unknown)
    assert (ok(await ADS.find_ad(access, owner, ad)) is not None) == made


async def unheard(call: Any) -> Any:
    try:
        return await call
    except ConnectionResetError:  # in process there is no connection to cut
        return Unknown("cut")


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
    campaign = AdObject(AdLevel.CAMPAIGN, "1", None, "n", AdStatus.PAUSED, "", b"{}", "AWARENESS")
    access, owner = Access(Answers(), None, Secret("t"), "1"), AdAccount("3", "n", "EUR", None)  # type: ignore[arg-type]
    refused = await ADS.create_group(access, owner, group_of(campaign, "EUR", **changes))
    assert isinstance(refused, Rejected) and refused.code == code and refused.message.endswith(".")


@pytest.mark.parametrize(
    "content",
    [
        Promoted("pinterest", "2", "7", ContentKind.PIN),  # another account's
        Promoted("pinterest", "1", "7", ContentKind.BOARD),
        Promoted("facebook", "1", "7", ContentKind.PHOTO),
    ],
)
async def test_what_cannot_be_promoted_is_not_sent(content: Promoted) -> None:
    access, owner = Access(Answers(), None, Secret("t"), "1"), AdAccount("3", "n", "EUR", None)  # type: ignore[arg-type]
    for wish in (NewAd("n", "t", "1", content), NewAd("n", "t", "1", content, {"x": "y"})):
        assert isinstance(await ADS.create_ad(access, owner, wish), Rejected)


async def test_what_pinterest_refuses_is_refused(world: World) -> None:
    """The sandbox checks as Pinterest does, what the adapter leaves to it as well."""
    _, access, owner = await opened(world)
    campaign = await campaign_in(access, owner)
    for changes in (
        {"countries": ("KP",)},
        {"campaign_id": "1"},
        {"daily_budget": None, "lifetime_budget": Money(5000, owner.currency)},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"daily_budget": None, "campaign_has_budget": True},
    ):
        refused = await ADS.create_group(access, owner, group_of(campaign, owner.currency, **changes))
        assert isinstance(refused, Rejected) and refused.code == "exception/1", changes


async def test_the_contract(world: World) -> None:
    """Requests and answers against Pinterest's OpenAPI document."""
    account, access, owner = await opened(world, posts=3)
    heard: list[tuple[Any, Any]] = []
    send = world.http.send

    async def watched(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        result = await send(spec, call, timeout_s)
        if call.method == "POST":
            heard.append((call, result.document()))
        return result

    world.http.send = watched  # type: ignore[method-assign]
    shared = await campaign_in(access, owner, "WEB_CONVERSION", Money(9000, owner.currency))
    tag = {"conversion_tag_id": "77", "conversion_event": "CHECKOUT"}
    ok(
        await ADS.create_group(
            access, owner, group_of(shared, owner.currency, daily_budget=None, settings=tag)
        )
    )
    wish = group_of(await campaign_in(access, owner), owner.currency, ends_at=LATER)
    group = ok(await ADS.create_group(access, owner, wish))
    pin = next(iter((await pins(world, account)).values()))
    ok(await ADS.create_ad(access, owner, NewAd("x", "rk-ad", group.external_id, pin)))
    assert len(heard) == 5
    for call, told in heard:
        template = "/ad_accounts/{ad_account_id}/" + call.url.rpartition("/")[2]
        assert contract.request_errors("post", template, {}, call.json) == []
        assert contract.answer_errors("post", template, 200, told) == []
