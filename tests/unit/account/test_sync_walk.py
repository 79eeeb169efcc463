"""Walking a list page by page: content and cursor in one save, constant state, an end to every walk."""

from datetime import timedelta

import bson
import pytest

from actors.account.content.sync import MAX_EMPTY_PAGES, MAX_STALE_PAGES
from actors.account.content.work import OVERLAP
from actors.account.documents import REMARKS
from actors.account.effects import FetchPage
from actors.account.state import Mode
from domain.content import ContentKind, Engagement
from domain.errors import Conflict
from domain.events import EventType
from platforms.base import Page
from platforms.outcome import Ok
from tests.unit.account.driver import INSTAGRAM, Account, comment, post
from tests.unit.account.feed import Feed


def connected(feed: Feed) -> Account:
    account = Account()
    account.connect()
    feed.run(account)
    return account


def numbers(first: int, last: int) -> list[str]:
    return sorted(str(n) for n in range(first, last + 1))


def stored(account: Account) -> list[str]:
    return sorted(d["externalContentId"] for d in account.contents() if d["status"] == "active")


# -- backfill ---------------------------------------------------------------------------------------


def test_a_backfill_walks_every_page_of_every_list() -> None:
    feed = Feed(*(post(n) for n in range(1, 36)))
    feed.mentions = [comment("m1"), comment("m2")]
    account = connected(feed)
    assert stored(account) == numbers(1, 35)
    assert [c.cursor for c in feed.pages()] == [None, "26", "16", "6"]
    assert len(feed.pages("mentions")) == 1
    posts, mentions = account.known.sources["posts"], account.known.sources["mentions"]
    assert (posts.items, posts.pages, posts.backfilled, posts.newest_id) == (35, 4, True, "35")
    assert posts.newest_at == post(35).published_at
    assert (mentions.items, mentions.backfilled) == (2, True)
    assert account.known.last_sync_at == account.now


def test_old_engagement_is_no_news() -> None:
    """A campaign must not count the likes that content had before it was ever seen."""
    account = connected(Feed(post(1, engagement=Engagement(likes=5000))))
    assert account.content("1")["engagement"]["likes"] == 5000
    assert not account.told(EventType.CONTENT_ENGAGED)


def test_pain_10_a_page_and_its_cursor_are_one_save() -> None:
    feed = Feed(*(post(n) for n in range(1, 31)))
    account = Account()
    account.connect()
    before = account.version
    feed.serve(account, calls=1)
    assert account.version == before + 1
    assert stored(account) == numbers(21, 30)
    assert account.known.job is not None and account.known.job.cursor == "21"
    (page,) = account.told(EventType.CONTENT_SYNCHRONIZED)
    assert (page["source"], page["items"], len(page["content_ids"])) == ("posts", 10, 10)


def test_pain_10_state_is_of_constant_size_over_thousands_of_items() -> None:
    feed = Feed(*(post(n) for n in range(1, 3001)), page_size=100)
    account = Account()
    account.connect()
    sizes = []
    while account.calls:
        feed.serve(account, calls=1)
        sizes.append(len(bson.encode(account.entity.dump(account.known))))
        account.calls = [c for c in account.calls if feed._is_mine(c)]
    assert account.known.sources["posts"].items == 3000
    assert max(sizes) < 4_000
    feed.run(account)


def test_a_backfill_over_known_content_reaches_the_end() -> None:
    feed = Feed(*(post(n) for n in range(1, 101)))
    account = connected(feed)
    feed.asked.clear()
    account.send("backfill")
    feed.run(account)
    assert [c.cursor for c in feed.pages()][-1] == "11"
    assert len(feed.pages()) == 10 > MAX_STALE_PAGES


def test_a_limited_backfill_ends_at_its_limit() -> None:
    feed = Feed(*(post(n) for n in range(1, 101)))
    account = connected(feed)
    feed.asked.clear()
    account.send("backfill", {"limit": 25})
    feed.run(account)
    assert len(feed.pages()) == 3


def test_a_backfill_since_a_day_asks_and_walks_no_further() -> None:
    feed = Feed(*(post(n) for n in range(1, 101)))
    account = connected(feed)
    feed.asked.clear()
    since = post(81).published_at
    assert since is not None
    account.send("backfill", {"since": since.isoformat()})
    feed.run(account)
    assert [(c.since, c.cursor) for c in feed.pages()] == [(since, None), (since, "91")]


@pytest.mark.parametrize("command", ["backfill", "sync"])
def test_rows_repeated_under_fresh_cursors_end_the_walk(command: str) -> None:
    account = connected(Feed(post(1)))
    account.send(command)
    asked = 0
    while account.known.job is not None and account.known.job.mode is not Mode.RECHECK:
        asked += 1
        if account.waiting(FetchPage)[0].source == "posts":
            account.fetched(Ok(Page(items=(post(1),), next_cursor=f"cursor-{asked}")))
        else:
            account.fetched(Ok(Page()))
        assert asked <= MAX_STALE_PAGES + 2
    assert asked >= MAX_STALE_PAGES


class Sparse(Feed):
    """Lists of mentions that never end; a single page has one."""

    found_at = 4 * MAX_STALE_PAGES

    def page(self, call: FetchPage) -> Page:
        if call.source != "mentions":
            return super().page(call)
        number = int(call.cursor or "0") + 1
        found = (comment("m1"),) if number == self.found_at else ()
        return Page(remarks=found, next_cursor=str(number))


def test_a_first_reading_goes_on_behind_pages_without_any_row() -> None:
    """A short or empty page is not the end; and there is an end to them."""
    feed = Sparse()
    account = connected(feed)
    assert account.known.sources["mentions"].items == 1
    assert len(feed.pages("mentions")) == Sparse.found_at + MAX_EMPTY_PAGES


class Again(Feed):
    """Comments of many posts, post by post: all but the last are known."""

    def page(self, call: FetchPage) -> Page:
        if call.source != "mentions":
            return super().page(call)
        number = int(call.cursor or "0")
        last = number == 4 * MAX_STALE_PAGES
        found = comment("m2") if last else comment("m1")
        return Page(remarks=(found,), next_cursor=None if last else str(number + 1))


@pytest.mark.parametrize("command", ["backfill", "sync"])
def test_known_comments_do_not_hide_the_new_ones_behind_them(command: str) -> None:
    feed = Feed()
    feed.mentions = [comment("m1")]
    account = connected(feed)
    account.send(command)
    Again().run(account)
    remarks = [d for ref, d in account.side.items() if ref.collection == REMARKS]
    assert {d["externalId"] for d in remarks} == {"m1", "m2"}


# -- incremental ------------------------------------------------------------------------------------


def test_an_incremental_sync_looks_an_overlap_behind_the_newest() -> None:
    feed = Feed(*(post(n) for n in range(1, 101)))
    account = connected(feed)
    edited = post(90, engagement=Engagement(likes=7))
    feed.posts = [p for p in feed.posts if p.external_id != "90"] + [edited, post(101)]
    feed.asked.clear()
    account.send("sync")
    feed.run(account)
    newest = post(100).published_at
    assert newest is not None
    (first, *_) = feed.pages()
    assert (first.since, first.newer_than_id) == (newest - OVERLAP, "100")
    assert account.content("90")["engagement"]["likes"] == 7
    assert account.known.sources["posts"].newest_id == "101"
    assert account.known.sources["posts"].items > 100


@pytest.mark.parametrize("command", ["sync", "backfill"])
def test_content_born_under_our_eyes_counts_from_zero(command: str) -> None:
    """Whichever walk shows it first. What is older than the connection has a past that nobody saw."""
    likes = Engagement(likes=3, comments=0, shares=0)
    feed = Feed(post(1))
    account = connected(feed)
    born_at = account.known.created_at
    feed.posts += [
        post(2, at=born_at - timedelta(milliseconds=1), engagement=likes),
        post(3, at=born_at, engagement=likes),
        post(4, at=born_at, engagement=likes, replaces=("0",)),  # an edit goes on with the older numbers
    ]
    account.send(command)
    feed.run(account)
    assert stored(account) == ["1", "2", "3", "4"]
    (event,) = account.told(EventType.CONTENT_ENGAGED)
    assert event["content_id"] == f"{account.id}|3"
    assert event["previous"] == {"likes": 0, "comments": 0, "shares": 0, "views": 0}
    assert event["totals"]["likes"] == 3


def test_the_schedule_runs_each_list_once_per_interval() -> None:
    feed = Feed(*(post(n) for n in range(1, 101)), page_size=5)  # several pages inside the overlap
    account = connected(feed)
    feed.asked.clear()
    for _ in range(3):
        next_run = account.known.sources["posts"].next_run_at
        assert next_run is not None
        assert next_run == account.now + timedelta(minutes=15)
        account.now = next_run
        account.tick()
        feed.run(account)
    assert len([c for c in feed.pages() if c.cursor is None]) == 3
    assert len(feed.pages("mentions")) == 3


def test_auto_sync_off_means_nothing_by_itself() -> None:
    feed = Feed(post(1))
    account = connected(feed)
    account.send("configure", {"auto_sync": False})
    account.later(hours=1)
    account.tick()
    assert not account.waiting(FetchPage)
    account.send("sync")
    assert account.waiting(FetchPage)


def test_content_types_keep_the_rest_out() -> None:
    feed = Feed(post(1), post(2, kind=ContentKind.VIDEO), post(3))
    account = Account()
    account.connect()
    account.send("configure", {"content_types": ["video"]})
    feed.run(account)
    assert stored(account) == ["2"]
    (page,) = account.told(EventType.CONTENT_SYNCHRONIZED)
    assert page["content_ids"] == [f"{account.id}|2"]


def test_one_job_at_a_time_the_most_urgent_first() -> None:
    feed = Feed(*(post(n) for n in range(1, 31)))
    account = connected(feed)
    account.send("backfill")
    account.send("sync")  # a person waits for this one; the page in flight ends first
    assert len(account.waiting(FetchPage)) == 1
    wished = [(w.source, w.mode) for w in sorted(account.known.wishes, key=lambda w: w.priority)]
    assert wished[:2] == [("posts", Mode.INCREMENTAL), ("mentions", Mode.INCREMENTAL)]
    feed.asked.clear()
    feed.run(account)
    starts = [
        (c.source, c.since is None) for c in feed.asked if isinstance(c, FetchPage) and c.cursor is None
    ]
    assert starts == [("posts", True), ("posts", False), ("mentions", True), ("mentions", True)]


def test_the_same_wish_twice_is_one_with_the_better_priority() -> None:
    account = connected(Feed(*(post(n) for n in range(1, 31))))
    account.send("backfill")
    account.send("reconcile")
    account.send("sync")
    account.send("sync")
    wishes = [(w.source, w.mode, int(w.priority)) for w in account.known.wishes]
    assert sorted(wishes) == [
        ("mentions", Mode.BACKFILL, 4),
        ("mentions", Mode.INCREMENTAL, 0),
        ("posts", Mode.INCREMENTAL, 0),
    ]


# -- interrupted by people --------------------------------------------------------------------------


def test_pausing_in_the_middle_of_a_backfill_loses_nothing_of_it() -> None:
    feed = Feed(*(post(n) for n in range(1, 201)))
    account = Account()
    account.connect()
    feed.serve(account, calls=8)
    account.send("pause")
    assert account.known.job is None
    late = account.take(FetchPage)
    account.answer("page_fetched", late, Ok(feed.page(late)))
    assert stored(account) == numbers(121, 200)  # the answer to a job that is no more
    account.later(days=1)
    account.tick()
    assert not account.waiting(FetchPage)

    account.send("resume")
    feed.run(account)
    assert stored(account) == numbers(1, 200)
    assert account.known.sources["posts"].backfilled
    assert not account.told(EventType.CONTENT_ENGAGED)


def test_a_person_asking_to_sync_joins_the_first_backfill() -> None:
    feed = Feed(*(post(n) for n in range(1, 51)))
    account = Account()
    account.connect()
    account.send("sync")
    feed.run(account)
    assert len(feed.pages()) == 5
    assert not account.told(EventType.CONTENT_ENGAGED)


def test_disconnecting_ends_the_work() -> None:
    feed = Feed(*(post(n) for n in range(1, 31)))
    account = Account()
    account.connect()
    feed.serve(account, calls=1)
    account.send("disconnect")
    feed.serve(account)
    assert len(account.contents()) == 10
    account.later(days=1)
    account.tick()
    account.send("reconcile")
    assert account.due is None and not account.known.wishes
    with pytest.raises(Conflict):
        account.send("sync")


@pytest.mark.parametrize("name", ["page_fetched", "items_read", "recheck_chosen"])
def test_an_outcome_of_another_call_is_ignored(name: str) -> None:
    account = Account()
    account.connect()
    turn = account.send(name, {"call_id": "call_else", "outcome": Ok(Page(items=(post(1),))), "ids": ("1",)})
    assert not turn.changed


def test_a_list_that_shows_all_that_lives_is_not_rechecked() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    feed = Feed(post(1))
    feed.run(account)
    assert len(feed.pages("stories")) == 1
    assert [c.ids for c in feed.reads()] == []  # "media" was read whole just now, stories have no past
