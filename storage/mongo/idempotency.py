"""What the HTTP API remembers about an `Idempotency-Key`, for a day.

Commands to entities need only the comparison of bodies: the entity itself keeps the answer. For the few
things that are no entity (users, API keys, platform apps) the answer is kept here, sealed, together with the
id that was chosen for the new thing, so that a repeated attempt after a crash makes the same thing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.errors import Conflict, Invalid
from storage.crypto import Keyring, field_aad
from storage.mongo.client import Database, guard

COLLECTION = "idempotency"
INDEXES: dict[str, list[IndexModel]] = {
    COLLECTION: [IndexModel([("expiresAt", ASCENDING)], expireAfterSeconds=0)],
}
RETENTION = timedelta(hours=24)
ABANDONED = timedelta(seconds=60)  # an attempt that has not ended by then was cut off; another may take over


@dataclass(frozen=True, slots=True)
class Attempt:
    """`answer` is that of the first attempt, None when this one has to do the work; `resource_id` is the id
    for the thing to be made, the same in every attempt."""

    id: str
    resource_id: str
    answer: bytes | None


class Idempotency:
    def __init__(self, db: Database, keyring: Keyring) -> None:
        self._records = db[COLLECTION]
        self._keyring = keyring

    async def same_request(self, id_: str, request_hash: str, now: datetime) -> None:
        """Remember the request under this key, or compare: Invalid when the key was used for another one."""
        await self._insert(id_, request_hash, "", now)

    async def begin(self, id_: str, request_hash: str, resource_id: str, now: datetime) -> Attempt:
        """Start or repeat an attempt. Conflict while another is under way."""
        known = await self._insert(id_, request_hash, resource_id, now)
        if known is None:
            return Attempt(id_, resource_id, None)
        if known["answer"] is not None:
            answer = self._keyring.open(bytes(known["answer"]), _aad(id_))
            return Attempt(id_, known["resourceId"], answer)
        if known["at"] > now - ABANDONED or not await self._take_over(id_, known["at"], now):
            raise Conflict(
                "request_in_progress", "A request with this Idempotency-Key is under way: repeat it later."
            )
        return Attempt(id_, known["resourceId"], None)

    async def _take_over(self, id_: str, at: datetime, now: datetime) -> bool:
        with guard():
            taken = await self._records.update_one(
                {"_id": id_, "at": at, "answer": None}, {"$set": {"at": now}}
            )
        return bool(taken.matched_count)

    async def finish(self, attempt: Attempt, answer: bytes) -> None:
        sealed = self._keyring.seal(answer, _aad(attempt.id))
        with guard():
            await self._records.update_one({"_id": attempt.id}, {"$set": {"answer": sealed}})

    async def refuse(self, attempt: Attempt) -> None:
        """The work was refused and nothing made: the key may be used again."""
        with guard():
            await self._records.delete_one({"_id": attempt.id, "answer": None})

    async def _insert(
        self, id_: str, request_hash: str, resource_id: str, now: datetime
    ) -> dict[str, Any] | None:
        """None when the record is new; else the record that was there, of the same request."""
        record = {
            "_id": id_,
            "requestHash": request_hash,
            "resourceId": resource_id,
            "answer": None,
            "at": now,
            "expiresAt": now + RETENTION,
        }
        try:
            with guard():
                await self._records.insert_one(record)
            return None
        except DuplicateKeyError:
            pass
        with guard():
            known: dict[str, Any] | None = await self._records.find_one({"_id": id_})
            if known is None or known["expiresAt"] <= now:  # the index removes expired ones late
                await self._records.replace_one({"_id": id_}, record, upsert=True)
                return None
        if known["requestHash"] != request_hash:
            raise Invalid(
                "idempotency_key_reused",
                "This Idempotency-Key was used for a different request: choose a new one.",
                field="Idempotency-Key",
            )
        return known


def _aad(id_: str) -> str:
    return field_aad(COLLECTION, id_, "answer")
