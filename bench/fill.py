"""Fill one fresh process with live accounts and watch its private memory: `python -m bench.fill ACCOUNTS
DRIVEN REST`; prints one JSON object.

The first `DRIVEN` accounts go through everything by real turns. The others begin with such an account's
document, with ids, words and tokens of their own, are loaded as after a crash, and hear one more webhook in a
real turn: nothing is shared between them that would not be in a host. With `REST` 0 nobody is put to rest.
"""

import asyncio
import gc
import sys
from datetime import datetime, timedelta
from typing import Any

import orjson

from actors.account.connection import profile_fields
from actors.runtime.activations import REST_S, SWEEP
from actors.runtime.drafts import OUTBOX_RECHECK
from actors.runtime.host import IDLE_S
from bench.colony import FOREVER, PARTITIONS, WEBHOOKS, Colony, account
from bench.memory import private_bytes
from bench.platform import grant, profile
from domain.ids import AccountId
from storage.records import Document, Save

BATCH = 50


async def fill(accounts: int, driven: int, *, rest: bool) -> dict[str, Any]:
    """`points`: (live accounts, private bytes); `resting`: how many of them are at rest at the end; `left`:
    what the host keeps when all have become passive."""
    colony = Colony()
    await colony.begin()
    active = colony.host.owner.turns.active
    patterns: list[Document] = []
    for start in range(0, driven, BATCH):
        batch = [account(n) for n in range(start, min(start + BATCH, driven))]
        await colony.live(batch)
        patterns += (await colony.store.load_many([a.key for a in batch[:2]])).values()
        await _go_on(colony, rest=rest)
    points = [_point(len(active))]
    step = max((accounts - driven) // 10, BATCH)
    for start in range(driven, accounts, BATCH):
        batch = [account(n) for n in range(start, min(start + BATCH, accounts))]
        documents = {a.key: like(patterns[int(a.external_id) % len(patterns)], a, colony) for a in batch}
        await colony.store.save_many({key: Save(d, d["version"] - 1) for key, d in documents.items()})
        await colony.tell(batch, range(WEBHOOKS, WEBHOOKS + 1))
        await _go_on(colony, rest=rest)
        if (start + BATCH - driven) % step < BATCH:
            points.append(_point(len(active)))
    resting = active.resting
    colony.clock.advance(timedelta(seconds=IDLE_S + 1))
    while len(active):
        await colony.host._passivate()
    return {"points": points, "resting": resting, "left": colony.kept(), "passive_bytes": private_bytes()}


async def _go_on(colony: Colony, *, rest: bool) -> None:
    """Let the seconds pass after which published events leave the documents, and the idle go to rest."""
    while len(colony.host.owner.reminders):
        colony.clock.advance(OUTBOX_RECHECK)
        await colony.ticks()
    colony.clock.advance(timedelta(seconds=REST_S + 1))
    while rest and colony.host.owner.turns.active.passivate(FOREVER)[0] >= SWEEP:
        pass
    colony.forget()


def _point(live: int) -> tuple[int, int]:
    gc.collect()
    point = live, private_bytes()
    print(*point, file=sys.stderr, flush=True)
    return point


def like(pattern: Document, id_: AccountId, colony: Colony) -> Document:
    """A document of another account with the same past, as long ago."""
    pattern = later(pattern, colony.clock.now() - pattern["updatedAt"])
    own = AccountId.parse(pattern["_id"])
    given = grant(own.platform)
    refresh = given.refresh_token and colony.seal(id_, "refreshToken", given.refresh_token)
    tokens = {"accessToken": colony.seal(id_, "accessToken", given.access_token), "refreshToken": refresh}
    number = id_.external_id
    sources = {
        name: source
        | {"newest_id": source["newest_id"] and source["newest_id"].replace(own.external_id, number)}
        for name, source in pattern["sources"].items()
    }
    return pattern | {
        "_id": str(id_),
        "org": id_.org,
        "externalAccountId": number,
        "partition": id_.key.partition(PARTITIONS),
        "accessCredentials": pattern["accessCredentials"] | tokens,
        "profile": profile_fields(profile(own.platform, number).facts()),
        "sources": sources,
    }


def later(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: later(part, by) for name, part in value.items()}
    if isinstance(value, list):
        return [later(part, by) for part in value]
    return value + by if isinstance(value, datetime) else value


def main() -> None:
    accounts, driven, rest = map(int, sys.argv[1:])
    print(orjson.dumps(asyncio.run(fill(accounts, driven, rest=bool(rest)))).decode())


if __name__ == "__main__":
    main()
