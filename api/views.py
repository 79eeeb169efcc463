"""Stored documents as JSON for people: entities as their owners show them, content, comments."""

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from actors.runtime.entity import Entity
from api.paging import page_json
from api.services import Services
from domain.ids import EntityKey, Kind
from storage.crypto import Keyring, field_aad
from storage.records import Cursor, Document, Page


def entity_json(entity: Entity[Any], document: Document) -> dict[str, Any]:
    """The view of an entity's last saved state."""
    key = EntityKey(entity.kind, document["_id"])
    return entity.view(key, entity.load(document)) | {"version": document["version"]}


async def entity_page(
    services: Services, kind: Kind, org: str, limit: int, after: Cursor | None
) -> dict[str, Any]:
    """A page of an org's entities, newest first."""
    page = await services.entity_store.page(kind, org, limit, after)
    return entities_json(services, kind, page)


def entities_json(services: Services, kind: Kind, page: Page) -> dict[str, Any]:
    entity = services.entities[kind]
    return page_json((entity_json(entity, d) for d in page.documents), page.next)


def content_json(document: Document) -> dict[str, Any]:
    normalised = document["normalizedContent"] or {}
    engagement = document["engagement"]
    return {
        "id": document["_id"],
        "account_id": document["socialAccountId"],
        "platform": document["platform"],
        "external_id": document["externalContentId"],
        "kind": document["contentType"],
        "status": document["status"],
        "text": normalised.get("text"),
        "hashtags": normalised.get("hashtags", []),
        "mentions": normalised.get("mentions", []),
        "links": normalised.get("links", []),
        "language": normalised.get("language"),
        "media": normalised.get("media", []),
        "commerce": document["commerceData"],
        "engagement": {
            "likes": engagement["likes"],
            "comments": engagement["comments"],
            "shares": engagement["shares"],
            "views": engagement["views"],
            "click_throughs": engagement["clickThroughs"],
        },
        "permalink": document.get("permalink"),
        "published_at": _time(document["publishedAt"]),
        "edited_at": _time(document.get("editedAt")),
        "synced_at": _time(document["syncedAt"]),
    }


def original_json(keyring: Keyring, document: Document) -> Any:
    """What the platform itself sent, parsed; None when it is not kept (any more)."""
    sealed = document["originalData"]
    if sealed is None:
        return None
    payload = zlib.decompress(
        keyring.open(bytes(sealed), field_aad("social_content", document["_id"], "originalData"))
    )
    return json.loads(payload)  # not orjson: integers beyond 64 bits keep their value


def publication_json(document: Document) -> dict[str, Any]:
    return {
        "id": document["_id"],
        "group": document["group"],
        "account_id": document["socialAccountId"],
        "platform": document["platform"],
        "action": document["action"],
        "kind": document["contentType"],
        "status": document["status"],
        "reason": document["reason"],
        "publish_at": _time(document["dueAt"]),
        "external_id": document["externalContentId"],
        "content_id": f"{document['socialAccountId']}|{document['externalContentId']}"
        if document["externalContentId"]
        else None,
        "permalink": document["permalink"],
        "published_at": _time(document["publishedAt"]),
        "created_by": document["createdBy"],
        "created_at": _time(document["createdAt"]),
        "updated_at": _time(document["updatedAt"]),
        "steps": [{"at": _time(at), "what": what} for at, what in document["steps"]],
    }


def comment_json(keyring: Keyring, document: Document, *, words: bool) -> dict[str, Any]:
    """`words`: with what was said and by whom, which is sealed personal data."""
    shown: dict[str, Any] = {
        "id": document["_id"],
        "account_id": document["socialAccountId"],
        "platform": document["platform"],
        "external_id": document["externalId"],
        "kind": document["kind"],
        "content_id": document["contentId"],
        "parent_id": document["parentId"],
        "own": document.get("own", False),
        "status": document["status"],
        "at": _time(document["at"]),
    }
    if words:
        shown |= _opened(keyring, document)
    return shown


def _opened(keyring: Keyring, document: Document) -> Mapping[str, Any]:
    if document["sealed"] is None:
        return {"author": None, "text": None}
    aad = field_aad("social_comments", document["_id"], "sealed")
    opened: dict[str, Any] = orjson.loads(keyring.open(bytes(document["sealed"]), aad))
    return opened


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
