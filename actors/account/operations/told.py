"""What follows from the documents that a task brought: events, where something changed that others follow."""

from collections.abc import Iterator, Sequence
from typing import Any

from actors.runtime.entity import SideRef, SideView
from domain.events import Event, EventType
from storage.records import Document

AD_ACCOUNTS = "social_ad_accounts"
ADS = "social_ads"
AD_DAYS = "social_ad_days"
BROADCASTS = "social_broadcasts"
CATALOGS = "social_catalogs"
INSIGHTS = "social_insights"
ORDERS = "social_orders"
PRODUCTS = "social_products"
STREAMS = "social_streams"

COMPARED = frozenset({ORDERS, BROADCASTS})
"""Of these a turn wants to see what was known before."""

Brought = Sequence[tuple[str, Document]]


def refs(documents: Brought) -> list[SideRef]:
    return [SideRef(collection, d["_id"]) for collection, d in documents if collection in COMPARED]


def events(account_id: str, platform: str, documents: Brought, known: SideView) -> Iterator[Event]:
    common = {"account_id": account_id, "platform": platform}
    spent: dict[str, list[Document]] = {}
    for collection, document in documents:
        before = known.get(SideRef(collection, document["_id"]))
        if collection == ORDERS and _order_changed(before, document):
            yield Event(EventType.SOCIAL_ORDER_CHANGED, common | _order(document))
        elif collection == BROADCASTS and (before is None or before["status"] != document["status"]):
            broadcast = {"broadcast_id": document["_id"], "status": document["status"]}
            yield Event(EventType.BROADCAST_CHANGED, common | broadcast)
        elif collection == AD_DAYS and document["level"] == "campaign":
            spent.setdefault(document["adId"], []).append(document)
    for ad_id, days in spent.items():
        # Always, changed or not: whoever missed them, or came to follow the campaign later, has them now.
        rows = [[f"{d['day']:%Y-%m-%d}", d["spend"]["minor"], d["impressions"], d["clicks"]] for d in days]
        spend = {"ad_id": ad_id, "currency": days[0]["spend"]["currency"], "days": rows}
        yield Event(EventType.AD_SPEND_TOLD, common | spend)


def _order_changed(before: Document | None, after: Document) -> bool:
    followed = ("nativeStatus", "paid", "cancelled", "total")
    return before is None or any(before[name] != after[name] for name in followed)


def _order(document: Document) -> dict[str, Any]:
    total, changed_at = document["total"], document["changedAt"]
    return {
        "order_id": document["externalId"],
        "amount_minor": total["minor"] if total else None,
        "currency": total["currency"] if total else None,
        "paid": document["paid"],
        "cancelled": document["cancelled"],
        "occurred_at": document["orderedAt"].isoformat(),
        "changed_at": changed_at.isoformat() if changed_at else None,
        "product_id": document["lines"][0]["productId"] if len(document["lines"]) == 1 else None,
    }
