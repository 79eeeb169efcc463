"""A piece of work at the platform beside sync and publishing: a walk of reads, or a change asked for.

The record is in the account's document and of constant size. What a person asked for has an operation beside
it, the side document that people see and that stays; scheduled walks have none, only what they bring.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from msgspec import Struct

from actors.account.documents import Seal, side_id
from actors.account.tokens.token import Call
from domain.budget import Priority
from domain.content import Remark
from storage.crypto import field_aad
from storage.records import Document

OPERATIONS = "social_operations"
KEPT_STEPS = 30
MAX_REASON = 200


class What(StrEnum):
    CONTENT_INSIGHTS = "content_insights"
    ACCOUNT_INSIGHTS = "account_insights"
    COMMENTS = "comments"  # where the account's own token shows none
    ADS = "ads"  # the ad accounts; of each its objects, level by level, then its days
    CREATE_AD_CAMPAIGN = "create_ad_campaign"
    CREATE_AD_GROUP = "create_ad_group"
    CREATE_AD = "create_ad"
    CHANGE_AD = "change_ad"
    CATALOGS = "catalogs"
    PRODUCTS = "products"
    UPSERT_PRODUCTS = "upsert_products"
    ORDERS = "orders"
    BROADCASTS = "broadcasts"
    CREATE_BROADCAST = "create_broadcast"
    STREAM = "stream"  # made for a broadcast, and bound to it
    TRANSITION = "transition"
    CHAT = "chat"

    @property
    def capability(self) -> str:
        return _CAPABILITIES[self]


_CAPABILITIES: Mapping[What, str] = {
    What.CONTENT_INSIGHTS: "insights",
    What.ACCOUNT_INSIGHTS: "insights",
    What.COMMENTS: "insights",
    What.ADS: "ads",
    What.CREATE_AD_CAMPAIGN: "ads",
    What.CREATE_AD_GROUP: "ads",
    What.CREATE_AD: "ads",
    What.CHANGE_AD: "ads",
    What.CATALOGS: "commerce",
    What.PRODUCTS: "commerce",
    What.UPSERT_PRODUCTS: "commerce",
    What.ORDERS: "commerce",
    What.BROADCASTS: "live",
    What.CREATE_BROADCAST: "live",
    What.STREAM: "live",
    What.TRANSITION: "live",
    What.CHAT: "live",
}

# The call of its first step, as `PlatformSpec.capability_calls` names it; later ones are told by each step.
FIRST_CALL: Mapping[What, str] = {
    What.CONTENT_INSIGHTS: "insights.content",
    What.ACCOUNT_INSIGHTS: "insights.account",
    What.COMMENTS: "comments.list",
    What.ADS: "ads.accounts",
    What.CREATE_AD_CAMPAIGN: "ads.create",
    What.CREATE_AD_GROUP: "ads.create_group",
    What.CREATE_AD: "ads.create_ad",
    What.CHANGE_AD: "ads.change",
    What.CATALOGS: "commerce.catalogs",
    What.PRODUCTS: "commerce.products",
    What.UPSERT_PRODUCTS: "commerce.upsert",
    What.ORDERS: "commerce.orders",
    What.BROADCASTS: "live.list",
    What.CREATE_BROADCAST: "live.create",
    What.STREAM: "live.stream",
    What.TRANSITION: "live.transition",
    What.CHAT: "live.chat",
}

ONCE: Mapping[What, str] = {
    What.CREATE_AD_CAMPAIGN: "ads.find",
    What.CREATE_AD_GROUP: "ads.find",
    What.CREATE_AD: "ads.find",
    What.CREATE_BROADCAST: "live.list",
}
"""What must not happen twice, and by which call it is looked for when nobody knows whether it did."""


TAGGED: Mapping[What, str] = {
    What.CREATE_AD_CAMPAIGN: "adc",
    What.CREATE_AD_GROUP: "adg",
    What.CREATE_AD: "ad",
}
"""What is found again by a tag in its name, and with what the tag begins."""


class Phase(StrEnum):
    """running -> (done | failed); running -> looking -> (done | unconfirmed); running -> cancelled."""

    RUNNING = "running"
    LOOKING = "looking"  # it may have happened: the platform is asked, nothing is sent
    # What follows ends it: the record leaves the account's document.
    DONE = "done"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"  # it may have happened and was not found: only a person decides what now
    CANCELLED = "cancelled"


class Task(Struct, frozen=True):
    """`facts` is where it is, as JSON. `calls` names the next call, whose windows are reserved for it.
    `moved_at`: when it last came forward."""

    id: str
    what: What
    priority: Priority
    begun_at: datetime
    moved_at: datetime
    calls: str
    shown: bool = True  # it has an operation
    phase: Phase = Phase.RUNNING
    facts: bytes = b"{}"
    decisive: bool = False  # the next step must not happen twice
    sent_at: datetime | None = None  # when a decisive step was sent first
    call: Call | None = None
    wait_until: datetime | None = None
    held_by: str | None = None
    failures: int = 0
    looks: int = 0
    refused: bool = False  # the platform refused the token for it once already
    items: int = 0


class Step(Struct, frozen=True):
    """What one step of a task brought. `facts` None: it was the last. `documents` are (collection, document),
    absolute values: storing them again changes nothing. `listed`: its remarks are a list that reaches back to
    content whose numbers may hold them."""

    facts: Mapping[str, Any] | None
    documents: tuple[tuple[str, Document], ...] = ()
    remarks: tuple[Remark, ...] = ()
    listed: bool = False
    calls: str | None = None  # of the next step; None: as before
    wait_s: float = 0.0
    items: int = 0
    note: str | None = None  # what people read among the operation's steps
    result: Mapping[str, Any] | None = None


class Plan(Struct, frozen=True):
    """When a scheduled walk is next, and how the last one ended."""

    next_at: datetime
    last_run_at: datetime | None = None
    last_error: str | None = None


def task_out(t: Task) -> Document:
    return {
        "id": t.id,
        "what": t.what.value,
        "priority": int(t.priority),
        "begunAt": t.begun_at,
        "movedAt": t.moved_at,
        "calls": t.calls,
        "shown": t.shown,
        "phase": t.phase.value,
        "facts": t.facts,
        "decisive": t.decisive,
        "sentAt": t.sent_at,
        "call": [t.call.id, t.call.until] if t.call else None,
        "waitUntil": t.wait_until,
        "heldBy": t.held_by,
        "failures": t.failures,
        "looks": t.looks,
        "refused": t.refused,
        "items": t.items,
    }


def task_in(d: Document) -> Task:
    return Task(
        id=d["id"],
        what=What(d["what"]),
        priority=Priority(d["priority"]),
        begun_at=d["begunAt"],
        moved_at=d["movedAt"],
        calls=d["calls"],
        shown=d["shown"],
        phase=Phase(d["phase"]),
        facts=bytes(d["facts"]),
        decisive=d["decisive"],
        sent_at=d["sentAt"],
        call=Call(d["call"][0], d["call"][1]) if d["call"] else None,
        wait_until=d["waitUntil"],
        held_by=d["heldBy"],
        failures=d["failures"],
        looks=d["looks"],
        refused=d["refused"],
        items=d["items"],
    )


def plan_out(plan: Plan) -> list[Any]:
    return [plan.next_at, plan.last_run_at, plan.last_error]


def plan_in(row: list[Any]) -> Plan:
    return Plan(row[0], row[1], row[2])


def operation_document(
    account_id: str,
    org: str,
    platform: str,
    task: Task,
    wish: Mapping[str, Any],
    user_id: str,
    now: datetime,
    seal: Seal,
) -> Document:
    """`wish` is what was asked for, as JSON values: people's words, so it is sealed."""
    id_ = side_id(account_id, task.id)
    return {
        "_id": id_,
        "org": org,
        "socialAccountId": account_id,
        "platform": platform,
        "operationId": task.id,
        "what": task.what.value,
        "wish": seal(orjson.dumps(wish), field_aad(OPERATIONS, id_, "wish")),
        "createdBy": user_id,
        "createdAt": now,
        "updatedAt": now,
        "status": task.phase.value,
        "reason": None,
        "items": 0,
        "result": None,
        "steps": [[now, "begun"]],
    }


def moved(
    document: Document, task: Task, now: datetime, what: str | None, reason: str | None = None
) -> Document:
    """The operation as the task is now; the newest steps are kept."""
    steps = document["steps"] if what is None else [*document["steps"], [now, what[:MAX_REASON]]]
    return document | {
        "status": task.phase.value,
        "updatedAt": now,
        "items": task.items,
        "reason": reason and reason[:1000],
        "steps": steps[-KEPT_STEPS:],
    }
