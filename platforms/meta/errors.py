"""What Graph answers mean, on every platform of Meta: from error codes to outcomes.

The code decides, not the HTTP status, which is 400 even for throttling. Sources: docs/graph-api/guides/
error-handling, docs/graph-api/overview/rate-limiting (developers.facebook.com).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

Table = Mapping[tuple[int, int | None], Failure]

FAULT = RetryAfter(30.0, LimitScope.ACCOUNT, "platform_fault")
# A rolling hour: the headers tell when it ends, this is for answers without them.
APP_LIMIT = RetryAfter(300.0, LimitScope.APP, "rate_limit", rate_limited=True)
ACCOUNT_LIMIT = RetryAfter(300.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True)
NO_PERMISSION = frozenset({"3", "10", "200"})
"""Codes that say that the app may not."""
_LONGEST_WAIT_S = 86_400


def shared_table(title: str) -> Table:
    """(code, subcode) before (code, None). Beside it, 200 to 299 are permissions like 10."""
    permission = _permission(title)
    return {
        (-2, None): FAULT,
        (-1, None): FAULT,
        (1, None): FAULT,
        (2, None): FAULT,
        (4, None): APP_LIMIT,
        (17, None): ACCOUNT_LIMIT,
        (32, None): ACCOUNT_LIMIT,
        (613, None): ACCOUNT_LIMIT,
        (3, None): Rejected("3", permission),
        (10, None): Rejected("10", permission),
        (100, None): Rejected("100", f"{title} did not accept a parameter of the request."),
        (100, 33): Rejected("100/33", f"{title} has no such object, or does not show it to this account."),
        (368, None): Rejected("368", f"{title} blocks this action by its policies."),
        (102, None): ReauthRequired("session_invalid"),
        (190, 458): ReauthRequired("app_removed"),
        (190, 459): ReauthRequired("checkpoint"),
        (190, 460): ReauthRequired("password_changed"),
        (190, 463): ReauthRequired("token_expired"),
        (190, 464): ReauthRequired("user_unconfirmed"),
        (190, 467): ReauthRequired("token_invalid"),
        (190, 492): ReauthRequired("role_lost"),
        # Without a subcode it can also mean too many actions: asking once more is worth a try, no more.
        (190, None): ReauthRequired("token_refused"),
    }


@dataclass(frozen=True, slots=True)
class GraphErrors:
    """One platform's reading of Graph answers. `table` holds all of its codes; `usage_types` are the rows of
    the business usage header that count for an API family (`None`: for every other one)."""

    title: str
    table: Table
    usage_types: Mapping[str | None, frozenset[str]]

    def outcome_of(
        self, result: Answer | NotSent | Broken, family: str, *, once: str | None = None
    ) -> Outcome[Json]:
        """The outcome of any call; `once` as in `failure_of`."""
        if not isinstance(result, Answer):
            return failure_of(result, once)
        readings = self.readings_of(result, family)
        document = result.document()
        error = mapping(document, "error")
        if error:
            failure = self.meaning_of(error, result, family)
            fault = isinstance(failure, RetryAfter) and not failure.rate_limited
            return Unknown(once) if once is not None and fault else failure
        if document is not None and 200 <= result.status < 300:
            return Ok(document, readings)
        if 300 <= result.status < 400:
            message = f"{self.title} answered with a redirect, which is not followed."
            return Rejected("redirect", message, readings)
        if result.status == 429:
            return replace(ACCOUNT_LIMIT, family=family, readings=readings)
        if document is None or result.status >= 500:
            # A page of a proxy or half an answer says nothing about the token or the request.
            if once is not None and result.status != 503:
                return Unknown(once)
            return replace(FAULT, reason=f"http_{result.status}", family=family, readings=readings)
        # The flat body of api.instagram.com: {"error_type", "code", "error_message"}.
        code = str(count_at(document, "code") or result.status)
        return Rejected(code, f"{self.title} refused the call.", readings)

    def readings_of(self, answer: Answer, family: str) -> tuple[LimitReading, ...]:
        """Usage in percent as windows of 100; empty when the headers are absent or malformed."""
        readings = []
        app = _header(answer, "x-app-usage")
        if app:
            readings.append(_reading(app, family, LimitScope.APP, answer))
        own = self._account_usage(answer, family)
        if own:
            readings.append(_reading(own, family, LimitScope.ACCOUNT, answer))
        return tuple(readings)

    def meaning_of(self, error: Json, answer: Answer, family: str) -> Failure:
        """Of one error object, with what the headers of the answer around it say."""
        readings = self.readings_of(answer, family)
        code, subcode = code_at(error, "code") or 0, code_at(error, "error_subcode")
        found = self.table.get((code, subcode)) or self.table.get((code, None))
        if found is None and 200 <= code <= 299:
            found = Rejected(str(code), _permission(self.title))
        if found is None and (flag_at(error, "is_transient") or answer.status >= 500):
            found = FAULT
        if found is None:
            named = str(code) if subcode is None else f"{code}/{subcode}"
            found = Rejected(named, f"{self.title} refused the call.")
        if isinstance(found, RetryAfter):
            wait = _regain_s(self._account_usage(answer, family)) if found.rate_limited else 0
            return replace(found, seconds=float(wait or found.seconds), family=family, readings=readings)
        return replace(found, readings=readings) if isinstance(found, Rejected) else found

    def _account_usage(self, answer: Answer, family: str) -> Json:
        """The account's row of `{"<id>": [{"type": "pages", "call_count": .., ..}]}`, the fullest if many."""
        usage = _header(answer, "x-business-use-case-usage")
        types = self.usage_types.get(family) or self.usage_types[None]
        rows = [row for key in usage for row in objects(usage, key) if text_at(row, "type") in types]
        return max(rows, key=lambda row: (_regain_s(row), count_at(row, "call_count") or 0), default={})


def code_at(error: Json, key: str) -> int | None:
    """Codes can be negative, and are text in some answers."""
    try:
        return int(str(error.get(key)))
    except ValueError:
        return None


def _permission(title: str) -> str:
    return f"{title} does not give this app that permission for this account."


def _reading(usage: Json, family: str, scope: LimitScope, answer: Answer) -> LimitReading:
    used = max(count_at(usage, key) or 0 for key in ("call_count", "total_cputime", "total_time"))
    wait = _regain_s(usage)
    resets_at = answer.received_at + timedelta(seconds=wait) if wait else None
    return LimitReading(family, scope, 100, max(0, 100 - used), resets_at)


def _regain_s(usage: Json) -> int:
    """Seconds until calls are allowed again; the header tells minutes. 0: they are allowed."""
    return min((count_at(usage, "estimated_time_to_regain_access") or 0) * 60, _LONGEST_WAIT_S)


def _header(answer: Answer, name: str) -> Json:
    try:
        return mapping(decode(answer.headers.get(name, "").encode()))
    except NotJson:
        return {}
