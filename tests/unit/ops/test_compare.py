"""The demo's comparison catches each violation it claims to catch, and nothing that is none."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ops.demo.compare import Check, Evidence, Heard, ShopSide, compare, conditions, passed, summary

KEY = "twitter:9"
X, Y = "twitter:9:org_a", "twitter:9:org_b"
ENGAGED = {"likes": 4, "comments": 2, "shares": 3, "views": 40}


def event(n: int, kind: str, app: str = "app-1", accepted: bool = True) -> dict[str, Any]:
    return {
        "event_id": f"{app}-{n}",
        "app_id": app,
        "platform": "twitter",
        "external_id": "9",
        "type": "post.create" if kind in ("post", "own quote") else f"some.{kind}",
        "kind": kind.removeprefix("own "),
        "subject_id": f"s{n}",
        "accepted_at": "2026-01-01T00:00:00Z" if accepted else None,
    }


def post(
    id_: str, *, deleted: bool = False, edit_ids: tuple[str, ...] = (), **metrics: int
) -> dict[str, Any]:
    counts = dict.fromkeys(("likes", "comments", "shares", "views", "quotes", "saves"), 0) | metrics
    found: dict[str, Any] = {"id": id_, "kind": "post", "deleted": deleted, "metrics": counts}
    return found | ({"edit_ids": list(edit_ids)} if edit_ids else {})


def held(id_: str, **engagement: int) -> dict[str, Any]:
    known = dict.fromkeys(("likes", "comments", "shares", "views"), 0) | engagement
    return {"external_id": id_, "kind": "post", "engagement": known}


def account(**counters: int) -> dict[str, Any]:
    return {"status": "connected", "counters": counters, "token": {"refresh_in_doubt": 0}}


def shop() -> ShopSide:
    performance = {
        "engagement": {"likes": 3, "comments": 1, "shares": 2, "views": 30},
        "clicks": 5,
        "conversions": 2,
        "revenue_minor": 3000,
        "currency": "EUR",
    }
    return ShopSide(
        name="Kiln",
        campaign={"id": "cmp_1", "performance": performance},
        accounts=(X,),
        links=[{"clicks": 2}, {"clicks": 3}],
        transactions=[
            {"order_id": "o1", "amount_minor": 1000, "attribution": {"campaign_id": "cmp_1"}},
            {"order_id": "o2", "amount_minor": 2000, "attribution": {"campaign_id": "cmp_1"}},
            {"order_id": "o3", "amount_minor": 700, "attribution": {"campaign_id": None}},
        ],
        orders={"o1": (1000, True), "o2": (2000, True), "o3": (700, False)},
        visits={"a": 2, "b": 3},
        unsure=0,
    )


@pytest.fixture
def evidence() -> Evidence:
    """A run in which the service holds exactly what happened."""
    ledger = {
        "events": [
            event(1, "comment"),
            event(2, "like"),
            event(3, "post"),
            event(4, "mention"),
            event(5, "like", accepted=False),
            event(6, "follow", app="app-2"),
        ],
        "content": {
            KEY: [
                post("p1", likes=4, comments=2, shares=2, quotes=1, views=40),
                post("p2", deleted=True, edit_ids=("p2", "p3")),
                post("p3", edit_ids=("p2", "p3"), likes=7),
            ]
        },
        "deliveries": {"ok": 100, "duplicated_ok": 25, "reordered_ok": 30},
        "refreshes": [{"outcome": "rotated"}],
        "double_refreshes": 0,
        "rate_limited": 1,
        "token_expiries": 1,
    }
    launched = {"content": {KEY: [post("p1", likes=1, comments=1, shares=1, views=10), post("p2", likes=7)]}}
    items = [held("p1", **ENGAGED), held("p3", likes=7)]
    return Evidence(
        launched=launched,
        ledger=ledger,
        heard=[Heard(X, KEY, "app-1", "@a of Kiln"), Heard(Y, KEY, "app-2", "@a of Moon")],
        read=(),
        accounts={X: account(webhooks=4, remarked=2, liked=1, content_created=1), Y: account(followed=1)},
        remarks={X: ["s4", "s1", "from-the-past"], Y: []},
        content={X: items, Y: deepcopy(items)},
        shops=[shop()],
        dead_letters=0,
        killed_with_pending=12,
    )


def broken(evidence: Evidence) -> list[Check]:
    return [check for check in compare(evidence) if not check.holds]


def test_a_truthful_service_passes(evidence: Evidence) -> None:
    assert broken(evidence) == []
    assert passed(compare(evidence), conditions(evidence))


def test_of_accounts_that_are_only_read_the_content_is_compared(evidence: Evidence) -> None:
    page = Heard("facebook:5:org_a", "facebook:5", "app-3", "@page of Kiln")
    there = {"content": {**evidence.ledger["content"], "facebook:5": [post("f1"), post("f2")]}}
    read = replace(evidence, read=[page], ledger={**evidence.ledger, **there})
    whole = replace(read, content={**evidence.content, page.account_id: [held("f1"), held("f2")]})
    assert broken(whole) == []
    half = replace(read, content={**evidence.content, page.account_id: [held("f1")]})
    assert [(c.what, c.lost) for c in broken(half)] == [("@page of Kiln: content held", 1)]


def _lost_like(e: Evidence) -> Evidence:
    return replace(e, accounts={**e.accounts, X: account(remarked=2, content_created=1)})


def _doubled_remark(e: Evidence) -> Evidence:
    return replace(e, accounts={**e.accounts, X: account(remarked=3, liked=1, content_created=1)})


def _heard_through_a_foreign_app(e: Evidence) -> Evidence:
    return replace(e, accounts={**e.accounts, Y: account(followed=1, liked=1)})


def _remark_not_held(e: Evidence) -> Evidence:
    return replace(e, remarks={**e.remarks, X: ["s1"]})


def _remark_listed_twice(e: Evidence) -> Evidence:
    return replace(e, remarks={**e.remarks, X: ["s1", "s4", "s1"]})


def _content_missing(e: Evidence) -> Evidence:
    return replace(e, content={**e.content, X: e.content[X][:1]})


def _content_twice(e: Evidence) -> Evidence:
    return replace(e, content={**e.content, X: [*e.content[X], e.content[X][0]]})


def _deleted_still_there(e: Evidence) -> Evidence:
    return replace(e, content={**e.content, X: [*e.content[X], held("p2")]})


def _total_off(e: Evidence) -> Evidence:
    return replace(e, content={**e.content, X: [held("p1", **ENGAGED | {"likes": 5}), e.content[X][1]]})


def _shop(e: Evidence, **changes: Any) -> Evidence:
    return replace(e, shops=[replace(e.shops[0], **changes)])


def _performance(e: Evidence, **changes: Any) -> Evidence:
    campaign = e.shops[0].campaign
    return _shop(e, campaign={**campaign, "performance": {**campaign["performance"], **changes}})


def _campaign_like_lost(e: Evidence) -> Evidence:
    return _performance(e, engagement={"likes": 2, "comments": 1, "shares": 2, "views": 30})


def _robot_counted(e: Evidence) -> Evidence:
    return _performance(e, clicks=6)


def _click_lost(e: Evidence) -> Evidence:
    return _shop(e, links=[{"clicks": 2}, {"clicks": 2}])


def _sale_doubled(e: Evidence) -> Evidence:
    return _performance(e, conversions=3)


def _revenue_off(e: Evidence) -> Evidence:
    return _performance(e, revenue_minor=3001)


def _order_lost(e: Evidence) -> Evidence:
    return _shop(e, transactions=e.shops[0].transactions[1:])


def _order_twice(e: Evidence) -> Evidence:
    return _shop(e, transactions=[*e.shops[0].transactions, e.shops[0].transactions[0]])


def _order_misjudged(e: Evidence) -> Evidence:
    stolen = {**e.shops[0].transactions[2], "attribution": {"campaign_id": "cmp_1"}}
    return _shop(e, transactions=[*e.shops[0].transactions[:2], stolen])


def _disconnected(e: Evidence) -> Evidence:
    gone = {**e.accounts[X], "status": "reauthorization_required"}
    return replace(e, accounts={**e.accounts, X: gone})


def _refreshed_twice(e: Evidence) -> Evidence:
    return replace(e, ledger={**e.ledger, "double_refreshes": 1})


def _dead_letter(e: Evidence) -> Evidence:
    return replace(e, dead_letters=1)


@pytest.mark.parametrize(
    ("violate", "lost", "doubled", "wrong"),
    [
        (_lost_like, 1, 0, 0),
        (_doubled_remark, 0, 1, 0),
        (_heard_through_a_foreign_app, 0, 1, 0),
        (_remark_not_held, 1, 0, 0),
        (_remark_listed_twice, 0, 1, 0),
        (_content_missing, 1, 0, 0),
        (_content_twice, 0, 1, 0),
        (_deleted_still_there, 0, 0, 1),
        (_total_off, 0, 0, 1),
        (_campaign_like_lost, 1, 0, 0),
        (_robot_counted, 0, 1, 0),
        (_click_lost, 1, 0, 0),
        (_sale_doubled, 0, 1, 0),
        (_revenue_off, 0, 0, 1),
        (_order_lost, 1, 0, 0),
        (_order_twice, 0, 1, 0),
        (_order_misjudged, 0, 0, 1),
        (_disconnected, 0, 0, 1),
        (_refreshed_twice, 0, 0, 1),
        (_dead_letter, 0, 0, 1),
    ],
)
def test_each_violation_is_caught_once(
    evidence: Evidence, violate: Callable[[Evidence], Evidence], lost: int, doubled: int, wrong: int
) -> None:
    violated = violate(evidence)
    found = broken(violated)
    assert (sum(c.lost for c in found), sum(c.doubled for c in found)) == (lost, doubled)
    assert sum(c.wrong for c in found) >= wrong
    assert not passed(compare(violated), conditions(violated))


def test_a_total_that_is_not_told_counts_as_zero_and_is_caught(evidence: Evidence) -> None:
    untold = held("p1", **ENGAGED)
    untold["engagement"]["likes"] = None
    assert len(broken(replace(evidence, content={**evidence.content, X: [untold, held("p3", likes=7)]}))) == 1


def test_an_accounts_own_quote_is_content_and_no_remark(evidence: Evidence) -> None:
    ledger = {**evidence.ledger, "events": [*evidence.ledger["events"], event(7, "own quote")]}
    accounts = {**evidence.accounts, X: account(remarked=2, liked=1, content_created=2)}
    assert broken(replace(evidence, ledger=ledger, accounts=accounts)) == []


def test_a_visit_without_an_answer_may_count_or_not(evidence: Evidence) -> None:
    counted = _shop(_performance(evidence, clicks=6), links=[{"clicks": 3}, {"clicks": 3}], unsure=1)
    assert broken(counted) == []
    assert broken(_shop(evidence, unsure=1)) == []


@pytest.mark.parametrize("read_in_time", [True, False])
def test_an_expired_story_may_be_held_or_not(evidence: Evidence, read_in_time: bool) -> None:
    story = post("s1") | {"kind": "story", "expired": True}
    ledger = {**evidence.ledger, "content": {KEY: [*evidence.ledger["content"][KEY], story]}}
    more = [held("s1")] if read_in_time else []
    content = {id_: [*items, *more] for id_, items in evidence.content.items()}
    assert broken(replace(evidence, ledger=ledger, content=content)) == []


def test_what_instagram_and_reposts_do_not_tell_is_not_asked(evidence: Evidence) -> None:
    repost = post("p4", likes=900) | {"kind": "repost"}
    ledger = {**evidence.ledger, "content": {KEY: [*evidence.ledger["content"][KEY], repost]}}
    content = {id_: [*items, held("p4")] for id_, items in evidence.content.items()}
    assert broken(replace(evidence, ledger=ledger, content=content)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"deliveries": {"ok": 100, "duplicated_ok": 19, "reordered_ok": 30}},
        {"deliveries": {"ok": 100, "duplicated_ok": 25, "reordered_ok": 19}},
        {"rate_limited": 0},
        {"token_expiries": 0},
        {"refreshes": [{"outcome": "invalid"}]},
    ],
)
def test_a_run_without_trouble_proves_nothing(evidence: Evidence, change: dict[str, Any]) -> None:
    calm = replace(evidence, ledger={**evidence.ledger, **change})
    assert broken(calm) == []
    assert not passed(compare(calm), conditions(calm))


def test_a_kill_without_pending_messages_proves_nothing(evidence: Evidence) -> None:
    calm = replace(evidence, killed_with_pending=0)
    assert not passed(compare(calm), conditions(calm))


def test_the_last_line_is_computed_from_both_sides(evidence: Evidence) -> None:
    worse = _revenue_off(_lost_like(evidence))
    assert summary(worse, compare(worse), 61.234) == {
        "accounts": 2,
        "content": 4,
        "webhooks_accepted": 100,
        "duplicates_delivered": 25,
        "reordered_delivered": 30,
        "effects_lost": 1,
        "effects_doubled": 0,
        "double_refreshes": 0,
        "refresh_in_doubt": 0,
        "campaign_revenue_minor": 3001,
        "ledger_revenue_minor": 3000,
        "seconds": 61.2,
    }
