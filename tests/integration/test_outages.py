"""Redis or the document server stands still for a while: what was accepted is there when they return."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from ops.embedded import DataPlane
from tests.support.client import Caller, Json, World, eventually
from tests.support.judge import compare
from tests.support.webhooks import Hook, x_reply

BOUND_S = 40.0
"""No answer takes longer: the stores' own time-outs (5 to 10 s) with room for a busy machine."""


@contextmanager
def standing_still(world: World, name: str) -> Iterator[None]:
    """The server accepts connections and says nothing, which is worse than being down."""
    status = next(s for s in DataPlane(world.settings.data_dir).status() if s.name == name)
    assert status.pid is not None
    os.kill(status.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(status.pid, signal.SIGCONT)


class Stage:
    """A connected account with comments before, during and after, and commands that were answered."""

    def __init__(self, world: World, caller: Caller, account: Json, view: Json) -> None:
        self.world, self.caller, self.account, self.view = world, caller, account, view
        self.recorded: set[str] = set()
        self.unanswered: list[str] = []
        self.own_webhooks = 0  # of the test's making, so not in the sandbox's ledger

    @classmethod
    async def set_up(cls, world: World) -> "Stage":
        caller = await world.org()
        account = await world.account("twitter", f"outage-{uuid.uuid4()}", posts=3)
        view = await world.connect(caller, account)
        stage = cls(world, caller, account, view)
        await stage.comment(5)

        async def heard() -> bool:
            found = await caller.get(f"/v1/accounts/{view['id']}")
            return found["job"] is None and found["counters"].get("webhooks", 0) >= 5

        await eventually(heard)
        return stage

    async def comment(self, n: int) -> None:
        await asyncio.gather(*(self.world.sandbox.act(self.account, "comment") for _ in range(n)))

    async def order(self) -> httpx.Response:
        """Report an order; whatever is answered, it is answered in time."""
        id_ = f"order-{uuid.uuid4()}"
        body = {"order_id": id_, "amount_minor": 5, "currency": "EUR", "occurred_at": _now()}
        answer = await timely(self.caller, "POST", "/v1/transactions", json=body)
        if answer.status_code == 201:
            self.recorded.add(id_)
        else:
            self.unanswered.append(id_)
        return answer

    async def all_is_there(self) -> None:
        """Every event ever accepted has one effect, every order answered 201 is recorded, nothing was
        given up."""

        async def delivered() -> bool:
            rows = (await self.world.sandbox.ledger())["events"]
            mine = [r for r in rows if r["external_id"] == self.account["external_id"]]
            return all(r["accepted_at"] for r in mine)

        await eventually(delivered, 60, 0.5)

        async def ready() -> bool:
            return (await self.world.api.get("/readyz")).status_code == 200

        await eventually(ready, 60, 0.5)

        async def held() -> bool:
            report = await compare(self.world, self.caller, self.account, self.view)
            assert report["counted"] == report["accepted"] + self.own_webhooks, report
            return True

        await eventually(held, 60, 0.5)
        report = await compare(self.world, self.caller, self.account, self.view)
        assert report["remarks_lost"] == report["remarks_doubled"] == []
        orders = [t["order_id"] for t in await self.caller.all("/v1/transactions")]
        assert len(orders) == len(set(orders))
        assert self.recorded <= set(orders) <= self.recorded | set(self.unanswered)
        assert (await self.caller.get("/v1/ops/dead-letters"))["items"] == []
        assert (await self.caller.get(f"/v1/accounts/{self.view['id']}"))["status"] == "connected"


async def timely(caller: Caller, method: str, path: str, **more: object) -> httpx.Response:
    """The answer, after at most BOUND_S: the wanted one, or 503 that says when to come back."""
    began = time.monotonic()
    answer = await caller.request(method, path, timeout=2 * BOUND_S, **more)
    assert time.monotonic() - began < BOUND_S, (method, path)
    assert answer.status_code < 300 or answer.status_code == 503, (path, answer.status_code, answer.text)
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) >= 1
        if path != "/readyz":
            assert answer.headers["content-type"] == "application/problem+json"
    return answer


def _now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.mark.heavy
async def test_redis_stands_still_for_twelve_seconds(world: World) -> None:
    stage, hook = await Stage.set_up(world), await Hook.of(world, "twitter")
    body = x_reply(stage.account["external_id"], str(uuid.uuid4().int)[:18], "1", "during")
    began = time.monotonic()
    with standing_still(world, "redis"):
        await stage.comment(10)
        answers = await asyncio.gather(
            *(timely(stage.caller, "POST", hook.path, **_signed(hook, body)) for _ in range(3)),
            timely(stage.caller, "GET", "/readyz"),
            stage.order(),
        )
        assert [a.status_code for a in answers[:4]] == [503] * 4
        assert (await world.api.get("/healthz")).status_code == 200
        await stage.order()
        await asyncio.sleep(max(0.0, 12 - (time.monotonic() - began)))
    await stage.comment(5)
    # Refused means "send it again", also when Redis took one of the three after all: still one effect.
    await hook.send(body)
    stage.own_webhooks = 1
    await stage.all_is_there()
    assert (await stage.order()).status_code == 201


@pytest.mark.heavy
async def test_the_document_server_stands_still_for_thirty_seconds(world: World) -> None:
    stage = await Stage.set_up(world)
    began = time.monotonic()
    with standing_still(world, "mongo"):
        await stage.comment(10)  # the way of a webhook touches Redis only: these are accepted all the while
        await timely(stage.caller, "GET", f"/v1/accounts/{stage.view['id']}")  # its owner may know by heart
        paths = ("/v1/content", "/v1/accounts", "/v1/comments", "/readyz")
        answers = await asyncio.gather(*(timely(stage.caller, "GET", path) for path in paths), stage.order())
        assert [a.status_code for a in answers] == [503] * len(answers)

        async def accepted() -> bool:
            rows = (await world.sandbox.ledger())["events"]
            mine = [r for r in rows if r["external_id"] == stage.account["external_id"]]
            return len(mine) >= 15 and all(r["accepted_at"] for r in mine)

        await eventually(accepted, BOUND_S)
        while time.monotonic() - began < 30:
            assert (await stage.order()).status_code == 503
            await asyncio.sleep(1)
    await stage.comment(5)
    await stage.all_is_there()
    assert (await stage.order()).status_code == 201


def _signed(hook: Hook, document: Json) -> Json:
    body = json.dumps(document).encode()
    return {"content": body, "headers": hook.signed(body)}
