"""A token without an end (a Facebook page's): confirmed instead of refreshed, dead only by a named answer;
and the end of data access, which is another matter."""

from datetime import timedelta

import pytest

from actors.account.effects import Refresh
from actors.account.state import Status, dump, load
from actors.account.tokens.access import DATA_ACCESS_WARNING
from domain.events import EventType
from platforms.facebook.spec import SPEC as FACEBOOK
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from tests.unit.account.driver import START, Account, through_bson
from tests.unit.account.feed import quiet_account

DAYS_90 = timedelta(days=90)


def lasting() -> Account:
    return quiet_account(FACEBOOK, refresh_token=None, expires_in_s=None)


def refused(account: Account, reason: str = "token_refused") -> None:
    """A call of a sync is answered that the token is not accepted."""
    account.send("sync")
    account.fetched(ReauthRequired(reason))


def test_it_has_no_end_and_is_never_refreshed() -> None:
    account = lasting()
    assert account.known.token.expires_at is None
    assert account.view["token"]["expires_at"] is None
    account.later(seconds=85 * 86_400)
    account.tick()
    assert not account.waiting(Refresh)
    assert account.known.status is Status.CONNECTED


def test_an_end_that_the_platform_tells_is_believed() -> None:
    account = quiet_account(FACEBOOK, refresh_token=None, expires_in_s=3600)
    assert account.known.token.expires_at == START + timedelta(hours=1)


@pytest.mark.parametrize("reason", ["app_removed", "password_changed", "role_lost", "token_expired"])
def test_a_named_answer_ends_it(reason: str) -> None:
    account = lasting()
    refused(account, reason)
    assert (account.known.status, account.known.reason) == (Status.REAUTHORIZATION_REQUIRED, reason)


def test_a_bare_refusal_is_looked_into_and_a_good_token_goes_on() -> None:
    account = lasting()
    refused(account)
    assert account.known.status is Status.CONNECTED
    (look,) = account.waiting(Refresh)
    assert look.access == account.known.token.access
    account.refreshed(Ok(None), expires_in_s=None)
    token = account.known.token
    assert (account.known.status, token.expires_at, token.refused_at) == (Status.CONNECTED, None, None)
    assert token.refreshes == 0, "nothing was refreshed"
    assert [e["what"] for e in account.told(EventType.SOCIAL_ACCOUNT_CHANGED)][-1] == "token_confirmed"


def test_a_token_that_is_called_good_and_refused_is_looked_at_seldom_and_lives() -> None:
    account = lasting()
    refused(account)
    account.refreshed(Ok(None), expires_in_s=None)
    refused(account)
    assert account.known.status is Status.CONNECTED, "no answer named it dead"
    assert not account.waiting(Refresh)
    account.later(seconds=299)
    account.tick()
    assert not account.waiting(Refresh)
    account.later(seconds=2)
    account.tick()
    assert account.waiting(Refresh)


@pytest.mark.parametrize(
    "outcome",
    [
        RetryAfter(1.0, LimitScope.ACCOUNT, "http_503"),
        Unknown("nobody heard"),
        Rejected("app_refused", "The app is not known."),
    ],
)
def test_an_inspection_that_fails_disconnects_nobody(outcome: RetryAfter | Unknown | Rejected) -> None:
    account = lasting()
    refused(account)
    account.refreshed(outcome)
    assert account.known.status is Status.CONNECTED
    assert account.known.token.in_doubt == 0
    account.later(seconds=3600)
    account.tick()
    assert account.waiting(Refresh), "it asks again"


def test_an_inspection_that_names_the_end_is_believed() -> None:
    account = lasting()
    refused(account)
    account.refreshed(ReauthRequired("app_removed"))
    assert (account.known.status, account.known.reason) == (Status.REAUTHORIZATION_REQUIRED, "app_removed")


def test_the_end_of_data_access_is_shown_and_warned_of() -> None:
    account = lasting()
    until = START + DAYS_90
    assert account.known.token.data_access_until == until
    assert account.view["token"]["data_access_until"] == "2026-07-30T12:00:00Z"
    assert account.view["token"]["data_access_ending"] is False
    account.now = until - DATA_ACCESS_WARNING - timedelta(seconds=1)
    account.tick()
    assert account.view["token"]["data_access_ending"] is False
    account.later(seconds=1)
    account.tick()
    assert account.view["token"]["data_access_ending"] is True
    account.tick()
    warnings = [
        e for e in account.told(EventType.SOCIAL_ACCOUNT_CHANGED) if e["what"] == "data_access_ending"
    ]
    assert len(warnings) == 1
    assert warnings[0]["account_id"].startswith("facebook:")
    assert account.known.status is Status.CONNECTED


def test_accounts_without_such_an_end_show_none() -> None:
    account = quiet_account()
    assert account.view["token"]["data_access_until"] is None


def test_documents_from_before_are_read() -> None:
    account = lasting()
    document = through_bson(dump(account.known) | {"org": account.known.org})
    for name in ("dataAccessUntil", "dataAccessEnding"):
        del document["accessCredentials"][name]
    token = load(document).token
    assert (token.data_access_until, token.data_access_ending) == (None, False)
