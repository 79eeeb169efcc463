"""After a walk: what it no longer showed is read by id, and gone only when the platform names it."""

from datetime import timedelta

from msgspec.structs import replace

from actors.account.content.work import OVERLAP
from actors.account.effects import ChooseRecheck, ReadItems
from domain.content import Engagement, Happening
from domain.events import EventType
from platforms.base import ItemReads, Page
from platforms.outcome import LimitScope, Ok, RetryAfter
from tests.unit.account.driver import INSTAGRAM, Account, post, totals
from tests.unit.account.feed import Feed


def synced(posts: int = 30, page_size: int = 10) -> tuple[Account, Feed]:
    account, feed = Account(), Feed(*(post(n) for n in range(1, posts + 1)), page_size=page_size)
    account.connect()
    feed.run(account)
    feed.asked.clear()
    return account, feed


def sync(account: Account, feed: Feed, command: str = "sync") -> None:
    account.later(minutes=5)
    account.send(command)
    feed.run(account)


def deleted(account: Account) -> list[str]:
    return sorted(d["externalContentId"] for d in account.contents() if d["status"] == "deleted")


def test_what_the_platform_names_as_gone_leaves_a_tombstone() -> None:
    account, feed = synced()
    feed.gone = {"28"}
    sync(account, feed)
    tomb = account.content("28")
    assert tomb["status"] == "deleted"
    assert (tomb["originalData"], tomb["normalizedContent"], tomb["commerceData"]) == (None, None, None)
    assert tomb["deletedAt"] == account.now
    assert account.known.sources["posts"].deleted == 1

    sync(account, feed)
    assert account.known.sources["posts"].deleted == 1


def test_absence_alone_is_no_deletion() -> None:
    """Platforms hide, lag and page badly: an id that is neither shown nor named as gone stays."""
    account, feed = synced()
    feed.posts = [p for p in feed.posts if p.external_id != "28"]
    sync(account, feed)
    assert any("28" in c.ids for c in feed.reads())
    assert account.content("28")["status"] == "active"


def test_a_listing_horizon_is_no_deletion() -> None:
    """The platform lists only so many; what fell out of the list lies outside the listed window."""
    account, feed = synced(posts=100)
    for number in range(101, 301):
        feed.posts.append(post(number))
    feed.posts = [p for p in feed.posts if int(p.external_id) > 150]
    sync(account, feed, "backfill")
    oldest = post(151).published_at
    (chosen,) = [c for c in feed.asked if isinstance(c, ChooseRecheck)]
    assert chosen.window_from == oldest
    assert deleted(account) == []


def test_only_the_listed_window_is_searched() -> None:
    account, feed = synced(posts=200, page_size=100)
    feed.gone = {"1", "199"}
    sync(account, feed)
    (chosen,) = [c for c in feed.asked if isinstance(c, ChooseRecheck)]
    newest = post(200).published_at
    assert newest is not None
    assert chosen.window_from == newest - OVERLAP
    assert deleted(account) == ["199"]

    sync(account, feed, "backfill")
    assert deleted(account) == ["1", "199"]


def test_a_limited_walk_lists_no_window() -> None:
    account, feed = synced()
    account.later(minutes=5)
    account.send("backfill", {"limit": 10})
    feed.run(account)
    (chosen,) = [c for c in feed.asked if isinstance(c, ChooseRecheck)]
    assert chosen.window_from is None


def test_reading_known_content_updates_its_engagement() -> None:
    account, feed = synced(posts=150)
    feed.posts = [post(n, engagement=Engagement(likes=n, comments=0, shares=0)) for n in range(1, 151)]
    sync(account, feed)
    updated = [d for d in account.contents() if d["engagement"]["likes"]]
    assert len(updated) > 90  # the overlap by listing, then the newest of the rest by id
    moved = {e["content_id"]: e for e in account.told(EventType.CONTENT_ENGAGED)}
    event = moved[f"{account.id}|80"]
    assert (event["previous"]["likes"], event["totals"]["likes"]) == (0, 80)


def test_a_recheck_reads_as_many_ids_as_one_call_takes() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    feed = Feed(*(post(n) for n in range(1, 31)))
    feed.run(account)
    feed.asked.clear()
    account.later(minutes=5)
    account.send("backfill", {"limit": 10})
    feed.run(account)
    assert [len(c.ids) for c in feed.reads()] == [1] * 20  # one id a call, 20 calls a walk
    assert [c.ids for c in feed.reads()] == [(str(n),) for n in range(20, 0, -1)]


def test_a_limit_during_a_recheck_repeats_the_same_ids() -> None:
    account, feed = synced()
    feed.gone = {"28"}
    account.later(minutes=5)
    account.send("sync")
    while not account.waiting(ReadItems):
        feed.serve(account, calls=1)
    asked = account.read(RetryAfter(60.0, LimitScope.ACCOUNT, "http_429", rate_limited=True))
    assert account.known.budget["lookup"].remaining(account.now) == 0
    assert account.due == account.now + timedelta(seconds=60)
    account.wake()
    assert account.waiting(ReadItems)[0].ids == asked.ids
    feed.run(account)
    assert deleted(account) == ["28"]


def test_a_page_read_before_the_deletion_does_not_bring_the_words_back() -> None:
    account, feed = synced()
    account.later(minutes=5)
    account.send("sync")
    asked_at = account.now
    account.later(seconds=1)
    account.hear(Happening.CONTENT_DELETED, subject_id="30")
    account.later(seconds=1)
    account.fetched(Ok(_page_with(30)), asked_at=asked_at)
    assert account.content("30")["status"] == "deleted"
    assert account.content("30")["normalizedContent"] is None

    feed.run(account)
    account.later(minutes=5)
    account.send("sync")
    account.fetched(Ok(_page_with(30)))  # shown again later: platforms let people restore things
    assert account.content("30")["status"] == "active"


def _page_with(number: int) -> Page:
    return Page((post(number),))


# -- content only heard of --------------------------------------------------------------------------


def test_content_heard_of_is_asked_for_by_id() -> None:
    account, _ = synced()
    account.later(minutes=5)
    account.hear(Happening.LIKED, "e1", content_id="77")
    assert account.content("77")["status"] == "pending"
    account.wake()
    assert account.take(ReadItems).ids == ("77",)


def test_content_heard_of_is_collected_into_one_reading() -> None:
    account, _ = synced()
    account.later(minutes=5)
    for number in range(60, 260):
        account.hear(Happening.LIKED, f"e{number}", content_id=str(number))
    assert len(account.known.reread) == 100
    account.wake()
    assert len(account.take(ReadItems).ids) == 100
    assert not account.known.reread


def test_pending_content_is_among_what_a_recheck_chooses() -> None:
    """Too old for an incremental listing, and the platform did not answer when it was first asked for."""
    account, feed = synced(posts=100)
    missed = replace(post(5), external_id="5b", engagement=Engagement(likes=12, comments=0, shares=0))
    account.later(minutes=5)
    account.hear(Happening.LIKED, "e1", content_id="5b")
    account.wake()
    assert account.read(Ok(ItemReads())).ids == ("5b",)
    assert account.content("5b")["status"] == "pending"

    feed.by_id = [missed]
    sync(account, feed)
    assert account.content("5b")["status"] == "active"
    assert totals(account.content("5b"))[0] == 12
