"""Whatever the order of deliveries and polls: an account ends with the platform's own totals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import Engagement, Happening
from domain.events import EventType
from platforms.base import Page
from platforms.outcome import Ok
from tests.unit.account.driver import START, Account, comment, post, totals

BEFORE = 40
"""Likes before anybody looked; more than can be taken back, so that nothing falls below zero."""


@dataclass(frozen=True)
class Deed:
    """Something done on the platform, `second` seconds after the account was connected."""

    number: int
    what: Happening
    second: int


@dataclass(frozen=True)
class Poll:
    """A reading of the platform's totals as they are at `second`, whenever its answer is heard."""

    second: int


def true_totals(deeds: Sequence[Deed], until: int) -> Engagement:
    def moved(*steps: tuple[Happening, int]) -> int:
        return BEFORE + sum(
            step for d in deeds if d.second <= until for what, step in steps if d.what is what
        )

    return Engagement(
        likes=moved((Happening.LIKED, 1), (Happening.UNLIKED, -1)),
        comments=moved((Happening.REMARKED, 1)),
        shares=moved((Happening.SHARED, 1)),
    )


DEEDS = st.lists(
    st.tuples(
        st.sampled_from([Happening.LIKED, Happening.UNLIKED, Happening.SHARED, Happening.REMARKED]),
        st.integers(1, 100),
    ),
    max_size=15,
)


@settings(max_examples=60, deadline=None)
@given(deeds=DEEDS, polls=st.lists(st.integers(1, 100), max_size=3), known=st.booleans(), data=st.data())
def test_every_order_of_deliveries_and_polls_ends_at_the_platforms_totals(
    deeds: list[tuple[Happening, int]], polls: list[int], known: bool, data: st.DataObject
) -> None:
    happened = [Deed(n, what, second) for n, (what, second) in enumerate(deeds)]
    # A delivery may come twice, even under another event id for a comment; each poll is answered once.
    repeated = [d for d in happened if data.draw(st.booleans())]
    heard: list[Deed | Poll] = data.draw(st.permutations([*happened, *repeated, *map(Poll, polls)]))

    account = Account()
    account.connect()
    account.send("configure", {"auto_sync": False})
    if known:
        account.fetched(Ok(Page((replace(post(1), engagement=true_totals([], 0)),))))
    account.now = START + timedelta(seconds=200)
    for n, one in enumerate(heard):
        if isinstance(one, Poll):
            _poll(account, happened, one)
        else:
            _deliver(account, one, n)
    _poll(account, happened, Poll(0))  # pending content needs one reading for its base

    expected = true_totals(happened, until=100)
    assert totals(account.content("1")) == (expected.likes, expected.comments, expected.shares)
    _told_without_gaps(account)


def _deliver(account: Account, deed: Deed, n: int) -> None:
    at = START + timedelta(seconds=deed.second)
    event_id = f"e{deed.number}"
    if deed.what is Happening.REMARKED:
        remark = comment(f"c{deed.number}", "1")
        account.hear(deed.what, f"{event_id}.{n}", remark=remark, content_id="1", occurred_at=at)
    else:
        account.hear(deed.what, event_id, content_id="1", occurred_at=at)


def _poll(account: Account, happened: list[Deed], poll: Poll) -> None:
    """The post with its numbers of that second; an entry that shows it is taken as a listing is."""
    item = replace(post(1), engagement=true_totals(happened, until=poll.second))
    at = START + timedelta(seconds=poll.second)
    account.hear(Happening.CONTENT_EDITED, f"poll{poll.second}", content=item, content_id="1", occurred_at=at)


def _told_without_gaps(account: Account) -> None:
    """A campaign adds differences: each event goes on where the one before it ended."""
    told = account.told(EventType.CONTENT_ENGAGED)
    for before, after in pairwise(told):
        assert after["previous"] == before["totals"]
    if told:
        assert tuple(told[-1]["totals"].values())[:3] == totals(account.content("1"))
