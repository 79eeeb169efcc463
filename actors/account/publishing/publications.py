"""Publications of an account: taken on, ended, and told to people (`publishing` carries them out)."""

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.account.content.content import Changes
from actors.account.content.work import reread
from actors.account.documents import side_id
from actors.account.publishing.publication import (
    PUBLICATIONS,
    Action,
    Phase,
    Publication,
    publication_document,
    stepped,
)
from actors.account.state import AccountState
from domain.errors import Conflict, NotFound
from domain.events import Event, EventType
from domain.publishing import Draft, Published

MAX_OPEN = 200
PENDING_LOOKS = tuple(timedelta(seconds=s) for s in (30, 60, 300, 900, *(3600,) * 47))
"""Pauses before each look while an id is pending (TikTok's moderation takes up to days)."""


def ask(
    state: AccountState,
    changes: Changes,
    publication_id: str,
    action: Action,
    draft: Draft | None,
    target: str | None,
    due_at: datetime,
    group: str,
    user_id: str,
) -> AccountState:
    """Take it on. The same id again changes nothing: a cross-post that was interrupted is sent once more."""
    if changes.known(PUBLICATIONS, publication_id) is not None:
        return state
    if len(state.publications) >= MAX_OPEN:
        raise Conflict("too_many_publications", f"At most {MAX_OPEN} publications of an account are open.")
    tagged = draft is not None and bool(draft.product_tags)
    record = Publication(publication_id, action, due_at, target=target, tagged=tagged)
    document = publication_document(
        changes.account_id,
        state.org,
        state.platform,
        record,
        group,
        user_id,
        draft,
        changes.now,
        changes.seal,
    )
    changes.put(PUBLICATIONS, document)
    return replace(state, publications=(*state.publications, record))


def cancel(state: AccountState, changes: Changes, publication_id: str) -> AccountState:
    record = find(state, publication_id)
    if record is None and changes.known(PUBLICATIONS, publication_id) is not None:
        raise Conflict("publication_ended", "It has ended already.")
    if record is None:
        raise NotFound("publication_unknown", "There is no such publication.")
    if record.phase not in (Phase.SCHEDULED, Phase.RUNNING) or record.sent_at is not None or record.call:
        raise Conflict("publication_under_way", "It may be out already: look again in a minute.")
    return ended(state, changes, record, Phase.CANCELLED, "cancelled")


def abandon(state: AccountState, changes: Changes) -> AccountState:
    """The account is being disconnected: nothing goes out any more, and what may be out is not known."""
    for record in state.publications:
        phase = Phase.CANCELLED if record.sent_at is None else Phase.UNCONFIRMED
        state = ended(state, changes, record, phase, "account_disconnected")
    return state


def published(
    state: AccountState, changes: Changes, record: Publication, published: Published
) -> AccountState:
    now = changes.now
    external_id = published.external_id or record.target
    if external_id is None:
        after = replace(
            record, phase=Phase.PENDING, call=None, looks=0, failures=0, wait_until=now + PENDING_LOOKS[0]
        )
        note(changes, after, "published", publishedAt=published.published_at or now)
        return kept(state, after)
    facts: dict[str, Any] = {"externalContentId": external_id, "permalink": published.permalink}
    if published.refused:
        facts["notTaken"] = list(published.refused)
    at = published.published_at or now
    note(changes, replace(record, phase=Phase.PUBLISHED), "published", publishedAt=at, **facts)
    data = {
        "account_id": changes.account_id,
        "platform": state.platform,
        "publication_id": record.id,
        "action": record.action.value,
        "content_id": side_id(changes.account_id, external_id),
        "external_content_id": external_id,
    }
    changes.events.append(Event(EventType.CONTENT_PUBLISHED, data))
    state = replace(_without(state, record), counters=state.count("publications"))
    return reread(state, [(external_id, now)])


def ended(
    state: AccountState,
    changes: Changes,
    record: Publication,
    phase: Phase,
    reason: str,
    message: str | None = None,
) -> AccountState:
    note(changes, replace(record, phase=phase), reason, reason=message or reason)
    changes.events.append(changed(changes.account_id, state, record, phase.value, reason))
    return _without(state, record)


def changed(account_id: str, state: AccountState, record: Publication, status: str, reason: str) -> Event:
    data = {
        "account_id": account_id,
        "platform": state.platform,
        "publication_id": record.id,
        "action": record.action.value,
        "status": status,
        "reason": reason,
    }
    return Event(EventType.PUBLICATION_CHANGED, data)


def note(changes: Changes, record: Publication, what: str, **facts: Any) -> None:
    """Tell it in the side document, where the turn was shown it."""
    document = changes.known(PUBLICATIONS, record.id)
    if document is not None:
        changes.put(PUBLICATIONS, stepped(document, record.phase, what, changes.now, **facts))


def find(state: AccountState, publication_id: str) -> Publication | None:
    return next((p for p in state.publications if p.id == publication_id), None)


def kept(state: AccountState, record: Publication) -> AccountState:
    publications = tuple(record if p.id == record.id else p for p in state.publications)
    return replace(state, publications=publications) if publications != state.publications else state


def _without(state: AccountState, record: Publication) -> AccountState:
    return replace(state, publications=tuple(p for p in state.publications if p.id != record.id))
