"""Commands of people, the connection itself, and reminders that never tick in vain."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.account.effects import FetchPage, Refresh, ReplayParked, Revoke, Subscribe
from actors.account.entity import AccountEntity
from actors.account.state import AccountState, Mode, Source, Status
from actors.runtime.entity import Entity
from domain.content import Happening
from domain.errors import Conflict, Invalid, NotFound, RookeryError
from domain.events import EventType
from platforms.outcome import LimitScope, Ok, ReauthRequired, RetryAfter, Unknown
from tests.unit.account.driver import INSTAGRAM, START, TWITTER, Account, comment, post
from tests.unit.account.feed import Feed, quiet_account

CHANGED = EventType.SOCIAL_ACCOUNT_CHANGED


def connected() -> Account:
    account = Account()
    account.connect()
    return account


def test_satisfies_the_runtime_contract() -> None:
    entity: Entity[Any] = AccountEntity({}, seal=lambda plain, aad: plain)
    assert entity.kind == "account"


# -- connect ----------------------------------------------------------------------------------------


def test_connecting_subscribes_replays_and_starts_the_first_backfill() -> None:
    account = Account()
    account.subscribes = None
    view = account.connect()
    assert view["status"] == "connected"
    assert view["profile"]["username"] == "kiln"
    assert account.take(ReplayParked)
    assert account.take(Subscribe).app_id == "app_x"
    assert account.take(FetchPage).source == "posts"
    assert account.known.job is not None and account.known.job.mode is Mode.BACKFILL
    (event,) = account.told(EventType.SOCIAL_ACCOUNT_CONNECTED)
    assert event == {"account_id": account.id, "platform": "twitter", "reconnected": False}


def test_pain_15_parked_events_are_looked_for_at_once_and_a_minute_later() -> None:
    account = connected()
    account.take(ReplayParked)
    account.later(seconds=59)
    account.tick()
    assert not account.waiting(ReplayParked)
    account.later(seconds=1)
    account.tick()
    account.take(ReplayParked)
    account.later(hours=1)
    account.tick()
    assert not account.waiting(ReplayParked)


def test_pain_15_a_second_look_that_nobody_finished_is_taken_again() -> None:
    """The process ended during it, or the store was away: parked events would wait for nobody."""
    account = connected()
    account.replays = False
    for _ in range(3):
        account.crash()
        account.later(minutes=1)
        account.tick()
        replay = account.take(ReplayParked)
    account.send("replayed", {"again_at": replay.again_at})
    account.later(hours=1)
    account.tick()
    assert not account.waiting(ReplayParked)


def test_pain_15_a_look_of_an_earlier_connection_does_not_end_the_next_ones() -> None:
    account = connected()
    account.replays = False
    account.later(minutes=1)
    account.tick()
    late = account.waiting(ReplayParked)[-1]
    account.crash()
    account.later(seconds=1)
    account.connect(access_token=b"access-n", refresh_token=b"refresh-n")
    account.crash()
    account.send("replayed", {"again_at": late.again_at})
    account.later(minutes=1)
    account.tick()
    assert account.waiting(ReplayParked)


def test_no_view_or_event_shows_a_token() -> None:
    account = connected()
    account.send("pause")
    seen = f"{account.view}{account.events}"
    assert "access-0" not in seen and "refresh-0" not in seen


def test_an_answer_without_lifetime_takes_the_platforms() -> None:
    account = Account(INSTAGRAM)
    account.connect(expires_in_s=None, refresh_token=None)
    assert account.known.token.expires_at == START + timedelta(days=60)


def walked(state: AccountState) -> dict[str, Source]:
    return {name: replace(source, next_run_at=None) for name, source in state.sources.items()}


def reconnected(account: Account, **fields: Any) -> None:
    account.later(hours=1)
    account.crash()
    account.connect(access_token=b"access-n", **fields)


def test_pain_04_connecting_again_keeps_what_the_account_has_become() -> None:
    account = connected()
    Feed(post(1), post(2)).run(account)
    account.send("configure", {"sync_frequency": "1h", "content_types": ["post"]})
    account.hear(Happening.FOLLOWED)
    before = account.known
    account.subscribes = None
    reconnected(account, refresh_token=b"refresh-n", scopes=["tweet.read", "users.read"])

    after = account.known
    assert (after.config, after.counters) == (before.config, before.counters)
    assert walked(after) == walked(before)
    assert after.created_at == before.created_at
    assert after.budget["mentions"] == before.budget["mentions"]  # a new token is no new quota
    assert (after.token.access, after.token.refresh) == (b"access-n", b"refresh-n")
    assert after.scopes == ("tweet.read", "users.read")
    assert account.told(EventType.SOCIAL_ACCOUNT_CONNECTED)[-1]["reconnected"] is True
    assert after.job is not None and after.job.mode is Mode.INCREMENTAL
    assert account.waiting(ReplayParked)
    assert account.waiting(Subscribe)


def test_pain_04_connecting_again_without_refresh_token_keeps_the_old_one() -> None:
    account = connected()
    reconnected(account, refresh_token=None)
    assert account.known.token.refresh == b"refresh-0"


@pytest.mark.parametrize("ending", ["disconnected", "reauthorization_required"])
def test_connecting_again_revives(ending: str) -> None:
    account = connected()
    if ending == "disconnected":
        account.send("disconnect")
    else:
        account.hear(Happening.ACCESS_REVOKED)
    assert account.known.status == ending
    reconnected(account, refresh_token=b"refresh-n")
    assert account.known.status is Status.CONNECTED
    assert account.known.reason is None
    assert account.waiting(FetchPage)


def test_a_disconnected_accounts_refresh_token_is_not_found_again() -> None:
    account = connected()
    account.send("disconnect")
    reconnected(account, refresh_token=None)
    assert account.known.token.refresh is None


# -- commands ---------------------------------------------------------------------------------------


def test_configure_changes_what_is_given_and_says_so() -> None:
    account = connected()
    account.send("configure", {"sync_frequency": "6h"})
    account.send("configure", {"auto_sync": False, "commerce_enabled": False})
    assert account.view["config"] == {
        "auto_sync": False,
        "sync_frequency": "6h",
        "content_types": [],
        "commerce_enabled": False,
    }
    assert [e["what"] for e in account.told(CHANGED)] == ["configured", "configured"]


def test_configuring_the_same_again_is_no_change() -> None:
    account = quiet_account()
    turn = account.send("configure", {"auto_sync": False})
    assert not turn.changed
    assert turn.reply is not None


def test_a_frequency_nobody_offers_is_refused_with_the_choices() -> None:
    account = connected()
    with pytest.raises(Invalid) as refused:
        account.send("configure", {"sync_frequency": "3s"})
    assert refused.value.field == "sync_frequency"
    assert "15m" in refused.value.message


def test_the_frequency_decides_when_the_next_run_is() -> None:
    account = connected()
    account.send("configure", {"sync_frequency": "24h"})
    Feed(post(1)).run(account)
    assert account.known.sources["posts"].next_run_at == account.now + timedelta(days=1)


def test_pause_and_resume() -> None:
    account = connected()
    account.send("pause")
    account.send("pause")
    assert account.view["status"] == "paused"
    account.send("resume")
    account.send("resume")
    assert account.view["status"] == "connected"
    assert [e["what"] for e in account.told(CHANGED)] == ["paused", "resumed"]


def test_a_paused_account_keeps_its_token_alive() -> None:
    account = connected()
    account.send("pause")
    account.crash()
    while not account.waiting(Refresh):
        account.wake()
    account.refreshed(Ok(None))
    assert account.known.status is Status.PAUSED
    assert account.known.token.refreshes == 1


def test_disconnecting_erases_the_tokens_and_tells_the_platform_with_copies() -> None:
    account = connected()
    account.crash()
    account.send("disconnect")
    revoke = account.take(Revoke)
    assert (revoke.access, revoke.refresh) == (b"access-0", b"refresh-0")
    token = account.known.token
    assert (token.access, token.refresh, account.due) == (b"", None, None)
    account.send("disconnect")
    assert not account.calls
    (event,) = account.told(EventType.SOCIAL_ACCOUNT_DISCONNECTED)
    assert event["reason"] == "disconnected_by_user"


REFUSED = {
    "paused": ["sync", "backfill"],
    "reauthorization_required": ["pause", "resume", "sync", "backfill"],
    "disconnected": ["configure", "pause", "resume", "sync", "backfill"],
}


@pytest.mark.parametrize(("status", "command"), [(s, c) for s, cs in REFUSED.items() for c in cs])
def test_commands_the_status_does_not_allow(status: str, command: str) -> None:
    account = connected()
    if status == "paused":
        account.send("pause")
    elif status == "disconnected":
        account.send("disconnect")
    else:
        account.hear(Happening.ACCESS_REVOKED)
    before = account.known
    with pytest.raises(Conflict):
        account.send(command)
    assert account.known is before


def test_nobody_commands_what_does_not_exist() -> None:
    with pytest.raises(NotFound):
        Account().send("sync")


def test_a_command_nobody_knows_is_invalid() -> None:
    with pytest.raises(Invalid) as refused:
        connected().send("explode")
    assert refused.value.code == "unknown_command"


@pytest.mark.parametrize("command", ["configure", "pause", "resume", "sync", "backfill", "disconnect"])
def test_a_command_meant_for_another_version_is_refused(command: str) -> None:
    account = connected()
    with pytest.raises(Conflict) as refused:
        account.send(command, {"if_version": account.version - 1})
    assert refused.value.code == "version_mismatch"
    account.send(command, {"if_version": account.version})


# -- reminders --------------------------------------------------------------------------------------


def _any_outcome(account: Account, data: st.DataObject) -> None:
    waiting = [c for c in account.calls if isinstance(c, Refresh | FetchPage)]
    if not waiting:
        return
    outcome: Any = data.draw(
        st.sampled_from(
            [
                Ok(None),
                RetryAfter(0.0, LimitScope.ACCOUNT, "http_500"),
                RetryAfter(5.0, LimitScope.ACCOUNT, "http_429", rate_limited=True),
                RetryAfter(4000.0, LimitScope.APP, "http_429", rate_limited=True),
                ReauthRequired("token_refused"),
                Unknown("half an answer"),
            ]
        )
    )
    call = waiting[0]
    account.calls.remove(call)
    if isinstance(call, Refresh):
        account.refreshed(outcome, call, expires_in_s=data.draw(st.sampled_from([1, 11, 60, 7200])))
        return
    if isinstance(outcome, Ok):
        account.calls.append(call)
        Feed(*(post(n) for n in range(1, 31))).serve(account, calls=1)
        return
    account.answer("page_fetched", call, outcome)


def _anything(account: Account, data: st.DataObject) -> None:
    match data.draw(
        st.sampled_from(["outcome", "outcome", "outcome", "time", "command", "webhook", "crash"])
    ):
        case "outcome":
            _any_outcome(account, data)
        case "time":
            account.later(seconds=data.draw(st.sampled_from([0.5, 9, 61, 901, 7100])))
        case "command":
            command = data.draw(
                st.sampled_from(["pause", "resume", "sync", "backfill", "reconcile", "configure"])
            )
            options = {"auto_sync": data.draw(st.booleans())} if command == "configure" else {}
            try:
                account.send(command, options)
            except RookeryError:
                return
        case "webhook":
            what = data.draw(
                st.sampled_from([Happening.LIKED, Happening.REMARKED, Happening.PROFILE_CHANGED])
            )
            account.hear(what, content_id="7", remark=comment("c1", "7"))
        case "crash":
            account.crash()


@pytest.mark.parametrize("spec", [TWITTER, INSTAGRAM], ids=lambda spec: spec.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pain_19_a_tick_when_due_brings_the_account_on(spec: Any, data: st.DataObject) -> None:
    """`send` fails when a due time is not in the future; so ticks at due times can never spin."""
    account = Account(spec)
    lifetime = data.draw(st.sampled_from([5, 60, 7200, 5_184_000]))
    account.connect(expires_in_s=lifetime, refresh_token=data.draw(st.sampled_from([b"refresh-0", None])))
    for _ in range(data.draw(st.integers(0, 25))):
        _anything(account, data)
    for _ in range(5):
        if account.due is None:
            break
        due = account.due
        turn = account.wake()
        assert turn.changed or account.due is None or account.due > due


def test_pain_19_after_a_long_stop_one_tick_catches_up() -> None:
    account = connected()
    Feed(post(1)).run(account)
    account.later(minutes=1)
    account.tick()
    account.crash()
    account.later(hours=1)
    account.tick()
    assert [c.source for c in account.waiting(FetchPage)] == ["posts"]
    assert [w.source for w in account.known.wishes] == ["mentions"]
