"""The reader of the mailboxes: nothing is skipped, overtaken, or set aside for the wrong reason."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from actors.runtime.addressing import Addressing
from actors.runtime.deliveries import Delivery
from actors.runtime.entity import Message
from actors.runtime.envelope import stream_of
from actors.runtime.host import Host
from actors.runtime.mail import MAX_OF_OVERFLOW, SOLO_FAILURES
from actors.runtime.streams import READ_COUNT, Streams, streams_of
from domain.ids import AccountId, Kind
from platforms.registry import PLATFORMS
from storage.records import ZERO, Entry, Mail, StoreUnavailable, StreamId
from tests.unit.runtime.colony import PARTITIONS, Colony, account, add, counter, until

KEY, OTHER = counter("lnk_1"), counter("lnk_2")
ORG_A, ORG_B = account("org_a"), account("org_b")


async def ready(colony: Colony) -> Host:
    host = await colony.start()
    for key in (KEY, OTHER, ORG_A):
        await host.ask(key, Message("create", id=f"create-{key.id}"))
    return host


async def applied(colony: Colony, key: Any = KEY) -> list[str]:
    found: list[str] = (await colony.state(key))["applied"]
    return found


# -- positions --------------------------------------------------------------------------------------
async def test_a_partition_claimed_again_while_a_read_waits_is_read_from_the_beginning(
    colony: Colony,
) -> None:
    """The read that was under way brings only what is new; what was unfinished before is owed again."""
    streams = Streams(colony.mailboxes, colony.count)
    partition = KEY.partition(PARTITIONS)

    async def claim() -> None:
        streams.add(partition, 1, 0, await colony.mailboxes.last_ids(streams_of(partition)))

    await colony.tell(KEY, add(1))
    await claim()
    assert [d.entry.mail.event_id for d in await streams.read(0)] == ["e1"]
    reading = asyncio.create_task(streams.read(5_000))
    await asyncio.sleep(0.01)
    streams.remove([partition])
    await claim()
    await colony.tell(KEY, add(2))
    seen = [d.entry.mail.event_id for d in await reading]
    seen += [d.entry.mail.event_id for d in await streams.read(0)]
    assert seen == ["e1", "e2"]


async def test_a_partition_lost_in_the_middle_of_a_batch_leaves_nothing_behind(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail that was being applied when its partition went is the new owner's, not tried here for ever."""
    host = await ready(colony)
    run, running, go_on = host.owner.turns.run, asyncio.Event(), asyncio.Event()

    async def slow(work: Any) -> Any:
        running.set()
        await go_on.wait()
        return await run(work)

    monkeypatch.setattr(host.owner.turns, "run", slow)
    await colony.tell(KEY, add(1), add(1), Message("boom", id="bad"))
    await running.wait()
    await colony.claims.assign({p: "host-1" for p in range(PARTITIONS)}, "test")
    await host._own()
    go_on.set()
    await asyncio.sleep(0.1)
    assert host.status()["held"] == {}
    assert host.status()["partitions"] == []


async def test_after_an_outage_what_is_held_goes_on_together(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One turn for each entity was slower than mail arrived: held for minutes (chaos, seed 13)."""
    host = await ready(colony)
    run, away, together = host.owner.turns.run, True, []

    async def counted(work: Any) -> Any:
        if away:
            raise StoreUnavailable("away")
        together.append(len(work))
        return await run(work)

    monkeypatch.setattr(host.owner.turns, "run", counted)
    keys = (KEY, OTHER, ORG_A)
    await colony.mailboxes.tell([colony.envelope.mail(key, add(n)) for key in keys for n in (1, 2)])
    await until(lambda: host.status()["held"] == {str(key): 2 for key in keys})
    away = False
    await colony.quiet()
    assert sorted(together) == [1, 2], "those of each loop"
    for key in keys:
        assert await applied(colony, key) == ["e1", "e2"]


async def test_of_what_is_held_together_one_that_breaks_the_turn_is_found(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = await ready(colony)
    run, away = host.owner.turns.run, True

    async def broken(work: Any) -> Any:
        if away or OTHER in work:
            raise StoreUnavailable("away" if away else "not with this one")
        return await run(work)

    monkeypatch.setattr(host.owner.turns, "run", broken)
    await colony.mailboxes.tell([colony.envelope.mail(key, add(1)) for key in (OTHER, KEY, ORG_A)])
    await until(lambda: len(host.status()["held"]) == 3)
    away = False
    await until(lambda: list(host.status()["held"]) == [str(OTHER)])
    assert await applied(colony) == ["e1"]


# -- suspects ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("deaths", [0, 1])
async def test_an_outage_does_not_count_as_the_death_of_a_process(
    colony: Colony, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was pending at a claim is counted before it is applied: once by each process, and not each time
    a store that is away makes this one start again."""
    await colony.kill(await ready(colony))
    await colony.webhook("100", 1, 2)
    stream = stream_of(Kind.ACCOUNT, ORG_A.partition(PARTITIONS))
    for _ in range(deaths):
        await colony.mailboxes.raise_attempts((await colony.mailboxes.read({stream: ZERO}, 10, 0))[stream])
    host = await colony.host()
    await host._own()

    async def away(*args: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as outage:
        outage.setattr(colony.store, "connections", away)
        for _ in range(SOLO_FAILURES + 3):
            with pytest.raises(StoreUnavailable):
                await host.mail.of(ORG_A.kind).step()
    await host.mail.of(ORG_A.kind).step()
    assert len(await applied(colony, ORG_A)) == 2
    assert await colony.dead_letters.list(None, 10) == []


async def test_a_message_counted_more_often_does_not_overtake_an_earlier_one(colony: Colony) -> None:
    """Whatever the counters say, one entity's messages are applied in order: an earlier one that came later
    would count as known."""
    await colony.kill(await ready(colony))
    await colony.tell(KEY, add(1), add(2), add(3))
    stream = stream_of(Kind.LINK, KEY.partition(PARTITIONS))
    entries = (await colony.mailboxes.read({stream: ZERO}, 10, 0))[stream]
    await colony.mailboxes.raise_attempts([entries[1]])
    await colony.start()
    await colony.quiet()
    assert await applied(colony) == ["e1", "e2", "e3"]


# -- addresses --------------------------------------------------------------------------------------
async def test_what_cannot_be_parsed_is_set_aside_and_the_rest_goes_on(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(colony)
    platform = PLATFORMS["twitter"]
    parse = platform.parse

    def defective(entry: Any) -> Any:
        if ":666:" in entry.event_id:
            raise AttributeError("nobody thought of this")
        return parse(entry)

    monkeypatch.setattr(platform, "parse", defective)
    await colony.webhook("100", 1, 666, 2)
    await colony.tell(KEY, add(1))
    await colony.quiet()
    assert len(await applied(colony, ORG_A)) == 2
    assert await applied(colony) == ["e1"]
    (letter,) = await colony.dead_letters.list(None, 10)
    assert letter.reason == "AttributeError: cannot be opened"


async def test_webhooks_that_arrive_while_a_second_org_connects_do_not_hide_it(colony: Colony) -> None:
    """Looked up between the beginning and the end of the connect, the account has one connection; that
    answer must not stay."""
    host = await ready(colony)
    saving, go_on = asyncio.Event(), asyncio.Event()
    save_many = colony.store.save_many

    async def slow(saves: Mapping[Any, Any]) -> Any:
        if ORG_B in saves:
            saving.set()
            await go_on.wait()
        return await save_many(saves)

    colony.store.save_many = slow
    connecting = asyncio.create_task(host.ask(ORG_B, Message("connect", id="connect")))
    await saving.wait()
    await colony.webhook("100", 1)
    await colony.quiet()
    go_on.set()
    await connecting
    await colony.webhook("100", 2)
    await colony.quiet()
    assert len(await applied(colony, ORG_A)) == 2
    assert len(await applied(colony, ORG_B)) == 1


async def test_a_look_up_under_way_during_a_connect_is_not_kept(colony: Colony) -> None:
    await colony.kill(await ready(colony))
    addressing = Addressing(colony.store, colony.envelope, PLATFORMS)
    connections, read, go_on = colony.store.connections, asyncio.Event(), asyncio.Event()

    async def slow(platform: str, external_ids: Any) -> Any:
        found = await connections(platform, external_ids)
        read.set()
        await go_on.wait()
        return found

    colony.store.connections = slow
    looking = asyncio.create_task(addressing.resolve(["twitter:100"]))
    await read.wait()
    host = await colony.start()
    await host.ask(ORG_B, Message("connect", id="connect"))
    addressing.connected(AccountId.parse(ORG_B.id))
    go_on.set()
    assert await looking == {"twitter:100": (ORG_A.id,)}
    assert await addressing.resolve(["twitter:100"]) == {"twitter:100": (ORG_A.id, ORG_B.id)}


# -- floods -----------------------------------------------------------------------------------------
async def test_a_flood_that_cannot_be_applied_stops_nobody_elses_mail(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.mail.MAX_OF_STREAM", 300)
    monkeypatch.setattr("actors.runtime.mail.MAX_UNFINISHED", 200)
    monkeypatch.setattr("actors.runtime.mail.FAIR_SHARE", 100)
    elsewhere = next(k for n in range(99) if partition(k := counter(f"lnk_{n}")) != partition(KEY))
    host = await ready(colony)
    await host.ask(elsewhere, Message("create", id="create-elsewhere"))
    await colony.tell(KEY, Message("boom", id="bad"), *(add(n) for n in range(1_000)))
    await until(lambda: host.status()["held"].get(str(KEY), 0) > 200)
    for n in range(5):
        await colony.tell(elsewhere, add(n))

    async def done() -> bool:
        return len(await applied(colony, elsewhere)) == 5

    await until(done)
    assert host.status()["held"][str(KEY)] < 300 + READ_COUNT
    assert await applied(colony) == []


async def test_an_overflow_is_read_no_further_than_it_is_applied(colony: Colony) -> None:
    mail = (await ready(colony)).mail.of(Kind.LINK)
    overflow = f"{stream_of(Kind.LINK, 0)}:overflow:lnk_1:5-1"
    for n in range(MAX_OF_OVERFLOW):
        assert mail._has_room(overflow)
        mail._owed.add(Delivery(Entry(overflow, StreamId(n, 0), Mail("lnk_1", f"e{n}", b"")), 0, 1, 0))
    assert not mail._has_room(overflow)
    assert mail._has_room(stream_of(Kind.LINK, 0))


def partition(key: Any) -> int:
    found: int = key.partition(PARTITIONS)
    return found
