import asyncio
from datetime import UTC, datetime

from storage.records import Claim, StreamId
from tests.contract.conftest import Stores


async def test_an_assigned_partition_waits_for_its_claim(stores: Stores) -> None:
    await stores.claims.assign({3: "host-a", 1: "host-b"}, "build1")
    assert await stores.claims.all() == [
        Claim(1, "host-b", "", 0, "build1"),
        Claim(3, "host-a", "", 0, "build1"),
    ]


async def test_each_claim_raises_the_epoch_and_replaces_the_one_before(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    first = await stores.claims.claim(1, "host-a", "inc-1", "build1")
    second = await stores.claims.claim(1, "host-a", "inc-2", "build2")
    assert first == Claim(1, "host-a", "inc-1", 1, "build1")
    assert second == Claim(1, "host-a", "inc-2", 2, "build2")
    assert await stores.claims.all() == [second]


async def test_only_the_assigned_host_may_claim(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    assert await stores.claims.claim(1, "host-b", "inc", "build1") is None
    assert await stores.claims.claim(2, "host-a", "inc", "build1") is None


async def test_assigning_the_same_host_again_leaves_its_claim(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    claim = await stores.claims.claim(1, "host-a", "inc", "build1")
    await stores.claims.assign({1: "host-a", 2: "host-a"}, "build2")
    assert (await stores.claims.all())[0] == claim


async def test_a_new_assignment_takes_the_claim_away_but_never_the_epoch(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc", "build1")
    assert old is not None
    assert await stores.claims.note_high(old, {"mailbox:account:1": StreamId(5, 1)}, 2)
    await stores.claims.assign({1: "host-b"}, "build1")
    assert not await stores.claims.note_high(old, {"mailbox:account:1": StreamId(9, 9)}, 3)
    new = await stores.claims.claim(1, "host-b", "inc-b", "build1")
    assert new == Claim(1, "host-b", "inc-b", 2, "build1", 2, {"mailbox:account:1": "5-1"})


async def test_concurrent_claims_never_share_an_epoch(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    for _ in range(10):
        claims = await asyncio.gather(
            *(stores.claims.claim(1, "host-a", f"inc-{n}", "build1") for n in range(4))
        )
        won = [claim for claim in claims if claim is not None]
        assert won
        assert len({claim.epoch for claim in won}) == len(won)
        (held,) = await stores.claims.all()
        assert held == max(won, key=lambda claim: claim.epoch)


async def test_noting_keeps_other_streams_and_passes_over_overflow_streams(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    claim = await stores.claims.claim(1, "host-a", "inc", "build1")
    assert claim is not None
    assert await stores.claims.note_high(claim, {"mailbox:account:1": StreamId(5, 1)}, 0)
    overflow = "mailbox:account:1:overflow:instagram:17.8:5-1"
    high = {"mailbox:campaign:1": StreamId(6, 0), overflow: StreamId(7, 0)}
    assert await stores.claims.note_high(claim, high, 1)
    (held,) = await stores.claims.all()
    assert held.high == {"mailbox:account:1": "5-1", "mailbox:campaign:1": "6-0"}
    assert held.generation == 1


async def test_a_superseded_claim_cannot_note(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc-1", "build1")
    assert old is not None
    await stores.claims.claim(1, "host-a", "inc-2", "build1")
    assert not await stores.claims.note_high(old, {"s": StreamId(1, 0)}, 0)


AT = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)


async def test_a_released_partition_is_the_next_hosts_at_once_and_says_when(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc-a", "build1")
    assert old is not None
    assert await stores.claims.release(old, "host-b", AT)
    assert await stores.claims.claim(1, "host-a", "inc-a", "build1") is None
    new = await stores.claims.claim(1, "host-b", "inc-b", "build2")
    assert new == Claim(1, "host-b", "inc-b", 2, "build2", released_at=AT)
    (held,) = await stores.claims.all()
    assert held.released_at is None, "a later claim did not follow a release"


async def test_only_the_holder_releases(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc-1", "build1")
    new = await stores.claims.claim(1, "host-a", "inc-2", "build1")
    assert old is not None and new is not None
    assert not await stores.claims.release(old, "host-b", AT)
    assert await stores.claims.all() == [new]
    assert await stores.claims.release(new, "host-b", AT)
    assert not await stores.claims.release(new, "host-c", AT)


async def test_a_partition_that_is_taken_away_was_not_released(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc-a", "build1")
    assert old is not None and await stores.claims.release(old, "host-b", AT)
    await stores.claims.assign({1: "host-c"}, "build1")
    taken = await stores.claims.claim(1, "host-c", "inc-c", "build1")
    assert taken is not None and taken.released_at is None


async def test_the_pause_of_a_move_is_noted_by_the_holder_only(stores: Stores) -> None:
    await stores.claims.assign({1: "host-a"}, "build1")
    old = await stores.claims.claim(1, "host-a", "inc-1", "build1")
    new = await stores.claims.claim(1, "host-a", "inc-2", "build1")
    assert old is not None and new is not None
    await stores.claims.note_pause(old, 9)
    await stores.claims.note_pause(new, 42)
    assert [claim.pause_ms for claim in await stores.claims.all()] == [42]


async def test_the_wish_for_hosts_is_kept(stores: Stores) -> None:
    before = await stores.claims.wish()
    await stores.claims.set_wish(4)
    await stores.claims.set_wish(3)
    assert (before, await stores.claims.wish()) == (None, 3)
