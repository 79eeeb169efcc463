"""What a campaign counts: differences of totals, clicks, sales, money, and its window in time."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import metrics
from domain.errors import Invalid, NotFound
from domain.metrics import Counts, Dimension, Performance, Totals
from domain.money import Money
from tests.unit.commerce.driver import ORG, POST, START, Actor, World

NAMES = ("likes", "comments", "shares", "views")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def campaign(world: World) -> Actor:
    campaign = world.campaign()
    campaign.send("launch")
    return campaign


def engaged(
    campaign: Actor, totals: dict[str, Any], previous: dict[str, Any] | None = None, **more: Any
) -> None:
    data = {
        "org": ORG,
        "at": campaign.world.now.isoformat(),
        "content_id": POST,
        "account_id": POST.partition("|")[0],
        "platform": "twitter",
        "totals": totals,
        "previous": previous,
    }
    campaign.send("engaged", data | more)


def sold(campaign: Actor, minor: int, currency: str = "EUR", **more: Any) -> None:
    data = {
        "org": ORG,
        "at": campaign.world.now.isoformat(),
        "transaction_id": "txn_1",
        "amount_minor": minor,
        "currency": currency,
    }
    campaign.send("sold", data | more)


def clicked(campaign: Actor, **more: Any) -> None:
    campaign.send("clicked", {"org": ORG, "at": campaign.world.now.isoformat(), "link": "link0001"} | more)


# -- engagement -----------------------------------------------------------------------------------------
def test_first_sight_counts_from_the_previous_totals(campaign: Actor) -> None:
    engaged(campaign, {"likes": 12, "views": 100}, {"likes": 10, "views": 40})
    assert campaign.performance["engagement"] == {"likes": 2, "comments": 0, "shares": 0, "views": 60}
    assert campaign.performance["impressions"] == 60
    assert campaign.performance["by_platform"]["twitter"]["engagement"]["likes"] == 2
    assert campaign.performance["by_content"][POST]["impressions"] == 60


def test_what_was_unknown_before_is_a_baseline(campaign: Actor) -> None:
    engaged(campaign, {"likes": 12}, None)
    assert campaign.performance["engagement"]["likes"] == 0
    engaged(campaign, {"likes": 15}, {"likes": 12})
    assert campaign.performance["engagement"]["likes"] == 3


def test_totals_may_fall_and_may_be_missing(campaign: Actor) -> None:
    engaged(campaign, {"likes": 12, "shares": None}, {"likes": 10, "shares": None})
    engaged(campaign, {"likes": None, "shares": 4}, None)
    engaged(campaign, {"likes": 9, "shares": 5}, None)
    assert campaign.performance["engagement"]["likes"] == -1
    assert campaign.performance["engagement"]["shares"] == 1


def test_an_event_that_got_lost_is_made_up_by_the_next(campaign: Actor) -> None:
    engaged(campaign, {"likes": 10}, {"likes": 0})
    engaged(campaign, {"likes": 30}, {"likes": 20})
    assert campaign.performance["engagement"]["likes"] == 30


@pytest.mark.parametrize("bad", [-1, 2**63, True, 1.5, "7"])
def test_an_impossible_total_counts_as_not_available(campaign: Actor, bad: object) -> None:
    engaged(campaign, {"likes": 10}, {"likes": 0})
    engaged(campaign, {"likes": bad}, {"likes": 10})
    assert campaign.performance["engagement"]["likes"] == 10


maybe = st.none() | st.integers(0, 1000)
readings = st.lists(st.tuples(maybe, maybe, maybe, maybe).map(lambda t: Totals(*t)), min_size=1, max_size=8)


@given(readings, st.lists(st.integers(0, 7), max_size=20))
def test_differences_sum_to_last_minus_first_base_whatever_is_repeated(
    told: list[Totals], repeats: list[int]
) -> None:
    """Each event is heard for the first time in order; any earlier one may come again anywhere."""
    known = Totals()
    events = []
    for n, totals in enumerate(told):
        previous, known = known, totals.known_or(known)
        events.append((totals, previous, (n + 1, 0)))
    performance = Performance("EUR")
    for n, event in enumerate(events):
        performance = performance.engaged(*event, Dimension(content="c"))
        for again in repeats:
            if again <= n:
                performance = performance.engaged(*events[again], Dimension(content="c"))
    counted = (
        performance.total.likes,
        performance.total.comments,
        performance.total.shares,
        performance.total.impressions,
    )
    for i in range(len(NAMES)):
        series = [totals[i] for totals in told if totals[i] is not None]
        expected = (series[-1] or 0) - (series[0] or 0) if series else 0
        assert counted[i] == expected
    assert performance.by_content.get("c", Counts()) == performance.total


def test_beyond_the_limit_the_events_own_previous_totals_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_CONTENTS", 1)
    monkeypatch.setattr(metrics, "MAX_ROWS", 2)
    performance = Performance("EUR")
    for n, content in enumerate(["a", "b", "b", "c", "a"]):
        order = (n + 1, 0)
        totals, previous = Totals(likes=10 * n + 10), Totals(likes=10 * n)
        performance = performance.engaged(totals, previous, order, Dimension(content=content))
    assert list(performance.contents) == ["a"]
    # a: 0 -> 10 -> 50 by what was last seen; b twice and c once: 10 each by what the event tells.
    assert {name: row.likes for name, row in performance.by_content.items()} == {
        "a": 50,
        "b": 20,
        metrics.OTHER: 10,
    }
    assert performance.total.likes == 80


# -- clicks, sales, money ---------------------------------------------------------------------------------
def test_clicks_and_sales_by_dimension(campaign: Actor) -> None:
    where = {"platform": "instagram", "content_id": POST, "influencer": "inf_1", "product_id": "prd.1"}
    clicked(campaign, **where)
    clicked(campaign, platform="twitter")
    sold(campaign, 2490, **where)
    sold(campaign, 10)
    shown = campaign.performance
    assert (shown["clicks"], shown["conversions"], shown["revenue_minor"]) == (2, 2, 2500)
    for dimension, name in (
        ("by_platform", "instagram"),
        ("by_content", POST),
        ("by_influencer", "inf_1"),
        ("by_product", "prd.1"),
    ):
        row = shown[dimension][name]
        assert (row["clicks"], row["conversions"], row["revenue_minor"]) == (1, 1, 2490)


def test_other_currencies_are_kept_apart(campaign: Actor) -> None:
    sold(campaign, 1000)
    sold(campaign, 500, "USD", platform="twitter")
    sold(campaign, 700, "USD")
    shown = campaign.performance
    assert (shown["revenue_minor"], shown["conversions"]) == (1000, 3)
    assert shown["other_currencies"] == {"USD": 1200}
    assert shown["by_platform"]["twitter"]["revenue_minor"] == 0


@pytest.mark.parametrize(
    ("minor", "currency"), [(1.5, "EUR"), (-1, "EUR"), (2**53, "EUR"), (1, "Euro"), (None, "EUR")]
)
def test_bad_money_is_refused(campaign: Actor, minor: Any, currency: str) -> None:
    before = campaign.state
    with pytest.raises(Invalid):
        sold(campaign, minor, currency)
    assert campaign.state is before


def test_a_sum_stays_within_what_json_holds(campaign: Actor) -> None:
    sold(campaign, 2**53 - 1)
    with pytest.raises(Invalid):
        sold(campaign, 1)


def test_costs_and_roas(campaign: Actor) -> None:
    assert campaign.performance["roas"] is None
    sold(campaign, 1000)
    campaign.send("record_cost", {"amount_minor": 300})
    assert campaign.performance["roas"] == "3.3333"
    campaign.send("record_cost", {"amount_minor": -300, "currency": "EUR"})
    assert campaign.performance["roas"] is None
    with pytest.raises(Invalid) as too_much:
        campaign.send("record_cost", {"amount_minor": -1})
    assert too_much.value.field == "amount_minor"
    with pytest.raises(Invalid) as mixed:
        campaign.send("record_cost", {"amount_minor": 1, "currency": "USD"})
    assert mixed.value.code == "currency_mismatch"


@given(st.integers(0, 2**53 - 1), st.integers(1, 2**53 - 1))
def test_roas_is_the_exact_ratio_rounded_half_up(revenue: int, cost: int) -> None:
    roas = Performance("EUR").sold(Money(revenue, "EUR"), Dimension()).spent(Money(cost, "EUR")).roas
    assert roas is not None
    assert len(roas.partition(".")[2]) == 4
    error = Fraction(roas) - Fraction(revenue, cost)
    assert Fraction(-1, 20_000) < error <= Fraction(1, 20_000)


def test_the_view_shows_the_strongest_rows_first(campaign: Actor) -> None:
    for n in range(120):
        sold(campaign, n, product_id=f"prd_{n}")
    rows = list(campaign.performance["by_product"])
    assert rows[:2] == ["prd_119", "prd_118"]
    assert len(rows) == 100


# -- when -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("happened", "counted"),
    [
        (timedelta(minutes=-6), "early"),
        (timedelta(minutes=-4), "clicks"),  # clocks differ
        (timedelta(0), "clicks"),
        (timedelta(days=3), "clicks"),  # completed, in the window
        (timedelta(days=9) - timedelta(milliseconds=1), "clicks"),
        (timedelta(days=9), "late"),
        (timedelta(days=400), "late"),
    ],
)
def test_counts_by_the_time_it_happened(
    world: World, campaign: Actor, happened: timedelta, counted: str
) -> None:
    world.later(days=2)
    campaign.send("complete")
    world.later(days=30)
    campaign.tick()  # final already: what is heard late still counts by its time
    clicked(campaign, at=(START + happened).isoformat())
    shown = {name: campaign.performance[name] for name in ("early", "clicks", "late")}
    assert shown == {"early": 0, "clicks": 0, "late": 0} | {counted: 1}


def test_a_draft_counts_nothing_and_a_pause_does_not_stop_counting(world: World, campaign: Actor) -> None:
    draft = world.campaign("cmp_b")
    clicked(draft)
    assert (draft.performance["early"], draft.performance["clicks"]) == (1, 0)
    campaign.send("pause")
    clicked(campaign)
    assert campaign.performance["clicks"] == 1


def test_another_orgs_message_changes_nothing(campaign: Actor) -> None:
    clicked(campaign, org="org_b")
    assert campaign.last is not None and not campaign.last.changed
    assert campaign.performance["clicks"] == 0


def test_messages_without_a_time_or_a_campaign_are_refused(world: World, campaign: Actor) -> None:
    with pytest.raises(Invalid):
        clicked(campaign, at="yesterday")
    with pytest.raises(NotFound):
        clicked(Actor(world, campaign.entity, campaign.key))


def test_updated_at_moves_with_the_numbers(world: World, campaign: Actor) -> None:
    world.later(minutes=1)
    clicked(campaign)
    assert datetime.fromisoformat(campaign.view["updated_at"]) == world.now
