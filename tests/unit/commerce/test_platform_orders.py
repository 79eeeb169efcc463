"""Orders that platforms take: each is one transaction, followed as the platform tells it."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account.operations.told import ORDERS, events
from actors.routing import campaign_messages, order_messages
from actors.runtime.entity import SideRef
from domain.events import cloud_events
from domain.ids import AccountId, EntityKey, Kind, platform_order, transaction_key
from tests.unit.commerce.driver import ACCOUNT, ORG, START, Actor, World

ID = AccountId.parse(ACCOUNT)


def document(minor: int | None = 4200, changed_s: int = 0, **changes: Any) -> dict[str, Any]:
    total = None if minor is None else {"minor": minor, "currency": "EUR"}
    return {
        "_id": f"{ACCOUNT}|1001",
        "externalId": "1001",
        "nativeStatus": "AWAITING_SHIPMENT",
        "paid": True,
        "cancelled": False,
        "total": total,
        "lines": [{"productId": "p1"}],
        "orderedAt": START - timedelta(hours=2),
        "changedAt": START + timedelta(seconds=changed_s),
    } | changes


class Shop:
    """An account's orders, as its turns tell them, and what becomes of them."""

    def __init__(self) -> None:
        self.world = World()
        self.version = 0
        self.known: dict[SideRef, dict[str, Any]] = {}
        self.sale = Actor(self.world, *_transaction())

    def reads(self, order: dict[str, Any]) -> int:
        """One reading of the order; how many events that was."""
        self.version += 1
        key = EntityKey(Kind.ACCOUNT, ACCOUNT)
        found = list(events(ACCOUNT, "twitter", [(ORDERS, order)], self.known))
        self.known[SideRef(ORDERS, order["_id"])] = order
        for envelope in cloud_events(found, key, ORG, self.version, self.world.now):
            for target, message in order_messages(envelope):
                assert target == self.sale.key
                self.sale.send(message.name, dict(message.data), message.id)
        return len(found)

    def names(self) -> list[str]:
        return [e["type"].removeprefix("rookery.") for e in self.world.events]


def _transaction() -> tuple[Any, EntityKey]:
    from actors.transaction import TransactionEntity

    return TransactionEntity(), transaction_key(ORG, platform_order(ID, "1001"))


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_an_order_read_again_and_again_is_one_sale(shop: Shop) -> None:
    assert [shop.reads(document()) for _ in range(3)] == [1, 0, 0]
    view = shop.sale.view
    assert (view["amount_minor"], view["currency"], view["status"]) == (4200, "EUR", "completed")
    assert (view["platform"], view["order_id"], view["product_id"]) == ("twitter", "twitter/100/1001", "p1")
    shop.known.clear()  # as if the document had been lost: the event comes again
    shop.reads(document())
    assert shop.names() == ["TransactionCompleted"]


def test_an_order_is_no_sale_before_it_is_paid(shop: Shop) -> None:
    shop.reads(document(paid=False))
    assert shop.sale.state is None
    shop.reads(document(nativeStatus="ON_HOLD", changed_s=1))
    assert shop.names() == ["TransactionCompleted"]
    assert shop.reads(document(None, 2)) == 1 and shop.names() == ["TransactionCompleted"]


def test_a_cancelled_sale_is_taken_back_once_and_for_ever(shop: Shop) -> None:
    shop.reads(document())
    shop.reads(document(cancelled=True, nativeStatus="CANCELLED", changed_s=5))
    shop.reads(document(nativeStatus="DELIVERED", changed_s=9))
    assert shop.names() == ["TransactionCompleted", "TransactionAdjusted"]
    assert shop.sale.view["status"] == "cancelled"
    data = shop.world.events[-1]["data"]
    assert (data["difference_minor"], data["conversions"], data["status"]) == (-4200, -1, "cancelled")


def test_a_cancellation_counts_whatever_the_platforms_clock_says(shop: Shop) -> None:
    shop.reads(document(changed_s=600))
    shop.reads(document(cancelled=True, changed_s=5))
    assert shop.sale.view["status"] == "cancelled"


def test_what_was_cancelled_before_anybody_heard_of_it_was_never_sold(shop: Shop) -> None:
    shop.reads(document(cancelled=True))
    assert shop.names() == [] and shop.sale.view["status"] == "cancelled"


def test_a_refunded_part_is_followed_and_an_older_telling_is_not(shop: Shop) -> None:
    shop.reads(document(changed_s=5))
    shop.reads(document(3000, 9))
    assert shop.sale.view["amount_minor"] == 3000
    shop.reads(document(4200, 7))
    assert shop.sale.view["amount_minor"] == 3000
    assert [e["data"].get("difference_minor") for e in shop.world.events] == [None, -1200]


def test_a_campaign_follows_within_the_window_of_the_sale(shop: Shop) -> None:
    campaign = shop.world.campaign(promotion_codes=[{"code": "KILN"}])
    campaign.send("launch")
    facts = {
        "org": ORG,
        "order_id": "twitter/100/1001",
        "amount_minor": 4200,
        "currency": "EUR",
        "occurred_at": START.isoformat(),
        "changed_at": None,
        "paid": True,
        "cancelled": False,
        "promotion_code": "kiln",
    }
    shop.sale.send("order_told", facts)
    shop.sale.send("order_told", facts | {"amount_minor": 4000})
    campaign.send("complete")
    shop.world.later(days=30)
    before = len(shop.world.events)
    shop.sale.send("order_told", facts | {"cancelled": True})
    told, performances = shop.world.events, []
    for event in [e for e in told[:before] if e["type"].startswith("rookery.Transaction")]:
        for _, message in campaign_messages(event):
            campaign.send(message.name, dict(message.data), message.id)
    performances.append(campaign.performance)
    for event in told[before:]:
        for _, message in campaign_messages(event):
            campaign.send(message.name, dict(message.data), message.id)
    performances.append(campaign.performance)
    assert [(p["conversions"], p["revenue_minor"]) for p in performances] == [(1, 4000), (0, 0)]


def test_another_org_changes_nothing(shop: Shop) -> None:
    shop.reads(document())
    facts = {"org": "org_b", "amount_minor": 1, "currency": "EUR", "cancelled": True}
    shop.sale.send("order_told", facts | {"occurred_at": START.isoformat()})
    assert shop.sale.view["amount_minor"] == 4200 and shop.sale.view["status"] == "completed"
