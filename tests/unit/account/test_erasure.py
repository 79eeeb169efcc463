"""Erasing an account: everything it held goes, whatever ends in between, and nothing comes back by itself."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account import erasure
from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.effects import FetchPage, FindRemains, Revoke, Subscribe
from actors.account.operations.told import STREAMS
from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.content import ContentKind, Happening
from domain.errors import Conflict
from domain.events import EventType
from domain.publishing import Draft, draft_json
from platforms.base import Page
from platforms.outcome import Ok
from storage.mongo.schema import FEEDS
from storage.sealed import FIELDS
from tests.unit.account.driver import START, Account, comment, post

PLANTED = "plantedwords"


class Held:
    """What the handler finds and removes, from the driver's documents and from what lies beside them."""

    def __init__(self, account: Account, letters: int = 3) -> None:
        self.account = account
        self.letters = letters
        self.places: list[str] = []

    def answer(self, page: int = 2) -> FindRemains:
        """Answer the look that waits as the stores would."""
        look = self.account.take(FindRemains)
        self.places.append(look.place)
        ids, removed = [], 0
        if look.place in erasure.DOCUMENTS:
            ids = [
                d["_id"]
                for ref, d in self.account.side.items()
                if ref.collection == look.place and d.get("socialAccountId") == self.account.id
            ][:page]
        elif look.place == erasure.LETTERS:
            removed = min(page, self.letters)
            self.letters -= removed
        self.account.send("remains_found", {"call_id": look.call.id, "ids": ids, "removed": removed})
        return look

    def to_the_end(self) -> None:
        while self.account.waiting(FindRemains):
            self.answer()


def full(posts: int = 5) -> Account:
    """Connected, with content, a comment, a publication and an operation of every kind that a walk leaves."""
    account = Account()
    account.connect(profile={"username": PLANTED, "display_name": PLANTED, "bio": PLANTED})
    items = tuple(post(n, permalink=f"https://x.com/{PLANTED}/{n}") for n in range(posts))
    while account.waiting(FetchPage):
        account.fetched(Ok(Page(items)))
    account.hear(Happening.REMARKED, "e-remark", remark=comment("c1", "1"))
    draft = draft_json(Draft(ContentKind.POST, PLANTED))
    data = {"publication_id": "pub_1", "draft": draft, "group": "grp", "user_id": "usr_1"}
    account.send("publish", data | {"due_at": (account.now + timedelta(days=1)).isoformat()})
    stream: dict[str, Any] = {
        "_id": side_id(account.id, "b"),
        "socialAccountId": account.id,
        "org": "org_a",
        "name": b"key",
    }
    account.side[SideRef(STREAMS, stream["_id"])] = stream
    account.crash()
    return account


def left(account: Account) -> str:
    """Everything that is stored of it, as text."""
    return f"{account.entity.dump(account.known)} {account.side}"


def is_empty(account: Account) -> bool:
    return all(d["status"] == "erased" and "socialAccountId" not in d for d in account.side.values())


def test_every_collection_that_names_an_account_is_erased() -> None:
    by_account = {name: feed.by for name, feed in FEEDS.items() if "socialAccountId" in feed.filters}
    assert {name: by for name, by in erasure.DOCUMENTS.items() if name != STREAMS} == by_account
    sealed = {name for name in FIELDS if name.startswith("social_")}
    assert sealed - {"social_accounts", "social_transactions"} <= set(erasure.DOCUMENTS)


def test_the_connection_ends_at_once_and_with_it_what_the_account_knew() -> None:
    account = full()
    assert PLANTED in left(account)
    turn = account.send("erase")
    assert turn.forgets
    assert (account.known.status, account.known.reason) == (Status.DISCONNECTED, "erasing")
    assert PLANTED not in str(account.entity.dump(account.known))
    assert (account.take(Revoke).access, account.known.token.access) == (b"access-0", b"")
    (ended,) = account.told(EventType.SOCIAL_ACCOUNT_DISCONNECTED)
    assert ended["reason"] == "erasing"
    assert [e["status"] for e in account.told(EventType.PUBLICATION_CHANGED)] == ["cancelled"]
    assert account.view["erasure"]["status"] == "erasing"


def test_every_document_becomes_a_tombstone_page_by_page() -> None:
    account = full()
    documents = len(account.side)
    account.send("erase")
    held = Held(account)
    held.to_the_end()
    assert is_empty(account)
    assert set(account.side[SideRef(CONTENT, side_id(account.id, "1"))]) == {
        *("_id", "org", "publishedAt", "status", "deletedAt"),
    }
    assert held.places[1:5] == [CONTENT] * 4, "two, two, one, none"
    assert [p for n, p in enumerate(held.places) if p not in held.places[:n]] == list(erasure.PLACES)
    assert held.letters == 0
    assert account.known.reason == "erased"
    assert (account.view["erasure"]["status"], account.view["erasure"]["documents"]) == ("done", documents)
    (told,) = account.told(EventType.SOCIAL_ACCOUNT_ERASED)
    assert told == {"account_id": account.id, "platform": "twitter", "documents": documents}
    assert (account.due, account.waiting(FindRemains)) == (None, [])


@pytest.mark.parametrize("step", range(26))
def test_any_step_may_be_the_last_of_its_process(step: int) -> None:
    """Before a look, whose outcome nobody hears; or after the save and before what followed from it."""
    account = full()
    account.send("erase")
    held = Held(account)
    for _ in range(step // 2):
        held.answer()
    if step % 2 and account.waiting(FindRemains):
        lost = account.take(FindRemains)
        account.wake()
        late: dict[str, Any] = {"call_id": lost.call.id, "ids": ["x"], "removed": 0}
        account.send("remains_found", late)
        assert all(ref.id != "x" for ref in account.side), "what was given up is not believed"
    else:
        account.crash()
        account.wake()
    held.to_the_end()
    assert is_empty(account)
    assert account.known.reason == "erased"
    assert len(account.told(EventType.SOCIAL_ACCOUNT_ERASED)) == 1


def test_nothing_comes_back_while_it_goes_on_or_afterwards() -> None:
    account = full()
    while not account.waiting(FetchPage):
        account.crash()
        account.wake()
    late = account.take(FetchPage)
    account.send("erase")
    held = Held(account)
    for _ in range(2):
        account.hear(Happening.REMARKED, f"e-{len(held.places)}", remark=comment("c9", "1"))
        account.hear(Happening.LIKED, f"l-{len(held.places)}", content_id="1")
        account.answer("page_fetched", late, Ok(Page((post(77),))))
        for command in ("sync", "pause", "resume", "backfill"):
            with pytest.raises(Conflict):
                account.send(command)
        held.to_the_end()
    assert is_empty(account)
    assert SideRef(REMARKS, side_id(account.id, "c9")) not in account.side


def test_it_is_not_connected_before_it_has_ended() -> None:
    account = full()
    account.send("erase")
    with pytest.raises(Conflict, match="being erased"):
        account.connect()
    Held(account).to_the_end()
    account.later(minutes=1)
    account.connect(access_token=b"access-new")
    assert account.known.status is Status.CONNECTED
    assert account.known.token.access == b"access-new"
    assert not account.known.sources
    assert account.view["erasure"]["status"] == "done"


def test_a_new_connection_begins_from_nothing_and_what_it_reads_is_new() -> None:
    account = full()
    account.hear(Happening.LIKED, "l1", content_id="1")
    account.send("erase")
    Held(account).to_the_end()
    account.later(minutes=1)
    account.connect()
    before = len(account.events)
    while account.waiting(FetchPage):
        account.fetched(Ok(Page((post(1), post(2)))))
    account.hear(Happening.REMARKED, "e-again", remark=comment("c1", "1"))
    assert account.content("1")["status"] == "active"
    assert account.content("3")["status"] == "erased"
    assert account.side[SideRef(REMARKS, side_id(account.id, "c1"))]["status"] == "active"
    assert any(e.type is EventType.REMARK_RECEIVED for e in account.events[before:])


def test_a_wish_told_again_while_it_goes_on_is_the_same_one() -> None:
    account = full()
    account.send("erase")
    held = Held(account)
    held.answer()
    account.later(seconds=5)
    account.send("erase")
    assert account.known.erasure is not None
    assert (account.known.erasure.begun_at, account.known.erasure.asked_at) == (START, account.now)
    assert len(account.waiting(FindRemains)) == 1
    held.to_the_end()
    assert held.places.count(CONTENT) == 4
    assert len(account.told(EventType.SOCIAL_ACCOUNT_DISCONNECTED)) == 1


def test_a_callback_that_the_platform_repeats_spares_the_connection_made_since() -> None:
    account = full()
    wish = {"app_id": "app_x", "asked_at": account.now.isoformat()}
    account.send("erase", wish)
    Held(account).to_the_end()
    account.later(minutes=1)
    account.connect()
    account.send("erase", wish)
    assert account.known.status is Status.CONNECTED
    account.send("erase", wish | {"asked_at": account.now.isoformat()})
    assert account.known.reason == "erasing"


def test_another_application_erases_nothing() -> None:
    """Whoever brought one knows its secret and could sign anything with it."""
    account = full()
    account.send("erase", {"app_id": "app_other", "asked_at": account.now.isoformat()})
    assert account.known.status is Status.CONNECTED
    assert account.known.erasure is None


def test_a_disconnected_account_is_erased_as_well() -> None:
    account = full()
    account.send("disconnect")
    account.crash()
    account.send("erase")
    assert not account.waiting(Revoke), "there is no token any more"
    Held(account).to_the_end()
    assert is_empty(account)
    account.send("disconnect")
    assert account.known.reason == "erased"


def test_what_the_windows_have_used_is_kept() -> None:
    account = full()
    account.subscribes = None
    account.send("sync")
    used = account.known.budget
    assert used
    account.send("erase")
    assert account.known.budget == used
    assert not account.waiting(Subscribe)
