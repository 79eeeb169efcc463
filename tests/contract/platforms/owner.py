"""The real owner of an account with its real handler and adapter; only the stores are in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from actors.account.documents import side_id
from actors.account.entity import AccountEntity
from actors.account.handler import AccountHandler
from actors.account.operations.performer import Performer
from actors.account.publishing.publication import PUBLICATIONS
from actors.account.publishing.publisher import Publisher
from actors.runtime.entity import Effect, SideRef
from actors.runtime.failpoints import Failpoints
from domain.publishing import Draft, draft_json
from domain.secrets import Secret
from platforms.base import Platform, PlatformApp
from storage.crypto import Keyring, field_aad
from storage.records import Document
from tests.contract.platforms.cases import FILES
from tests.contract.platforms.place import Place
from tests.fakes.budgets import Unmetered
from tests.fakes.documents import FakeParking, FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.account.driver import Account
from tests.unit.account.feed import StoredContent
from tests.unit.platforms.publish_support import Files
from tests.unit.platforms.support import app_of

AWAKENINGS = 400


class Owner(Account):
    """`run` is a call's way through the handler, counted; a crash loses one effect, before or after it was
    carried out, and whatever else was under way."""

    def __init__(self, place: Place, platform: Platform | None = None) -> None:
        self.place = place
        self.platform = platform or place.case.platform
        super().__init__(self.platform.spec, place.told["external_id"])
        numbers, self.keyring = count(1), Keyring.generate()
        self.subscribes, self.replays = None, False
        platforms: Mapping[str, Platform] = {self.spec.name: self.platform}
        self.entity = AccountEntity(platforms, self.keyring.seal, lambda prefix: f"{prefix}_{next(numbers)}")
        self.app = app_of(place.told)
        self.tally: list[dict[str, Any]] = []
        self.ran = 0
        media = Files(dict(FILES))
        self.handler = AccountHandler(
            platforms,
            place.http,
            self._find_app,
            self.keyring,
            Publisher(place.http, self.keyring, _Sides(self), media),
            Performer(place.http, self.keyring, FakeSideStore(), place.clock),
            StoredContent(self),
            FakeParking(),
            FakeMailboxes(FakeRedis(place.clock)),
            partitions=64,
            public_url="https://shop.example",
            clock=place.clock,
            failpoints=Failpoints(),
            count=lambda name, n=1, **labels: self.tally.append(labels),
            quotas=Unmetered(),
        )

    async def _find_app(self, app_id: str) -> PlatformApp | None:
        return self.app

    @property
    def now(self) -> datetime:
        return self.place.clock.now()

    @now.setter
    def now(self, moment: datetime) -> None:
        self.place.clock.advance(max(0.0, (moment - self.place.clock.now()).total_seconds()))

    # -- a life -------------------------------------------------------------------------------------
    def consented(self, *, refresh: bool = True) -> None:
        """Connected with the tokens that the sandbox gave out; nothing is done by a schedule."""
        told = self.place.told
        lasting = None if self.spec.token.model.value == "lasting" else told["expires_in"]
        self.connect(
            app_id=self.app.id,
            access_token=self.seal("accessToken", told["access_token"]),
            refresh_token=self.seal("refreshToken", told["refresh_token"])
            if refresh and told["refresh_token"]
            else None,
            expires_in_s=lasting,
            scopes=list(told["scopes"]),
        )
        self.send("configure", {"auto_sync": False})

    def seal(self, field: str, value: str) -> bytes:
        return self.keyring.seal(value.encode(), field_aad("social_accounts", self.id, field))

    @property
    def bearer(self) -> Secret:
        opened = self.keyring.open(
            self.known.token.access, field_aad("social_accounts", self.id, "accessToken")
        )
        return Secret(opened.decode())

    async def run(self, effect: Effect, *, heard: bool = True) -> None:
        self.ran += 1
        messages = await self.handler.run(self.key, effect)
        for message in messages if heard else ():
            self.send(message.name, dict(message.data))

    async def rest(self, crash_at: int | None = None, *, carried_out: bool = True) -> None:
        """Until nothing is left to do. `crash_at`: the process ends at the effect of that number."""
        for _ in range(AWAKENINGS):
            while self.calls:
                effect = self.calls.pop(0)
                if self.ran + 1 == crash_at:
                    if carried_out:
                        await self.run(effect, heard=False)
                    self.ran = crash_at
                    self.crash()
                else:
                    await self.run(effect)
            if not self.busy:
                return
            await self.place.passes(0)
            self.wake()
        raise AssertionError(f"the account never came to rest: {self.known}")

    @property
    def busy(self) -> bool:
        s = self.known
        return bool(s.job or s.wishes or s.shelved or s.errands or s.intent or s.reread or s.publications)

    def publish(self, draft: Draft, id_: str = "pub_1") -> None:
        base = {"publication_id": id_, "group": "grp_1", "user_id": "usr_1", "draft": draft_json(draft)}
        self.send("publish", base)

    # -- seeing -------------------------------------------------------------------------------------
    def alive(self) -> dict[str, Document]:
        """Content that is there, by the platform's id."""
        return {d["externalContentId"]: d for d in self.contents() if d["status"] == "active"}

    def publication(self, id_: str = "pub_1") -> dict[str, Any]:
        return self.side[SideRef(PUBLICATIONS, side_id(self.id, id_))]

    def platform_calls(self) -> int:
        return len(self.tally)


class _Sides:
    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        found = {id_: self._owner.side.get(SideRef(collection, id_)) for id_ in ids}
        return {id_: document for id_, document in found.items() if document is not None}
