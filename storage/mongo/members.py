"""Which campaigns a content, account or link belongs to: written by campaigns, read by the bus's router."""

from collections.abc import Sequence

from storage.mongo.client import Database, guard
from storage.records import Document

COLLECTION = "campaign_members"
CHUNK = 50
"""`$in` is quadratic in the embedded server."""


class MongoMembers:
    def __init__(self, database: Database) -> None:
        self._members = database[COLLECTION]

    async def find(self, org: str, refs: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for start in range(0, len(refs), CHUNK):
            chunk = list(refs[start : start + CHUNK])
            with guard():
                found += await self._members.find({"org": org, "ref": {"$in": chunk}}).to_list(None)
        return found
