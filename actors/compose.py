"""Builds the real parts from settings: the only place in a host's process that chooses them."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from actors.account.content.parked import Parked
from actors.account.entity import AccountEntity
from actors.account.handler import AccountHandler
from actors.account.operations.performer import Performer
from actors.account.publishing.publisher import Publisher
from actors.account.remains import Remains
from actors.budget.entity import BudgetEntity
from actors.budget.leases import Leases
from actors.campaign.entity import CampaignEntity
from actors.campaign.history import CampaignHandler
from actors.consumers import Consumer, consumers
from actors.link import LinkEntity
from actors.runtime.addressing import Addressing
from actors.runtime.effects import EffectHandler
from actors.runtime.entity import Effect, Entity, Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.metrics import Counter
from actors.runtime.owner import Parts
from actors.sabotage import ForgetfulMailboxes, HastyMailboxes, UnfencedStore
from actors.transaction import TransactionEntity
from domain.clock import SystemClock
from domain.events import TYPE_PREFIX
from domain.ids import EntityKey, Kind
from platforms.base import PlatformApp
from platforms.http import PlatformHttp, make_client
from platforms.registry import PLATFORMS
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.apps import AppRecord, Apps
from storage.mongo.claims import MongoClaims
from storage.mongo.consents import Consents
from storage.mongo.dead_letters import MongoDeadLetters
from storage.mongo.entities import MongoEntityStore
from storage.mongo.members import MongoMembers
from storage.mongo.parking import MongoParking
from storage.mongo.side import MongoSideStore
from storage.objects import MediaObjects
from storage.redis import client as redis
from storage.redis.bus import RedisEventBus
from storage.redis.cache import Cached, RedisCache
from storage.redis.live import RedisLiveFeed
from storage.redis.mailbox import RedisMailboxes
from storage.settings import Settings


class Handlers:
    """Sends an entity's effect to the handler of its kind."""

    def __init__(self, by_kind: dict[Kind, EffectHandler]) -> None:
        self._by_kind = by_kind

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        return await self._by_kind[key.kind].run(key, effect)


@dataclass(frozen=True, slots=True)
class Built:
    parts: Parts
    addressing: Addressing
    consumers: list[Consumer]
    claims: MongoClaims
    leases: Leases


def platform_app(record: AppRecord) -> PlatformApp:
    """The stored application as the adapters take it."""
    return PlatformApp(
        id=record.id,
        platform=record.platform,
        client_id=record.client_id,
        client_secret=record.client_secret,
        webhook_secrets=record.webhook_secrets,
        verify_token=record.verify_token,
        bearer_token=record.bearer_token,
    )


def entities(keys: Keys) -> dict[Kind, Entity[Any]]:
    return {
        Kind.ACCOUNT: AccountEntity(PLATFORMS, keys.seal.seal),
        Kind.CAMPAIGN: CampaignEntity(),
        Kind.LINK: LinkEntity(),
        Kind.TRANSACTION: TransactionEntity(),
        Kind.BUDGET: BudgetEntity(PLATFORMS),
    }


async def build(settings: Settings, count: Counter) -> Built:
    """Connect and compose. Raises StoreMisconfigured or KeysUnusable with one clear sentence."""
    if settings.mongodb_url is None or settings.redis_url is None:
        raise RuntimeError("a host needs MONGODB_URL and REDIS_URL in its environment")
    clock, failpoints = SystemClock(), Failpoints()
    keys = Keys.load(settings.keys)
    database = mongo.connect(settings.mongodb_url)
    connection = redis.connect(settings.redis_url)
    await schema.prepare(database, settings.partitions)
    envelope = Envelope(keys.seal, settings.partitions)
    sabotage = os.environ.get("ROOKERY_SABOTAGE")
    store = UnfencedStore(database) if sabotage == "fence" else MongoEntityStore(database)
    sides = MongoSideStore(database)
    mailbox_type = {"dedupe": ForgetfulMailboxes, "ack": HastyMailboxes}.get(sabotage or "", RedisMailboxes)
    bus, mailboxes = RedisEventBus(connection, clock), mailbox_type(connection, clock)
    live, cache = RedisLiveFeed(connection, clock), RedisCache(connection)
    parking = MongoParking(database)
    apps = Apps(database, keys.seal)
    http = PlatformHttp(make_client(settings.sandbox_url), clock)

    async def find_app(app_id: str) -> PlatformApp | None:
        record = await apps.find(app_id)
        return platform_app(record) if record else None

    async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        event = {
            "specversion": "1.0",
            "id": f"{key}:snapshot:{at}",
            "source": f"/{key.kind}s/{key.id}",
            "type": f"{TYPE_PREFIX}CampaignMetrics",
            "subject": key.id,
            "time": at,
            "org": org,
            "data": snapshot,
        }
        sealed = envelope.seal_event(event)
        await cache.set(Cached.CAMPAIGN_METRICS, key.id, sealed)
        await live.publish_live([(org, sealed)])

    leases = Leases(PLATFORMS, clock, count)
    dead_letters = MongoDeadLetters(database)
    parked = Parked(parking, mailboxes, settings.partitions)
    account_handler = AccountHandler(
        PLATFORMS,
        http,
        find_app,
        keys.seal,
        Publisher(http, keys.seal, sides, MediaObjects(settings.objects_url or settings.data_dir / "media")),
        Performer(http, keys.seal, sides, clock),
        sides,
        parking,
        mailboxes,
        settings.partitions,
        settings.public_url,
        clock,
        failpoints,
        count,
        leases,
        Remains(sides, dead_letters, parked, Consents(database, keys)),
    )
    claims = MongoClaims(database)
    parts = Parts(
        entities=entities(keys),
        handler=Handlers(
            {Kind.ACCOUNT: account_handler, Kind.CAMPAIGN: CampaignHandler(sides, mailboxes, envelope)}
        ),
        envelope=envelope,
        clock=clock,
        count=count,
        show=show,
        failpoints=failpoints,
        store=store,
        sides=sides,
        bus=bus,
        mailboxes=mailboxes,
        claims=claims,
        dead_letters=dead_letters,
        parking=parking,
    )
    addressing = Addressing(store, envelope, PLATFORMS)
    readers = consumers(MongoMembers(database), mailboxes, sides, bus, envelope)
    return Built(parts, addressing, readers, claims, leases)
