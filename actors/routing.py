"""From an event on the bus to the campaigns it concerns. Pure: the reader of the bus looks up members."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from actors.runtime.entity import Message
from domain.events import TYPE_PREFIX, EventType
from domain.fields import parse_moment
from domain.ids import AccountId, EntityKey, Kind, platform_order, transaction_key

Member = Mapping[str, Any]
"""A document of `campaign_members`."""


def refs_of(event: Mapping[str, Any]) -> list[str]:
    """The `ref`s under which members concerned by a CloudEvent would be found; none when the event itself
    names its campaign, or concerns no campaign."""
    data = event["data"]
    kind = _type(event)
    if kind == EventType.CONTENT_ENGAGED:
        return [f"content:{data['content_id']}", f"account:{data['account_id']}"]
    if kind == EventType.AD_SPEND_TOLD:
        return [f"ad:{data['ad_id']}"]
    if kind == EventType.LINK_CLICKED and not data["campaign_id"]:
        return [f"link:{data['link']}"]
    return []


def campaign_messages(
    event: Mapping[str, Any], members: Sequence[Member] = ()
) -> list[tuple[EntityKey, Message]]:
    """One message per campaign that the event concerns, however many of its members match.

    A member counts when it belongs to the event's org and was a member when the event happened. The
    message id derives from the event's, so routing the same event again has no second effect.
    """
    build = _BUILDERS.get(_type(event))
    if build is None:
        return []
    happened = _moment(event)
    concerned: dict[str, Member] = {}
    if direct := event["data"].get("campaign_id"):
        concerned[direct] = {}
    # A content tells more than its account (whose member has no influencer): it goes first.
    for member in sorted(members, key=lambda m: (not m["ref"].startswith("content:"), m["_id"])):
        if member["org"] == event["org"] and _covers(member, happened):
            concerned.setdefault(member["campaign"], member)
    common = {"org": event["org"], "at": happened.isoformat()}
    return [
        (
            EntityKey(Kind.CAMPAIGN, campaign),
            Message(name, common | data, f"{event['id']}:{campaign}"),
        )
        for campaign, member in concerned.items()
        for name, data in (build(event, member),)
    ]


def _engaged(event: Mapping[str, Any], member: Member) -> tuple[str, dict[str, Any]]:
    data = event["data"]
    return "engaged", {
        "order": _order(event["id"]),
        "content_id": data["content_id"],
        "account_id": data["account_id"],
        "platform": data["platform"],
        "totals": data["totals"],
        "previous": data["previous"],
        "influencer": member.get("influencer"),
    }


def _clicked(event: Mapping[str, Any], member: Member) -> tuple[str, dict[str, Any]]:
    data = event["data"]
    where = {name: data[name] or member.get(name) for name in ("content_id", "platform", "influencer")}
    return "clicked", {"link": data["link"], "product_id": data["product_id"], **where}


def _sold(event: Mapping[str, Any], member: Member) -> tuple[str, dict[str, Any]]:
    wanted = ("transaction_id", "amount_minor", "currency")
    where = ("platform", "content_id", "influencer", "product_id")
    return "sold", {name: event["data"][name] for name in (*wanted, *where)}


def _adjusted(event: Mapping[str, Any], member: Member) -> tuple[str, dict[str, Any]]:
    wanted = ("transaction_id", "difference_minor", "conversions", "currency")
    where = ("platform", "content_id", "influencer", "product_id")
    return "adjusted", {name: event["data"][name] for name in (*wanted, *where)}


def _spent(event: Mapping[str, Any], member: Member) -> tuple[str, dict[str, Any]]:
    wanted = ("ad_id", "currency", "days")
    return "spent", {"order": _order(event["id"]), **{name: event["data"][name] for name in wanted}}


def order_messages(event: Mapping[str, Any]) -> list[tuple[EntityKey, Message]]:
    """An order that a platform took, to its transaction. One that nobody has paid yet is no sale."""
    data = event["data"]
    if _type(event) != EventType.SOCIAL_ORDER_CHANGED or data["amount_minor"] is None:
        return []
    if not data["paid"] and not data["cancelled"]:
        return []
    account = AccountId.parse(data["account_id"])
    order_id = platform_order(account, data["order_id"])
    told = ("amount_minor", "currency", "paid", "cancelled", "occurred_at", "changed_at", "product_id")
    facts = {name: data[name] for name in told}
    facts |= {"org": event["org"], "order_id": order_id, "platform": account.platform}
    key = transaction_key(event["org"], order_id)
    return [(key, Message("order_told", facts, f"{event['id']}:order"))]


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Member], tuple[str, dict[str, Any]]]] = {
    EventType.CONTENT_ENGAGED: _engaged,
    EventType.LINK_CLICKED: _clicked,
    EventType.TRANSACTION_COMPLETED: _sold,
    EventType.TRANSACTION_ADJUSTED: _adjusted,
    EventType.AD_SPEND_TOLD: _spent,
}


def _type(event: Mapping[str, Any]) -> str:
    return str(event["type"]).removeprefix(TYPE_PREFIX)


def _moment(event: Mapping[str, Any]) -> datetime:
    """When the thing itself happened, where the event tells it; else when it was recorded."""
    data = event["data"]
    moment = parse_moment(data.get("at") or data.get("occurred_at") or event["time"])
    if moment is None:
        raise ValueError(f"the event {event['id']} tells no time")
    return moment


def _covers(member: Member, moment: datetime) -> bool:
    until = member["until"]
    return bool(member["from"] <= moment) and (until is None or bool(moment < until))


def _order(event_id: str) -> list[int]:
    """[version, n] of `{key}:{version}:{n}`: the order of one entity's events."""
    _, version, n = event_id.rsplit(":", 2)
    return [int(version), int(n)]
