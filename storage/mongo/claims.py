"""Who owns which partition."""

from collections.abc import Mapping

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, guard
from storage.mongo.documents import only_duplicates
from storage.mongo.schema import PARTITIONS
from storage.records import OVERFLOW, Claim, Document, StreamId


class MongoClaims:
    """`storage.ports.Claims`.

    Guarantee: each claim has an epoch of its own, higher than all before it, and replaces the one before.
    """

    def __init__(self, database: Database) -> None:
        self._partitions = database[PARTITIONS]

    async def all(self) -> list[Claim]:
        with guard():
            documents = await self._partitions.find({}).to_list(None)
        return sorted(map(_claim, documents), key=lambda claim: claim.partition)

    async def assign(self, assignment: Mapping[int, str], build: str) -> None:
        # A partition that has this host already is not matched, and the upsert meets it as a duplicate key.
        writes = [
            UpdateOne(
                {"_id": partition, "host": {"$ne": host}},
                {
                    "$set": {"host": host, "incarnation": "", "build": build},
                    "$setOnInsert": {"epoch": 0, "generation": 0, "high": {}},
                },
                upsert=True,
            )
            for partition, host in assignment.items()
        ]
        if not writes:
            return
        with guard():
            try:
                await self._partitions.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                if not only_duplicates(error):
                    raise

    async def claim(self, partition: int, host: str, incarnation: str, build: str) -> Claim | None:
        with guard():
            seen = await self._partitions.find_one({"_id": partition})
            if seen is None or seen["host"] != host:
                return None
            taken = await self._partitions.find_one_and_update(
                {"_id": partition, "host": host, "epoch": seen["epoch"]},
                {"$set": {"incarnation": incarnation, "build": build, "epoch": seen["epoch"] + 1}},
                return_document=ReturnDocument.AFTER,
            )
        return _claim(taken) if taken is not None else None

    async def note_high(self, claim: Claim, high: Mapping[str, StreamId], generation: int) -> bool:
        applied = {f"high.{stream}": str(id_) for stream, id_ in high.items() if OVERFLOW not in stream}
        with guard():
            result = await self._partitions.update_one(
                {
                    "_id": claim.partition,
                    "host": claim.host,
                    "incarnation": claim.incarnation,
                    "epoch": claim.epoch,
                },
                {"$set": {**applied, "generation": generation}},
            )
        return bool(result.matched_count)


def _claim(document: Document) -> Claim:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return Claim(partition=document["_id"], **fields)
