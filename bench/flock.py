"""Two hosts in this process with the real handlers, and the sandbox behind the real HTTP client: what the
budgets are measured with. Stores are the tests' fakes; a call between the hosts is sealed and takes as long
as one over Ray. Time is the simulation's: it jumps from one thing to do to the next, so that the figures do
not depend on what else the machine does."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from actors.account.entity import AccountEntity
from actors.account.handler import AccountHandler
from actors.budget.entity import BudgetEntity
from actors.budget.leases import Leases
from actors.compose import Handlers
from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoints
from actors.runtime.forwarder import ActorGone
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from actors.runtime.verdicts import NotOwner
from domain.clock import truncate_ms
from domain.errors import Busy
from domain.ids import AccountId, EntityKey, Kind
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.http import PlatformHttp, make_client
from platforms.registry import PLATFORMS
from sandbox.app import Sandbox
from sandbox.clock import SandboxClock
from storage.crypto import Keyring, field_aad
from storage.records import Unlisted
from tests.fakes.documents import FakeClaims, FakeDeadLetters, FakeEntityStore, FakeParking, FakeSideStore
from tests.fakes.streams import FakeEventBus, FakeLiveFeed, FakeMailboxes, FakeRedis

PARTITIONS = 8
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
PLATFORM_S = 0.1
RAY_S = 0.003  # one way; a small call over Ray takes 6 ms there and back


async def until(condition: Callable[[], bool], pause_s: float = 0.01) -> None:
    while not condition():  # noqa: ASYNC110  # what it looks at tells nobody of its changes
        await asyncio.sleep(pause_s)


def _nobody(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


class LoopClock:
    def now(self) -> datetime:
        return truncate_ms(START + timedelta(seconds=self.monotonic()))

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def ms(self) -> int:
        return int(self.now().timestamp() * 1000)


class Distant(httpx.AsyncBaseTransport):
    """The platform is so far away."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(PLATFORM_S / 2)
        response = await self._inner.handle_async_request(request)
        await asyncio.sleep(PLATFORM_S / 2)
        return response


class NoActors:
    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        raise ActorGone(str(key))

    async def stop(self, key: EntityKey) -> None: ...


class NoContent:
    """Nothing to be read again by id: a backfill here is a call for each list."""

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        return []


class Flock:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.sandbox = Sandbox(
            seed="flock", clock=SandboxClock(self.clock.ms), webhook_transport=httpx.MockTransport(_nobody)
        )
        self.asgi = httpx.ASGITransport(self.sandbox)
        self.control = httpx.AsyncClient(transport=self.asgi, base_url="http://sandbox/_sandbox")
        self.app_id = self.sandbox.state.apps.defaults["twitter"]
        self.counted: Counter[str] = Counter()
        self.hosts: list[Host] = []
        self._keyring = Keyring.generate()
        self._envelope = Envelope(self._keyring, PARTITIONS)
        self._redis = FakeRedis(self.clock)
        self._claims = FakeClaims()
        self._store, self._sides = FakeEntityStore(), FakeSideStore()

    async def start(self, count: int = 2) -> None:
        names = [f"host-{n}" for n in range(count)]
        await self._claims.assign({p: names[p % count] for p in range(PARTITIONS)}, "bench")
        self.hosts = [self._host(name) for name in names]
        for host in self.hosts:
            host.start()
        await until(lambda: sum(len(host.ownership.held) for host in self.hosts) == PARTITIONS)

    async def stop(self) -> None:
        for host in self.hosts:
            await host.stop()
        await self.control.aclose()
        await self.sandbox.close()

    def owner(self, key: EntityKey) -> Host:
        partition = key.partition(PARTITIONS)
        found = [host for host in self.hosts if host.ownership.epoch(partition) is not None]
        if not found:
            raise Busy("owner_unavailable", "No host owns the partition.")
        return found[0]

    async def ask(self, key: EntityKey, message: Message, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """`actors.runtime.ports.Owners.ask` between the hosts of this process."""
        request = self._envelope.seal_call({"name": message.name, "data": dict(message.data)})
        await asyncio.sleep(RAY_S)
        asked = self._envelope.open_call(request)
        try:
            answer = await self.owner(key).ask(key, Message(asked["name"], asked["data"], message.id))
        except NotOwner:
            raise Busy("owner_unavailable", "It moved meanwhile.") from None
        sealed = self._envelope.seal_call({"reply": answer})
        await asyncio.sleep(RAY_S)
        reply: dict[str, Any] = self._envelope.open_call(sealed)["reply"]
        return reply

    async def connect(self, org: str, seed: str, posts: int) -> AccountId:
        wish = {"platform": "twitter", "seed": seed, "posts": posts}
        made = (await self.control.post("/accounts", json=wish)).json()
        account = AccountId("twitter", made["external_id"], org)
        data = {
            "user_id": "usr_bench",
            "app_id": self.app_id,
            "access_token": self._seal(account, "accessToken", made["access_token"]),
            "refresh_token": self._seal(account, "refreshToken", made["refresh_token"]),
            "expires_in_s": made["expires_in"],
            "scopes": made["scopes"],
            "profile": {"username": made["username"]},
        }
        await self.owner(account.key).ask(account.key, Message("connect", data))
        return account

    def _seal(self, account: AccountId, field: str, value: str) -> bytes:
        return self._keyring.seal(value.encode(), field_aad("social_accounts", str(account), field))

    def _host(self, name: str) -> Host:
        leases = Leases(PLATFORMS, self.clock, self._count)
        parts = self._parts(leases)
        others: Any = self
        return Host(
            name,
            "bench",
            parts,
            Addressing(self._store, self._envelope, PLATFORMS),
            NoActors(),
            leases=leases,
            elsewhere=others,
        )

    def _parts(self, leases: Leases) -> Parts:
        app = self.sandbox.state.app_of(self.app_id)
        shown = PlatformApp(
            app.id,
            "twitter",
            app.client_id,
            Secret(app.client_secret),
            (Secret(app.webhook_secret),),
            bearer_token=Secret(app.bearer_token or ""),
        )

        async def find_app(app_id: str) -> PlatformApp:
            return shown

        async def show(key: EntityKey, org: str, snapshot: dict[str, Any]) -> None: ...

        nobody: Any = None  # who publishes
        mailboxes, parking = FakeMailboxes(self._redis), FakeParking()
        handler = AccountHandler(
            PLATFORMS,
            PlatformHttp(make_client("http://sandbox", Distant(self.asgi)), self.clock),
            find_app,
            self._keyring,
            nobody,
            nobody,
            NoContent(),
            parking,
            mailboxes,
            PARTITIONS,
            "https://rookery.example",
            self.clock,
            Failpoints(),
            self._count,
            leases,
        )
        return Parts(
            entities={
                Kind.ACCOUNT: AccountEntity(PLATFORMS, self._keyring.seal),
                Kind.BUDGET: BudgetEntity(PLATFORMS),
            },
            handler=Handlers({Kind.ACCOUNT: handler}),
            envelope=self._envelope,
            clock=self.clock,
            count=self._count,
            show=show,
            failpoints=Failpoints(),
            store=self._store,
            sides=self._sides,
            bus=FakeEventBus(self._redis, FakeLiveFeed(self._redis)),
            mailboxes=mailboxes,
            claims=self._claims,
            dead_letters=FakeDeadLetters(),
            parking=parking,
        )

    def _count(self, name: str, value: float = 1, **labels: str) -> None:
        outcome = labels.get("outcome")
        self.counted[f"{name}:{outcome}" if outcome else name] += int(value)
