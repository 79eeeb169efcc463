"""An erasure on hosts that end in the middle of it: nothing of the account is left in any store."""

import asyncio
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import bson
import pytest

from actors.account import erasure
from actors.account.content.parked import Parked
from actors.account.documents import CONTENT, REMARKS
from actors.account.effects import FindRemains
from actors.account.entity import AccountEntity
from actors.account.remains import Remains
from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from actors.runtime.owner import Parts
from domain.ids import AccountId, EntityKey, Kind
from platforms.registry import PLATFORMS
from storage.records import DeadLetter, Document, Rev
from tests.unit.account.driver import TWITTER, Facts
from tests.unit.runtime.colony import LIKE, PARTITIONS, Colony, Crash, account, until

KEY, NEIGHBOUR = account("org_a"), account("org_b")
PLANTED = b"plantedwords"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
CONNECT = {
    "user_id": "usr_1",
    "app_id": "app_x",
    "access_token": PLANTED,
    "refresh_token": PLANTED,
    "expires_in_s": 7200,
    "scopes": [],
    "profile": {"username": PLANTED.decode(), "display_name": PLANTED.decode(), "alias_ids": []},
}


class Consents:
    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget(self, account_id: str, before: datetime) -> None:
        self.forgotten.append(account_id)


class Erasing:
    """Of all effects only looks for remains: nobody calls a platform here."""

    def __init__(self, remains: Remains) -> None:
        self._remains = remains

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        if not isinstance(effect, FindRemains):
            return []
        return await self._remains.find(AccountId.parse(key.id), effect)


class Accounts(Colony):
    """A colony whose accounts are real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.consents = Consents()
        parked = Parked(self.parking, self.mailboxes, PARTITIONS)
        self._handler = Erasing(Remains(self.sides, self.dead_letters, parked, self.consents))
        platforms: Any = {"twitter": Facts(TWITTER)}
        self._entity = AccountEntity(platforms, lambda plain, aad: plain)

    def parts(self, failpoints: Failpoints) -> Parts:
        parts = super().parts(failpoints)
        entities = {**parts.entities, Kind.ACCOUNT: self._entity}
        return replace(parts, entities=cast(Any, entities), handler=self._handler)

    async def plant(self, host: Host) -> None:
        """The same for two orgs: an account with documents, a dead letter and a parked event."""
        for key in (KEY, NEIGHBOUR):
            await host.ask(key, Message("connect", CONNECT, f"connect-{key.id}"))
            org = AccountId.parse(key.id).org
            for collection, n in ((CONTENT, 230), (REMARKS, 3)):
                documents = [document(key, org, collection, i) for i in range(n)]
                await self.sides.upsert_many(collection, documents, Rev(0, 1))
            letter = DeadLetter(f"d-{org}", org, str(key), "e", PLANTED, "KeyError", LONG_AGO)
            await self.dead_letters.put([letter])
        (entry,) = PLATFORMS["twitter"].split(LIKE % (1, b"100", 1, 1))
        _, mail = self.envelope.webhook_mail("twitter", "app_x", entry)
        await self.parking.park([mail], LONG_AGO)

    async def left(self, org: str) -> bytes:
        """All that the stores hold of an org's account."""
        entity = await self.state(account(org))
        found = [entity, *(d for c in erasure.DOCUMENTS for d in self.sides.all(c) if d["org"] == org)]
        letters = await self.dead_letters.list(org, 10)
        return b"".join([*map(_bytes, found), *(letter.sealed_body for letter in letters)])

    async def ended(self) -> bool:
        state = (await self.state(KEY)).get("erasure")
        return state is not None and state["ended_at"] is not None


def document(key: EntityKey, org: str, collection: str, n: int) -> Document:
    at = {"publishedAt": LONG_AGO, "at": LONG_AGO}
    return {"_id": f"{key.id}|{n}", "org": org, "socialAccountId": key.id, "words": PLANTED, **at}


def _bytes(document: Document) -> bytes:
    answers = [zlib.decompress(packed) for _, packed in document.get("rt", {}).get("answers", ())]
    return b"".join([bson.encode(document), *answers])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "CALL_TIMEOUT", timedelta(seconds=0.3))


async def test_everything_of_the_account_goes_and_nothing_of_its_neighbour() -> None:
    colony = Accounts()
    host = await colony.start()
    await colony.plant(host)
    assert PLANTED in await colony.left("org_a")
    answer = await host.ask(KEY, Message("erase", {}, "erase-1"))
    assert answer["erasure"]["status"] == "erasing"
    assert PLANTED not in _bytes(await colony.state(KEY)), "not in the answers to earlier commands either"
    await until(colony.ended)
    assert PLANTED not in await colony.left("org_a")
    assert len(colony.sides.all(CONTENT)) == 460, "ids stay: no late write brings a document back"
    assert await colony.parking.counts(10) == {}
    assert await colony.dead_letters.list("org_a", 10) == []
    assert colony.consents.forgotten == [KEY.id]
    assert (await colony.left("org_b")).count(PLANTED) >= 230 + 3 + 1
    assert (await host.view(NEIGHBOUR))["status"] == "connected"
    assert (await host.ask(KEY, Message("erase", {}, "erase-1"))) == answer, "repeated with its id"
    await colony.kill(host)


@pytest.mark.parametrize("after", [1, 2, 4])
@pytest.mark.parametrize(
    "point",
    [
        Failpoint.BATCH_APPLIED,
        Failpoint.ENTITY_SAVED,
        Failpoint.SIDE_SAVED,
        Failpoint.EVENTS_PUBLISHED,
        Failpoint.INTENT_RESOLVED,
    ],
)
async def test_any_step_may_be_the_last(point: Failpoint, after: int) -> None:
    colony = Accounts()
    first = await colony.start()
    await colony.plant(first)
    await colony.kill(first)
    died = asyncio.Event()

    def die() -> None:
        died.set()
        raise Crash

    failpoints = Failpoints(die)
    failpoints.arm(point, min(after, 2) if point is Failpoint.EVENTS_PUBLISHED else after)
    doomed = await colony.start(failpoints=failpoints)
    wish = {"app_id": "app_x", "asked_at": colony.clock.now().isoformat()}
    await colony.tell(KEY, Message("erase", wish, "erase:code"))
    async with asyncio.timeout(5):
        await died.wait()
    await colony.kill(doomed)
    successor = await colony.start()
    await until(colony.ended)
    assert PLANTED not in await colony.left("org_a")
    await colony.kill(successor)
