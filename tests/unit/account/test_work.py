"""Which work comes first: people do not wait for backfills, and nothing that was asked for is lost."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account.content.work import CALL_TIMEOUT, OVERLAP
from actors.account.effects import FetchPage, ReadItems
from actors.account.state import Job, Mode
from domain.budget import SHARES, Priority
from domain.content import Happening
from platforms.base import ItemReads, Page
from platforms.outcome import LimitScope, Ok, Rejected, RetryAfter
from tests.unit.account.driver import INSTAGRAM, Account, post
from tests.unit.account.feed import Feed

LIMITED = RetryAfter(600.0, LimitScope.APP, "rate_limit", rate_limited=True, family="tweets")


def synced(posts: int = 60) -> tuple[Account, Feed]:
    account, feed = Account(), Feed(*(post(n) for n in range(1, posts + 1)))
    account.connect()
    account.later(minutes=1)
    feed.run(account)
    feed.asked.clear()
    return account, feed


def job(account: Account) -> Job:
    assert account.known.job is not None
    return account.known.job


# -- people first -----------------------------------------------------------------------------------


def test_a_person_gets_in_between_two_pages_of_a_backfill() -> None:
    account, feed = synced()
    account.send("backfill")
    feed.serve(account, calls=2)
    account.send("sync")
    feed.run(account)
    asked = [(c.source, c.since is not None, c.cursor) for c in feed.pages()]
    assert asked[:4] == [
        ("posts", False, None),
        ("posts", False, "51"),
        ("posts", False, "41"),  # under way when the person came
        ("posts", True, None),
    ]
    assert ("posts", False, "31") in asked[4:]  # the backfill goes on where it was
    assert asked.count(("posts", False, None)) == 1
    assert not account.known.shelved and not account.known.wishes


def test_a_person_does_not_wait_for_the_window_that_a_backfill_has_used_up() -> None:
    account, feed = synced(posts=1000)
    feed.page_size = 1
    account.send("backfill")
    feed.serve(account)
    assert job(account).priority is Priority.BACKFILL and job(account).wait_until is not None
    account.send("sync")
    (call,) = account.waiting(FetchPage)
    assert call.since is not None
    assert [j.mode for j in account.known.shelved] == [Mode.BACKFILL]
    assert account.view["waiting_work"][0] == {"source": "posts", "mode": "backfill"}


def test_a_person_hurries_the_scheduled_run_of_the_same_list() -> None:
    account, _ = synced()
    window = account.spec.window("tweets")
    account.later(minutes=30)
    account.tick()
    scheduled = account.take(FetchPage)
    used = int(window.limit * SHARES[Priority.SCHEDULED])
    account.answer("page_fetched", scheduled, LIMITED)
    assert job(account).priority is Priority.SCHEDULED
    account.later(seconds=1)
    account.send("sync")
    assert (job(account).source, job(account).priority) == ("posts", Priority.PERSON)
    (again,) = account.waiting(FetchPage)
    assert (again.source, again.call.id != scheduled.call.id) == ("posts", True)
    assert account.known.budget["tweets"].used < used


def test_a_schedule_does_not_wait_for_a_backfill_that_waits() -> None:
    account, _ = synced()
    account.send("backfill")
    account.fetched(RetryAfter(3600.0, LimitScope.APP, "usage_cap", rate_limited=True))
    next_run = account.known.sources["posts"].next_run_at
    assert account.due == next_run
    account.wake()
    (call,) = account.waiting(FetchPage)
    assert call.since is not None


def test_what_webhooks_ask_for_does_not_wait_for_a_backfill() -> None:
    account, feed = synced()
    account.send("backfill")
    account.hear(Happening.LIKED, "e1", content_id="77")
    account.later(seconds=2)
    feed.serve(account, calls=1)
    assert account.waiting(ReadItems)[0].ids == ("77",)


# -- nothing is lost --------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", ["pause", "connect"])
def test_a_backfill_somebody_asked_for_survives(interruption: str) -> None:
    account, feed = synced()
    since = post(15).published_at
    assert since is not None
    account.send("backfill", {"since": since.isoformat()})
    feed.serve(account, calls=2)
    account.crash()
    if interruption == "pause":
        account.send("pause")
        assert account.known.job is None
        account.send("resume")
    else:
        account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    feed.asked.clear()
    feed.run(account)
    walks = [c for c in feed.pages() if c.since == since]
    assert walks[-1].cursor is not None and int(walks[-1].cursor) <= 21


def test_content_to_be_read_survives_a_pause_and_a_new_connection() -> None:
    account, feed = synced()
    feed.by_id = [post(77)]
    account.hear(Happening.LIKED, "e1", content_id="77")
    account.later(seconds=2)
    account.tick()
    assert account.waiting(ReadItems)
    account.crash()
    account.send("pause")
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    feed.run(account)
    assert account.content("77")["status"] == "active"


def test_one_id_that_may_not_be_read_does_not_hide_the_others() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    Feed().run(account)
    for number in range(70, 75):
        account.hear(Happening.LIKED, f"e{number}", content_id=str(number))
    due = account.known.sources["media"].next_run_at
    account.wake()
    account.read(Rejected("10", "No permission for this one."))
    assert account.view["sync"]["media"]["last_error"] == "rejected_10"
    read: list[str] = []
    while account.waiting(ReadItems):
        (call,) = account.waiting(ReadItems)
        read += call.ids
        account.read(Ok(ItemReads(tuple(post(int(i)) for i in call.ids))))
    assert sorted(read) == ["71", "72", "73", "74"]
    assert account.known.sources["media"].next_run_at == due


def test_an_account_that_may_read_nothing_by_id_does_not_try_them_all() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    Feed().run(account)
    for number in range(100, 160):
        account.hear(Happening.LIKED, f"e{number}", content_id=str(number))
    account.wake()
    asked = 0
    while account.waiting(ReadItems):
        asked += 1
        account.read(Rejected("10", "No permission."))
    assert asked <= 10


def test_readings_that_are_rejected_do_not_push_the_schedule_away() -> None:
    """Comments under content that cannot be read come all day long."""
    account, _ = synced()
    due = account.known.sources["posts"].next_run_at
    assert due is not None
    for n in range(20):
        account.hear(Happening.LIKED, f"e{n}", content_id=str(5000 + n))
        account.later(seconds=40)
        account.tick()
        for call in account.waiting(ReadItems):
            account.calls.remove(call)
            account.answer("items_read", call, Rejected("403", "Not this one."))
    account.now = due
    account.tick()
    assert "posts" in [c.source for c in account.waiting(FetchPage)]


def test_a_shorter_interval_holds_from_now_on() -> None:
    account, _ = synced()
    account.send("configure", {"sync_frequency": "24h"})
    assert account.due is not None and account.due > account.now + timedelta(minutes=30)
    account.later(minutes=30)
    account.send("configure", {"sync_frequency": "realtime"})
    assert account.waiting(FetchPage)


# -- one call at a time -----------------------------------------------------------------------------


def test_a_late_answer_does_not_start_a_second_chain_of_calls() -> None:
    """Each answer lets the next call go out: two answers to one call would double the walk for good."""
    account, feed = synced()
    account.send("backfill")
    feed.serve(account, calls=1)
    slow = account.take(FetchPage)
    account.later(seconds=CALL_TIMEOUT.total_seconds())
    while not account.waiting(FetchPage):
        account.wake()
    account.answer("page_fetched", slow, Ok(feed.page(slow)))
    (again,) = account.waiting(FetchPage)
    assert again.cursor == slow.cursor
    account.answer("page_fetched", account.take(FetchPage), Ok(feed.page(again)))
    account.answer("page_fetched", slow, Ok(feed.page(slow)))
    assert len(account.waiting(FetchPage)) == 1


def test_a_reading_answered_twice_skips_no_ids() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    Feed().run(account)
    for number in range(70, 74):
        account.hear(Happening.LIKED, f"e{number}", content_id=str(number))
    account.wake()
    first = account.take(ReadItems)
    for _ in range(2):
        account.answer("items_read", first, Ok(ItemReads((post(int(first.ids[0])),))))
    assert len(account.waiting(ReadItems)) == 1
    assert len(job(account).ids) == 3


def test_the_overlap_is_that_of_the_run_not_of_the_wish() -> None:
    account, feed = synced()
    newest: Any = account.known.sources["posts"].newest_at
    account.send("sync")
    assert job(account).since == newest - OVERLAP
    account.fetched(Ok(Page(items=(post(60),))))
    feed.run(account)
