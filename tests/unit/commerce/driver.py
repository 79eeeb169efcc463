"""A runtime of a few lines: entities over one set of side documents, saved through BSON after every turn."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson.codec_options import CodecOptions

from actors.campaign.entity import CampaignEntity
from actors.link import LinkEntity
from actors.runtime.entity import Entity, Message, SideRef, Turn
from actors.transaction import TransactionEntity
from domain.events import Event, cloud_events
from domain.ids import EntityKey, Kind

ORG = "org_a"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACCOUNT = f"twitter:100:{ORG}"
POST = f"{ACCOUNT}|9000.1"

BSON_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def through_bson(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document), BSON_OPTIONS)


class World:
    """Time and everything that is stored."""

    def __init__(self) -> None:
        self.now = START
        self.side: dict[SideRef, dict[str, Any]] = {}
        self.revs: dict[SideRef, str] = {}
        self.events: list[dict[str, Any]] = []

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def campaign(self, id: str = "cmp_a", **fields: Any) -> "Actor":
        actor = Actor(self, CampaignEntity(), EntityKey(Kind.CAMPAIGN, id))
        defaults = {"org": ORG, "name": "Summer", "budget": {"total_minor": 100_000, "currency": "EUR"}}
        actor.send("create", defaults | fields)
        return actor

    def link(self, code: str = "link0001", **fields: Any) -> "Actor":
        actor = Actor(self, LinkEntity(), EntityKey(Kind.LINK, code))
        actor.send("create", {"org": ORG, "url": "https://shop.example/", "created_by": "usr_1"} | fields)
        return actor

    def order(self, id: str = "txn_1") -> "Actor":
        return Actor(self, TransactionEntity(), EntityKey(Kind.TRANSACTION, id))

    def members(self, *refs: str) -> list[dict[str, Any]]:
        found = (d for ref, d in self.side.items() if ref.collection == "campaign_members")
        return [d for d in found if not refs or d["ref"] in refs]


class Actor:
    def __init__(self, world: World, entity: Entity[Any], key: EntityKey) -> None:
        self.world, self.entity, self.key = world, entity, key
        self.state: Any = None
        self.version = 0
        self.last: Turn[Any] | None = None

    def send(self, name: str, data: dict[str, Any] | None = None, id: str | None = None) -> dict[str, Any]:
        """Apply and save one message; answers the reply (empty for mail)."""
        message = Message(name, {**(data or {}), "_version": self.version}, id)
        refs = self.entity.reads(self.key, self.state, message)
        view = {ref: self.world.side[ref] for ref in refs if ref in self.world.side}
        turn = self.last = self.entity.apply(self.key, self.state, message, self.world.now, view)
        if turn.changed:
            self.version += 1
            self._save(turn)
        return turn.reply or {}

    def _save(self, turn: Turn[Any]) -> None:
        for write in turn.side:
            ref = SideRef(write.collection, write.document["_id"])
            # Side documents are ordered by their writer's version: two writers would hide each other.
            assert self.world.revs.setdefault(ref, str(self.key)) == str(self.key)
            self.world.side[ref] = through_bson(write.document)
        org = self.entity.org(turn.state)
        document = self.entity.dump(turn.state) | {"_id": self.key.id, "org": org}
        stored = through_bson(document)
        if self.key.kind is Kind.LINK:  # transactions read links where they are stored
            self.world.side[SideRef("social_links", self.key.id)] = stored
        self.state = self.entity.load(stored)
        assert self.state == turn.state
        for n, event in enumerate(turn.events):
            self.world.events.append(self._cloud(event, org, n))

    def _cloud(self, event: Event, org: str, n: int) -> dict[str, Any]:
        return cloud_events([event], self.key, org, self.version, self.world.now, n)[0]

    def tick(self) -> None:
        self.send("tick")

    @property
    def due(self) -> datetime | None:
        return self.entity.due(self.state)

    @property
    def view(self) -> dict[str, Any]:
        return self.entity.view(self.key, self.state)

    @property
    def performance(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.view["performance"]
        return shown

    def event_names(self) -> list[str]:
        assert self.last is not None
        return [event.type.value for event in self.last.events]
