"""Entities with an actor of their own: order, poison, release and adoption."""

import asyncio

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.host import Host
from domain.errors import Busy
from storage.records import StoreUnavailable
from tests.fakes.faulty import Faulty
from tests.unit.runtime.colony import Colony, add, counter, until

KEY, OTHER = counter("lnk_1"), counter("lnk_2")


async def isolated(colony: Colony) -> Host:
    host = await colony.start()
    for key in (KEY, OTHER):
        await host.ask(key, Message("create", id=f"create-{key.id}"))
    await host.place(KEY, Placement.DEDICATED)
    return host


async def applied(colony: Colony) -> list[str]:
    found: list[str] = (await colony.state(KEY))["applied"]
    return found


# -- mail -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("poison", ["boom", "huge"])
async def test_what_fails_in_an_actor_ends_in_the_dead_letters_too(
    colony: Colony, poison: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.held.RETRY_S", (0.01,))
    host = await isolated(colony)
    await colony.tell(KEY, add(1), Message(poison, id="bad"), add(2))
    await colony.tell(OTHER, add(1))
    await colony.quiet()
    assert await applied(colony) == ["e1", "e2"]
    assert [x.event_id for x in await colony.dead_letters.list(None, 10)] == ["bad"]
    assert KEY in host.dedicated


async def test_a_call_that_breaks_unexpectedly_does_not_end_the_lane(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.lanes.BROKEN_S", 0.05)
    await isolated(colony)
    call, broken = colony.actors.call, asyncio.Event()

    async def breaking(*args: object) -> dict[str, object]:
        if not broken.is_set():
            broken.set()
            raise ZeroDivisionError
        return await call(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(colony.actors, "call", breaking)
    await colony.tell(KEY, add(1))
    await broken.wait()
    await colony.tell(KEY, add(2))
    await colony.quiet()
    assert await applied(colony) == ["e1", "e2"]
    assert await colony.dead_letters.list(None, 10) == []


# -- release ----------------------------------------------------------------------------------------
async def test_a_message_on_its_way_to_the_actor_is_not_overtaken_by_a_release(colony: Colony) -> None:
    """The actor hears of it after it released its entity; a later message must not be applied first, or
    the watermark would pass the earlier one."""
    host = await isolated(colony)
    arrive = colony.actors.gates["deliver"] = asyncio.Event()
    await colony.tell(KEY, add(1))
    await until(lambda: colony.actors.calls["deliver"] == 1)
    await host.place(KEY, Placement.SHARED)
    await colony.tell(KEY, add(2))
    await asyncio.sleep(0.1)
    arrive.set()
    await colony.quiet()
    assert await applied(colony) == ["e1", "e2"]


async def test_a_release_that_the_lane_hears_of_last_leaves_no_actor_behind(colony: Colony) -> None:
    host = await isolated(colony)
    actor = colony.actors.running[KEY]
    arrive = colony.actors.gates["deliver"] = asyncio.Event()
    await colony.tell(KEY, add(1))
    await until(lambda: colony.actors.calls["deliver"] == 1)
    placed = asyncio.create_task(host.place(KEY, Placement.SHARED))
    await until(lambda: KEY in colony.actors.stopped)
    await placed
    colony.actors.running[KEY] = actor  # it answers once more before it ends
    arrive.set()
    await colony.quiet()
    colony.actors.running.clear()
    colony.actors.gates.clear()
    for n in range(2, 5):
        await colony.tell(KEY, add(n))
        await colony.quiet()
    assert await applied(colony) == ["e1", "e2", "e3", "e4"]
    assert (KEY in host.dedicated, colony.actors.running) == (False, {})


async def test_a_release_waits_for_the_actors_platform_call(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An actor that is busy is not one that is gone: nobody else serves it, and it is not ended."""
    monkeypatch.setattr("actors.runtime.forwarder.CALL_S", 0.2)
    host = await isolated(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    release = asyncio.create_task(host.place(KEY, Placement.SHARED))
    await asyncio.sleep(0.5)
    assert KEY not in colony.actors.stopped
    assert not host.owner.turns.adopted
    colony.handler.open.set()
    assert (await release)["placement"] == "shared"
    assert (await host.view(KEY))["total"] == 7


async def test_a_release_that_waits_in_vain_changes_nothing(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.owner.PLACE_PATIENCE", 2)
    host = await isolated(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    with pytest.raises(Busy):
        await host.place(KEY, Placement.SHARED)
    assert (await host.inspect(KEY))["placement"] == "dedicated"
    assert KEY not in colony.actors.stopped


async def test_a_host_that_has_not_met_the_actor_yet_releases_it_properly(colony: Colony) -> None:
    first = await isolated(colony)
    colony.handler.open.clear()
    await first.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    await colony.kill(first)
    host = await colony.start()
    release = asyncio.create_task(host.place(KEY, Placement.SHARED))
    await asyncio.sleep(0.3)
    assert KEY not in colony.actors.stopped
    colony.handler.open.set()
    await release
    assert (await host.view(KEY))["total"] == 7


async def test_a_host_never_answers_for_an_actor_from_memory(colony: Colony) -> None:
    await colony.kill(await isolated(colony))
    host = await colony.start()
    assert (await host.view(KEY))["total"] == 0  # the host has not met the actor yet
    await colony.actors.running[KEY].owner.ask(KEY, Message("add", {"amount": 1}, "by itself"))
    assert (await host.view(KEY))["total"] == 1
    assert (await host.inspect(KEY))["state"]["total"] == 1


# -- adoption ---------------------------------------------------------------------------------------
async def test_an_adopted_entity_is_not_given_back_before_its_platform_answered(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.forwarder.RETRY_PLACEMENT_S", 0.1)
    host = await isolated(colony)
    colony.actors.frozen.add(KEY)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    await asyncio.sleep(0.4)
    assert KEY in host.owner.turns.adopted
    colony.handler.open.set()
    await until(lambda: KEY not in host.owner.turns.adopted)
    assert (await colony.state(KEY))["total"] == 7


async def test_an_adopted_entity_is_given_back_though_the_store_was_away(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.forwarder.RETRY_PLACEMENT_S", 0.1)
    store = colony.store = Faulty(colony.store)
    host = await isolated(colony)
    colony.actors.frozen.add(KEY)
    owner = host.owner
    take_over = owner.take_over

    async def then_away(key: object) -> bool:
        taken = await take_over(key)  # type: ignore[arg-type]
        monkeypatch.setattr(owner, "take_over", take_over)
        store.away = True
        return taken

    monkeypatch.setattr(owner, "take_over", then_away)
    await colony.tell(KEY, add(1))
    await until(lambda: store.away)
    await asyncio.sleep(0.1)
    store.away = False
    await colony.quiet()
    colony.actors.frozen.clear()
    await until(lambda: KEY not in host.owner.turns.adopted)
    await colony.tell(KEY, add(2))
    await colony.quiet()
    assert await applied(colony) == ["e1", "e2"]


async def test_an_actor_that_was_done_without_does_not_answer_from_old_memory(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.forwarder.RETRY_PLACEMENT_S", 0.1)
    host = await isolated(colony)
    await host.ask(KEY, Message("add", {"amount": 1}, "a"))
    colony.actors.frozen.add(KEY)
    await host.ask(KEY, Message("add", {"amount": 1}, "b"))
    assert KEY in host.owner.turns.adopted
    await until(lambda: KEY not in host.owner.turns.adopted)
    colony.actors.frozen.clear()
    assert (await host.view(KEY))["total"] == 2


async def test_an_actor_starts_over_when_its_host_was_replaced(colony: Colony) -> None:
    """The host before may have adopted the entity without anybody left to tell."""
    first = await isolated(colony)
    await first.ask(KEY, Message("add", {"amount": 1}, "a"))
    colony.actors.frozen.add(KEY)
    await first.ask(KEY, Message("add", {"amount": 1}, "b"))
    await colony.kill(first)
    colony.actors.frozen.clear()
    host = await colony.start()
    await host.ask(KEY, Message("create", id="unchanged"))  # meets the actor
    assert (await host.view(KEY))["total"] == 2


async def test_an_answer_from_before_an_adoption_does_not_hide_it(colony: Colony) -> None:
    """One call hangs and the entity is adopted; an earlier one is answered only then."""
    host = await isolated(colony)
    arrive = colony.actors.gates["view"] = asyncio.Event()
    viewing = asyncio.create_task(host.view(KEY))
    await until(lambda: colony.actors.calls["view"] == 1)
    colony.actors.frozen.add(KEY)
    await host.ask(KEY, Message("add", {"amount": 1}, "by the host"))
    colony.actors.frozen.clear()
    arrive.set()
    await viewing
    host._forwarder.disown(KEY)
    assert (await host.view(KEY))["total"] == 1


# -- new code ---------------------------------------------------------------------------------------
async def test_an_actor_of_an_older_build_is_replaced_once_its_platform_answered(colony: Colony) -> None:
    colony.build = "older"
    old = await isolated(colony)
    outdated = colony.actors.running[KEY]
    colony.handler.open.clear()
    await old.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    await colony.kill(old)
    colony.build = "newer"
    host = await colony.start()
    asking = asyncio.create_task(host.ask(KEY, Message("add", {"amount": 1}, "by new code")))
    await asyncio.sleep(0.2)
    assert colony.actors.running[KEY] is outdated
    colony.handler.open.set()
    assert (await asking)["total"] == 8
    assert colony.actors.running[KEY] is not outdated
    assert colony.actors.stopped == [KEY]


async def test_an_actor_whose_platform_does_not_answer_serves_on(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.dedicated.RETIRE_PATIENCE_S", 0.05)
    host = await isolated(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    host._forwarder._build = "newer"
    assert (await host.ask(KEY, Message("add", {"amount": 1}, "meanwhile")))["total"] == 1
    assert colony.actors.stopped == []


async def test_an_actor_that_stays_of_another_build_is_done_without(colony: Colony) -> None:
    host = await isolated(colony)
    host._forwarder._build = "newer"
    assert (await host.ask(KEY, Message("add", {"amount": 1}, "cmd")))["total"] == 1
    assert KEY in host.owner.turns.adopted


async def test_the_stores_being_away_is_told_as_such(colony: Colony) -> None:
    host = await isolated(colony)
    colony.actors.frozen.add(KEY)
    host.owner.turns.active._store = away = Faulty(colony.store)
    away.away = True
    with pytest.raises(StoreUnavailable):
        await host.ask(KEY, Message("add", {"amount": 1}, "cmd"))
    assert KEY not in host.owner.turns.adopted
