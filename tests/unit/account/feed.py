"""The platform's side: what it holds, in pages, and faults put in the way of the next calls."""

from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from actors.account.content import recheck
from actors.account.documents import CONTENT
from actors.account.effects import ChooseRecheck, FetchPage, ReadItems, Refresh
from actors.runtime.entity import Effect, Message
from domain.content import ContentItem, Remark
from domain.ids import AccountId
from platforms.base import ItemReads, Page
from platforms.outcome import Ok, Outcome
from platforms.spec import PlatformSpec
from storage.records import Unlisted
from tests.fakes.documents import FakeSideStore
from tests.unit.account.driver import TWITTER, Account


class Feed:
    """Answers pages, reads by id and refreshes. `faults` come first, one per call; None means a crash."""

    def __init__(self, *posts: ContentItem, page_size: int = 10) -> None:
        self.posts = list(posts)
        self.by_id: list[ContentItem] = []  # no list shows these
        self.mentions: list[Remark] = []
        self.gone: set[str] = set()
        self.faults: deque[Outcome[Any] | None] = deque()
        self.page_size = page_size
        self.asked: list[Effect] = []

    def serve(self, account: Account, calls: int = 10_000) -> None:
        """Answer what waits and what follows from it, up to a number of calls; never lets time pass."""
        while calls and (waiting := [c for c in account.calls if self._is_mine(c)]):
            calls -= 1
            call = waiting[0]
            account.calls.remove(call)
            self.asked.append(call)
            message = self._answer(account, call)
            if message is not None:
                account.send(message.name, dict(message.data))

    def run(self, account: Account, ticks: int = 100) -> None:
        """Serve, and wake the account as often as it wants, until it has no work."""
        self.serve(account)
        for _ in range(ticks):
            if account.known.job is None:
                return
            account.wake()
            self.serve(account)
        raise AssertionError("the account never came to rest")

    def pages(self, source: str = "posts") -> list[FetchPage]:
        return [c for c in self.asked if isinstance(c, FetchPage) and c.source == source]

    def reads(self) -> list[ReadItems]:
        return [c for c in self.asked if isinstance(c, ReadItems)]

    def _is_mine(self, call: Effect) -> bool:
        return isinstance(call, FetchPage | ReadItems | ChooseRecheck | Refresh)

    def _answer(self, account: Account, call: Effect) -> Message | None:
        if isinstance(call, ChooseRecheck):
            return choose(account, call)
        if isinstance(call, Refresh):
            number = account.known.token.refreshes + 1
            tokens = {"access": b"access-%d" % number, "refresh": b"refresh-%d" % number}
            data = {"intent_id": call.intent_id, "outcome": Ok(None), "expires_in_s": 7200, "scopes": None}
            return Message("refreshed", data | tokens)
        assert isinstance(call, FetchPage | ReadItems)
        outcome: Outcome[Any] | None
        if self.faults:
            outcome = self.faults.popleft()
        else:
            outcome = Ok(self.page(call) if isinstance(call, FetchPage) else self.read(call))
        if outcome is None:
            return None
        name = "page_fetched" if isinstance(call, FetchPage) else "items_read"
        data = {"call_id": call.call.id, "outcome": outcome, "access": call.access}
        return Message(name, data | {"asked_at": account.now, "answered_at": account.now})

    def page(self, call: FetchPage) -> Page:
        if call.source == "mentions":
            return Page(remarks=tuple(self.mentions))
        if call.source != "posts" and call.source != "media":
            return Page()
        alive = sorted(
            (p for p in self.posts if p.external_id not in self.gone), key=lambda p: -int(p.external_id)
        )
        if call.since is not None:
            alive = [p for p in alive if p.published_at and p.published_at >= call.since]
        if call.cursor is not None:
            alive = [p for p in alive if int(p.external_id) < int(call.cursor)]
        items = tuple(alive[: self.page_size])
        more = len(alive) > self.page_size
        return Page(items=items, next_cursor=items[-1].external_id if more else None)

    def read(self, call: ReadItems) -> ItemReads:
        there = {p.external_id: p for p in [*self.posts, *self.by_id]}
        found = tuple(there[i] for i in call.ids if i in there and i not in self.gone)
        return ItemReads(found, frozenset(i for i in call.ids if i in self.gone))


def choose(account: Account, call: ChooseRecheck) -> Message:
    """What is really chosen from the account's stored content."""
    ids = finished(recheck.choose(StoredContent(account), AccountId.parse(account.id), call))
    return Message("recheck_chosen", {"call_id": call.call.id, "ids": ids})


class StoredContent:
    """Content as the document store tells of it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        assert wanted.account_id == self._account.id
        known = FakeSideStore()
        await known.upsert_many(CONTENT, self._account.contents())
        return await known.unlisted(wanted)


def finished(work: Coroutine[Any, Any, tuple[str, ...]]) -> tuple[str, ...]:
    """The result of a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: tuple[str, ...] = done.value
        return answer
    raise AssertionError("it waited for something")


def refreshing_account(spec: PlatformSpec = TWITTER, **fields: Any) -> Account:
    """Connected, asked to do nothing else, its refresh due and under way."""
    account = quiet_account(spec, **fields)
    account.wake()
    assert account.waiting(Refresh)
    return account


def quiet_account(spec: PlatformSpec = TWITTER, **fields: Any) -> Account:
    """Connected and listed once, without schedule: nothing is due but its token."""
    account = Account(spec)
    account.connect(**fields)
    account.send("configure", {"auto_sync": False})
    Feed().serve(account)
    account.later(minutes=1)
    account.tick()
    account.crash()  # the replay of parked events answers nothing
    assert account.known.job is None and not account.known.wishes
    return account
