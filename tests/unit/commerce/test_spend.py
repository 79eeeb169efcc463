"""What ads cost a campaign: absolute amounts by day, told again and corrected, counted once."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.account.operations.told import AD_DAYS, events
from actors.routing import campaign_messages, refs_of
from domain.errors import Conflict, Invalid
from domain.events import cloud_events
from domain.ids import EntityKey, Kind
from domain.spend import AdSpend
from tests.unit.commerce.driver import ACCOUNT, ORG, START, Actor, World

AD = f"{ACCOUNT}|ad1"
OTHER = f"{ACCOUNT}|ad2"
TODAY = START.date()


def report(
    world: World, rows: dict[date, int], version: int, ad: str = AD, currency: str = "EUR", org: str = ORG
) -> list[dict[str, Any]]:
    """The events of an account's turn that took a report."""
    documents = [
        (
            AD_DAYS,
            {
                "_id": f"{ad}|{day}",
                "adId": ad,
                "level": "campaign",
                "day": START.replace(year=day.year, month=day.month, day=day.day, hour=0),
                "spend": {"minor": minor, "currency": currency},
                "impressions": 1,
                "clicks": None,
            },
        )
        for day, minor in rows.items()
    ]
    key = EntityKey(Kind.ACCOUNT, ACCOUNT)
    found = events(ACCOUNT, "twitter", documents, {})
    return cloud_events(list(found), key, org, version, world.now)


def tell(world: World, campaign: Actor, told: list[dict[str, Any]]) -> int:
    """Route them as the bus does; how many reached the campaign."""
    reached = 0
    for event in told:
        for key, message in campaign_messages(event, world.members(*refs_of(event))):
            assert key == campaign.key
            campaign.send(message.name, dict(message.data), message.id)
            reached += 1
    return reached


def tied(world: World, *ads: str) -> Actor:
    campaign = world.campaign(ad_campaigns=list(ads or (AD,)))
    campaign.send("launch")
    return campaign


def test_days_are_added_once_however_often_they_are_told_and_corrections_too() -> None:
    world = World()
    campaign = tied(world)
    first = report(world, {TODAY: 1000, TODAY + timedelta(days=1): 500}, 7)
    assert tell(world, campaign, first) == 1
    assert campaign.performance["cost_minor"] == 1500
    tell(world, campaign, first)
    tell(world, campaign, report(world, {TODAY: 900}, 9))
    assert campaign.performance["cost_minor"] == 1400
    tell(world, campaign, report(world, {TODAY: 1000}, 8))  # overtaken on its way
    assert campaign.performance["cost_minor"] == 1400
    assert campaign.view["ad_spend"] == [
        {
            "ad_id": AD,
            "amount_minor": 1400,
            "currency": "EUR",
            "days": 2,
            "last_day": (TODAY + timedelta(days=1)).isoformat(),
        }
    ]


def test_roas_follows_and_what_people_enter_is_added() -> None:
    world = World()
    campaign = tied(world)
    tell(world, campaign, report(world, {TODAY: 1000}, 7))
    sale = {"org": ORG, "at": world.now.isoformat(), "amount_minor": 5000, "currency": "EUR"}
    campaign.send("sold", sale)
    assert campaign.performance["roas"] == "5.0000"
    campaign.send("record_cost", {"org": ORG, "amount_minor": 1500})
    assert (campaign.performance["cost_minor"], campaign.performance["roas"]) == (2500, "2.0000")


def test_days_before_the_launch_are_not_this_campaigns() -> None:
    world = World()
    campaign = tied(world)
    tell(world, campaign, report(world, {TODAY - timedelta(days=n): 100 for n in range(5)}, 7))
    assert campaign.performance["cost_minor"] == 100


def test_days_are_corrected_for_a_while_after_the_window_and_none_is_added_behind_it() -> None:
    world = World()
    campaign = world.campaign(ad_campaigns=[AD], attribution_window_days=1)
    campaign.send("launch")
    world.later(days=2)
    campaign.send("complete")
    world.later(days=3)
    last = TODAY + timedelta(days=3)
    told = report(world, {last: 100, last + timedelta(days=1): 7}, 7)
    assert tell(world, campaign, told) == 1
    assert campaign.performance["cost_minor"] == 100
    world.later(days=2)
    assert tell(world, campaign, report(world, {last: 900}, 8)) == 0


def test_another_currency_is_said_and_not_added() -> None:
    world = World()
    campaign = tied(world, AD, OTHER)
    tell(world, campaign, report(world, {TODAY: 1000}, 7, currency="USD"))
    tell(world, campaign, report(world, {TODAY: 300}, 8, ad=OTHER))
    assert campaign.performance["cost_minor"] == 300
    assert campaign.performance["other_costs"] == {"USD": 1000}
    with pytest.raises(Conflict):
        budget = {"total_minor": 1, "currency": "USD"}
        campaign.send("update", {"org": ORG, "budget": budget})


def test_what_is_tied_no_more_costs_nothing() -> None:
    world = World()
    campaign = tied(world, AD, OTHER)
    late = report(world, {TODAY: 5000}, 9)
    tell(world, campaign, report(world, {TODAY: 1000}, 7))
    tell(world, campaign, report(world, {TODAY: 300}, 7, ad=OTHER))
    campaign.send("update", {"org": ORG, "ad_campaigns": [OTHER]})
    assert campaign.performance["cost_minor"] == 300
    world.later(minutes=1)
    message = {"org": ORG, "ad_id": AD, "currency": "EUR", "days": late[0]["data"]["days"], "order": [9, 0]}
    campaign.send("spent", message)
    assert campaign.performance["cost_minor"] == 300
    assert tell(world, campaign, report(world, {TODAY: 5000}, 10)) == 0
    campaign.send("update", {"org": ORG, "ad_campaigns": [AD, OTHER]})
    assert tell(world, campaign, report(world, {TODAY: 1100}, 11)) == 1
    assert campaign.performance["cost_minor"] == 1400


def test_another_orgs_ads_are_neither_tied_nor_counted() -> None:
    world = World()
    with pytest.raises(Invalid, match="ad_campaigns"):
        world.campaign(ad_campaigns=["twitter:1:org_b|ad"])
    campaign = tied(world)
    campaign.send(
        "spent",
        {"org": "org_b", "ad_id": AD, "currency": "EUR", "days": [["2026-05-01", 5]], "order": [1, 0]},
    )
    assert tell(world, campaign, report(world, {TODAY: 100}, 7, org="org_b")) == 0
    assert campaign.performance["cost_minor"] == 0


def test_a_draft_costs_nothing() -> None:
    world = World()
    campaign = world.campaign(ad_campaigns=[AD])
    assert tell(world, campaign, report(world, {TODAY: 100}, 7)) == 0


TELLING = st.tuples(
    st.integers(0, 6), st.dictionaries(st.integers(0, 4), st.integers(0, 10_000), min_size=1, max_size=5)
)


@given(st.lists(TELLING, max_size=12), st.data())
def test_the_sum_is_that_of_the_newest_amounts_in_whatever_order_they_come(
    tellings: list[tuple[int, dict[int, int]]], data: st.DataObject
) -> None:
    """Each telling has a version; a repetition of a version is the same telling."""
    by_version = {version: rows for version, rows in tellings}
    newest: dict[str, tuple[int, int]] = {}
    for version, rows in by_version.items():
        for day, minor in rows.items():
            text = (TODAY + timedelta(days=day)).isoformat()
            newest[text] = max(newest.get(text, (-1, 0)), (version, minor))
    order = data.draw(st.permutations(list(by_version) * 2))
    spend, total = AdSpend("EUR"), 0
    for version in order:
        told = [((TODAY + timedelta(days=d)).isoformat(), m) for d, m in by_version[version].items()]
        spend, difference = spend.told(told, (version, 0), TODAY, None)
        total += difference
    assert total == spend.total_minor == sum(minor for _, minor in newest.values())
