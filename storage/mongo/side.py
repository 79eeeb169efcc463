"""Documents written on behalf of an entity: content, comments, people; and the log of events."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, guard
from storage.mongo.documents import DUPLICATE_KEY, encode, find_by_id, newest_first, replace
from storage.mongo.schema import FEEDS
from storage.records import Cursor, Document, Page, Rev, Unencodable


class MongoSideStore:
    """`storage.ports.SideStore`.

    Guarantee: whatever order writes arrive in, the document of the newest `rev` remains.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
        if not writes:
            return
        with guard():
            try:
                await self._database[collection].bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                faults = error.details["writeErrors"]
                outdated = all(fault["code"] == DUPLICATE_KEY for fault in faults)
                if not outdated or error.details.get("writeConcernErrors"):
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
