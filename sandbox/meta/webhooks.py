"""Meta's webhooks: handshake, escaping, signature, signed_request.

Source: developers.facebook.com "Webhooks: Getting started".
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

import httpx
import orjson

from sandbox.apps import PlatformApp, Webhook
from sandbox.events import Event
from sandbox.ids import digits
from sandbox.state import State


def signature(app_secret: str, body: bytes) -> str:
    """Value of `X-Hub-Signature-256`: lowercase hex HMAC-SHA256 over exactly the bytes sent."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def escaped(value: object) -> bytes:
    """JSON as Meta writes it: non-ASCII as lowercase \\u00e4, and `/ < % @` escaped too."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for character, replacement in (("/", "\\/"), ("<", "\\u003C"), ("%", "\\u0025"), ("@", "\\u0040")):
        text = text.replace(character, replacement)
    return text.encode("ascii")


# "At once, then ever less often for 36 h."
RETRY_DELAYS_S = (0.0, 1, 5, 15, 60, 300, 900, 3600, 7200, 14_400, 28_800, 28_800, 43_200)


def compose(app: PlatformApp, events: Sequence[Event]) -> tuple[bytes, dict[str, str]]:
    """Several entries about one object may share a POST. An entry keeps its time when it is sent again."""
    body = escaped({"object": events[0].about, "entry": [event.payload for event in events]})
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
