"""What each kind of webhook entry does to an account, its content and other people's remarks."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.effects import FetchPage, FetchProfile, ReadItems, Refresh
from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.content import Engagement, Happening, PlatformEvent, RemarkKind
from domain.events import EventType
from platforms.base import ItemReads, Page
from platforms.outcome import Ok
from tests.unit.account.driver import EXTERNAL, INSTAGRAM, Account, comment, post, totals
from tests.unit.account.feed import Feed, quiet_account

ENGAGED, REMARKED = EventType.CONTENT_ENGAGED, EventType.REMARK_RECEIVED


def account_with(*posts: Any) -> Account:
    """An account whose posts are listed, with ten likes each, and that has nothing to do."""
    account = Account()
    account.connect()
    account.send("configure", {"auto_sync": False})
    Feed(*(replace(p, engagement=Engagement(likes=10, comments=2, shares=1)) for p in posts)).run(account)
    account.later(minutes=5)
    account.tick()
    account.crash()
    account.events.clear()
    return account


def remark_of(account: Account, id: str) -> dict[str, Any]:
    return account.side[SideRef(REMARKS, side_id(account.id, id))]


# -- content ----------------------------------------------------------------------------------------


def test_new_content_is_stored_and_announced() -> None:
    account = account_with()
    account.hear(Happening.CONTENT_CREATED, content=post(5, engagement=Engagement(likes=0)), content_id="5")
    assert account.content("5")["normalizedContent"]["text"] == "post 5"
    (event,) = account.told(EventType.CONTENT_SYNCHRONIZED)
    assert event["content_ids"] == [f"{account.id}|5"]
    assert event["source"] == "webhook"


def test_content_known_already_is_not_announced_again() -> None:
    account = account_with(post(5))
    account.hear(Happening.CONTENT_CREATED, content=post(5, engagement=Engagement()), content_id="5")
    assert not account.events
    assert totals(account.content("5")) == (10, 2, 1)


def test_an_edit_that_only_names_the_content_has_it_read() -> None:
    account = account_with(post(5))
    account.hear(Happening.CONTENT_EDITED, content_id="5", subject_id="5")
    (read,) = account.waiting(ReadItems)
    assert read.ids == ("5",)
    assert account.content("5")["normalizedContent"]["text"] == "post 5"


def test_an_edit_supersedes_the_older_ids_of_the_same_piece() -> None:
    account = account_with(post(5))
    account.hear(Happening.CONTENT_EDITED, content=post(6, replaces=("5",)), content_id="6")
    assert account.content("5")["status"] == "superseded"
    assert account.content("6")["status"] == "active"
    assert account.content("6")["replaces"] == ["5"]


def test_an_edit_seen_by_a_listing_supersedes_too() -> None:
    account = account_with(post(5))
    account.send("sync")
    account.fetched(Ok(Page((post(6, replaces=("5",)),))))
    assert account.content("5")["status"] == "superseded"


@pytest.mark.parametrize("named_as", ["subject_id", "content_id"])
def test_deleted_content_leaves_a_tombstone_with_its_numbers(named_as: str) -> None:
    account = account_with(post(5))
    account.hear(Happening.CONTENT_DELETED, **{named_as: "5"})
    tomb = account.content("5")
    assert (tomb["status"], tomb["normalizedContent"], tomb["originalData"]) == ("deleted", None, None)
    assert totals(tomb) == (10, 2, 1)


def test_deletion_of_what_nobody_knew_stores_nothing() -> None:
    account = account_with()
    account.hear(Happening.CONTENT_DELETED, subject_id="5")
    assert account.contents() == []


# -- engagement -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "expected"),
    [(Happening.LIKED, (11, 2, 1)), (Happening.UNLIKED, (9, 2, 1)), (Happening.SHARED, (10, 2, 2))],
)
def test_one_more_or_less(what: Happening, expected: tuple[int, int, int]) -> None:
    account = account_with(post(5))
    account.hear(what, content_id="5")
    assert totals(account.content("5")) == expected
    (event,) = account.told(ENGAGED)
    assert tuple(event["previous"].values()) == (10, 2, 1, None)
    assert tuple(event["totals"].values()) == (*expected, None)


def test_pain_08_the_same_event_again_changes_nothing() -> None:
    account = account_with(post(5))
    for _ in range(3):
        account.hear(Happening.LIKED, "e1", content_id="5")
    account.hear(Happening.LIKED, "e2", content_id="5")
    assert totals(account.content("5")) == (12, 2, 1)
    assert len(account.told(ENGAGED)) == 2


def test_an_event_that_the_last_reading_holds_already_changes_nothing() -> None:
    account = account_with(post(5))
    asked_at, _ = account.content("5")["tally"]["read"]
    account.hear(Happening.LIKED, content_id="5", occurred_at=asked_at - timedelta(seconds=1))
    assert totals(account.content("5")) == (10, 2, 1)
    assert not account.events and not account.known.reread


def test_an_event_without_a_time_happened_now() -> None:
    account = account_with(post(5))
    account.hear(Happening.LIKED, content_id="5", occurred_at=None)
    assert totals(account.content("5")) == (11, 2, 1)


def test_unknown_content_waits_for_its_base_before_anybody_is_told() -> None:
    """A campaign that added 4,001 likes for one like would be wrong by all that came before."""
    account = account_with()
    account.hear(Happening.LIKED, "e1", content_id="7")
    assert account.content("7")["status"] == "pending"
    assert totals(account.content("7")) == (1, None, None)
    assert not account.told(ENGAGED)
    assert not account.waiting(ReadItems)  # within the like's second a reading may hold it or not
    account.later(seconds=2)
    account.hear(Happening.LIKED, "e2", content_id="7")
    assert not account.told(ENGAGED)

    account.later(seconds=2)
    account.read(Ok(ItemReads((post(7, engagement=Engagement(likes=4002, comments=3, shares=0)),))))
    (event,) = account.told(ENGAGED)
    assert tuple(event["previous"].values()) == (4000, 3, 0, None)
    assert tuple(event["totals"].values()) == (4002, 3, 0, None)

    account.later(seconds=2)
    account.hear(Happening.LIKED, "e3", content_id="7")
    assert account.told(ENGAGED)[-1]["previous"]["likes"] == 4002


def test_pending_content_announced_as_new_counts_from_zero() -> None:
    """The like came before the post it is about: deliveries are not ordered."""
    account = account_with()
    born = account.now
    account.later(seconds=1)
    account.hear(Happening.LIKED, "e1", content_id="7")
    account.hear(
        Happening.CONTENT_CREATED,
        "e2",
        content=post(7, at=born, engagement=Engagement(likes=0)),
        content_id="7",
        occurred_at=born,
    )
    assert totals(account.content("7"))[0] == 1
    (event,) = account.told(ENGAGED)
    assert (event["previous"]["likes"], event["totals"]["likes"]) == (0, 1)


def test_totals_carried_by_an_entry_replace_what_was_counted() -> None:
    account = account_with(post(5))
    account.hear(Happening.LIKED, "e1", content_id="5")
    account.later(seconds=1)
    account.hear(Happening.TOTALS, "e2", content_id="5", totals=Engagement(likes=30, views=900))
    assert totals(account.content("5")) == (30, 2, 1)
    event = account.told(ENGAGED)[-1]
    assert (event["previous"]["likes"], event["totals"]["likes"], event["totals"]["views"]) == (11, 30, 900)


def test_totals_of_unknown_content_are_history_not_news() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=5_184_000)
    Feed().run(account)
    account.hear(Happening.TOTALS, content_id="7", totals=Engagement(likes=50))
    account.wake()
    account.read(Ok(ItemReads((post(7, engagement=Engagement(likes=50)),))))
    assert account.content("7")["engagement"]["likes"] == 50
    assert not account.told(ENGAGED)


# -- remarks ----------------------------------------------------------------------------------------


def test_a_comment_is_stored_announced_and_counted() -> None:
    account = account_with(post(5))
    account.hear(Happening.REMARKED, remark=comment("c1", "5"), content_id="5")
    stored = remark_of(account, "c1")
    assert (stored["kind"], stored["contentId"], stored["own"]) == ("comment", f"{account.id}|5", False)
    assert stored["sealed"].startswith(b"sealed:")
    assert totals(account.content("5")) == (10, 3, 1)
    (event,) = account.told(REMARKED)
    assert "lovely" not in str(event) and "ann" not in event.values()


def test_pain_08_a_comment_heard_twice_counts_once() -> None:
    """Two deliveries of one comment may carry different event ids (two apps, two subscriptions)."""
    account = account_with(post(5))
    account.hear(Happening.REMARKED, "e1", remark=comment("c1", "5"), content_id="5")
    account.hear(Happening.REMARKED, "e2", remark=comment("c1", "5"), content_id="5")
    assert totals(account.content("5")) == (10, 3, 1)
    assert len(account.told(REMARKED)) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RemarkKind.QUOTE, (10, 2, 2)),
        (RemarkKind.MENTION, (10, 2, 1)),
        (RemarkKind.MESSAGE, (10, 2, 1)),
    ],
)
def test_what_other_remarks_count_as(kind: RemarkKind, expected: tuple[int, int, int]) -> None:
    account = account_with(post(5))
    account.hear(Happening.REMARKED, remark=comment("c1", "5", kind=kind), content_id="5")
    assert totals(account.content("5")) == expected
    assert account.told(REMARKED)[0]["kind"] == kind.value


@pytest.mark.parametrize(("author", "own"), [(EXTERNAL, True), ("178", True), ("900", False)])
def test_the_accounts_own_words_are_marked(author: str, own: bool) -> None:
    account = account_with(post(5))
    account.hear(Happening.PROFILE_CHANGED, "e0")
    account.profiled(Ok({"alias_ids": ["178"]}))
    account.hear(Happening.REMARKED, remark=comment("c1", "5", author=author), content_id="5")
    assert remark_of(account, "c1")["own"] is own
    assert account.told(REMARKED)[0]["own"] is own


def test_a_comment_found_by_a_listing_is_not_counted_on_top_of_the_platforms_total() -> None:
    account = account_with(post(5))
    account.send("sync")
    account.fetched(Ok(Page()))
    while not account.waiting(FetchPage):
        Feed().serve(account, calls=1)
    account.fetched(Ok(Page(remarks=(comment("c1", "5"),))))
    assert len(account.told(REMARKED)) == 1
    assert totals(account.content("5")) == (10, 2, 1)


def test_a_deleted_comment_loses_its_words_and_its_count() -> None:
    account = account_with(post(5))
    account.hear(Happening.REMARKED, "e1", remark=comment("c1", "5"), content_id="5")
    account.hear(Happening.REMARK_DELETED, "e2", subject_id="c1", content_id="5")
    gone = remark_of(account, "c1")
    assert (gone["status"], gone["sealed"], gone["originalData"]) == ("deleted", None, None)
    assert totals(account.content("5")) == (10, 2, 1)

    account.hear(Happening.REMARK_DELETED, "e3", subject_id="c1", content_id="5")
    account.hear(Happening.REMARKED, "e4", remark=comment("c1", "5"), content_id="5")  # a late repeat
    assert remark_of(account, "c1")["sealed"] is None
    assert totals(account.content("5")) == (10, 2, 1)


def test_a_deletion_that_does_not_name_the_content_leaves_the_content_whole() -> None:
    """X says only which reply is gone. The content is not before the turn, so its totals are asked for."""
    account = account_with(post(5))
    account.hear(Happening.REMARKED, "e1", remark=comment("c1", "5"), content_id="5")
    before = account.content("5")
    account.hear(Happening.REMARK_DELETED, "e2", subject_id="c1")
    assert remark_of(account, "c1")["status"] == "deleted"
    assert account.content("5") == before
    account.wake()
    assert account.take(ReadItems).ids == ("5",)


def test_deletion_of_an_unknown_comment_stores_nothing() -> None:
    account = account_with(post(5))
    account.hear(Happening.REMARK_DELETED, subject_id="c9")
    assert SideRef(REMARKS, side_id(account.id, "c9")) not in account.side


# -- the account itself -----------------------------------------------------------------------------


def test_a_changed_profile_is_read_and_announced_once() -> None:
    account = account_with()
    for event_id in ("e1", "e2"):
        account.hear(Happening.PROFILE_CHANGED, event_id)
        assert account.waiting(FetchProfile)[0].access == b"access-0"
        account.profiled(Ok({"display_name": "Kiln & Co"}))
    assert account.view["profile"]["display_name"] == "Kiln & Co"
    assert account.view["profile"]["username"] == "kiln"  # what was not told stays
    assert [e["what"] for e in account.told(EventType.SOCIAL_ACCOUNT_CHANGED)] == ["profile"]


def test_access_revoked_at_the_platform_needs_a_person() -> None:
    account = account_with(post(5))
    account.send("sync")
    account.hear(Happening.ACCESS_REVOKED, "e1")
    account.hear(Happening.ACCESS_REVOKED, "e2")
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.reason == "access_revoked"
    assert (account.known.job, account.known.wishes, account.due) == (None, (), None)
    (event,) = account.told(EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED)
    assert event == {"account_id": account.id, "platform": "twitter", "reason": "access_revoked"}


@pytest.mark.parametrize(("after_s", "revoked"), [(-1.0, False), (-0.4, True), (1.0, True)])
def test_access_revoked_before_the_grant_was_given_anew_is_old_news(after_s: float, revoked: bool) -> None:
    """Deliveries come late, and parked ones after connecting: the person has consented again since. Of a
    revocation within the same second nobody knows; then the person is asked once too often."""
    account = account_with(post(5))
    account.later(minutes=10)
    account.now = account.now.replace(microsecond=500_000)
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    happened = (account.now + timedelta(seconds=after_s)).replace(microsecond=0)
    account.later(minutes=1)
    account.hear(Happening.ACCESS_REVOKED, occurred_at=happened)
    assert (account.known.status is Status.REAUTHORIZATION_REQUIRED) is revoked


def test_access_revoked_while_a_refresh_is_under_way_stays_revoked() -> None:
    account = quiet_account()
    account.wake()
    call = account.take(Refresh)
    account.hear(Happening.ACCESS_REVOKED)
    account.refreshed(Ok(None), call)
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.token.refreshes == 0


@pytest.mark.parametrize("what", [Happening.FOLLOWED, Happening.UNFOLLOWED, Happening.OTHER])
def test_the_rest_is_counted(what: Happening) -> None:
    account = account_with(post(5))
    before = account.content("5")
    account.hear(what, content_id="5")
    account.hear(what, content_id="5")
    assert account.known.counters == {"webhooks": 2, what.value: 2}
    assert account.content("5") == before and not account.events


@pytest.mark.parametrize("what", list(Happening))
def test_an_entry_that_tells_nothing_but_its_kind_harms_nothing(what: Happening) -> None:
    account = account_with(post(5))
    account.hear(what)
    assert account.known.counters["webhooks"] == 1
    assert len(account.contents()) == 1


@pytest.mark.parametrize("what", list(Happening))
def test_a_disconnected_account_hears_nothing(what: Happening) -> None:
    account = account_with(post(5))
    account.send("disconnect")
    account.crash()
    turn = account.hear(what, subject_id="5", content_id="5", content=post(6), remark=comment("c1", "5"))
    assert not turn.changed and not turn.effects
    assert SideRef(CONTENT, side_id(account.id, "6")) not in account.side


@pytest.mark.parametrize("command", ["pause", None])
def test_webhooks_are_heard_while_nothing_may_be_called(command: str | None) -> None:
    account = account_with(post(5))
    if command:
        account.send(command)
    else:
        account.hear(Happening.ACCESS_REVOKED, "e0")
    account.later(days=3)
    account.tick()
    account.crash()
    account.hear(Happening.LIKED, content_id="5")
    account.hear(Happening.LIKED, "e2", content_id="77")
    assert totals(account.content("5")) == (11, 2, 1)
    assert not account.waiting(ReadItems)
    assert account.now - account.content("5")["syncedAt"] > timedelta(days=2)


def test_another_applications_webhook_changes_nothing() -> None:
    """Whoever brought an application can sign anything with its secret: only its own connections listen."""
    account = account_with(post(1))
    before = account.content("1")
    event = PlatformEvent(EXTERNAL, "forged", Happening.CONTENT_DELETED, subject_id="1")
    account.send("platform_event", {"event": event, "app_id": "app_of_another_org"})
    assert account.content("1") == before
