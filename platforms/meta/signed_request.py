"""`signed_request`: how Meta tells that a person removed the app, or wants their data deleted.

    b64url(signature) "." b64url(JSON), both without padding; the signature is HMAC-SHA256 over the *encoded*
    JSON with the app's secret

Source: docs/development/create-an-app/app-dashboard/data-deletion-callback.
"""

import hmac
from base64 import urlsafe_b64decode
from binascii import Error
from datetime import datetime
from hashlib import sha256

from platforms.base import Farewell, PlatformApp, RawEntry
from platforms.wire import NotJson, decode, digest, encode, id_at, moment_at, text_at

FIELD = "deauthorize"  # ours: Meta's webhooks have no field of this name

_LONGEST = 8192


def farewell(app: PlatformApp, text: str) -> Farewell | None:
    """Who says so and when; None when this app's secret did not sign it, or it names nobody."""
    mark, _, payload = text.partition(".")
    if len(text) > _LONGEST or not payload.isascii():
        return None
    try:
        given = _decoded(mark)
        document = decode(_decoded(payload))
    except (Error, ValueError, NotJson):
        return None
    expected = hmac.digest(app.client_secret.reveal().encode(), payload.encode(), sha256)
    if not hmac.compare_digest(given, expected):
        return None
    if (text_at(document, "algorithm") or "").upper() != "HMAC-SHA256":
        return None
    person, at = id_at(document, "user_id"), moment_at(document, "issued_at")
    return Farewell(person, at) if person is not None and isinstance(at, datetime) else None


def entry_of(external_id: str, farewell: Farewell) -> RawEntry:
    """As a webhook entry of the account, so that it takes the road of every other webhook."""
    time = int(farewell.at.timestamp())
    event_id = digest(FIELD, external_id, farewell.person_id, time)
    return RawEntry(external_id, event_id, encode({"field": FIELD, "value": {}, "time": time}))


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))
