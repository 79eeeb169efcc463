"""Meta's webhooks for the object `instagram`: handshake, shapes, escaping, signature, signed_request.

Sources: developers.facebook.com "Webhooks: Getting started" and "Instagram Platform: Webhooks".
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from sandbox.apps import PlatformApp, Subscription, Webhook
from sandbox.clock import DAY_MS
from sandbox.events import Event, Happening
from sandbox.ids import digits, secret
from sandbox.instagram.shapes import product_type
from sandbox.state import State
from sandbox.world import Content, Profile

FIELDS = ("comments", "live_comments", "mentions", "messages", "story_insights")
_TOO_FEW_VIEWERS = 5


def signature(app_secret: str, body: bytes) -> str:
    """Value of `X-Hub-Signature-256`: lowercase hex HMAC-SHA256 over exactly the bytes sent."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def escaped(value: object) -> bytes:
    """JSON as Meta writes it: non-ASCII as lowercase \\u00e4, and `/ < % @` escaped too."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character, replacement in (("/", "\\/"), ("<", "\\u003C"), ("%", "\\u0025"), ("@", "\\u0040")):
        text = text.replace(character, replacement)
    return text.encode("ascii")


def compose(app: PlatformApp, events: Sequence[Event]) -> tuple[bytes, dict[str, str]]:
    """Several entries may share one POST. An entry keeps its time when it is sent again."""
    body = escaped({"object": "instagram", "entry": [event.payload for event in events]})
    return body, {
        "content-type": "application/json",
        "x-hub-signature-256": signature(app.webhook_secret, body),
    }


def signed_request(app_secret: str, user_id: str, issued_at_s: int) -> str:
    """What deauthorize and data-deletion callbacks carry: `b64url(signature).b64url(JSON)`, no padding."""
    content = {"algorithm": "HMAC-SHA256", "issued_at": issued_at_s, "user_id": user_id}
    payload = base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=")
    mark = hmac.new(app_secret.encode(), payload, hashlib.sha256).digest()
    return (base64.urlsafe_b64encode(mark).rstrip(b"=") + b"." + payload).decode()


async def register(state: State, app: PlatformApp, url: str) -> str | None:
    """The `hub.challenge` handshake; an app has one callback address. Why it failed, or None."""
    now = state.clock.now_ms()
    challenge = digits(10, state.seed, app.id, now, "challenge")
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": app.verify_token or ""}
    try:
        answer = await state.deliverer.client.get(url, params=query)
    except httpx.HTTPError as error:
        return f"the address could not be reached ({type(error).__name__})"
    except (httpx.InvalidURL, ValueError):
        return "the address cannot be read"
    if answer.status_code != 200:
        return f"the address answered {answer.status_code} to the verification request, not 200"
    if answer.text.strip() != challenge:
        return "the address did not answer with hub.challenge alone"
    app.webhooks = {"callback": Webhook("callback", url, True, now)}
    return None


class Describer:
    def __init__(self, state: State) -> None:
        self._state = state

    def comment(self, account: Profile, media: Content, comment: Content, author: Profile) -> Happening:
        sender = {"id": author.id, "username": author.username}
        if author.id == account.id:
            sender["self_ig_scoped_id"] = author.id
        value: dict[str, Any] = {"id": comment.id}
        if comment.parent_id != media.id:
            value["parent_id"] = comment.parent_id
        value |= {"text": comment.text, "from": sender}
        value["media"] = {"id": media.id, "media_product_type": product_type(media)}
        return self._change(account, "comments", "comment", comment.id, comment.id, value, media.id, author)

    def mention(
        self, account: Profile, media: Content, comment: Content | None, author: Profile
    ) -> Happening:
        value = {"media_id": media.id} | ({"comment_id": comment.id} if comment else {})
        subject = comment.id if comment else media.id
        return self._change(account, "mentions", "mention", subject, subject, value, media.id, author)

    def story_insights(self, account: Profile, story: Content) -> Happening:
        views = story.metrics["views"]
        known = views >= _TOO_FEW_VIEWERS
        shares = {
            "impressions": 1,
            "reach": 1.1,
            "taps_forward": 3,
            "taps_back": 30,
            "exits": 8,
            "replies": 90,
        }
        value: dict[str, Any] = {"media_id": story.id}
        value |= {name: int(views / share) if known else -1 for name, share in shares.items()}
        event_id = f"{story.id}:story_insights"
        return self._change(account, "story_insights", "story_end", story.id, event_id, value, story.id, None)

    def message(self, account: Profile, author: Profile, text: str) -> Happening:
        now = self._state.clock.now_ms()
        mid = "aWdfZAG" + secret(60, account.id, author.id, now, self._state.world.ids.numbered("", 9))
        entry = {
            "id": account.id,
            "time": now,
            "messaging": [
                {
                    "sender": {"id": author.id},
                    "recipient": {"id": account.id},
                    "timestamp": now,
                    "message": {"mid": mid, "text": text},
                }
            ],
        }
        return Happening(
            account=account,
            type="messages",
            kind="message",
            subject_id=mid,
            describe=lambda app, event_id, wanted: entry,
            event_id=lambda: mid,
            author=author,
        )

    def _change(
        self,
        account: Profile,
        name: str,
        kind: str,
        subject_id: str,
        event_id: str,
        value: dict[str, Any],
        content_id: str,
        author: Profile | None,
    ) -> Happening:
        time_s = self._state.clock.now_ms() // 1000

        def describe(app: PlatformApp, event_id: str, wanted: Subscription | None) -> dict[str, Any]:
            if app.dialect == "flat":
                return {"id": account.id, "time": time_s, "field": name, "value": value}
            return {"id": account.id, "time": time_s, "changes": [{"field": name, "value": value}]}

        return Happening(
            account=account,
            type=name,
            kind=kind,
            subject_id=subject_id,
            describe=describe,
            event_id=lambda: event_id,
            content_id=content_id,
            author=author,
        )


def story_is_live(story: Content, now_ms: int) -> bool:
    return not story.deleted and now_ms < (story.expires_ms or story.created_ms + DAY_MS)
