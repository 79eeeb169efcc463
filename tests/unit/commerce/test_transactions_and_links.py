"""One order is one transaction; a link counts its clicks and leads only where it may."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.link import LinkEntity
from actors.runtime.entity import Entity
from actors.transaction import TransactionEntity
from domain.errors import Conflict, Invalid, NotFound
from domain.links import checked_url
from tests.unit.commerce.driver import ORG, START, World

ORDER = {
    "org": ORG,
    "order_id": "A-1",
    "customer_id": b"sealed-1",
    "amount_minor": 2490,
    "currency": "EUR",
    "occurred_at": START.isoformat(),
    "link_code": "link0001",
    "promotion_code": "sun",
    "product_id": "prd_1",
}


def test_satisfy_the_runtime_contract() -> None:
    entities: list[Entity[Any]] = [LinkEntity(), TransactionEntity()]
    assert [entity.kind for entity in entities] == ["link", "transaction"]


# -- transactions -----------------------------------------------------------------------------------------
def test_an_order_is_credited_and_told() -> None:
    world = World()
    world.link(campaign_id="cmp_a", content_id="c1", platform="twitter", influencer="inf_1")
    order = world.order()
    view = order.send("record", ORDER)
    assert view["attribution"] == {
        "campaign_id": "cmp_a",
        "content_id": "c1",
        "platform": "twitter",
        "influencer": "inf_1",
        "by": "link",
        "reason": "link matched; promotion code unknown",
    }
    (event,) = [e for e in world.events if e["type"] == "rookery.TransactionCompleted"]
    assert event["data"] == {
        "transaction_id": "txn_1",
        "order_id": "A-1",
        "occurred_at": START.isoformat(),
        "amount_minor": 2490,
        "currency": "EUR",
        "campaign_id": "cmp_a",
        "content_id": "c1",
        "platform": "twitter",
        "influencer": "inf_1",
        "product_id": "prd_1",
        "by": "link",
    }
    assert order.state.customer_id == b"sealed-1"
    assert "sealed" not in repr(view)


def test_the_same_order_again_changes_nothing_whatever_happened_since() -> None:
    world = World()
    order = world.order()
    first = order.send("record", ORDER)
    world.link()
    world.later(days=1)
    again = order.send("record", ORDER | {"customer_id": b"sealed-again"})
    assert again == first
    assert order.last is not None
    assert (order.last.changed, order.last.events, order.version) == (False, (), 1)


@pytest.mark.parametrize(
    "other",
    [
        {"amount_minor": 2491},
        {"currency": "USD"},
        {"occurred_at": (START - timedelta(seconds=1)).isoformat()},
        {"link_code": None},
        {"click_id": "clk_1"},
        {"promotion_code": "moon"},
        {"product_id": "prd_2"},
        {"platform": "twitter"},
    ],
)
def test_the_same_order_with_other_facts_is_a_conflict(other: dict[str, Any]) -> None:
    order = World().order()
    order.send("record", ORDER)
    before = order.state
    with pytest.raises(Conflict) as differs:
        order.send("record", ORDER | other)
    assert (differs.value.code, differs.value.field) == ("order_differs", "order_id")
    assert order.state is before


def test_another_org_does_not_find_it() -> None:
    order = World().order()
    order.send("record", ORDER)
    with pytest.raises(NotFound):
        order.send("record", ORDER | {"org": "org_b"})


def test_a_foreign_link_is_no_evidence() -> None:
    world = World()
    world.link(org="org_b", campaign_id="cmp_b")
    credit = world.order().send("record", ORDER)["attribution"]
    assert (credit["by"], credit["campaign_id"]) == ("none", None)


@pytest.mark.parametrize("code", ["two words", "\u2603" * 50, ":", "a"])
def test_a_code_that_cannot_be_one_does_not_stop_the_sale(code: str) -> None:
    view = World().order().send("record", ORDER | {"promotion_code": code, "link_code": "../x"})
    assert view["attribution"]["reason"] == "link unknown; promotion code unknown"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"order_id": ""}, "order_id"),
        ({"order_id": "a\x00"}, "order_id"),
        ({"amount_minor": 24.9}, "amount_minor"),
        ({"amount_minor": -1}, "amount_minor"),
        ({"amount_minor": 2**53}, "amount_minor"),
        ({"currency": "EURO"}, "currency"),
        ({"occurred_at": "2026-05-01T12:00:00"}, "occurred_at"),
        ({"occurred_at": (START + timedelta(minutes=6)).isoformat()}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+05:00"}, "occurred_at"),
        ({"transaction_type": "gift"}, "transaction_type"),
        ({"platform": "Tik Tok"}, "platform"),
        ({"customer_id": "in clear"}, "customer_id"),
    ],
)
def test_bad_orders_name_their_field(bad: dict[str, Any], field: str) -> None:
    order = World().order()
    with pytest.raises(Invalid) as refused:
        order.send("record", ORDER | bad)
    assert refused.value.field == field
    assert order.state is None


def test_a_transaction_knows_one_command() -> None:
    order = World().order()
    with pytest.raises(Invalid):
        order.send("refund", ORDER)


# -- links --------------------------------------------------------------------------------------------------
def test_clicks_count_and_tell() -> None:
    world = World()
    link = world.link(campaign_id="cmp_a", content_id="c1", platform="twitter", product_id="prd_1")
    world.later(minutes=1)
    link.send("click", {"at": world.now.isoformat()}, id="clk_1")
    assert link.view["clicks"] == 1
    assert world.events[-1]["data"] == {
        "link": "link0001",
        "click_id": "clk_1",
        "at": world.now.isoformat(),
        "campaign_id": "cmp_a",
        "content_id": "c1",
        "platform": "twitter",
        "influencer": None,
        "product_id": "prd_1",
    }


def test_a_disabled_link_counts_only_what_came_before() -> None:
    world = World()
    link = world.link()
    world.later(minutes=1)
    disabled = link.send("disable")
    assert disabled["status"] == "disabled"
    assert link.send("disable") == disabled
    assert link.last is not None and not link.last.changed
    link.send("click", {"at": START.isoformat()}, id="clk_1")
    link.send("click", {"at": world.now.isoformat()}, id="clk_2")
    assert link.view["clicks"] == 1


def test_link_refusals() -> None:
    world = World()
    link = world.link()
    with pytest.raises(Conflict):
        link.send("create", {"org": ORG, "url": "https://shop.example/"})
    with pytest.raises(NotFound):
        link.send("disable", {"org": "org_b"})
    with pytest.raises(Conflict):
        link.send("disable", {"if_version": 9})
    with pytest.raises(Invalid):
        link.send("explode")
    with pytest.raises(Invalid):
        link.send("click", {"at": None})
    with pytest.raises(Invalid) as short:
        world.link("short")
    assert short.value.field == "code"


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/",
        "http://shop.example:8080/p?q=1#f",
        "https://xn--mller-kva.example/ü",
        "https://[2001:db8::1]/",
    ],
)
def test_good_addresses(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "shop.example",
        "//shop.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.example/",
        "https://",
        "https:///path",
        "https://./",
        "https://user@shop.example/",
        "https://user:pass@shop.example/",
        "https://good.example\\@bad.example/",
        "https://shop.example/a b",
        "https://shop.example/\r\nSet-Cookie: x",
        "https://shop.example/\t",
        "https://shop.example/\ud800",
        "https://shop.example:99999/",
        "https://[bad/",
        "https://shop.example/" + "a" * 2048,
    ],
)
def test_bad_addresses(url: Any) -> None:
    with pytest.raises(Invalid) as refused:
        checked_url(url)
    assert refused.value.field == "url"


@given(st.text() | st.text().map(lambda t: f"https://{t}"))
def test_any_text_is_an_address_or_invalid(text: str) -> None:
    try:
        assert checked_url(text).startswith(("http", "HTTP"))
    except Invalid as refused:
        assert refused.code == "url_invalid"


def test_the_customer_is_exchanged_for_the_same_under_a_newer_key() -> None:
    order = World().order()
    order.send("record", ORDER)
    version = order.version
    order.send("reseal", {"pairs": [[b"sealed-0", b"sealed-9"]]})  # read before somebody else wrote
    assert (order.state.customer_id, order.version) == (b"sealed-1", version)
    for _ in range(2):
        order.send("reseal", {"pairs": [[b"sealed-1", b"sealed-2"]]})
    assert (order.state.customer_id, order.version) == (b"sealed-2", version + 1)
    assert order.last is not None and not order.last.events
