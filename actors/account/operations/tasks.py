"""Work at the platform beside sync and publishing (`task`), one call of each task per turn.

    asked for, or due --reserved--> step --+--> Ok: the documents it brought are saved with where it is
                                           +--> a limit, a fault: surely not done: later, the same step
                                           +--> refused: failed, with the platform's reason
                                           +--> unknown, or no outcome: repeated, unless it is decisive
    a decisive one: look at the platform --+--> found: done
                                           +--> not found after all looks: unconfirmed, a person decides

A step that must not happen twice is never sent again by itself. Documents hold absolute values, so every
other step may be.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from msgspec.structs import replace

from actors.account import budgets
from actors.account.content.content import Changes
from actors.account.content.work import CALL_TIMEOUT, MakeId
from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.effects import DecisiveStep, TaskStep
from actors.account.operations import told
from actors.account.operations.operations import ended, find, kept, tell
from actors.account.operations.task import (
    ONCE,
    OPERATIONS,
    Phase,
    Step,
    Task,
)
from actors.account.state import AccountState, Status
from actors.account.tokens import grants
from actors.account.tokens.grants import Credentials
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect, SideRef
from domain.tokens import UNRESOLVED_GRACE, backoff
from platforms.base import Platform
from platforms.outcome import Failure, Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.spec import PlatformSpec

UNDER_WAY = 2
"""Calls of one account's tasks at once: a slow report does not hold up a person."""
MAX_FAILURES = 8
GIVE_UP_AFTER = timedelta(hours=24)
"""Without coming forward: a token that nobody gives, a batch that the platform never ends."""
LOOKS = tuple(timedelta(seconds=s) for s in (10, 60, 300, 900))
"""Pauses before each look after an unknown outcome."""

Answered = tuple[AccountState, ReauthRequired | None]


# -- going on -----------------------------------------------------------------------------------------
def drive(
    state: AccountState, platform: Platform, changes: Changes, make_id: MakeId
) -> tuple[AccountState, list[Effect]]:
    """Make the steps that are due: people's first, then what has waited longest."""
    effects: list[Effect] = []
    now = changes.now
    for task in sorted(state.tasks, key=lambda t: (t.priority, t.moved_at)):
        state = _waited(state, changes, task, now)
        found = find(state, task.id)
        under_way = sum(t.call is not None for t in state.tasks)
        if found is None or state.status is not Status.CONNECTED or under_way >= UNDER_WAY:
            continue
        if found.call is None and found.wait_until is None:
            state, calls = _call(state, platform, found, now, make_id)
            effects += calls
    return state, effects


def wake_at(state: AccountState) -> datetime | None:
    """What waits for a token or for a place has no time of its own but that of giving up."""
    times: list[datetime] = []
    for task in state.tasks:
        if task.call is not None:
            times.append(_awaited_until(task))
        elif task.wait_until is not None:
            times.append(task.wait_until)
        elif task.phase is Phase.RUNNING:
            times.append(task.moved_at + GIVE_UP_AFTER)
    return min(times, default=None)


def answered(state: AccountState, platform: Platform, data: Mapping[str, Any], changes: Changes) -> Answered:
    """The outcome of a step, or of a look. `data`: call_id, task_id, outcome, access."""
    task, outcome = _of(state, data), data["outcome"]
    if task is None:
        return state, None
    waited_for = task.call is not None and task.call.id == data["call_id"]
    if not waited_for and not (task.sent_at is not None and _found(outcome) is not None):
        return state, None  # a call that was given up; only what surely happened is believed however late
    calls = _calls(state, platform, task, changes.now)
    state = budgets.believe(state, platform.spec, outcome.readings) if isinstance(outcome, Ok) else state
    if (step := _found(outcome)) is not None:
        return _advanced(state, platform.spec, changes, task, step), None
    if isinstance(outcome, Ok):
        return _not_found(state, changes, task), None
    return _failed(state, platform.spec, changes, task, outcome, calls)


def reads(state: AccountState, account_id: str, data: Mapping[str, Any]) -> list[SideRef]:
    """What the turn that takes an outcome wants to see."""
    task, step = _of(state, data), _found(data["outcome"])
    found = [SideRef(OPERATIONS, side_id(account_id, task.id))] if task is not None and task.shown else []
    if step is not None:
        found += told.refs(step.documents)
        found += [SideRef(REMARKS, side_id(account_id, r.external_id)) for r in step.remarks]
        ids = {r.content_id for r in step.remarks if r.content_id and step.listed}
        found += [SideRef(CONTENT, side_id(account_id, id_)) for id_ in ids]
    return found


def shown(state: AccountState) -> list[str]:
    """Ids of those whose operations a turn may end by itself."""
    return [task.id for task in state.tasks if task.shown]


# -- steps --------------------------------------------------------------------------------------------
def _of(state: AccountState, data: Mapping[str, Any]) -> Task | None:
    """By the call; an outcome that nobody waits for any more names its task."""
    by_call = (t for t in state.tasks if t.call is not None and t.call.id == data["call_id"])
    return next(by_call, None) or find(state, data.get("task_id", ""))


def _found(outcome: Outcome[Step | None]) -> Step | None:
    return outcome.value if isinstance(outcome, Ok) else None


def _waited(state: AccountState, changes: Changes, task: Task, now: datetime) -> AccountState:
    after = task
    if task.call is not None and _awaited_until(task) <= now:
        if task.decisive and task.phase is Phase.RUNNING:
            after = _look(task, now)
        else:
            return _again(state, changes, task, "no_outcome", now)
    if after.wait_until is not None and after.wait_until <= now:
        after = replace(after, wait_until=None, held_by=None)
    gone_by = after.phase is Phase.RUNNING and after.call is None and now >= after.moved_at + GIVE_UP_AFTER
    if gone_by and (not task.shown or changes.known(OPERATIONS, task.id) is not None):
        return ended(state, changes, after, Phase.FAILED, "gave_up")
    return kept(state, after)


def _awaited_until(task: Task) -> datetime:
    assert task.call is not None  # noqa: S101
    decisive = task.decisive and task.phase is Phase.RUNNING
    return task.call.until + UNRESOLVED_GRACE if decisive else task.call.until


def _call(
    state: AccountState, platform: Platform, task: Task, now: datetime, make_id: MakeId
) -> tuple[AccountState, list[Effect]]:
    used = grants.credentials(state, platform, task.what.capability, now)
    if used is None:
        return state, []
    calls = _named(platform.spec, task, used)
    reserved = budgets.reserve(state, platform.spec, calls, task.priority, now)
    if isinstance(reserved, datetime):
        held_by = f"account:{next(iter(calls))}"
        return kept(state, replace(task, wait_until=reserved, held_by=held_by)), []
    call = Call(make_id("call"), now + CALL_TIMEOUT)
    task = replace(task, call=call)
    decisive = task.decisive and task.phase is Phase.RUNNING
    if decisive:
        task = replace(task, sent_at=now)
    effect = (DecisiveStep if decisive else TaskStep)(
        call,
        task,
        calls,
        used.access,
        used.secret,
        used.external_id,
        used.grant,
        used.surface,
        app_id=used.app_id,
        priority=task.priority,
    )
    return kept(reserved, task), [effect]


def _named(spec: PlatformSpec, task: Task, used: Credentials | None) -> Mapping[str, int]:
    name = ONCE[task.what] if task.phase is Phase.LOOKING else task.calls
    return spec.calls_of(name, used.surface if used else None)


def _calls(state: AccountState, platform: Platform, task: Task, now: datetime) -> Mapping[str, int]:
    return _named(platform.spec, task, grants.credentials(state, platform, task.what.capability, now))


def _advanced(
    state: AccountState, spec: PlatformSpec, changes: Changes, task: Task, step: Step
) -> AccountState:
    """What it brought, and where it is, in one write."""
    now = changes.now
    for event in told.events(changes.account_id, state.platform, step.documents, changes.view):
        changes.events.append(event)
    for collection, document in step.documents:
        changes.put(collection, document)
    for remark in step.remarks:
        changes.remark(remark, min(remark.at, now) if remark.at else None, listed=step.listed)
    task = replace(
        task,
        phase=Phase.RUNNING,
        decisive=False,  # what had to happen once is the first step
        sent_at=None,
        call=None,
        wait_until=now + timedelta(seconds=step.wait_s) if step.wait_s > 0 else None,
        held_by=None,
        failures=0,
        refused=False,
        moved_at=now,
        calls=step.calls or task.calls,
        items=task.items + step.items,
    )
    if step.facts is None:
        return ended(state, changes, task, Phase.DONE, step.note or "done", result=step.result)
    if step.note is not None or step.items or step.result is not None:
        tell(changes, task, step.note, result=step.result)
    return kept(state, replace(task, facts=orjson.dumps(dict(step.facts))))


def _not_found(state: AccountState, changes: Changes, task: Task) -> AccountState:
    looks = task.looks + 1
    if looks >= len(LOOKS):
        return ended(state, changes, task, Phase.UNCONFIRMED, "outcome_unknown")
    wait = changes.now + LOOKS[looks]
    return kept(state, replace(task, call=None, looks=looks, failures=0, wait_until=wait))


def _failed(
    state: AccountState,
    spec: PlatformSpec,
    changes: Changes,
    task: Task,
    outcome: Failure,
    calls: Mapping[str, int],
) -> Answered:
    now, family = changes.now, next(iter(calls))
    match outcome:
        case Rejected(code=code):
            state = budgets.believe(state, spec, outcome.readings)
            if task.phase is Phase.LOOKING:
                return _again(state, changes, task, f"rejected_{code}", now), None
            return ended(state, changes, task, Phase.FAILED, f"rejected_{code}", outcome.message), None
        case ReauthRequired(reason=reason):
            if task.refused and reason == "token_refused":
                # The token was found good meanwhile: it is not good for this, and the account is not dead.
                return ended(state, changes, task, Phase.FAILED, "token_refused"), None
            unsent = replace(task, call=None, refused=True, sent_at=None)
            return kept(state, unsent if task.phase is Phase.RUNNING else replace(task, call=None)), outcome
        case RetryAfter(seconds=seconds, reason=reason):
            until = now + timedelta(seconds=seconds if outcome.held else max(seconds, 1.0))
            state = budgets.limited(state, spec, outcome, family, until)
            if outcome.held and task.call is not None:
                state = budgets.returned(state, spec, calls, task.call.until - CALL_TIMEOUT)
            unsent = replace(task, sent_at=None) if task.phase is Phase.RUNNING else task
            if outcome.held or outcome.rate_limited:
                held_by = budgets.whose(outcome, family)
                return kept(state, replace(unsent, call=None, wait_until=until, held_by=held_by)), None
            return _again(state, changes, unsent, reason, now, until), None
        case _:
            if task.decisive and task.phase is Phase.RUNNING:
                tell(changes, task, "outcome_unknown")
                return kept(state, _look(task, now)), None
            return _again(state, changes, task, "unknown_outcome", now), None


def _look(task: Task, now: datetime) -> Task:
    return replace(task, phase=Phase.LOOKING, call=None, looks=0, failures=0, wait_until=now + LOOKS[0])


def _again(
    state: AccountState,
    changes: Changes,
    task: Task,
    reason: str,
    now: datetime,
    until: datetime | None = None,
) -> AccountState:
    """The same step, or look, later."""
    failures = task.failures + 1
    if failures >= MAX_FAILURES and (not task.shown or changes.known(OPERATIONS, task.id) is not None):
        phase = Phase.UNCONFIRMED if task.phase is Phase.LOOKING else Phase.FAILED
        return ended(state, changes, task, phase, f"gave_up_{reason}")
    wait = max(now + backoff(failures), until or now)
    return kept(state, replace(task, call=None, failures=failures, wait_until=wait))
