"""Turns and effects: outcomes are saved however often it takes, and reminders know what is under way."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from actors.runtime.entity import TICK, Message
from actors.runtime.host import Host
from actors.runtime.turns import RACES
from actors.runtime.urgency import Urgency
from actors.runtime.verdicts import FLUSH, Item
from tests.fakes.faulty import Fault, Faulty
from tests.unit.runtime.colony import Colony, Racing, add, until
from tests.unit.runtime.counting import Count, Counting, Echo
from tests.unit.runtime.test_turns import KEY, ready


async def total(colony: Colony) -> int:
    found: int = (await colony.state(KEY))["total"]
    return found


async def test_an_outcome_is_saved_however_many_races_it_loses(colony: Colony) -> None:
    host = await ready(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    host.owner.turns._store = racing = Racing(colony.store, KEY, 3 * RACES)  # type: ignore[assignment]
    colony.handler.open.set()

    async def echoed() -> bool:
        return await total(colony) == 7

    await until(echoed)
    assert racing.races == 0


@pytest.mark.parametrize("method", ["save_many", "upsert_many"])
async def test_an_outcome_whose_answer_is_lost_counts_once(colony: Colony, method: str) -> None:
    store, sides = Faulty(colony.store), Faulty(colony.sides)
    colony.store, colony.sides = store, sides
    host = await ready(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    faulty = store if method == "save_many" else sides
    faulty.plan = [Fault(method, faulty.calls[method] + 1, "after")]
    colony.handler.open.set()
    await until(lambda: not host.owner.effects.in_flight)
    assert await total(colony) == 7
    await host.ask(KEY, Message("echo", {"amount": 7}, "again"))  # a new one of the same content counts
    await until(lambda: not host.owner.effects.in_flight)
    assert await total(colony) == 14


async def heard_while_the_store_is_away(colony: Colony, amount: Any) -> Host:
    """An outcome that could not be saved, and whose next try is half a second away; the store is back."""
    store = colony.store = Faulty(colony.store)
    host = await ready(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": amount}, "cmd"))
    store.away = True
    host.owner.turns.active.forget([KEY])
    colony.handler.open.set()
    await until(lambda: bool(host.owner.effects.heard(KEY)))
    await asyncio.sleep(0.05)
    store.away = False
    return host


@pytest.mark.parametrize("by", ["command", "mail"])
async def test_an_outcome_that_was_heard_is_first_in_whatever_turn_comes_next(
    colony: Colony, by: str
) -> None:
    """Or an intent that is due by then would be taken for unknown."""
    host = await heard_while_the_store_is_away(colony, 7)
    if by == "command":
        assert (await host.ask(KEY, Message("add", {"amount": 1}, "next")))["total"] == 8
    else:
        await colony.tell(KEY, add(1))
        await colony.quiet()
    await until(lambda: not host.owner.effects.in_flight)
    assert (await colony.state(KEY))["applied"] == ["echo", "next" if by == "command" else "e1"]
    assert not host.owner.effects.heard(KEY)


async def test_an_outcome_that_cannot_be_applied_holds_nothing_up(colony: Colony) -> None:
    host = await heard_while_the_store_is_away(colony, "seven")
    await colony.tell(KEY, add(1))
    await colony.quiet()
    await until(lambda: not host.owner.effects.in_flight)
    assert (await colony.state(KEY))["applied"] == ["e1"]
    assert await colony.dead_letters.list(None, 10) == []


# -- reminders while something is under way, and while nothing is --------------------------------------
async def test_a_reminder_says_whether_anything_is_under_way_here(colony: Colony) -> None:
    ticks: list[bool] = []

    class Noting(Counting):
        def apply(self, *arguments: Any) -> Any:
            if (message := arguments[2]).name == TICK.name:
                ticks.append("lonely" in message.data)
            return super().apply(*arguments)

    host = await ready(colony)
    host.owner.turns.active.forget([KEY])
    host.owner.turns._entities = {KEY.kind: Noting()}
    await host.owner.turns.run({KEY: [FLUSH, Item(TICK)]})
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    await host.owner.turns.run({KEY: [FLUSH, Item(TICK)]})
    bar = host.owner.effects.bar(lambda key: key == KEY)
    colony.handler.open.set()
    await until(lambda: not host.owner.effects.in_flight)
    await host.ask(KEY, Message("echo", {"amount": 7}, "kept"))  # until it may begin, perhaps elsewhere
    await host.owner.turns.run({KEY: [FLUSH, Item(TICK)]})
    host.owner.effects.lift(bar, lambda key: True)
    await until(lambda: not host.owner.effects.in_flight)
    await host.owner.turns.run({KEY: [FLUSH, Item(TICK)]})
    assert ticks == [True, False, False, True]


@pytest.mark.parametrize("awaits", [True, False])
async def test_while_a_call_is_under_way_every_save_is_looked_at_again_soon(
    colony: Colony, awaits: bool
) -> None:
    """Also one that owes and begins nothing: else a successor looks when the time of the call is over."""

    class Waiting(Counting):
        def apply(self, *arguments: Any) -> Any:
            return replace(super().apply(*arguments), events=(), side=())

        def awaits(self, state: Count) -> bool:
            return awaits

    host = await ready(colony)
    host.owner.turns._entities = {KEY.kind: Waiting()}
    for n in range(2):
        await host.ask(KEY, Message("add", {"amount": 1}, f"cmd{n}"))
    document = (await colony.store.load_many([KEY]))[KEY]
    soon = document["next_due_at"] is not None and document["urgency"] == Urgency.SAVE
    assert soon is awaits


@pytest.mark.parametrize("early", [True, False])
async def test_only_an_early_effect_begins_while_side_documents_are_written(
    colony: Colony, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    class Asking(Counting):
        def apply(self, *arguments: Any) -> Any:
            turn = super().apply(*arguments)
            return replace(turn, effects=(Echo(5),)) if arguments[2].name == "add" else turn

    monkeypatch.setattr(Echo, "early", early)
    written, begun, upsert = asyncio.Event(), asyncio.Event(), colony.sides.upsert_many

    async def slowly(*arguments: Any, **options: Any) -> None:
        begun.set()
        await written.wait()
        await upsert(*arguments, **options)

    host = await ready(colony)
    host.owner.turns._entities = {KEY.kind: Asking()}
    monkeypatch.setattr(colony.sides, "upsert_many", slowly)
    asked = asyncio.create_task(host.ask(KEY, Message("add", {"amount": 1}, "cmd")))
    await begun.wait()
    await asyncio.sleep(0.05)
    assert colony.handler.echoes == (1 if early else 0)
    written.set()
    await asked
    await until(lambda: not host.owner.effects.in_flight)
    assert colony.handler.echoes == 1
    assert await total(colony) == 6
