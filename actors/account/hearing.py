"""What an account does with a webhook entry, already verified, parsed and normalised."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from actors.account import access
from actors.account.content import Changes
from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.effects import FetchProfile
from actors.account.state import AccountState, Mode, Status, Wish
from actors.runtime.entity import Effect, SideRef
from domain.budget import Priority
from domain.content import Happening, PlatformEvent
from domain.events import Event, EventType

RECHECK_IDS = 100

_STEPS = {Happening.LIKED: ("likes", 1), Happening.UNLIKED: ("likes", -1), Happening.SHARED: ("shares", 1)}


def reads(account_id: str, event: PlatformEvent) -> Sequence[SideRef]:
    refs = []
    remark = event.remark
    content_ids = {event.content_id, event.content.external_id if event.content else None}
    if remark is not None:
        refs.append(SideRef(REMARKS, side_id(account_id, remark.external_id)))
        content_ids.add(remark.content_id)
    elif event.what is Happening.REMARK_DELETED and event.subject_id:
        refs.append(SideRef(REMARKS, side_id(account_id, event.subject_id)))
    elif event.what is Happening.CONTENT_DELETED and event.subject_id:
        content_ids.add(event.subject_id)
    if event.content is not None:
        content_ids.update(event.content.replaces)
    refs.extend(SideRef(CONTENT, side_id(account_id, c)) for c in content_ids if c)
    return refs


def hear(
    state: AccountState, event: PlatformEvent, changes: Changes, now: datetime
) -> tuple[AccountState, list[Effect]]:
    """The new state; side documents and events land in `changes`."""
    at = event.occurred_at or now
    effects: list[Effect] = []
    match event.what:
        case Happening.CONTENT_CREATED | Happening.CONTENT_EDITED if event.content is not None:
            if changes.take(event.content, at, since_birth=event.what is Happening.CONTENT_CREATED):
                changes.events.append(_synchronized(changes, event.content.external_id))
        case Happening.CONTENT_DELETED:
            gone = event.subject_id or event.content_id
            if gone:
                changes.gone(gone)
        case Happening.REMARKED if event.remark is not None:
            changes.remark(event.remark, event.event_id, at)
        case Happening.REMARK_DELETED if event.subject_id:
            changes.remark_gone(event.subject_id, at)
        case Happening.LIKED | Happening.UNLIKED | Happening.SHARED if event.content_id:
            metric, step = _STEPS[event.what]
            changes.heard(event.content_id, event.event_id, metric, step, at)
        case Happening.TOTALS if event.content_id and event.totals is not None:
            changes.told(event.content_id, event.totals, at)
        case Happening.PROFILE_CHANGED if state.status is Status.CONNECTED:
            effects.append(FetchProfile(state.token.access))
        case Happening.ACCESS_REVOKED:
            if state.status is not Status.REAUTHORIZATION_REQUIRED:
                state, _, events = access.dead(state, "access_revoked")
                changes.events += [
                    Event(e.type, {"account_id": changes.account_id, **e.data}) for e in events
                ]
        case _:
            pass
    counters = state.count("webhooks") | {}
    counters[event.what.value] = counters.get(event.what.value, 0) + 1
    return replace(state, counters=counters), effects


def follow_up(state: AccountState, unknown: Sequence[str], source: str) -> AccountState:
    """Ask for content that so far was only heard of; one wish collects them, bounded."""
    if not unknown:
        return state
    wishes = []
    ids: tuple[str, ...] = ()
    for wish in state.wishes:
        if wish.mode is Mode.RECHECK and wish.priority is Priority.WEBHOOK:
            ids = wish.ids
        else:
            wishes.append(wish)
    ids = tuple(dict.fromkeys((*ids, *unknown)))[:RECHECK_IDS]
    wishes.append(Wish(source, Mode.RECHECK, Priority.WEBHOOK, ids=ids))
    return replace(state, wishes=tuple(wishes))


def _synchronized(changes: Changes, external_id: str) -> Event:
    data = {
        "account_id": changes.account_id,
        "platform": changes.state.platform,
        "source": "webhook",
        "content_ids": [side_id(changes.account_id, external_id)],
        "items": 1,
    }
    return Event(EventType.CONTENT_SYNCHRONIZED, data)
