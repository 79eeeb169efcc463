"""After a long stop: how soon all due work is known and ranked, how soon the first call of each class goes
out, and how fast the rest follows. One host on the embedded document server; the platforms answer at once."""

import asyncio
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from actors.runtime.owner import STARTS_PER_S
from actors.runtime.urgency import Urgency
from bench.colony import Colony, account
from bench.fill import like
from bench.results import Result, Row, Spoiled
from domain.clock import SystemClock
from domain.ids import AccountId
from domain.secrets import Secret
from ops.embedded import DataPlane
from platforms.base import Grant, PageQuery
from storage.mongo import client as mongo
from storage.mongo import schema
from storage.mongo.entities import MongoEntityStore
from storage.mongo.schema import ENTITIES
from storage.mongo.side import MongoSideStore
from storage.records import Document

KNOWN_TARGET_S = 60.0
FIRST_TARGET_S = 5.0
STOPPED_FOR = timedelta(hours=1)
INSERTED_AT_ONCE = 1000
CLASSES = {0: Urgency.PERSON, 1: Urgency.PUBLISH, 2: Urgency.WEBHOOK, 3: Urgency.REFRESH, 4: Urgency.BACKFILL}
"""By the last digits of an account's number, one in a thousand each; others are due for their schedule."""


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 100_000
    seconds: float = 30.0  # of watching the rest


SMALL = Options(accounts=2000, seconds=5.0)


class Watched:
    """A platform that notes when the first call of each account comes."""

    def __init__(self, real: Any, calls: dict[str, float]) -> None:
        self._real, self._calls = real, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def refresh(self, http: Any, app: Any, old: Grant, timeout_s: float) -> Any:
        # The token names its account here: a refresh is told nothing else.
        self._calls.setdefault(old.access_token.reveal().split(":")[0], time.monotonic())
        return await self._real.refresh(http, app, old, timeout_s)

    async def list_page(self, http: Any, token: Secret, external_id: str, query: PageQuery) -> Any:
        self._calls.setdefault(external_id, time.monotonic())
        return await self._real.list_page(http, token, external_id, query)

    async def read_items(self, http: Any, token: Secret, external_id: str, ids: Any) -> Any:
        self._calls.setdefault(external_id, time.monotonic())
        return await self._real.read_items(http, token, external_id, ids)


def coldstart(options: Options) -> Result:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        plane = DataPlane(Path(folder) / "data")
        try:
            seen = asyncio.run(_start(plane.start().mongodb, options))
        finally:
            plane.stop()
    known_s = seen["known_s"]
    return Result(
        name="coldstart",
        title=f"{options.accounts:,} accounts due since an hour known and ranked by one host",
        command="python -m bench coldstart",
        unit="s",
        ours=round(known_s, 2),
        theirs=None,
        ratio=None,
        detail={**seen, **asdict(options)},
        target=KNOWN_TARGET_S,
        rows=[
            *(
                Row(f"first call of class {name.lower()} after", "s", round(at, 2), target=FIRST_TARGET_S)
                for name, at in seen["first_s"].items()
            ),
            Row("accounts started afterwards", "1/s", seen["per_second"], target=float(STARTS_PER_S)),
        ],
    )


async def _start(mongodb_url: str, options: Options) -> dict[str, Any]:
    database = mongo.connect(mongodb_url)
    store, sides = MongoEntityStore(database), MongoSideStore(database)
    colony = Colony(store=store, sides=sides, clock=SystemClock())
    await schema.prepare(database, colony.envelope.partitions)
    calls: dict[str, float] = {}
    for name, platform in list(colony.platforms.items()):
        colony.platforms[name] = Watched(platform, calls)
    classes = await _fill(colony, database, options.accounts)
    begun = time.monotonic()
    await colony.assign()
    colony.host.start()
    try:
        while len(colony.host.owner.reminders) + len(calls) < options.accounts - STARTS_PER_S:
            if time.monotonic() - begun > 2 * KNOWN_TARGET_S:
                raise Spoiled(f"After two minutes {len(colony.host.owner.reminders)} reminders were known.")
            await asyncio.sleep(0.05)
        known_s = time.monotonic() - begun
        before = len(calls)
        await asyncio.sleep(options.seconds)
        per_second = (len(calls) - before) / options.seconds
    finally:
        await colony.host.stop()
    first: dict[str, float] = {}
    for external_id, at in calls.items():
        name = classes[external_id].name
        first[name] = min(first.get(name, at - begun), at - begun)
    return {"known_s": known_s, "first_s": dict(sorted(first.items())), "per_second": per_second}


async def _fill(colony: Colony, database: Any, accounts: int) -> dict[str, Urgency]:
    """Accounts as they were at the stop, in bulk inserts; answers the class that each is due for."""
    before = Colony()
    await before.begin()
    models = [account(n) for n in range(4)]
    await before.live(models)
    patterns = (await before.store.load_many([a.key for a in models])).values()
    x = [p for p in patterns if p["platform"] == "twitter"]
    classes: dict[str, Urgency] = {}
    rows: list[Document] = []
    for n in range(accounts):
        one = AccountId("twitter", account(n).external_id, account(n).org)
        wanted = classes[one.external_id] = CLASSES.get(n % 1000, Urgency.SCHEDULED)
        rows.append(_due(like(x[n % len(x)], one, colony), one, wanted, colony))
        if len(rows) == INSERTED_AT_ONCE or n == accounts - 1:
            await database[ENTITIES[one.key.kind]].insert_many(rows, ordered=False)
            rows = []
    return classes


def _due(document: Document, one: AccountId, wanted: Urgency, colony: Colony) -> Document:
    """The document as an hour ago, with work of this class pending; the entity itself says when and what."""
    now: datetime = colony.clock.now()
    then = now - STOPPED_FOR
    credentials = dict(document["accessCredentials"])
    credentials["accessToken"] = colony.seal(one, "accessToken", Secret(f"{one.external_id}:access"))
    credentials["issuedAt"], credentials["expiresAt"] = then, now + timedelta(hours=1)
    if wanted is Urgency.REFRESH:
        credentials["expiresAt"] = then + timedelta(minutes=5)
    next_run_at = then + timedelta(minutes=10)
    sources = {name: s | {"next_run_at": next_run_at} for name, s in document["sources"].items()}
    document = document | {
        "accessCredentials": credentials,
        "sources": sources,
        "partition": one.key.partition(64),
        "updatedAt": then,  # by its last write a document says when it wants to be woken
    }
    job = {
        Urgency.PERSON: ("incremental", 0),
        Urgency.PUBLISH: ("incremental", 1),
        Urgency.BACKFILL: ("backfill", 4),
    }.get(wanted)
    if job is not None:
        blank = dict.fromkeys(("cursor", "since", "limit", "newest_at", "newest_id", "oldest_at", "call"))
        counts = dict.fromkeys(("items", "pages", "stale_pages", "failures"), 0)
        mode, priority = job
        work = {"id": "job_1", "source": "posts", "mode": mode, "priority": priority, "ids": []}
        document["job"] = work | blank | counts | {"wait_until": then}
    if wanted is Urgency.WEBHOOK:
        document["reread"] = [[f"{one.external_id}0", then]]
    state = colony.entity.load(document)
    due = colony.entity.due(state)
    return document | {"next_due_at": due, "urgency": int(colony.entity.urgency(state, due))}
