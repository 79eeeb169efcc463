"""Webhook events for external accounts that nobody has connected yet."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from pymongo import UpdateOne

from storage.mongo.client import Database, guard
from storage.mongo.documents import IDS_PER_QUERY, WRITES_PER_BULK, oldest_first
from storage.mongo.schema import PARKED
from storage.records import Mail

PER_TARGET = 1_000


class MongoParking:
    """`storage.ports.Parking`. What arrives at a full target is dropped: a flood costs reads, no writes.

    The cap holds as long as one process parks for a target, as the owner of its partition does.
    """

    def __init__(self, database: Database) -> None:
        self._parked = database[PARKED]

    async def park(self, mails: Sequence[Mail], at: datetime) -> int:
        by_target: dict[str, dict[str, Mail]] = {}
        for mail in mails:
            by_target.setdefault(mail.target, {}).setdefault(_id(mail.target, mail.event_id), mail)
        writes = []
        dropped = 0
        for target, new in by_target.items():
            with guard():
                held = await self._parked.count_documents({"target": target})
            if held + len(new) > PER_TARGET:
                # Only here it matters which are parked already, by a process that ended before it deleted.
                there = await self._known(list(new))
                new = {id_: mail for id_, mail in new.items() if id_ not in there}
            room = max(PER_TARGET - held, 0)
            dropped += max(len(new) - room, 0)
            for n, (id_, mail) in enumerate(islice(new.items(), room), held + 1):
                fields = {
                    "target": target,
                    "event_id": mail.event_id,
                    "body": mail.body,
                    "at": at,
                    "n": n,  # order among those of one moment
                }
                writes.append(UpdateOne({"_id": id_}, {"$setOnInsert": fields}, upsert=True))
        with guard():
            for start in range(0, len(writes), WRITES_PER_BULK):
                await self._parked.bulk_write(writes[start : start + WRITES_PER_BULK], ordered=False)
        return dropped

    async def _known(self, ids: Sequence[str]) -> set[str]:
        known: set[str] = set()
        with guard():
            for start in range(0, len(ids), IDS_PER_QUERY):
                found = self._parked.find({"_id": {"$in": ids[start : start + IDS_PER_QUERY]}}, {"_id": 1})
                known.update([document["_id"] async for document in found])
        return known

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
