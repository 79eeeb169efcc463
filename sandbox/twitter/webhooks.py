"""X's webhooks and Activity API subscriptions, with the real challenge of the receiving address.

Sources: docs.x.com "Webhooks" (CRC, signature, failure names) and "X Activity API"; spec 2.167.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from sandbox.apps import PlatformApp, Subscription, Webhook
from sandbox.clock import iso_z
from sandbox.events import Event
from sandbox.ids import secret
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access, Caller
from sandbox.twitter.errors import Refused
from sandbox.web import Call, Reply, json_reply

# Event type -> scope the account's grant must hold; public types need the app-only token alone.
EVENT_TYPES: dict[str, str | None] = {
    "post.create": None,
    "post.delete": None,
    "post.mention.create": "tweet.read",
    "post.reply.create": "tweet.read",
    "post.quote.create": "tweet.read",
    "post.repost.create": "tweet.read",
    "like.create": "like.read",
    "follow.follow": None,
    "follow.unfollow": None,
    "profile.update.bio": None,
    "profile.update.profile_picture": None,
    "profile.update.banner_picture": None,
    "profile.update.screenname": None,
    "profile.update.handle": None,
    "profile.update.geo": None,
    "profile.update.url": None,
    "profile.update.verified_badge": None,
    "oauth.revoke": None,
}
_SUBSCRIPTIONS_AT_MOST = 1500
_WEBHOOKS_AT_MOST = 5


def signature(consumer_secret: str, message: bytes) -> str:
    """`sha256=` and the base64 HMAC-SHA256, as in CRC answers and delivery headers."""
    digest = hmac.new(consumer_secret.encode(), message, hashlib.sha256).digest()
    return "sha256=" + base64.b64encode(digest).decode()


def compose(app: PlatformApp, events: Sequence[Event]) -> tuple[bytes, dict[str, str]]:
    """One event per POST: X does not batch."""
    body = orjson.dumps(events[0].payload)
    return body, {
        "content-type": "application/json",
        "x-twitter-webhooks-signature": signature(app.webhook_secret, body),
    }


class Webhooks:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access

    def operations(self) -> list[Operation]:
        op = self._access.operation
        hooks, subscriptions = "/2/webhooks", "/2/activity/subscriptions"
        return [
            op("POST", hooks, self.create, app_only=True, per_app=450),
            op("GET", hooks, self.list, app_only=True, per_app=450),
            op("PUT", f"{hooks}/:webhook_id", self.check, app_only=True, per_app=450),
            op("DELETE", f"{hooks}/:webhook_id", self.delete, app_only=True, per_app=450),
            op("POST", subscriptions, self.subscribe, per_app=500, per_user=500),
            op("GET", subscriptions, self.subscriptions, app_only=True, per_app=500),
            op("PUT", f"{subscriptions}/:subscription_id", self.change, per_app=500, per_user=500),
            op("DELETE", f"{subscriptions}/:subscription_id", self.unsubscribe, per_app=500, per_user=500),
        ]

    async def register(self, app: PlatformApp, url: str) -> tuple[Webhook | None, str | None]:
        """Challenge the address and keep it as the app's webhook; the reason when that fails."""
        reason = _bad_url(url) or await self._challenge(app, url)
        if reason:
            return None, reason
        now = self._state.clock.now_ms()
        for known in app.webhooks.values():
            if known.url == url:
                known.valid = True
                return known, None
        webhook = Webhook(self._state.world.ids.snowflake(now), url, True, now)
        app.webhooks[webhook.id] = webhook
        return webhook, None

    async def create(self, call: Call, caller: Caller) -> Reply:
        url = call.json().get("url")
        if not isinstance(url, str) or not 1 <= len(url) <= 200:
            raise Refused(errors.invalid("url", str(url), "url must have 1 to 200 characters"))
        app = caller.app
        if any(hook.url == url for hook in app.webhooks.values()):
            raise Refused(_failed("DuplicateUrlFailed", "This url is already registered."))
        if len(app.webhooks) >= _WEBHOOKS_AT_MOST:
            raise Refused(_failed("WebhookLimitExceeded", "The app has as many webhooks as it may have."))
        webhook, reason = await self.register(app, url)
        if webhook is None:
            name, _, detail = str(reason).partition(": ")
            raise Refused(_failed(name, detail))
        return json_reply({"data": _webhook(webhook)})

    async def list(self, call: Call, caller: Caller) -> Reply:
        hooks = [_webhook(hook) for hook in caller.app.webhooks.values()]
        answer: dict[str, Any] = {"data": hooks} if hooks else {}
        return json_reply(answer | {"meta": {"result_count": len(hooks)}})

    async def check(self, call: Call, caller: Caller) -> Reply:
        webhook = self._webhook(call, caller)
        webhook.valid = await self._challenge(caller.app, webhook.url) is None
        return json_reply({"data": {"valid": webhook.valid}})

    async def delete(self, call: Call, caller: Caller) -> Reply:
        del caller.app.webhooks[self._webhook(call, caller).id]
        return json_reply({"data": {"deleted": True}})

    async def subscribe(self, call: Call, caller: Caller) -> Reply:
        wish = call.json()
        event_type, wanted = wish.get("event_type"), wish.get("filter")
        if event_type not in EVENT_TYPES:
            raise Refused(errors.invalid("event_type", str(event_type), "event_type is not a known type"))
        user_id = wanted.get("user_id") if isinstance(wanted, dict) else None
        if not isinstance(wanted, dict) or not isinstance(user_id, str):
            raise Refused(errors.invalid("filter", str(wanted), "filter.user_id is needed"))
        app, scope = caller.app, EVENT_TYPES[event_type]
        if scope and not self._state.tokens.connected("twitter", app.id, user_id):
            raise Refused(errors.forbidden(f"{event_type} needs the user's grant with {scope}."))
        if len(app.subscriptions) >= _SUBSCRIPTIONS_AT_MOST:
            raise Refused(_failed("SubscriptionLimitExceeded", "The app has 1,500 subscriptions already."))
        if app.subscription(user_id, event_type):
            raise Refused(_failed("DuplicateSubscriptionFailed", "This subscription exists already."))
        webhook_id = wish.get("webhook_id")
        if webhook_id is not None and webhook_id not in app.webhooks:
            raise Refused(_failed("WebhookIdInvalid", "webhook_id names no webhook of this app."))
        now = self._state.clock.now_ms()
        subscription = Subscription(
            id=self._state.world.ids.snowflake(now),
            external_id=user_id,
            type=event_type,
            created_ms=now,
            webhook_id=webhook_id,
            tag=wish.get("tag"),
            direction=wanted.get("direction"),
        )
        app.subscriptions[subscription.id] = subscription
        return self._shown(subscription, caller)

    async def subscriptions(self, call: Call, caller: Caller) -> Reply:
        rows = [_subscription(subscription) for subscription in caller.app.subscriptions.values()]
        answer: dict[str, Any] = {"data": rows} if rows else {}
        return json_reply(answer | {"meta": {"total_subscriptions": len(rows)}})

    async def change(self, call: Call, caller: Caller) -> Reply:
        """Tag and webhook only: another type or filter is another subscription."""
        subscription, wish = self._subscription(call, caller), call.json()
        webhook_id = wish.get("webhook_id", subscription.webhook_id)
        if webhook_id is not None and webhook_id not in caller.app.webhooks:
            raise Refused(_failed("WebhookIdInvalid", "webhook_id names no webhook of this app."))
        subscription.webhook_id, subscription.tag = webhook_id, wish.get("tag", subscription.tag)
        return self._shown(subscription, caller)

    async def unsubscribe(self, call: Call, caller: Caller) -> Reply:
        del caller.app.subscriptions[self._subscription(call, caller).id]
        return json_reply(
            {"data": {"deleted": True}, "meta": {"total_subscriptions": len(caller.app.subscriptions)}}
        )

    def _subscription(self, call: Call, caller: Caller) -> Subscription:
        subscription_id = call.params["subscription_id"]
        subscription = caller.app.subscriptions.get(subscription_id)
        if subscription is None:
            error = errors.not_found_error(subscription_id, "subscription", "subscription_id")
            raise Refused(json_reply({"errors": [error]}, 404))
        return subscription

    def _shown(self, subscription: Subscription, caller: Caller) -> Reply:
        total = len(caller.app.subscriptions)
        return json_reply(
            {"data": {"subscription": _subscription(subscription)}, "meta": {"total_subscriptions": total}}
        )

    def _webhook(self, call: Call, caller: Caller) -> Webhook:
        webhook = caller.app.webhooks.get(call.params["webhook_id"])
        if webhook is None:
            raise Refused(_failed("WebhookIdInvalid", "No webhook of this app has this id."))
        return webhook

    async def _challenge(self, app: PlatformApp, url: str) -> str | None:
        """None when the address answers the CRC rightly, else `Name: why`."""
        now = self._state.clock.now_ms()
        token = secret(24, self._state.seed, "crc", len(self._state.ledger.crc_checks), now)
        reason = None
        try:
            answer = await self._state.deliverer.client.get(url, params={"crc_token": token})
            if answer.status_code != 200:
                reason = f"answered {answer.status_code} to the CRC request, not 200"
            elif _response_token(answer.content) != signature(app.webhook_secret, token.encode()):
                reason = "the response_token is not the HMAC-SHA256 of crc_token under the consumer secret"
        except httpx.HTTPError as error:
            reason = f"could not be reached ({type(error).__name__})"
        self._state.ledger.crc_checks.append({"app_id": app.id, "at": iso_z(now), "ok": reason is None})
        return f"CrcValidationFailed: {reason}" if reason else None


def _response_token(body: bytes) -> object:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value.get("response_token") if isinstance(value, dict) else None


def _bad_url(url: str) -> str | None:
    """X wants https without a port. Loopback is let through: that is where a sandbox is used."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "UrlValidationFailed: the url cannot be read"
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return None if parts.scheme in ("http", "https") else "UrlValidationFailed: the url must be http(s)"
    if parts.scheme != "https" or not parts.hostname or port is not None:
        return "UrlValidationFailed: the url must be https, public and without a port"
    return None


def _failed(name: str, detail: str) -> Reply:
    return errors.problem(400, name, detail, errors.PROBLEMS + "invalid-request", errors=[{"message": name}])


def _webhook(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "valid": webhook.valid,
        "created_at": iso_z(webhook.created_ms),
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    wanted = {"user_id": subscription.external_id, "direction": subscription.direction}
    shown = {
        "subscription_id": subscription.id,
        "event_type": subscription.type,
        "filter": {name: value for name, value in wanted.items() if value},
        "tag": subscription.tag,
        "webhook_id": subscription.webhook_id,
        "created_at": iso_z(subscription.created_ms),
        "updated_at": iso_z(subscription.created_ms),
    }
    return {name: value for name, value in shown.items() if value is not None}
