"""Partitions that move between live hosts: in good order, with their effects, losing and doubling nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from actors.runtime import supervisor as supervision
from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from actors.runtime.supervisor import HostAway, Supervisor
from actors.runtime.verdicts import NotOwner
from domain.errors import Busy
from domain.ids import EntityKey
from tests.unit.runtime.colony import PARTITIONS, Colony, Crash, add, counter, until
from tests.unit.runtime.counting import Echo
from tests.unit.runtime.test_partitions import one_in_each_partition


class Cluster:
    """`Hosts` of one colony, and the way from one of them to the owner of an entity."""

    def __init__(self, colony: Colony) -> None:
        self.colony = colony
        self.running: dict[str, Host] = {}
        self.silent: set[str] = set()
        self.ended: list[str] = []
        self.failpoints = Failpoints()

    async def nodes(self) -> list[str]:
        return []

    async def names(self) -> list[str]:
        return list(self.running)

    async def start(self, name: str, node: str | None) -> None:
        colony = self.colony
        parts = replace(colony.parts(self.failpoints), handover=self)
        host = self.running[name] = Host(name, colony.build, parts, colony.addressing(), colony.actors)
        host.start()

    async def status(self, name: str) -> dict[str, Any] | None:
        return None if name in self.silent else self.running[name].status()

    async def release(self, name: str, partition: int, to: str) -> bool:
        return await self._host(name).release(partition, to)

    async def take(self, name: str, partition: int) -> None:
        await self._host(name).take(partition)

    async def end(self, name: str) -> None:
        host = self.running.pop(name)
        assert not host.ownership.held, "a host was ended that owned something"
        await host.drain()
        await host.stop()
        self.ended.append(name)

    def _host(self, name: str) -> Host:
        if name in self.silent or name not in self.running:
            raise HostAway(name)
        return self.running[name]

    # -- `Owners` and `Handover`, as far as needed ---------------------------------------------------
    async def owner(self, key: EntityKey) -> Host:
        claim = {c.partition: c for c in await self.colony.claims.all()}[key.partition(PARTITIONS)]
        return self.running[claim.host]

    async def ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                try:
                    return await (await self.owner(key)).ask(key, message)
                except NotOwner:
                    await asyncio.sleep(0.01)

    async def outcome(self, key: EntityKey, message: Message, outcome: str) -> None:
        try:
            await (await self.owner(key)).outcome(key, message, outcome)
        except NotOwner:
            raise Busy("owner_moving", "again") from None

    async def effect(self, key: EntityKey, effect: Effect) -> None:
        async with asyncio.timeout(5):
            while True:
                try:
                    return (await self.owner(key)).begin(key, effect)
                except NotOwner:
                    await asyncio.sleep(0.01)


def supervisor(cluster: Cluster, count: int) -> Supervisor:
    colony = cluster.colony
    return Supervisor(colony.claims, cluster, count, PARTITIONS, colony.build, colony.clock)


async def settled(cluster: Cluster, boss: Supervisor, hosts: int) -> None:
    async def all_owned() -> bool:
        await boss.step()
        held = Counter({name: len(host.ownership.held) for name, host in cluster.running.items()})
        shares = sorted(held.values())
        return len(held) == hosts and sum(shares) == PARTITIONS and shares[-1] - shares[0] <= 1

    await until(all_owned, 20)


@pytest.fixture
async def cluster(colony: Colony, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr("actors.runtime.moves.OTHERS_PATIENCE_S", 0.1)
    cluster = Cluster(colony)
    yield cluster
    for host in cluster.running.values():
        await host.stop()


async def two_hosts(cluster: Cluster) -> tuple[Supervisor, EntityKey, Host, Host]:
    """Two hosts, an entity of host-0 that was created, and who owns it and who does not."""
    boss = supervisor(cluster, 2)
    await settled(cluster, boss, 2)
    key = one_in_each_partition()[0]
    await cluster.ask(key, Message("create", id="create"))
    owner = await cluster.owner(key)
    (other,) = (host for host in cluster.running.values() if host is not owner)
    return boss, key, owner, other


async def move(cluster: Cluster, key: EntityKey, to: Host) -> bool:
    partition = key.partition(PARTITIONS)
    released = await (await cluster.owner(key)).release(partition, to.name)
    await to.take(partition)
    return released


async def test_nothing_is_abandoned_where_a_partition_came_in_good_order(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its calls bring is on its way: they are not made again at once, as after a crash."""
    _, key, _, other = await two_hosts(cluster)
    partition, scan, scanned = key.partition(PARTITIONS), other.owner.reminders.scan, []

    async def seen(partition: int, abandoned: bool) -> bool:
        scanned.append((partition, abandoned))
        return await scan(partition, abandoned)

    monkeypatch.setattr(other.owner.reminders, "scan", seen)
    assert await move(cluster, key, other)
    await until(lambda: (partition, False) in scanned)
    assert (partition, True) not in scanned


# -- scaling ----------------------------------------------------------------------------------------
async def test_scaling_under_traffic_loses_doubles_and_reorders_nothing(cluster: Cluster) -> None:
    colony = cluster.colony
    boss = supervisor(cluster, 2)
    await settled(cluster, boss, 2)
    keys = [counter(f"lnk_{n}") for n in range(12)]
    for key in keys:
        await cluster.ask(key, Message("create", id=f"create-{key.id}"))
    sent = 0
    asked: list[str] = []

    stop = asyncio.Event()

    async def traffic() -> None:
        nonlocal sent
        while not stop.is_set():
            await asyncio.gather(*(colony.tell(key, add(sent)) for key in keys))
            asked.append(f"c{sent}")
            await cluster.ask(keys[sent % 12], Message("add", {"amount": 0}, f"c{sent}"))
            sent += 1
            await asyncio.sleep(0.005)

    sending = asyncio.create_task(traffic())
    for hosts in (4, 1, 3):
        await colony.claims.set_wish(hosts)
        await settled(cluster, boss, hosts)
    stop.set()
    await sending
    await colony.quiet()
    for n, key in enumerate(keys):
        applied = (await colony.state(key))["applied"]
        mail = [id_ for id_ in applied if id_.startswith("e")]
        assert mail == [f"e{n}" for n in range(sent)]
        assert [id_ for id_ in applied if id_.startswith("c")] == asked[n::12]
    assert sorted(cluster.ended) == ["host-1", "host-2", "host-3"]
    assert sum(c.pause_ms is not None for c in await colony.claims.all()) > 0
    assert colony.counted["partition_pauses"] > 0


async def test_a_supervisor_that_starts_anew_finds_the_wish_and_the_hosts(cluster: Cluster) -> None:
    await settled(cluster, supervisor(cluster, 1), 1)
    await cluster.colony.claims.set_wish(3)
    await settled(cluster, supervisor(cluster, 1), 3)
    await cluster.colony.claims.set_wish(2)
    await settled(cluster, supervisor(cluster, 5), 2)


async def test_new_code_replaces_host_by_host(cluster: Cluster) -> None:
    colony = cluster.colony
    await settled(cluster, supervisor(cluster, 2), 2)
    key = one_in_each_partition()[0]
    await cluster.ask(key, Message("create", id="create"))
    before = {host.incarnation for host in cluster.running.values()}
    colony.build = "next"
    boss = supervisor(cluster, 2)

    async def replaced() -> bool:
        await boss.step()
        builds = {host.build for host in cluster.running.values()}
        return builds == {"next"} and len(cluster.running) == 2

    await until(replaced, 20)
    await settled(cluster, boss, 2)
    assert cluster.ended == ["host-0", "host-1", "host-2"]
    assert not before & {host.incarnation for host in cluster.running.values()}
    assert {c.build for c in await colony.claims.all()} == {"next"}
    assert (await (await cluster.owner(key)).view(key))["total"] == 0


async def test_a_silent_host_keeps_its_partitions_for_a_minute(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss, _, owner, other = await two_hosts(cluster)
    cluster.silent.add(owner.name)
    for _ in range(3):
        await boss.step()
    assert len(owner.ownership.held) == PARTITIONS // 2
    monkeypatch.setattr(supervision, "LOST_S", 0.0)
    await boss.step()
    assert len(other.ownership.held) == PARTITIONS
    monkeypatch.setattr(supervision, "LOST_S", 60.0)
    cluster.silent.clear()
    await settled(cluster, boss, 2)


# -- one move ---------------------------------------------------------------------------------------
async def test_the_new_owner_is_told_and_reads_from_the_beginning(cluster: Cluster) -> None:
    _, key, owner, other = await two_hosts(cluster)
    epoch = owner.ownership.epoch(key.partition(PARTITIONS))
    assert epoch is not None
    assert await move(cluster, key, other)
    assert other.ownership.epoch(key.partition(PARTITIONS)) == epoch + 1
    with pytest.raises(NotOwner):
        await owner.ask(key, add(1))
    await cluster.colony.tell(key, add(2))
    await cluster.colony.quiet()
    assert (await other.view(key))["total"] == 1
    (claim,) = [c for c in await cluster.colony.claims.all() if c.partition == key.partition(PARTITIONS)]
    assert claim.pause_ms is not None and claim.host == other.name


async def test_an_intent_is_waited_for_and_its_outcome_saved_by_the_old_owner(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Echo, "once", True)
    colony = cluster.colony
    _, key, owner, other = await two_hosts(cluster)
    colony.handler.open.clear()
    await owner.ask(key, Message("echo", {"amount": 7}, "echo"))
    moving = asyncio.create_task(move(cluster, key, other))
    await asyncio.sleep(0.3)
    assert not moving.done()
    assert (await owner.ask(key, Message("add", {"amount": 1}, "meanwhile")))["total"] == 1
    colony.handler.open.set()
    assert await moving
    assert (await other.view(key))["total"] == 8
    assert colony.counted["outcomes_handed_over"] == 0


async def test_an_outcome_that_comes_back_after_the_move_goes_to_the_new_owner(cluster: Cluster) -> None:
    colony = cluster.colony
    _, key, owner, other = await two_hosts(cluster)
    colony.handler.open.clear()
    await owner.ask(key, Message("echo", {"amount": 7}, "echo"))
    assert await move(cluster, key, other)
    assert (await other.view(key))["total"] == 0
    colony.handler.open.set()
    await until(lambda: colony.counted["outcomes_handed_over"] == 1)
    assert (await other.view(key))["total"] == 7
    assert colony.counted["outcomes_dropped"] == 0


async def test_an_effect_decided_while_the_partition_leaves_is_begun_by_the_new_owner(
    cluster: Cluster,
) -> None:
    colony = cluster.colony
    _, key, owner, other = await two_hosts(cluster)
    colony.handler.open.clear()
    await owner.ask(key, Message("echo", {"amount": 1}, "before"))
    moving = asyncio.create_task(move(cluster, key, other))
    await asyncio.sleep(0.02)
    await owner.ask(key, Message("echo", {"amount": 10}, "meanwhile"))
    assert colony.handler.echoes == 1
    assert await moving
    await until(lambda: colony.handler.echoes == 2)
    assert other.owner.effects.in_flight == {key: 1}
    colony.handler.open.set()

    async def both() -> bool:
        return bool((await other.view(key))["total"] == 11)

    await until(both)


async def test_a_turn_that_does_not_end_keeps_the_partition_and_its_mail_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.moves.QUIET_PATIENCE", 30)
    _, key, owner, other = await two_hosts(cluster)
    async with owner.owner.turns.locks.holding([key]):
        assert not await owner.release(key.partition(PARTITIONS), other.name)
    await cluster.colony.tell(key, add(1))
    await cluster.colony.quiet()
    assert (await owner.view(key))["total"] == 1
    assert not owner.status()["releasing"]


async def test_a_partition_that_is_not_here_is_not_released(cluster: Cluster) -> None:
    _, key, owner, other = await two_hosts(cluster)
    assert not await other.release(key.partition(PARTITIONS), owner.name)
    assert owner.ownership.epoch(key.partition(PARTITIONS)) is not None


async def test_mail_that_waits_during_moves_is_not_suspected_of_ending_processes(cluster: Cluster) -> None:
    colony = cluster.colony
    boss, key, owner, other = await two_hosts(cluster)
    await colony.tell(key, Message("boom", id="held"))
    await until(lambda: str(key) in owner.mail.held)
    for to in (other, owner, other):
        assert await move(cluster, key, to)
        await until(lambda to=to: str(key) in to.mail.held)
    assert not colony.redis.attempts
    await colony.kill(other)  # a process that ended is another matter
    await cluster.start(other.name, None)
    await settled(cluster, boss, 2)
    await until(lambda: sum(colony.redis.attempts.values()) == 1)


@pytest.mark.parametrize("point", [Failpoint.RELEASE_STARTED, Failpoint.RELEASE_SAVED])
async def test_a_crash_in_the_middle_of_a_move_loses_nothing(cluster: Cluster, point: Failpoint) -> None:
    colony = cluster.colony
    boss, key, owner, other = await two_hosts(cluster)
    died = asyncio.Event()

    def die() -> None:
        died.set()
        raise Crash

    owner._parts.failpoints._act = die
    owner._parts.failpoints.arm(point)
    with pytest.raises(Crash):
        await owner.release(key.partition(PARTITIONS), other.name)
    await colony.kill(owner)
    await colony.tell(key, add(1))
    await cluster.start(owner.name, None)
    await settled(cluster, boss, 2)
    await colony.quiet()
    assert (await (await cluster.owner(key)).view(key))["total"] == 1
