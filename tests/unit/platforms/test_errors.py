"""The tables from wire facts to outcomes, row by row."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import ManualClock
from platforms.http import Answer, Broken, NotSent
from platforms.instagram import errors as instagram
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
from platforms.twitter import errors as twitter
from tests.unit.platforms.support import answer
from tests.unit.platforms.test_wire import VALUES

NOW = ManualClock().now()
NOW_S = int(NOW.timestamp())
HTML = b"<!doctype html><title>Bad gateway</title>"
PROBLEMS = "https://api.twitter.com/2/problems/"  # either host is on the wire


def window(limit: int, remaining: int, reset_in: int) -> dict[str, str]:
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(NOW_S + reset_in),
    }


# -- X ------------------------------------------------------------------------------------------------
X_ROWS: list[tuple[int, object, type, str]] = [
    (200, {"data": {}}, Ok, ""),
    (200, HTML, RetryAfter, "http_200_not_json"),
    (200, b'{"data":{"id":', RetryAfter, "http_200_not_json"),
    (200, [], RetryAfter, "http_200_not_json"),
    (301, {}, Rejected, "redirect"),
    (400, {"title": "Invalid Request", "type": f"{PROBLEMS}invalid-request"}, Rejected, "400"),
    (401, {"title": "Unauthorized", "type": "about:blank", "status": 401}, ReauthRequired, "token_refused"),
    (401, HTML, RetryAfter, "http_401_not_json"),
    (402, {"title": "CreditsDepleted", "type": f"{PROBLEMS}credits"}, Rejected, "402"),
    (403, {"title": "Forbidden", "type": f"{PROBLEMS}client-forbidden"}, Rejected, "403"),
    (403, HTML, RetryAfter, "http_403_not_json"),
    (404, {"title": "Not Found"}, Rejected, "404"),
    (418, {}, Rejected, "418"),
    (429, {"errors": [{"code": 88}]}, RetryAfter, "rate_limit"),
    (429, HTML, RetryAfter, "rate_limit"),
    (429, {"type": f"{PROBLEMS}usage-capped"}, RetryAfter, "usage_cap"),
    (500, {"title": "Internal"}, RetryAfter, "http_500"),
    (503, HTML, RetryAfter, "http_503_not_json"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), X_ROWS)
def test_x_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = twitter.outcome_of(answer(status, body), "tweets")
    assert type(outcome) is kind
    assert told(outcome) == says


def test_x_names_the_problem_but_not_its_words() -> None:
    body = {"type": f"{PROBLEMS}client-forbidden", "detail": "token tok-123 of Ana"}
    outcome = twitter.outcome_of(answer(403, body), "tweets")
    assert isinstance(outcome, Rejected)
    assert "client-forbidden" in outcome.message
    assert "Ana" not in outcome.message


@pytest.mark.parametrize(
    ("headers", "seconds", "scope"),
    [
        (window(900, 0, 120), 120, LimitScope.ACCOUNT),
        (window(900, 5, 120), 120, LimitScope.APP),  # room left: not the account's window
        (window(900, 0, -50), 1, LimitScope.ACCOUNT),
        (window(900, 0, 10**6), 900, LimitScope.ACCOUNT),  # no window is longer
        ({}, 60, LimitScope.ACCOUNT),
        ({"x-rate-limit-reset": "soon"}, 60, LimitScope.ACCOUNT),
    ],
)
def test_x_says_how_long_and_whose_limit(headers: dict[str, str], seconds: float, scope: LimitScope) -> None:
    outcome = twitter.outcome_of(answer(429, {}, headers), "tweets")
    assert isinstance(outcome, RetryAfter)
    assert (outcome.seconds, outcome.scope, outcome.rate_limited) == (seconds, scope, True)
    assert outcome.family == "tweets"


def test_x_headers_are_read_from_every_answer() -> None:
    expected = LimitReading("tweets", LimitScope.ACCOUNT, 900, 7, NOW + timedelta(seconds=30))
    for status, body in ((200, {}), (403, {"title": "Forbidden"}), (500, HTML)):
        outcome = twitter.outcome_of(answer(status, body, window(900, 7, 30)), "tweets")
        assert isinstance(outcome, Ok | Rejected | RetryAfter)
        assert outcome.readings == (expected,)


ONCE = "it may be spent"


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (NotSent("connect_failed"), RetryAfter),
        (Broken("timeout"), Unknown),
        (answer(200, HTML), Unknown),
        (answer(200, b'{"access_token":"x'), Unknown),
        (answer(500, {"title": "x"}), Unknown),
        (answer(502, HTML), Unknown),
        (answer(504, HTML), Unknown),
        (answer(503, HTML), RetryAfter),
        (answer(429, {}), RetryAfter),
        (answer(200, {}), Ok),
    ],
)
def test_x_calls_that_must_not_be_repeated_blindly(result: Answer | NotSent | Broken, kind: type) -> None:
    assert type(twitter.outcome_of(result, "oauth", once=ONCE)) is kind
    assert type(twitter.token_outcome_of(result, refreshing=True)) is kind


@pytest.mark.parametrize(
    ("status", "error", "refreshing", "expected"),
    [
        (400, "invalid_request", True, ReauthRequired("refresh_token_invalid")),
        (400, "invalid_grant", True, ReauthRequired("refresh_token_invalid")),
        (400, "invalid_request", False, "invalid_request"),
        (401, "invalid_client", True, "invalid_client"),
        (401, "unauthorized_client", True, "invalid_client"),
        (401, None, True, "invalid_client"),
        (400, "unsupported_grant_type", True, "400"),
    ],
)
def test_x_token_endpoint(status: int, error: str | None, refreshing: bool, expected: object) -> None:
    outcome = twitter.token_outcome_of(answer(status, {"error": error, "x": 1}), refreshing=refreshing)
    assert outcome == expected or (isinstance(outcome, Rejected) and outcome.code == expected)


# -- Instagram ----------------------------------------------------------------------------------------
def graph(code: object, subcode: object = None, **more: object) -> dict[str, Any]:
    error = {"message": "secret words", "type": "OAuthException", "code": code, **more}
    return {"error": error | ({"error_subcode": subcode} if subcode is not None else {})}


GRAPH_ROWS: list[tuple[int, object, type, str]] = [
    (200, {"data": []}, Ok, ""),
    (400, graph(190, 458), ReauthRequired, "app_removed"),
    (400, graph(190, 459), ReauthRequired, "checkpoint"),
    (400, graph(190, 460), ReauthRequired, "password_changed"),
    (400, graph(190, 463), ReauthRequired, "token_expired"),
    (400, graph(190, 464), ReauthRequired, "user_unconfirmed"),
    (400, graph(190, 467), ReauthRequired, "token_invalid"),
    (400, graph(190, 492), ReauthRequired, "role_lost"),
    (400, graph("190", "460"), ReauthRequired, "password_changed"),
    (400, graph(190), ReauthRequired, "token_refused"),
    (401, graph(190, 1), ReauthRequired, "token_refused"),
    (400, graph(102), ReauthRequired, "session_invalid"),
    *((400, graph(code), RetryAfter, "platform_fault") for code in (1, 2, -1, -2)),
    *((400, graph(code), RetryAfter, "rate_limit") for code in (4, 17, 32, 613, 80002)),
    (400, graph(4, 2207051), Rejected, "4/2207051"),
    (400, graph(10), Rejected, "10"),
    (403, graph(3), Rejected, "3"),
    (403, graph(200), Rejected, "200"),
    (403, graph(230), Rejected, "230"),
    (400, graph(100), Rejected, "100"),
    (400, graph(100, 33), Rejected, "100/33"),
    (400, graph(368), Rejected, "368"),
    (400, graph(9999), Rejected, "9999"),
    (400, graph(9999, 5), Rejected, "9999/5"),
    (400, graph(9999, is_transient=True), RetryAfter, "platform_fault"),
    (400, graph(None), Rejected, "0"),
    (200, graph(190, 463), ReauthRequired, "token_expired"),
    (500, graph(9999), RetryAfter, "platform_fault"),
    (500, HTML, RetryAfter, "http_500"),
    (200, HTML, RetryAfter, "http_200"),
    (401, HTML, RetryAfter, "http_401"),
    (429, {}, RetryAfter, "rate_limit"),
    (302, {}, Rejected, "redirect"),
    (400, {"error_type": "OAuthException", "code": 400, "error_message": "Invalid"}, Rejected, "400"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), GRAPH_ROWS)
def test_graph_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = instagram.outcome_of(answer(status, body))
    assert type(outcome) is kind
    assert told(outcome) == says
    assert "secret words" not in repr(outcome)


def business(percent: int, minutes: int = 0) -> str:
    row = {"type": "instagram", "call_count": percent, "total_cputime": 3, "total_time": 5}
    return json.dumps({"1784": [row | {"estimated_time_to_regain_access": minutes}]})


def test_graph_usage_is_read_as_windows_of_a_hundred() -> None:
    headers = {
        "x-app-usage": '{"call_count":31,"total_time":42,"total_cputime":9}',
        "x-business-use-case-usage": business(120, 2),
    }
    app, own = instagram.readings_of(answer(200, {}, headers), "reading")
    assert app == LimitReading("reading", LimitScope.APP, 100, 58)
    assert own == LimitReading("reading", LimitScope.ACCOUNT, 100, 0, NOW + timedelta(minutes=2))


def test_graph_tells_in_minutes_when_calls_are_allowed_again() -> None:
    headers = {"x-business-use-case-usage": business(100, 7)}
    outcome = instagram.outcome_of(answer(400, graph(80002), headers))
    assert isinstance(outcome, RetryAfter)
    assert (outcome.seconds, outcome.scope) == (420, LimitScope.ACCOUNT)
    app = instagram.outcome_of(answer(400, graph(4)))
    assert isinstance(app, RetryAfter)
    assert app.scope is LimitScope.APP


@pytest.mark.parametrize(
    "header", ["", "{", "[]", '{"1":{}}', '{"1":[{"type":"pages","call_count":9}]}', "ü"]
)
def test_graph_usage_headers_that_say_nothing(header: str) -> None:
    assert instagram.readings_of(answer(200, {}, {"x-business-use-case-usage": header}), "reading") == ()


# -- both ---------------------------------------------------------------------------------------------
@settings(deadline=None)
@given(
    st.integers(100, 599),
    VALUES | st.fixed_dictionaries({"error": VALUES, "errors": VALUES, "type": VALUES}),
    st.dictionaries(
        st.sampled_from(["x-app-usage", "x-rate-limit-reset", "x-rate-limit-limit", "date"]), st.text()
    ),
)
def test_any_answer_is_an_outcome_and_only_named_ones_disconnect(
    status: int, body: object, headers: dict[str, str]
) -> None:
    sent = answer(status, json.dumps(body).encode(), headers)
    for outcome in (twitter.outcome_of(sent, "tweets"), instagram.outcome_of(sent)):
        assert isinstance(outcome, Ok | RetryAfter | Rejected | ReauthRequired)
    for garbled in (b"", b"\xff", HTML):
        broken = answer(status, garbled, headers)
        for outcome in (twitter.outcome_of(broken, "tweets"), instagram.outcome_of(broken)):
            assert not isinstance(outcome, ReauthRequired | Ok)


def told(outcome: Outcome[Any]) -> str:
    match outcome:
        case Rejected(code=code):
            return code
        case ReauthRequired(reason=reason) | RetryAfter(reason=reason):
            return reason
    return ""
