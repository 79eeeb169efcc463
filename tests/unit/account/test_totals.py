"""Whatever the order of deliveries and polls: an account ends with the platform's own totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.account.effects import ReadItems
from domain.content import ContentItem, Engagement, Happening
from domain.events import EventType
from platforms.base import ItemReads, Page
from platforms.outcome import LimitScope, Ok, RetryAfter
from tests.unit.account.driver import INSTAGRAM, START, Account, comment, post, totals
from tests.unit.account.feed import Feed

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
    """A reading of the platform's totals within `second`, whenever its answer is heard. The platform names
    whole seconds: of what was done in that second the reading holds the deeds up to a number."""

    second: int
    up_to: int


def true_totals(deeds: Sequence[Deed], until: Poll) -> Engagement:
    held = [d for d in deeds if (d.second, d.number) <= (until.second, until.up_to)]

    def moved(*steps: tuple[Happening, int]) -> int:
        return BEFORE + sum(step for d in held for what, step in steps if d.what is what)

    return Engagement(
        likes=moved((Happening.LIKED, 1), (Happening.UNLIKED, -1)),
        comments=moved((Happening.REMARKED, 1)),
        shares=moved((Happening.SHARED, 1)),
    )


DEEDS = st.lists(
    st.tuples(
        st.sampled_from([Happening.LIKED, Happening.UNLIKED, Happening.SHARED, Happening.REMARKED]),
        st.integers(1, 12),
    ),
    max_size=15,
)
POLLS = st.lists(st.builds(Poll, st.integers(1, 12), st.integers(0, 15)), max_size=3)
ALL = Poll(1000, 0)


@settings(max_examples=60, deadline=None)
@given(deeds=DEEDS, polls=POLLS, known=st.booleans(), data=st.data())
def test_every_order_of_deliveries_and_polls_ends_at_the_platforms_totals(
    deeds: list[tuple[Happening, int]], polls: list[Poll], known: bool, data: st.DataObject
) -> None:
    """Without waiting for the next scheduled sync: that is switched off."""
    happened = [Deed(n, what, second) for n, (what, second) in enumerate(deeds)]
    # A delivery may come twice, even under another event id for a comment; each poll is answered once.
    repeated = [d for d in happened if data.draw(st.booleans())]
    heard: list[Deed | Poll] = data.draw(st.permutations([*happened, *repeated, *polls]))

    account = Account()
    account.connect()
    account.send("configure", {"auto_sync": False})
    if known:
        account.fetched(Ok(Page((replace(post(1), engagement=true_totals([], ALL)),))))
    account.now = START + timedelta(seconds=200)
    for n, one in enumerate(heard):
        if isinstance(one, Poll):
            _poll(account, happened, one)
        else:
            _deliver(account, one, n)
    expected = true_totals(happened, ALL)
    _until_settled(account, replace(post(1), engagement=expected))
    if account.contents():
        assert totals(account.content("1")) == (expected.likes, expected.comments, expected.shares)
        assert account.content("1")["status"] == "active"
    _told_without_gaps(account)


def _until_settled(account: Account, item: ContentItem) -> None:
    feed = Feed()
    feed.by_id = [item]
    feed.run(account)
    for _ in range(3):
        if not account.known.reread:
            return
        account.wake()
        feed.run(account)
    raise AssertionError("still in doubt, though nothing happens any more")


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
    item = replace(post(1), engagement=true_totals(happened, poll))
    at = START + timedelta(seconds=poll.second)
    account.hear(Happening.CONTENT_EDITED, f"poll{poll}", content=item, content_id="1", occurred_at=at)


def _told_without_gaps(account: Account) -> None:
    """A campaign adds differences: each event goes on where the one before it ended."""
    told = account.told(EventType.CONTENT_ENGAGED)
    for before, after in pairwise(told):
        assert after["previous"] == before["totals"]
    if told:
        assert tuple(told[-1]["totals"].values())[:3] == totals(account.content("1"))


# -- whole seconds, step by step --------------------------------------------------------------------


def read_at(second: float, comments: int) -> Account:
    """An Instagram post whose totals were read at that second."""
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    account.send("configure", {"auto_sync": False})
    account.now = START + timedelta(seconds=second)
    account.fetched(Ok(Page((replace(post(1), engagement=Engagement(comments=comments)),))))
    Feed().run(account)
    assert account.content("1")["engagement"]["comments"] == comments
    return account


def commented(account: Account, id: str, second: int) -> None:
    at = START + timedelta(seconds=second)
    account.hear(Happening.REMARKED, id, remark=comment(id, "1"), content_id="1", occurred_at=at)


def test_a_comment_right_after_the_reading_is_counted_by_a_reading_of_its_own() -> None:
    """Made at 7.9, told as 7; the totals were read at 7.5."""
    account = read_at(7.5, comments=3)
    account.later(seconds=1)
    commented(account, "c1", 7)
    assert totals(account.content("1"))[1] == 3  # not counted before it is known
    assert account.view["waiting_reads"] == 1
    assert not account.waiting(ReadItems)  # the second is not over long enough
    account.wake()
    assert account.now < START + timedelta(seconds=15)
    account.read(Ok(ItemReads((replace(post(1), engagement=Engagement(comments=4)),))))
    assert totals(account.content("1"))[1] == 4
    assert account.view["waiting_reads"] == 0
    commented(account, "c1", 7)
    assert totals(account.content("1"))[1] == 4
    _told_without_gaps(account)


def test_a_comment_that_the_reading_held_already_is_not_counted_twice() -> None:
    """Made at 7.1, told as 7; the totals were read at 7.5."""
    account = read_at(7.5, comments=4)
    account.later(seconds=1)
    commented(account, "c1", 7)
    assert totals(account.content("1"))[1] == 4
    account.wake()
    account.read(Ok(ItemReads((replace(post(1), engagement=Engagement(comments=4)),))))
    assert totals(account.content("1"))[1] == 4
    assert not account.told(EventType.CONTENT_ENGAGED)


def test_a_reading_in_the_second_of_a_comment_is_followed_by_another() -> None:
    account = read_at(1.5, comments=3)
    account.now = START + timedelta(seconds=7.5)
    commented(account, "c1", 7)
    assert totals(account.content("1"))[1] == 4
    account.send("sync")
    account.fetched(Ok(Page((replace(post(1), engagement=Engagement(comments=3)),))))  # made at 7.9
    Feed().run(account)
    _until_settled(account, replace(post(1), engagement=Engagement(comments=4)))
    assert totals(account.content("1"))[1] == 4
    _told_without_gaps(account)


def test_an_event_dated_in_time_to_come_happened_by_now() -> None:
    """A platform's clock runs ahead, or its date is nonsense: no reading would ever be as new."""
    account = read_at(7.5, comments=3)
    account.later(seconds=10)
    commented(account, "c1", 3_000_000_000)
    account.hear(Happening.LIKED, "e1", content_id="77", occurred_at=START + timedelta(days=36_500))
    assert totals(account.content("1"))[1] == 4
    account.wake()
    assert account.waiting(ReadItems)[0].ids == ("77",)
    account.crash()
    account.later(minutes=1)
    account.send("sync")
    Feed(replace(post(1), engagement=Engagement(comments=4))).run(account)
    assert account.content("1")["tally"]["since"] == []
    assert totals(account.content("1"))[1] == 4


def test_a_sync_that_settles_the_doubt_spares_the_reading() -> None:
    account = read_at(7.5, comments=3)
    commented(account, "c1", 7)
    assert account.known.reread
    account.now = START + timedelta(seconds=8.5)
    account.send("sync")
    account.fetched(Ok(Page((replace(post(1), engagement=Engagement(comments=4)),))))
    assert not account.known.reread


def test_the_reading_survives_a_crash_and_a_fault() -> None:
    account = read_at(7.5, comments=3)
    commented(account, "c1", 7)
    for _ in range(3):
        account.crash()
        while not account.waiting(ReadItems):
            account.wake()
    account.read(RetryAfter(1.0, LimitScope.ACCOUNT, "http_503"))
    _until_settled(account, replace(post(1), engagement=Engagement(comments=4)))
    assert totals(account.content("1"))[1] == 4


def test_content_with_a_comment_a_second_does_not_spend_the_accounts_calls() -> None:
    account = read_at(7.5, comments=0)
    made, readings = 0, 0
    while account.now < START + timedelta(hours=1):
        made += 1
        second = int((account.now - START).total_seconds())
        commented(account, f"c{made}", second)
        if account.waiting(ReadItems):
            readings += 1
            account.read(Ok(ItemReads((replace(post(1), engagement=Engagement(comments=made)),))))
        account.later(seconds=1)
    assert readings < 30
    _until_settled(account, replace(post(1), engagement=Engagement(comments=made)))
    assert totals(account.content("1"))[1] == made


def test_a_comment_found_by_a_listing_counts_once_with_its_webhook() -> None:
    """The list of remarks was read before the webhook came, and after the totals."""
    account = Account()
    account.connect()
    account.send("configure", {"auto_sync": False})
    account.fetched(Ok(Page((replace(post(1), engagement=Engagement(comments=3)),))))
    late = replace(comment("c1", "1"), at=START + timedelta(seconds=30.5))
    account.later(seconds=40)
    feed = Feed()
    feed.mentions = [late]
    feed.run(account)
    assert totals(account.content("1"))[1] == 4
    account.hear(Happening.REMARKED, remark=late, content_id="1", occurred_at=late.at)
    assert totals(account.content("1"))[1] == 4
    _told_without_gaps(account)
