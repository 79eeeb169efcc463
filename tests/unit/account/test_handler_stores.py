"""What a handler does with stored things: parked mail, and content to be read again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from actors.account import erasure
from actors.account.content.parked import REPLAY_BATCH, Parked
from actors.account.documents import CONTENT
from actors.account.effects import (
    ChooseRecheck,
    FindRemains,
    ReplayParked,
)
from actors.account.remains import Remains
from actors.runtime.entity import Effect, Message
from domain.clock import ManualClock
from storage.records import ZERO, DeadLetter, Document, Mail, StoreUnavailable
from tests.fakes.documents import FakeDeadLetters
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
        "_id": f"{ACCOUNT}|{n}",
        "org": ACCOUNT.org,
        "socialAccountId": str(ACCOUNT),
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
    assert await choose(around, minutes=100) == ("399", "449")  # as the newest of the rest
    assert await choose(around, minutes=400, limit=1) == ("399",)
    assert around.contents.asked == 1 + 1 + 2  # the window of its own, where it is more than one answer


async def test_an_account_without_content_has_nothing_to_read(around: Surroundings) -> None:
    assert await choose(around, minutes=60) == ()


async def test_an_effect_of_another_kind_is_a_defect(around: Surroundings) -> None:
    with pytest.raises(TypeError):
        await around.run(Effect())


# -- what is left of an account that is being erased ----------------------------------------------------
class Consents:
    def __init__(self) -> None:
        self.forgotten: list[tuple[str, datetime]] = []

    async def forget(self, account_id: str, before: datetime) -> None:
        self.forgotten.append((account_id, before))


async def test_remains_are_found_page_by_page_and_what_nobody_owns_is_removed(around: Surroundings) -> None:
    letters, consents, begun = FakeDeadLetters(), Consents(), around.clock.now()
    parked_mail = Parked(around.parking, around.mailboxes, 64)
    around.remains = Remains(around.sides, letters, parked_mail, consents)
    for account in (ACCOUNT, replace(ACCOUNT, org="org_b")):
        ids = [f"{account}|{n}" for n in range(150)]
        documents = [{"_id": i, "org": account.org, "socialAccountId": str(account)} for i in ids]
        await around.sides.upsert_many(CONTENT, documents)
        for n in range(2):
            letter = DeadLetter(f"{account}{n}", account.org, str(account.key), "e", b"", "", begun)
            await letters.put([letter])
    await around.parking.park(parked(2), begun)

    async def look(place: str) -> tuple[set[str], int]:
        (found,) = await around.run(FindRemains(around.call, place, begun))
        assert (found.name, found.data["call_id"]) == ("remains_found", "call_1")
        return set(found.data["ids"]), found.data["removed"]

    found, removed = await look(CONTENT)
    assert (len(found), removed) == (erasure.PAGE, 0)
    assert all(id_.startswith(f"{ACCOUNT}|") for id_ in found)
    assert await look(erasure.LETTERS) == (set(), 2)
    assert await look(erasure.LETTERS) == (set(), 0)
    assert [letter.org for letter in await letters.list(None, 10)] == ["org_b", "org_b"]
    assert await look(erasure.PARKED) == (set(), 0)
    assert await owed(around) == ["e0", "e1"]
    assert await look(erasure.CONSENT) == (set(), 0)
    assert consents.forgotten == [(str(ACCOUNT), begun)]


async def test_parked_mail_that_the_mailbox_does_not_take_is_looked_for_again(around: Surroundings) -> None:
    mailboxes = Refusing(around.redis, batches=0)
    parked_mail = Parked(around.parking, mailboxes, 64)
    around.remains = Remains(around.sides, FakeDeadLetters(), parked_mail, Consents())
    await around.parking.park(parked(1), around.clock.now())
    assert await around.run(FindRemains(around.call, erasure.PARKED, around.clock.now())) == []
    assert await around.parking.counts(10) == {"twitter:100": 1}
