"""An account's tokens are exchanged for the same ones under a newer key, in a write of its owner."""

import pytest

from actors.account.effects import Refresh
from domain.errors import NotFound
from platforms.outcome import Ok
from tests.unit.account.driver import Account

PAIRS = [[b"access-0", b"access-0 anew"], [b"refresh-0", b"refresh-0 anew"]]


def tokens(account: Account) -> tuple[bytes, bytes | None]:
    return account.known.token.access, account.known.token.refresh


def test_tokens_are_exchanged_once_and_nothing_is_told() -> None:
    account = Account()
    account.connect()
    version, told = account.version, len(account.events)
    for _ in range(2):
        account.send("reseal", {"pairs": PAIRS})
    assert tokens(account) == (b"access-0 anew", b"refresh-0 anew")
    assert (account.version, len(account.events)) == (version + 1, told)


def test_tokens_that_a_refresh_brought_meanwhile_stay() -> None:
    account = Account()
    account.connect()
    account.later(hours=3)
    account.tick()
    account.refreshed(Ok(None), access=b"access-1", refresh=b"refresh-1")
    account.send("reseal", {"pairs": PAIRS})
    assert tokens(account) == (b"access-1", b"refresh-1")


def test_a_refresh_under_way_ends_as_if_nothing_had_been_exchanged() -> None:
    account = Account()
    account.connect()
    account.later(hours=3)
    account.tick()
    call = account.take(Refresh)
    account.send("reseal", {"pairs": PAIRS})
    account.refreshed(Ok(None), call, access=b"access-1", refresh=b"refresh-1")
    assert tokens(account) == (b"access-1", b"refresh-1")
    assert account.known.intent is None


@pytest.mark.parametrize("before", ["pause", "disconnect"])
def test_paused_and_disconnected_accounts_take_it_too(before: str) -> None:
    account = Account()
    account.connect()
    account.send(before)
    account.send("reseal", {"pairs": PAIRS})
    assert tokens(account) == ((b"access-0 anew", b"refresh-0 anew") if before == "pause" else (b"", None))


def test_an_account_that_never_was_has_nothing() -> None:
    with pytest.raises(NotFound):
        Account().send("reseal", {"pairs": PAIRS})
