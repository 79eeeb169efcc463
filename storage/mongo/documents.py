"""Documents to BSON and back, and lists of them: what every store on MongoDB shares."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.errors import BulkWriteError

from storage.mongo.client import guard
from storage.records import Cursor, Document, Page, Unencodable

Collection = AsyncIOMotorCollection[dict[str, Any]]

IDS_PER_QUERY = 50
"""`$in` is quadratic in the embedded server: 50 ids take 9 ms, 500 take 440 ms."""

WRITES_PER_BULK = 100
"""The embedded server takes 1 to 15 ms a document, by load: a bulk must end well within its timeout."""

MAX_BYTES = 16 * 1024 * 1024
"""Limit of a stored document. Source: MongoDB manual, "MongoDB Limits and Thresholds"."""

DUPLICATE_KEY = 11000

TICK = timedelta(milliseconds=1)
"""Of a BSON date."""


def encode(document: Document) -> RawBSONDocument:
    """The document as the driver will send it, encoded once. Unencodable when BSON refuses it."""
    try:
        data = bson.encode(document)
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError):
        # The reason quotes the value, which may be personal.
        raise Unencodable([str(document.get("_id"))]) from None
    if len(data) > MAX_BYTES:
        raise Unencodable([str(document.get("_id"))])
    return RawBSONDocument(data)


def replace(where: Mapping[str, Any], raw: RawBSONDocument) -> ReplaceOne[Any]:
    """Upsert of what matches, for a bulk. What exists and does not match becomes a duplicate key, with its
    place in the bulk: that is how a lost race is seen."""
    return ReplaceOne(where, raw, upsert=True)


def only_duplicates(error: BulkWriteError) -> bool:
    """Whether all that went wrong in a bulk is that some documents no longer matched."""
    details = error.details
    return not details.get("writeConcernErrors") and all(
        fault["code"] == DUPLICATE_KEY for fault in details["writeErrors"]
    )


async def find_by_id(collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
    """Those of the ids that exist, in queries of at most 50."""
    found: dict[str, Document] = {}
    for start in range(0, len(ids), IDS_PER_QUERY):
        chunk = list(ids[start : start + IDS_PER_QUERY])
        with guard():
            async for document in collection.find({"_id": {"$in": chunk}}):
                found[document["_id"]] = document
    return found


async def newest_first(
    collection: Collection, equal: Mapping[str, Any], by: str, limit: int, after: Cursor | None
) -> Page:
    """Documents by descending (`by`, `_id`). Wants an index of the equal fields, then `by`, then `_id`."""
    wanted = limit + 1  # one more tells whether there is a next page
    documents: list[Document] = []
    with guard():
        if after is not None:
            # Two queries, since an $or makes the embedded server scan the collection. This one reads the
            # rest of the documents with exactly the cursor's time.
            ties = collection.find({**equal, by: after.at, "_id": {"$lt": after.id}})
            documents += await ties.sort("_id", DESCENDING).limit(wanted).to_list(None)
        if len(documents) < wanted:
            older = {**equal, by: {"$lt": after.at}} if after is not None else dict(equal)
            rest = collection.find(older).sort([(by, DESCENDING), ("_id", DESCENDING)])
            documents += await rest.limit(wanted - len(documents)).to_list(None)
    if len(documents) < wanted:
        return Page(documents, None)
    last = documents[limit - 1]
    return Page(documents[:limit], Cursor(last[by], last["_id"]))


async def oldest_first(
    collection: Collection,
    where: Mapping[str, Any],
    by: Sequence[str],
    limit: int,
    fields: Sequence[str] | None = None,
) -> list[Document]:
    """The first documents by ascending `by`, whole or just some `fields`."""
    with guard():
        cursor = (
            collection.find(dict(where), fields and dict.fromkeys(fields, 1))
            .sort([(name, ASCENDING) for name in by])
            .limit(limit)
        )
        return await cursor.to_list(None)
