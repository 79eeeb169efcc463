"""What webhooks of every platform of Meta share: challenge, signature, and entries cut into happenings.

    {"object": "page", "entry": [{"id", "time", "changes": [{"field", "value"}]}]}
    {"object": "instagram", "entry": [{"id", "time", "messaging": [{"sender", "message", ..}]}]}
    {"object": "page", "entry": [{"id", "time", "changed_fields": ["feed"]}]}  (values switched off)
    {"object": "instagram", "entry": [{"id", "time", "field", "value"}]}       (Instagram Login guide)

Source: docs/graph-api/webhooks/getting-started, IGP/webhooks (+/examples).
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from platforms.base import Handshake, PlatformApp, WebhookRefused
from platforms.wire import Json, NotJson, decode, objects, strings, text_at

SIGNATURE_HEADER = "x-hub-signature-256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_.-]{1,256}")


def handshake(app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
    """Answers `hub.challenge` to whoever knows the app's verify token; 403 to everybody else."""
    if query.get("hub.mode") != "subscribe":
        return None
    challenge = query.get("hub.challenge", "")
    given = query.get("hub.verify_token", "").encode(errors="replace")
    expected = app.verify_token.reveal().encode() if app.verify_token else b""
    # The challenge is sent back to the caller: only what cannot be markup.
    if not expected or not hmac.compare_digest(given, expected) or not _CHALLENGE.fullmatch(challenge):
        return Handshake(403, b"", "text/plain")
    return Handshake(200, challenge.encode(), "text/plain")


def verify(app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
    """Over the bytes as sent: Meta signs its own escaping of them."""
    given = headers.get(SIGNATURE_HEADER, "").encode(errors="replace")
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(given, _signature(s.reveal(), body)) for s in app.webhook_secrets]
    return any(matches)


def _signature(secret: str, body: bytes) -> bytes:
    return b"sha256=" + hmac.digest(secret.encode(), body, sha256).hex().encode()


def entries_of(body: bytes) -> tuple[str, list[Json]]:
    """The `object` a body is about, and its entries. Raises WebhookRefused for what Meta does not send."""
    try:
        document = decode(body)
    except NotJson as error:
        raise WebhookRefused(str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("entry"), list):
        raise WebhookRefused("no list of entries")
    return text_at(document, "object") or "", list(objects(document, "entry"))


def happenings(entry: Json) -> Iterator[Json]:
    """Each as {"field", "value", "time"}; `time` is when Meta sent it, in seconds or milliseconds."""
    time = entry.get("time")
    for change in objects(entry, "changes"):
        yield {"field": text_at(change, "field"), "value": change.get("value"), "time": time}
    for field in ("messaging", "standby"):
        for element in objects(entry, field):
            # Messages tell their own time; the sending time differs from one delivery to the next.
            yield {"field": field, "value": element, "time": element.get("timestamp", time)}
    for field in strings(entry, "changed_fields"):
        yield {"field": field, "value": None, "time": time}
    if "field" in entry:
        yield {"field": text_at(entry, "field"), "value": entry.get("value"), "time": time}
