"""The tables from wire facts to outcomes, row by row."""

import json
from datetime import timedelta
from typing import Any

import pytest

from domain.clock import ManualClock
from platforms.facebook import errors as facebook
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


ADS_ROWS: list[tuple[int, object, type, str]] = [
    (400, {"errors": [{"code": "INVALID_PARAMETER", "parameter": "start_time"}]}, Rejected, "400"),
    (401, {"errors": [{"code": "UNAUTHORIZED_ACCESS"}]}, ReauthRequired, "token_refused"),
    (403, {"errors": [{"code": "UNAUTHORIZED_CLIENT_APPLICATION"}]}, Rejected, "403"),
    (404, {"errors": [{"code": "NOT_FOUND"}]}, Rejected, "404"),
    (429, {"errors": [{"code": "TOO_MANY_REQUESTS"}]}, RetryAfter, "rate_limit"),
    (503, {"errors": [{"code": "SERVICE_UNAVAILABLE"}]}, RetryAfter, "http_503"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), ADS_ROWS)
def test_answers_of_xs_ads(status: int, body: object, kind: type, says: str) -> None:
    outcome = twitter.outcome_of(answer(status, body), "ads")
    assert (type(outcome), told(outcome)) == (kind, says)


def test_xs_ads_name_the_code_and_never_the_words() -> None:
    for code in ("INVALID_PARAMETER", "x" * 100, "tok-123", 7, None):
        body = {"errors": [{"code": code, "message": "secret words"}]}
        outcome = twitter.outcome_of(answer(400, body), "ads")
        assert isinstance(outcome, Rejected)
        assert ("INVALID_PARAMETER" in outcome.message) is (code == "INVALID_PARAMETER")
        assert "secret" not in outcome.message and "tok" not in outcome.message


def test_an_ad_accounts_own_window_goes_before_the_usual() -> None:
    own = {n.replace("x-rate", "x-account-rate"): v for n, v in window(250, 0, 60).items()}
    readings = twitter.readings_of(answer(200, {}, window(900, 800, 90) | own), "ads", LimitScope.ACCOUNT)
    assert [(r.limit, r.remaining) for r in readings] == [(250, 0)]
    limited = twitter.outcome_of(answer(429, {}, window(900, 800, 90) | own), "ads")
    assert isinstance(limited, RetryAfter)
    assert (limited.seconds, limited.scope) == (60.0, LimitScope.ACCOUNT)


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


PUBLISHING_ROWS: list[tuple[int, int, type, str]] = [
    (-2, 2207003, RetryAfter, "platform_fault"),
    (-2, 2207020, Rejected, "-2/2207020"),
    (-1, 2207001, RetryAfter, "platform_fault"),
    (-1, 2207032, RetryAfter, "platform_fault"),
    (-1, 2207053, RetryAfter, "platform_fault"),
    (1, 2207057, Rejected, "1/2207057"),
    (9, 2207042, RetryAfter, "posting_limit"),
    (24, 2207006, Rejected, "24/2207006"),
    (24, 2207008, Rejected, "24/2207008"),
    (25, 2207050, Rejected, "25/2207050"),
    *((100, sub, Rejected, f"100/{sub}") for sub in (2207023, 2207028, 2207035, 2207036, 2207037, 2207040)),
    (352, 2207026, Rejected, "352/2207026"),
    (9004, 2207052, Rejected, "9004/2207052"),
    (9007, 2207027, Rejected, "9007/2207027"),
    (36000, 2207004, Rejected, "36000/2207004"),
    (36001, 2207005, Rejected, "36001/2207005"),
    (36003, 2207009, Rejected, "36003/2207009"),
    (36004, 2207010, Rejected, "36004/2207010"),
]


@pytest.mark.parametrize(("code", "subcode", "kind", "says"), PUBLISHING_ROWS)
def test_instagrams_codes_of_publishing(code: int, subcode: int, kind: type, says: str) -> None:
    outcome = instagram.outcome_of(answer(400, graph(code, subcode)))
    assert (type(outcome), told(outcome)) == (kind, says)
    # Of the call that makes it public: what a server's fault leaves open is unknown, a named refusal is not.
    once = instagram.outcome_of(answer(400, graph(code, subcode)), once=ONCE)
    assert type(once) is (Unknown if says == "platform_fault" else kind)
    # A container that failed tells the subcode alone.
    assert told(instagram.meaning_of_status(subcode)) in (says, "container_failed")


FACEBOOK_ROWS: list[tuple[int, object, type, str]] = [
    *(row for row in GRAPH_ROWS if row[3] != "4/2207051" and row[1] != graph(80002)),
    *((400, graph(c), RetryAfter, "rate_limit") for c in (80000, 80001, 80003, 80004, 80005, 80006, 80008)),
    *(
        (400, graph(c, s), RetryAfter, "rate_limit")
        for c, s in ((80004, 2446079), (17, 2446079), (613, 1996))
    ),
    *((400, graph(c), RetryAfter, "rate_limit") for c in (80009, 80014)),
    (400, graph(341), RetryAfter, "posting_limit"),
    (400, graph(4, 1504022), RetryAfter, "insights_limit"),
    (400, graph(4, 1504039), RetryAfter, "insights_limit"),
    (400, graph(100, 36009), Rejected, "100/36009"),
    (400, graph(100, 36007), Rejected, "100/36007"),
    (400, graph(104), Rejected, "104"),
    (400, graph(210), Rejected, "210"),
    *(
        (400, graph(c), Rejected, str(c))
        for c in (382, 389, 506, 1609005, 6000, 6001, 2500, 2635, 3001, 3018)
    ),
    *((400, graph(c, s), Rejected, facebook.TOO_BIG) for c, s in ((100, 1487534), (100, 1504018))),
    *((400, graph(c, s), Rejected, facebook.TOO_BIG) for c, s in ((2, 1504038), (-3, 1504045))),
    (400, graph(2, 1504041), Rejected, "2/1504041"),
    (400, graph(2, 1504043), RetryAfter, "platform_fault"),
    (400, graph(-2, 2490547), Rejected, "-2/2490547"),
    (400, graph(100, 3191001), Rejected, "100/3191001"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), FACEBOOK_ROWS)
def test_facebook_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = facebook.outcome_of(answer(status, body))
    assert type(outcome) is kind
    assert told(outcome) == says
    assert "secret words" not in repr(outcome)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (NotSent("connect_failed"), RetryAfter),
        (Broken("timeout"), Unknown),
        (answer(400, graph(1)), Unknown),
        (answer(400, graph(2, is_transient=True)), Unknown),
        (answer(500, graph(9999)), Unknown),
        (answer(500, HTML), Unknown),
        (answer(503, HTML), RetryAfter),
        (answer(400, graph(80001)), RetryAfter),
        (answer(400, graph(100)), Rejected),
        (answer(200, {"id": "1"}), Ok),
    ],
)
def test_graph_calls_that_must_not_be_repeated_blindly(result: Answer | NotSent | Broken, kind: type) -> None:
    """A fault that Meta calls temporary may have come after the post was made."""
    assert type(facebook.outcome_of(result, once=ONCE)) is kind
    assert type(instagram.outcome_of(result, once=ONCE)) is kind or kind is RetryAfter


@pytest.mark.parametrize(
    ("info", "kind", "says"),
    [
        ({"retriable": True, "type": "OffsetInvalidError", "message": "x"}, Rejected, "offset_invalid"),
        ({"retriable": True, "type": "PartialRequestError"}, RetryAfter, "partial_request"),
        ({"retriable": False, "type": "ProcessingFailedError"}, Rejected, "processing_failed"),
        ({"retriable": False, "type": "NewError"}, Rejected, "upload_failed"),
    ],
)
def test_what_uploads_answer(info: dict[str, Any], kind: type, says: str) -> None:
    outcome = facebook.upload_outcome_of(answer(400, {"debug_info": info}))
    assert type(outcome) is kind
    assert told(outcome) == says


def test_usage_is_read_by_what_was_counted() -> None:
    def rows(**percents: int) -> dict[str, str]:
        told = [{"type": name, "call_count": percent} for name, percent in percents.items()]
        return {"x-business-use-case-usage": json.dumps({"1045": told})}

    headers = rows(pages=10, ads_insights=20, ads_management=70, instagram=90)
    for family, left in (("graph", 90), ("marketing", 30)):
        (reading,) = facebook.readings_of(answer(200, {}, headers), family)
        assert (reading.family, reading.remaining) == (family, left)


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
def told(outcome: Outcome[Any]) -> str:
    match outcome:
        case Rejected(code=code):
            return code
        case ReauthRequired(reason=reason) | RetryAfter(reason=reason):
            return reason
    return ""
