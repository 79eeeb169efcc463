"""Steps beside the batch that may be the last: dead letters, placement, claims, drains."""

import asyncio

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.verdicts import NotOwner
from tests.unit.runtime.colony import PARTITIONS, Colony, Crash, add, counter

KEY = counter("lnk_1")


async def prepared() -> Colony:
    colony = Colony()
    host = await colony.start()
    await host.ask(KEY, Message("create", id="create"))
    await colony.kill(host)
    return colony


def deadly(point: Failpoint, after: int = 1) -> tuple[Failpoints, asyncio.Event]:
    died = asyncio.Event()

    def die() -> None:
        died.set()
        raise Crash

    failpoints = Failpoints(die)
    failpoints.arm(point, after)
    return failpoints, died


@pytest.mark.parametrize("point", [Failpoint.DEAD_LETTERED, Failpoint.DEAD_PASSED])
async def test_a_dead_letter_is_written_once_and_passed_once(
    point: Failpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.held.RETRY_S", (0.01,))
    colony = await prepared()
    failpoints, died = deadly(point)
    doomed = await colony.start(failpoints=failpoints)
    await colony.tell(KEY, add(1), Message("boom", id="bad"), add(2))
    await asyncio.wait_for(died.wait(), 5)
    await colony.kill(doomed)
    successor = await colony.start()
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2"]
    assert [x.event_id for x in await colony.dead_letters.list(None, 10)] == ["bad"]
    await colony.kill(successor)


async def test_a_crash_after_the_placement_was_saved_leaves_one_owner() -> None:
    colony = await prepared()
    failpoints, _ = deadly(Failpoint.PLACEMENT_SAVED)
    doomed = await colony.start(failpoints=failpoints)
    with pytest.raises(Crash):
        await doomed.place(KEY, Placement.DEDICATED)
    await colony.kill(doomed)
    successor = await colony.start()
    await colony.tell(KEY, *(add(n) for n in range(5)))
    await colony.quiet()
    assert KEY in colony.actors.running
    assert (await colony.state(KEY))["total"] == 5
    assert (await successor.inspect(KEY))["placement"] == "dedicated"
    await colony.kill(successor)


@pytest.mark.parametrize("after", range(1, PARTITIONS))
async def test_a_crash_in_the_middle_of_claiming_leaves_nothing_unclaimed(after: int) -> None:
    colony = await prepared()
    await colony.tell(KEY, add(1))
    failpoints, died = deadly(Failpoint.CLAIMED, after)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(colony.start(failpoints=failpoints), 0.3)
    assert died.is_set()
    successor = await colony.start()
    await colony.quiet()
    assert (await colony.state(KEY))["total"] == 1
    epochs = [c.epoch for c in await colony.claims.all()]
    assert min(epochs) >= 2
    await colony.kill(successor)


async def test_a_drained_host_takes_nothing_and_loses_nothing() -> None:
    colony = await prepared()
    old = await colony.start()
    await colony.tell(KEY, add(1))
    await colony.quiet()
    await old.drain()
    assert old._parts.failpoints.passed[Failpoint.DRAIN_DONE] == 1
    with pytest.raises(NotOwner):
        await old.ask(KEY, Message("add", {"amount": 1}, "late"))
    await colony.tell(KEY, add(2))
    await asyncio.sleep(0.05)
    assert await colony.owed() == 1
    new = await colony.start()
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2"]
    await colony.kill(old)
    await colony.kill(new)
