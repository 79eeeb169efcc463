"""What an account does with a webhook entry, already verified, parsed and normalised."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from actors.account.content import errands
from actors.account.content.content import Changes
from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.state import AccountState, Errand, Status
from actors.account.tokens import access
from actors.runtime.entity import SideRef
from domain.content import Happening, PlatformEvent
from domain.engagement import Reading, end_of
from domain.events import Event, EventType

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


def hear(state: AccountState, event: PlatformEvent, changes: Changes, now: datetime) -> AccountState:
    """The new state, but for the counters (`counted`); side documents and events land in `changes`."""
    at = min(event.occurred_at or now, now)  # a time to come would outlive every reading
    match event.what:
        case Happening.CONTENT_CREATED | Happening.CONTENT_EDITED if event.content is not None:
            born = event.what is Happening.CONTENT_CREATED
            if changes.take(event.content, Reading.dated(at), since_birth=born):
                changes.events.append(_synchronized(changes, event.content.external_id))
        case Happening.CONTENT_CREATED | Happening.CONTENT_EDITED if event.content_id:
            changes.reread[event.content_id] = at  # only named: how it is now, the platform tells by its id
        case Happening.CONTENT_DELETED:
            gone = event.subject_id or event.content_id
            if gone:
                changes.gone(gone)
        case Happening.REMARKED if event.remark is not None:
            changes.remark(event.remark, at, listed=False)
        case Happening.REMARK_DELETED if event.subject_id:
            changes.remark_gone(event.subject_id, at)
        case Happening.LIKED | Happening.UNLIKED | Happening.SHARED if event.content_id:
            metric, step = _STEPS[event.what]
            changes.heard(event.content_id, event.event_id, metric, step, at)
        case Happening.TOTALS if event.content_id and event.totals is not None:
            changes.told(event.content_id, event.totals, at)
        case Happening.PROFILE_CHANGED if state.status is Status.CONNECTED:
            state = errands.owe(state, Errand.PROFILE)
        case Happening.LEASED if event.lease_s is not None and state.status is Status.CONNECTED:
            state = errands.leased(state, event.lease_s, now)
        case Happening.ACCESS_REVOKED:
            # Told late, it speaks of a grant that has been given anew since.
            if state.status is not Status.REAUTHORIZATION_REQUIRED and end_of(at) > state.token.issued_at:
                state, _, events = access.dead(state, "access_revoked")
                changes.events += [
                    Event(e.type, {"account_id": changes.account_id, **e.data}) for e in events
                ]
        case _:
            pass
    return state


def counted(state: AccountState, event: PlatformEvent) -> AccountState:
    counters = state.count("webhooks")
    counters[event.what.value] = counters.get(event.what.value, 0) + 1
    return replace(state, counters=counters)


def _synchronized(changes: Changes, external_id: str) -> Event:
    data = {
        "account_id": changes.account_id,
        "platform": changes.state.platform,
        "source": "webhook",
        "content_ids": [side_id(changes.account_id, external_id)],
        "items": 1,
    }
    return Event(EventType.CONTENT_SYNCHRONIZED, data)
