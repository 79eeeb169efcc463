"""Which keys the stores of a deployment still need, and sealing anew what is under older ones."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from redis.asyncio import Redis

from api.auth import LIFETIME
from ops.commands import CommandFailed
from ops.embedded import DataPlane
from ops.remote import Remote
from storage.crypto import Keyring
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.schema import ENTITIES
from storage.mongo.sealed import SealedValues
from storage.redis import client as redis
from storage.redis.sealed import count as count_redis
from storage.sealed import FIELDS, resealed
from storage.settings import Settings

GRACE: Final = timedelta(hours=1)
"""How long a key must have been found unused before it may go. Longer than anything is held in memory: the
longest is an owner that was cut off and is yet to lose its next write."""

_IDS: Final = 50  # entities a request, and a query behind it
_PURPOSES: Final = ("stored values", "OAuth states", "tokens")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """`values`: sealed values by place (collection, or first part of the Redis key); None for tokens, which
    are in other people's hands for as long as they are good."""

    id: str
    purpose: str
    state: str
    """`active`, `staged` (held, not used yet) or `older`."""
    values: Mapping[str, int] | None
    unused_since: datetime | None
    """Of an older key: the first of the counts since which none found a value."""

    @property
    def free_at(self) -> datetime | None:
        """From when on the key may be retired."""
        if self.unused_since is None:
            return None
        return self.unused_since + GRACE + (LIFETIME if self.values is None else timedelta())


@dataclass(frozen=True, slots=True)
class Done:
    sealed: int
    unanswered: int
    """Entities whose owner did not answer."""


async def uses(settings: Settings, keys: Keys, now: datetime) -> list[KeyUse]:
    """Every key of the file, oldest first, after a look at everything that is stored. Takes as long as
    reading it all."""
    rings = dict(zip(_PURPOSES, (keys.seal, keys.state, keys.jwt), strict=True))
    known = {id_ for ring in rings.values() for id_ in ring.ids}
    async with _stores(settings) as (values, connection):
        found = await values.count(known)
        for id_, places in (await count_redis(connection, known)).items():
            found[id_] += places
        older = {id_ for ring in rings.values() for id_ in ring.ids[: ring.ids.index(ring.active)]}
        unused = {id_ for id_ in older if not found[id_]}
        since = await values.note_unused(known - unused, unused, now)
    return [
        KeyUse(
            id_,
            purpose,
            "active" if id_ == ring.active else "older" if id_ in older else "staged",
            None if ring is keys.jwt else found[id_],
            since.get(id_),
        )
        for purpose, ring in rings.items()
        for id_ in ring.ids
    ]


def check_retirable(found: list[KeyUse], id_: str, now: datetime) -> None:
    """CommandFailed with the reason why the key must stay."""
    use = next((use for use in found if use.id == id_), None)
    if use is None:
        raise CommandFailed(f"The key file holds no key {id_}: `rookery keys show` lists them.")
    if use.state != "older":
        raise CommandFailed(f"Key {id_} is {use.state}: only one that another has replaced can be retired.")
    if use.values:
        raise CommandFailed(
            f"Key {id_} still seals {places(use.values)}: `rookery keys reseal` seals anew what does not "
            "expire by itself."
        )
    assert use.free_at is not None  # noqa: S101  # an older key without values is unused since some time
    if use.free_at > now:
        raise CommandFailed(
            f"Key {id_} may still be held in memory or in somebody's token: retire it after "
            f"{use.free_at:%Y-%m-%d %H:%M} UTC."
        )


async def reseal(settings: Settings, keyring: Keyring, api: Remote, show: Callable[[str], None]) -> Done:
    """Everything under an older key, under the active one: entities by their owners, the rest by compare
    and set. Stopped anywhere and run again it goes on with what is left."""
    done: Counter[str] = Counter()
    async with _stores(settings) as (values, _):
        kinds = {collection: kind.value for kind, collection in ENTITIES.items()}
        # Entities first: an account may still hold documents for other collections, to be written there.
        for collection in sorted(FIELDS, key=lambda name: name not in kinds):
            async for batch in values.batches(collection):
                done["read"] += len(batch)
                if collection in kinds:
                    ids = [d["_id"] for d in batch if resealed(keyring, collection, d)]
                    for start in range(0, len(ids), _IDS):
                        some = {
                            "kind": kinds[collection],
                            "ids": ids[start : start + _IDS],
                            "key": keyring.active,
                        }
                        done.update(await asyncio.to_thread(api.post, "/v1/ops/keys/reseal", some))
                else:
                    done["sealed"] += await values.reseal(keyring, collection, batch)
                show(f"{collection}: {done['read']} documents read, {done['sealed']} values sealed anew")
    return Done(done["sealed"], done["unanswered"])


def places(values: Mapping[str, int]) -> str:
    """`3 values (users 1, parked 2)`"""
    total = sum(values.values())
    listed = ", ".join(f"{place} {n}" for place, n in sorted(values.items()))
    return f"{total} value{'s' if total != 1 else ''} ({listed})"


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple[SealedValues, Redis]]:
    """Both servers; an embedded one that does not run, runs for as long as this."""
    plane = DataPlane(settings.data_dir)
    urls = plane.start(settings.mongodb_url, settings.redis_url)
    database: Any = mongo.connect(urls.mongodb)
    connection = redis.connect(urls.redis)
    try:
        yield SealedValues(database), connection
    finally:
        await connection.aclose()
        database.client.close()
        plane.stop()
