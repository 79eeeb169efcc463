"""The audit log: who did what to which thing, when, and how it ended. Never a request's body."""

from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel

from domain.ids import new_id
from storage.mongo.client import Database, guard
from storage.mongo.documents import newest_first
from storage.records import Cursor

INDEXES: dict[str, list[IndexModel]] = {
    "audit": [IndexModel([("org", ASCENDING), ("at", ASCENDING), ("_id", ASCENDING)])],
}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    org: str
    user_id: str
    action: str  # the route's name
    target: str  # the ids in its path, or the id of what it created
    at: datetime
    status: int  # HTTP status of the answer


class Audit:
    def __init__(self, db: Database) -> None:
        self._entries = db["audit"]

    async def add(self, entry: AuditEntry) -> None:
        with guard():
            await self._entries.insert_one(
                {
                    "_id": new_id("aud"),
                    "org": entry.org,
                    "userId": entry.user_id,
                    "action": entry.action,
                    "target": entry.target,
                    "at": entry.at,
                    "status": entry.status,
                }
            )

    async def page(
        self, org: str, limit: int, after: Cursor | None = None
    ) -> tuple[list[AuditEntry], Cursor | None]:
        """Newest first, and where the next page starts."""
        page = await newest_first(self._entries, {"org": org}, "at", limit, after)
        entries = [
            AuditEntry(d["org"], d["userId"], d["action"], d["target"], d["at"], d["status"])
            for d in page.documents
        ]
        return entries, page.next
