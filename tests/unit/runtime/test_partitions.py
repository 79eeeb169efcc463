"""What a host begins and lets go as its claims change: also when a store is away at that moment."""

import asyncio
from typing import Any

import pytest

from actors.runtime.entity import Message
from actors.runtime.host import Host
from actors.runtime.room import crowded
from actors.runtime.verdicts import Elsewhere
from domain.ids import EntityKey, Kind
from storage.records import StoreUnavailable
from tests.fakes.faulty import Fault, Faulty
from tests.unit.runtime.colony import PARTITIONS, Colony, account, add, counter, until

KEY, OTHER = counter("lnk_1"), counter("lnk_2")


async def ready(colony: Colony, *keys: EntityKey) -> Host:
    host = await colony.start()
    for key in keys or (KEY,):
        await host.ask(key, Message("create", id=f"create-{key.id}"))
    return host


async def check(host: Host) -> None:
    """What its loop does every two seconds, and again after a failure."""
    for _ in range(2 * PARTITIONS):
        try:
            await host._own()
            return
        except StoreUnavailable:
            continue
    raise AssertionError("the stores never came back")


def one_in_each_partition() -> list[EntityKey]:
    found: dict[int, EntityKey] = {}
    for n in range(1000):
        key = counter(f"lnk_{n}")
        found.setdefault(key.partition(PARTITIONS), key)
    return [found[p] for p in range(PARTITIONS)]


@pytest.mark.parametrize("nth", range(1, PARTITIONS + 1))
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("store", "method"), [("claims", "claim"), ("mailboxes", "last_ids")])
async def test_a_store_away_at_a_claim_leaves_no_partition_unread(
    colony: Colony, store: str, method: str, nth: int, when: Any
) -> None:
    keys = one_in_each_partition()
    await colony.kill(await ready(colony, *keys))
    for key in keys:
        await colony.tell(key, add(1))
    setattr(colony, store, Faulty(getattr(colony, store), [Fault(method, nth, when)]))
    host = await colony.host()
    await check(host)
    for _ in range(3):
        await host.mail.of(Kind.LINK).step()
    assert await colony.owed() == 0
    assert [(await colony.state(key))["total"] for key in keys] == [1] * PARTITIONS


async def test_a_partition_claimed_anew_while_it_is_looked_through_is_looked_through_again(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is from before the claim: another owner may have owed more by then."""
    host = await colony.host()
    await check(host)
    scan, lost = host.owner.reminders.scan, list[int]()

    async def overtaken(partition: int, abandoned: bool) -> bool:
        if not lost:
            lost.append(partition)
            await colony.claims.assign({partition: "host-1"}, "test")
            await host._own()
            await colony.claims.assign({partition: "host-0"}, "test")
            await host._own()
        else:
            again.append((partition, abandoned))
        return await scan(partition, abandoned)

    again: list[tuple[int, bool]] = []
    monkeypatch.setattr(host.owner.reminders, "scan", overtaken)
    await host._partitions.scan()
    await host._partitions.scan()
    assert again.count((lost[0], True)) == 1


async def test_what_was_remembered_from_before_a_claim_is_not_used(colony: Colony) -> None:
    """Lost and claimed again between two checks, of which the first was broken off at this partition."""
    key = one_in_each_partition()[0]
    host = await ready(colony, key)
    await host.tasks.stop()
    assert (await host.view(key))["total"] == 0
    await colony.claims.assign({p: "host-1" for p in range(PARTITIONS)}, "test")
    other = await colony.start("host-1")
    await other.ask(key, Message("add", {"amount": 1}, "there"))
    await other.stop()
    await colony.claims.assign({p: "host-0" for p in range(PARTITIONS)}, "test")
    faulty = Faulty(colony.claims, [Fault("claim", 1, "before")])
    host.ownership._claims = faulty
    await check(host)
    assert (await host.view(key))["total"] == 1


async def test_a_host_with_nothing_new_to_note_writes_nothing(colony: Colony) -> None:
    await colony.kill(await ready(colony))
    claims = colony.claims = Faulty(colony.claims)
    await colony.tell(KEY, add(1))
    host = await colony.host()
    await check(host)
    await host.mail.of(Kind.LINK).step()
    for _ in range(3):
        await check(host)
    assert claims.calls["note_high"] == 1
    (high,) = [c.high for c in await colony.claims.all() if c.partition == KEY.partition(PARTITIONS)]
    assert list(high) == [f"mailbox:link:{KEY.partition(PARTITIONS)}"]


# -- lost mail --------------------------------------------------------------------------------------
class Reconciled:
    """Accounts that were told to look at their platform."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch, *failures: Exception) -> None:
        self.keys: list[str] = []
        self._failures = list(failures)
        monkeypatch.setattr(host._partitions, "_ask", self)

    async def __call__(self, key: EntityKey, message: Message) -> None:
        assert message.name == "reconcile"
        if self._failures:
            raise self._failures.pop()
        self.keys.append(key.id)


async def emptied(colony: Colony) -> None:
    """Some mail is applied and noted; then Redis comes back empty."""
    due = colony.clock.now().replace(year=9998)
    who = account("org_a")
    host = await ready(colony, who)
    await host.ask(who, Message("remind", {"at": due}, "remind"))
    await colony.tell(who, add(1))
    await colony.quiet()
    await until(lambda: bool(host.mail.applied_ids()))
    await host._own()
    await colony.kill(host)
    for name in [n for n in colony.redis.streams if n.startswith("mailbox:")]:
        del colony.redis.streams[name]


async def test_a_loss_is_told_to_the_accounts_and_then_over(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emptied(colony)
    told = []
    for _ in range(2):  # a second process finds nothing to do
        host = await colony.host()
        reconciled = Reconciled(host, monkeypatch)
        await check(host)
        await asyncio.sleep(0.05)
        told.append(reconciled.keys)
        await host.stop()
    assert told == [[account("org_a").id], []]
    assert colony.counted["mailbox_data_lost"] == 1


async def test_a_process_that_ends_before_all_accounts_are_told_leaves_it_to_the_next(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emptied(colony)
    doomed = await colony.host()
    told = Reconciled(doomed, monkeypatch, StoreUnavailable("away"))
    await check(doomed)
    await asyncio.sleep(0.05)
    assert told.keys == []
    await colony.kill(doomed)
    host = await colony.host()
    told = Reconciled(host, monkeypatch)
    await check(host)
    await asyncio.sleep(0.05)
    assert told.keys == [account("org_a").id]
    await host.stop()


@pytest.mark.parametrize("at_first", [Elsewhere("isolated at this moment"), crowded()], ids=["moved", "busy"])
async def test_an_account_that_cannot_be_told_at_this_moment_is_told_a_moment_later(
    at_first: Exception, colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emptied(colony)
    host = await colony.host()
    told = Reconciled(host, monkeypatch, at_first)
    await check(host)
    await until(lambda: told.keys == [account("org_a").id])
    await host.stop()


# -- drains -----------------------------------------------------------------------------------------
async def test_a_drain_waits_for_platforms_to_answer_and_saves_what_they_said(colony: Colony) -> None:
    host = await ready(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    draining = asyncio.create_task(host.drain())
    await asyncio.sleep(0.1)
    assert not draining.done()
    colony.handler.open.set()
    await draining
    await colony.kill(host)
    assert (await colony.state(KEY))["total"] == 7


async def test_a_drain_does_not_wait_for_ever(colony: Colony, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.host.DRAIN_PATIENCE_S", 0.1)
    host = await ready(colony)
    colony.handler.open.clear()
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))
    await asyncio.wait_for(host.drain(), 2)


async def test_a_claim_that_was_being_begun_is_not_read_after_a_drain(colony: Colony) -> None:
    await colony.kill(await ready(colony))
    host = await colony.host()
    last_ids, asked, go_on = colony.mailboxes.last_ids, asyncio.Event(), asyncio.Event()

    async def slow(streams: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await last_ids(streams)

    colony.mailboxes.last_ids = slow
    checking = asyncio.create_task(host._own())
    await asked.wait()
    await host.drain()
    go_on.set()
    await checking
    assert len(host.mail.of(Kind.LINK).streams) == 0
