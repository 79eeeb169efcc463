"""A refresh that may be repeated (Google): nothing is spent by it, so nothing is ever in doubt."""

from datetime import timedelta

import pytest

from actors.account.effects import Refresh
from actors.account.state import Status
from actors.account.tokens.access import repeatable
from domain.events import EventType
from domain.tokens import BACKOFF_S, UNRESOLVED_GRACE
from platforms.outcome import Ok, Outcome, ReauthRequired, Unknown
from platforms.registry import PLATFORMS
from platforms.spec import TokenModel
from tests.unit.account.feed import quiet_account, refreshing_account

YOUTUBE = PLATFORMS["youtube"].spec
UNKNOWN = Unknown("the refresh may have happened")
DEAD = ReauthRequired("refresh_token_invalid")


def test_only_a_rotating_token_is_not_repeatable() -> None:
    assert [model for model in TokenModel if not repeatable(model)] == [TokenModel.ROTATING]
    assert YOUTUBE.token.model is TokenModel.RENEWED


def test_an_answer_without_a_refresh_token_keeps_the_one_that_goes_on() -> None:
    account = refreshing_account(YOUTUBE, expires_in_s=3599)
    for _ in range(3):
        account.refreshed(Ok(None), refresh=None, expires_in_s=3599)
        assert account.known.token.refresh == b"refresh-0"
        account.wake()
    assert account.known.token.refreshes == 3


@pytest.mark.parametrize("end", [UNKNOWN, None])
def test_an_unknown_outcome_is_counted_nowhere_and_tried_again(end: Outcome[None] | None) -> None:
    account = refreshing_account(YOUTUBE)
    pauses = []
    for _ in range(len(BACKOFF_S) + 1):
        if end is None:
            account.crash()
            account.wake()
        else:
            account.refreshed(end)
        assert account.known.status is Status.CONNECTED
        assert not account.waiting(Refresh), "after a pause, not at once"
        token = account.known.token
        assert (token.in_doubt, token.doubtful, account.known.intent) == (0, False, None)
        assert account.due is not None
        pauses.append((account.due - account.now).total_seconds())
        account.wake()
        (call,) = account.waiting(Refresh)
        assert call.refresh == b"refresh-0"
        assert account.known.intent is not None and not account.known.intent.last_chance
    assert pauses == [*BACKOFF_S, BACKOFF_S[-1]]
    account.refreshed(Ok(None), refresh=None)
    assert account.known.token.failures == 0


def test_a_refusal_after_an_unknown_outcome_is_believed_for_what_it_says() -> None:
    """With a rotating token it could mean that our own lost refresh spent it; here it cannot."""
    account = refreshing_account(YOUTUBE)
    account.refreshed(UNKNOWN)
    account.wake()
    account.refreshed(DEAD)
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.reason == "refresh_token_invalid"
    assert len(account.told(EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED)) == 1


def test_two_refreshes_are_never_under_way_although_they_might_be() -> None:
    account = refreshing_account(YOUTUBE)
    (call,) = account.waiting(Refresh)
    account.now = call.not_after + UNRESOLVED_GRACE - timedelta(milliseconds=1)
    account.tick()
    assert account.waiting(Refresh) == [call]


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    account = refreshing_account(YOUTUBE)
    late = account.take(Refresh)
    account.wake()
    account.wake()
    (again,) = account.waiting(Refresh)
    account.refreshed(Ok(None), late, access=b"late", refresh=None)
    assert account.known.token.access == b"access-0"
    account.refreshed(Ok(None), again, access=b"fresh", refresh=None)
    assert account.known.token.access == b"fresh"
    assert account.known.token.in_doubt == 0


def test_without_a_refresh_token_the_connection_ends_with_its_access_token() -> None:
    account = quiet_account(YOUTUBE, refresh_token=None)
    account.wake()
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert account.known.reason == "token_expired"
