"""Single calls beside the sync work: asking for webhooks, reading the profile.

Webhooks that end by themselves (`webhook_lease_s` of the spec) are asked for again after half of the time
that was granted, or asked for while that is not told, whatever the last answer was: an earlier lease may
still be running, and nothing but asking tells.

owed --reserved--> call --+--> Ok: done
                          +--> Rejected: given up, and the view says why; connecting again starts anew
                          +--> a limit, a fault, no outcome: back off, then again
                          +--> token refused: again with the next token
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.account import budgets
from actors.account.content.work import CALL_TIMEOUT, MakeId
from actors.account.effects import FetchProfile, Subscribe
from actors.account.state import AccountState, Errand, Owed, Status
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect
from domain.budget import Priority
from domain.tokens import backoff
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.spec import PlatformSpec

PRIORITY = Priority.WEBHOOK
SHORTEST_LEASE, LONGEST_LEASE = timedelta(hours=1), timedelta(days=30)
"""Whatever a platform says: neither asked for all the time nor forgotten."""


def owe(state: AccountState, errand: Errand) -> AccountState:
    owed = state.errands.get(errand, Owed())
    return _owing(state, errand, replace(owed, again=owed.call is not None))


def drive(
    state: AccountState, spec: PlatformSpec, now: datetime, token_ok: bool, make_id: MakeId
) -> tuple[AccountState, list[Effect]]:
    """Make the calls that are due, if budget and token allow."""
    effects: list[Effect] = []
    if state.status in (Status.CONNECTED, Status.PAUSED):
        if state.resubscribe_at is not None and state.resubscribe_at <= now:
            state = owe(replace(state, resubscribe_at=None), Errand.SUBSCRIBE)
        for errand in tuple(state.errands):
            state = _waited(state, errand, now)
            owed = state.errands[errand]
            if token_ok and owed.call is None and owed.wait_until is None:
                state, calls = _call(state, spec, errand, owed, now, make_id)
                effects += calls
    return state, effects


def wake_at(state: AccountState) -> datetime | None:
    """What waits for nothing but the token has no time of its own: the token's owner has one."""
    if state.status not in (Status.CONNECTED, Status.PAUSED):
        return None
    times = [owed.call.until if owed.call else owed.wait_until for owed in state.errands.values()]
    return min((t for t in (*times, state.resubscribe_at) if t is not None), default=None)


def answered(
    state: AccountState, spec: PlatformSpec, errand: Errand, data: Mapping[str, Any], now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    """`data`: call_id, outcome, access (sealed, as sent). Only the call under way is listened to."""
    owed = state.errands.get(errand)
    if owed is None or owed.call is None or owed.call.id != data["call_id"]:
        return state, None
    outcome: Outcome[Any] = data["outcome"]
    match outcome:
        case Ok():
            state = _ended(budgets.believe(state, spec, outcome.readings), errand, owed)
            return _leased(_noted(state, errand, None), spec, errand, now), None
        case Rejected():
            state = _ended(budgets.believe(state, spec, outcome.readings), errand, owed)
            return _leased(_noted(state, errand, outcome.message), spec, errand, now), None
        case ReauthRequired():
            state = _owing(state, errand, replace(owed, call=None))
            return _noted(state, errand, outcome.reason), outcome
        case RetryAfter():
            until = now + timedelta(seconds=outcome.seconds)
            state = budgets.limited(state, spec, outcome, _family(spec, errand), until)
            if outcome.held:  # it never came to the call: nothing failed
                reserved_at = owed.call.until - CALL_TIMEOUT
                state = budgets.returned(state, spec, calls_of(spec, errand), reserved_at)
                state = _owing(state, errand, replace(owed, call=None, wait_until=until))
                return _noted(state, errand, outcome.reason), None
            return _failed(state, errand, owed, outcome.reason, now, until), None
        case _:
            return _failed(state, errand, owed, "unknown_outcome", now), None


def _waited(state: AccountState, errand: Errand, now: datetime) -> AccountState:
    owed = state.errands[errand]
    if owed.call is not None and owed.call.until <= now:
        return _failed(state, errand, owed, "no_outcome", now)
    if owed.wait_until is not None and owed.wait_until <= now:
        return _owing(state, errand, replace(owed, wait_until=None))
    return state


def _call(
    state: AccountState, spec: PlatformSpec, errand: Errand, owed: Owed, now: datetime, make_id: MakeId
) -> tuple[AccountState, list[Effect]]:
    calls = calls_of(spec, errand)
    reserved = budgets.reserve(state, spec, calls, PRIORITY, now)
    if isinstance(reserved, datetime):
        return _owing(state, errand, replace(owed, wait_until=reserved)), []
    call = Call(make_id("call"), now + CALL_TIMEOUT)
    state = _owing(reserved, errand, replace(owed, call=call, again=False))
    access = state.token.access
    if errand is Errand.SUBSCRIBE:
        return state, [Subscribe(call, access, app_id=state.app_id, priority=PRIORITY)]
    return state, [FetchProfile(call, access, app_id=state.app_id, priority=PRIORITY)]


def _failed(
    state: AccountState,
    errand: Errand,
    owed: Owed,
    reason: str,
    now: datetime,
    until: datetime | None = None,
) -> AccountState:
    failures = owed.failures + 1
    wait_until = max(now + backoff(failures), until or now)
    state = _owing(state, errand, replace(owed, call=None, wait_until=wait_until, failures=failures))
    return _noted(state, errand, reason)


def _ended(state: AccountState, errand: Errand, owed: Owed) -> AccountState:
    if owed.again:
        return _owing(state, errand, Owed())
    return replace(state, errands={e: o for e, o in state.errands.items() if e is not errand})


def _owing(state: AccountState, errand: Errand, owed: Owed) -> AccountState:
    return replace(state, errands=state.errands | {errand: owed})


def _noted(state: AccountState, errand: Errand, problem: str | None) -> AccountState:
    """People see whether the platform sends webhooks, and why not."""
    if errand is not Errand.SUBSCRIBE:
        return state
    return replace(state, subscribed=problem is None, not_subscribed=problem)


def calls_of(spec: PlatformSpec, errand: Errand) -> Mapping[str, int]:
    """API family -> calls that the errand may need."""
    return spec.subscribe_calls if errand is Errand.SUBSCRIBE else {spec.profile_family: 1}


def leased(state: AccountState, lease_s: float, now: datetime) -> AccountState:
    """The platform granted its webhooks for so long: when to ask again. Half of it leaves room for days on
    which the platform does not answer."""
    lease = min(max(timedelta(seconds=lease_s), SHORTEST_LEASE), LONGEST_LEASE)
    return replace(state, resubscribe_at=now + lease / 2)


def _leased(state: AccountState, spec: PlatformSpec, errand: Errand, now: datetime) -> AccountState:
    """By what was asked for, unless less was granted: that may have been told before the answer."""
    if errand is not Errand.SUBSCRIBE or spec.webhook_lease_s is None:
        return state
    told, asked = state.resubscribe_at, leased(state, spec.webhook_lease_s, now)
    sooner = told is not None and asked.resubscribe_at is not None and told < asked.resubscribe_at
    return state if sooner else asked


def _family(spec: PlatformSpec, errand: Errand) -> str:
    return next(iter(spec.subscribe_calls)) if errand is Errand.SUBSCRIBE else spec.profile_family
