"""As much of a motor database as `storage.mongo.directory` uses, in memory.

Documents pass through BSON, so they come back as the server's would. `test_directory` runs the same tests
on this and on the embedded server.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import bson
from bson.codec_options import CodecOptions
from pymongo.errors import DuplicateKeyError

from storage.mongo.directory import INDEXES
from storage.records import StoreUnavailable

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_COMPARE = {
    "$lt": lambda a, b: a is not None and a < b,
    "$gt": lambda a, b: a is not None and a > b,
    "$gte": lambda a, b: a is not None and a >= b,
}


class FakeDatabase:
    def __init__(self) -> None:
        self.down = False
        self._collections: dict[str, FakeCollection] = {}

    def __getitem__(self, name: str) -> "FakeCollection":
        if name not in self._collections:
            self._collections[name] = FakeCollection(self, name)
        return self._collections[name]

    def dump(self) -> bytes:
        """Every byte that is stored, to search in."""
        return b"".join(d for c in self._collections.values() for d in c.documents.values())


class _Written:
    def __init__(self, matched: int) -> None:
        self.matched_count = matched


class _Found:
    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self._documents = documents

    def sort(self, by: str | list[tuple[str, int]], direction: int = 1) -> "_Found":
        for field, way in reversed(by if isinstance(by, list) else [(by, direction)]):
            self._documents.sort(key=itemgetter(field), reverse=way < 0)
        return self

    def limit(self, count: int) -> "_Found":
        self._documents = self._documents[:count]
        return self

    async def to_list(self, _: None) -> list[dict[str, Any]]:
        return self._documents


class FakeCollection:
    def __init__(self, database: FakeDatabase, name: str) -> None:
        self._database = database
        self._unique = [["_id"]] + [
            list(index.document["key"]) for index in INDEXES.get(name, ()) if index.document.get("unique")
        ]
        self.documents: dict[str, bytes] = {}

    def _all(self) -> list[dict[str, Any]]:
        if self._database.down:
            raise StoreUnavailable("document server: down for a test")
        return [bson.decode(d, _CODEC) for d in self.documents.values()]

    def _match(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [d for d in self._all() if all(_holds(d.get(f), wanted) for f, wanted in query.items())]

    def _store(self, document: dict[str, Any]) -> None:
        for other in self._all():
            if other["_id"] == document["_id"]:
                continue
            for fields in self._unique:
                if all(other.get(f) == document.get(f) for f in fields):
                    raise DuplicateKeyError("duplicate", 11000)
        self.documents[document["_id"]] = bson.encode(document)

    async def insert_one(self, document: dict[str, Any]) -> None:
        if any(d["_id"] == document["_id"] for d in self._all()):
            raise DuplicateKeyError("duplicate", 11000)
        self._store(document)

    async def find_one(self, query: Mapping[str, Any]) -> dict[str, Any] | None:
        return next(iter(self._match(query)), None)

    def find(self, query: Mapping[str, Any]) -> _Found:
        return _Found(self._match(query))

    async def update_one(
        self, query: Mapping[str, Any], update: Mapping[str, Any], upsert: bool = False
    ) -> _Written:
        found = self._match(query)
        if found or upsert:
            self._store((found[0] if found else {"_id": query["_id"]}) | update["$set"])
        return _Written(len(found[:1]))

    async def replace_one(
        self, query: Mapping[str, Any], document: dict[str, Any], upsert: bool = False
    ) -> None:
        if self._match(query) or upsert:
            self._store(document)

    async def delete_one(self, query: Mapping[str, Any]) -> None:
        await self.find_one_and_delete(query)

    async def find_one_and_delete(self, query: Mapping[str, Any]) -> dict[str, Any] | None:
        found = await self.find_one(query)
        if found is not None:
            del self.documents[found["_id"]]
        return found


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_COMPARE[op](value, operand) for op, operand in wanted.items())
    return bool(value == wanted)
