"""The transaction entity: one order of a shop, credited once to what brought it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.entity import TICK, Message, SideRef, SideView, Turn
from actors.runtime.urgency import Urgency
from domain.attribution import CLOCK_SKEW, Attribution, attribute
from domain.errors import Conflict, Invalid, NotFound
from domain.events import Event, EventType
from domain.fields import Fields
from domain.ids import EntityKey, Kind
from domain.links import CODE
from domain.money import Money
from domain.promotion import COLLECTION as CODES
from domain.promotion import normal_code, place_ids
from storage.records import Document

LINKS = "social_links"
TYPES = frozenset({"purchase"})


class Order(Struct, frozen=True):
    """What the shop tells; the same order told again must be equal."""

    org: str
    order_id: str
    amount: Money
    occurred_at: datetime
    transaction_type: str
    product_id: str | None
    link_code: str | None
    click_id: str | None
    promotion_code: str | None
    platform: str | None


class Transaction(Struct, frozen=True):
    order: Order
    customer_id: bytes | None  # sealed by the caller, never opened here
    attribution: Attribution
    created_at: datetime
    cancelled: bool = False
    changed_at: datetime | None = None  # of an order that a platform took: when it says so


class TransactionEntity:
    """Commands: record; reseal, when the key that seals its customer is replaced. Message: `order_told`, of
    an order that a platform took, whose amount may still change and which may be cancelled: followed by
    differences, so that a campaign counts it once. The entity's id derives from org and order id, so an order
    recorded twice is one entity: the same facts answer the same view and change nothing, other facts are a
    Conflict.

    The sealed customer is not compared: sealing the same value twice gives different bytes. The
    attribution is decided once, from the links and codes as they were then, and stays.
    """

    kind: Kind = Kind.TRANSACTION

    def load(self, document: Document) -> Transaction:
        referral = document["referralData"]
        order = Order(
            org=document["org"],
            order_id=document["orderId"],
            amount=Money(document["amount"]["minor"], document["amount"]["currency"]),
            occurred_at=document["timestamp"],
            transaction_type=document["transactionType"],
            product_id=document["productId"],
            link_code=referral["linkCode"],
            click_id=referral["clickId"],
            promotion_code=referral["promotionCode"],
            platform=referral["statedPlatform"],
        )
        attribution = Attribution(
            referral["by"],
            referral["reason"],
            referral["campaignId"],
            document["socialContentId"],
            document["platform"],
            referral["influencer"],
        )
        return Transaction(
            order,
            document["customerId"],
            attribution,
            document["createdAt"],
            document.get("cancelled", False),
            document.get("changedAt"),
        )

    def dump(self, state: Transaction) -> Document:
        order, credit = state.order, state.attribution
        return {
            "socialContentId": credit.content_id,
            "customerId": state.customer_id,
            "productId": order.product_id,
            "platform": credit.platform,
            "transactionType": order.transaction_type,
            "amount": {"minor": order.amount.minor, "currency": order.amount.currency},
            "referralData": {
                "linkCode": order.link_code,
                "clickId": order.click_id,
                "promotionCode": order.promotion_code,
                "statedPlatform": order.platform,
                "campaignId": credit.campaign_id,
                "influencer": credit.influencer,
                "by": credit.by,
                "reason": credit.reason,
            },
            "timestamp": order.occurred_at,
            "orderId": order.order_id,
            "cancelled": state.cancelled,
            "changedAt": state.changed_at,
            "createdAt": state.created_at,
            "updatedAt": state.created_at,
        }

    def org(self, state: Transaction) -> str:
        return state.order.org

    def due(self, state: Transaction) -> datetime | None:
        return None

    def urgency(self, state: Transaction, due: datetime | None) -> Urgency:
        return Urgency.SCHEDULED

    def snapshot(self, key: EntityKey, state: Transaction) -> None:
        return None

    def view(self, key: EntityKey, state: Transaction) -> dict[str, Any]:
        order = state.order
        return {
            "id": key.id,
            "org": order.org,
            "order_id": order.order_id,
            "product_id": order.product_id,
            "amount_minor": order.amount.minor,
            "currency": order.amount.currency,
            "occurred_at": order.occurred_at.isoformat(),
            "link_code": order.link_code,
            "click_id": order.click_id,
            "promotion_code": order.promotion_code,
            "platform": state.attribution.platform,
            "transaction_type": order.transaction_type,
            "status": "cancelled" if state.cancelled else "completed",
            "attribution": state.attribution.to_json(),
            "created_at": state.created_at.isoformat(),
        }

    def reads(self, key: EntityKey, state: Transaction | None, message: Message) -> Sequence[SideRef]:
        if state is not None or message.name not in ("record", "order_told"):
            return ()
        org, link, code = (message.data.get(name) for name in ("org", "link_code", "promotion_code"))
        refs = []
        if isinstance(link, str) and CODE.fullmatch(link):
            refs.append(SideRef(LINKS, link))
        if isinstance(code, str) and isinstance(org, str):
            refs += _code_refs(org, code)
        return refs

    def apply(
        self, key: EntityKey, state: Transaction | None, message: Message, now: datetime, side: SideView
    ) -> Turn[Transaction]:
        if message.name == TICK.name and state is not None:
            return Turn(state, changed=False)
        if message.name == "reseal" and state is not None:
            return self._resealed(state, message)
        if message.name == "order_told":
            return self._followed(key, state, Fields(message.data), now, side)
        if message.name != "record":
            raise Invalid("unknown_command", f"A transaction knows no command {message.name[:50]}.")
        fields = Fields(message.data)
        order = _order(fields, now)
        if state is not None:
            return self._told_again(key, state, order)
        return self._record(key, order, fields, now, side)

    def _resealed(self, state: Transaction, message: Message) -> Turn[Transaction]:
        """`data`: pairs, of sealed bytes as they are and as they shall be. What differs by now stays."""
        for old, new in message.data["pairs"]:
            if state.customer_id == old:
                return Turn(replace(state, customer_id=new))
        return Turn(state, changed=False)

    def _told_again(self, key: EntityKey, state: Transaction, order: Order) -> Turn[Transaction]:
        if order.org != state.order.org:
            raise NotFound("transaction_unknown", "There is no such transaction.")
        if order != state.order:
            raise Conflict(
                "order_differs",
                f"The order {order.order_id} is recorded already, with other facts; orders do not change.",
                field="order_id",
            )
        return Turn(state, reply=self.view(key, state), changed=False)

    def _followed(
        self, key: EntityKey, state: Transaction | None, fields: Fields, now: datetime, side: SideView
    ) -> Turn[Transaction]:
        """An order as its platform tells it now, by the platform's clock. An older telling, or one of another
        org, changes nothing."""
        cancelled = fields.raw("cancelled") is True
        changed_at = fields.moment("changed_at") if "changed_at" in fields else None
        if state is None:
            order = _order(fields, max(now, fields.moment("occurred_at")))
            turn = self._record(key, order, fields, now, side)
            after = replace(turn.state, cancelled=cancelled, changed_at=changed_at)
            # Cancelled before it was heard of: no sale was ever counted.
            return replace(turn, state=after, events=() if cancelled else turn.events, reply=None)
        known, amount = state.changed_at, Money(fields.integer("amount_minor"), fields.text("currency", 3))
        # A cancellation is the end, whatever the clock says that it was written by.
        older = known is not None and changed_at is not None and changed_at < known and not cancelled
        foreign = fields.raw("org") != state.order.org
        if state.cancelled or older or foreign or amount.currency != state.order.amount.currency:
            return Turn(state, changed=False)
        difference = (0 if cancelled else amount.minor) - state.order.amount.minor
        if not cancelled and not difference:
            return Turn(state, changed=False)
        order = state.order if cancelled else replace(state.order, amount=amount)
        after = replace(state, order=order, cancelled=cancelled, changed_at=changed_at or known)
        data = _event_data(key, order, state.attribution) | {
            "difference_minor": difference,
            "conversions": -1 if cancelled else 0,
            "status": "cancelled" if cancelled else "completed",
        }
        return Turn(after, events=(Event(EventType.TRANSACTION_ADJUSTED, data),))

    def _record(
        self, key: EntityKey, order: Order, fields: Fields, now: datetime, side: SideView
    ) -> Turn[Transaction]:
        customer = fields.raw("customer_id")
        if customer is not None and not isinstance(customer, bytes):
            raise fields.invalid("customer_id", "must be sealed before it gets here.")
        places = _code_refs(order.org, order.promotion_code) if order.promotion_code else []
        credit = attribute(
            org=order.org,
            at=order.occurred_at,
            link_code=order.link_code,
            link=side.get(SideRef(LINKS, order.link_code)) if order.link_code else None,
            promotion_code=order.promotion_code,
            owners=[side[ref] for ref in places if ref in side],
            platform=order.platform,
        )
        after = Transaction(order, customer, credit, now)
        data = _event_data(key, order, credit)
        event = Event(EventType.TRANSACTION_COMPLETED, data)
        return Turn(after, events=(event,), reply=self.view(key, after))


def _event_data(key: EntityKey, order: Order, credit: Attribution) -> dict[str, Any]:
    return {
        "transaction_id": key.id,
        "order_id": order.order_id,
        "occurred_at": order.occurred_at.isoformat(),
        "amount_minor": order.amount.minor,
        "currency": order.amount.currency,
        "campaign_id": credit.campaign_id,
        "content_id": credit.content_id,
        "platform": credit.platform,
        "influencer": credit.influencer,
        "product_id": order.product_id,
        "by": credit.by,
    }


def _order(fields: Fields, now: datetime) -> Order:
    occurred_at = fields.moment("occurred_at")
    if occurred_at > now + CLOCK_SKEW:
        raise fields.invalid("occurred_at", "is in the future.")
    transaction_type = fields.optional_text("transaction_type", 50) or "purchase"
    if transaction_type not in TYPES:
        raise fields.invalid("transaction_type", f"must be one of: {', '.join(sorted(TYPES))}.")
    return Order(
        org=fields.text("org", 128),
        order_id=fields.text("order_id", 200),
        amount=Money(fields.integer("amount_minor"), fields.text("currency", 3)),
        occurred_at=occurred_at,
        transaction_type=transaction_type,
        product_id=fields.optional_id("product_id"),
        link_code=fields.optional_text("link_code", 200),
        click_id=fields.optional_text("click_id", 200),
        promotion_code=fields.optional_text("promotion_code", 200),
        platform=fields.optional_platform("platform"),
    )


def _code_refs(org: str, text: str) -> list[SideRef]:
    """Where owners of the code would be; nowhere for a text that cannot be one: the sale counts anyhow."""
    code = normal_code(text)
    return [SideRef(CODES, place) for place in place_ids(org, code)] if code else []
