"""Webhook events for external accounts that nobody has connected yet."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from pymongo import UpdateOne

from storage.mongo.client import Database, guard
from storage.mongo.documents import IDS_PER_QUERY, WRITES_PER_BULK, oldest_first
from storage.mongo.schema import PARKED
from storage.records import Mail

PER_TARGET = 1_000


class MongoParking:
    """`storage.ports.Parking`. What arrives at a full target is dropped: a flood costs a count, no writes.

    The cap holds as long as one process parks for a target, as the owner of its partition does.
    """

    def __init__(self, database: Database) -> None:
        self._parked = database[PARKED]

    async def park(self, mails: Sequence[Mail], at: datetime) -> None:
        writes = []
        held: Counter[str] = Counter()
        with guard():
            for target in {mail.target for mail in mails}:
                held[target] = await self._parked.count_documents({"target": target})
            for mail in mails:
                if held[mail.target] >= PER_TARGET:
                    continue
                held[mail.target] += 1
                fields = {
                    "target": mail.target,
                    "event_id": mail.event_id,
                    "body": mail.body,
                    "at": at,
                    "n": held[mail.target],  # order among those of one moment
                }
                parked = {"_id": _id(mail.target, mail.event_id)}
                writes.append(UpdateOne(parked, {"$setOnInsert": fields}, upsert=True))
            for start in range(0, len(writes), WRITES_PER_BULK):
                await self._parked.bulk_write(writes[start : start + WRITES_PER_BULK], ordered=False)

    async def take(self, target: str) -> list[Mail]:
        documents = await oldest_first(self._parked, {"target": target}, ("at", "n"), PER_TARGET)
        return [Mail(d["target"], d["event_id"], d["body"]) for d in documents]

    async def forget(self, target: str, event_ids: Sequence[str]) -> None:
        ids = [_id(target, event_id) for event_id in event_ids]
        with guard():
            for start in range(0, len(ids), IDS_PER_QUERY):
                await self._parked.delete_many({"_id": {"$in": ids[start : start + IDS_PER_QUERY]}})

    async def counts(self, limit: int) -> dict[str, int]:
        # The one query that reads a whole collection: an operator's, over what a week parked.
        grouped = self._parked.aggregate(
            [
                {"$group": {"_id": "$target", "parked": {"$sum": 1}}},
                {"$sort": {"parked": -1, "_id": 1}},
                {"$limit": limit},
            ]
        )
        with guard():
            return {group["_id"]: group["parked"] async for group in grouped}


def _id(target: str, event_id: str) -> str:
    return f"{target}|{event_id}"
