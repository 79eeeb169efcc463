"""Documents written on behalf of an entity: content, comments, people; and the log of events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import InsertOne, ReplaceOne, WriteConcern
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, guard
from storage.mongo.documents import (
    TICK,
    WRITES_PER_BULK,
    encode,
    find_by_id,
    newest_first,
    only_duplicates,
    replace,
)
from storage.mongo.schema import FEEDS
from storage.records import ERASED, Cursor, Document, Page, Rev, Unencodable, Unlisted

_Operation = ReplaceOne[Any] | InsertOne[Any]


class _Write(NamedTuple):
    id: str
    replacing: ReplaceOne[Any]
    inserting: InsertOne[Any]


class MongoSideStore:
    """`storage.ports.SideStore`.

    Guarantee: whatever order writes arrive in, the document of the newest `rev` remains.

    Writes do not wait for the journal of a server on its own, which for the embedded one means a flush per
    document: the entity's save that follows a side document flushes both, and a batch that a crash stops
    before that save comes again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database.with_options(write_concern=WriteConcern("majority", wtimeout=10_000))

    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        found = await find_by_id(self._database[collection], ids)
        return {id_: document for id_, document in found.items() if document.get("status") != ERASED}

    async def upsert_many(
        self,
        collection: str,
        documents: Sequence[Document],
        rev: Rev | None = None,
        new: Collection[str] = (),
    ) -> None:
        writes: list[_Write] = []
        refused: list[str] = []
        for document in documents:
            packed = rev.packed() if rev is not None else document.get("rev", 0)
            try:
                raw = encode(document | {"rev": packed})
            except Unencodable as error:
                refused += error.ids
                continue
            where = {"_id": document["_id"], "rev": {"$lte": packed}}
            writes.append(_Write(document["_id"], replace(where, raw), InsertOne(raw)))
        if refused:
            raise Unencodable(refused)
        for start in range(0, len(writes), WRITES_PER_BULK):
            chunk = writes[start : start + WRITES_PER_BULK]
            with guard():
                met = await self._bulk(
                    collection, [w.inserting if w.id in new else w.replacing for w in chunk]
                )
                # Somebody wrote what was to be new: now there is a rev to compare with.
                if known := [chunk[place].replacing for place in met if chunk[place].id in new]:
                    await self._bulk(collection, known)

    async def _bulk(self, collection: str, operations: Sequence[_Operation]) -> list[int]:
        """Places of those that met a document they could not replace."""
        try:
            await self._database[collection].bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            return [fault["index"] for fault in error.details["writeErrors"]]
        return []

    async def page(
        self,
        collection: str,
        org: str,
        filters: Mapping[str, str],
        limit: int,
        after: Cursor | None = None,
    ) -> Page:
        feed = FEEDS[collection]
        if unknown := set(filters) - feed.filters:
            raise KeyError(f"{collection} is not filtered by {', '.join(sorted(unknown))}")
        equal = {"org": org, **filters, "deletedAt": None}
        return await newest_first(self._database[collection], equal, feed.by, limit, after)

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        where: dict[str, Any] = {"org": wanted.org, "socialAccountId": wanted.account_id, "deletedAt": None}
        where |= {"status": {"$in": ["active", "pending"]}, "listedIn": {"$ne": wanted.run}}
        published = {"$gte": wanted.since} if wanted.since is not None else {}
        if wanted.until is not None:
            published["$lt"] = wanted.until + TICK  # the embedded server's $lte misses what is equal
        if published:
            where["publishedAt"] = published
        with guard():
            found = self._database["social_content"].find(where, {"externalContentId": 1, "publishedAt": 1})
            rows = await found.sort([("publishedAt", -1), ("_id", -1)]).limit(wanted.limit).to_list(None)
        return [(row["externalContentId"], row["publishedAt"]) for row in rows]

    async def held(self, collection: str, org: str, account_id: str, limit: int) -> list[str]:
        where = {"org": org, "socialAccountId": account_id}
        with guard():
            found = await self._database[collection].find(where, {"_id": 1}).limit(limit).to_list(None)
        return [document["_id"] for document in found]
