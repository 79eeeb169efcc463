"""One piece on its way out through an account: the record in the account's document, and the side document
that people see and that stays."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from msgspec import Struct

from actors.account.documents import Seal, side_id
from domain.publishing import Draft, draft_json
from storage.crypto import field_aad
from storage.records import Document

PUBLICATIONS = "social_publications"
KEPT_STEPS = 50


class Action(StrEnum):
    PUBLISH = "publish"
    EDIT = "edit"  # `target` gets the draft's text
    DELETE = "delete"


class Phase(StrEnum):
    """scheduled -> running -> (published | failed); running -> looking -> (published | unconfirmed);
    running -> pending -> published; scheduled and running, before anything decisive -> cancelled."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    LOOKING = "looking"  # it may be out: the platform is asked, nothing is sent
    PENDING = "pending"  # it is out; the platform tells its id later
    # What follows ends it: the record leaves the account's document.
    PUBLISHED = "published"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"  # it may be out and was not found: only a person decides what now
    CANCELLED = "cancelled"


class Publication(Struct, frozen=True):
    id: str
    action: Action
    due_at: datetime
    phase: Phase = Phase.SCHEDULED
    target: str | None = None  # external id of the content to edit or delete
    stage: str = "start"
    facts: bytes = b"{}"  # of `PublishState`, as JSON
    sealed: bytes | None = None
    decisive: bool = False
    call: tuple[str, datetime] | None = None  # under way: its id, and until when its outcome is awaited
    wait_until: datetime | None = None
    failures: int = 0
    looks: int = 0
    sent_at: datetime | None = None  # when a decisive step was sent first
    late: bool = False  # said so
    tagged: bool = False  # with products: made with what the account's commerce is reached with


def record_out(p: Publication) -> Document:
    return {
        "id": p.id,
        "action": p.action.value,
        "dueAt": p.due_at,
        "phase": p.phase.value,
        "target": p.target,
        "stage": p.stage,
        "facts": p.facts,
        "sealed": p.sealed,
        "decisive": p.decisive,
        "call": list(p.call) if p.call else None,
        "waitUntil": p.wait_until,
        "failures": p.failures,
        "looks": p.looks,
        "sentAt": p.sent_at,
        "late": p.late,
        "tagged": p.tagged,
    }


def record_in(d: Document) -> Publication:
    return Publication(
        id=d["id"],
        action=Action(d["action"]),
        due_at=d["dueAt"],
        phase=Phase(d["phase"]),
        target=d["target"],
        stage=d["stage"],
        facts=bytes(d["facts"]),
        sealed=bytes(d["sealed"]) if d["sealed"] is not None else None,
        decisive=d["decisive"],
        call=(d["call"][0], d["call"][1]) if d["call"] else None,
        wait_until=d["waitUntil"],
        failures=d["failures"],
        looks=d["looks"],
        sent_at=d["sentAt"],
        late=d["late"],
        tagged=d.get("tagged", False),
    )


def publication_document(
    account_id: str,
    org: str,
    platform: str,
    record: Publication,
    group: str,
    user_id: str,
    draft: Draft | None,
    now: datetime,
    seal: Seal,
) -> Document:
    """`group` is the cross-post it belongs to: one piece, many accounts."""
    id_ = side_id(account_id, record.id)
    sealed = None
    if draft is not None:
        sealed = seal(orjson.dumps(draft_json(draft)), field_aad(PUBLICATIONS, id_, "draft"))
    return {
        "_id": id_,
        "org": org,
        "socialAccountId": account_id,
        "platform": platform,
        "publicationId": record.id,
        "group": group,
        "action": record.action.value,
        "createdBy": user_id,
        "createdAt": now,
        "updatedAt": now,
        "dueAt": record.due_at,
        "contentType": draft.kind.value if draft is not None else None,
        "draft": sealed,
        "status": record.phase.value,
        "reason": None,
        "externalContentId": record.target,
        "permalink": None,
        "publishedAt": None,
        "attempts": 0,
        "steps": [[now, record.phase.value]],
    }


def stepped(document: Document, phase: Phase, what: str, now: datetime, **facts: Any) -> Document:
    """The document after a step; the newest steps are kept."""
    steps = [*document["steps"], [now, what]][-KEPT_STEPS:]
    return document | {"status": phase.value, "updatedAt": now, "steps": steps, **facts}
