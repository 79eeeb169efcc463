"""What a campaign writes beside itself, and how an event finds its campaigns by it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.routing import campaign_messages, refs_of
from domain.errors import Conflict
from domain.promotion import MAX_OWNERS
from tests.unit.commerce.driver import ACCOUNT, ORG, POST, START, Actor, World

OTHER_POST = f"{ACCOUNT}|9001"


def codes_of(world: World) -> dict[str, dict[str, Any]]:
    return {ref.id: d for ref, d in world.side.items() if ref.collection == "promotion_codes"}


def engagement(at: datetime, *, content: str = POST, org: str = ORG, version: int = 7) -> dict[str, Any]:
    return {
        "id": f"account/{ACCOUNT}:{version}:2",
        "type": "rookery.ContentEngaged",
        "time": at.isoformat().replace("+00:00", "Z"),
        "org": org,
        "data": {
            "account_id": ACCOUNT,
            "content_id": content,
            "platform": "twitter",
            "totals": {"likes": 3},
            "previous": None,
        },
    }


def routed(world: World, event: dict[str, Any]) -> list[str]:
    return [key.id for key, _ in campaign_messages(event, world.members(*refs_of(event)))]


# -- members ------------------------------------------------------------------------------------------
def test_membership_opens_at_the_launch_and_ends_with_the_window() -> None:
    world = World()
    campaign = world.campaign(accounts=[ACCOUNT], content=[POST])
    assert world.side == {}
    world.later(hours=1)
    campaign.send("launch")
    launched = world.now
    assert {(m["_id"], m["ref"], m["from"], m["until"]) for m in world.members()} == {
        (f"cmp_a|account|{ACCOUNT}", f"account:{ACCOUNT}", launched, None),
        (f"cmp_a|content|{POST}", f"content:{POST}", launched, None),
    }
    world.later(days=1)
    campaign.send("complete")
    assert {m["until"] for m in world.members()} == {world.now + timedelta(days=7)}
    assert {m["from"] for m in world.members()} == {launched}


def test_only_what_changes_is_written() -> None:
    world = World()
    campaign = world.campaign(accounts=[ACCOUNT], content=[POST])
    campaign.send("launch")
    for command in ("pause", "resume"):
        campaign.send(command)
        assert campaign.last is not None and campaign.last.side == ()
    world.later(hours=1)
    campaign.send("update", {"content": [POST, OTHER_POST]})
    assert campaign.last is not None
    assert not campaign.last.side  # its history goes first
    campaign.send("history_told", {"refs": [f"content:{OTHER_POST}"]})
    assert [w.document["_id"] for w in campaign.last.side] == [f"cmp_a|content|{OTHER_POST}"]


def test_members_come_go_and_come_back() -> None:
    """Membership is since the launch, whenever a member came: its history was told."""
    world = World()
    campaign = world.campaign(content=[POST])
    campaign.send("launch")
    world.later(hours=1)
    left_at = world.now
    for content in ([OTHER_POST], [POST, OTHER_POST]):
        campaign.send("update", {"content": content})
        campaign.send("history_told", {"refs": [f"content:{id_}" for id_ in content]})
        found = {m["ref"]: (m["from"], m["until"]) for m in world.members()}
        until = None if POST in content else left_at
        assert found == {f"content:{POST}": (START, until), f"content:{OTHER_POST}": (START, None)}
        world.later(hours=1)


@pytest.mark.parametrize(
    ("happened", "found"),
    [
        (timedelta(milliseconds=-1), False),
        (timedelta(0), True),
        (timedelta(hours=2), True),
        (timedelta(days=8) - timedelta(milliseconds=1), True),
        (timedelta(days=8), False),
    ],
)
def test_membership_at_event_time(happened: timedelta, found: bool) -> None:
    world = World()
    campaign = world.campaign(content=[POST])
    campaign.send("launch")
    world.later(days=1)
    campaign.send("complete")
    assert routed(world, engagement(START + happened)) == (["cmp_a"] if found else [])


def test_one_message_per_campaign_and_event() -> None:
    world = World()
    for id_, fields in (
        ("cmp_a", {"accounts": [ACCOUNT], "content": [POST]}),
        ("cmp_b", {"accounts": [ACCOUNT]}),
        ("cmp_c", {"content": [OTHER_POST]}),
    ):
        world.campaign(id_, **fields).send("launch")
    event = engagement(START)
    messages = campaign_messages(event, world.members(*refs_of(event)))
    assert [(str(key), m.id) for key, m in messages] == [
        ("campaign/cmp_a", f"{event['id']}:cmp_a"),
        ("campaign/cmp_b", f"{event['id']}:cmp_b"),
    ]
    assert campaign_messages(event, world.members(*refs_of(event))[::-1]) == messages
    assert routed(world, engagement(START, content=OTHER_POST)) == ["cmp_c", "cmp_a", "cmp_b"]
    assert routed(world, engagement(START, org="org_b")) == []


def test_a_routed_event_counts_once_in_order() -> None:
    world = World()
    campaign = world.campaign(accounts=[ACCOUNT])
    campaign.send("launch")
    for version, likes, previous in ((7, 5, 3), (9, 8, 5), (10, 9, 8), (7, 5, 3)):
        event = engagement(START, version=version)
        event["data"] |= {"totals": {"likes": likes}, "previous": {"likes": previous}}
        ((_, message),) = campaign_messages(event, world.members())
        campaign.send(message.name, dict(message.data), message.id)
    assert campaign.performance["engagement"]["likes"] == 6


def test_events_that_concern_no_campaign() -> None:
    event = engagement(START) | {"type": "rookery.SocialAccountConnected", "data": {}}
    assert refs_of(event) == []
    assert campaign_messages(event) == []


# -- links and sales ----------------------------------------------------------------------------------
def test_a_link_is_a_member_from_creation_until_disabled() -> None:
    world = World()
    link = world.link(campaign_id="cmp_a", platform="twitter", influencer="inf_1", content_id=POST)
    (member,) = world.members("link:link0001")
    assert (member["campaign"], member["from"], member["until"]) == ("cmp_a", START, None)
    assert (member["platform"], member["influencer"], member["content_id"]) == ("twitter", "inf_1", POST)
    world.later(days=1)
    link.send("disable")
    assert world.members()[0]["until"] == world.now
    world.link("link0002")
    assert len(world.members()) == 1


def test_clicks_and_sales_reach_the_campaign_they_name() -> None:
    world = World()
    campaign = world.campaign(promotion_codes=[{"code": "SUN", "influencer": "inf_1"}])
    campaign.send("launch")
    link = world.link(campaign_id="cmp_a", platform="twitter", product_id="prd_1")
    world.later(minutes=1)
    link.send("click", {"at": world.now.isoformat()}, id="clk_1")
    order = {"org": ORG, "order_id": "o1", "amount_minor": 900, "currency": "EUR", "promotion_code": "sun"}
    world.order().send("record", order | {"occurred_at": world.now.isoformat(), "platform": "instagram"})
    events = [e for e in world.events if e["type"] in ("rookery.LinkClicked", "rookery.TransactionCompleted")]
    assert len(events) == 2
    for event in events:
        assert refs_of(event) == []
        ((key, message),) = campaign_messages(event)
        assert key == campaign.key
        campaign.send(message.name, dict(message.data), message.id)
    shown = campaign.performance
    assert (shown["clicks"], shown["conversions"], shown["revenue_minor"]) == (1, 1, 900)
    assert shown["by_product"]["prd_1"]["clicks"] == 1
    assert shown["by_influencer"]["inf_1"]["revenue_minor"] == 900
    assert shown["by_platform"]["instagram"]["conversions"] == 1


def test_a_click_that_names_no_campaign_is_found_by_membership() -> None:
    world = World()
    link = world.link(product_id="prd_1")
    link.send("click", {"at": START.isoformat()}, id="clk_1")
    event = world.events[-1]
    assert refs_of(event) == ["link:link0001"]
    assert campaign_messages(event) == []
    member = {
        "_id": "cmp_a|link|link0001", "org": ORG, "ref": "link:link0001", "campaign": "cmp_a",
        "from": START, "until": None, "content_id": None, "platform": "twitter", "influencer": "inf_1",
    }  # fmt: skip
    ((key, message),) = campaign_messages(event, [member])
    assert key.id == "cmp_a"
    assert (message.data["platform"], message.data["influencer"]) == ("twitter", "inf_1")


def test_a_sale_is_routed_by_the_time_it_was_made() -> None:
    world = World()
    campaign = world.campaign(attribution_window_days=1)
    campaign.send("launch")
    link = world.link(campaign_id="cmp_a")
    campaign.send("complete")
    order = {"org": ORG, "order_id": "o1", "amount_minor": 900, "currency": "EUR", "link_code": link.key.id}
    world.later(days=3)
    for n, occurred in enumerate([START + timedelta(hours=1), START + timedelta(days=2)]):
        sale = order | {"order_id": f"o{n}", "occurred_at": occurred.isoformat()}
        world.order(f"txn_{n}").send("record", sale)
        ((_, message),) = campaign_messages(world.events[-1])
        campaign.send(message.name, dict(message.data), message.id)
    assert (campaign.performance["conversions"], campaign.performance["late"]) == (1, 1)


# -- promotion codes ----------------------------------------------------------------------------------
def test_a_code_belongs_to_one_live_campaign() -> None:
    world = World()
    first = world.campaign("cmp_a", promotion_codes=[{"code": "sun"}])
    second = world.campaign("cmp_b", promotion_codes=[{"code": "SUN"}])
    first.send("launch")
    assert codes_of(world)[f"{ORG}:SUN"]["active"]
    with pytest.raises(Conflict) as taken:
        second.send("launch")
    assert (taken.value.code, taken.value.field) == ("promotion_code_taken", "promotion_codes")
    second.send("update", {"promotion_codes": []})
    second.send("launch")
    with pytest.raises(Conflict):
        second.send("update", {"promotion_codes": [{"code": "Sun"}]})


def test_a_code_goes_to_the_next_campaign_in_a_place_of_its_own() -> None:
    world = World()
    first = world.campaign("cmp_a", promotion_codes=[{"code": "SUN"}])
    first.send("launch")
    world.later(days=1)
    first.send("complete")
    world.later(days=1)
    second = world.campaign("cmp_b", promotion_codes=[{"code": "SUN"}])
    second.send("launch")
    owners = codes_of(world)
    assert [(id_, d["campaign"], d["active"]) for id_, d in owners.items()] == [
        (f"{ORG}:SUN", "cmp_a", False),
        (f"{ORG}:SUN:2", "cmp_b", True),
    ]
    assert owners[f"{ORG}:SUN"]["until"] == START + timedelta(days=8)
    assert owners[f"{ORG}:SUN:2"]["from"] == world.now


def test_a_removed_code_is_free_and_may_come_back() -> None:
    world = World()
    campaign = world.campaign("cmp_a", promotion_codes=[{"code": "SUN"}, {"code": "RAIN"}])
    campaign.send("launch")
    world.later(days=1)
    campaign.send("update", {"promotion_codes": [{"code": "RAIN", "platform": "twitter"}]})
    owners = codes_of(world)
    assert (owners[f"{ORG}:SUN"]["active"], owners[f"{ORG}:SUN"]["until"]) == (False, world.now)
    rain = owners[f"{ORG}:RAIN"]
    assert (rain["active"], rain["from"], rain["platform"]) == (True, START, "twitter")
    world.later(days=1)
    campaign.send("update", {"promotion_codes": [{"code": "SUN"}]})
    sun = codes_of(world)[f"{ORG}:SUN"]
    assert (sun["active"], sun["from"], sun["until"]) == (True, world.now, None)


def test_orgs_do_not_share_codes() -> None:
    world = World()
    world.campaign("cmp_a", promotion_codes=[{"code": "SUN"}]).send("launch")
    world.campaign("cmp_b", org="org_b", promotion_codes=[{"code": "SUN"}]).send("launch")
    assert set(codes_of(world)) == {f"{ORG}:SUN", "org_b:SUN"}


def test_a_code_has_a_limited_number_of_owners() -> None:
    world = World()

    def campaign(n: int) -> Actor:
        return world.campaign(f"cmp_{n}", promotion_codes=[{"code": "SUN"}])

    for n in range(MAX_OWNERS):
        owner = campaign(n)
        owner.send("launch")
        owner.send("complete")
    with pytest.raises(Conflict) as used_up:
        campaign(MAX_OWNERS).send("launch")
    assert used_up.value.code == "promotion_code_used_up"
