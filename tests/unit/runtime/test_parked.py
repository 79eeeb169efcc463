"""Webhooks for accounts that nobody has connected: kept once, replayed once, and counted when there are
too many."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.owner import Owner
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Item
from domain.ids import EntityKey, Kind
from storage.records import StoreUnavailable, StreamId
from tests.fakes.faulty import Faulty
from tests.unit.runtime.colony import Colony, Crash, account, until

WHO = account("org_a")
TARGET = "twitter:100"


async def dies_after_parking(colony: Colony) -> None:
    """A host that parks what is in the mailbox and ends before it deletes it there."""
    died = asyncio.Event()

    def die() -> None:
        died.set()
        raise Crash

    failpoints = Failpoints(die)
    failpoints.arm(Failpoint.PARKED)
    doomed = await colony.start(failpoints=failpoints)
    await asyncio.wait_for(died.wait(), 5)
    await colony.kill(doomed)


async def total(colony: Colony) -> int:
    found: int = (await colony.state(WHO))["total"]
    return found


@pytest.mark.parametrize("events", [1, 3])
async def test_a_crash_after_parking_leaves_events_parked_once_and_replayed_once(
    colony: Colony, events: int
) -> None:
    await colony.webhook("100", *range(events))
    await dies_after_parking(colony)
    assert await colony.owed() == events, "the crash came before the mailbox was emptied"
    host = await colony.start()
    await colony.quiet()
    assert await colony.parking.counts(10) == {TARGET: events}

    await host.ask(WHO, Message("connect", id="connect"))

    async def nothing_parked() -> bool:
        return await colony.parking.counts(10) == {}

    await until(nothing_parked)
    await colony.quiet()
    await colony.kill(host)
    await colony.start()
    await colony.webhook("100", *range(events))  # the platform repeats itself
    await colony.quiet()
    assert await total(colony) == events
    assert len((await colony.state(WHO))["applied"]) == events


async def test_an_event_both_parked_and_in_the_mailbox_at_the_connect_counts_once(colony: Colony) -> None:
    await colony.webhook("100", 1)
    await dies_after_parking(colony)
    # The account is there when the successor reads the entry again.
    elsewhere = Owner(colony.parts(Failpoints()), Tasks(), lambda key: 1, Placement.SHARED)
    await elsewhere.ask(WHO, Message("create", id="create"))
    host = await colony.start()
    await colony.quiet()
    assert await total(colony) == 1
    assert await colony.parking.counts(10) == {TARGET: 1}

    await host.ask(WHO, Message("connect", id="connect"))  # replays it
    await until(lambda: colony.counted["duplicates_dropped"] == 1)
    await colony.quiet()
    assert await total(colony) == 1
    assert await colony.parking.counts(10) == {}


async def test_what_finds_no_room_is_counted(colony: Colony, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.documents.PER_TARGET", 3)
    await colony.start()
    await colony.webhook("100", *range(5))
    await colony.webhook("200", 9)
    await colony.quiet()
    assert await colony.parking.counts(10) == {TARGET: 3, "twitter:200": 1}
    assert colony.counted["webhooks_parked_dropped"] == 2
    assert colony.counted["webhooks_parked"] == 6


async def test_what_finds_room_is_not_counted_as_dropped(colony: Colony) -> None:
    await colony.start()
    await colony.webhook("100", *range(5))
    await colony.quiet()
    assert "webhooks_parked_dropped" not in colony.counted


async def test_what_is_parked_has_left_its_stream_before_anything_later_is_applied(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody connects the account, the event is told again under a new position, and a later one is
    applied: whoever reads the first entry once more would find its position passed and take it for applied
    (found by the simulation, seed 156)."""
    colony.store = store = Faulty(colony.store)
    host = await colony.host("host-0")
    await host._own()
    await colony.webhook("100", 1)
    store.away = True
    with pytest.raises(StoreUnavailable):
        await host.mail.of(Kind.ACCOUNT).step()  # it is read, and has no place yet
    store.away = False

    def there() -> set[StreamId]:
        streams = [s for name, s in colony.redis.streams.items() if name.startswith("mailbox:account:")]
        return {id_ for stream in streams for id_ in stream.entries}

    first, left = there(), []
    read, run = host.mail.of(Kind.ACCOUNT).streams.read, host.owner.turns.run

    async def connected_meanwhile(*args: Any) -> Any:
        await host.ask(WHO, Message("connect", id="connect"))
        await colony.webhook("100", 2)
        return await read(*args)

    async def watched(work: Mapping[EntityKey, Sequence[Item]], **kwargs: Any) -> Any:
        if any(item.position is not None for items in work.values() for item in items):
            left.append(first & there())
        return await run(work, **kwargs)

    monkeypatch.setattr(host.mail.of(Kind.ACCOUNT).streams, "read", connected_meanwhile)
    monkeypatch.setattr(host.owner.turns, "run", watched)
    await host.mail.of(Kind.ACCOUNT).step()
    assert left == [set()]


class MissesOnce:
    """A document server whose look-up misses, once, an account that it is writing at that moment."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.missed = 0

    async def connections(self, platform: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        if not self.missed:
            self.missed += 1
            return {}
        found: dict[str, list[str]] = await self._inner.connections(platform, external_ids)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_an_account_that_one_look_missed_is_told_all_the_same(colony: Colony) -> None:
    host = await colony.start()
    await host.ask(WHO, Message("connect", id="connect"))
    await colony.kill(host)
    colony.store = store = MissesOnce(colony.store)
    await colony.start()
    await colony.webhook("100", 1)
    await colony.quiet()
    assert store.missed == 1
    assert await total(colony) == 1
