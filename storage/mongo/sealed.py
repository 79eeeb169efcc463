"""Sealed values in the document server: counted by key, and those that nobody owns sealed anew."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime

from pymongo import UpdateOne

from storage.crypto import Keyring
from storage.mongo.client import Database, guard
from storage.mongo.documents import WRITES_PER_BULK
from storage.mongo.schema import META
from storage.records import Document
from storage.sealed import keys_in, resealed


class SealedValues:
    """Reads whole collections from beginning to end, which is what it is for: an operator asks rarely."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def batches(self, collection: str) -> AsyncIterator[list[Document]]:
        """Every document of the collection. One that is written meanwhile may come as it was."""
        cursor = self._database[collection].find({}, batch_size=WRITES_PER_BULK)
        while True:
            with guard():
                batch = await cursor.to_list(WRITES_PER_BULK)
            if not batch:
                return
            yield batch

    async def count(self, known: Collection[str]) -> dict[str, Counter[str]]:
        """Key id -> collection -> sealed values, of the known keys and all collections there are."""
        found: dict[str, Counter[str]] = {key: Counter() for key in known}
        with guard():
            collections = await self._database.list_collection_names()
        for collection in sorted(collections):
            async for batch in self.batches(collection):
                for key, values in keys_in(batch, known).items():
                    found[key][collection] += values
        return found

    async def reseal(self, keyring: Keyring, collection: str, documents: list[Document]) -> int:
        """Seal these documents' values anew, each by compare-and-set; how many values were.

        Not for entities: their owners write them. A value that somebody wrote meanwhile stays as written.
        """
        writes = [
            UpdateOne({"_id": document["_id"], found.path: found.old}, {"$set": {found.path: found.new}})
            for document in documents
            for found in resealed(keyring, collection, document)
        ]
        if not writes:
            return 0
        with guard():
            done = await self._database[collection].bulk_write(writes, ordered=False)
        return int(done.matched_count)

    async def note_unused(
        self, used: Collection[str], unused: Collection[str], now: datetime
    ) -> dict[str, datetime]:
        """Since when each of the `unused` keys was found so at every count."""
        since: dict[str, datetime] = {}
        with guard():
            for key in used:
                await self._database[META].delete_one({"_id": _unused(key)})
            for key in unused:
                noted = await self._database[META].find_one_and_update(
                    {"_id": _unused(key)}, {"$setOnInsert": {"since": now}}, upsert=True, return_document=True
                )
                since[key] = noted["since"]
        return since


def _unused(key: str) -> str:
    return f"unused-key:{key}"
