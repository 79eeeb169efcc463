"""TikTok's webhooks: of the developers' service and of the shop's. No challenge; at least once.

Sources: developers.tiktok.com "Webhooks overview", "events", "verification"; partner.tiktokshop.com "Update
shop webhook".
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.apps import PlatformApp, Subscription, Webhook
from sandbox.events import Event, Happening
from sandbox.ids import digits, hexadecimal
from sandbox.state import State
from sandbox.world import Profile

_SHOP_PREFIX = "shop."


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """Value of `TikTok-Signature`: hex HMAC-SHA256 over `timestamp.body`."""
    mark = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp_s},s={mark}"


def shop_signature(app_key: str, secret: str, body: bytes) -> str:
    """Value of `Authorization`: hex HMAC-SHA256 over `app_key + body`, no time in it."""
    return hmac.new(secret.encode(), app_key.encode() + body, hashlib.sha256).hexdigest()


def compose(app: PlatformApp, events: Sequence[Event]) -> tuple[bytes, dict[str, str]]:
    """One event in a POST."""
    event = events[0]
    body = orjson.dumps(event.payload)
    headers = {"content-type": "application/json"}
    if event.row.type.startswith(_SHOP_PREFIX):
        headers["authorization"] = shop_signature(app.client_id, app.webhook_secret, body)
    else:
        # When it is sent again, is the time of the first sending in it? Unconfirmed: here it is.
        headers["tiktok-signature"] = signature(app.webhook_secret, event.payload["create_time"], body)
    return body, headers


async def register(state: State, app: PlatformApp, url: str) -> str | None:
    """Portal set-up: one address, not asked anything. Why it cannot be, or None."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "the address cannot be read"
    app.webhooks = {"callback": Webhook("callback", url, True, state.clock.now_ms())}
    return None


class Describer:
    def __init__(self, state: State) -> None:
        self._state = state

    def told(
        self,
        account: Profile,
        event: str,
        content: dict[str, Any],
        kind: str,
        subject_id: str,
        only_app: str | None = None,
        content_id: str | None = None,
    ) -> Happening:
        now_s = self._state.clock.now_ms() // 1000

        def describe(app: PlatformApp, event_id: str, wanted: Subscription | None) -> dict[str, Any]:
            return {
                "client_key": app.client_id,
                "event": event,
                "create_time": now_s,
                "user_openid": account.id,
                "content": orjson.dumps(content).decode(),
            }

        return Happening(
            account=account,
            type=event,
            kind=kind,
            subject_id=subject_id,
            describe=describe,
            event_id=lambda: hexadecimal(24, event, account.id, content, now_s),
            content_id=content_id,
            only_app=only_app,
        )

    def shop(
        self, account: Profile, shop_id: str, type_: int, data: dict[str, Any], kind: str, subject_id: str
    ) -> Happening:
        now_s = self._state.clock.now_ms() // 1000
        notification = digits(19, shop_id, type_, data, now_s, prefix="74")
        body = {
            "type": type_,
            "tts_notification_id": notification,
            "shop_id": shop_id,
            "timestamp": now_s,
            "data": data,
        }
        return Happening(
            account=account,
            type=f"{_SHOP_PREFIX}{type_}",
            kind=kind,
            subject_id=subject_id,
            describe=lambda app, event_id, wanted: body,
            event_id=lambda: notification,
        )
