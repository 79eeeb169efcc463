"""What must hold, asked after every effect on a store, and once more when the world has come to rest.

The judge sees the stores' side of every request, so it knows what is true; no host can tell it anything.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from actors.runtime.mail import SOLO_FAILURES
from domain.ids import EntityKey, Kind
from domain.tokens import UNRESOLVED_GRACE
from storage.records import Document, Mail, Save, SaveOutcome, StreamId
from tests.simulation.loop import Process
from tests.simulation.network import Request
from tests.simulation.platform import Platform


@dataclass(slots=True)
class Intent:
    """A refresh that was decided: what the versioned write said of it."""

    key: EntityKey
    not_after: datetime
    last_chance: bool
    writer: Process
    open: bool = True
    given_up: bool = False  # its outcome was taken for unknown


@dataclass(slots=True)
class History:
    """What is known of one entity's document."""

    version: int = 0
    saved_at: list[datetime] = field(default_factory=list)  # each version
    epoch: int = 0
    watermark: StreamId = field(default_factory=lambda: StreamId(0, 0))
    generation: int = 0
    status: str = ""
    intent: str | None = None
    outbox: list[str] = field(default_factory=list)
    answers: tuple[str, ...] = ()
    events: list[str] = field(default_factory=list)  # ids in the order of the saves
    published: int = 0  # how many of `events` are on the bus, from the first on


class Seen(Protocol):
    """What the judge is shown of the world."""

    envelope: Envelope
    platform: Platform

    @property
    def poisoned(self) -> Mapping[str, str]: ...

    def now(self) -> datetime: ...


class Judge:
    def __init__(self, world: Seen) -> None:
        self._world = world
        self.violations: list[str] = []
        self.histories: dict[EntityKey, History] = {}
        self.intents: dict[str, Intent] = {}
        self.commands: dict[tuple[EntityKey, str], int] = {}  # applied command -> version that holds it
        self.events: dict[str, Document] = {}  # saved events by id
        self.on_bus: set[str] = set()
        self.accepted: dict[tuple[str, str], datetime] = {}  # (target, event id) -> when it was on disk
        self.order: dict[str, list[str]] = {}  # target -> event ids as they were accepted
        self.was_active: set[str] = set()  # content that was known with its base
        self.parked: set[str] = set()  # event ids
        self.losses = 0  # of Redis's tail
        self.may_be_lost: set[str] = set()  # event ids: told in a tail that Redis lost
        self.may_double: set[str] = set()  # event ids: told twice, and Redis has lost the mark
        self._told_at: dict[str, datetime] = {}  # event id -> when last
        self._told_twice: set[str] = set()
        self._marked_at: dict[str, datetime] = {}
        self._unmarked: set[str] = set()  # event ids whose mark was lost
        self.tried: dict[str, list[tuple[Process, bool]]] = {}  # event id -> alone: by whom
        self.letters: dict[str, str] = {}  # dead letter -> event id
        self.out_of_order: set[str] = set()  # content of which a campaign was told again at the end
        self.deaf_until: dict[EntityKey, datetime] = {}  # until then what was accepted may have no effect
        self._on = {
            ("entities", "save_many"): self._saved,
            ("sides", "upsert_many"): self._side,
            ("bus", "publish"): self._published,
            ("mailboxes", "tell"): self._told,
            ("mailboxes", "mark_seen"): self._marked,
            ("parking", "park"): self._parked,
            ("mailboxes", "raise_attempts"): self._tried,
            ("dead_letters", "put"): self._buried,
        }

    def says(self, what: str) -> None:
        self.violations.append(f"{self._world.now():%H:%M:%S.%f} {what}")

    def connected(self, key: EntityKey) -> None:
        """The answer to the first connect. From now on everything counts; before, what nobody had connected
        was parked for the first org, and went only to the orgs that had for the others."""
        target = key.id.rpartition(":")[0]
        others = [k for k in self.histories if k != key and k.id.startswith(f"{target}:")]
        if others:
            self.deaf_until.setdefault(key, self._world.now())

    def version_at(self, key: EntityKey, then: datetime) -> int:
        """Of an entity's document, as it was."""
        return bisect_right(self.history(key).saved_at, then)

    def history(self, key: EntityKey) -> History:
        return self.histories.setdefault(key, History())

    def watch(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        seen = self._on.get((request.service, request.method))
        if seen is not None:
            seen(request, args, result)

    # -- one writer's history -----------------------------------------------------------------------
    def _saved(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        saves: Mapping[EntityKey, Save] = args[0]
        for key, save in saves.items():
            if result[key] is SaveOutcome.SAVED:
                self._one_saved(request, key, save)
            elif result[key] is SaveOutcome.UNENCODABLE:
                self.says(f"{key}: the document cannot be encoded")

    def _one_saved(self, request: Request, key: EntityKey, save: Save) -> None:
        document, known = save.document, self.history(key)
        version, rt = document["version"], document["rt"]
        if save.expected != known.version or version != known.version + 1:
            self.says(f"{key}: version {version} written over {known.version} by {request.process}")
        # A stale owner may win a race it has read up for: its write goes on from the newest. What it writes
        # must only not look older, or side documents would keep the state of before.
        if rt["epoch"] < known.epoch:
            self.says(f"{key}: version {version} dated by epoch {rt['epoch']} after {known.epoch}")
        known.epoch = rt["epoch"]
        watermark, generation = StreamId.parse(rt["wm"]), rt["gen"]
        if generation < known.generation:
            self.says(f"{key}: the mailbox's generation went back from {known.generation} to {generation}")
        if watermark < known.watermark:
            self.says(f"{key}: the watermark went back from {known.watermark} to {watermark}")
        if key.kind is Kind.ACCOUNT and known.status != document["status"]:
            if known.status == "disconnected":
                self.deaf_until[key] = self._world.now()
            known.status = document["status"]
        known.version, known.watermark, known.generation = version, watermark, generation
        known.saved_at.append(self._world.now())
        self._outbox(key, known, rt["outbox"])
        self._answers(key, known, version, tuple(id_ for id_, _ in rt["answers"]))
        if key.kind is Kind.ACCOUNT:
            self._intent(request.process, key, known, document["intent"])

    def _outbox(self, key: EntityKey, known: History, outbox: list[Document]) -> None:
        ids = [event["id"] for event in outbox]
        for event in outbox:
            if event["id"] not in self.events:
                self.events[event["id"]] = event
                known.events.append(event["id"])
            elif self.events[event["id"]] != event:
                self.says(f"{event['id']}: saved again with another content")
        for id_ in known.outbox:
            if id_ not in ids and id_ not in self.on_bus:
                self.says(f"{id_}: left the outbox without having been published")
        known.outbox = ids

    def _answers(self, key: EntityKey, known: History, version: int, ids: tuple[str, ...]) -> None:
        for id_ in ids:
            if id_ in known.answers:
                continue
            if (key, id_) in self.commands:
                self.says(f"{key}: the command {id_} was applied twice")
            self.commands[key, id_] = version
        known.answers = ids

    def _intent(self, writer: Process, key: EntityKey, known: History, intent: Document | None) -> None:
        """Nobody but its writer gives an intent up earlier than `not_after` + 5 s, and nobody at all while
        its refresh is being sent: the answer would come to nothing."""
        id_ = intent["id"] if intent is not None else None
        if id_ == known.intent:
            return
        if known.intent is not None:
            old = self.intents[known.intent]
            old.open = False
            old.given_up = intent is not None and intent["last_chance"]
            # A person's new consent, or a disconnect, ends it as well: then nobody waits for its outcome.
            early = self._world.now() < old.not_after + UNRESOLVED_GRACE - CLOCKS_DIFFER
            awaited = writer is not old.writer or known.intent in self._world.platform.under_way
            if early and awaited and old.given_up:
                self.says(f"{key}: {known.intent} of {old.writer} was given up by {writer} before its time")
        if intent is not None:
            self.intents[intent["id"]] = Intent(key, intent["not_after"], intent["last_chance"], writer)
        known.intent = id_

    # -- side documents -----------------------------------------------------------------------------
    def _side(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        collection, documents = args[0], args[1]
        for document in documents:
            if collection == "social_content" and document["status"] not in ("pending", "deleted"):
                self.was_active.add(document["_id"])
            account = document.get("socialAccountId")
            if account is None or "rev" not in document:
                continue
            version = document["rev"] & (2**40 - 1)
            if version > self.history(EntityKey(Kind.ACCOUNT, account)).version:
                self.says(f"{document['_id']}: written before version {version} of its account was saved")

    # -- outbox -------------------------------------------------------------------------------------
    def _published(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        for _, _, sealed in args[0]:
            event = self._world.envelope.open_event(sealed)
            id_ = event["id"]
            if self.events.get(id_) != event:
                self.says(f"{id_}: published, and nothing like it was saved")
                continue
            if id_ in self.on_bus:
                continue
            self.on_bus.add(id_)
            known = self.history(EntityKey.parse(id_.rsplit(":", 2)[0]))
            if known.events[known.published] != id_:
                self.says(f"{id_}: published before {known.events[known.published]}")
            known.published += 1

    # -- mailboxes ----------------------------------------------------------------------------------
    def redis_lost(self, since: datetime) -> None:
        """Everything that Redis was told since then is gone, deletions and marks as well as mail. Mail that
        had been read may still take effect, and nobody marks it any more: its stream has begun anew."""
        self.losses += 1
        told = {id_ for id_, at in self._told_at.items() if at >= since}
        self.may_be_lost |= told
        self._unmarked |= told | {id_ for id_, at in self._marked_at.items() if at >= since}
        self.may_double |= self._unmarked & self._told_twice  # the other one may still be there

    def _marked(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        for marks in args[0].values():
            for mark in marks:
                self._marked_at[mark.rpartition("@")[0] or mark] = self._world.now()

    def _told(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        for _, mail in args[0]:
            if mail.event_id in self._told_at:
                self._told_twice.add(mail.event_id)
            self._told_at[mail.event_id] = self._world.now()
            if mail.event_id in self._unmarked:
                self.may_double.add(mail.event_id)
            if (mail.target, mail.event_id) not in self.accepted:
                self.accepted[mail.target, mail.event_id] = self._world.now()
                self.order.setdefault(mail.target, []).append(mail.event_id)

    def _tried(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        for entry in args[0]:
            # A process counts itself once, and once more as long as it does not hear that it has.
            tried = self.tried.setdefault(entry.mail.event_id, [])
            if request.kwargs.get("alone") and (request.process, False) not in tried:
                tried.append((request.process, request.unheard))

    def _buried(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        """Only what cannot be applied, and what several processes did not survive, as far as anybody can
        know."""
        for letter in args[0]:
            # What was sent again may be set aside again.
            first = self.letters.get(letter.event_id, letter.event_id)
            self.letters[f"replay_of:{letter.id}"] = first
            told = self._world.envelope.open_mail(Mail("x:y", letter.event_id, letter.sealed_body))
            if isinstance(told, Message) and "content_id" in told.data:
                self.out_of_order.add(told.data["content_id"])
            poisoned = letter.event_id in self._world.poisoned
            if len(self.tried.get(letter.event_id, [])) <= SOLO_FAILURES and not poisoned:
                self.says(f"{letter.event_id} of {letter.entity} was set aside: {letter.reason}")

    def _parked(self, request: Request, args: tuple[Any, ...], result: Any) -> None:
        self.parked |= {mail.event_id for mail in args[0]}


CLOCKS_DIFFER = timedelta(seconds=2)
"""By how much the simulated processes' clocks may be wrong, at most."""
