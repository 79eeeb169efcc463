"""Who owns which partition."""

from collections.abc import Mapping
from datetime import datetime

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, guard
from storage.mongo.documents import only_duplicates
from storage.mongo.schema import META, PARTITIONS
from storage.records import OVERFLOW, Claim, Document, StreamId

_WISH = "hosts"


class MongoClaims:
    """`storage.ports.Claims`.

    Guarantee: each claim has an epoch of its own, higher than all before it, and replaces the one before.
    """

    def __init__(self, database: Database) -> None:
        self._partitions = database[PARTITIONS]
        self._meta = database[META]

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
                    "$set": {"host": host, "incarnation": "", "build": build, "released_at": None},
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
                {
                    "$set": {
                        "incarnation": incarnation,
                        "build": build,
                        "epoch": seen["epoch"] + 1,
                        "released_at": None,
                    }
                },
                return_document=ReturnDocument.AFTER,
            )
        if taken is None:
            return None
        return _claim(taken | {"released_at": seen.get("released_at")})

    async def release(self, claim: Claim, to: str, at: datetime) -> bool:
        with guard():
            result = await self._partitions.update_one(
                _held_by(claim), {"$set": {"host": to, "incarnation": "", "released_at": at}}
            )
        return bool(result.matched_count)

    async def note_pause(self, claim: Claim, pause_ms: int) -> None:
        with guard():
            await self._partitions.update_one(_held_by(claim), {"$set": {"pause_ms": pause_ms}})

    async def wish(self) -> int | None:
        with guard():
            found = await self._meta.find_one({"_id": _WISH})
        return int(found["wanted"]) if found is not None else None

    async def set_wish(self, hosts: int) -> None:
        with guard():
            await self._meta.update_one({"_id": _WISH}, {"$set": {"wanted": hosts}}, upsert=True)

    async def note_high(self, claim: Claim, high: Mapping[str, StreamId], generation: int) -> bool:
        applied = {f"high.{stream}": str(id_) for stream, id_ in high.items() if OVERFLOW not in stream}
        with guard():
            result = await self._partitions.update_one(
                _held_by(claim), {"$set": {**applied, "generation": generation}}
            )
        return bool(result.matched_count)


def _held_by(claim: Claim) -> Document:
    return {
        "_id": claim.partition,
        "host": claim.host,
        "incarnation": claim.incarnation,
        "epoch": claim.epoch,
    }


_KNOWN = frozenset(Claim.__struct_fields__)


def _claim(document: Document) -> Claim:
    """Without fields that a newer build may have added: it lives beside this one while it replaces it."""
    return Claim(partition=document["_id"], **{n: v for n, v in document.items() if n in _KNOWN})
