"""The whole API in memory: two orgs with a user per role, real entities, a scripted platform."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from actors.account.entity import AccountEntity
from actors.campaign.entity import CampaignEntity
from actors.link import LinkEntity
from actors.runtime.entity import Entity
from actors.runtime.envelope import Envelope
from actors.transaction import TransactionEntity
from api.app import create_api
from api.bootstrap import add_platform_app, create_org
from api.services import Services
from domain.clock import ManualClock
from domain.content import Profile
from domain.ids import Kind, new_id
from domain.secrets import Secret
from platforms.base import Platform
from platforms.instagram.spec import SPEC as INSTAGRAM
from platforms.outcome import Ok
from platforms.twitter.spec import SPEC as TWITTER
from services.fetch import Fetcher
from storage.keys import Keys
from storage.mongo.directory import Directory
from storage.mongo.identity import ApiKey, Role, User
from storage.objects import MediaObjects
from storage.settings import Settings
from tests.fakes.documents import FakeDeadLetters, FakeEntityStore, FakeParking, FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.api.doubles import PARTITIONS, PICTURE, FakeMedia, InProcessOwners, ScriptedPlatform
from tests.unit.api.fake_mongo import FakeDatabase

PUBLIC = "https://rookery.example"


@dataclass
class Person:
    id: str
    role: Role
    api_key: str
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Company:
    id: str
    people: dict[Role, Person] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Person:
        return self.people[Role(name)]


@dataclass
class World:
    services: Services
    app: FastAPI
    http: httpx.AsyncClient
    clock: ManualClock
    database: FakeDatabase
    owners: InProcessOwners
    entities: FakeEntityStore
    sides: FakeSideStore
    dead_letters: FakeDeadLetters
    mailboxes: FakeMailboxes
    parking: FakeParking
    twitter: ScriptedPlatform
    ours: Company
    theirs: Company
    operators: Company

    async def token(self, person: Person) -> str:
        answer = await self.http.post("/v1/auth/token", json={"api_key": person.api_key})
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    async def call(self, method: str, path: str, by: Person | None, **kwargs: Any) -> httpx.Response:
        headers = kwargs.pop("headers", {}) | (by.headers if by else {})
        return await self.http.request(method, path, headers=headers, **kwargs)

    async def begin(self, by: Person, platform: str = "twitter", **body: Any) -> str:
        """The state that a connect sends to the platform."""
        started = await self.call("POST", f"/v1/integrations/{platform}/connect", by, json=body)
        assert started.status_code == 200, started.text
        return httpx.URL(started.json()["authorize_url"]).params["state"]

    async def connect(
        self, by: Person, external_id: str = "4711", platform: str = "twitter"
    ) -> dict[str, Any]:
        """An account connected through the whole OAuth flow."""
        adapter = cast(ScriptedPlatform, self.services.platforms[platform])
        before, adapter.found = adapter.found, Ok(Profile(external_id, "anna", "Anna"))
        state = await self.begin(by, platform)
        done = await self.http.get(
            f"/v1/integrations/{platform}/callback", params={"state": state, "code": "code-1"}
        )
        adapter.found = before
        assert done.status_code == 200, done.text
        view: dict[str, Any] = done.json()
        return view


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.generate()


async def public_address(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


def make_services(keys: Keys, database: FakeDatabase, folder: Path) -> Services:
    clock = ManualClock()
    store, sides = FakeEntityStore(), FakeSideStore()
    platforms = {"twitter": ScriptedPlatform(TWITTER), "instagram": ScriptedPlatform(INSTAGRAM)}
    adapters = cast(dict[str, Platform], platforms)
    entities: dict[Kind, Entity[Any]] = {
        Kind.ACCOUNT: AccountEntity(adapters, keys.seal.seal),
        Kind.CAMPAIGN: CampaignEntity(),
        Kind.LINK: LinkEntity(),
        Kind.TRANSACTION: TransactionEntity(),
    }

    async def alive() -> None:
        await database["orgs"].find_one({"_id": "any"})

    return Services(
        settings=Settings(public_url=PUBLIC, build="test"),
        clock=clock,
        keys=keys,
        envelope=Envelope(keys.seal, PARTITIONS),
        owners=InProcessOwners(entities, store, sides, clock),
        entities=entities,
        entity_store=store,
        side_store=sides,
        mailboxes=FakeMailboxes(FakeRedis(clock)),
        dead_letters=FakeDeadLetters(),
        parking=FakeParking(),
        directory=Directory.open(cast(Any, database), keys),
        media=FakeMedia(),
        objects=MediaObjects(folder),
        fetcher=Fetcher(public_address, httpx.MockTransport(lambda _: httpx.Response(200, content=PICTURE))),
        platforms=adapters,
        http=cast(Any, None),
        probes={"mongo": alive},
        return_origins=frozenset({"https://shop.example"}),
    )


@pytest.fixture
async def world(keys: Keys, tmp_path: Path) -> AsyncIterator[World]:
    database = FakeDatabase()
    services = make_services(keys, database, tmp_path)
    app = create_api(services)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
        made = World(
            services=services,
            app=app,
            http=http,
            clock=cast(ManualClock, services.clock),
            database=database,
            owners=cast(InProcessOwners, services.owners),
            entities=cast(FakeEntityStore, services.entity_store),
            sides=cast(FakeSideStore, services.side_store),
            dead_letters=cast(FakeDeadLetters, services.dead_letters),
            mailboxes=cast(FakeMailboxes, services.mailboxes),
            parking=cast(FakeParking, services.parking),
            twitter=cast(ScriptedPlatform, services.platforms["twitter"]),
            ours=await company(services, "Ours"),
            theirs=await company(services, "Theirs"),
            operators=await company(services, "Operators", operator=True),
        )
        for platform in services.platforms:
            await add_platform_app(
                services.directory,
                services.clock,
                platform,
                "client-1",
                Secret("CLIENT-SECRET"),
                app_id=f"{platform}-default",
            )
        for org in (made.ours, made.theirs, made.operators):
            for person in org.people.values():
                person.token = await made.token(person)
        made.clock.advance(1)
        yield made


async def company(services: Services, name: str, *, operator: bool = False) -> Company:
    """An org with one user for each role."""
    directory, now = services.directory, services.clock.now()
    new = await create_org(
        directory, services.clock, name, f"admin@{name.lower()}.example", operator=operator
    )
    made = Company(new.org.id)
    made.people[Role.ADMIN] = Person(new.admin.id, Role.ADMIN, new.api_key.reveal())
    for role in Role:
        if role is Role.ADMIN:
            continue
        user = User(new_id("usr"), new.org.id, f"{role}@{name.lower()}.example", now)
        await directory.users.add(user)
        await directory.orgs.set_role(new.org.id, user.id, role)
        key, secret = ApiKey.generate(new_id("key"), new.org.id, user.id, "test", now)
        await directory.api_keys.put(key, secret)
        made.people[role] = Person(user.id, role, secret.reveal())
    return made
