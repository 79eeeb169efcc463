"""Protections switched off on purpose, one at a time: what the demo's comparison must catch.

    dedupe   every redelivery looks new
    ack      mail leaves its stream before its effect is saved
    fence    a write replaces whatever is there, whoever wrote it last

Reached only through the hidden `ROOKERY_SABOTAGE`, which nothing but the demo and its test sets.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from domain.ids import EntityKey
from storage.mongo.entities import MongoEntityStore
from storage.records import Entry, Save, SaveOutcome, StreamId
from storage.redis.mailbox import RedisMailboxes


class ForgetfulMailboxes(RedisMailboxes):
    """`dedupe`: no event id is ever met twice."""

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        found = await super().read(positions, count, block_ms)
        return {
            stream: [replace(e, mail=replace(e.mail, event_id=f"{e.mail.event_id}#{e.id}")) for e in entries]
            for stream, entries in found.items()
        }


class HastyMailboxes(RedisMailboxes):
    """`ack`: what was read is gone, saved or not."""

    async def read(
        self, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        found = await super().read(positions, count, block_ms)
        for stream, entries in found.items():
            await self._redis.xdel(stream, *(str(entry.id) for entry in entries))
        return found


class UnfencedStore(MongoEntityStore):
    """`fence`: the version that is there now is taken for the version expected."""

    async def save_many(self, saves: Mapping[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
        there = await self.load_many(list(saves))
        forced = {}
        for key, save in saves.items():
            version = there[key]["version"] if key in there else 0
            forced[key] = Save(save.document | {"version": version + 1}, version)
        return await super().save_many(forced)
