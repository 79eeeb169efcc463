"""What is set aside: in its turn, by a versioned write, and never what has taken effect."""

from collections.abc import Mapping, Sequence

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.envelope import stream_of
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from actors.runtime.mail import SOLO_FAILURES
from actors.runtime.verdicts import Item, NotOwner, Verdict
from domain.ids import EntityKey, Kind
from storage.records import ZERO, Entry, StoreUnavailable
from tests.fakes.faulty import Faulty
from tests.unit.runtime.colony import PARTITIONS, Colony, Crash, add, counter, until

KEY = counter("lnk_1")
PARTITION = KEY.partition(PARTITIONS)
STREAM = stream_of(Kind.LINK, PARTITION)


async def created(colony: Colony) -> None:
    host = await colony.start()
    await host.ask(KEY, Message("create", id="create"))
    await colony.kill(host)


async def owed(colony: Colony) -> list[Entry]:
    found: list[Entry] = (await colony.mailboxes.read({STREAM: ZERO}, 100, 0)).get(STREAM, [])
    return found


async def ended_too_often(colony: Colony, entry: Entry) -> None:
    """As many processes as it takes have begun this message and did not live to see its end."""
    for _ in range(2):
        await colony.mailboxes.raise_attempts([entry])
    for _ in range(SOLO_FAILURES):
        await colony.mailboxes.raise_attempts([entry], alone=True)


async def letters(colony: Colony) -> list[str]:
    return [letter.event_id for letter in await colony.dead_letters.list(None, 10)]


async def applied(colony: Colony) -> list[str]:
    found: list[str] = (await colony.state(KEY))["applied"]
    return found


async def test_what_took_effect_before_its_process_ended_is_not_set_aside(colony: Colony) -> None:
    await created(colony)
    died = Failpoints(_crash)
    died.arm(Failpoint.SEEN_MARKED)
    doomed = await colony.start(failpoints=died)
    await colony.tell(KEY, add(1))
    await until(lambda: Failpoint.SEEN_MARKED in died.passed)
    await colony.kill(doomed)
    colony.redis.seen.clear()
    (entry,) = await owed(colony)
    await ended_too_often(colony, entry)
    await colony.start()
    await colony.quiet()
    assert (await applied(colony), await letters(colony)) == (["e1"], [])


async def test_only_the_earliest_is_set_aside_and_nothing_before_it_is_lost(colony: Colony) -> None:
    """Passing a message passes everything before it."""
    await created(colony)
    await colony.tell(KEY, add(1), add(2), add(3))
    await ended_too_often(colony, (await owed(colony))[1])
    await colony.start()
    await colony.quiet()
    assert (await applied(colony), await letters(colony)) == (["e1", "e3"], ["e2"])


async def test_it_waits_for_what_is_held_up_before_it(colony: Colony) -> None:
    await created(colony)
    await colony.tell(KEY, Message("boom", id="bad"), add(2), add(3))
    await ended_too_often(colony, (await owed(colony))[1])
    host = await colony.start()
    await until(lambda: host.status()["held"] == {str(KEY): 3})
    assert await letters(colony) == []
    state = await colony.state(KEY)
    assert (state["applied"], state["rt"]["wm"]) == ([], "0-0")


async def test_in_an_actor_of_its_own_it_passes_by_the_actors_write(colony: Colony) -> None:
    host: Host = await colony.start()
    await host.ask(KEY, Message("create", id="create"))
    await host.place(KEY, Placement.DEDICATED)
    await colony.kill(host)
    await colony.tell(KEY, add(1), add(2))
    await ended_too_often(colony, (await owed(colony))[0])
    await colony.start()
    await colony.quiet()
    assert (await applied(colony), await letters(colony)) == (["e2"], ["e1"])
    state = await colony.state(KEY)
    assert [reason for _, reason in state["rt"]["aside"]] == [
        "the process ended each time this message was applied"
    ]
    (letter,) = await colony.dead_letters.list("org_test", 10)
    assert letter.reason == "the process ended each time this message was applied"


async def test_what_ends_its_process_when_it_is_opened_is_set_aside_unopened(colony: Colony) -> None:
    await created(colony)
    await colony.tell(KEY, add(1))
    await ended_too_often(colony, (await owed(colony))[0])
    host = await colony.host()

    def deadly(*args: object) -> None:
        raise Crash

    host.mail.of(KEY.kind)._intake._addressing.messages = deadly  # type: ignore[method-assign, assignment]
    await host._own()
    await host.mail.of(KEY.kind).step()
    await host.mail.of(KEY.kind).step()
    assert (await applied(colony), await letters(colony)) == ([], ["e1"])


async def test_a_crash_between_passing_and_the_letter_leaves_the_letter_owed(colony: Colony) -> None:
    """With the reason that the first process knew."""
    await created(colony)
    await colony.tell(KEY, add(1))
    await ended_too_often(colony, (await owed(colony))[0])
    died = Failpoints(_crash)
    died.arm(Failpoint.DEAD_PASSED)
    doomed = await colony.start(failpoints=died)
    await until(lambda: Failpoint.DEAD_PASSED in died.passed)
    await colony.kill(doomed)
    assert await letters(colony) == []
    colony.redis.attempts.clear()
    await colony.start()
    await colony.quiet()
    (letter,) = await colony.dead_letters.list("org_test", 10)
    assert (letter.event_id, letter.reason) == ("e1", "the process ended each time this message was applied")
    assert await applied(colony) == []


@pytest.mark.parametrize("redis_lost_data", [False, True])
async def test_a_letter_that_was_not_written_is_owed_when_its_process_reads_from_the_beginning(
    colony: Colony, redis_lost_data: bool
) -> None:
    """It does not take the message for done, and marks it as little as its letter is there (found by the
    simulation, seed 54)."""
    await created(colony)
    await colony.tell(KEY, add(1))
    await ended_too_often(colony, (await owed(colony))[0])
    colony.dead_letters = store = Faulty(colony.dead_letters)  # type: ignore[assignment]
    host = await colony.host()
    await host._own()
    store.away = True
    with pytest.raises(StoreUnavailable):
        await host.mail.of(KEY.kind).step()
    if redis_lost_data:
        await host.mail.mark_again(PARTITION)
    await begun_again(host)
    store.away = False
    await host.mail.of(KEY.kind).step()
    await host.mail.of(KEY.kind).step()
    assert (await applied(colony), await letters(colony), await owed(colony)) == ([], ["e1"], [])


async def test_what_is_set_aside_while_its_partition_is_let_go_of_still_gets_its_letter(
    colony: Colony,
) -> None:
    """From the same process, if that reads it next (found by the simulation, seed 501)."""
    await created(colony)
    await colony.tell(KEY, add(1))
    await ended_too_often(colony, (await owed(colony))[0])
    host = await colony.host()
    await host._own()
    run = host.owner.turns.run

    async def let_go_of(work: Mapping[EntityKey, Sequence[Item]]) -> dict[EntityKey, list[Verdict]]:
        verdicts = await run(work)
        await begun_again(host)
        host.owner.turns.run = run  # type: ignore[method-assign]
        return verdicts

    host.owner.turns.run = let_go_of  # type: ignore[method-assign, assignment]
    for _ in range(3):
        await host.mail.of(KEY.kind).step()
    assert (await applied(colony), await letters(colony), await owed(colony)) == ([], ["e1"], [])


async def begun_again(host: Host) -> None:
    """As after a release that did not come about."""
    assert await host._partitions.suspend(PARTITION)
    await host._partitions.resume(PARTITION)


async def test_a_process_counts_itself_once_though_it_gets_the_partition_back(colony: Colony) -> None:
    await created(colony)
    await colony.tell(KEY, add(1))
    host = await colony.host()
    turns = host.owner.turns.run

    async def away(work: object) -> None:
        raise NotOwner

    host.owner.turns.run = away  # type: ignore[method-assign, assignment]
    for _ in range(SOLO_FAILURES + 3):
        await host._own()
        await host.mail.of(KEY.kind).step()
        await colony.claims.assign({p: "nobody" for p in range(PARTITIONS)}, "test")
        await host._own()
        await colony.claims.assign({p: host.name for p in range(PARTITIONS)}, "test")
    host.owner.turns.run = turns  # type: ignore[method-assign]
    await host._own()
    await host.mail.of(KEY.kind).step()
    await host.mail.of(KEY.kind).step()
    assert (await applied(colony), await letters(colony)) == (["e1"], [])


def _crash() -> None:
    raise Crash
