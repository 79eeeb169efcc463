"""Webhook bodies made up from documented fields, and how tests put them through an adapter."""

import json
from typing import Any

from domain.content import PlatformEvent
from platforms.base import Platform
from platforms.facebook.adapter import Facebook
from platforms.instagram.adapter import Instagram
from platforms.twitter.adapter import Twitter

X, IG, FB = Twitter(), Instagram(), Facebook()


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def parsed(platform: Platform, value: object) -> list[PlatformEvent]:
    return [platform.parse(entry) for entry in platform.split(body_of(value))]


def one(platform: Platform, value: object) -> PlatformEvent:
    (event,) = parsed(platform, value)
    return event


# -- X ------------------------------------------------------------------------------------------------
ACCOUNT = "1900000000000000001"
FAN = "1900000000000000002"


def activity(kind: str, payload: object, uuid: str = "-34", **more: object) -> dict[str, Any]:
    return {
        "data": {
            "event_uuid": uuid,
            "event_type": kind,
            "filter": {"user_id": ACCOUNT},
            "payload": payload,
            **more,
        }
    }


MENTION = {
    "id": "1990000000000000021",
    "text": "hey @demoshop",
    "author_id": FAN,
    "created_at": "2026-11-20T10:00:00.000Z",
    "conversation_id": "1990000000000000021",
}
PEOPLE = {"users": [{"id": FAN, "username": "fan1", "name": "Fan"}]}


FAVORITE = {
    "id": "a7ba",
    "created_at": "Fri Nov 20 10:05:00 +0000 2026",
    "timestamp_ms": 1763633100000,
    "favorited_status": {"id_str": "1990000000000000010", "text": "Launch day"},
    "user": {"id_str": FAN, "screen_name": "fan1"},
}
FOLLOW = {
    "type": "follow",
    "created_timestamp": "1763633100000",
    "target": {"id": ACCOUNT, "screen_name": "demoshop"},
    "source": {"id": FAN, "screen_name": "fan1"},
}
STATUS = {
    "id_str": "77",
    "text": "hello",
    "created_at": "Fri Nov 20 10:05:00 +0000 2026",
    "user": {"id_str": FAN, "screen_name": "fan1"},
    "in_reply_to_status_id_str": "1990000000000000010",
}
MESSAGE = {
    "type": "message_create",
    "id": "88",
    "created_timestamp": "1763633100000",
    "message_create": {"sender_id": FAN, "target": {"recipient_id": ACCOUNT}, "message_data": {"text": "hi"}},
}
OLD_STYLE = {
    "for_user_id": ACCOUNT,
    "favorite_events": [FAVORITE, {**FAVORITE, "id": "a7bb"}],
    "follow_events": [FOLLOW, {**FOLLOW, "type": "unfollow"}],
    "tweet_create_events": [STATUS, {**STATUS, "id_str": "78", "user": {"id_str": ACCOUNT}}],
    "tweet_delete_events": [{"status": {"id": "5", "user_id": ACCOUNT}, "timestamp_ms": "1763633100000"}],
    "direct_message_events": [MESSAGE],
    "users": {FAN: {"id": FAN, "screen_name": "fan1", "name": "Fan"}, "3": {"id": "3"}},
    "direct_message_indicate_typing_events": [{"sender_id": FAN}],
}


# -- Instagram ----------------------------------------------------------------------------------------
SHOP = "17841400000000001"
COMMENT = {
    "id": "17900000000000011",
    "parent_id": "17900000000000005",
    "text": "Schön! Preis?",
    "from": {"id": "1790000000000777", "username": "ana.r"},
    "media": {"id": "18010000000000001", "media_product_type": "FEED"},
}
DIRECT = {
    "sender": {"id": "1790000000000777"},
    "recipient": {"id": SHOP},
    "timestamp": 1793698900321,
    "message": {"mid": "aWdfZAG1faXRl", "text": "Hi"},
}


def entry(time: int = 1793698803, **content: Any) -> dict[str, Any]:
    return {"id": SHOP, "time": time, **content}


def change(field: str, value: object) -> dict[str, Any]:
    return {"field": field, "value": value}


def meta(*entries: object) -> dict[str, Any]:
    return {"object": "instagram", "entry": list(entries)}
