"""Webhooks that end by themselves (WebSub) are asked for again, long before they do."""

from datetime import timedelta

import pytest

from actors.account.content.errands import LONGEST_LEASE, SHORTEST_LEASE
from actors.account.effects import Refresh, Subscribe
from actors.account.state import Status
from domain.content import Happening
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.registry import PLATFORMS
from tests.unit.account.driver import TWITTER, Account
from tests.unit.account.feed import Feed

YOUTUBE = PLATFORMS["youtube"].spec
LEASE = timedelta(seconds=YOUTUBE.webhook_lease_s or 0)
AWAY = RetryAfter(120.0, LimitScope.ACCOUNT, "http_503")


def asking() -> Account:
    """Connected, the call for webhooks under way."""
    account = Account(YOUTUBE)
    account.subscribes = None
    account.connect()
    account.send("configure", {"auto_sync": False})
    Feed().serve(account)
    return account


def answered(account: Account, outcome: Outcome[None]) -> None:
    account.answer("subscribed", account.take(Subscribe), outcome)


def wait(account: Account, span: timedelta) -> int:
    """Let so much time pass, as the reminders wake the account; how often it asked meanwhile."""
    end, asked = account.now + span, 0
    while account.due is not None and account.due <= end:
        account.wake()
        if account.waiting(Refresh):
            account.refreshed(Ok(None), refresh=None)
        if account.waiting(Subscribe):
            asked += 1
            answered(account, Ok(None))
    account.now = end
    return asked


@pytest.mark.parametrize("outcome", [Ok(None), Rejected("no_secret", "There is no secret.")])
def test_half_a_lease_later_they_are_asked_for_again(outcome: Outcome[None]) -> None:
    account = asking()
    answered(account, outcome)
    assert account.known.resubscribe_at == account.now + LEASE / 2
    assert wait(account, LEASE / 2 - timedelta(seconds=1)) == 0
    assert wait(account, timedelta(seconds=2)) == 1
    assert account.view["webhooks_subscribed"] is True


@pytest.mark.parametrize("first", ["told", "answered"])
def test_what_the_hub_grants_decides_when_to_ask_again(first: str) -> None:
    """It may tell before its answer to the call is there, or after it."""
    account, granted_s = asking(), 86_400
    if first == "told":
        account.hear(Happening.LEASED, lease_s=granted_s)
    answered(account, Ok(None))
    if first == "answered":
        account.hear(Happening.LEASED, lease_s=granted_s)
    assert account.known.resubscribe_at == account.now + timedelta(hours=12)
    assert wait(account, timedelta(hours=12, seconds=1)) == 1


@pytest.mark.parametrize(("lease_s", "again"), [(0, SHORTEST_LEASE / 2), (10**9, LONGEST_LEASE / 2)])
def test_an_absurd_lease_is_believed_within_reason(lease_s: int, again: timedelta) -> None:
    account = asking()
    answered(account, Ok(None))
    account.hear(Happening.LEASED, lease_s=lease_s)
    assert account.known.resubscribe_at == account.now + again


def test_a_lease_is_never_let_lapse() -> None:
    account = asking()
    answered(account, Ok(None))
    assert wait(account, 5 * LEASE) == 10


def test_a_hub_that_is_away_for_a_day_is_asked_until_it_answers() -> None:
    account = asking()
    answered(account, Ok(None))
    account.now += LEASE / 2
    account.tick()
    away_until, tries = account.now + timedelta(days=1), 0
    while account.now < away_until:
        if account.waiting(Refresh):
            account.refreshed(Ok(None), refresh=None)
        elif account.waiting(Subscribe):
            tries += 1
            answered(account, AWAY)
            assert account.view["webhooks"]["problem"] == "http_503"
        else:
            account.wake()
    assert 20 < tries < 200
    while not account.waiting(Subscribe):
        account.wake()
        if account.waiting(Refresh):
            account.refreshed(Ok(None), refresh=None)
    answered(account, Ok(None))
    assert account.known.resubscribe_at == account.now + LEASE / 2


def test_a_paused_account_keeps_its_lease_and_an_ended_one_does_not() -> None:
    account = asking()
    answered(account, Ok(None))
    account.send("pause")
    assert wait(account, LEASE) == 2
    account.send("disconnect")
    assert account.known.resubscribe_at is None
    assert account.due is None
    account.connect()
    answered(account, Ok(None))
    assert account.known.resubscribe_at is not None


def test_while_a_person_must_act_nothing_is_asked() -> None:
    account = asking()
    answered(account, Ok(None))
    while not account.waiting(Refresh):
        account.wake()
    account.refreshed(ReauthRequired("refresh_token_invalid"))
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    account.crash()
    account.later(days=9)
    account.tick()
    assert not account.waiting(Subscribe) and account.due is None


def test_platforms_whose_webhooks_last_are_not_asked_again() -> None:
    account = Account(TWITTER)
    account.connect()
    assert account.known.resubscribe_at is None
