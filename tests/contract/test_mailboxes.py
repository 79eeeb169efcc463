import asyncio

from storage.records import ZERO, Entry, Mail, StreamId
from tests.contract.conftest import SPILL_AT, Stores

HOUR = 3600
S1, S2 = "mailbox:account:1", "mailbox:account:2"
EPOCHS = {1: 1, 2: 1}


def mail(n: int, target: str = "twitter:1") -> Mail:
    return Mail(target, f"e{n}", f"body {n}\x00".encode())


async def everything(stores: Stores, stream: str) -> list[Entry]:
    return (await stores.mailboxes.read({stream: ZERO}, 10_000, 0)).get(stream, [])


async def test_what_was_told_is_read_in_order(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1)), (S2, mail(2)), (S1, mail(3))])
    await stores.mailboxes.tell([(S1, mail(4))])
    await stores.mailboxes.tell([])
    found = await stores.mailboxes.read({S1: ZERO, S2: ZERO}, 100, 0)
    assert {s: [entry.mail for entry in entries] for s, entries in found.items()} == {
        S1: [mail(1), mail(3), mail(4)],
        S2: [mail(2)],
    }
    ids = [entry.id for entry in found[S1]]
    assert ids == sorted(set(ids)) and ids[0] > ZERO


async def test_reading_goes_on_after_each_position(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(n)) for n in range(5)] + [(S2, mail(9))])
    first = (await stores.mailboxes.read({S1: ZERO, S2: ZERO}, 2, 0))[S1]
    assert [entry.mail for entry in first] == [mail(0), mail(1)]
    found = await stores.mailboxes.read({S1: first[-1].id, S2: ZERO}, 10, 0)
    assert [entry.mail for entry in found[S1]] == [mail(2), mail(3), mail(4)]
    assert await stores.mailboxes.read({S1: found[S1][-1].id}, 10, 0) == {}
    assert await stores.mailboxes.read({}, 10, 50) == {}


async def test_a_waiting_reader_wakes_with_the_first_message(stores: Stores) -> None:
    waiting = asyncio.create_task(stores.mailboxes.read({S1: ZERO, S2: ZERO}, 10, 5_000))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await stores.mailboxes.tell([(S2, mail(1))])
    found = await asyncio.wait_for(waiting, 2)
    assert [entry.mail for entry in found[S2]] == [mail(1)]


async def test_a_reader_waits_no_longer_than_told(stores: Stores) -> None:
    assert await asyncio.wait_for(stores.mailboxes.read({S1: ZERO}, 10, 30), 2) == {}


async def test_concurrent_tellers_all_arrive_each_in_its_own_order(stores: Stores) -> None:
    async def teller(who: int) -> None:
        for n in range(20):
            await stores.mailboxes.tell([(S1, mail(n, f"twitter:{who}")), (S2, mail(n, f"twitter:{who}"))])

    await asyncio.gather(*(teller(who) for who in range(10)))
    for stream in (S1, S2):
        mails = [entry.mail for entry in await everything(stores, stream)]
        assert len(mails) == 200
        for who in range(10):
            mine = [m for m in mails if m.target == f"twitter:{who}"]
            assert mine == [mail(n, f"twitter:{who}") for n in range(20)]


async def test_what_is_deleted_is_no_longer_owed(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(n)) for n in range(4)] + [(S2, mail(9))])
    entries = await everything(stores, S1)
    await stores.mailboxes.delete([entries[0], entries[2]], EPOCHS)
    await stores.mailboxes.delete([entries[0]], EPOCHS)
    await stores.mailboxes.delete([], {})
    assert await everything(stores, S1) == [entries[1], entries[3]]
    assert await stores.mailboxes.lag([S1, S2, "mailbox:account:3"]) == {S1: 2, S2: 1, "mailbox:account:3": 0}


async def test_the_last_id_outlives_its_entry(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1)), (S1, mail(2))])
    entries = await everything(stores, S1)
    await stores.mailboxes.delete(entries, EPOCHS)
    assert await stores.mailboxes.last_ids([S1, S2]) == {S1: entries[-1].id, S2: ZERO}
    assert await stores.mailboxes.last_ids([]) == {}
    await stores.mailboxes.tell([(S1, mail(3))])
    assert entries[-1].id < (await everything(stores, S1))[0].id


async def test_marked_events_are_seen_for_forty_hours_per_stream(stores: Stores) -> None:
    odd = ["", "x" * 5000, "naïve 🎈", "\ud800"]
    await stores.mailboxes.mark_seen({S1: ["a", "b", *odd], S2: ["c"], "mailbox:link:1": []})
    assert await stores.mailboxes.seen(S1, ["a", "c", "b", "d", *odd]) == {"a", "b", *odd}
    assert await stores.mailboxes.seen(S2, ["a", "c"]) == {"c"}
    assert await stores.mailboxes.seen(S1, []) == set()
    stores.clock.advance(25 * HOUR)
    await stores.mailboxes.mark_seen({S1: ["later"]})
    stores.clock.advance(14.9 * HOUR)
    assert await stores.mailboxes.seen(S1, ["a", "later"]) == {"a", "later"}
    stores.clock.advance(21 * HOUR)
    assert await stores.mailboxes.seen(S1, ["a", "later"]) == {"later"}
    stores.clock.advance(30 * HOUR)
    assert await stores.mailboxes.seen(S1, ["a", "later"]) == set()


async def test_an_overflow_shares_the_marks_of_its_stream(stores: Stores) -> None:
    overflow = f"{S1}:overflow:twitter:1:5-1"
    await stores.mailboxes.mark_seen({S1: ["a"], overflow: ["b"]})
    for stream in (S1, overflow):
        assert await stores.mailboxes.seen(stream, ["a", "b", "c"]) == {"a", "b"}


async def test_attempts_are_counted_until_the_entry_is_deleted(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1)), (S1, mail(2))])
    one, two = await everything(stores, S1)
    assert await stores.mailboxes.raise_attempts([one]) == {one.id: 1}
    assert await stores.mailboxes.raise_attempts([one, two]) == {one.id: 2, two.id: 1}
    assert await stores.mailboxes.raise_attempts([]) == {}
    await stores.mailboxes.delete([one], EPOCHS)
    assert await stores.mailboxes.raise_attempts([one]) == {one.id: 1}


async def test_attempts_alone_are_counted_apart_and_leave_nothing_behind(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1))])
    (one,) = await everything(stores, S1)
    assert await stores.mailboxes.raise_attempts([one]) == {one.id: 1}
    assert await stores.mailboxes.raise_attempts([one], alone=True) == {one.id: 1}
    assert await stores.mailboxes.raise_attempts([one], alone=True) == {one.id: 2}
    await stores.mailboxes.delete([one], EPOCHS)
    assert await stores.mailboxes.raise_attempts([one], alone=True) == {one.id: 1}


# -- the fence --------------------------------------------------------------------------------------
async def test_a_reader_of_an_earlier_claim_deletes_nothing(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1)), (S1, mail(2)), (S2, mail(3))])
    entries = [*await everything(stores, S1), *await everything(stores, S2)]
    assert await stores.mailboxes.fence(1, 1)
    assert await stores.mailboxes.fence(1, 2)
    assert await stores.mailboxes.fence(1, 2)
    assert not await stores.mailboxes.fence(1, 1)
    assert await stores.mailboxes.delete(entries, {1: 1, 2: 1}) == {1}
    assert await everything(stores, S1) == entries[:2]
    assert await everything(stores, S2) == []
    assert await stores.mailboxes.delete(entries[:2], {1: 2}) == set()
    assert await everything(stores, S1) == []


async def test_whoever_deletes_under_a_later_claim_puts_the_fence_up_again(stores: Stores) -> None:
    """As after a loss of data that took the fence along."""
    await stores.mailboxes.tell([(S1, mail(1)), (S1, mail(2))])
    one, two = await everything(stores, S1)
    assert await stores.mailboxes.delete([one], {1: 7}) == set()
    assert await stores.mailboxes.delete([two], {1: 6}) == {1}
    assert not await stores.mailboxes.fence(1, 6)
    assert await everything(stores, S1) == [two]


async def test_many_are_deleted_at_once(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(n, f"twitter:{n}")) for n in range(2_500)])
    entries = await everything(stores, S1)
    assert await stores.mailboxes.delete(entries, EPOCHS) == set()
    assert await everything(stores, S1) == []


async def test_entries_are_numbered_per_stream(stores: Stores) -> None:
    await stores.mailboxes.tell([(S1, mail(1)), (S2, mail(2)), (S1, mail(3))])
    entries = await everything(stores, S1)
    assert [entry.number for entry in entries] == [1, 2]
    await stores.mailboxes.delete(entries, EPOCHS)
    await stores.mailboxes.tell([(S1, mail(4))])
    assert [entry.number for entry in await everything(stores, S1)] == [3]
    assert [entry.number for entry in await everything(stores, S2)] == [1]


async def flood(stores: Stores, target: str, count: int, start: int = 0) -> None:
    await stores.mailboxes.tell([(S1, mail(n, target)) for n in range(start, start + count)])


async def test_a_flooding_target_spills_and_its_neighbours_do_not(stores: Stores) -> None:
    await flood(stores, "twitter:loud", SPILL_AT + 200)
    await stores.mailboxes.tell([(S1, mail(1, "twitter:quiet")), (S2, mail(1, "twitter:loud"))])
    kept = await everything(stores, S1)
    assert kept[-1].mail == mail(1, "twitter:quiet")
    assert SPILL_AT < len(kept) < SPILL_AT + 130
    assert await stores.mailboxes.overflows([S1, S2]) == []  # its earlier mail comes first
    await stores.mailboxes.delete(kept[:-1], EPOCHS)
    (overflow,) = await stores.mailboxes.overflows([S1, S2])
    assert await stores.mailboxes.overflows([S2]) == []
    spilled = await everything(stores, overflow)
    assert [e.mail for e in kept[:-1]] + [e.mail for e in spilled] == [
        mail(n, "twitter:loud") for n in range(SPILL_AT + 200)
    ]
    assert kept[-2].id < spilled[0].id


async def test_every_connection_of_the_account_spills_along(stores: Stores) -> None:
    """Mail by entity id must not pass mail by external id: the entity keeps one watermark."""
    await flood(stores, "twitter:loud", SPILL_AT + 200)
    await stores.mailboxes.tell([(S1, mail(7777, "twitter:loud:acme"))])
    kept = await everything(stores, S1)
    assert all(entry.mail.target == "twitter:loud" for entry in kept)
    await stores.mailboxes.delete(kept, EPOCHS)
    (overflow,) = await stores.mailboxes.overflows([S1])
    assert (await everything(stores, overflow))[-1].mail == mail(7777, "twitter:loud:acme")


async def test_an_emptied_overflow_closes_and_ids_go_on_rising(stores: Stores) -> None:
    last = ZERO
    for round_ in range(3):
        await flood(stores, "twitter:loud", SPILL_AT + 200, 1000 * round_)
        entries = await everything(stores, S1)
        await stores.mailboxes.delete(entries, EPOCHS)
        (overflow,) = await stores.mailboxes.overflows([S1])
        entries += await everything(stores, overflow)
        await stores.mailboxes.delete([e for e in entries if e.stream == overflow], EPOCHS)
        assert await stores.mailboxes.overflows([S1]) == []
        assert [e.mail.event_id for e in entries] == [
            f"e{n}" for n in range(1000 * round_, 1000 * round_ + SPILL_AT + 200)
        ]
        ids = [entry.id for entry in entries]
        assert ids == sorted(set(ids)) and last < ids[0]
        last = ids[-1]
    assert (await stores.mailboxes.last_ids([S1]))[S1] == last


async def test_a_busy_stream_of_many_targets_does_not_spill(stores: Stores) -> None:
    mails = [(S1, mail(n, f"twitter:{n % 3}")) for n in range(2 * SPILL_AT)]
    await stores.mailboxes.tell(mails)
    assert await stores.mailboxes.lag([S1]) == {S1: 2 * SPILL_AT}


def test_stream_ids_are_ordered_as_numbers() -> None:
    assert StreamId.parse("9-10") < StreamId.parse("10-9") < StreamId.parse("10-10")
