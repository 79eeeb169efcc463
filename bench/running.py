"""The whole service under load: started as `rookery up` starts it, with accounts connected by the real
redirect flow and campaigns on them, and webhooks of our own making, signed as X signs its own.

The platform behind it is the sandbox. It sends no webhooks here: the load comes from `bench.paced`, which
knows when each was sent.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import orjson
import redis

from api.bootstrap import add_platform_app
from bench.load import request
from bench.processes import cpu_s, descendants, keep_orphans, rss
from domain.clock import SystemClock
from domain.secrets import Secret
from ops.demo.connect import App, Connection, Party, await_backfill, connect, found_org
from ops.demo.wire import Json, Sandbox
from ops.ports import free_port
from ops.service import Service
from ops.terminal import printing_into
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.directory import Directory
from storage.settings import Settings

CONNECTING = 8  # redirect flows at a time

DOCUMENT_SERVER = "document server"
_NAMES = (
    ("HostActor", "hosts"),
    ("ServeReplica:webhooks", "webhooks"),
    ("ServeReplica:api", "api"),
    ("haproxy", "HAProxy"),
    ("ops.document_server", DOCUMENT_SERVER),
    ("valkey", "Valkey"),
    ("sandbox", "sandbox"),
)
"""A word of a process's command line, and what it is called here; the rest is Ray."""


@dataclass(slots=True)
class Tenant:
    """An org with its accounts, each with one post that is liked, and its campaigns, each on some
    accounts."""

    party: Party
    accounts: list[Connection]
    posts: dict[str, str] = field(default_factory=dict)  # account id -> id of the post at the platform
    campaigns: dict[str, list[Connection]] = field(default_factory=dict)


@dataclass(slots=True)
class Deployed:
    """`secret` signs webhooks; `path` is where they go."""

    service: Service
    port: int
    http: httpx.AsyncClient
    sandbox: Sandbox
    app: App
    secret: bytes
    directory: Directory
    store: "redis.Redis"
    _number: Iterator[int] = field(default_factory=lambda: count(int(time.time()) * 1_000_000))

    @property
    def path(self) -> str:
        return f"/webhooks/twitter/{self.app.id}"

    async def tenant(self, name: str, accounts: int, campaigns: int = 0, *, operator: bool = False) -> Tenant:
        """Accounts with a few posts each, their history read, spread over launched campaigns."""
        party = await found_org(self.directory, self.http, SystemClock(), name, operator=operator)
        gate = asyncio.Semaphore(CONNECTING)

        async def one(n: int) -> Connection:
            async with gate:
                wish = {"platform": "twitter", "seed": f"{name}-{n}", "posts": 3}
                account = await self.sandbox.post("/accounts", wish)
                return await connect(party, self.sandbox, account, self.app)

        made = list(await asyncio.gather(*map(one, range(accounts))))
        await await_backfill([party], made, SystemClock())
        tenant = Tenant(party, made)
        for connection in made:
            page = await party.admin.get(f"/v1/accounts/{connection.account_id}/content", limit=1)
            tenant.posts[connection.account_id] = page["items"][0]["external_id"]
        for n in range(campaigns):
            members = made[n::campaigns]
            plan: Json = {
                "name": f"{name} {n}",
                "budget": {"total_minor": 100_000, "currency": "EUR"},
                "accounts": [c.account_id for c in members],
            }
            campaign = await party.admin.post("/v1/campaigns", plan)
            await party.admin.post(f"/v1/campaigns/{campaign['id']}/launch")
            tenant.campaigns[campaign["id"]] = members
        return tenant

    def like(self, tenant: Tenant, connection: Connection) -> bytes:
        """A whole HTTP request: somebody likes the account's post. Each is another like."""
        n = next(self._number)
        payload = {"id": str(n), "liked_tweet_id": tenant.posts[connection.account_id]}
        event = {
            "event_uuid": str(n),
            "event_type": "like.create",
            "filter": {"user_id": connection.external_id, "direction": "inbound"},
            "payload": payload,
        }
        body = orjson.dumps({"data": event})
        digest = base64.b64encode(hmac.digest(self.secret, body, hashlib.sha256)).decode()
        return request(self.port, self.path, body, {"x-twitter-webhooks-signature": f"sha256={digest}"})

    def owed(self) -> int:
        """Messages in the accounts' mailboxes: accepted, and their effect not saved yet."""
        names = list(self.store.scan_iter("mailbox:account:*", count=1000))
        pipeline = self.store.pipeline(transaction=False)
        for name in names:
            pipeline.xlen(name)
        return int(sum(pipeline.execute()))

    async def drained(self, patience_s: float) -> float | None:
        """Seconds until nothing is owed; None when that took too long."""
        began = time.perf_counter()
        while time.perf_counter() - began < patience_s:
            if self.owed() == 0:
                return time.perf_counter() - began
            await asyncio.sleep(0.05)
        return None

    async def likes(self, tenant: Tenant, accounts: Sequence[Connection]) -> dict[str, int]:
        """Likes of each account's post as the service holds them."""
        found = {}
        for connection in accounts:
            items = await tenant.party.admin.all(f"/v1/accounts/{connection.account_id}/content")
            post = tenant.posts[connection.account_id]
            (item,) = [i for i in items if i["external_id"] == post]
            found[connection.account_id] = int(item["engagement"]["likes"] or 0)
        return found


@contextmanager
def service() -> Iterator[Service]:
    """Started in a folder of its own and ended again; with MONGODB_URL in the environment on that server."""
    keep_orphans()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given = os.environ.get("MONGODB_URL")
        settings = Settings.load(
            data_dir=Path(folder) / "data",
            http_port=free_port(),
            dashboard_port=free_port(),
            dedicated=0,
            mongodb_url=_own_database(given) if given else None,
        )
        running = Service(settings, sandbox=True)
        settings.data_dir.mkdir(parents=True)
        try:
            with printing_into(running.log):
                running.start()
            yield running
        finally:
            with printing_into(running.log):
                running.stop()


class Deployment:
    """`async with Deployment(service) as deployed`: the application is registered, webhooks can be sent."""

    def __init__(self, running: Service) -> None:
        self._running = running

    async def __aenter__(self) -> Deployed:
        settings, addresses = self._running.settings, self._running.addresses
        assert addresses is not None and addresses.sandbox is not None
        assert settings.mongodb_url is not None and settings.redis_url is not None
        directory = Directory.open(mongo.connect(settings.mongodb_url), Keys.load(settings.keys))
        limits = httpx.Limits(max_connections=50)
        http = httpx.AsyncClient(base_url=addresses.api, timeout=60, trust_env=False, limits=limits)
        sandbox = Sandbox(httpx.AsyncClient(base_url=addresses.sandbox, timeout=60, trust_env=False))
        (given,) = [a for a in (await sandbox.get("/apps"))["apps"] if a["platform"] == "twitter"]
        secret = given["webhook_secret"]
        # Without a bearer token: nothing is subscribed to, so X's limit of subscriptions does not count.
        record = await add_platform_app(
            directory,
            SystemClock(),
            "twitter",
            given["client_id"],
            Secret(given["client_secret"]),
            webhook_secrets=(Secret(secret),),
        )
        self._deployed = Deployed(
            self._running,
            settings.http_port,
            http,
            sandbox,
            App(record.id, given["id"], "twitter"),
            secret.encode(),
            directory,
            redis.Redis.from_url(settings.redis_url),
        )
        return self._deployed

    async def __aexit__(self, *_: object) -> None:
        await self._deployed.http.aclose()
        await self._deployed.sandbox.http.aclose()
        self._deployed.store.close()


def _own_database(url: str) -> str:
    """The same server, and a database that nobody uses."""
    head, _, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    address = rest.partition("/")[0]
    return f"{scheme}://{address}/bench{int(time.time())}" + (f"?{options}" if options else "")


# -- processes --------------------------------------------------------------------------------------------
def usage(others: Mapping[int, str] | None = None) -> tuple[Counter[str], Counter[str]]:
    """CPU seconds and resident bytes of everything this process started, by what it is. `others`: process ids
    of what somebody else started and runs on this machine, with their names."""
    used: Counter[str] = Counter()
    held: Counter[str] = Counter()
    found = {pid: name_of(pid) for pid in descendants(os.getpid())} | dict(others or {})
    for pid, name in found.items():
        if pid != os.getpid():
            used[name] += cpu_s(pid)  # type: ignore[assignment]  # a Counter of floats
            held[name] += rss(pid)
    return used, held


def name_of(pid: int) -> str:
    """What a process is called here."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "gone"
    return next((name for word, name in _NAMES if word in line), "Ray")
