"""What goes on throughout: people at the platforms, shops that publish, readers, tokens that expire early.

Whoever is turned away comes back, as people and their programs do, and with the same Idempotency-Key.
"""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import httpx

from actors.account.documents import REMARKS, side_id
from tests.support.client import Caller, World, eventually

Json = dict[str, Any]

_ACT_EVERY_S = 0.4
"""Of each account."""
_READ_EVERY_S = 0.3
_PUBLISH_EVERY_S = 3.0
_EXPIRE_EVERY_S = 8.0
_EXPIRE_AGAIN_S = 120.0
"""An account that is refused again within a minute of a refresh gives up."""
_ANSWER_S = 8.0
_KINDS = ("comment", "like", "mention", "comment", "repost", "follow")


@dataclass
class Connected:
    account: Json
    view: Json
    posts: list[str]
    said: list[tuple[float, str]] = field(default_factory=list)
    """(monotonic time, id) of each remark made at the platform."""
    expired_at: float = -_EXPIRE_AGAIN_S

    @classmethod
    async def make(cls, world: World, caller: Caller) -> Self:
        """One at X, with its history read."""
        account = await world.account("twitter", f"chaos-{uuid.uuid4()}", posts=5)
        view = await world.connect(caller, account)

        async def read() -> bool:
            found = await caller.get(f"/v1/accounts/{view['id']}")
            return bool(found["sync"]) and found["job"] is None and bool(found["webhooks_subscribed"])

        await eventually(read, 90)
        content = (await world.sandbox.ledger())["content"][f"twitter:{account['external_id']}"]
        return cls(account, view, [item["id"] for item in content if not item["deleted"]])

    @property
    def id(self) -> str:
        return str(self.view["id"])


class Traffic:
    def __init__(self, world: World, caller: Caller, connected: list[Connected], seed: int) -> None:
        self.connected = connected
        self.answers: dict[str, Counter[str]] = defaultdict(Counter)
        """What was asked -> what was answered -> how often."""
        self.publications: dict[str, str] = {}
        """Text -> id, of those that an owner took on."""
        self.reconnected = 0
        self._world, self._caller, self._rng = world, caller, Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._writing = [loop.create_task(self._publish()), loop.create_task(self._expire())]
        self._writing += [loop.create_task(self._act(one)) for one in self.connected]
        self._tasks = [loop.create_task(self._read()) for _ in range(2)]
        self._tasks.append(loop.create_task(self._reconnect()))

    async def holds(self, one: Connected, remarks: list[str]) -> bool:
        """Whether any of them is saved."""
        ids = [side_id(one.id, remark) for remark in remarks]
        return await self._world.database[REMARKS].find_one({"_id": {"$in": ids}}, {"_id": 1}) is not None

    def check(self) -> None:
        """Raises what broke a part of the traffic: it would make every result look good."""
        for task in (*self._writing, *self._tasks):
            if task.done() and not task.cancelled() and (broken := task.exception()):
                raise broken

    async def quieten(self) -> None:
        """Nothing new is begun; readers, and who has to consent again, go on."""
        self.check()
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def stop(self) -> None:
        for task in (*self._writing, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._writing, *self._tasks, return_exceptions=True)

    async def answered(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request; None when there was no answer in time."""
        what = f"{method} {'/'.join(path.partition('?')[0].split('/')[:3])}"
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._caller.request(method, path, **more)
        except (httpx.HTTPError, TimeoutError) as error:
            self.answers[what][type(error).__name__] += 1
            return None
        self.answers[what][str(answer.status_code)] += 1
        return answer

    async def _act(self, one: Connected) -> None:
        n = 0
        while True:
            await asyncio.sleep(_ACT_EVERY_S * self._rng.uniform(0.5, 1.5))
            kind = _KINDS[n % len(_KINDS)]
            of_post = kind in ("comment", "like", "repost")
            more = {"content_id": one.posts[n % len(one.posts)]} if of_post else {}
            n += 1
            before = time.monotonic()
            try:
                done = await self._world.sandbox.act(one.account, kind, **more)
            except (
                httpx.TransportError
            ):  # the sandbox closes idle connections: the ledger knows what happened
                continue
            if kind in ("comment", "mention"):
                one.said.append((before, done["id"]))

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(_READ_EVERY_S)
            id_ = self._rng.choice(self.connected).id
            paths = ("/v1/accounts", f"/v1/accounts/{id_}", f"/v1/content?account_id={id_}", "/readyz")
            await self.answered("GET", self._rng.choice(paths))

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(_PUBLISH_EVERY_S * self._rng.uniform(0.5, 1.5))
            one, text = self._rng.choice(self.connected), f"Fresh from the kiln {uuid.uuid4()}"
            self._writing.append(asyncio.get_running_loop().create_task(self._insist(one, text)))

    async def _insist(self, one: Connected, text: str) -> None:
        body, headers = {"accounts": [one.id], "text": text}, {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            answer = await self.answered("POST", "/v1/publications", json=body, headers=headers)
            if answer is not None and answer.status_code == 202:
                self.publications[text] = answer.json()["targets"][0]["publication_id"]
                return
            if answer is not None and answer.status_code in (409, 422):  # it waits for a new consent, say
                return
            await asyncio.sleep(1.0)

    async def _expire(self) -> None:
        """The next call of the account is refused, and it refreshes out of turn."""
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S * self._rng.uniform(0.3, 1.7))
            await self.expire_one()

    async def expire_one(self) -> None:
        """Of those that may: the token dies, and somebody asks for a sync, without waiting for the answer."""
        ready = [one for one in self.connected if time.monotonic() - one.expired_at > _EXPIRE_AGAIN_S]
        if not ready:
            return
        one = self._rng.choice(ready)
        one.expired_at = time.monotonic()
        path = f"accounts/{one.account['platform']}/{one.account['external_id']}/token"
        with suppress(httpx.TransportError):
            await self._world.sandbox.post(path, {"action": "expire"})
        asking = self._sync(one)
        self._tasks.append(asyncio.get_running_loop().create_task(asking))

    async def _sync(self, one: Connected) -> None:
        await self.answered("POST", f"/v1/accounts/{one.id}/sync", json={})

    async def _reconnect(self) -> None:
        """A refresh whose outcome nobody can know ends in the person being asked; here they say yes again."""
        while True:
            await asyncio.sleep(5.0)
            for one in self.connected:
                answer = await self.answered("GET", f"/v1/accounts/{one.id}")
                if answer is None or answer.status_code != 200:
                    continue
                if answer.json()["status"] == "reauthorization_required" and await _tried(
                    lambda one=one: self._world.connect(self._caller, one.account)  # type: ignore[misc]
                ):
                    self.reconnected += 1


async def _tried(ask: Callable[[], Awaitable[Any]]) -> bool:
    try:
        async with asyncio.timeout(30):
            await ask()
    except (AssertionError, KeyError, httpx.HTTPError, TimeoutError):
        return False
    return True
