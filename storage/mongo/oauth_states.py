"""OAuth states and choices on their way: sealed records that can be taken once."""

from datetime import datetime

from pymongo import ASCENDING, IndexModel

from storage.mongo.client import Database, guard

INDEXES: dict[str, list[IndexModel]] = {
    "oauth_states": [IndexModel([("expiresAt", ASCENDING)], expireAfterSeconds=0)],
}


class OAuthStates:
    """`handle_hash` and not the handle is the key: who reads the database cannot present a state."""

    def __init__(self, db: Database) -> None:
        self._states = db["oauth_states"]

    async def put(self, handle_hash: str, sealed: bytes, expires_at: datetime) -> None:
        with guard():
            await self._states.insert_one({"_id": handle_hash, "sealed": sealed, "expiresAt": expires_at})

    async def look(self, handle_hash: str, now: datetime) -> bytes | None:
        """The sealed record, which stays; None when it was never there, was taken, or has expired."""
        with guard():
            document = await self._states.find_one({"_id": handle_hash})
        if document is None or document["expiresAt"] <= now:
            return None
        return bytes(document["sealed"])

    async def take(self, handle_hash: str, now: datetime) -> bytes | None:
        """Remove and answer the sealed record in one atomic step: of two callers one gets it. None when it
        was never there, was taken, or has expired (the index removes those late)."""
        with guard():
            document = await self._states.find_one_and_delete({"_id": handle_hash})
        if document is None or document["expiresAt"] <= now:
            return None
        return bytes(document["sealed"])
