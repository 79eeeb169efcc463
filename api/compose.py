"""Builds what a Serve replica needs from settings: the API with its services, or the webhook application."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

from actors.compose import entities
from actors.runtime.envelope import Envelope
from actors.runtime.gateway import Gateway
from api.app import create_api
from api.live import live_router
from api.live_hub import LiveHub
from api.redirect import Redirects, redirect_router
from api.services import Services
from api.webhook_apps import AppDirectory
from api.webhooks import Metrics, Webhooks
from domain.clock import SystemClock
from platforms.http import PlatformHttp, make_client
from platforms.registry import PLATFORMS
from services.fetch import Fetcher
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.apps import Apps
from storage.mongo.claims import MongoClaims
from storage.mongo.dead_letters import MongoDeadLetters
from storage.mongo.directory import Directory
from storage.mongo.entities import MongoEntityStore
from storage.mongo.media import MongoMedia
from storage.mongo.parking import MongoParking
from storage.mongo.side import MongoSideStore
from storage.objects import MediaObjects
from storage.redis import client as redis
from storage.redis.live import RedisLiveFeed
from storage.redis.mailbox import RedisMailboxes
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    clock: SystemClock
    keys: Keys
    envelope: Envelope
    database: mongo.Database
    connection: Any
    mailboxes: RedisMailboxes


def connect(settings: Settings) -> Stores:
    if settings.mongodb_url is None or settings.redis_url is None:
        raise RuntimeError("a replica needs MONGODB_URL and REDIS_URL in its environment")
    clock = SystemClock()
    keys = Keys.load(settings.keys)
    connection = redis.connect(settings.redis_url)
    return Stores(
        clock=clock,
        keys=keys,
        envelope=Envelope(keys.seal, settings.partitions),
        database=mongo.connect(settings.mongodb_url),
        connection=connection,
        mailboxes=RedisMailboxes(connection, clock),
    )


async def verify_stores(settings: Settings, stores: Stores) -> None:
    """Refuse servers that cannot keep what is promised. StoreMisconfigured with one sentence."""
    assert settings.mongodb_url and settings.redis_url  # noqa: S101  # `connect` refused otherwise
    await mongo.verify(stores.database, settings.mongodb_url)
    await redis.verify(stores.connection, settings.redis_url, allow_lossy=settings.allow_lossy_redis)


async def build_api(settings: Settings, metrics: Metrics) -> FastAPI:
    stores = connect(settings)
    database, clock, envelope = stores.database, stores.clock, stores.envelope
    await verify_stores(settings, stores)
    await schema.prepare(database, settings.partitions)
    store = MongoEntityStore(database)

    async def mongo_answers() -> None:
        with mongo.guard():
            await database.command("ping")

    async def redis_answers() -> None:
        async with redis.guard():
            await stores.connection.ping()

    async def own_accounts(org: str, user: str) -> frozenset[str]:
        with mongo.guard():
            rows = database["social_accounts"].find({"org": org, "userId": user}, {"_id": 1})
            return frozenset([row["_id"] async for row in rows])

    services = Services(
        settings=settings,
        clock=clock,
        keys=stores.keys,
        envelope=envelope,
        owners=Gateway(MongoClaims(database), stores.mailboxes, envelope, clock, settings.hosts),
        entities=entities(stores.keys),
        entity_store=store,
        side_store=MongoSideStore(database),
        mailboxes=stores.mailboxes,
        dead_letters=MongoDeadLetters(database),
        parking=MongoParking(database),
        directory=Directory.open(database, stores.keys),
        media=MongoMedia(database),
        objects=MediaObjects(settings.objects_url or settings.data_dir / "media"),
        fetcher=Fetcher(
            trusted=frozenset({urlsplit(settings.sandbox_url).netloc} if settings.sandbox_url else ())
        ),
        platforms=PLATFORMS,
        http=PlatformHttp(make_client(settings.sandbox_url), clock),
        probes={"mongodb": mongo_answers, "redis": redis_answers},
        return_origins=frozenset(settings.return_origins),
        trust_forwarded_for=settings.trust_forwarded_for,
    )
    redirects = Redirects(store, envelope, stores.mailboxes, clock, metrics)
    hub = LiveHub(RedisLiveFeed(stores.connection, clock), envelope, metrics)
    live = live_router(hub, services.auth, own_accounts)
    return create_api(services, [redirect_router(redirects), live])


async def build_webhooks(settings: Settings, metrics: Metrics) -> Webhooks:
    stores = connect(settings)
    apps = AppDirectory(Apps(stores.database, stores.keys.seal), stores.clock)
    return Webhooks(PLATFORMS, apps, stores.envelope, stores.mailboxes, metrics)
