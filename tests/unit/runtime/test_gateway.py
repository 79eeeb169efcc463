"""How requests find an owner that moves, and what becomes of them meanwhile; only Ray is replaced."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from actors.runtime import gateway as module
from actors.runtime.entity import Message
from actors.runtime.gateway import Gateway
from domain.errors import Busy, Invalid
from tests.fakes.faulty import Faulty
from tests.unit.runtime.colony import PARTITIONS, Colony, counter, until

KEY = counter("lnk_1")


class Remote:
    """A host's handle: its answers by the method called."""

    def __init__(self, colony: Colony, owns: bool, incarnation: str = "") -> None:
        self._colony = colony
        self.owns = owns
        self.asked = 0
        self.incarnation = incarnation
        self.request = self.status = self

    async def remote(self, sealed: bytes | None = None) -> Any:
        await asyncio.sleep(0)
        if sealed is None:
            return {"name": "x", "incarnation": self.incarnation}
        self.asked += 1
        answer = {"reply": {"total": 1}} if self.owns else {"not_owner": True}
        return self._colony.envelope.seal_call(answer)


class Wired(Gateway):
    def __init__(self, colony: Colony, hosts: dict[str, Remote]) -> None:
        super().__init__(colony.claims, colony.mailboxes, colony.envelope, colony.clock, hosts=2)
        self._remotes = hosts

    async def _handle(self, host: str) -> Any:
        if host not in self._remotes:
            raise ValueError(host)
        return self._remotes[host]


@pytest.fixture
async def colony() -> Colony:
    colony = Colony()
    await colony.claims.assign({p: "host-0" for p in range(PARTITIONS)}, "test")
    return colony


async def test_requests_wait_while_their_owner_moves_and_look_for_it_together(colony: Colony) -> None:
    claims = colony.claims = Faulty(colony.claims)
    old, new = Remote(colony, owns=False), Remote(colony, owns=True)
    gateway = Wired(colony, {"host-0": old, "host-1": new})
    asks = [asyncio.create_task(gateway.ask(KEY, Message("add", {}, f"id-{n}"))) for n in range(100)]
    await until(lambda: old.asked >= 200)
    looks = claims.calls["all"]
    assert looks < 20, "each of them looked for itself"
    await claims.assign({p: "host-1" for p in range(PARTITIONS)}, "test")
    assert await asyncio.gather(*asks) == [{"total": 1}] * 100
    assert new.asked == 100


async def test_more_than_can_wait_are_told_to_come_back(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    old = Remote(colony, owns=False)
    gateway = Wired(colony, {"host-0": old})
    asks = [asyncio.create_task(gateway.view(KEY)) for _ in range(5)]
    done, waiting = await asyncio.wait(asks, timeout=0.2)
    errors = [task.exception() for task in done]
    assert [(type(e), getattr(e, "code", "")) for e in errors] == [(Busy, "owner_moving")] * 2
    old.owns = True
    assert await asyncio.gather(*waiting) == [{"total": 1}] * 3
    assert await gateway.view(KEY) == {"total": 1}, "the places are free again"


async def test_it_is_ready_while_a_partition_is_on_its_way_but_not_when_it_stays_there(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Wired(
        colony, {"host-0": Remote(colony, True, "inc-0"), "host-1": Remote(colony, True, "inc-1")}
    )
    assert not await gateway.ready()
    held = [await colony.claims.claim(p, "host-0", "inc-0", "test") for p in range(PARTITIONS)]
    await asyncio.sleep(module.LOOK_AGAIN_S)
    assert await gateway.ready()
    assert held[1] is not None
    await colony.claims.release(held[1], "host-1", colony.clock.now())
    await asyncio.sleep(module.LOOK_AGAIN_S)
    assert await gateway.ready()
    monkeypatch.setattr(module, "MOVES_WITHIN", timedelta(0))
    assert not await gateway.ready()
    await colony.claims.claim(1, "host-1", "inc-of-before", "test")
    await asyncio.sleep(module.LOOK_AGAIN_S)
    assert not await gateway.ready(), "its host answers, but as another process"
    await colony.claims.claim(1, "host-1", "inc-1", "test")
    await asyncio.sleep(module.LOOK_AGAIN_S)
    assert await gateway.ready()


async def test_a_wish_is_kept_and_one_that_makes_no_sense_refused(colony: Colony) -> None:
    gateway = Wired(colony, {})
    assert await gateway.scaling() == {"hosts": 2, "owning": 1, "partitions_to_move": 2}
    assert (await gateway.scale(PARTITIONS))["hosts"] == PARTITIONS
    with pytest.raises(Invalid, match="There are 4 partitions"):
        await gateway.scale(PARTITIONS + 1)
    assert await colony.claims.wish() == PARTITIONS
