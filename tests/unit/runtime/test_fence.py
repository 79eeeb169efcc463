"""Two that believe to read a partition: only the later claim's reader deletes, and connects are confirmed."""

import asyncio

import pytest

from actors.runtime.entity import Message
from actors.runtime.verdicts import NotOwner
from domain.ids import Kind
from storage.records import Claim
from tests.unit.runtime.colony import PARTITIONS, Colony, account, add, counter

KEY = counter("lnk_1")
ORG_A, ORG_B = account("org_a"), account("org_b")


async def applied(colony: Colony, key: object) -> int:
    return len((await colony.state(key))["applied"])  # type: ignore[arg-type]


async def test_a_stale_reader_does_not_delete_what_it_cannot_address_fully(colony: Colony) -> None:
    """It knows of one connection of the account; its successor knows of two."""
    old = await colony.host("host-0")
    await old._own()
    await old.ask(ORG_A, Message("connect", id="a"))
    await colony.webhook("100", 1)
    await old.mail.of(Kind.ACCOUNT).step()
    await old.mail.of(Kind.ACCOUNT).step()  # now the one connection is remembered
    new = await colony.host("host-0")
    await new._own()
    await new.ask(ORG_B, Message("connect", id="b"))
    await colony.webhook("100", 2)
    await old.mail.of(Kind.ACCOUNT).step()
    await old.mail.of(Kind.ACCOUNT).step()
    assert await colony.owed() == 1
    for _ in range(3):
        await new.mail.of(Kind.ACCOUNT).step()
    assert (await applied(colony, ORG_A), await applied(colony, ORG_B)) == (2, 1)
    assert await colony.owed() == 0


async def test_a_reader_that_is_superseded_stops_reading_at_once(colony: Colony) -> None:
    old = await colony.host("host-0")
    await old._own()
    await old.ask(KEY, Message("create", id="create"))
    new = await colony.host("host-0")
    await new._own()
    await colony.tell(KEY, add(1))
    await old.mail.of(KEY.kind).step()
    await old.mail.of(KEY.kind).step()
    assert not old.mail.of(KEY.kind).streams.reads_under(KEY.partition(PARTITIONS), 1)
    assert await colony.owed() == 1
    await new.mail.of(KEY.kind).step()
    await new.mail.of(KEY.kind).step()
    assert (await colony.state(KEY))["applied"] == ["e1"]


async def test_a_connect_saved_by_a_host_that_lost_its_claim_is_not_answered(colony: Colony) -> None:
    """The new owner remembers one connection and would never look again; asked again, it does."""
    old = await colony.host("host-0")
    await old._own()
    await old.ask(ORG_A, Message("connect", id="a"))
    new = await colony.host("host-0")
    await new._own()
    await colony.webhook("100", 1)
    await new.mail.of(Kind.ACCOUNT).step()
    await new.mail.of(Kind.ACCOUNT).step()
    with pytest.raises(NotOwner):
        await old.ask(ORG_B, Message("connect", id="b"))
    await new.ask(ORG_B, Message("connect", id="b"))
    await colony.webhook("100", 2)
    await new.mail.of(Kind.ACCOUNT).step()
    await new.mail.of(Kind.ACCOUNT).step()
    assert (await applied(colony, ORG_A), await applied(colony, ORG_B)) == (2, 1)


async def test_a_claim_that_the_mailboxes_do_not_know_of_yet_is_made_known_by_its_first_connect(
    colony: Colony,
) -> None:
    """The claim is in MongoDB; Redis hears of it before a connection is answered."""
    old = await colony.host("host-0")
    await old._own()
    await old.ask(ORG_A, Message("connect", id="a"))
    await colony.webhook("100", 1)
    await old.mail.of(Kind.ACCOUNT).step()
    await old.mail.of(Kind.ACCOUNT).step()
    new = await colony.host("host-0")
    await new.ownership.check()  # and no further: nothing is begun
    await new.ask(ORG_B, Message("connect", id="b"))
    await colony.webhook("100", 2)
    await old.mail.of(Kind.ACCOUNT).step()
    await old.mail.of(Kind.ACCOUNT).step()
    assert await colony.owed() == 1


async def test_mail_lost_and_new_mail_before_anybody_looked_is_noticed(colony: Colony) -> None:
    """The ids go on rising with the time; the numbers do not."""
    host = await colony.start()
    await host.ask(KEY, Message("create", id="create"))
    await colony.tell(KEY, add(1))
    await colony.quiet()
    before = colony.redis.copy()
    await colony.tell(KEY, add(2), add(3))
    await colony.quiet()
    await asyncio.sleep(0.01)
    colony.redis.take(before)  # a replica that had not heard of the last two
    await colony.tell(KEY, add(4))
    await asyncio.sleep(0.4)
    assert (await colony.state(KEY))["applied"] == ["e1", "e2", "e3"], "it is not read under old positions"
    await host._own()
    assert "mailbox_data_lost" in colony.counted
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2", "e3", "e4"]
    generations = {c.partition: c.generation for c in await colony.claims.all()}
    assert generations == {p: int(p == KEY.partition(PARTITIONS)) for p in range(PARTITIONS)}


async def test_what_was_applied_before_redis_lost_its_mark_has_no_effect_again_in_another_process(
    colony: Colony,
) -> None:
    host = await colony.start()
    await host.ask(KEY, Message("create", id="create"))
    await colony.tell(KEY, add(1))
    await colony.quiet()
    before = colony.redis.copy()
    await colony.tell(KEY, add(2), add(3))
    await colony.quiet()
    colony.redis.take(before)
    await host._own()
    assert "mailbox_data_lost" in colony.counted
    await colony.kill(host)
    await colony.start()
    await colony.tell(KEY, add(2), add(3), add(4))  # whoever had sent them sends them again
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2", "e3", "e4"]


async def test_a_later_claim_that_was_seen_in_redis_is_not_begun(colony: Colony) -> None:
    host = await colony.host("host-0")
    await colony.mailboxes.fence(0, 99)
    await host._own()
    assert not host.mail.of(KEY.kind).streams.reads_under(0, 1)
    assert host.mail.of(KEY.kind).streams.reads_under(1, 1)
    held: dict[int, Claim] = dict(host.ownership.held)
    assert sorted(held) == list(range(PARTITIONS))
