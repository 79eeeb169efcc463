"""What platforms told beside content, as JSON for people."""

from datetime import datetime
from typing import Any

from storage.records import Document


def operation_json(document: Document) -> dict[str, Any]:
    return {
        "id": document["_id"],
        "account_id": document["socialAccountId"],
        "platform": document["platform"],
        "what": document["what"],
        "status": document["status"],
        "reason": document["reason"],
        "items": document["items"],
        "result": document["result"],
        "created_by": document["createdBy"],
        "created_at": _time(document["createdAt"]),
        "updated_at": _time(document["updatedAt"]),
        "steps": [{"at": _time(at), "what": what} for at, what in document["steps"]],
    }


def insights_json(document: Document) -> dict[str, Any]:
    """A number without a value has the reason why: it is not available, which is not zero."""
    return _common(document) | {
        "subject": document["subject"],
        "content_id": document["contentId"],
        "day": document["day"],
        "metrics": [
            {
                "name": metric["name"],
                "value": metric["value"],
                "reason": metric["reason"],
                "source": metric["source"],
                "period": metric["period"],
                "since": _time(metric["since"]),
                "until": _time(metric["until"]),
            }
            for metric in document["metrics"]
        ],
    }


def ad_account_json(document: Document) -> dict[str, Any]:
    names = {"external_id": "externalId", "name": "name", "currency": "currency", "timezone": "timezone"}
    return _common(document) | {shown: document[name] for shown, name in names.items()}


def ad_json(document: Document) -> dict[str, Any]:
    return _common(document) | {
        "ad_account_id": document["adAccountId"],
        "external_id": document["externalId"],
        "level": document["level"],
        "parent_id": document["parentId"],
        "name": document["name"],
        "status": document["status"],
        "native_status": document["nativeStatus"],
        "objective": document["objective"],
        "daily_budget": _money(document["dailyBudget"]),
        "lifetime_budget": _money(document["lifetimeBudget"]),
        "starts_at": _time(document["startsAt"]),
        "ends_at": _time(document["endsAt"]),
    }


def ad_day_json(document: Document) -> dict[str, Any]:
    """`day` is of the ad account's time zone."""
    return _common(document) | {
        "ad_id": document["adId"],
        "level": document["level"],
        "day": f"{document['day']:%Y-%m-%d}",
        "spend": _money(document["spend"]),
        "impressions": document["impressions"],
        "clicks": document["clicks"],
        "reach": document["reach"],
        "conversions": document["conversions"],
        "conversion_value": _money(document["conversionValue"]),
    }


def catalog_json(document: Document) -> dict[str, Any]:
    names = {"external_id": "externalId", "name": "name", "product_count": "productCount"}
    return _common(document) | {shown: document[name] for shown, name in names.items()}


def product_json(document: Document) -> dict[str, Any]:
    return _common(document) | {
        "catalog_id": document["catalogId"],
        "retailer_id": document["retailerId"],
        "external_id": document["externalId"],
        "title": document["title"],
        "description": document["description"],
        "price": _money(document["price"]),
        "sale_price": _money(document["salePrice"]),
        "availability": document["availability"],
        "url": document["url"],
        "image_url": document["imageUrl"],
        "brand": document["brand"],
    }


def order_json(document: Document, transaction_id: str) -> dict[str, Any]:
    """Without its buyer."""
    return _common(document) | {
        "external_id": document["externalId"],
        "transaction_id": transaction_id,
        "native_status": document["nativeStatus"],
        "paid": document["paid"],
        "cancelled": document["cancelled"],
        "total": _money(document["total"]),
        "lines": [
            {
                "product_id": line["productId"],
                "sku": line["sku"],
                "title": line["title"],
                "quantity": line["quantity"],
                "price": _money(line["price"]),
            }
            for line in document["lines"]
        ],
        "ordered_at": _time(document["orderedAt"]),
        "changed_at": _time(document["changedAt"]),
    }


def broadcast_json(document: Document) -> dict[str, Any]:
    return _common(document) | {
        "external_id": document["externalId"],
        "title": document["title"],
        "status": document["status"],
        "native_status": document["nativeStatus"],
        "scheduled_at": _time(document["scheduledAt"]),
        "started_at": _time(document["startedAt"]),
        "ended_at": _time(document["endedAt"]),
        "viewers": document["viewers"],
        "stream_id": document["streamId"],
        "chat_id": document["chatId"],
        "permalink": document["permalink"],
        "embed_html": document.get("embedHtml"),  # not in what was read by earlier builds
    }


def _common(document: Document) -> dict[str, Any]:
    return {
        "id": document["_id"],
        "account_id": document["socialAccountId"],
        "platform": document["platform"],
        "read_at": _time(document["readAt"]),
    }


def _money(money: Document | None) -> dict[str, Any] | None:
    return {"amount_minor": money["minor"], "currency": money["currency"]} if money else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
