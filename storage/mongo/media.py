"""Files that people gave to be published: what is known of each. The bytes are in `storage.objects`."""

from collections.abc import Sequence
from typing import Any

from storage.mongo.client import Database, guard
from storage.mongo.documents import find_by_id
from storage.records import Document

COLLECTION = "media"


class MongoMedia:
    def __init__(self, database: Database) -> None:
        self._media: Any = database[COLLECTION]

    async def add(self, document: Document) -> None:
        """The same id again changes nothing: an upload repeated under its key is the same file."""
        with guard():
            await self._media.update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)

    async def get(self, media_id: str) -> Document:
        """For who holds the file's own address. KeyError when it is not there."""
        with guard():
            document: Document | None = await self._media.find_one({"_id": media_id})
        if document is None:
            raise KeyError(media_id)
        return document

    async def find(self, org: str, ids: Sequence[str]) -> dict[str, Document]:
        """Those of the ids that are the org's."""
        found = await find_by_id(self._media, ids)
        return {id_: document for id_, document in found.items() if document["org"] == org}
