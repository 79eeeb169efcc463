"""What a handler does with stored things: parked mail, and content to be read again."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from actors.account.content.parked import REPLAY_BATCH
from actors.account.effects import (
    ChooseRecheck,
    ReplayParked,
)
from actors.runtime.entity import Effect, Message
from domain.clock import ManualClock
from storage.records import ZERO, Document, Mail, StoreUnavailable
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.account.surroundings import ACCOUNT, Contents, Surroundings


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


def parked(n: int, target: str = "twitter:100") -> list[Mail]:
    return [Mail(target, f"e{i}", b"sealed-%d" % i) for i in range(n)]


async def owed(around: Surroundings) -> list[str]:
    stream = f"mailbox:account:{ACCOUNT.key.partition(64)}"
    entries = (await around.mailboxes.read({stream: ZERO}, 10_000, 0)).get(stream, [])
    return [e.mail.event_id for e in entries]


async def test_pain_15_parked_events_go_through_the_mailbox_under_their_own_ids(around: Surroundings) -> None:
    await around.parking.park(parked(3), around.clock.now())
    await around.parking.park(parked(1, "twitter:999"), around.clock.now())
    again_at = around.clock.now()
    assert await around.run(ReplayParked(again_at)) == [Message("replayed", {"again_at": again_at})]
    assert await owed(around) == ["e0", "e1", "e2"]
    assert await around.parking.counts(10) == {"twitter:999": 1}


class Refusing(FakeMailboxes):
    """Takes some batches, then the store is away."""

    def __init__(self, redis: FakeRedis, batches: int) -> None:
        super().__init__(redis)
        self.batches = batches

    async def tell(self, mails: Sequence[tuple[str, Mail]]) -> None:
        if self.batches == 0:
            raise StoreUnavailable("away")
        self.batches -= 1
        await super().tell(mails)


async def test_pain_09_what_the_mailbox_did_not_take_stays_parked(around: Surroundings) -> None:
    around.mailboxes = Refusing(around.redis, batches=1)
    await around.parking.park(parked(REPLAY_BATCH + 7), around.clock.now())
    assert await around.run(ReplayParked(around.clock.now())) == []  # the account looks again
    assert await around.parking.counts(10) == {"twitter:100": 7}
    around.mailboxes = FakeMailboxes(around.redis)
    assert await around.run(ReplayParked(None)) == []
    assert sorted(await owed(around)) == sorted(f"e{i}" for i in range(REPLAY_BATCH + 7))


# -- what to read again -----------------------------------------------------------------------------


NEWEST = ManualClock().now()


def stored(n: int, *, listed_in: str | None = "job_1", status: str = "active") -> Document:
    """Content `n` minutes older than the newest."""
    return {
        "externalContentId": str(n),
        "status": status,
        "listedIn": listed_in,
        "publishedAt": NEWEST - timedelta(minutes=n),
    }


async def choose(around: Surroundings, minutes: float | None, limit: int = 100) -> tuple[str, ...]:
    begin = None if minutes is None else NEWEST - timedelta(minutes=minutes)
    (message,) = await around.run(ChooseRecheck(around.call, "job_1", begin, NEWEST, limit))
    assert (message.name, message.data["call_id"]) == ("recheck_chosen", "call_1")
    ids: tuple[str, ...] = message.data["ids"]
    return ids


async def test_what_the_listing_did_not_show_comes_first_then_the_newest(around: Surroundings) -> None:
    unseen = {3, 7}
    around.contents = Contents(
        [stored(n, listed_in=None if n in unseen or n > 9 else "job_1") for n in range(20)]
    )
    assert await choose(around, minutes=9) == ("3", "7", *map(str, range(10, 20)))
    assert await choose(around, minutes=9, limit=3) == ("3", "7", "10")


async def test_without_a_window_nothing_counts_as_missing(around: Surroundings) -> None:
    around.contents = Contents([stored(n, listed_in=None) for n in range(150)])
    assert await choose(around, minutes=None) == tuple(map(str, range(100)))
    assert around.contents.asked == 1


async def test_what_is_gone_or_superseded_is_not_read_again(around: Surroundings) -> None:
    statuses = ["active", "deleted", "superseded", "pending"]
    around.contents = Contents([stored(n, listed_in=None, status=s) for n, s in enumerate(statuses)])
    assert await choose(around, minutes=60) == ("0", "3")


async def test_missing_content_is_looked_for_through_the_whole_window(around: Surroundings) -> None:
    documents = [stored(n) for n in range(450)]
    documents[399] = stored(399, listed_in="job_0")
    documents[449] = stored(449, listed_in="job_0")
    around.contents = Contents(documents)
    assert await choose(around, minutes=400) == ("399", "449")
    assert await choose(around, minutes=100) == ()
    assert around.contents.asked == 5 + 2


async def test_an_account_without_content_has_nothing_to_read(around: Surroundings) -> None:
    assert await choose(around, minutes=60) == ()


async def test_an_effect_of_another_kind_is_a_defect(around: Surroundings) -> None:
    with pytest.raises(TypeError):
        await around.run(Effect())
