"""Documents written on behalf of an entity: content, comments, people; and the log of events."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne, WriteConcern
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, guard
from storage.mongo.documents import (
    WRITES_PER_BULK,
    encode,
    find_by_id,
    newest_first,
    only_duplicates,
    replace,
)
from storage.mongo.schema import FEEDS
from storage.records import Cursor, Document, Page, Rev, Unencodable


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
        return await find_by_id(self._database[collection], ids)

    async def upsert_many(
        self, collection: str, documents: Sequence[Document], rev: Rev | None = None
    ) -> None:
        writes: list[ReplaceOne[Any]] = []
        refused: list[str] = []
        for document in documents:
            packed = rev.packed() if rev is not None else document.get("rev", 0)
            try:
                raw = encode(document | {"rev": packed})
            except Unencodable as error:
                refused += error.ids
                continue
            writes.append(replace({"_id": document["_id"], "rev": {"$lte": packed}}, raw))
        if refused:
            raise Unencodable(refused)
        for start in range(0, len(writes), WRITES_PER_BULK):
            with guard():
                try:
                    chunk = writes[start : start + WRITES_PER_BULK]
                    await self._database[collection].bulk_write(chunk, ordered=False)
                except BulkWriteError as error:
                    if not only_duplicates(error):
                        raise

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
