"""The state of one connected account and its document (D7: social_accounts)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

from msgspec import Struct, field

from actors.account.operations.task import Plan, Task, plan_in, plan_out, task_in, task_out
from actors.account.publishing.publication import Publication, record_in, record_out
from actors.account.tokens.grant import FurtherGrant, grant_in, grant_out
from actors.account.tokens.token import Call, Intent, Token, intent_in, intent_out, token_in, token_out
from domain.budget import Priority, Window
from storage.records import Document

V = TypeVar("V")


class Status(StrEnum):
    """connected <-> paused; both -> reauthorization_required -> connected (by connecting again);
    any -> disconnected -> connected (by connecting again)."""

    CONNECTED = "connected"
    PAUSED = "paused"
    REAUTHORIZATION_REQUIRED = "reauthorization_required"
    DISCONNECTED = "disconnected"


class Mode(StrEnum):
    BACKFILL = "backfill"
    INCREMENTAL = "incremental"
    RECHECK = "recheck"  # read known content by id: engagement, edits, deletions


class Wish(Struct, frozen=True):
    """Work asked for and not begun. At most one per source and mode."""

    source: str
    mode: Mode
    priority: Priority
    limit: int | None = None
    since: datetime | None = None


class Job(Struct, frozen=True):
    """The one piece of sync work in progress. Constant size whatever the account holds."""

    id: str
    source: str
    mode: Mode
    priority: Priority
    cursor: str | None = None
    since: datetime | None = None
    limit: int | None = None
    newest_at: datetime | None = None
    newest_id: str | None = None
    oldest_at: datetime | None = None
    items: int = 0
    pages: int = 0
    stale_pages: int = 0  # pages in a row without anything new: platforms repeat rows under fresh cursors
    failures: int = 0
    ids: tuple[str, ...] = ()  # of a recheck: to be read now
    call: Call | None = None
    wait_until: datetime | None = None
    held_by: str | None = None  # while it waits for a limit: "account", "app" or "platform", and which


class Errand(StrEnum):
    """A single call beside the sync work; making it twice changes nothing."""

    SUBSCRIBE = "subscribe"
    PROFILE = "profile"


class Owed(Struct, frozen=True):
    """An errand that the platform has not answered yet."""

    call: Call | None = None
    wait_until: datetime | None = None
    failures: int = 0
    again: bool = False  # asked for while it was under way: that call may have come too early


class Source(Struct, frozen=True):
    """What is known of one list between jobs."""

    newest_at: datetime | None = None
    newest_id: str | None = None
    backfilled: bool = False
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    items: int = 0
    pages: int = 0
    deleted: int = 0
    last_error: str | None = None
    etag: str | None = None  # of the first page when it was last read, where the platform gives one


class Config(Struct, frozen=True):
    auto_sync: bool = True
    sync_frequency: str = "15m"
    content_types: tuple[str, ...] = ()  # empty: all
    commerce_enabled: bool = True


class Erasure(Struct, frozen=True):
    """How far the erasure of everything that the account held is, or the last one. It outlives the
    connection, so that a platform which repeats a wish is not heard twice."""

    asked_at: datetime  # the newest wish that it answers; of a callback by the platform's clock
    begun_at: datetime
    place: str | None  # where is looked now (`erasure.PLACES`); None: it has ended
    documents: int = 0
    call: Call | None = None
    ended_at: datetime | None = None


class AccountState(Struct, frozen=True):
    org: str
    platform: str
    external_id: str
    user_id: str
    app_id: str
    status: Status
    token: Token
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    scopes: tuple[str, ...] = ()
    profile: dict[str, Any] = field(default_factory=dict)
    config: Config = Config()
    intent: Intent | None = None
    budget: dict[str, Window] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    job: Job | None = None
    shelved: tuple[Job, ...] = ()  # gave way to something more urgent; they go on where they were
    wishes: tuple[Wish, ...] = ()
    reread: dict[str, datetime] = field(default_factory=dict)  # content to be read by id, and from when on
    errands: dict[Errand, Owed] = field(default_factory=dict)
    publications: tuple[Publication, ...] = ()  # on their way out
    grants: dict[str, FurtherGrant] = field(default_factory=dict)  # further consents, by capability
    tasks: tuple[Task, ...] = ()  # other work at the platform, asked for or scheduled
    plans: dict[str, Plan] = field(default_factory=dict)  # of scheduled tasks, by what they do
    counters: dict[str, int] = field(default_factory=dict)
    last_sync_at: datetime | None = None
    replay_at: datetime | None = None  # look for parked events once more
    subscribed: bool = False
    not_subscribed: str | None = None  # why the platform sends no webhooks
    resubscribe_at: datetime | None = None  # webhooks that end by themselves are asked for again then
    erasure: Erasure | None = None

    def count(self, name: str, n: int = 1) -> dict[str, int]:
        return self.counters | {name: self.counters.get(name, 0) + n}


def dump(s: AccountState) -> Document:
    return {
        "platform": s.platform,
        "externalAccountId": s.external_id,
        "userId": s.user_id,
        "appId": s.app_id,
        "accessCredentials": token_out(s.token) | {"scope": list(s.scopes)},
        "profile": s.profile,
        "integrationConfig": {
            "autoSync": s.config.auto_sync,
            "syncFrequency": s.config.sync_frequency,
            "contentTypes": list(s.config.content_types),
            "commerceEnabled": s.config.commerce_enabled,
        },
        "status": s.status.value,
        "statusReason": s.reason,
        "createdAt": s.created_at,
        "updatedAt": s.updated_at,
        "lastSyncAt": s.last_sync_at,
        "intent": intent_out(s.intent),
        "budget": {f: [w.limit, w.seconds, w.used, w.resets_at] for f, w in s.budget.items()},
        "sources": {name: _fields(x) for name, x in s.sources.items()},
        "job": _fields(s.job) if s.job else None,
        "shelved": [_fields(job) for job in s.shelved],
        "wishes": [_fields(w) for w in s.wishes],
        "reread": [[id_, at] for id_, at in s.reread.items()],  # ids of any spelling are no field names
        "errands": {errand.value: _fields(owed) for errand, owed in s.errands.items()},
        "publications": [record_out(p) for p in s.publications],
        "counters": s.counters,
        "replayAt": s.replay_at,
        "subscribed": s.subscribed,
        "notSubscribed": s.not_subscribed,
        "resubscribeAt": s.resubscribe_at,
        **_beside(s),
    }


def _beside(s: AccountState) -> Document:
    """Most accounts have none of it, and there are many accounts: what is empty is left out."""
    out: Document = {}
    if s.grants:
        out["grants"] = {name: grant_out(g) for name, g in s.grants.items()}
    if s.tasks:
        out["tasks"] = [task_out(t) for t in s.tasks]
    if s.plans:
        out["plans"] = {what: plan_out(plan) for what, plan in s.plans.items()}
    if s.erasure:
        out["erasure"] = _fields(s.erasure)
    return out


def load(d: Document) -> AccountState:
    """What many accounts have in common (org, scopes, configuration, the names of lists and windows) is one
    object for all that are loaded."""
    c, config = d["accessCredentials"], d["integrationConfig"]
    return AccountState(
        org=intern(d["org"]),
        platform=intern(d["platform"]),
        external_id=d["externalAccountId"],
        user_id=intern(d["userId"]),
        app_id=intern(d["appId"]),
        status=Status(d["status"]),
        reason=d["statusReason"],
        token=token_in(c),
        scopes=shared(c["scope"]),
        profile=_named(d["profile"].items()),
        config=_config(
            config["autoSync"],
            config["syncFrequency"],
            tuple(config["contentTypes"]),
            config["commerceEnabled"],
        ),
        created_at=d["createdAt"],
        updated_at=d["updatedAt"],
        last_sync_at=d["lastSyncAt"],
        intent=intent_in(d["intent"]),
        budget=_named((f, Window(*w)) for f, w in d["budget"].items()),
        sources=_named((name, Source(**x)) for name, x in d["sources"].items()),
        job=_job_in(d["job"]) if d["job"] else None,
        shelved=tuple(_job_in(job) for job in d["shelved"]),
        wishes=tuple(_wish_in(w) for w in d["wishes"]),
        reread={id_: at for id_, at in d["reread"]},
        errands={Errand(name): _owed_in(owed) for name, owed in d["errands"].items()},
        publications=tuple(record_in(p) for p in d.get("publications", ())),
        grants=_named((name, grant_in(g)) for name, g in d.get("grants", {}).items()),
        tasks=tuple(task_in(t) for t in d.get("tasks", ())),
        plans=_named((what, plan_in(row)) for what, row in d.get("plans", {}).items()),
        counters=_named(d["counters"].items()),
        replay_at=d["replayAt"],
        subscribed=d["subscribed"],
        not_subscribed=d["notSubscribed"],
        resubscribe_at=d.get("resubscribeAt"),
        erasure=_erasure_in(d["erasure"]) if d.get("erasure") else None,
    )


def shared(words: Iterable[str]) -> tuple[str, ...]:
    """The words as a tuple that is the same object for everybody who has the same ones."""
    return _one_of_each(tuple(words))


@lru_cache(1000)
def _one_of_each(words: tuple[str, ...]) -> tuple[str, ...]:
    return words


_config = lru_cache(1000)(Config)


def _named(pairs: Iterable[tuple[str, V]]) -> dict[str, V]:
    return {intern(name): value for name, value in pairs}


_PLAIN = frozenset({str, int, bool, float, datetime, type(None)})


def _fields(record: Source | Job | Wish | Owed | Erasure) -> Document:
    out: Document = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if type(value) in _PLAIN:
            pass
        elif isinstance(value, StrEnum):
            value = value.value
        elif isinstance(value, Priority):
            value = int(value)
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Call):
            value = {"id": value.id, "until": value.until}
        out[name] = value
    return out


def _job_in(d: Document) -> Job:
    enums = {"mode": Mode(d["mode"]), "priority": Priority(d["priority"])}
    return Job(**d | enums | {"ids": tuple(d["ids"]), "call": _call_in(d["call"])})


def _wish_in(d: Document) -> Wish:
    return Wish(**d | {"mode": Mode(d["mode"]), "priority": Priority(d["priority"])})


def _owed_in(d: Document) -> Owed:
    return Owed(**d | {"call": _call_in(d["call"])})


def _erasure_in(d: Document) -> Erasure:
    return Erasure(**d | {"call": _call_in(d["call"])})


def _call_in(d: Document | None) -> Call | None:
    return Call(**d) if d else None
