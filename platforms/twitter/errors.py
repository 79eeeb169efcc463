"""What X's answers mean: the one table from wire facts to outcomes.

Sources: docs.x.com x-api/fundamentals/{rate-limits,response-codes-and-errors,post-cap}; spent refresh tokens
from third-party tests.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

from platforms.http import Answer, Broken, NotSent, failure_of
from platforms.outcome import (
    Failure,
    LimitReading,
    LimitScope,
    Ok,
    Outcome,
    ReauthRequired,
    Rejected,
    RetryAfter,
    Unknown,
)
from platforms.twitter.spec import APP_DAY, DAY_S, POST_CAP, QUARTER_HOUR_S
from platforms.wire import Json, objects, text_at

_FAULT_RETRY_S = 30.0
_LIMIT_RETRY_S = 60.0  # a 429 without headers
_USAGE_CAP_RETRY_S = 3600.0  # the app's monthly cap: nothing an account can do about it

_REFUSALS = {
    400: "X did not accept the request.",
    402: "The app's X credits are used up: add credits in the X console.",
    403: "X does not allow this app or account to do that.",
    404: "X has no such thing, or does not show it to this account.",
}

# x-api/webhooks, names of failures
_WEBHOOK_FAILURES = frozenset(
    {
        "CrcValidationFailed",
        "UrlValidationFailed",
        "DuplicateUrlFailed",
        "WebhookLimitExceeded",
        "WebhookIdInvalid",
        "SubscriptionLimitExceeded",
        "DuplicateSubscriptionFailed",
    }
)

TOO_COMPLEX = "REQUEST_TOO_COMPLEX"
"""Of the Ads API: less has to be asked for at once."""
# A hundred report jobs of an ad account at a time: github.com/xdevplatform/twitter-python-ads-sdk issue 242.
_TOO_MANY_JOBS = "TOO_MANY_JOBS"
_JOBS_RETRY_S = 60.0

_ADS_CODE = re.compile(r"[A-Z][A-Z_]{1,59}")

# After these a once-only call may have happened: a gateway gave up waiting, or the work broke off.
_IN_DOUBT = frozenset({500, 502, 504})


def outcome_of(
    result: Answer | NotSent | Broken,
    family: str,
    *,
    scope: LimitScope = LimitScope.ACCOUNT,
    once: str | None = None,
) -> Outcome[Json]:
    """The outcome of an API call; `scope` says whose token it carried, `once` as in `failure_of`."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    readings = readings_of(result, family, scope)
    document = result.document()
    if 200 <= result.status < 300 and document is not None:
        return Ok(document, readings)
    if 300 <= result.status < 400:
        return Rejected("redirect", "X answered with a redirect, which is not followed.", readings)
    if result.status == 429:
        return _limited(result, document, family, readings)
    if document is None or result.status >= 500 or result.status < 300:
        # A page of a proxy or half an answer says nothing about the token or the request.
        if once is not None and (result.status < 300 or result.status in _IN_DOUBT):
            return Unknown(once)
        reason = f"http_{result.status}" + ("" if document else "_not_json")
        return RetryAfter(_FAULT_RETRY_S, LimitScope.ACCOUNT, reason, family=family, readings=readings)
    if result.status == 401:
        return ReauthRequired("token_refused")
    sentence, problem = _REFUSALS.get(result.status, "X refused the call."), problem_of(document)
    if problem == _TOO_MANY_JOBS:
        return RetryAfter(_JOBS_RETRY_S, LimitScope.ACCOUNT, "too_many_jobs", readings=readings)
    code = TOO_COMPLEX if problem == TOO_COMPLEX else str(result.status)
    return Rejected(code, f"{sentence[:-1]} ({problem})." if problem else sentence, readings)


def token_outcome_of(result: Answer | NotSent | Broken, *, refreshing: bool) -> Outcome[Json]:
    """The outcome of a call to the token endpoint: once-only, because it spends a code or a refresh token."""
    once = "the refresh token may be spent" if refreshing else "the authorization code may be spent"
    if isinstance(result, Answer) and result.status in (400, 401):
        document = result.document()
        error = text_at(document, "error")
        if error in ("invalid_client", "unauthorized_client") or (document and result.status == 401):
            return Rejected("invalid_client", "X does not accept this app's client id and secret.")
        if error in ("invalid_request", "invalid_grant"):
            if refreshing:
                return ReauthRequired("refresh_token_invalid")
            return Rejected(error, "X did not accept the authorization code: start connecting again.")
    return outcome_of(result, "oauth", once=once)


def readings_of(answer: Answer, family: str, scope: LimitScope) -> tuple[LimitReading, ...]:
    """The rate window that the answer's headers tell; empty when they are absent or malformed."""
    told = (
        _reading(answer, family, scope, _window_header(answer), QUARTER_HOUR_S),
        _reading(answer, APP_DAY, LimitScope.APP, "x-app-limit-24hour", DAY_S),
    )
    return tuple(reading for reading in told if reading is not None)


def _window_header(answer: Answer) -> str:
    """The Ads API counts for each ad account, and says so instead of or beside the usual."""
    return "x-account-rate-limit" if "x-account-rate-limit-limit" in answer.headers else "x-rate-limit"


def _reading(
    answer: Answer, family: str, scope: LimitScope, header: str, longest_s: int
) -> LimitReading | None:
    limit = _number(answer, f"{header}-limit")
    remaining = _number(answer, f"{header}-remaining")
    if limit is None or remaining is None:
        return None
    wait = _until_reset(answer, header, longest_s)
    resets_at = None if wait is None else answer.received_at + timedelta(seconds=wait)
    return LimitReading(family, scope, limit, remaining, resets_at)


def problem_of(document: Json | None) -> str | None:
    """The last path part of the problem's `type`: its host and dialect vary. None for `about:blank`. Of the
    Ads API the code of its first error."""
    kind = text_at(document, "type")
    if kind is None:  # the Ads API: {"errors": [{"code": "INVALID_PARAMETER", "message", "parameter"}]}
        code = text_at(next(_ads_errors(document), {}), "code") or ""
        return code if _ADS_CODE.fullmatch(code) else None
    if not kind.startswith("http"):
        return None
    name = kind.rstrip("/").rsplit("/", 1)[-1]
    return name if name.replace("-", "").isalnum() and name.isascii() and len(name) <= 60 else None


def _ads_errors(document: Json | None) -> Iterator[Json]:
    """Of a batch a list of them for each of its items."""
    yield from objects(document, "errors")
    of_items = (document or {}).get("operation_errors")
    for errors in of_items if isinstance(of_items, list) else ():
        yield from objects({"errors": errors}, "errors")


def webhook_failure(document: Json | None) -> str | None:
    """Which of its named failures X gives for a webhook or subscription, wherever the answer says so."""
    candidates = [document, *objects(document, "errors")]
    told = (text_at(c, key) for c in candidates for key in ("title", "detail", "message", "code"))
    return next((name for name in told if name in _WEBHOOK_FAILURES), None)


def _limited(
    answer: Answer, document: Json | None, family: str, readings: tuple[LimitReading, ...]
) -> Failure:
    if problem_of(document) == "usage-capped":
        return RetryAfter(
            _USAGE_CAP_RETRY_S,
            LimitScope.APP,
            "usage_cap",
            rate_limited=True,
            family=POST_CAP,
            readings=readings,
        )
    shared = next((r for r in readings if r.family == APP_DAY and not r.remaining), None)
    if shared is not None:
        wait = _until_reset(answer, "x-app-limit-24hour", DAY_S)
        return RetryAfter(
            _LIMIT_RETRY_S if wait is None else wait,
            LimitScope.APP,
            "app_limit",
            rate_limited=True,
            family=APP_DAY,
            readings=readings,
        )
    # The account's own window has room left: then it is the app's window that is exhausted.
    own = [reading for reading in readings if reading.family == family]
    room_left = any(reading.remaining > 0 for reading in own)
    scope = LimitScope.APP if room_left else own[0].scope if own else LimitScope.ACCOUNT
    wait = _until_reset(answer, _window_header(answer), QUARTER_HOUR_S)
    return RetryAfter(
        _LIMIT_RETRY_S if wait is None else wait,
        scope,
        "rate_limit",
        rate_limited=True,
        family=family,
        readings=readings,
    )


def _until_reset(answer: Answer, header: str, longest_s: int) -> float | None:
    """Seconds to the end of a window, between one second and the longest that X has of its kind."""
    reset = _number(answer, f"{header}-reset")
    return None if reset is None else min(max(answer.seconds_until(reset), 1.0), longest_s)


def _number(answer: Answer, header: str) -> int | None:
    value = answer.headers.get(header, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
