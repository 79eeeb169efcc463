"""Domain events (V1), their topics (V2) and their envelope (CloudEvents 1.0)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from domain.ids import EntityKey

TYPE_PREFIX = "rookery."


class Topic(StrEnum):
    SOCIAL = "social-events"
    CONTENT = "content-events"
    COMMERCE = "commerce-events"
    CAMPAIGN = "campaign-events"


class EventType(StrEnum):
    SOCIAL_ACCOUNT_CONNECTED = "SocialAccountConnected"
    SOCIAL_ACCOUNT_DISCONNECTED = "SocialAccountDisconnected"
    SOCIAL_ACCOUNT_CHANGED = "SocialAccountChanged"  # paused, resumed, configured, refreshed, re-profiled
    SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED = "SocialAccountReauthorizationRequired"
    SOCIAL_ACCOUNT_ERASED = "SocialAccountErased"  # nothing of it is held any more; it may be connected anew
    CONTENT_SYNCHRONIZED = "ContentSynchronized"  # one per page or webhook; lists the content ids
    CONTENT_ENGAGED = "ContentEngaged"  # totals and previous totals of one content
    CONTENT_PUBLISHED = "ContentPublished"
    PUBLICATION_CHANGED = "PublicationChanged"  # late, failed, unconfirmed or cancelled
    BROADCAST_CHANGED = "BroadcastChanged"  # a live broadcast came into another state
    OPERATION_ENDED = "OperationEnded"  # what somebody asked for at a platform is done, or is not
    REMARK_RECEIVED = "RemarkReceived"  # comment, mention, quote or message; without its words
    CAMPAIGN_LAUNCHED = "CampaignLaunched"
    CAMPAIGN_CHANGED = "CampaignChanged"
    CAMPAIGN_COMPLETED = "CampaignCompleted"
    LINK_CLICKED = "LinkClicked"
    TRANSACTION_COMPLETED = "TransactionCompleted"
    TRANSACTION_ADJUSTED = "TransactionAdjusted"  # a sale was cancelled, or is of another amount now
    AD_SPEND_TOLD = "AdSpendTold"  # days of one ad campaign, as the platform tells them now
    SOCIAL_ORDER_CHANGED = "SocialOrderChanged"  # an order taken on a platform; without its buyer


_TOPICS = {
    EventType.CONTENT_SYNCHRONIZED: Topic.CONTENT,
    EventType.CONTENT_ENGAGED: Topic.CONTENT,
    EventType.CONTENT_PUBLISHED: Topic.CONTENT,
    EventType.PUBLICATION_CHANGED: Topic.CONTENT,
    EventType.REMARK_RECEIVED: Topic.CONTENT,
    EventType.BROADCAST_CHANGED: Topic.CONTENT,
    EventType.CAMPAIGN_LAUNCHED: Topic.CAMPAIGN,
    EventType.CAMPAIGN_CHANGED: Topic.CAMPAIGN,
    EventType.CAMPAIGN_COMPLETED: Topic.CAMPAIGN,
    EventType.LINK_CLICKED: Topic.COMMERCE,
    EventType.TRANSACTION_COMPLETED: Topic.COMMERCE,
    EventType.TRANSACTION_ADJUSTED: Topic.COMMERCE,
    EventType.AD_SPEND_TOLD: Topic.COMMERCE,
    EventType.SOCIAL_ORDER_CHANGED: Topic.COMMERCE,
}


def topic_of(event_type: EventType) -> Topic:
    return _TOPICS.get(event_type, Topic.SOCIAL)


class Event(Struct, frozen=True):
    """What a turn says happened. Ids and numbers only: people's words and names stay in side documents."""

    type: EventType
    data: dict[str, Any]


def cloud_events(
    events: Sequence[Event], key: EntityKey, org: str, version: int, at: datetime, first: int = 0
) -> list[dict[str, Any]]:
    """Their envelopes. `first`: how many this version of the entity has told already. Ids are deterministic,
    so that publishing again is the same event."""
    source, time = f"/{key.kind}s/{key.id}", at.isoformat().replace("+00:00", "Z")
    return [
        {
            "specversion": "1.0",
            "id": f"{key}:{version}:{n}",
            "source": source,
            "type": TYPE_PREFIX + event.type.value,
            "subject": key.id,
            "time": time,
            "datacontenttype": "application/json",
            "org": org,
            "data": event.data,
        }
        for n, event in enumerate(events, first)
    ]
