"""The mail loops of one host, beside each other."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from actors.runtime.entity import Message
from actors.runtime.envelope import stream_of
from actors.runtime.host import Host
from actors.runtime.mail_loops import GROUPS
from actors.runtime.moves import Moves
from domain.ids import EntityKey, Kind
from storage.records import StreamId
from tests.unit.runtime.colony import PARTITIONS, Colony, add, counter, until
from tests.unit.runtime.test_mail import ORG_A

KEY = counter("lnk_1")


async def ready(colony: Colony) -> Host:
    host = await colony.start()
    for key in (KEY, ORG_A):
        await host.ask(key, Message("create", id=f"create-{key.id}"))
    return host


async def total(colony: Colony, key: EntityKey) -> int:
    return int((await colony.state(key))["total"])


def test_each_kind_is_read_by_one_loop() -> None:
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(Kind)


async def test_what_follows_from_accounts_does_not_wait_for_their_round(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = await ready(colony)
    run, running, go_on = host.owner.turns.run, asyncio.Event(), asyncio.Event()

    async def slow(work: Mapping[EntityKey, Any], **options: Any) -> Any:
        if ORG_A in work:
            running.set()
            await go_on.wait()
        return await run(work, **options)

    monkeypatch.setattr(host.owner.turns, "run", slow)
    await colony.tell(ORG_A, add(1))
    await running.wait()
    await colony.tell(KEY, add(2, amount=2))

    async def arrived() -> bool:
        return await total(colony, KEY) == 2

    await until(arrived)
    assert await total(colony, ORG_A) == 0
    go_on.set()
    await colony.quiet()
    assert (await total(colony, ORG_A), await total(colony, KEY)) == (1, 2)


async def test_whatever_concerns_a_partition_concerns_each_loop(colony: Colony) -> None:
    host = await colony.start()
    partition = 0
    ids = {stream_of(kind, partition): StreamId(1, 0) for kind in Kind}
    host.mail.add(partition, 1, 0, ids)
    names = {stream for loop in host.mail.by_name.values() for stream in loop.streams.names()}
    assert ids.keys() <= names
    assert all(stream_of(kind, partition) in host.mail.of(kind).streams.names() for kind in Kind), (
        "in that of its kind"
    )
    host.mail.remove(range(PARTITIONS))
    assert [len(loop.streams) for loop in host.mail.by_name.values()] == [0, 0]


async def test_a_partition_is_not_released_before_every_loop_has_ended_its_round(colony: Colony) -> None:
    host = await colony.start()
    rounds = [7, 3]
    moves = Moves(host._partitions, host.owner, lambda key: 0, lambda key: 1, lambda: tuple(rounds), 1.0)
    waiting = asyncio.create_task(moves._mail_round())
    await asyncio.sleep(0)
    rounds[1] = 50  # many rounds of one are none of the other
    await asyncio.sleep(0.05)
    assert not waiting.done()
    rounds[0] = 8
    await asyncio.wait_for(waiting, 1.0)
