"""Side documents of an account: content (D7: social_content) and other people's remarks.

Built whole, with absolute values; the runtime adds `rev`. People's words and names are sealed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from isal import isal_zlib

from domain.commerce import extract
from domain.content import ContentItem, ContentKind, Engagement, Media, Remark, Text
from domain.engagement import METRICS, Reading, Tally
from storage.crypto import field_aad
from storage.records import ERASED, Document

CONTENT = "social_content"
REMARKS = "social_comments"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Seal = Callable[[bytes, str], bytes]


def side_id(account_id: str, external_id: str) -> str:
    return f"{account_id}|{external_id}"


def erased(id_: str, org: str, ordered_by: str, now: datetime) -> Document:
    """In place of any document of an account that is erased. It stays, so that no late write of a former
    owner brings the document back; it does not name its account, so that it is found once. Lists by time
    have it last, where it holds nobody up."""
    return {"_id": id_, "org": org, ordered_by: _LONG_AGO, "status": ERASED, "deletedAt": now}


# -- content ----------------------------------------------------------------------------------------
def content_document(
    account_id: str,
    org: str,
    platform: str,
    item: ContentItem,
    known: Document | None,
    tally: Tally,
    now: datetime,
    seal: Seal,
    *,
    commerce: bool,
) -> Document:
    """The document as it shall be; what an item does not tell keeps what was known."""
    id_ = side_id(account_id, item.external_id)
    text = item.text
    return {
        "_id": id_,
        "org": org,
        "socialAccountId": account_id,
        "platform": platform,
        "externalContentId": item.external_id,
        "contentType": item.kind.value,
        "originalData": seal(isal_zlib.compress(item.payload, 1), field_aad(CONTENT, id_, "originalData")),
        "normalizedContent": {
            "text": text.text,
            "mediaUrls": [m.url for m in item.media if m.url],
            "media": [_media(m) for m in item.media],
            "hashtags": list(text.hashtags),
            "mentions": list(text.mentions),
            "links": list(text.links),
            "language": text.language,
        },
        "commerceData": extract(text.text, text.links) if commerce else None,
        **_engagement_fields(tally, tally.totals()),
        "permalink": item.permalink,
        "publishedAt": item.published_at or (known or {}).get("publishedAt") or now,
        "editedAt": item.edited_at,
        "replaces": list(item.replaces),
        "syncedAt": now,
        "status": "active",
    }


def pending_document(
    account_id: str, org: str, platform: str, external_id: str, tally: Tally, now: datetime
) -> Document:
    """Content that an event spoke of before any listing showed it: holds the count until it is read."""
    return {
        "_id": side_id(account_id, external_id),
        "org": org,
        "socialAccountId": account_id,
        "platform": platform,
        "externalContentId": external_id,
        "contentType": ContentKind.UNKNOWN.value,
        "originalData": None,
        "normalizedContent": None,
        "commerceData": None,
        **_engagement_fields(tally, tally.totals()),
        "permalink": None,
        "publishedAt": now,
        "editedAt": None,
        "replaces": [],
        "syncedAt": now,
        "status": "pending",
        "listedIn": None,
    }


def with_tally(document: Document, tally: Tally, totals: Engagement) -> Document:
    """`totals`: the tally's, which whoever asks has computed already."""
    return document | _engagement_fields(tally, totals)


def tombstone(document: Document, now: datetime) -> Document:
    """Deleted on the platform: the words go, the numbers stay for the campaigns that counted them."""
    empty = {"originalData": None, "normalizedContent": None, "commerceData": None}
    return document | empty | {"status": "deleted", "deletedAt": now, "syncedAt": now}


def tally_of(document: Document | None) -> Tally:
    if document is None:
        return Tally()
    raw = document["tally"]
    return Tally(
        base=Engagement(**raw["base"]),
        read=Reading(*raw["read"]) if raw["read"] else None,
        since=tuple(map(tuple, raw["since"])),
        folded=dict(raw["folded"]),
        unsettled_until=raw["unsettledUntil"],
        doubted_since=raw["doubtedSince"],
    )


def totals_json(engagement: Engagement) -> dict[str, int | None]:
    return {
        "likes": engagement.likes,
        "comments": engagement.comments,
        "shares": engagement.shares,
        "views": engagement.views,
    }


def _engagement_fields(tally: Tally, totals: Engagement) -> Document:
    return {
        "engagement": totals_json(totals) | {"clickThroughs": totals.click_throughs},
        "tally": {
            "base": {metric: getattr(tally.base, metric) for metric in METRICS},
            "read": [tally.read.asked_at, tally.read.answered_at] if tally.read else None,
            "since": list(map(list, tally.since)),
            "folded": tally.folded,
            "unsettledUntil": tally.unsettled_until,
            "doubtedSince": tally.doubted_since,
        },
    }


def _media(media: Media) -> Document:
    return {
        "kind": media.kind.value,
        "url": media.url,
        "previewUrl": media.preview_url,
        "width": media.width,
        "height": media.height,
        "durationMs": media.duration_ms,
        "altText": media.alt_text,
        "platformId": media.platform_id,
    }


# -- remarks ----------------------------------------------------------------------------------------
def remark_document(
    account_id: str,
    org: str,
    platform: str,
    remark: Remark,
    own: bool,
    now: datetime,
    seal: Seal,
) -> Document:
    id_ = side_id(account_id, remark.external_id)
    author = remark.author
    person = {"external_id": author.external_id, "username": author.username, "name": author.name}
    sealed = orjson.dumps({"author": person, **_words(remark.text)})
    return {
        "_id": id_,
        "org": org,
        "socialAccountId": account_id,
        "platform": platform,
        "kind": remark.kind.value,
        "externalId": remark.external_id,
        "contentId": side_id(account_id, remark.content_id) if remark.content_id else None,
        "parentId": remark.parent_id,
        "own": own,
        "at": remark.at or now,
        "sealed": seal(sealed, field_aad(REMARKS, id_, "sealed")),
        "originalData": seal(isal_zlib.compress(remark.payload, 1), field_aad(REMARKS, id_, "originalData")),
        "status": "active",
    }


def remark_tombstone(document: Document, now: datetime) -> Document:
    return document | {"sealed": None, "originalData": None, "status": "deleted", "deletedAt": now}


def _words(text: Text) -> dict[str, Any]:
    return {
        "text": text.text,
        "hashtags": text.hashtags,
        "mentions": text.mentions,
        "links": text.links,
        "language": text.language,
    }
