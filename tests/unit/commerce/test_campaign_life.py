"""The campaign's life: every pair of status and command, the schedule, versions, editing."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.campaign.entity import CampaignEntity
from actors.runtime.entity import Entity
from domain.campaigns import CampaignStatus
from domain.errors import Conflict, Invalid, NotFound
from tests.unit.commerce.driver import ACCOUNT, ORG, POST, START, Actor, World

LEGAL = {
    ("draft", "launch"): "active",
    ("active", "pause"): "paused",
    ("paused", "resume"): "active",
    ("active", "complete"): "completed",
    ("paused", "complete"): "completed",
}
PATH_TO = {
    "draft": (),
    "active": ("launch",),
    "paused": ("launch", "pause"),
    "completed": ("launch", "complete"),
}


def campaign_in(status: str, world: World, **fields: Any) -> Actor:
    campaign = world.campaign(**fields)
    for command in PATH_TO[status]:
        campaign.send(command)
    assert campaign.view["status"] == status
    return campaign


def test_satisfies_the_runtime_contract() -> None:
    entity: Entity[Any] = CampaignEntity()
    assert entity.kind == "campaign"


@pytest.mark.parametrize(
    ("status", "command"),
    list(itertools.product(CampaignStatus, ["launch", "pause", "resume", "complete"])),
)
def test_every_status_and_command(status: str, command: str) -> None:
    campaign = campaign_in(status, World())
    before = campaign.state
    expected = LEGAL.get((status, command))
    if expected is None:
        with pytest.raises(Conflict) as refused:
            campaign.send(command)
        assert refused.value.code == "illegal_transition"
        assert campaign.state is before
    else:
        assert campaign.send(command)["status"] == expected


def test_events_of_a_life() -> None:
    world = World()
    campaign = world.campaign()
    assert campaign.event_names() == ["CampaignChanged"]
    campaign.send("launch")
    assert campaign.event_names() == ["CampaignLaunched"]
    campaign.send("pause")
    assert campaign.event_names() == ["CampaignChanged"]
    campaign.send("resume")
    campaign.send("complete")
    assert campaign.event_names() == ["CampaignCompleted"]
    data = world.events[-1]["data"]
    assert data["performance"]["conversions"] == 0
    assert data["counts_until"] == (START + timedelta(days=7)).isoformat()


def test_unknown_commands_and_unknown_campaigns() -> None:
    world = World()
    campaign = world.campaign()
    with pytest.raises(Invalid) as unknown:
        campaign.send("explode")
    assert unknown.value.code == "unknown_command"
    with pytest.raises(Conflict):
        campaign.send("create", {"org": ORG, "name": "x", "budget": {"total_minor": 1, "currency": "EUR"}})
    with pytest.raises(NotFound):
        Actor(world, CampaignEntity(), campaign.key).send("launch")


def test_another_orgs_command_finds_nothing() -> None:
    campaign = World().campaign()
    with pytest.raises(NotFound):
        campaign.send("launch", {"org": "org_b"})
    assert campaign.send("launch", {"org": ORG})["status"] == "active"


@pytest.mark.parametrize("command", ["update", "launch", "record_cost"])
def test_if_version(command: str) -> None:
    campaign = World().campaign()
    data = {"amount_minor": 5} if command == "record_cost" else {}
    with pytest.raises(Conflict) as stale:
        campaign.send(command, data | {"if_version": 0})
    assert stale.value.code == "version_mismatch"
    campaign.send(command, data | {"if_version": 1})
    assert campaign.version == 2


# -- schedule -------------------------------------------------------------------------------------------
def test_ends_by_itself_even_when_the_tick_is_late() -> None:
    world = World()
    end = START + timedelta(days=2)
    campaign = world.campaign(schedule={"end_date": end.isoformat()})
    campaign.send("launch")
    assert campaign.due == end
    campaign.tick()
    assert campaign.last is not None and not campaign.last.changed
    world.later(days=3)
    campaign.tick()
    assert campaign.view["status"] == "completed"
    assert campaign.view["completed_at"] == end.isoformat()
    assert campaign.due == end + timedelta(days=7)
    campaign.tick()
    assert campaign.last is not None and not campaign.last.changed


def test_a_paused_campaign_ends_too() -> None:
    world = World()
    campaign = world.campaign(schedule={"end_date": (START + timedelta(days=1)).isoformat()})
    campaign.send("launch")
    campaign.send("pause")
    world.later(days=1)
    campaign.tick()
    assert campaign.view["status"] == "completed"


def test_metrics_become_final_when_the_window_ends() -> None:
    world = World()
    campaign = world.campaign(attribution_window_days=2)
    campaign.send("launch")
    engaged = {"org": ORG, "at": START.isoformat(), "content_id": POST, "platform": "twitter"}
    campaign.send("engaged", engaged | {"totals": {"likes": 5}, "previous": {"likes": 2}})
    campaign.send("complete")
    assert list(campaign.state.performance.contents) == [POST]
    world.later(days=2)
    assert campaign.due == world.now
    campaign.tick()
    assert campaign.view["metrics_final"]
    assert world.events[-1]["data"]["change"] == "metrics_final"
    assert world.events[-1]["data"]["performance"]["engagement"]["likes"] == 3
    assert campaign.state.performance.contents == {}
    assert campaign.due is None


def test_launched_before_its_start_it_waits_armed() -> None:
    world = World()
    start = START + timedelta(hours=5)
    campaign = world.campaign(schedule={"start_date": start.isoformat()}, content=[POST])
    reply = campaign.send("launch")
    assert (reply["status"], reply["launch_at"]) == ("draft", start.isoformat())
    assert world.members() == []
    with pytest.raises(Conflict):
        campaign.send("launch")
    world.later(hours=6)
    campaign.tick()
    assert campaign.event_names() == ["CampaignLaunched"]
    assert campaign.view["launched_at"] == start.isoformat()
    assert [m["from"] for m in world.members()] == [start]


def test_pause_disarms() -> None:
    world = World()
    campaign = world.campaign(schedule={"start_date": (START + timedelta(hours=5)).isoformat()})
    campaign.send("launch")
    assert campaign.send("pause")["launch_at"] is None
    assert campaign.due is None
    with pytest.raises(Conflict):
        campaign.send("pause")


def test_a_new_schedule_disarms() -> None:
    campaign = World().campaign(schedule={"start_date": (START + timedelta(hours=5)).isoformat()})
    campaign.send("launch")
    campaign.send("update", {"name": "Other"})
    assert campaign.view["launch_at"] is not None
    campaign.send("update", {"schedule": {"start_date": (START + timedelta(hours=6)).isoformat()}})
    assert campaign.view["launch_at"] is None


def test_an_armed_launch_that_is_refused_says_why() -> None:
    world = World()
    other = world.campaign("cmp_b", promotion_codes=[{"code": "SUN"}])
    armed = world.campaign(
        schedule={"start_date": (START + timedelta(hours=5)).isoformat()}, promotion_codes=[{"code": "sun"}]
    )
    armed.send("launch")
    other.send("launch")
    world.later(hours=5)
    armed.tick()
    assert armed.view["status"] == "draft"
    assert "SUN belongs to the live campaign cmp_b" in armed.view["launch_error"]
    assert armed.due is None
    other.send("complete")
    armed.send("launch")
    assert (armed.view["status"], armed.view["launch_error"]) == ("active", None)


def test_launch_after_the_end_is_refused() -> None:
    world = World()
    campaign = world.campaign(schedule={"end_date": (START + timedelta(days=1)).isoformat()})
    world.later(days=1)
    with pytest.raises(Conflict) as refused:
        campaign.send("launch")
    assert refused.value.code == "schedule_over"


@pytest.mark.parametrize(
    ("schedule", "start", "end"),
    [
        # Wall time in the campaign's zone, in summer and in winter.
        (
            {"timezone": "Europe/Berlin", "start_date": "2026-07-01T09:00:00"},
            datetime(2026, 7, 1, 7, tzinfo=UTC),
            None,
        ),
        (
            {"timezone": "Europe/Berlin", "start_date": "2026-12-01T09:00:00"},
            datetime(2026, 12, 1, 8, tzinfo=UTC),
            None,
        ),
        # An offset wins over the zone.
        (
            {"timezone": "Europe/Berlin", "start_date": "2026-07-01T09:00:00Z"},
            datetime(2026, 7, 1, 9, tzinfo=UTC),
            None,
        ),
        # Bare dates: from the start of the first day to the end of the last.
        (
            {"timezone": "Asia/Tokyo", "start_date": "2026-07-01", "end_date": "2026-07-01"},
            datetime(2026, 6, 30, 15, tzinfo=UTC),
            datetime(2026, 7, 1, 15, tzinfo=UTC),
        ),
        # A day of 25 hours.
        (
            {"timezone": "Europe/Berlin", "start_date": "2026-10-25", "end_date": "2026-10-25"},
            datetime(2026, 10, 24, 22, tzinfo=UTC),
            datetime(2026, 10, 25, 23, tzinfo=UTC),
        ),
    ],
)
def test_schedules_are_in_their_zone(
    schedule: dict[str, str], start: datetime | None, end: datetime | None
) -> None:
    campaign = World().campaign(schedule=schedule)
    assert campaign.state.schedule.start == start
    assert campaign.state.schedule.end == end
    if start is not None:
        assert datetime.fromisoformat(campaign.view["schedule"]["start_date"]) == start


# -- bad input ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800"}, "name"),
        ({"name": 7}, "name"),
        ({"budget": None}, "budget.total_minor"),
        ({"budget": {"total_minor": 1.5, "currency": "EUR"}}, "budget.total_minor"),
        ({"budget": {"total_minor": True, "currency": "EUR"}}, "budget.total_minor"),
        ({"budget": {"total_minor": -1, "currency": "EUR"}}, "budget.total_minor"),
        ({"budget": {"total_minor": 2**63, "currency": "EUR"}}, "budget.total_minor"),
        ({"budget": {"total_minor": 1, "currency": "eur"}}, "currency"),
        ({"budget": {"total_minor": 1, "daily_minor": 2, "currency": "EUR"}}, "budget.daily_minor"),
        ({"budget": [1]}, "budget"),
        ({"platforms": "twitter"}, "platforms"),
        ({"platforms": ["Twitter!"]}, "platforms"),
        ({"schedule": {"timezone": "Mars/Base"}}, "schedule.timezone"),
        ({"schedule": {"timezone": "../etc/passwd"}}, "schedule.timezone"),
        ({"schedule": {"timezone": "Europe"}}, "schedule.timezone"),
        ({"schedule": {"start_date": "soon"}}, "schedule.start_date"),
        ({"schedule": {"start_date": 5}}, "schedule.start_date"),
        ({"schedule": {"start_date": "9999-12-31"}}, "schedule.start_date"),
        ({"schedule": {"start_date": "2027-02-02", "end_date": "2027-02-01"}}, "schedule.end_date"),
        ({"schedule": {"end_date": "2026-04-01"}}, "schedule.end_date"),
        ({"schedule": {"posting_schedule": {"$where": 1}}}, "schedule.posting_schedule"),
        ({"schedule": {"posting_schedule": {"a.b": 1}}}, "schedule.posting_schedule"),
        ({"schedule": {"posting_schedule": {"a": 2**63}}}, "schedule.posting_schedule"),
        ({"schedule": {"posting_schedule": {"a": [[[[[[1]]]]]]}}}, "schedule.posting_schedule"),
        ({"target_audience": {"demographics": [1]}}, "target_audience.demographics"),
        ({"attribution_window_days": 91}, "attribution_window_days"),
        ({"attribution_window_days": -1}, "attribution_window_days"),
        ({"promotion_codes": [{"code": "A B"}]}, "promotion_codes[0].code"),
        ({"promotion_codes": [{"code": "sun"}, {"code": "SUN"}]}, "promotion_codes[1].code"),
        ({"promotion_codes": ["SUN"]}, "promotion_codes"),
        ({"accounts": ["twitter:1:org_b"]}, "accounts"),
        ({"accounts": ["nonsense"]}, "accounts"),
        ({"content": ["twitter:1:org_b|5"]}, "content"),
        ({"accounts": [ACCOUNT], "content": [f"{ACCOUNT}|{n}" for n in range(10_000)]}, "content"),
    ],
)
def test_bad_input_names_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        World().campaign(**fields)
    assert refused.value.field == field
    campaign = World().campaign()
    if fields.get("name", "") is not None and fields.get("budget", "") is not None:
        with pytest.raises(Invalid):
            campaign.send("update", fields)


# -- editing --------------------------------------------------------------------------------------------
def test_update_replaces_what_is_given_and_keeps_the_rest() -> None:
    campaign = World().campaign(
        description="d",
        type="launch",
        platforms=["twitter", "twitter"],
        target_audience={"demographics": {"age": [18, 30]}, "custom_audiences": ["aud_1"]},
        creative={"content": ["c1"], "assets": ["a1"]},
        influencers=["inf_1"],
        products=["prd_1"],
        promotion_codes=[{"code": "sun", "platform": "twitter"}],
    )
    before = campaign.view
    after = campaign.send("update", {"name": "Autumn", "products": []})
    assert after == before | {"name": "Autumn", "products": [], "updated_at": after["updated_at"]}
    assert before["platforms"] == ["twitter"]
    assert before["target_audience"]["custom_audiences"] == ["aud_1"]
    assert before["promotion_codes"] == [
        {"code": "SUN", "content_id": None, "platform": "twitter", "influencer": None}
    ]


def test_a_completed_campaign_does_not_change() -> None:
    campaign = campaign_in("completed", World())
    with pytest.raises(Conflict):
        campaign.send("update", {"name": "x"})


def test_the_currency_cannot_change_once_there_is_money() -> None:
    campaign = World().campaign()
    campaign.send("update", {"budget": {"total_minor": 5, "currency": "USD"}})
    assert campaign.performance["currency"] == "USD"
    campaign.send("record_cost", {"amount_minor": 5})
    with pytest.raises(Conflict) as refused:
        campaign.send("update", {"budget": {"total_minor": 5, "currency": "EUR"}})
    assert refused.value.code == "currency_in_use"


def test_a_snapshot_is_small_and_current() -> None:
    campaign = campaign_in("active", World())
    at = START.isoformat()
    campaign.send("clicked", {"org": ORG, "at": at, "link": "link0001", "platform": "twitter"})
    snapshot = CampaignEntity().snapshot(campaign.key, campaign.state)
    assert {k: snapshot[k] for k in ("id", "status", "at")} == {"id": "cmp_a", "status": "active", "at": at}
    assert snapshot["performance"]["by_platform"]["twitter"]["clicks"] == 1
