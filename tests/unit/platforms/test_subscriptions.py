"""Asking for webhooks: what passes by itself, what only a person can mend, and what it may cost."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.http import Answer
from platforms.instagram.adapter import Instagram
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.twitter.adapter import Twitter
from platforms.twitter.spec import NEEDED_EVENTS, WELCOME_EVENTS
from tests.unit.platforms.support import Answers, World, answer, app_of

X, IG = Twitter(), Instagram()
URL = "https://shop.example/webhooks/twitter/app"
APP = PlatformApp("a", "twitter", "c", Secret("s"), (Secret("s"),), bearer_token=Secret("app-only"))
KNOWN = answer(200, {"data": [{"id": "9", "url": URL, "valid": True}]})
INVALID = answer(200, {"data": [{"id": "9", "url": URL, "valid": False}]})
NONE = answer(200, {"meta": {"result_count": 0}})
MADE = answer(200, {"data": {"id": "9", "url": URL, "valid": True}})
UNAUTHORIZED = answer(401, {"title": "Unauthorized", "type": "about:blank", "status": 401})
DONE = [answer(200, {"data": {}})] * (len(NEEDED_EVENTS) + len(WELCOME_EVENTS))


def failure(name: str) -> Answer:
    return answer(400, {"title": name, "detail": "...", "errors": [{"message": name}]})


async def subscribed(*answers: Answer, app: PlatformApp = APP) -> tuple[Outcome[None], Answers]:
    http = Answers(*answers)
    return await X.subscribe(http, app, Secret("token"), "7", URL), http


async def test_x_takes_no_more_calls_than_its_spec_says() -> None:
    for first in ([NONE, MADE], [INVALID, MADE]):
        outcome, http = await subscribed(*first, *DONE)
        assert outcome == Ok(None)
        assert Counter(call.family for call in http.asked) == X.spec.subscribe_calls


async def test_instagram_takes_no_more_calls_than_its_spec_says() -> None:
    http = Answers(answer(200, {"success": True}))
    assert await IG.subscribe(http, APP, Secret("token"), "7", URL) == Ok(None)
    assert Counter(call.family for call in http.asked) == IG.spec.subscribe_calls


async def test_what_exists_counts_as_done() -> None:
    outcome, _ = await subscribed(KNOWN, *[failure("DuplicateSubscriptionFailed")] * len(DONE))
    assert outcome == Ok(None)


@pytest.mark.parametrize(
    "answers",
    [
        [NONE, failure("CrcValidationFailed")],  # we are not up yet
        [INVALID, answer(200, {"data": {"valid": False}})],
        [NONE, failure("DuplicateUrlFailed")],  # another account of the app was faster
        [KNOWN, failure("WebhookIdInvalid")],
        [answer(503, b"")],
        [answer(429, {"title": "Too Many Requests"})],
    ],
)
async def test_what_passes_by_itself_is_tried_again(answers: list[Answer]) -> None:
    outcome, _ = await subscribed(*answers)
    assert isinstance(outcome, RetryAfter)
    assert outcome.seconds > 0


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([UNAUTHORIZED], "app_token_refused"),
        ([NONE, UNAUTHORIZED], "app_token_refused"),
        ([KNOWN, UNAUTHORIZED], "app_token_refused"),
        ([NONE, failure("UrlValidationFailed")], "UrlValidationFailed"),
        ([NONE, failure("WebhookLimitExceeded")], "WebhookLimitExceeded"),
        ([KNOWN, failure("SubscriptionLimitExceeded")], "SubscriptionLimitExceeded"),
        ([KNOWN, answer(403, {"title": "Forbidden", "type": "about:blank"})], "403"),
    ],
)
async def test_what_only_a_person_can_mend_is_said(answers: list[Answer], code: str) -> None:
    outcome, _ = await subscribed(*answers)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert outcome.message.endswith(".")


async def test_an_app_without_its_own_token_is_said() -> None:
    outcome, http = await subscribed(app=replace(APP, bearer_token=None))
    assert isinstance(outcome, Rejected)
    assert http.asked == []


async def test_a_refused_token_of_the_app_is_not_the_accounts() -> None:
    """Each event type is asked for with the token it needs; only the person's own can be dead."""
    private = [kind for kind, own in NEEDED_EVENTS.items() if own]
    before = list(NEEDED_EVENTS).index(private[0])
    outcome, http = await subscribed(KNOWN, *DONE[:before], UNAUTHORIZED)
    assert outcome == ReauthRequired("token_refused")
    assert http.asked[-1].bearer == Secret("token")


async def test_an_event_type_that_x_does_not_know_is_done_without() -> None:
    answers: list[Any] = [KNOWN, *DONE[: len(NEEDED_EVENTS)]]
    answers += [answer(400, {"title": "Invalid Request"})] * len(WELCOME_EVENTS)
    outcome, _ = await subscribed(*answers)
    assert outcome == Ok(None)


async def test_x_that_cannot_reach_the_address_is_asked_again(world: World) -> None:
    """The sandbox's challenge fails while nobody answers it, then it is met."""
    account = await world.account("twitter")
    app, token = app_of(account), Secret(account["access_token"])
    refused = replace(app, webhook_secrets=(Secret("not the one"),))
    world.receiver.platform, world.receiver.app = X, refused
    first = await X.subscribe(world.http, app, token, account["external_id"], URL)
    assert isinstance(first, RetryAfter)
    assert (first.reason, first.scope) == ("callback_not_reached", LimitScope.APP)
    world.receiver.app = app
    assert await X.subscribe(world.http, app, token, account["external_id"], URL) == Ok(None)
