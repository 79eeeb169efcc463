"""Rookery pulling: a real host with the real account entity, handler and adapter, in one process.

With a server the stores are the real ones, exactly as a host composes them. Into nothing, entities, claims
and mailboxes are the unit tests' stores in memory, and content and events are dropped when they are handed
over.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import bson

from actors.account.handler import AccountHandler
from actors.account.operations.performer import Performer
from actors.account.publishing.publisher import Publisher
from actors.budget.leases import Leases
from actors.compose import Handlers, build, entities, platform_app
from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.forwarder import ActorGone
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from actors.runtime.plan import share
from bench.sync.job import PARTITIONS, Account, Job, Stopwatch, Written
from domain.clock import SystemClock
from domain.errors import Busy, NotFound
from domain.ids import AccountId, EntityKey, Kind
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.http import PlatformHttp, make_client
from platforms.registry import PLATFORMS
from storage.crypto import field_aad
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.apps import AppRecord, Apps
from storage.objects import MediaObjects
from storage.ports import SideStore
from storage.records import ZERO, BusEntry, Cursor, Document, Page, Rev, StreamId, Unlisted
from storage.settings import Settings
from tests.fakes.budgets import Unmetered
from tests.fakes.documents import FakeClaims, FakeDeadLetters, FakeEntityStore, FakeParking
from tests.fakes.streams import FakeMailboxes, FakeRedis

APP, ORG, HOST = "app_bench", "org_bench", "host-0"
LOOK_EVERY_S = 0.1


class Nothing:
    """Content and events, accepted and forgotten: a side store and a bus."""

    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        return {}

    async def upsert_many(
        self,
        collection: str,
        documents: Sequence[Document],
        rev: Rev | None = None,
        new: Collection[str] = (),
    ) -> None:
        pass

    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page:
        return Page([], None)

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        return []

    async def held(self, collection: str, org: str, account_id: str, limit: int) -> list[str]:
        return []

    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> None:
        pass

    async def read(
        self, topic: str, consumer: str, after: StreamId, count: int, block_ms: int
    ) -> list[BusEntry]:
        return []

    async def position(self, topic: str, consumer: str) -> StreamId:
        return ZERO

    async def commit(self, topic: str, consumer: str, position: StreamId) -> None:
        pass


class Noted:
    """A side store that notes how many documents it handed to the server."""

    def __init__(self, inner: SideStore, written: Written) -> None:
        self._inner, self._written = inner, written
        self.load_many, self.page, self.held = inner.load_many, inner.page, inner.held
        self.unlisted = inner.unlisted

    async def upsert_many(
        self,
        collection: str,
        documents: Sequence[Document],
        rev: Rev | None = None,
        new: Collection[str] = (),
    ) -> None:
        await self._inner.upsert_many(collection, documents, rev, new)
        self._written.note(len(documents))


class NoActors:
    """Every entity stays with its host."""

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        raise ActorGone(str(key))

    async def stop(self, key: EntityKey) -> None:
        pass


def count(name: str, value: float = 1, **labels: str) -> None:
    pass


async def into_nothing(job: Job, keys: Keys) -> tuple[Parts, Leases | None]:
    clock, failpoints, envelope = SystemClock(), Failpoints(), Envelope(keys.seal, PARTITIONS)
    nothing, mailboxes, parking = Nothing(), FakeMailboxes(FakeRedis(clock)), FakeParking()
    app = platform_app(_app(job))

    async def find_app(app_id: str) -> PlatformApp | None:
        return app

    async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
        pass

    http = PlatformHttp(make_client(job.sandbox), clock)
    publisher = Publisher(http, keys.seal, nothing, MediaObjects(job.folder / "media"))
    performer = Performer(http, keys.seal, nothing, clock)
    handler = AccountHandler(
        PLATFORMS, http, find_app, keys.seal, publisher, performer, nothing, parking, mailboxes, PARTITIONS,
        "", clock, failpoints, count, Unmetered(),
    )  # fmt: skip
    parts = Parts(
        entities=entities(keys),
        handler=Handlers({Kind.ACCOUNT: handler}),
        envelope=envelope,
        clock=clock,
        count=count,
        show=show,
        failpoints=failpoints,
        store=FakeEntityStore(),
        sides=nothing,
        bus=nothing,
        mailboxes=mailboxes,
        claims=FakeClaims(),
        dead_letters=FakeDeadLetters(),
        parking=parking,
    )
    return parts, None


async def into_server(job: Job, keys: Keys) -> tuple[Parts, Leases | None]:
    settings = Settings.load(
        mongodb_url=job.mongodb,
        redis_url=job.redis,
        sandbox_url=job.sandbox,
        keys=str(job.folder / "keys.json"),
        partitions=PARTITIONS,
    )
    assert job.mongodb is not None
    await Apps(mongo.connect(job.mongodb), keys.seal).put(_app(job))
    built = await build(settings, count)
    return replace(built.parts, sides=Noted(built.parts.sides, job.written)), built.leases


def _app(job: Job) -> AppRecord:
    # Without a bearer token: nobody here listens to webhooks, so none are asked for.
    secret = Secret(job.client_secret)
    return AppRecord(APP, None, "twitter", job.client_id, secret, (secret,), datetime.now(UTC))


async def connect(host: Host, keys: Keys, account: Account, expires_in_s: int = 7200) -> EntityKey:
    """As after the redirect flow; an account that is connected already goes on where it was."""
    id_ = AccountId("twitter", account.external_id, ORG)
    try:
        await host.view(id_.key)
        return id_.key
    except NotFound:
        pass

    def seal(field: str, value: str) -> bytes:
        return keys.seal.seal(value.encode(), field_aad("social_accounts", str(id_), field))

    data = {
        "app_id": APP,
        "user_id": "usr_bench",
        "access_token": seal("accessToken", account.access_token),
        "refresh_token": seal("refreshToken", account.refresh_token),
        "expires_in_s": expires_in_s,
        "scopes": list(PLATFORMS["twitter"].spec.default_scopes),
        "profile": {"username": account.username},
    }
    await host.ask(id_.key, Message("connect", data, f"connect-{account.external_id}"))
    return id_.key


async def listed(host: Host, key: EntityKey) -> int | None:
    """Rows read, once both lists are read to their end and saved."""
    try:
        sync = (await host.view(key))["sync"]
    except Busy:  # it says: come again
        return None
    if len(sync) < 2 or not all(s["backfilled"] for s in sync.values()):
        return None
    return int(sum(s["items"] for s in sync.values()))


async def pull(job: Job) -> None:
    keys = Keys.load(str(job.folder / "keys.json"))  # made when a deployment is set up
    watch = Stopwatch()
    parts, leases = await (into_nothing if job.mongodb is None else into_server)(job, keys)
    await parts.claims.assign(share({}, [HOST], PARTITIONS), "bench")
    addressing = Addressing(parts.store, parts.envelope, PLATFORMS)
    host = Host(HOST, "bench", parts, addressing, NoActors(), leases=leases)
    host.start()
    while len(host.ownership.held) < PARTITIONS:  # noqa: ASYNC110  # claims come from the store
        await asyncio.sleep(LOOK_EVERY_S)
    waiting = {await connect(host, keys, account) for account in job.accounts}
    all_keys, items = list(waiting), 0
    while waiting:
        for key in list(waiting):
            if (read := await listed(host, key)) is not None:
                items += read
                waiting.discard(key)
        await asyncio.sleep(LOOK_EVERY_S)
    await host.stop()
    documents = (await parts.store.load_many(all_keys)).values()
    whole = sum(len(bson.encode(d)) for d in documents)
    for document in documents:  # events and rows of the last page, until a later save leaves them out
        document["rt"] |= {"outbox": [], "sides": []}
    state = sum(len(bson.encode(d)) for d in documents)
    watch.tell(items, state, whole - state)


if __name__ == "__main__":
    asyncio.run(pull(Job.read()))
