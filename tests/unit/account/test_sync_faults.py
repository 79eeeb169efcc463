"""What goes wrong on the way: crashes, limits, faults, and how the same walk goes on."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account.content.work import CALL_TIMEOUT, MAX_FAILURES
from actors.account.effects import FetchPage
from actors.account.state import Status
from domain.budget import SHARES, Priority
from domain.events import EventType
from domain.tokens import BACKOFF_S
from platforms.base import Page
from platforms.outcome import (
    LimitReading,
    LimitScope,
    Ok,
    Outcome,
    ReauthRequired,
    Rejected,
    RetryAfter,
    Unknown,
)
from tests.unit.account.driver import START, Account, post
from tests.unit.account.feed import Feed

LIMITED = RetryAfter(300.0, LimitScope.ACCOUNT, "http_429", rate_limited=True, family="tweets")
BROKEN = RetryAfter(1.0, LimitScope.ACCOUNT, "http_503")


def walking(pages: int = 2, posts: int = 50) -> tuple[Account, Feed]:
    """In the middle of a backfill, the next page asked."""
    account, feed = Account(), Feed(*(post(n) for n in range(1, posts + 1)))
    account.connect()
    account.later(minutes=1)  # the second replay of parked events is over, too
    feed.serve(account, calls=pages)
    assert account.waiting(FetchPage)
    return account, feed


def whole(account: Account) -> bool:
    return len(account.contents()) == 50 and account.known.sources["posts"].backfilled


def test_pain_10_after_a_crash_the_same_page_is_asked_again() -> None:
    account, feed = walking()
    lost = account.take(FetchPage)
    account.crash()
    deadline = account.now + CALL_TIMEOUT
    account.now = deadline - timedelta(milliseconds=1)
    account.tick()
    assert not account.waiting(FetchPage)  # its outcome may still come
    assert account.due == deadline
    account.wake()
    account.wake()
    (again,) = account.waiting(FetchPage)
    assert (again.cursor, again.source) == (lost.cursor, lost.source)
    feed.run(account)
    assert whole(account)


def test_pain_10_a_page_answered_twice_counts_once() -> None:
    """The process went away after the platform's answer and before the save."""
    account, feed = walking()
    feed.faults.append(None)
    feed.run(account)
    assert whole(account)
    assert account.known.sources["posts"].items == 50
    synced = [i for e in account.told(EventType.CONTENT_SYNCHRONIZED) for i in e["content_ids"]]
    assert len(synced) == len(set(synced)) == 50


def test_pain_06_a_limit_is_waited_for_and_the_walk_goes_on() -> None:
    account, feed = walking()
    asked = account.fetched(LIMITED)
    assert account.due == account.now + timedelta(seconds=300)
    assert account.view["budget"]["tweets"]["used"] == account.view["budget"]["tweets"]["limit"]
    assert account.known.job is not None and account.known.job.failures == 0  # a limit is no failure
    account.later(seconds=299)
    account.send("sync")  # not even a person gets past it
    assert not account.waiting(FetchPage)
    account.wake()
    assert account.waiting(FetchPage)[0].cursor == asked.cursor
    feed.run(account)
    assert whole(account)


def test_pain_06_a_limit_of_the_app_is_not_charged_to_the_account() -> None:
    account, _ = walking()
    account.fetched(RetryAfter(60.0, LimitScope.APP, "http_429", rate_limited=True, family="tweets"))
    assert account.due == account.now + timedelta(seconds=60)
    assert account.known.budget["tweets"].used == 3


def test_pain_06_the_headers_are_believed() -> None:
    account, _ = walking()
    resets_at = account.now + timedelta(minutes=7)
    readings = (
        LimitReading("tweets", LimitScope.ACCOUNT, limit=900, remaining=0, resets_at=resets_at),
        LimitReading("mentions", LimitScope.APP, limit=1, remaining=0, resets_at=resets_at),
    )
    account.fetched(Ok(Page((post(30),), next_cursor="30"), readings))
    assert not account.waiting(FetchPage)
    assert account.due == resets_at
    assert account.view["budget"]["tweets"] == {
        "limit": 900,
        "used": 900,
        "resets_at": resets_at.isoformat().replace("+00:00", "Z"),
    }
    assert "mentions" not in account.known.budget


def test_pain_06_a_backfill_leaves_the_rest_of_the_window_to_others() -> None:
    account, feed = walking(posts=1000)
    feed.page_size = 1
    feed.serve(account)
    reach = int(account.spec.window("tweets").limit * SHARES[Priority.BACKFILL])
    assert len(feed.pages()) == reach
    assert account.due == START + timedelta(seconds=account.spec.window("tweets").seconds)


def test_pain_06_a_call_whose_outcome_nobody_heard_counts_as_made() -> None:
    account, _ = walking()
    used = account.known.budget["tweets"].used
    account.crash()
    account.wake()
    account.wake()
    assert account.waiting(FetchPage)
    assert account.known.budget["tweets"].used == used + 1


def test_faults_back_off_and_are_forgotten_by_the_next_page() -> None:
    account, feed = walking()
    pauses = []
    for _ in range(3):
        account.fetched(BROKEN)
        assert account.due is not None
        pauses.append((account.due - account.now).total_seconds())
        account.wake()
    assert pauses == list(BACKOFF_S[:3])
    assert account.known.status is Status.CONNECTED
    feed.serve(account, calls=1)
    assert account.known.job is not None and account.known.job.failures == 0


def test_a_platform_that_names_a_longer_pause_gets_it() -> None:
    account, _ = walking()
    account.fetched(RetryAfter(3600.0, LimitScope.ACCOUNT, "maintenance"))
    assert account.known.job is not None
    assert account.known.job.wait_until == account.now + timedelta(hours=1)


def test_pain_10_who_knows_that_nobody_asks_does_not_wait_for_the_answer() -> None:
    account, feed = walking()
    lost = account.take(FetchPage)
    assert account.entity.awaits(account.known)
    account.crash()
    account.send("tick", {"lonely": True})  # as a successor's first reminder
    assert not account.entity.awaits(account.known)
    assert account.due == account.now + timedelta(
        seconds=BACKOFF_S[0]
    )  # what killed its owner may do so again
    assert account.known.job is not None and account.known.job.failures == 1
    account.wake()
    (again,) = account.waiting(FetchPage)
    assert (again.cursor, again.source) == (lost.cursor, lost.source)
    feed.run(account)
    assert whole(account)


@pytest.mark.parametrize("fault", [BROKEN, Unknown("half an answer"), None])
def test_a_list_that_never_answers_is_given_up_visibly_and_tried_again(fault: Outcome[Any] | None) -> None:
    account, feed = walking()
    feed.faults.extend([fault] * MAX_FAILURES)
    while feed.faults:
        feed.serve(account, calls=1)
        if not account.waiting(FetchPage):
            account.wake()
    while account.known.job is not None and account.known.job.source == "posts":
        account.wake()
    reasons: dict[Outcome[Any] | None, str] = {BROKEN: "http_503", None: "no_outcome"}
    assert account.view["sync"]["posts"]["last_error"] == reasons.get(fault, "unknown_outcome")
    assert not account.view["sync"]["posts"]["backfilled"]
    feed.run(account)  # the mentions

    account.later(minutes=15)
    account.tick()
    feed.run(account)
    assert whole(account)
    assert account.view["sync"]["posts"]["last_error"] is None


def test_giving_up_for_want_of_an_outcome_begins_the_next_list_at_once() -> None:
    account, _ = walking()
    while account.known.job is not None and account.known.job.source == "posts":
        account.crash()
        account.wake()
    assert account.take(FetchPage).source == "mentions"


def test_what_the_platform_rejects_is_not_repeated_at_once() -> None:
    account, feed = walking()
    account.fetched(Rejected("403", "Not for this access level."))
    assert account.view["sync"]["posts"]["last_error"] == "rejected_403"
    (other,) = account.waiting(FetchPage)
    assert other.source == "mentions"
    feed.run(account)
    assert account.due == account.now + timedelta(minutes=15)


def test_pain_12_a_token_refused_in_the_middle_is_refreshed_once() -> None:
    account, feed = walking()
    feed.faults.append(ReauthRequired("token_refused"))
    feed.run(account)
    assert whole(account)
    assert account.known.token.refreshes == 1
    assert account.known.status is Status.CONNECTED


def test_pain_12_a_token_that_ends_during_a_wait_is_refreshed_before_the_next_page() -> None:
    account, feed = walking()
    feed.faults.append(RetryAfter(7300.0, LimitScope.ACCOUNT, "http_429", rate_limited=True))
    feed.run(account)
    assert whole(account)
    assert not any(c.access == b"access-0" for c in feed.pages()[4:])


def test_pain_12_a_wait_that_ends_while_the_token_is_refused_does_not_spin() -> None:
    account, _ = walking()
    account.fetched(LIMITED)
    account.now = START + timedelta(seconds=7200 * 0.8)
    account.crash()
    account.tick()  # the refresh is due and the page may go out with the old token
    account.crash()
    for _ in range(30):  # `send` fails the test when a due time lies in the past
        account.wake()
        account.crash()
    assert account.known.status is Status.CONNECTED


def test_a_dead_token_ends_the_walk() -> None:
    account, feed = walking()
    account.fetched(ReauthRequired("access_revoked"))
    assert (account.known.job, account.known.wishes) == (None, ())
    account.later(minutes=2)
    account.tick()
    assert not account.waiting(FetchPage)
    assert account.due is None

    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    feed.run(account)
    assert whole(account)  # what the first connection left undone is done by the second
