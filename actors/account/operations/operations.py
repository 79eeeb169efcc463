"""Operations of an account: taken on, ended, and told to people (`tasks` carries them out)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from msgspec.structs import replace

from actors.account.content.content import Changes
from actors.account.operations.task import (
    FIRST_CALL,
    ONCE,
    OPERATIONS,
    Phase,
    Task,
    What,
    moved,
    operation_document,
)
from actors.account.state import AccountState
from domain.budget import Priority
from domain.errors import Conflict, NotFound
from domain.events import Event, EventType

MAX_OPEN = 20


def ask(
    state: AccountState,
    changes: Changes,
    task_id: str,
    what: What,
    facts: Mapping[str, Any],
    wish: Mapping[str, Any],
    user_id: str,
) -> AccountState:
    """Take it on. The same id again changes nothing. `facts` is where it begins, `wish` what was asked
    for."""
    if changes.known(OPERATIONS, task_id) is not None:
        return state
    if len(state.tasks) >= MAX_OPEN:
        raise Conflict("too_many_operations", f"At most {MAX_OPEN} operations of an account are open.")
    task = begun(task_id, what, facts, Priority.PERSON, changes.now)
    document = operation_document(
        changes.account_id, state.org, state.platform, task, wish, user_id, changes.now, changes.seal
    )
    changes.put(OPERATIONS, document)
    return replace(state, tasks=(*state.tasks, task))


def begun(
    task_id: str, what: What, facts: Mapping[str, Any], priority: Priority, now: datetime, shown: bool = True
) -> Task:
    return Task(
        task_id,
        what,
        priority,
        begun_at=now,
        moved_at=now,
        calls=FIRST_CALL[what],
        shown=shown,
        facts=orjson.dumps(facts),
        decisive=what in ONCE,
    )


def cancel(state: AccountState, changes: Changes, task_id: str) -> AccountState:
    task = find(state, task_id)
    if task is None:
        if changes.known(OPERATIONS, task_id) is None:
            raise NotFound("operation_unknown", "There is no such operation.")
        raise Conflict("operation_ended", "It has ended already.")
    if task.sent_at is not None:
        raise Conflict("operation_under_way", "It may have happened already: look again in a minute.")
    return ended(state, changes, task, Phase.CANCELLED, "cancelled")


def abandon(state: AccountState, changes: Changes) -> AccountState:
    """The account is being disconnected: nothing is sent any more, and what was sent is not known."""
    for task in state.tasks:
        phase = Phase.CANCELLED if task.sent_at is None else Phase.UNCONFIRMED
        state = ended(state, changes, task, phase, "account_disconnected")
    return state


def ended(
    state: AccountState,
    changes: Changes,
    task: Task,
    phase: Phase,
    note: str,
    message: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> AccountState:
    task, good = replace(task, phase=phase, call=None), phase is Phase.DONE
    reason = None if good else message or note
    if task.shown:
        tell(changes, task, note, reason, result)
        data = {
            "account_id": changes.account_id,
            "platform": state.platform,
            "operation_id": task.id,
            "what": task.what.value,
            "status": phase.value,
            "reason": None if good else note,
        }
        changes.events.append(Event(EventType.OPERATION_ENDED, data))
    elif (plan := state.plans.get(task.what)) is not None:
        last = task.begun_at if good else plan.last_run_at
        plan = replace(plan, last_run_at=last, last_error=reason and reason[:200])
        state = replace(state, plans=state.plans | {task.what.value: plan})
    return replace(state, tasks=tuple(t for t in state.tasks if t.id != task.id))


def tell(
    changes: Changes,
    task: Task,
    note: str | None,
    reason: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> None:
    """In the operation, where the turn was shown it."""
    document = changes.known(OPERATIONS, task.id) if task.shown else None
    if document is not None:
        after = moved(document, task, changes.now, note, reason)
        changes.put(OPERATIONS, after if result is None else after | {"result": dict(result)})


def find(state: AccountState, task_id: str) -> Task | None:
    return next((t for t in state.tasks if t.id == task_id), None)


def kept(state: AccountState, task: Task) -> AccountState:
    tasks = tuple(task if t.id == task.id else t for t in state.tasks)
    return replace(state, tasks=tasks) if tasks != state.tasks else state
