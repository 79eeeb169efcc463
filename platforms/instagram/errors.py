"""What Instagram's answers mean: the one table from Graph error codes to outcomes.

The code decides, not the HTTP status, which is 400 even for throttling. Sources: docs/graph-api/guides/
error-handling, docs/graph-api/overview/rate-limiting, IGP/instagram-graph-api/reference/error-codes.
"""

from dataclasses import replace
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
from platforms.wire import Json, NotJson, count_at, decode, flag_at, mapping, objects, text_at

_FAULT = RetryAfter(30.0, LimitScope.ACCOUNT, "platform_fault")
# A rolling hour: the headers tell when it ends, this is for answers without them.
_APP_LIMIT = RetryAfter(300.0, LimitScope.APP, "rate_limit", rate_limited=True)
_ACCOUNT_LIMIT = RetryAfter(300.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True)
_LONGEST_WAIT_S = 86_400
_PERMISSION = "Instagram does not give this app that permission for this account."

# (code, subcode) before (code, None). 200 to 299 are permissions like 10.
_TABLE: dict[tuple[int, int | None], Failure] = {
    (-2, None): _FAULT,
    (-1, None): _FAULT,
    (1, None): _FAULT,
    (2, None): _FAULT,
    (4, None): _APP_LIMIT,
    (17, None): _ACCOUNT_LIMIT,
    (32, None): _ACCOUNT_LIMIT,
    (613, None): _ACCOUNT_LIMIT,
    (80002, None): _ACCOUNT_LIMIT,
    (4, 2207051): Rejected("4/2207051", "Instagram restricts this account's actions as spam."),
    (3, None): Rejected("3", _PERMISSION),
    (10, None): Rejected("10", _PERMISSION),
    (24, 2207006): Rejected(
        "24/2207006", "Instagram has no such media, or does not show it to this account."
    ),
    (25, 2207050): Rejected("25/2207050", "Instagram has deactivated or restricted this account."),
    (100, None): Rejected("100", "Instagram did not accept a parameter of the request."),
    (100, 33): Rejected("100/33", "Instagram has no such object, or does not show it to this account."),
    (368, None): Rejected("368", "Instagram blocks this action by its policies."),
    (102, None): ReauthRequired("session_invalid"),
    (190, 458): ReauthRequired("app_removed"),
    (190, 459): ReauthRequired("checkpoint"),
    (190, 460): ReauthRequired("password_changed"),
    (190, 463): ReauthRequired("token_expired"),
    (190, 464): ReauthRequired("user_unconfirmed"),
    (190, 467): ReauthRequired("token_invalid"),
    (190, 492): ReauthRequired("role_lost"),
    # Without a subcode it can also mean too many actions: one refresh is worth a try, no more.
    (190, None): ReauthRequired("token_refused"),
}
# Codes that say an object read by id is not there.
GONE = frozenset({"100/33", "24/2207006"})


def outcome_of(
    result: Answer | NotSent | Broken, family: str = "reading", *, once: str | None = None
) -> Outcome[Json]:
    """The outcome of any call; `once` as in `failure_of`."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    readings = readings_of(result, family)
    document = result.document()
    error = mapping(document, "error")
    if error:
        return _classified(error, result, family, readings)
    if document is not None and 200 <= result.status < 300:
        return Ok(document, readings)
    if 300 <= result.status < 400:
        return Rejected("redirect", "Instagram answered with a redirect, which is not followed.", readings)
    if result.status == 429:
        return replace(_ACCOUNT_LIMIT, family=family, readings=readings)
    if document is None or result.status >= 500:
        # A page of a proxy or half an answer says nothing about the token or the request.
        if once is not None and result.status != 503:
            return Unknown(once)
        return replace(_FAULT, reason=f"http_{result.status}", family=family, readings=readings)
    # The flat body of api.instagram.com: {"error_type", "code", "error_message"}.
    return Rejected(str(count_at(document, "code") or result.status), "Instagram refused the call.", readings)


def readings_of(answer: Answer, family: str) -> tuple[LimitReading, ...]:
    """Usage in percent as windows of 100; empty when the headers are absent or malformed."""
    readings = []
    app = _header(answer, "x-app-usage")
    if app:
        readings.append(_reading(app, family, LimitScope.APP, answer))
    own = _account_usage(answer)
    if own:
        readings.append(_reading(own, family, LimitScope.ACCOUNT, answer))
    return tuple(readings)


def _classified(error: Json, answer: Answer, family: str, readings: tuple[LimitReading, ...]) -> Failure:
    code, subcode = _code(error, "code") or 0, _code(error, "error_subcode")
    found = _TABLE.get((code, subcode)) or _TABLE.get((code, None))
    if found is None and 200 <= code <= 299:
        found = Rejected(str(code), _PERMISSION)
    if found is None and (flag_at(error, "is_transient") or answer.status >= 500):
        found = _FAULT
    if found is None:
        found = Rejected(str(code) if subcode is None else f"{code}/{subcode}", "Instagram refused the call.")
    if isinstance(found, RetryAfter):
        wait = _regain_s(_account_usage(answer)) if found.rate_limited else 0
        return replace(found, seconds=float(wait or found.seconds), family=family, readings=readings)
    return replace(found, readings=readings) if isinstance(found, Rejected) else found


def _code(error: Json, key: str) -> int | None:
    """Codes can be negative, and are text in some answers."""
    try:
        return int(str(error.get(key)))
    except ValueError:
        return None


def _reading(usage: Json, family: str, scope: LimitScope, answer: Answer) -> LimitReading:
    used = max(count_at(usage, key) or 0 for key in ("call_count", "total_cputime", "total_time"))
    wait = _regain_s(usage)
    resets_at = answer.received_at + timedelta(seconds=wait) if wait else None
    return LimitReading(family, scope, 100, max(0, 100 - used), resets_at)


def _account_usage(answer: Answer) -> Json:
    """The account's row of `{"<id>": [{"type": "instagram", "call_count": .., ..}]}`, the fullest if many."""
    usage = _header(answer, "x-business-use-case-usage")
    rows = [row for key in usage for row in objects(usage, key) if text_at(row, "type") == "instagram"]
    return max(rows, key=lambda row: (_regain_s(row), count_at(row, "call_count") or 0), default={})


def _regain_s(usage: Json) -> int:
    """Seconds until calls are allowed again; the header tells minutes. 0: they are allowed."""
    return min((count_at(usage, "estimated_time_to_regain_access") or 0) * 60, _LONGEST_WAIT_S)


def _header(answer: Answer, name: str) -> Json:
    try:
        return mapping(decode(answer.headers.get(name, "").encode()))
    except NotJson:
        return {}
