"""Entity documents: the versioned write, which is the system's guarantee."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from domain.ids import EntityKey, Kind
from storage.mongo.client import Database, bulk_failure, guard
from storage.mongo.documents import (
    DUPLICATE_KEY,
    IDS_PER_QUERY,
    TICK,
    WRITES_PER_BULK,
    Collection,
    encode,
    find_by_id,
    newest_first,
    oldest_first,
    replace,
)
from storage.mongo.schema import ENTITIES
from storage.records import Cursor, Document, Page, Save, SaveOutcome, Unencodable

_REFUSED = frozenset(
    {
        2,  # BadValue
        15,  # Overflow (nested too deeply)
        22,  # InvalidBSON
        52,  # DollarPrefixedFieldName
        57,  # DottedFieldName
        121,  # DocumentValidationFailure
        10334,  # BSONObjectTooLarge
        17419,  # resulting document too large
        17420,  # document to upsert too large
    }
)
"""The server's ways of saying that this one document cannot be stored.
Source: mongodb/mongo src/mongo/base/error_codes.yml."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MongoEntityStore:
    """`storage.ports.EntityStore`.

    Guarantee: of any number of writers that expect the same version, at most one is SAVED, and what is
    SAVED is on a majority. After StoreUnavailable each of the documents may or may not be saved.
    """

    def __init__(self, database: Database) -> None:
        self._collections: dict[Kind, Collection] = {kind: database[name] for kind, name in ENTITIES.items()}

    async def load_many(self, keys: Sequence[EntityKey]) -> dict[EntityKey, Document]:
        by_kind: dict[Kind, list[str]] = {}
        for key in keys:
            by_kind.setdefault(key.kind, []).append(key.id)
        found = await asyncio.gather(*(find_by_id(self._collections[k], ids) for k, ids in by_kind.items()))
        return {
            EntityKey(kind, id_): document
            for kind, documents in zip(by_kind, found, strict=True)
            for id_, document in documents.items()
        }

    async def save_many(self, saves: Mapping[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
        outcomes: dict[EntityKey, SaveOutcome] = {}
        by_kind: dict[Kind, list[tuple[EntityKey, ReplaceOne[Any]]]] = {}
        for key, save in saves.items():
            try:
                raw = encode(save.document)
            except Unencodable:
                outcomes[key] = SaveOutcome.UNENCODABLE
                continue
            write = replace({"_id": key.id, "version": save.expected}, raw)
            by_kind.setdefault(key.kind, []).append((key, write))
        for found in await asyncio.gather(*(self._write(kind, writes) for kind, writes in by_kind.items())):
            outcomes.update(found)
        return outcomes

    async def _write(
        self, kind: Kind, writes: Sequence[tuple[EntityKey, ReplaceOne[Any]]]
    ) -> dict[EntityKey, SaveOutcome]:
        outcomes = {key: SaveOutcome.SAVED for key, _ in writes}
        for start in range(0, len(writes), WRITES_PER_BULK):
            chunk = writes[start : start + WRITES_PER_BULK]
            with guard():
                try:
                    await self._collections[kind].bulk_write([write for _, write in chunk], ordered=False)
                except BulkWriteError as error:
                    if error.details.get("writeConcernErrors"):
                        raise
                    for fault in error.details["writeErrors"]:
                        outcomes[chunk[fault["index"]][0]] = _outcome(fault["code"], error)
        return outcomes

    async def connections(self, platform: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        accounts = self._collections[Kind.ACCOUNT]
        found: dict[str, list[str]] = {}
        for start in range(0, len(external_ids), IDS_PER_QUERY):
            chunk = list(external_ids[start : start + IDS_PER_QUERY])
            where = {"platform": platform, "externalAccountId": {"$in": chunk}}
            with guard():
                async for document in accounts.find(where, {"externalAccountId": 1}):
                    found.setdefault(document["externalAccountId"], []).append(document["_id"])
        return {external_id: sorted(ids) for external_id, ids in found.items()}

    async def due(
        self, kind: Kind, partition: int, before: datetime, limit: int
    ) -> list[tuple[datetime, str, int]]:
        # For the embedded server: without the lower bound it reads every entity that is never due (null),
        # and a $lte that more index fields follow misses what is equal.
        where = {"partition": partition, "next_due_at": {"$gte": _LONG_AGO, "$lt": before + TICK}}
        wanted = ("next_due_at", "_id", "urgency")
        documents = await oldest_first(self._collections[kind], where, wanted[:2], limit, wanted)
        return [(d["next_due_at"], d["_id"], d.get("urgency", 0)) for d in documents]

    async def page(self, kind: Kind, org: str, limit: int, after: Cursor | None = None) -> Page:
        return await newest_first(self._collections[kind], {"org": org}, "createdAt", limit, after)


def _outcome(code: int, error: BulkWriteError) -> SaveOutcome:
    if code == DUPLICATE_KEY:
        return SaveOutcome.CONFLICT
    if code in _REFUSED:
        return SaveOutcome.UNENCODABLE
    raise bulk_failure(error) from None
