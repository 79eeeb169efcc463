"""Everything at once, by dice: traffic, isolations, releases, actors that hang, outages and crashes."""

import asyncio
import random
from contextlib import suppress

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from actors.runtime.verdicts import NotOwner
from domain.errors import RookeryError
from domain.ids import EntityKey
from storage.records import StoreUnavailable
from tests.fakes.faulty import Faulty
from tests.unit.runtime.colony import Colony, Crash, counter

KEYS = [counter("lnk_1"), counter("lnk_2"), counter("lnk_3")]
STORES = ["store", "sides", "mailboxes", "bus"]
DEADLY = [point for point in Failpoint if point is not Failpoint.CLAIMED]  # at which no host comes up
ROUNDS = 80


def message(key: EntityKey, n: int) -> Message:
    """Event ids are unique within a stream, so they name their target."""
    return Message("add", {"amount": 1}, f"{key.id}:{n}")


class History:
    def __init__(self, colony: Colony, seed: int) -> None:
        self.colony = colony
        self.dice = random.Random(seed)
        self.told = dict.fromkeys(KEYS, 0)
        self.host: Host
        self.died = asyncio.Event()
        self.over = False
        colony.actors.latency = lambda: self.dice.random() * 0.01

    def die(self) -> None:
        if self.over:
            return
        self.died.set()
        raise Crash

    async def restart(self) -> None:
        await self.colony.kill(self.host)
        self.died.clear()
        failpoints = Failpoints(self.die)
        if self.dice.random() < 0.5:
            failpoints.arm(self.dice.choice(DEADLY), self.dice.randint(1, 5))
        self.host = await self.colony.start(failpoints=failpoints)

    async def begin(self) -> None:
        self.host = await self.colony.start()
        for key in KEYS:
            await self.host.ask(key, Message("create", id=f"create-{key.id}"))

    async def step(self) -> None:
        dice, key = self.dice, self.dice.choice(KEYS)
        match dice.choices(["tell", "place", "freeze", "outage", "restart", "ask"], [12, 4, 2, 1, 1, 3])[0]:
            case "tell":
                first = self.told[key]
                self.told[key] += dice.randint(1, 5)
                numbers = range(first, self.told[key])
                try:
                    await self.colony.tell(key, *(message(key, n) for n in numbers))
                except StoreUnavailable:
                    self.told[key] = first  # never in part: told again later
            case "place":
                placing = self.host.place(key, dice.choice(list(Placement)))
                with suppress(TimeoutError, RookeryError, StoreUnavailable, NotOwner, Crash):
                    await asyncio.wait_for(placing, 0.2)
            case "freeze":
                self.colony.actors.frozen ^= {key}
            case "outage":
                store = getattr(self.colony, dice.choice(STORES))
                store.away = not store.away
            case "restart":
                for name in STORES:
                    getattr(self.colony, name).away = False
                await self.restart()
            case "ask":
                asked = self.host.ask(key, Message("add", {"amount": 0}, "asked"))
                with suppress(TimeoutError, RookeryError, StoreUnavailable, NotOwner, Crash):
                    await asyncio.wait_for(asked, 0.2)
        await asyncio.sleep(dice.random() * 0.02)
        if self.died.is_set():
            await self.restart()

    async def end(self) -> None:
        self.over = True
        self.colony.actors.frozen.clear()
        for name in STORES:
            getattr(self.colony, name).away = False
        if self.died.is_set():
            await self.restart()
        await self.colony.quiet()


@pytest.mark.parametrize("seed", range(6))
async def test_each_message_takes_effect_once_and_in_order_whatever_happens(
    colony: Colony, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.forwarder.RETRY_PLACEMENT_S", 0.1)
    monkeypatch.setattr("actors.runtime.lanes.AWAY_S", 0.02)
    monkeypatch.setattr("actors.runtime.mail.AWAY_S", 0.02)
    for name in STORES:
        setattr(colony, name, Faulty(getattr(colony, name)))
    history = History(colony, seed)
    await history.begin()
    for _ in range(ROUNDS):
        await history.step()
    await history.end()
    for key in KEYS:
        applied = [x for x in (await colony.state(key))["applied"] if x != "asked"]
        assert applied == [message(key, n).id for n in range(history.told[key])]
        side = await colony.sides.load_many("social_content", [key.id])
        assert not applied or side[key.id]["total"] == len(applied)
    assert await colony.dead_letters.list(None, 10) == []
