"""Publishing through an account: post / check / finalize, the intent saved before whatever may make it
public.

    scheduled --due, reserved--> step --+--> Ok(state): the next step, when the platform is ready for it
                                        +--> Ok(published): done; the content is read
                                        +--> a limit, a fault: surely not done: back off, the same step again
                                        +--> refused: failed, with the platform's reason
                                        +--> unknown, or no outcome of a decisive step: look at the platform
    look --+--> found: published, or the steps that are left
           +--> not found after all looks: unconfirmed, a person decides
           +--> a limit, a fault, refused: no look: back off, and after a day of nothing else the same end

A step that may make it public is never sent again by itself. What is late is said, by event and in the view.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from msgspec.structs import replace

from actors.account import budgets
from actors.account.content.content import Changes
from actors.account.content.work import MakeId
from actors.account.effects import LookForPublication, PublishStep
from actors.account.publishing.publication import PUBLICATIONS, Action, Phase, Publication
from actors.account.publishing.publications import PENDING_LOOKS, changed, ended, find, kept, note, published
from actors.account.state import AccountState, Status
from actors.account.tokens.grants import Credentials
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect
from domain.budget import Priority
from domain.publishing import Published, PublishState
from domain.tokens import UNRESOLVED_GRACE, backoff
from platforms.outcome import Failure, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec

STEP_TIMEOUT = timedelta(seconds=120)
"""A step is one call or one chunk of an upload."""
UNDER_WAY = 3
"""Publications of one account in progress at once. What the platform has and still works on, or its creator
has in an inbox, is not among them: it holds nobody up."""
FIRST_SHOWN = 5
LATE_AFTER = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(hours=24)
CONFIRMED_WITHIN = timedelta(days=7)
"""Of what the platform has: a draft that its creator never posts would be asked about for ever."""
LOOKS = tuple(timedelta(seconds=s) for s in (15, 60, 180, 600, 1800))
"""Pauses before each look after an unknown outcome: what was posted may take minutes to be listed."""

_LOOK_FAILED = "It may be out: the platform could not be asked for a day. Look there before it is sent again."


# -- going on -----------------------------------------------------------------------------------------
def drive(
    state: AccountState,
    spec: PlatformSpec,
    changes: Changes,
    token_ok: bool,
    make_id: MakeId,
    tagging: Credentials | None = None,
) -> tuple[AccountState, list[Effect]]:
    """Make the steps that are due, the earliest promised first."""
    effects: list[Effect] = []
    now = changes.now
    for record in sorted(state.publications, key=lambda p: p.due_at):
        state = _waited(state, changes, record, now)
        found = find(state, record.id)
        if found is None or state.status is not Status.CONNECTED or not token_ok:
            continue
        if (
            found.call is None
            and found.wait_until is None
            and found.due_at <= now
            and _has_room(state, found)
        ):
            used = tagging if found.tagged else None
            state, calls = _call(state, spec, found, now, make_id, used)
            effects += calls
    return state, effects


def wake_at(state: AccountState, now: datetime) -> datetime | None:
    """What waits for the token or for a place has no time of its own."""
    times: list[datetime] = []
    for p in state.publications:
        if p.call is not None:
            times.append(_awaited_until(p))
        elif p.wait_until is not None:
            times.append(p.wait_until)
        elif state.status is Status.CONNECTED and p.due_at > now:
            times.append(p.due_at)
        if not p.late:
            times.append(p.due_at + LATE_AFTER)
        elif _hopeless(p, p.due_at + GIVE_UP_AFTER):
            times.append(p.due_at + GIVE_UP_AFTER)
    return min(times, default=None)


def answered(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes
) -> tuple[AccountState, ReauthRequired | None]:
    """The outcome of a step. `data`: publication_id, call_id, outcome, sealed, access."""
    record = find(state, data["publication_id"])
    if record is None:
        return state, None
    outcome: Outcome[PublishState | Published] = data["outcome"]
    if isinstance(outcome, Ok) and isinstance(outcome.value, Published):
        # The truth, however late it is heard.
        state = budgets.believe(state, spec, outcome.readings)
        return published(state, changes, record, outcome.value), None
    if record.call is None or record.call[0] != data["call_id"]:
        return state, None
    if isinstance(outcome, Ok):
        reached = outcome.value
        assert isinstance(reached, PublishState)  # noqa: S101 - `Published` is answered above
        state = budgets.believe(state, spec, outcome.readings)
        return _advanced(state, record, reached, data["sealed"], changes), None
    return _failed(state, spec, changes, record, outcome)


def looked(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes
) -> tuple[AccountState, ReauthRequired | None]:
    """The outcome of a look. `data`: publication_id, call_id, outcome, access."""
    record = find(state, data["publication_id"])
    if record is None or record.call is None or record.call[0] != data["call_id"]:
        return state, None
    outcome: Outcome[Published | PublishState | None] = data["outcome"]
    now = changes.now
    if isinstance(outcome, RetryAfter) and outcome.held:
        until = now + timedelta(seconds=outcome.seconds)
        return kept(_unsent(state, spec, record), replace(record, call=None, wait_until=until)), None
    if not isinstance(outcome, Ok):
        seconds = outcome.seconds if isinstance(outcome, RetryAfter) else 0.0
        state = _unseen(state, changes, record, timedelta(seconds=seconds))
        return state, outcome if isinstance(outcome, ReauthRequired) else None
    state = budgets.believe(state, spec, outcome.readings)
    if isinstance(outcome.value, PublishState):
        found = replace(record, phase=Phase.RUNNING)
        return _advanced(state, found, outcome.value, None, changes), None
    if outcome.value is not None and (outcome.value.external_id is not None or record.phase is Phase.LOOKING):
        return published(state, changes, record, outcome.value), None
    pauses = PENDING_LOOKS if record.phase is Phase.PENDING else LOOKS
    looks = record.looks + 1
    if looks < len(pauses):
        after = replace(record, call=None, looks=looks, failures=0, wait_until=now + pauses[looks])
        return kept(state, after), None
    if record.phase is Phase.PENDING:
        return ended(state, changes, record, Phase.PUBLISHED, "published_without_id"), None
    return ended(state, changes, record, Phase.UNCONFIRMED, "outcome_unknown"), None


def shown(state: AccountState, message: str) -> list[str]:
    """Ids of those that a turn may end by itself: their documents must be there to say so."""
    late = [p.id for p in state.publications if p.late]
    if message not in ("tick", "connect", "resume"):
        return late
    first = sorted((p for p in state.publications if not p.late), key=lambda p: p.due_at)
    return [*late, *(p.id for p in first[:FIRST_SHOWN])]


# -- steps --------------------------------------------------------------------------------------------
def _waited(state: AccountState, changes: Changes, record: Publication, now: datetime) -> AccountState:
    if record.call is not None and _awaited_until(record) <= now:
        if record.phase is Phase.RUNNING and record.decisive:
            record = _look(record, now)
            note(changes, record, "no_outcome")
        elif record.phase in (Phase.LOOKING, Phase.PENDING):
            return _unseen(state, changes, record, timedelta())
        else:
            pause = now + backoff(record.failures + 1)
            record = replace(record, call=None, failures=record.failures + 1, wait_until=pause)
    if record.wait_until is not None and record.wait_until <= now:
        record = replace(record, wait_until=None)
    if not record.late and now >= record.due_at + LATE_AFTER:
        record = replace(record, late=True)
        changes.events.append(changed(changes.account_id, state, record, "late", record.phase.value))
    if _hopeless(record, now) and changes.known(PUBLICATIONS, record.id) is not None:
        return ended(kept(state, record), changes, record, Phase.FAILED, "gave_up_too_late")
    if _forgotten(record, now) and changes.known(PUBLICATIONS, record.id) is not None:
        return ended(kept(state, record), changes, record, Phase.UNCONFIRMED, "never_confirmed")
    return kept(state, record)


def _unseen(state: AccountState, changes: Changes, record: Publication, at_least: timedelta) -> AccountState:
    """A look that told nothing: again later. Not for ever, but as often as there are looks before anybody
    decides: the account may have been out of action for as long."""
    failures, pending = record.failures + 1, record.phase is Phase.PENDING
    until = changes.now + max(backoff(failures), at_least)
    record = replace(record, call=None, failures=failures, wait_until=until)
    within = CONFIRMED_WITHIN if pending else GIVE_UP_AFTER
    over = failures >= len(LOOKS) and changes.now >= (record.sent_at or record.due_at) + within
    if not over or changes.known(PUBLICATIONS, record.id) is None:
        return kept(state, record)
    if pending:
        return ended(state, changes, record, Phase.PUBLISHED, "published_without_id")
    return ended(state, changes, record, Phase.UNCONFIRMED, "look_failed", _LOOK_FAILED)


def _hopeless(record: Publication, now: datetime) -> bool:
    """Nobody wants yesterday's offer today: not even when the account can publish again at last."""
    begun = record.sent_at is not None or record.call is not None
    waits = record.phase in (Phase.SCHEDULED, Phase.RUNNING)
    return waits and not begun and now >= record.due_at + GIVE_UP_AFTER


def _handed_over(record: Publication) -> bool:
    """The decisive step is done, and the platform has not said yet that it is out."""
    return record.phase is Phase.RUNNING and record.sent_at is not None and not record.decisive


def _forgotten(record: Publication, now: datetime) -> bool:
    handed_over = _handed_over(record) and record.call is None
    return handed_over and record.sent_at is not None and now >= record.sent_at + CONFIRMED_WITHIN


def _awaited_until(record: Publication) -> datetime:
    """Nobody takes the outcome of a decisive step for unknown earlier than this."""
    assert record.call is not None  # noqa: S101
    until = record.call[1]
    return until + UNRESOLVED_GRACE if record.decisive else until


def _has_room(state: AccountState, record: Publication) -> bool:
    if record.phase is not Phase.SCHEDULED:
        return True
    ours = (p for p in state.publications if p.phase is Phase.RUNNING and not _handed_over(p))
    return sum(1 for _ in ours) < UNDER_WAY


def _call(
    state: AccountState,
    spec: PlatformSpec,
    record: Publication,
    now: datetime,
    make_id: MakeId,
    used: Credentials | None,
) -> tuple[AccountState, list[Effect]]:
    calls = _calls(spec, record)
    reserved = budgets.reserve(state, spec, calls, Priority.PUBLISH, now)
    if isinstance(reserved, datetime):
        return kept(state, replace(record, wait_until=reserved)), []
    call = Call(make_id("call"), now + STEP_TIMEOUT)
    looking = record.phase in (Phase.LOOKING, Phase.PENDING)
    phase = record.phase if looking else Phase.RUNNING
    record = replace(record, call=(call.id, call.until), phase=phase)
    if record.decisive and not looking:
        record = replace(record, sent_at=record.sent_at or now)
    kind = LookForPublication if looking else PublishStep
    app_id, access = (state.app_id, state.token.access) if used is None else (used.app_id, used.access)
    effect = kind(
        call,
        record,
        calls,
        access,
        used.grant if used else None,
        used.surface if used else None,
        app_id=app_id,
        priority=Priority.PUBLISH,
    )
    return kept(reserved, record), [effect]


def _calls(spec: PlatformSpec, record: Publication) -> Mapping[str, int]:
    """What the next step, or the look for it, may need."""
    if record.phase in (Phase.LOOKING, Phase.PENDING):
        name = "find"
    else:
        name = record.stage if record.action is Action.PUBLISH else record.action.value
    return spec.publish_calls.get(name, {spec.publish_family: 1})


def _unsent(state: AccountState, spec: PlatformSpec, record: Publication) -> AccountState:
    """The call waited in vain for what all accounts of its application share: it used nothing up."""
    if record.call is None:
        return state
    return budgets.returned(state, spec, _calls(spec, record), record.call[1] - STEP_TIMEOUT)


def _advanced(
    state: AccountState, record: Publication, reached: PublishState, sealed: bytes | None, changes: Changes
) -> AccountState:
    """Saved before the next step is made: whatever ends in between goes on from here."""
    wait = changes.now + timedelta(seconds=reached.wait_s) if reached.wait_s > 0 else None
    after = replace(
        record,
        stage=reached.stage,
        facts=orjson.dumps(dict(reached.facts)),
        sealed=sealed,
        decisive=reached.decisive,
        call=None,
        failures=0,
        wait_until=wait,
    )
    if reached.stage != record.stage:
        note(changes, after, reached.stage)
    return kept(state, after)


def _failed(
    state: AccountState, spec: PlatformSpec, changes: Changes, record: Publication, outcome: Failure
) -> tuple[AccountState, ReauthRequired | None]:
    now = changes.now
    match outcome:
        case Unknown():
            after = _look(record, now) if record.decisive else _again(record, now, 0.0)
            note(changes, after, "outcome_unknown")
            return kept(state, after), None
        case Rejected(code=code):
            state = budgets.believe(state, spec, outcome.readings)
            return ended(state, changes, record, Phase.FAILED, f"rejected_{code}", outcome.message), None
        case ReauthRequired():
            return kept(state, replace(record, call=None)), outcome
        case RetryAfter(seconds=seconds, reason=reason):
            if now >= record.due_at + GIVE_UP_AFTER and not _handed_over(record):
                return ended(state, changes, record, Phase.FAILED, f"gave_up_{reason}"[:100]), None
            until = now + timedelta(seconds=seconds)
            if outcome.held:
                note(changes, record, f"postponed: {budgets.whose(outcome, spec.publish_family)}"[:100])
                held = replace(record, call=None, wait_until=until, sent_at=_still_sent(record))
                return kept(_unsent(state, spec, record), held), None
            state = budgets.limited(state, spec, outcome, next(iter(_calls(spec, record))), until)
            note(changes, record, f"postponed: {reason}"[:100])
            return kept(state, _again(record, now, seconds)), None


def _again(record: Publication, now: datetime, at_least_s: float) -> Publication:
    """The same step later: it surely did not happen, or may happen twice."""
    failures = record.failures + 1
    wait = now + max(backoff(failures), timedelta(seconds=at_least_s))
    return replace(record, call=None, failures=failures, wait_until=wait, sent_at=_still_sent(record))


def _still_sent(record: Publication) -> datetime | None:
    """After a step that surely did not happen. A decisive one is then in no doubt: it may still be cancelled.
    One that follows it changes nothing about what the platform has."""
    return record.sent_at if _handed_over(record) else None


def _look(record: Publication, now: datetime) -> Publication:
    return replace(record, phase=Phase.LOOKING, call=None, looks=0, failures=0, wait_until=now + LOOKS[0])
