"""What Pinterest's answers mean: the one table from its codes to outcomes.

`code` in the body is Pinterest's own number; the same number means different things with different statuses,
so both decide. Sources: PO/ examples of answers, PD/reference/rate-limits.
"""

import re
from collections.abc import Mapping
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
from platforms.wire import Json, NotJson, count_at, decode, mapping, text_at

_FAULT = RetryAfter(30.0, LimitScope.ACCOUNT, "platform_fault")
_LIMIT = RetryAfter(60.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True)
_LONGEST_WAIT_S = 86_400
# After these a once-only call may have happened: a gateway gave up waiting, or the work broke off.
_IN_DOUBT = frozenset({500, 502, 504})
_NUMBER = re.compile(r"\s*([0-9]{1,12})(?![0-9])")
# What is read first is the narrower window, as ads and Pins tell it.
_HEADERS = (
    ("x-userendpoint-ratelimit-limit", "x-userendpoint-ratelimit-remaining"),
    ("x-ratelimit-limit", "x-ratelimit-remaining"),
)
_RESETS = ("retry-after", "x-userendpoint-ratelimit-reset-seconds", "x-ratelimit-reset")


def _no(status: int, code: int, message: str) -> tuple[tuple[int, int], Failure]:
    return (status, code), Rejected(f"{status}/{code}", message)


_TABLE: Mapping[tuple[int, int], Failure] = dict(
    (
        _no(400, 1, "Pinterest did not accept a parameter of the request."),
        _no(400, 1104, "Pinterest no longer knows this report: ask for it again."),
        _no(400, 4001, "Pinterest does not take one of the products as a tag of this Pin."),  # unconfirmed
        _no(400, 4196, "Pinterest did not accept the conversion events."),
        _no(400, 6126, "Pinterest did not accept the notification."),
        _no(400, 6136, "Pinterest does not take this country in a product group."),
        _no(400, 6137, "Pinterest does not take these countries together in a product group."),
        # A refresh or a person decides whether it is dead.
        ((401, 2), ReauthRequired("token_refused")),
        _no(401, 3, "The token lacks the permission that this needs: connect again and grant it."),
        _no(401, 7, "Pinterest does not let this account do that with the board or Pin."),
        _no(401, 29, "Pinterest does not allow this app or account to do that."),
        _no(
            403,
            29,
            "Pinterest does not allow this app or account to do that; an app with Trial access creates no "
            "Pins.",
        ),
        _no(403, 654, "This needs a business account at Pinterest."),
        _no(403, 2625, "Pinterest has not approved this merchant."),
        _no(403, 2626, "Pinterest still reviews this merchant."),
        _no(404, 30, "Pinterest knows no such user."),
        _no(404, 40, "Pinterest has no such board, or does not show it to this account."),
        _no(404, 50, "Pinterest has no such Pin, or does not show it to this account."),
        _no(404, 2031, "Pinterest has no such section of the board."),
        _no(404, 4161, "Pinterest has no such feed."),
        _no(404, 4180, "Pinterest has no such product group."),
        _no(404, 4331, "Pinterest has no such batch of items."),
        _no(404, 4842, "Pinterest has no such lead form."),
        _no(405, 5, "Pinterest does not know this method here."),
        _no(409, 4162, "Pinterest's catalogue is in conflict with the change."),
        _no(409, 4168, "The account has no website at Pinterest, which a catalogue needs."),
        _no(409, 4169, "The account's website is not verified at Pinterest."),
        _no(409, 4176, "Pinterest's catalogue is in conflict with the change."),
        _no(409, 4177, "Pinterest's catalogue is in conflict with the change."),
        _no(409, 4178, "Pinterest's catalogue is in conflict with the change."),
        _no(409, 4179, "Pinterest's catalogue is in conflict with the change."),
        _no(409, 4182, "The account has no catalogue at Pinterest."),
        _no(409, 4183, "Pinterest's catalogue is in conflict with the change."),
        _no(422, 4170, "The catalogue has a feed of that name already."),
        ((429, 8), _LIMIT),
        ((429, 30), _LIMIT),
        _no(501, 4181, "Pinterest has not built this yet."),
        ((503, 4197), _FAULT),
    )
)
NO_PIN, NO_BOARD = "404/50", "404/40"
_SPAM = Rejected("spam", "Pinterest takes this content for spam: publishing it again will not help.")


def outcome_of(result: Answer | NotSent | Broken, family: str, *, once: str | None = None) -> Outcome[Json]:
    """The outcome of a call that answers an object, or nothing (204). `once` as in `failure_of`."""
    answer = value_of(result, family, once=once)
    if not isinstance(answer, Ok):
        return answer
    if isinstance(result, Answer) and not isinstance(answer.value, dict):
        return _unreadable(result, family, once, answer.readings)
    return Ok(mapping(answer.value), answer.readings)


def value_of(result: Answer | NotSent | Broken, family: str, *, once: str | None = None) -> Outcome[object]:
    """The same where any JSON value may come: reports of advertisements are bare lists."""
    if not isinstance(result, Answer):
        return failure_of(result, once)
    readings = readings_of(result, family)
    try:
        value = decode(result.body) if result.body.strip() else {} if result.status == 204 else None
    except NotJson:
        return _unreadable(result, family, once, readings)
    if 200 <= result.status < 300 and value is not None:
        return Ok(value, readings)
    document = value if isinstance(value, dict) else {}
    code = count_at(document, "code")
    if code is None or not text_at(document, "message"):
        return _unreadable(result, family, once, readings)
    return _told(code, document, result, family, once, readings)


def token_outcome_of(result: Answer | NotSent | Broken, *, refreshing: bool) -> Outcome[Json]:
    """The outcome at the token endpoint: once-only, because it spends a code or a refresh token. 401 with
    code 2 is one answer to a wrong app and to a dead token or code: the caller finds out which."""
    once = "the refresh token may be spent" if refreshing else "the authorization code may be spent"
    answer = outcome_of(result, "oauth", once=once)
    if isinstance(answer, ReauthRequired):
        return Rejected(AUTHENTICATION, "Pinterest accepted neither this code nor this app: connect again.")
    return answer


AUTHENTICATION = "authentication_failed"


def readings_of(answer: Answer, family: str) -> tuple[LimitReading, ...]:
    """Empty where the headers are absent or malformed: none of them is documented (seen in answers)."""
    for limit_name, remaining_name in _HEADERS:
        limit, remaining = _number(answer, limit_name), _number(answer, remaining_name)
        if limit and remaining is not None:
            wait = _wait_s(answer)
            resets_at = answer.received_at + timedelta(seconds=wait) if wait else None
            return (LimitReading(family, LimitScope.ACCOUNT, limit, min(remaining, limit), resets_at),)
    return ()


def _told(
    code: int,
    document: Json,
    answer: Answer,
    family: str,
    once: str | None,
    readings: tuple[LimitReading, ...],
) -> Failure:
    if (
        answer.status == 429
        and "spam" in f"{document.get('message')} {document.get('message_detail')}".lower()
    ):
        return replace(_SPAM, readings=readings)
    found = _TABLE.get((answer.status, code))
    if found is None and answer.status == 429:
        found = _LIMIT
    if found is None and answer.status >= 500:
        if once is not None and answer.status in _IN_DOUBT:
            return Unknown(once)
        found = replace(_FAULT, reason=f"http_{answer.status}")
    if found is None:
        found = Rejected(f"{answer.status}/{code}", "Pinterest refused the call.")
    if isinstance(found, RetryAfter):
        wait = _wait_s(answer) if found.rate_limited else None
        return replace(found, seconds=float(wait or found.seconds), family=family, readings=readings)
    return replace(found, readings=readings) if isinstance(found, Rejected) else found


def _unreadable(answer: Answer, family: str, once: str | None, readings: tuple[LimitReading, ...]) -> Failure:
    """A page of a proxy, half an answer or a body without a code: it says nothing about token or request."""
    if answer.status == 429:
        seconds = float(_wait_s(answer) or _LIMIT.seconds)
        return replace(_LIMIT, seconds=seconds, family=family, readings=readings)
    if 300 <= answer.status < 400:
        return Rejected("redirect", "Pinterest answered with a redirect, which is not followed.", readings)
    if once is not None and (answer.status < 300 or answer.status in _IN_DOUBT):
        return Unknown(once)
    return replace(_FAULT, reason=f"http_{answer.status}_unreadable", family=family, readings=readings)


def _number(answer: Answer, name: str) -> int | None:
    """The first number of a header, which may list several windows (`100, 100;w=60`)."""
    found = _NUMBER.match(answer.headers.get(name, ""))
    return int(found[1]) if found else None


def _wait_s(answer: Answer) -> int | None:
    """Seconds to wait, as the headers tell them (that `reset` is a number of seconds is unconfirmed)."""
    for name in _RESETS:
        found = _number(answer, name)
        if found:
            return min(found, _LONGEST_WAIT_S)
    return None
