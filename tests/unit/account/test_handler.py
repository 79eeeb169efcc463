"""Around a call to a platform: tokens opened for it alone, the last look at the clock, parked mail."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.account.calls import CALL_MARGIN_S
from actors.account.content.work import CALL_TIMEOUT
from actors.account.effects import (
    FetchProfile,
    LookForPublication,
    PublishStep,
    ReadItems,
    Revoke,
    Subscribe,
)
from actors.account.publishing.publication import Action, Publication
from actors.account.tokens.token import Call
from actors.budget.hand import Held
from actors.runtime.entity import Effect
from actors.runtime.failpoints import Failpoint
from domain.budget import Priority
from domain.content import Profile
from platforms.base import Grant, ItemReads, Page, PageQuery
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from storage.crypto import SealBroken
from tests.fakes.budgets import Unmetered
from tests.unit.account.driver import TWITTER, post
from tests.unit.account.surroundings import GRANT, PAID, Surroundings


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


# -- refresh ----------------------------------------------------------------------------------------


async def test_a_refresh_presents_the_opened_tokens_and_seals_the_new_ones(around: Surroundings) -> None:
    (message,) = await around.run(around.refresh())
    ((_, (grant, timeout_s)),) = around.platform.asked
    assert grant.access_token.reveal() == "access-old"
    assert grant.refresh_token.reveal() == "refresh-old"
    assert timeout_s < 20.0  # the call itself ends before `not_after`
    assert message.name == "refreshed"
    assert (message.data["intent_id"], message.data["outcome"]) == ("int_1", Ok(None))
    assert around.open("accessToken", message.data["access"]) == "access-new"
    assert around.open("refreshToken", message.data["refresh"]) == "refresh-new"
    assert (message.data["expires_in_s"], message.data["scopes"]) == (7200, ("tweet.read",))
    assert around.failpoints.passed == {
        Failpoint.INTENT_SAVED: 1,
        Failpoint.INTENT_BEFORE_SEND: 1,
        Failpoint.INTENT_ANSWERED: 1,
    }


async def test_tokens_are_sealed_for_their_own_record_and_field(around: Surroundings) -> None:
    (message,) = await around.run(around.refresh())
    with pytest.raises(SealBroken):
        around.open("refreshToken", message.data["access"])


async def test_no_token_in_clear_in_any_message_or_effect(around: Surroundings) -> None:
    around.platform.reads = Ok(Page((post(1),)))
    for effect in (around.refresh(), around.fetch("posts")):
        messages = await around.run(effect)
        seen = f"{effect!r}{messages!r}{around.counted!r}"
        for token in ("access-old", "refresh-old", "access-new", "refresh-new", "app-secret"):
            assert token not in seen


async def test_no_refresh_token_given_is_none_not_something_sealed(around: Surroundings) -> None:
    around.platform.refreshes = Ok(replace(GRANT, refresh_token=None))
    (message,) = await around.run(around.refresh())
    assert message.data["refresh"] is None


@pytest.mark.parametrize("left_s", [1.0, 0.0, -3600.0])
async def test_pain_02_a_refresh_that_comes_too_late_is_not_sent(around: Surroundings, left_s: float) -> None:
    (message,) = await around.run(around.refresh(left_s))
    assert around.platform.asked == []
    assert isinstance(message.data["outcome"], RetryAfter)  # surely not sent: safe to decide again
    assert Failpoint.INTENT_BEFORE_SEND not in around.failpoints.passed


async def test_pain_02_a_refresh_is_ended_before_its_intent_is(around: Surroundings) -> None:
    around.platform.takes = 60.0
    (message,) = await around.run(around.refresh(1.05))
    assert isinstance(message.data["outcome"], Unknown)


@pytest.mark.parametrize(
    ("missing", "reason"), [("app", "platform_app_missing"), ("store", "store_unavailable")]
)
async def test_without_its_app_a_refresh_is_not_sent(around: Surroundings, missing: str, reason: str) -> None:
    around.app = None
    around.apps_away = missing == "store"
    (message,) = await around.run(around.refresh())
    assert around.platform.asked == []
    assert message.data["outcome"].reason == reason


@pytest.mark.parametrize(
    "outcome",
    [ReauthRequired("refresh_token_invalid"), Unknown("sent"), RetryAfter(5, LimitScope.APP, "503")],
)
async def test_what_the_platform_says_is_data(around: Surroundings, outcome: Outcome[Grant]) -> None:
    around.platform.refreshes = outcome
    (message,) = await around.run(around.refresh())
    assert message.data == {"intent_id": "int_1", "outcome": outcome}


# -- reading ----------------------------------------------------------------------------------------


async def test_a_page_is_asked_as_decided_and_dated_before_the_call(around: Surroundings) -> None:
    since = around.clock.now() - timedelta(hours=1)
    around.platform.reads = Ok(Page((post(1),)))
    asked_at, call = around.clock.now(), around.call
    (message,) = await around.run(around.fetch("posts", "c1", since, "99"))
    ((_, (token, external_id, query)),) = around.platform.asked
    assert (token, external_id) == ("access-old", "100")
    assert query == PageQuery(TWITTER.sources[0], "c1", since, "99")
    assert message.name == "page_fetched"
    assert (message.data["call_id"], message.data["outcome"]) == (call.id, around.platform.reads)
    assert message.data["asked_at"] == asked_at
    assert message.data["answered_at"] >= asked_at


async def test_reading_by_id(around: Surroundings) -> None:
    around.platform.reads = Ok(ItemReads(gone=frozenset({"2"})))
    effect = ReadItems(around.call, ("1", "2"), around.access, **PAID)
    (message,) = await around.run(effect)
    assert around.platform.asked == [("read_items", ("access-old", "100", ("1", "2")))]
    assert (message.name, message.data["access"]) == ("items_read", effect.access)


async def test_calls_are_counted_by_outcome(around: Surroundings) -> None:
    around.platform.reads = RetryAfter(60, LimitScope.ACCOUNT, "http_429", rate_limited=True)
    await around.run(around.fetch("posts"))
    await around.run(around.refresh())
    assert around.counted == [
        {"platform": "twitter", "family": "tweets", "outcome": "rate_limited"},
        {"platform": "twitter", "family": "refresh", "outcome": "ok"},
    ]


async def test_a_profile_travels_by_its_own_names(around: Surroundings) -> None:
    around.platform.reads = Ok(Profile("100", "kiln", follower_count=7, alias_ids=("178",)))
    (message,) = await around.run(FetchProfile(around.call, around.access, **PAID))
    assert message.name == "profile_fetched"
    profile = message.data["outcome"].value
    assert (profile["username"], profile["follower_count"], profile["alias_ids"]) == ("kiln", 7, ["178"])


@pytest.mark.parametrize("name", ["page", "items", "profile", "subscribe"])
async def test_a_call_that_waited_too_long_for_its_turn_is_not_made(around: Surroundings, name: str) -> None:
    """Its owner has asked again meanwhile: under load, every call would be made twice."""
    effects: dict[str, Effect] = {
        "page": around.fetch("posts"),
        "items": ReadItems(around.call, ("1",), around.access, **PAID),
        "profile": FetchProfile(around.call, around.access, **PAID),
        "subscribe": Subscribe(around.call, around.access, **PAID),
    }
    around.clock.advance((CALL_TIMEOUT - timedelta(seconds=CALL_MARGIN_S)).total_seconds())
    assert await around.run(effects[name]) == []
    assert around.platform.asked == []


async def test_a_call_ends_before_its_owner_stops_waiting(around: Surroundings) -> None:
    around.platform.takes = 60.0
    call = Call("call_1", around.clock.now() + timedelta(seconds=CALL_MARGIN_S + 0.05))
    (message,) = await around.run(Subscribe(call, around.access, **PAID))
    assert isinstance(message.data["outcome"], RetryAfter)
    assert message.data["outcome"].reason == "timeout"


# -- around a connection ----------------------------------------------------------------------------


OUTCOMES = [Ok(None), Unknown("sent"), Rejected("403", "Not for this app."), ReauthRequired("token_refused")]


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_subscribing_names_the_address_of_the_app(around: Surroundings, outcome: Outcome[None]) -> None:
    around.platform.reads = outcome
    (message,) = await around.run(Subscribe(around.call, around.access, **PAID))
    url = "https://rookery.example/webhooks/twitter/app_x"
    assert around.platform.asked == [("subscribe", ("access-old", "100", url))]
    assert (message.name, message.data["outcome"]) == ("subscribed", outcome)


@pytest.mark.parametrize(
    ("missing", "reason"), [("app", "platform_app_missing"), ("store", "store_unavailable")]
)
async def test_without_its_app_nothing_is_subscribed_yet(
    around: Surroundings, missing: str, reason: str
) -> None:
    around.app = None
    around.apps_away = missing == "store"
    (message,) = await around.run(Subscribe(around.call, around.access, **PAID))
    assert around.platform.asked == []
    assert message.data["outcome"].reason == reason


async def test_revoking_gives_the_platform_both_tokens(around: Surroundings) -> None:
    refresh = around.seal("refreshToken", "refresh-old")
    assert await around.run(Revoke("app_x", around.access, refresh)) == []
    ((_, grant),) = around.platform.asked
    assert (grant.access_token.reveal(), grant.refresh_token.reveal()) == ("access-old", "refresh-old")


async def test_nothing_is_revoked_where_there_is_nothing(around: Surroundings) -> None:
    await around.run(Revoke("app_x", b"", None))
    assert around.platform.asked == []


# -- what all accounts of an application share ------------------------------------------------------


async def test_pain_06_a_call_is_paid_from_the_applications_quota_before_it_is_sent(
    around: Surroundings,
) -> None:
    around.platform.reads = Ok(Page(items=(post(1), post(2))))
    await around.run(around.fetch("posts"))
    await around.run(Subscribe(around.call, around.access, **PAID))
    quotas: Any = around.quotas
    assert quotas.paid == [
        ("app_x", {"tweets": 1}, Priority.SCHEDULED),
        ("app_x", TWITTER.subscribe_calls, Priority.SCHEDULED),
    ]
    assert quotas.settled[0] == 2  # what counts by item costs what came


async def test_pain_07_a_call_that_is_held_back_is_not_sent_and_says_whose_limit_it_was(
    around: Surroundings,
) -> None:
    around.quotas = Unmetered(Held(33.0, "post_cap"))
    (message,) = await around.run(around.fetch("posts"))
    assert not around.platform.asked
    assert message.name == "page_fetched"
    outcome = message.data["outcome"]
    assert (outcome.scope, outcome.family, outcome.seconds) == (LimitScope.APP, "post_cap", 33.0)
    assert outcome.held and outcome.rate_limited


@pytest.mark.parametrize("kind", [PublishStep, LookForPublication])
async def test_pain_07_a_publication_pays_like_any_other_call(around: Surroundings, kind: Any) -> None:
    around.quotas = Unmetered(Held(33.0, "app_day"))
    record = Publication("pub_1", Action.PUBLISH, around.clock.now())
    effect = kind(around.call, record, {"publishing": 1}, around.access, "commerce", **PAID)
    (message,) = await around.run(effect)
    quotas: Any = around.quotas
    assert quotas.paid == [("app_x", {"publishing": 1}, Priority.SCHEDULED)]
    assert message.name == {PublishStep: "publish_stepped", LookForPublication: "publication_looked"}[kind]
    assert (message.data["publication_id"], message.data["grant"]) == ("pub_1", "commerce")
    assert message.data["access"] == effect.access
    assert message.data["outcome"].held


async def test_pain_07_what_an_answer_tells_of_the_application_reaches_its_budget(
    around: Surroundings,
) -> None:
    refusal = RetryAfter(60.0, LimitScope.APP, "app_limit", rate_limited=True, family="app_day")
    around.platform.reads = refusal
    await around.run(around.fetch("posts"))
    quotas: Any = around.quotas
    assert quotas.learned == [refusal] and quotas.settled == [0]
