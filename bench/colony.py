"""One host in this process, with the real entities, handler, mail loop and sealing. Its stores are the tests'
fakes and forget what they are told to, so that the memory that remains is the host's own."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.account.entity import AccountEntity
from actors.account.handler import AccountHandler
from actors.compose import Handlers
from actors.runtime.activations import write_sides
from actors.runtime.addressing import Addressing
from actors.runtime.drafts import Draft
from actors.runtime.entity import TICK, Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.forwarder import ActorGone
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from actors.runtime.verdicts import FLUSH, Item
from bench.platform import APP, Answering, grant, profile, webhook
from domain.ids import AccountId, EntityKey, Kind
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.registry import PLATFORMS
from storage.crypto import Keyring, field_aad
from storage.records import ZERO, Entry, Save, SaveOutcome, StreamId
from tests.fakes.budgets import Unmetered
from tests.fakes.documents import FakeClaims, FakeDeadLetters, FakeEntityStore, FakeParking, FakeSideStore
from tests.fakes.streams import FakeMailboxes, FakeRedis

PARTITIONS = 64
WEBHOOKS = 20
FOREVER = 10**9
QUIET = timedelta(minutes=5)  # nothing due for so long: an account is at rest


class Ticking:
    """A clock that moves on with every look, so that no two accounts share a moment by accident."""

    def __init__(self) -> None:
        self._now = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def advance(self, by: timedelta) -> None:
        self._now += by


class Forgetful(FakeEntityStore):
    def forget(self) -> None:
        self._data.clear()

    async def connections(self, platform: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        ids = [AccountId.parse(key.id) for key in self._data]
        return {
            i.external_id: [str(i)] for i in ids if i.platform == platform and i.external_id in external_ids
        }


class ForgetfulSides(FakeSideStore):
    def forget(self) -> None:
        self._data.clear()


class NoBus:
    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> None: ...


class NoActors:
    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        raise ActorGone(str(key))

    async def stop(self, key: EntityKey) -> None: ...


class Colony:
    """`store`, `sides`, `clock`: instead of the forgetful stores and the clock that ticks."""

    def __init__(self, store: Any = None, sides: Any = None, clock: Any = None) -> None:
        self.clock: Any = clock or Ticking()
        self.keyring = Keyring.generate()
        self.envelope = Envelope(self.keyring, PARTITIONS)
        self.platforms: Any = {name: Answering(real, self.clock) for name, real in PLATFORMS.items()}
        self.entity = AccountEntity(self.platforms, self.keyring.seal)
        self._claims = FakeClaims()
        self._quotas = Unmetered()
        self.store: Any = store or Forgetful()
        self.sides: Any = sides or ForgetfulSides()
        self._redis = FakeRedis(self.clock)
        self._mailboxes = FakeMailboxes(self._redis)
        self.addressing = Addressing(self.store, self.envelope, self.platforms)
        self.host = Host("host-0", "bench", self._parts(), self.addressing, NoActors())
        self._position = ZERO

    def forget(self) -> None:
        """What has been saved and published is not looked at again here."""
        self.store.forget()
        self.sides.forget()
        for kept in (self._quotas.paid, self._quotas.settled, self._quotas.learned):
            kept.clear()

    async def assign(self) -> None:
        await self._claims.assign(dict.fromkeys(range(PARTITIONS), self.host.name), "bench")

    async def begin(self) -> None:
        """Own all partitions, without the loops that a running host has."""
        await self.assign()
        await self.host._partitions.check()

    def _parts(self) -> Parts:
        async def find_app(app_id: str) -> PlatformApp:
            return PlatformApp(app_id, "", "client", Secret("app-secret"), (Secret("app-secret"),))

        async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None: ...

        nothing: Any = None
        bus: Any = NoBus()
        handler = AccountHandler(
            self.platforms,
            nothing,
            find_app,
            self.keyring,
            nothing,  # nobody publishes here
            nothing,
            self.sides,
            FakeParking(),
            self._mailboxes,
            PARTITIONS,
            "https://rookery.example",
            self.clock,
            Failpoints(),
            _count,
            self._quotas,
        )
        return Parts(
            entities={Kind.ACCOUNT: self.entity},
            handler=Handlers({Kind.ACCOUNT: handler}),
            envelope=self.envelope,
            clock=self.clock,
            count=_count,
            show=show,
            failpoints=Failpoints(),
            store=self.store,
            sides=self.sides,
            bus=bus,
            mailboxes=self._mailboxes,
            claims=self._claims,
            dead_letters=FakeDeadLetters(),
            parking=FakeParking(),
        )

    # -- the life of accounts -----------------------------------------------------------------------
    async def live(self, accounts: Sequence[AccountId]) -> None:
        """Connected, their history read, 20 webhooks each, a token refreshed, synchronised again; at rest."""
        for account in accounts:
            await self.connect(account)
        await self.settle(accounts)
        for start in range(0, WEBHOOKS, 5):
            await self.tell(accounts, range(start, start + 5))
        await self.settle(accounts)
        longest = max(self.platforms[a.platform].spec.token.lifetime_s for a in accounts)
        self.clock.advance(timedelta(seconds=longest * 0.9))
        await self.settle(accounts)

    async def connect(self, account: AccountId) -> None:
        given = grant(account.platform)
        data = {
            "user_id": f"usr_{account.external_id[-4:]}",
            "app_id": APP,
            "access_token": self.seal(account, "accessToken", given.access_token),
            "refresh_token": given.refresh_token and self.seal(account, "refreshToken", given.refresh_token),
            "expires_in_s": given.expires_in_s,
            "scopes": list(given.scopes or ()),
            "profile": profile(account.platform, account.external_id).facts(),
        }
        await self.host.ask(account.key, Message("connect", data, f"connect:{account.external_id:022}"))

    async def tell(self, accounts: Sequence[AccountId], numbers: range) -> None:
        """Webhooks as the mail loop gives them to the turns: resolved, opened, parsed."""
        await self.addressing.resolve([f"{a.platform}:{a.external_id}" for a in accounts])
        work: dict[EntityKey, list[Item]] = {account.key: [] for account in accounts}
        for account in accounts:
            for n in numbers:
                body = webhook(account.platform, account.external_id, n, self.clock.now().timestamp())
                for entry in self.platforms[account.platform].split(body):
                    stream, mail = self.envelope.webhook_mail(account.platform, APP, entry)
                    self._position = StreamId(self._position.ms + 1, 0)
                    read = Entry(stream, self._position, mail)
                    message = self.addressing.messages(read, [account.key.id])[account.key]
                    work[account.key].append(Item(message, self._position))
        await self.host.owner.turns.run(work)

    async def effects(self) -> None:
        """Let the calls under way end."""
        while self.host.owner.effects.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def kept(self) -> dict[str, int]:
        """How many of each the host holds in memory."""
        owner = self.host.owner
        return {
            "activations": len(owner.turns.active),
            "reminders": len(owner.reminders),
            "locks": len(owner.turns.locks),
            "addresses": len(self.addressing),
            "effects": len(owner.effects.in_flight),
        }

    async def settle(self, accounts: Sequence[AccountId]) -> None:
        """Tick as the reminders would until nobody has anything due soon."""
        turns = self.host.owner.turns
        while True:
            await self.effects()
            soon = self.clock.now() + QUIET
            due = {a.key: at for a in accounts if (at := turns.active.get(a.key).next_due_at) and at < soon}  # type: ignore[union-attr]
            if not due:
                return
            first = min(due.values())
            self.clock.advance(max(first - self.clock.now(), timedelta()))
            for key, at in due.items():
                self.host.owner.reminders.note(key, at)  # as a scan would
            await self.ticks()

    async def save(self, drafts: Sequence[tuple[Draft, Save]]) -> None:
        """What turns do after they have applied a batch."""
        await self.store.save_many({draft.activation.key: save for draft, save in drafts})
        await write_sides(self.sides, [draft.runtime for draft, _ in drafts])
        for draft, save in drafts:
            draft.settle(save, SaveOutcome.SAVED)
            draft.activation.published()

    async def ticks(self) -> None:
        """What is due, without the pace that the host keeps."""
        for key in self.host.owner.reminders.pop_due(FOREVER, FOREVER):
            await self.host.owner.turns.run({key: [FLUSH, Item(TICK)]})
        await self.effects()

    def seal(self, account: AccountId, field: str, secret: Secret) -> bytes:
        aad = field_aad("social_accounts", str(account), field)
        return self.keyring.seal(secret.reveal().encode(), aad)


def account(n: int) -> AccountId:
    """The n-th account: half of them on each platform, twenty in an org."""
    platform = ("twitter", "instagram")[n % 2]
    return AccountId(platform, str(1_900_000_000_000_000_000 + n), f"org_{n // 20:016}")


def _count(name: str, n: float = 1, **labels: str) -> None: ...
