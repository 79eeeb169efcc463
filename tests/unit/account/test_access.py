"""The life of a token: decided once, saved before it is sent, healed or given up for a named reason."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account.effects import FetchPage, Refresh
from actors.account.state import Status
from actors.account.tokens.access import REFRESH_TIMEOUT
from actors.runtime.activation import Activation
from actors.runtime.drafts import Draft
from actors.runtime.entity import TICK, Message
from actors.runtime.verdicts import Item
from domain.content import Happening
from domain.events import EventType
from domain.tokens import BACKOFF_S, UNRESOLVED_GRACE
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.records import SaveOutcome
from tests.unit.account.driver import INSTAGRAM, START, Account
from tests.unit.account.feed import quiet_account, refreshing_account

GIVEN_UP = EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED
UNAVAILABLE = RetryAfter(1.0, LimitScope.ACCOUNT, "http_503")
LIMITED = RetryAfter(240.0, LimitScope.ACCOUNT, "http_429", rate_limited=True)
UNKNOWN = Unknown("the refresh may have happened")
DEAD = ReauthRequired("refresh_token_invalid")


def unheard(account: Account) -> None:
    """The process ended with the refresh sent or not; its intent outlives it."""
    account.crash()
    account.wake()


def test_is_due_a_share_of_the_lifetime_before_the_end() -> None:
    account = quiet_account()
    assert account.due == START + timedelta(seconds=7200 * 0.8)
    account.now = account.due - timedelta(milliseconds=1)
    account.tick()
    assert not account.waiting(Refresh)
    account.wake()
    (call,) = account.waiting(Refresh)
    assert (call.access, call.refresh) == (b"access-0", b"refresh-0")


def test_the_intent_is_in_the_write_that_lets_the_refresh_go() -> None:
    account = refreshing_account()
    (call,) = account.waiting(Refresh)
    intent = account.known.intent  # as read back from what was saved
    assert intent is not None
    assert (intent.id, intent.not_after) == (call.intent_id, call.not_after)
    assert call.not_after == account.now + REFRESH_TIMEOUT
    assert account.view["token"]["refreshing"] is True


def test_nothing_starts_a_second_refresh_while_one_is_under_way() -> None:
    account = refreshing_account()
    account.tick()
    account.hear(Happening.FOLLOWED)
    account.send("sync")
    account.later(seconds=24)
    account.tick()
    assert len(account.waiting(Refresh)) == 1


def test_success_rotates_both_tokens() -> None:
    account = refreshing_account()
    account.later(seconds=2)
    account.refreshed(Ok(None), expires_in_s=3600, scopes=("tweet.read", "users.read"))
    token = account.known.token
    assert (token.access, token.refresh) == (b"access-1", b"refresh-1")
    assert token.expires_at == account.now + timedelta(hours=1)  # the answer wins over the constant
    assert (token.refreshes, token.failures, token.in_doubt) == (1, 0, 0)
    assert account.known.intent is None
    assert account.known.scopes == ("tweet.read", "users.read")
    assert [e["what"] for e in account.told(EventType.SOCIAL_ACCOUNT_CHANGED)][-1] == "token_refreshed"


def test_an_answer_without_lifetime_falls_back_to_the_platforms() -> None:
    account = refreshing_account()
    account.refreshed(Ok(None), expires_in_s=None)
    assert account.known.token.expires_at == account.now + timedelta(seconds=7200)


def test_a_lifetime_beyond_every_calendar_is_a_long_one() -> None:
    account = refreshing_account()
    account.refreshed(Ok(None), expires_in_s=2**63 - 1)
    expires_at = account.known.token.expires_at
    assert expires_at is not None and expires_at > account.now + timedelta(days=10_000)


def test_pain_04_an_answer_without_refresh_token_keeps_the_old_one() -> None:
    account = refreshing_account()
    account.refreshed(Ok(None), refresh=None)
    assert account.known.token.refresh == b"refresh-0"
    assert account.known.token.access == b"access-1"


@pytest.mark.parametrize("outcome", [UNAVAILABLE, LIMITED, Rejected("invalid_client", "No such app.")])
def test_pain_03_transient_failures_back_off_and_stay_connected(outcome: Outcome[None]) -> None:
    account = refreshing_account()
    pauses = []
    for _ in range(8):
        account.refreshed(outcome)
        assert account.known.status is Status.CONNECTED
        assert not account.waiting(Refresh)
        assert account.due is not None
        pauses.append((account.due - account.now).total_seconds())
        account.wake()
    at_least = outcome.seconds if isinstance(outcome, RetryAfter) else 0.0
    expected = [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1], BACKOFF_S[-1]]
    assert pauses == [max(at_least, pause) for pause in expected]
    assert not account.told(GIVEN_UP)

    account.refreshed(Ok(None))
    assert (account.known.token.failures, account.known.token.retry_at) == (0, None)
    assert account.known.reason is None


@pytest.mark.parametrize("status", ["connected", "paused"])
def test_a_named_dead_token_needs_a_person_and_is_not_tried_again(status: str) -> None:
    account = quiet_account()
    if status == "paused":
        account.send("pause")
    account.wake()
    account.refreshed(DEAD)
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.reason == "refresh_token_invalid"
    (event,) = account.told(GIVEN_UP)
    assert event == {"account_id": account.id, "platform": "twitter", "reason": "refresh_token_invalid"}
    assert account.due is None
    account.later(days=2)
    account.tick()
    account.hear(Happening.LIKED, content_id="1")
    assert not account.calls


# -- unknown outcomes -------------------------------------------------------------------------------


def test_no_outcome_is_not_resolved_before_the_call_is_surely_over() -> None:
    account = refreshing_account()
    (call,) = account.waiting(Refresh)
    account.crash()
    account.now = call.not_after + UNRESOLVED_GRACE - timedelta(milliseconds=1)
    account.tick()
    assert not account.waiting(Refresh)
    assert account.known.token.in_doubt == 0
    assert account.due == call.not_after + UNRESOLVED_GRACE


def test_no_outcome_presents_the_old_token_once_more() -> None:
    account = refreshing_account()
    unheard(account)
    (call,) = account.waiting(Refresh)
    assert call.refresh == b"refresh-0"
    assert account.known.intent is not None and account.known.intent.last_chance
    assert account.known.token.in_doubt == 1
    assert account.view["token"]["refresh_in_doubt"] == 1


@pytest.mark.parametrize("end", [UNKNOWN, None])
def test_pain_03_a_second_unknown_outcome_waits_and_stays_connected(end: Outcome[None] | None) -> None:
    account = refreshing_account()
    account.refreshed(UNKNOWN)
    for _ in range(3):
        if end is None:
            unheard(account)
        else:
            account.refreshed(end)
        assert account.known.status is Status.CONNECTED
        assert not account.waiting(Refresh)  # not at once
        account.wake()
        assert account.known.intent is not None and account.known.intent.last_chance
        assert account.view["token"]["outcome_unknown"] is True
    assert account.known.token.in_doubt == 1
    assert account.view["token"]["failures"] == 3
    account.refreshed(Ok(None))
    assert account.view["token"]["outcome_unknown"] is False
    assert account.view["token"]["retry_at"] is None


def test_a_token_in_doubt_is_presented_ever_more_seldom() -> None:
    """However long nobody answers: a platform must not take it for somebody who tries tokens."""
    account = refreshing_account()
    begun, presented = account.now, 0
    while account.now < begun + timedelta(days=1):
        presented += len(account.waiting(Refresh))
        account.crash()
        account.wake()
    assert presented <= 2 + len(BACKOFF_S) + 86_400 / BACKOFF_S[-1]
    assert account.known.token.in_doubt == 1
    assert account.view["token"]["retry_at"] is not None or account.view["token"]["refreshing"]


def test_a_refusal_after_an_unknown_outcome_means_the_token_was_spent() -> None:
    account = refreshing_account()
    account.refreshed(UNKNOWN)
    account.refreshed(DEAD)
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.reason == "refresh_outcome_unknown"
    assert account.known.token.in_doubt == 1
    assert not account.waiting(Refresh)
    assert len(account.told(GIVEN_UP)) == 1


def test_a_last_chance_that_could_not_be_sent_stays_the_last() -> None:
    account = refreshing_account()
    account.refreshed(UNKNOWN)
    account.refreshed(UNAVAILABLE)
    account.wake()
    assert account.known.intent is not None and account.known.intent.last_chance
    assert account.known.token.in_doubt == 1
    account.refreshed(DEAD)
    assert account.known.reason == "refresh_outcome_unknown"


def test_success_of_the_last_chance_heals() -> None:
    account = refreshing_account()
    account.refreshed(UNKNOWN)
    account.refreshed(Ok(None))
    assert account.known.status is Status.CONNECTED
    assert not account.known.token.doubtful
    assert account.known.token.in_doubt == 1  # it happened: the count stays

    account.wake()
    account.refreshed(DEAD)
    assert account.known.reason == "refresh_token_invalid"  # of a token that was never in doubt


def test_an_outcome_of_an_intent_given_up_changes_nothing() -> None:
    account = refreshing_account()
    (lost,) = account.waiting(Refresh)
    unheard(account)
    before = account.known
    account.refreshed(Ok(None), call=lost)
    account.refreshed(DEAD, call=lost)
    assert account.known == before


def test_extending_a_token_spends_nothing_so_doubt_is_not_counted() -> None:
    account = refreshing_account(INSTAGRAM, refresh_token=None, expires_in_s=5_184_000)
    for end in (None, UNKNOWN, None, UNKNOWN, UNKNOWN):
        if end is None:
            unheard(account)
        else:
            account.refreshed(end)
        assert not account.waiting(Refresh)  # a call that is never answered must not be repeated for ever
        account.wake()
        assert account.known.intent is not None and not account.known.intent.last_chance
    assert account.known.token.failures == 5
    account.refreshed(Ok(None), refresh=None)
    assert account.known.token.in_doubt == 0
    assert account.known.token.refresh is None


def test_a_token_that_nobody_can_refresh_ends_with_its_expiry() -> None:
    account = quiet_account(refresh_token=None)
    assert account.due == account.known.token.expires_at
    account.wake()
    assert not account.calls
    assert account.known.reason == "token_expired"


# -- "token refused" by an ordinary call ------------------------------------------------------------


def reading(**fields: Any) -> Account:
    account = Account()
    account.connect(**fields)
    return account


def test_pain_12_a_refused_token_is_refreshed_once_and_the_work_goes_on() -> None:
    account = reading()
    first = account.fetched(ReauthRequired("token_refused"))
    assert account.known.status is Status.CONNECTED
    assert not account.waiting(FetchPage)
    account.later(seconds=1)
    account.refreshed(Ok(None))
    (again,) = account.waiting(FetchPage)
    assert (again.source, again.cursor, again.access) == (first.source, first.cursor, b"access-1")


def test_a_fresh_token_that_is_refused_too_is_dead() -> None:
    account = reading()
    account.fetched(ReauthRequired("token_refused"))
    account.refreshed(Ok(None))
    account.later(seconds=2)
    account.fetched(ReauthRequired("token_refused"))
    assert account.known.reason == "token_refused_after_refresh"
    assert not account.waiting(Refresh) and not account.waiting(FetchPage)


@pytest.mark.parametrize("reason", ["token_refused", "session_invalid"])
def test_pain_02_a_refusal_of_the_former_token_says_nothing_of_the_new_one(reason: str) -> None:
    """Rotating may end the old access token while a call that carries it is under way."""
    account = reading()
    account.now = START + timedelta(seconds=7200 * 0.8 - 1)
    account.crash()
    account.tick()  # asks the page again
    account.later(seconds=6)
    account.tick()
    assert account.waiting(FetchPage)
    assert account.waiting(Refresh)
    account.refreshed(Ok(None))
    account.fetched(ReauthRequired(reason))
    assert account.known.status is Status.CONNECTED
    (again,) = account.waiting(FetchPage)
    assert again.access == b"access-1"


def test_a_refused_token_waits_for_a_refresh_that_backs_off() -> None:
    account = reading()
    account.fetched(ReauthRequired("token_refused"))
    account.refreshed(LIMITED)
    account.later(seconds=200)
    account.tick()
    assert not account.waiting(Refresh) and not account.waiting(FetchPage)
    account.wake()
    account.refreshed(Ok(None))
    assert account.waiting(FetchPage)


def test_a_named_dead_token_of_a_call_ends_the_work() -> None:
    account = reading()
    account.fetched(ReauthRequired("password_changed"))
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert (account.known.job, account.known.wishes) == (None, ())
    assert account.told(GIVEN_UP)[0]["reason"] == "password_changed"


# -- the connection changes while a refresh is under way --------------------------------------------


def test_disconnect_forgets_the_tokens_and_a_late_outcome() -> None:
    account = refreshing_account()
    call = account.take(Refresh)
    account.send("disconnect")
    account.refreshed(Ok(None), call=call)
    token = account.known.token
    assert (token.access, token.refresh) == (b"", None)
    assert account.due is None


def test_connecting_again_with_new_tokens_ends_the_old_intent() -> None:
    account = refreshing_account()
    call = account.take(Refresh)
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    account.refreshed(Ok(None), call=call)
    assert account.known.token.access == b"access-n"
    assert account.known.token.refresh == b"refresh-n"


def test_a_pause_that_ends_before_the_refresh_is_due_does_not_tick_in_vain() -> None:
    account = reading()
    account.fetched(ReauthRequired("token_refused"))
    account.connect(access_token=b"access-n", refresh_token=None)  # the new token is fresh
    account.refreshed(UNAVAILABLE)
    account.send("pause")
    account.later(minutes=1)
    account.tick()
    assert account.known.token.retry_at is not None and account.known.token.retry_at < account.now
    assert account.due == START + timedelta(seconds=7200 * 0.8)


def test_connecting_again_without_refresh_token_keeps_the_intent_that_spends_it() -> None:
    """Otherwise the kept refresh token, already spent by the call under way, would be presented again."""
    account = refreshing_account()
    call = account.take(Refresh)
    account.connect(access_token=b"access-n", refresh_token=None)
    assert account.known.intent is not None and account.known.intent.id == call.intent_id
    account.refreshed(Ok(None), call=call)
    assert account.known.token.refresh == b"refresh-1"


def test_what_a_later_message_of_the_same_turn_ends_is_not_sent() -> None:
    """An answer that waited for the store comes first in the turn of a disconnect: nothing of the refresh
    that it begins is saved."""
    account = quiet_account()
    account.now = account.due or account.now
    items = [Item(TICK), Item(Message("disconnect", id="cmd"))]
    drafts = [
        Draft(account.entity, Activation(account.key, account.known, account.version), items[:n])
        for n in (1, 2)
    ]
    sent: list[int] = []
    for draft in drafts:
        draft.apply({}, account.now)
        save = draft.save(1, 0, account.now)
        assert save is not None and draft.settle(save, SaveOutcome.SAVED)
        refreshes = [e for e in draft.saved().effects if isinstance(e, Refresh)]
        assert bool(refreshes) == (save.document["intent"] is not None)
        sent.append(len(refreshes))
    assert sent == [1, 0]
