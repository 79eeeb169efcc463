"""Content that a webhook only names, and lists of which the platform says that nothing changed."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from actors.account.effects import ChooseRecheck, FetchPage, ReadItems
from domain.content import Engagement, Happening
from domain.events import EventType
from platforms.base import ItemReads, Page
from platforms.outcome import Ok
from platforms.registry import PLATFORMS
from tests.unit.account.driver import START, Account, post
from tests.unit.account.feed import Feed, choose

YOUTUBE = PLATFORMS["youtube"].spec


class Uploads(Feed):
    def page(self, call: FetchPage) -> Page:
        return Page(tuple(self.posts), etag="e1") if call.source == "uploads" else Page()


def listed(*posts: int) -> Account:
    account = Account(YOUTUBE)
    account.connect()
    account.send("configure", {"auto_sync": False})
    Uploads(*(post(n) for n in posts)).run(account)
    account.later(minutes=5)
    account.tick()
    account.crash()
    account.events.clear()
    return account


@pytest.mark.parametrize("what", [Happening.CONTENT_CREATED, Happening.CONTENT_EDITED])
def test_what_is_only_named_is_read_by_its_id(what: Happening) -> None:
    account = listed(1)
    account.hear(what, content_id="2", subject_id="2")
    call = account.take(ReadItems)
    assert call.ids == ("2",)
    new = post(2, at=account.now, engagement=Engagement(views=3))
    account.answer("items_read", call, Ok(ItemReads((new,))))
    assert account.content("2")["normalizedContent"]["text"] == "post 2"
    assert account.content("2")["tally"]


def test_a_tombstone_of_the_feed_is_believed_only_when_the_reading_says_so() -> None:
    account = listed(1, 2)
    account.hear(Happening.CONTENT_EDITED, "e1", content_id="1", subject_id="1")
    account.read(Ok(ItemReads((replace(post(1), permalink="https://x"),))))
    assert account.content("1")["status"] != "deleted", "made private: its owner still sees it"
    account.hear(Happening.CONTENT_EDITED, "e2", content_id="2", subject_id="2")
    account.read(Ok(ItemReads((), frozenset({"2"}))))
    assert account.content("2")["status"] == "deleted"


def test_an_incremental_walk_asks_whether_anything_is_new() -> None:
    account = listed(2, 1)
    assert account.known.sources["uploads"].etag == "e1"
    account.send("sync")
    call = next(c for c in account.waiting(FetchPage) if c.source == "uploads")
    assert (call.etag, call.cursor) == ("e1", None)
    account.fetched(Ok(Page(etag="e1", unchanged=True)))
    known = account.known.sources["uploads"]
    assert (known.newest_id, known.last_run_at) == ("2", account.now)
    (choice,) = [c for c in account.calls if isinstance(c, ChooseRecheck)]
    assert choice.window_from is None, "nothing was listed, so nothing is missing"
    account.calls.remove(choice)
    message = choose(account, choice)
    account.send(message.name, dict(message.data))
    assert set(account.take(ReadItems).ids) == {"1", "2"}, "their numbers have changed all the same"
    assert account.content("1")["status"] != "deleted"
    assert not account.told(EventType.CONTENT_SYNCHRONIZED)


def test_a_backfill_walks_whatever_the_platform_says() -> None:
    account = listed(1)
    account.send("backfill", {"since": (START - timedelta(days=300)).isoformat()})
    call = next(c for c in account.waiting(FetchPage) if c.source == "uploads")
    assert call.etag is None
