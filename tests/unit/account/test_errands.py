"""Asking for webhooks and reading the profile: tried again until answered, unless a person must act."""

from datetime import timedelta
from typing import Any

import pytest

from actors.account.content.work import CALL_TIMEOUT
from actors.account.effects import FetchPage, FetchProfile, Refresh, Subscribe
from actors.account.state import Errand, Status
from domain.budget import SHARES, Priority
from domain.content import Happening
from domain.tokens import BACKOFF_S
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
from tests.unit.account.driver import INSTAGRAM, START, TWITTER, Account
from tests.unit.account.feed import Feed, quiet_account

FAULT = RetryAfter(1.0, LimitScope.ACCOUNT, "http_503")
LIMITED = RetryAfter(300.0, LimitScope.APP, "rate_limit", rate_limited=True, family="subscriptions")
REFUSED = Rejected("403", "X does not allow this app or account to do that.")


def asking(spec: Any = TWITTER, **fields: Any) -> Account:
    """Connected and listed, the call for webhooks under way."""
    account = Account(spec)
    account.subscribes = None
    account.connect(**fields)
    account.send("configure", {"auto_sync": False})
    Feed().serve(account)
    account.events.clear()
    return account


def subscribed(account: Account, outcome: Outcome[None]) -> Subscribe:
    call = account.take(Subscribe)
    account.answer("subscribed", call, outcome)
    return call


def next_try(account: Account) -> None:
    """The reminders, until the account asks for webhooks again."""
    while not account.waiting(Subscribe):
        account.wake()
        if account.waiting(Refresh):
            account.refreshed(Ok(None))


# -- webhooks ---------------------------------------------------------------------------------------


def test_the_view_tells_that_webhooks_come() -> None:
    account = asking()
    assert account.view["webhooks"]["asking"] is True
    assert account.view["webhooks_subscribed"] is False
    subscribed(account, Ok(None))
    assert account.view["webhooks_subscribed"] is True
    assert account.view["webhooks"] == {
        "subscribed": True,
        "problem": None,
        "failures": 0,
        "asking": False,
        "retry_at": None,
    }
    assert not account.known.errands


@pytest.mark.parametrize("outcome", [FAULT, LIMITED, Unknown("sent"), None])
def test_what_passes_is_tried_again_with_growing_pauses_until_it_is_answered(
    outcome: Outcome[None] | None,
) -> None:
    account = asking()
    pauses = []
    for _ in range(len(BACKOFF_S) + 2):
        if outcome is None:
            account.crash()
            account.later(seconds=CALL_TIMEOUT.total_seconds())
            account.tick()
        else:
            subscribed(account, outcome)
        assert not account.waiting(Subscribe)
        shown = account.view["webhooks"]
        reason = outcome.reason if isinstance(outcome, RetryAfter) else "outcome"
        assert shown["subscribed"] is False and reason in shown["problem"]
        failed_at = account.now
        next_try(account)
        pauses.append((account.now - failed_at).total_seconds())
    at_least = outcome.seconds if isinstance(outcome, RetryAfter) else 0.0
    assert pauses == [max(at_least, p) for p in (*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1])]
    assert account.known.status is Status.CONNECTED

    subscribed(account, Ok(None))
    assert account.view["webhooks"]["problem"] is None
    assert account.view["webhooks_subscribed"] is True


def test_a_refusal_is_shown_and_not_tried_again() -> None:
    account = asking()
    subscribed(account, REFUSED)
    assert account.view["webhooks"]["problem"] == REFUSED.message
    assert account.view["webhooks"]["retry_at"] is None
    for _ in range(30):
        account.later(hours=1)
        account.tick()
        for refresh in account.waiting(Refresh):
            account.calls.remove(refresh)
            account.refreshed(Ok(None), refresh)
    assert not account.waiting(Subscribe)
    assert account.known.status is Status.CONNECTED
    assert account.view["webhooks"]["problem"] == REFUSED.message


@pytest.mark.parametrize("before", [REFUSED, FAULT])
def test_connecting_again_starts_anew(before: Outcome[None]) -> None:
    account = asking()
    subscribed(account, before)
    account.later(seconds=1)
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    (call,) = account.waiting(Subscribe)
    assert call.access == b"access-n"
    assert account.view["webhooks"]["problem"] is None
    assert account.view["webhooks"]["failures"] == 0


def test_an_answer_to_the_call_of_an_earlier_connection_says_nothing() -> None:
    account = asking()
    old = account.take(Subscribe)
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    account.answer("subscribed", old, REFUSED)
    assert account.view["webhooks"]["problem"] is None
    subscribed(account, Ok(None))
    account.answer("subscribed", old, REFUSED)
    assert account.view["webhooks_subscribed"] is True


def test_an_answer_that_comes_after_it_was_asked_again_says_nothing() -> None:
    account = asking()
    late = account.take(Subscribe)
    account.later(seconds=CALL_TIMEOUT.total_seconds())
    account.tick()
    account.answer("subscribed", late, REFUSED)
    next_try(account)
    account.answer("subscribed", late, REFUSED)
    assert account.view["webhooks"]["asking"] is True
    subscribed(account, Ok(None))
    assert account.view["webhooks_subscribed"] is True


def test_a_refused_token_is_refreshed_and_webhooks_are_asked_for_with_the_next() -> None:
    account = asking()
    subscribed(account, ReauthRequired("token_refused"))
    assert not account.waiting(Subscribe)
    account.later(seconds=1)
    account.refreshed(Ok(None))
    assert account.take(Subscribe).access == b"access-1"
    assert account.known.status is Status.CONNECTED


def test_a_dead_token_ends_it_until_somebody_connects_again() -> None:
    account = asking()
    subscribed(account, ReauthRequired("password_changed"))
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    assert not account.known.errands
    account.later(hours=1)
    account.tick()
    assert not account.waiting(Subscribe) and account.due is None


@pytest.mark.parametrize("command", ["disconnect", "pause"])
def test_what_people_do_meanwhile(command: str) -> None:
    account = asking()
    call = account.take(Subscribe)
    account.send(command)
    account.answer("subscribed", call, Ok(None))
    # Paused is about synchronising: webhooks are still heard.
    assert account.view["webhooks_subscribed"] is (command == "pause")


def test_an_unreachable_platform_costs_no_more_state() -> None:
    account = asking()
    for _ in range(100):
        subscribed(account, FAULT)
        next_try(account)
    assert len(account.known.errands) == 1
    assert account.known.errands[Errand.SUBSCRIBE].failures == 100


# -- the profile ------------------------------------------------------------------------------------


def test_a_profile_that_changed_is_read_even_if_the_process_ends() -> None:
    account = quiet_account()
    account.hear(Happening.PROFILE_CHANGED)
    account.crash()
    while not account.waiting(FetchProfile):
        account.wake()
    account.profiled(Ok({"display_name": "Kiln & Co"}))
    assert account.view["profile"]["display_name"] == "Kiln & Co"
    assert not account.known.errands


def test_a_change_told_while_the_profile_is_read_is_read_again() -> None:
    """The answer under way may be older than the change."""
    account = quiet_account()
    for n in range(3):
        account.hear(Happening.PROFILE_CHANGED, f"e{n}")
    account.profiled(Ok({"display_name": "Kiln"}))
    account.profiled(Ok({"display_name": "Kiln & Co"}))
    assert not account.waiting(FetchProfile)
    assert account.view["profile"]["display_name"] == "Kiln & Co"


def test_a_profile_nobody_may_read_is_let_be() -> None:
    account = quiet_account()
    before = account.view["webhooks"]
    account.hear(Happening.PROFILE_CHANGED)
    account.profiled(Rejected("403", "No."))
    assert not account.known.errands
    assert account.view["webhooks"] == before


def test_changes_told_while_it_waits_do_not_hurry_it() -> None:
    account = quiet_account()
    account.hear(Happening.PROFILE_CHANGED)
    account.profiled(FAULT)
    account.hear(Happening.PROFILE_CHANGED, "e2")
    assert not account.waiting(FetchProfile)


# -- budget -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [TWITTER, INSTAGRAM], ids=lambda spec: spec.name)
def test_pain_06_asking_for_webhooks_is_reserved_before_it_goes_out(spec: Any) -> None:
    account = Account(spec)
    account.subscribes = None
    account.connect(expires_in_s=5_184_000)
    account.crash()
    used = {family: window.used for family, window in account.known.budget.items()}
    for family, calls in spec.subscribe_calls.items():
        walking = family == spec.sources[0].family
        if spec.account_window(family) is None:
            assert family not in used  # its application's alone: paid for when it is sent
        else:
            assert used[family] == calls + walking


def test_pain_06_a_call_nobody_heard_of_counts_as_made() -> None:
    account = asking(INSTAGRAM, expires_in_s=5_184_000)
    before = account.known.budget["reading"].used
    account.crash()
    next_try(account)
    repeated = 1 + bool(account.waiting(FetchPage))  # the page nobody heard of is asked for as well
    assert account.known.budget["reading"].used == before + repeated


def test_pain_07_asking_for_webhooks_that_is_held_back_is_no_failure_of_it() -> None:
    account = asking()
    held = RetryAfter(40.0, LimitScope.APP, "app_budget", rate_limited=True, family="webhooks", held=True)
    subscribed(account, held)
    assert account.view["webhooks"]["failures"] == 0
    assert account.view["webhooks"]["problem"] == "app_budget"
    assert account.view["webhooks"]["retry_at"] == (account.now + timedelta(seconds=40)).isoformat().replace(
        "+00:00", "Z"
    )


def test_pain_06_reading_the_profile_waits_for_its_window() -> None:
    account = quiet_account()
    window = account.spec.window(account.spec.profile_family)
    reach = int(window.limit * SHARES[Priority.WEBHOOK])
    for n in range(reach + 1):
        account.hear(Happening.PROFILE_CHANGED, f"e{n}")
        if n < reach:
            account.profiled(Ok({"follower_count": n}))
    assert not account.waiting(FetchProfile)  # the rest is kept back for people
    assert account.known.budget[window.family].used == reach
    resets_at = account.known.budget[window.family].resets_at
    assert account.due == resets_at
    account.wake()
    assert account.waiting(FetchProfile)


def test_pain_06_the_headers_of_a_profile_are_believed() -> None:
    account = quiet_account()
    account.hear(Happening.PROFILE_CHANGED)
    resets_at = account.now + timedelta(minutes=7)
    reading = LimitReading("users", LimitScope.ACCOUNT, limit=10, remaining=0, resets_at=resets_at)
    account.profiled(Ok({}, (reading,)))
    assert account.view["budget"]["users"]["used"] == 10
    account.hear(Happening.PROFILE_CHANGED, "e2")
    assert not account.waiting(FetchProfile)


def test_pain_06_a_limit_of_the_account_met_by_an_errand_stops_the_others_too() -> None:
    account = asking(INSTAGRAM, expires_in_s=5_184_000)
    limit = RetryAfter(600.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True, family="reading")
    subscribed(account, limit)
    account.send("sync")
    assert not account.waiting(FetchPage)
    assert account.known.job is not None
    assert account.known.job.wait_until == account.now + timedelta(seconds=600)


def test_errands_wait_for_a_usable_token_without_ticking() -> None:
    account = asking(expires_in_s=15)
    account.crash()
    account.now = START + timedelta(seconds=14)
    account.tick()
    account.tick()
    assert not account.waiting(Subscribe)
    assert account.due is not None and account.due > account.now
