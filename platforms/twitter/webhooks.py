"""X webhooks: challenge, signature, and three shapes of body cut into entries.

    activity API (current)   {"data": {event_uuid, event_type, filter, payload, includes?}}
    account activity v2      {"for_user_id": ..., "favorite_events": [..], "follow_events": [..], ...}
    filtered stream          {"data": {post}, "includes": {..}, "matching_rules": [{id, tag}]}

Source: docs.x.com x-api/webhooks, x-api/activity, x-api/account-activity.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256

from platforms.base import Handshake, PlatformApp, RawEntry, WebhookRefused
from platforms.twitter.normalise import author_of
from platforms.twitter.spec import SPEC
from platforms.wire import (
    Json,
    NotJson,
    account_id_at,
    decode,
    digest,
    encode,
    id_at,
    mapping,
    objects,
    text_at,
)

_PREFIX = "sha256="


def handshake(app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
    """The CRC answer. X signs with the app's consumer secret: the first of `webhook_secrets`."""
    challenge = query.get("crc_token")
    if challenge is None:
        return None
    if not app.webhook_secrets:
        return Handshake(403, b"")
    token = _signature(app.webhook_secrets[0].reveal(), challenge.encode(errors="replace"))
    return Handshake(200, encode({"response_token": token}))


def verify(app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
    given = headers.get(SPEC.webhook_signature_header or "", "").encode(errors="replace")
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(given, _signature(s.reveal(), body).encode()) for s in app.webhook_secrets]
    return any(matches)


def _signature(secret: str, message: bytes) -> str:
    return _PREFIX + b64encode(hmac.digest(secret.encode(), message, sha256)).decode()


def split(body: bytes) -> list[RawEntry]:
    """Empty for a body of X's that concerns no account. Raises WebhookRefused for anything else."""
    try:
        document = decode(body)
    except NotJson as error:
        raise WebhookRefused(str(error)) from error
    if not isinstance(document, dict):
        raise WebhookRefused("not a JSON object")
    if "for_user_id" in document or "user_event" in document:
        return list(_account_activity(document))
    if "matching_rules" in document:
        return list(_stream(document))
    if "data" in document:
        return list(_activity(document))
    raise WebhookRefused("none of the shapes X sends")


def _entry(account: str, event_id: str, value: Json) -> RawEntry:
    # One happening can concern several connected accounts: each must take effect, so the id names both.
    return RawEntry(account, f"{event_id}:{account}", encode(value))


def _activity(document: Json) -> Iterator[RawEntry]:
    found = document.get("data")
    for event in found if isinstance(found, list) else [found]:
        account = account_id_at(mapping(event, "filter"), "user_id") or account_id_at(
            mapping(event, "payload"),
            "user_id",  # oauth.revoke has an empty filter
        )
        if account is not None:
            yield _entry(account, id_at(event, "event_uuid") or digest(event), {"activity": event})


def _account_activity(document: Json) -> Iterator[RawEntry]:
    revoke = mapping(document, "user_event", "revoke")
    account = account_id_at(mapping(revoke, "source"), "user_id")
    if account is not None:
        yield _entry(account, digest("revoke", revoke), {"legacy": "revoke", "element": revoke})
    account = account_id_at(document, "for_user_id")
    if account is None:
        return
    people = mapping(document, "users")  # who is who in direct messages, beside the messages
    for kind in sorted(document):
        if not kind.endswith("_events"):
            continue
        for element in objects(document, kind):
            event_id = _legacy_id(kind, element) or digest(kind, account, element)
            sender = text_at(mapping(element, "message_create"), "sender_id")
            known = {"sender": people[sender]} if sender in people else {}
            yield _entry(account, event_id, {"legacy": kind, "element": element, **known})


def _legacy_id(kind: str, element: Json) -> str | None:
    """The platform's id of the happening, where the element has one."""
    if kind == "tweet_delete_events":
        found = id_at(mapping(element, "status"), "id")
    elif kind in ("tweet_create_events", "favorite_events", "direct_message_events"):
        found = id_at(element, "id_str", "id")
    else:
        found = None
    return f"{kind}:{found}" if found else None


def _stream(document: Json) -> Iterator[RawEntry]:
    """A rule's tag names the account it was made for; an untagged match belongs to whom it answers, or to
    its author."""
    post = mapping(document, "data")
    tagged = {
        account for rule in objects(document, "matching_rules") if (account := account_id_at(rule, "tag"))
    }
    if not tagged and (fallback := account_id_at(post, "in_reply_to_user_id") or author_of(post)):
        tagged = {fallback}
    value: Json = {"stream": {"data": post, "includes": mapping(document, "includes")}}
    for account in sorted(tagged):
        yield _entry(account, f"stream:{id_at(post, 'id') or digest(post)}", value)
