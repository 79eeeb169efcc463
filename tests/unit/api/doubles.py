"""Doubles of what the API talks to: owners that run the real entities in process, and a platform."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from msgspec.structs import replace
from PIL import Image

from actors.runtime.activation import Activation, Runtime, to_document
from actors.runtime.entity import Entity, Message
from domain.clock import Clock
from domain.content import Profile
from domain.errors import Busy, Invalid, NotFound
from domain.ids import EntityKey, Kind
from domain.publishing import Draft, Refusal
from domain.secrets import Secret
from platforms.base import (
    AuthorizeRequest,
    Connectable,
    Farewell,
    Grant,
    Platform,
    PlatformApp,
    RawEntry,
    only_account,
)
from platforms.outcome import Ok, Outcome
from platforms.spec import PlatformSpec, TokenModel, TokenRules
from storage.records import Document, Save, SaveOutcome
from tests.fakes.capabilities import Advertising, Numbers, Shop, Studio
from tests.fakes.documents import FakeEntityStore, FakeSideStore

PARTITIONS = 64


class InProcessOwners:
    """`Owners`: applies turns of the real entities and saves them, without hosts. `asked` keeps what came."""

    def __init__(
        self,
        entities: Mapping[Kind, Entity[Any]],
        store: FakeEntityStore,
        sides: FakeSideStore,
        clock: Clock,
    ) -> None:
        self._entities = entities
        self._store = store
        self._sides = sides
        self._clock = clock
        self.asked: list[tuple[EntityKey, Message]] = []
        self.is_ready = True
        self.wish = 1
        self.away = False
        self.placed: dict[EntityKey, str] = {}

    async def ask(self, key: EntityKey, message: Message, *, timeout_s: float = 10.0) -> dict[str, Any]:
        if self.away:
            raise Busy("owner_away", "The owner is moving: try again.", retry_after_s=3.0)
        self.asked.append((key, message))
        entity, found = self._entities[key.kind], await self._activation(key)
        if message.id and (known := found.runtime.answer_to(message.id)) is not None:
            return known
        message = Message(message.name, {**message.data, "_version": found.version}, message.id)
        side = {}
        for ref in entity.reads(key, found.state, message):
            for document in (await self._sides.load_many(ref.collection, [ref.id])).values():
                side[ref] = document
        turn = entity.apply(key, found.state, message, self._clock.now(), side)
        reply = (turn.reply or {}) | {"version": found.version + turn.changed}
        if turn.changed:
            runtime = replace(found.runtime, answers=()) if turn.forgets else found.runtime
            runtime = runtime.with_answer(message.id, reply) if message.id else runtime
            document = to_document(key, entity, turn.state, runtime, found.version + 1, None)
            document["partition"] = 0
            outcome = await self._store.save_many({key: Save(document, found.version)})
            assert outcome[key] is SaveOutcome.SAVED
            for write in turn.side:
                await self._sides.upsert_many(write.collection, [write.document | {"rev": found.version}])
        return reply

    async def view(self, key: EntityKey) -> dict[str, Any]:
        found = await self._activation(key)
        if not found.version:
            raise NotFound("not_found", f"There is no {key.kind} with this id.")
        return self._entities[key.kind].view(key, found.state) | {"version": found.version}

    async def inspect(self, key: EntityKey) -> dict[str, Any]:
        placement = self.placed.get(key, "shared")
        return {"key": str(key), "placement": placement, "host": "host-0", "state": await self.view(key)}

    async def place(self, key: EntityKey, placement: str) -> dict[str, Any]:
        self.placed[key] = placement
        return await self.inspect(key)

    async def hosts(self) -> list[dict[str, Any]]:
        return [{"name": "host-0"}]

    async def partitions(self) -> list[dict[str, Any]]:
        return [{"partition": 0, "host": "host-0"}]

    async def scale(self, hosts: int) -> dict[str, Any]:
        if hosts > PARTITIONS:
            raise Invalid("too_many_hosts", "A host needs a partition.", field="hosts")
        self.wish = hosts
        return await self.scaling()

    async def scaling(self) -> dict[str, Any]:
        return {"hosts": self.wish, "owning": 1, "partitions_to_move": 0 if self.wish == 1 else 32}

    async def ready(self) -> bool:
        return self.is_ready

    async def _activation(self, key: EntityKey) -> Activation[Any]:
        document = (await self._store.load_many([key])).get(key)
        if document is None:
            return Activation(key, None, runtime=Runtime())
        return Activation.load(key, self._entities[key.kind], document)


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(file, "PNG")
    return file.getvalue()


PICTURE = _picture()


class Rules:
    """The pure half of `Publishing`, which owners ask."""

    def adapt(self, draft: Draft) -> Draft:
        return draft

    def refusals(self, draft: Draft) -> list[Refusal]:
        return [Refusal("text", "Not this.", "text")] if draft.text == "refuse me" else []


class FakeMedia:
    """`storage.ports.MediaRecords` in memory."""

    def __init__(self) -> None:
        self._known: dict[str, Document] = {}

    async def add(self, document: Document) -> None:
        self._known.setdefault(document["_id"], document)

    async def get(self, media_id: str) -> Document:
        return self._known[media_id]

    async def find(self, org: str, ids: Sequence[str]) -> dict[str, Document]:
        return {i: d for i in ids if (d := self._known.get(i)) is not None and d["org"] == org}


class ScriptedConsent:
    """`Consent`, which nothing needs."""

    token = TokenRules(TokenModel.ROTATING, lifetime_s=86_400, refresh_margin=0.2)
    code_parameter = "auth_code"
    required = False
    surface: str | None = None

    def __init__(self) -> None:
        self.grant: Outcome[Grant] = Ok(
            Grant(
                Secret("ADS-TOKEN"),
                Secret("ADS-REFRESH"),
                3600,
                ("ads.read",),
                external_id="70001",
                token_secret=Secret("ADS-SECRET"),
            )
        )

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return f"https://ads.example/consent?state={request.state}"

    async def exchange(self, http: object, app: PlatformApp, code: str, redirect_uri: str) -> Outcome[Grant]:
        return self.grant

    async def refresh(self, http: object, app: PlatformApp, grant: Grant, timeout_s: float) -> Outcome[Grant]:
        return self.grant


class ScriptedPlatform:
    """The part of `Platform` that a connect uses. What it answers is set by the test."""

    def __init__(self, spec: PlatformSpec) -> None:
        self.spec = spec
        self.publishing = Rules()
        self.insights, self.ads, self.commerce, self.live = Numbers(), Advertising("77"), Shop(), Studio()
        self.consents = {"ads": ScriptedConsent()}
        self.grant: Outcome[Grant] = Ok(
            Grant(Secret("ACCESS-TOKEN-1"), Secret("REFRESH-TOKEN-1"), 7200, spec.default_scopes)
        )
        self.found: Outcome[Profile] = Ok(Profile("4711", "anna", "Anna"))
        self.opened: Outcome[tuple[Connectable, ...]] | None = None  # None: the one account in `found`
        self.exchanged: list[tuple[str, str, str, str | None]] = []  # app, code, redirect uri, verifier

    def authorize_url(self, request: AuthorizeRequest) -> str:
        return f"{self.spec.authorize_url}?client_id={request.app.client_id}&state={request.state}"

    async def exchange(
        self, http: object, app: PlatformApp, code: str, redirect_uri: str, verifier: str | None
    ) -> Outcome[Grant]:
        self.exchanged.append((app.id, code, redirect_uri, verifier))
        return self.grant

    async def profile(self, http: object, token: Secret) -> Outcome[Profile]:
        return self.found

    async def connectables(
        self, http: Any, app: PlatformApp, grant: Grant
    ) -> Outcome[tuple[Connectable, ...]]:
        if self.opened is not None:
            return self.opened
        return await only_account(cast(Platform, self), http, grant)

    def farewell(self, app: PlatformApp, request: str) -> Farewell | None:
        """`person@seconds`, signed by nobody."""
        person, _, at = request.partition("@")
        return Farewell(person, datetime.fromtimestamp(int(at), UTC)) if at.isdigit() else None

    def farewell_entry(self, external_id: str, farewell: Farewell) -> RawEntry:
        return RawEntry(external_id, f"farewell:{external_id}", b"{}")
