"""TikTok webhooks: two signatures and two shapes of body.

    developers   TikTok-Signature: t=<seconds>,s=<hex>   over `t.body`, with the app's client secret
                 {"client_key", "event", "create_time", "user_openid", "content": "<JSON text>"}
    shop         Authorization: <hex>                    over `app_key + body`, with the app's secret
                 {"type", "tts_notification_id", "shop_id", "timestamp", "data"}

Neither has a challenge. A TikTok app belongs to one of the services, so whichever header is there is checked.
How the business service signs is not known well enough to be trusted.
Source: TD/webhooks-overview, TD/webhooks-verification, TS/update-shop-webhook.
"""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

from platforms.base import PlatformApp, RawEntry, WebhookRefused
from platforms.tiktok.spec import OPEN_ID, SPEC
from platforms.wire import (
    Json,
    NotJson,
    account_id_at,
    decode,
    digest,
    encode,
    id_at,
    text_at,
)

_DEVELOPERS = re.compile(rb"t=([0-9]{1,12}),\s?s=([0-9a-f]{64})")
_SHOP_HEADER = "authorization"


def verify(app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
    """TikTok repeats for 72 hours and keeps `t` or not (unconfirmed), so its age proves nothing."""
    given = headers.get(SPEC.webhook_signature_header or "", "").encode(errors="replace")
    if given:
        parts = _DEVELOPERS.fullmatch(given)
        if parts is None:
            return False
        prefix, mark = parts[1] + b".", parts[2]
    else:
        prefix, mark = app.client_id.encode(), headers.get(_SHOP_HEADER, "").encode(errors="replace")
    # Every secret is tried, so that the time taken does not tell which one matched.
    signed = (hmac.digest(s.reveal().encode(), prefix + body, sha256).hex() for s in app.webhook_secrets)
    return any([hmac.compare_digest(mark, expected.encode()) for expected in signed])


def split(body: bytes) -> list[RawEntry]:
    """One body tells one thing. Empty when it names no account (a data export is ready). Raises
    WebhookRefused for what TikTok does not send."""
    try:
        document = decode(body)
    except NotJson as error:
        raise WebhookRefused(str(error)) from error
    if not isinstance(document, dict):
        raise WebhookRefused("not a JSON object")
    if "event" in document:
        account, event_id = account_id_at(document, "user_openid", shape=OPEN_ID), None
    elif "shop_id" in document and "type" in document:
        account, event_id = account_id_at(document, "shop_id", shape=OPEN_ID), _notification(document)
    else:
        raise WebhookRefused("none of the shapes TikTok sends")
    if account is None:
        return []
    # The developers' service numbers nothing; what it repeats, it repeats whole.
    return [RawEntry(account, f"{event_id or digest('tiktok', document)}:{account}", encode(document))]


def happening(entry: RawEntry) -> tuple[str, Json, Json]:
    """The event's name (a shop's are `shop.<type>`), the body, and what it carries: a JSON text within the
    JSON at the developers' service."""
    try:
        document = decode(entry.raw)
    except NotJson:
        document = None
    body = document if isinstance(document, dict) else {}
    if "event" not in body:
        data = body.get("data")
        return f"shop.{id_at(body, 'type') or ''}", body, data if isinstance(data, dict) else {}
    content: object = body.get("content")
    if isinstance(content, str):
        try:
            content = decode(content.encode(errors="surrogatepass"))
        except NotJson:
            content = None
    return text_at(body, "event") or "", body, content if isinstance(content, dict) else {}


def _notification(document: Json) -> str | None:
    found = id_at(document, "tts_notification_id")
    return f"shop:{found}" if found else None
