"""An account's rate windows: reserved before a call, in the write that lets it go, and corrected by answers.

Every call to a platform's API is reserved here. Token endpoints (exchange, refresh, revoke) have no window:
neither X (x-api/fundamentals/rate-limits) nor Instagram (docs/graph-api/overview/rate-limiting) names one.
What all accounts of an app share is not counted here: each call pays for it before it is sent
(`actors/budget/leases.py`).
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from actors.account.state import AccountState
from domain.budget import Priority, Window
from platforms.outcome import LimitReading, LimitScope, RetryAfter
from platforms.spec import PlatformSpec


def reserve(
    state: AccountState, spec: PlatformSpec, calls: Mapping[str, int], priority: Priority, now: datetime
) -> AccountState | datetime:
    """The state with the calls of each API family spent, or when to ask again."""
    budget, refused = dict(state.budget), []
    for family, number in calls.items():
        window = _window(state, spec, family)
        if window is None:
            continue
        taken = window.take(priority, now, number)
        if isinstance(taken, datetime):
            refused.append(taken)
        else:
            budget[family] = taken
    return max(refused) if refused else replace(state, budget=budget)


def returned(
    state: AccountState, spec: PlatformSpec, calls: Mapping[str, int], reserved_at: datetime
) -> AccountState:
    """The calls were reserved and never sent: they waited for what all accounts of the app share."""
    budget = dict(state.budget)
    for family, number in calls.items():
        window = _window(state, spec, family)
        if window is not None:
            budget[family] = window.returned(number, reserved_at)
    return replace(state, budget=budget)


def believe(state: AccountState, spec: PlatformSpec, readings: tuple[LimitReading, ...]) -> AccountState:
    """Correct the windows by what the platform says."""
    budget = dict(state.budget)
    for reading in readings:
        if reading.scope is LimitScope.ACCOUNT:
            window = _window(state, spec, reading.family)
            if window is not None:
                budget[reading.family] = window.told(reading.limit, reading.remaining, reading.resets_at)
    return replace(state, budget=budget)


def limited(
    state: AccountState, spec: PlatformSpec, outcome: RetryAfter, family: str, until: datetime
) -> AccountState:
    """The platform refused a call. Its own word on the family goes before ours."""
    state = believe(state, spec, outcome.readings)
    if not outcome.rate_limited or outcome.scope is not LimitScope.ACCOUNT:
        return state
    family = outcome.family or family
    window = _window(state, spec, family)
    if window is None:
        return state
    return replace(state, budget=state.budget | {family: window.exhausted(until)})


def whose(outcome: RetryAfter, family: str) -> str:
    """Whose limit or trouble holds the work up, and which, as people see it: `app:post_cap`."""
    if not outcome.rate_limited:
        return f"platform:{outcome.reason}"
    return f"{outcome.scope.value}:{outcome.family or family}"


def _window(state: AccountState, spec: PlatformSpec, family: str) -> Window | None:
    """The account's own window of a family; None where only its application's counts."""
    found = spec.account_window(family)
    if found is None:
        return None
    return state.budget.get(family) or Window(found.limit, found.seconds)
