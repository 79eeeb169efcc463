"""Messages that could not be applied, kept for an operator to see and replay."""

import builtins
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import asdict
from pymongo import UpdateOne

from storage.mongo.client import Database, guard
from storage.mongo.documents import IDS_PER_QUERY, newest_first
from storage.mongo.schema import DEAD_LETTERS
from storage.records import Cursor, DeadLetter, Document


class MongoDeadLetters:
    """`storage.ports.DeadLetters`. The first letter of an id stays as it was put."""

    def __init__(self, database: Database) -> None:
        self._letters = database[DEAD_LETTERS]

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        with guard():
            await self._letters.bulk_write([_insert(letter) for letter in letters], ordered=False)

    async def list(self, org: str | None, limit: int, after: str | None = None) -> builtins.list[DeadLetter]:
        """Newest first, of one org or of all; `after` is the id of the last one seen."""
        cursor = None
        if after is not None:
            last = await self.get(after)
            if last is None:
                return []
            cursor = Cursor(last.failed_at, last.id)
        equal = {} if org is None else {"org": org}
        page = await newest_first(self._letters, equal, "failed_at", limit, cursor)
        return [_letter(document) for document in page.documents]

    async def get(self, id: str) -> DeadLetter | None:
        with guard():
            document = await self._letters.find_one({"_id": id})
        return _letter(document) if document is not None else None

    async def mark_replayed(self, id: str, at: datetime) -> None:
        with guard():
            await self._letters.update_one({"_id": id}, {"$set": {"replayed_at": at}})

    async def forget(self, org: str, entity: str, limit: int) -> int:
        where = {"org": org, "entity": entity}
        with guard():
            found = await self._letters.find(where, {"_id": 1}).limit(limit).to_list(None)
            ids = [document["_id"] for document in found]
            for start in range(0, len(ids), IDS_PER_QUERY):
                await self._letters.delete_many({"_id": {"$in": ids[start : start + IDS_PER_QUERY]}})
        return len(ids)


def _insert(letter: DeadLetter) -> UpdateOne:
    fields = asdict(letter)
    del fields["id"]
    # An error's message may quote half a character; the letter must not be lost for it.
    fields["reason"] = letter.reason.encode("utf-8", "replace").decode()
    return UpdateOne({"_id": letter.id}, {"$setOnInsert": fields}, upsert=True)


def _letter(document: Document) -> DeadLetter:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return DeadLetter(id=document["_id"], **fields)
