"""What surrounds an account's handler, in memory, with real sealing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from actors.account.content.work import CALL_TIMEOUT
from actors.account.effects import FetchPage, Refresh
from actors.account.handler import AccountHandler, Quotas
from actors.account.operations.performer import Performer
from actors.account.publishing.publisher import Publisher
from actors.account.remains import Remains
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoints
from domain.budget import Priority
from domain.clock import ManualClock
from domain.content import Profile
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Grant, ItemReads, Page, PageQuery, PlatformApp
from platforms.outcome import Ok, Outcome
from storage.crypto import Keyring, field_aad
from storage.ports import Mailboxes, Parking
from storage.records import Document, StoreUnavailable, Unlisted
from tests.fakes.budgets import Unmetered
from tests.fakes.documents import FakeParking, FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.account.driver import TWITTER

ACCOUNT = AccountId("twitter", "100", "org_a")
APP = PlatformApp("app_x", "twitter", "client", Secret("app-secret"), (Secret("app-secret"),))
GRANT = Grant(Secret("access-new"), Secret("refresh-new"), 7200, ("tweet.read",))

PAID: Any = {"app_id": "app_x", "priority": Priority.SCHEDULED}
"""Of an effect: from whose shared quotas its call is paid, and how urgent it is."""


class FakePlatform:
    """Answers what the test put there and keeps what it was asked; the fields are named as the calls."""

    spec = TWITTER

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.refreshes: Outcome[Grant] = Ok(GRANT)
        self.reads: Outcome[Any] = Ok(None)
        self.takes = 0.0

    async def refresh(self, http: Any, app: PlatformApp, grant: Grant, timeout_s: float) -> Outcome[Grant]:
        self.asked.append(("refresh", (grant, timeout_s)))
        await asyncio.sleep(self.takes)
        return self.refreshes

    async def revoke(self, http: Any, app: PlatformApp, grant: Grant) -> Outcome[None]:
        self.asked.append(("revoke", grant))
        return Ok(None)

    async def list_page(self, http: Any, token: Secret, external_id: str, query: PageQuery) -> Outcome[Page]:
        self.asked.append(("list_page", (token.reveal(), external_id, query)))
        return self.reads

    async def read_items(
        self, http: Any, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        self.asked.append(("read_items", (token.reveal(), external_id, ids)))
        return self.reads

    async def profile(self, http: Any, token: Secret) -> Outcome[Profile]:
        self.asked.append(("profile", token.reveal()))
        return self.reads

    async def subscribe(
        self, http: Any, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        self.asked.append(("subscribe", (token.reveal(), external_id, callback_url)))
        await asyncio.sleep(self.takes)
        return self.reads


class Contents(FakeSideStore):
    """Stored content, and how often it was asked for."""

    def __init__(self, documents: Sequence[Document] = ()) -> None:
        super().__init__()
        self._documents = documents
        self.asked = 0

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        self.asked += 1
        await self.upsert_many("social_content", self._documents)
        return await super().unlisted(wanted)


class Media:
    """Files whose bytes nobody looks at."""

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        yield b"x" * (end - start)


class Surroundings:
    def __init__(self) -> None:
        self.platform = FakePlatform()
        self.clock = ManualClock()
        self.keyring = Keyring.generate()
        self.contents = Contents()
        self.sides = FakeSideStore()
        self.media = Media()
        self.publisher = Publisher(None, self.keyring, self.sides, self.media)  # type: ignore[arg-type]
        self.parking: Parking = FakeParking()
        self.redis = FakeRedis(self.clock)
        self.mailboxes: Mailboxes = FakeMailboxes(self.redis)
        self.app: PlatformApp | None = APP
        self.apps_away = False
        self.failpoints = Failpoints()
        self.quotas: Quotas = Unmetered()
        self.remains: Remains | None = None
        self.counted: list[dict[str, Any]] = []

    async def run(self, effect: Effect) -> list[Message]:
        async def find_app(app_id: str) -> PlatformApp | None:
            if self.apps_away:
                raise StoreUnavailable("away")
            return self.app

        platforms: Any = {"twitter": self.platform}
        http: Any = None
        handler = AccountHandler(
            platforms,
            http,
            find_app,
            self.keyring,
            self.publisher,
            Performer(http, self.keyring, self.sides, self.clock),
            self.contents,
            self.parking,
            self.mailboxes,
            partitions=64,
            public_url="https://rookery.example",
            clock=self.clock,
            failpoints=self.failpoints,
            count=lambda name, n=1, **labels: self.counted.append(labels),
            quotas=self.quotas,
            remains=self.remains,
        )
        return await handler.run(ACCOUNT.key, effect)

    def seal(self, field: str, value: str) -> bytes:
        return self.keyring.seal(value.encode(), field_aad("social_accounts", str(ACCOUNT), field))

    def open(self, field: str, sealed: bytes) -> str:
        return self.keyring.open(sealed, field_aad("social_accounts", str(ACCOUNT), field)).decode()

    def refresh(self, left_s: float = 20.0) -> Refresh:
        not_after = self.clock.now() + timedelta(seconds=left_s)
        access, refresh = self.seal("accessToken", "access-old"), self.seal("refreshToken", "refresh-old")
        return Refresh("int_1", "app_x", access, refresh, not_after)

    def fetch(
        self,
        source: str,
        cursor: str | None = None,
        since: datetime | None = None,
        newer_than_id: str | None = None,
    ) -> FetchPage:
        return FetchPage(self.call, source, self.access, cursor, since, newer_than_id, **PAID)

    @property
    def call(self) -> Call:
        return Call("call_1", self.clock.now() + CALL_TIMEOUT)

    @property
    def access(self) -> bytes:
        return self.seal("accessToken", "access-old")
