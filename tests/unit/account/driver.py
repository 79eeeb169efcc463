"""One account without a runtime: turns saved through BSON, effects kept until a test answers them.

What a turn asks for waits in `calls`; a test answers it, or throws it away the way a crash does.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import bson
from bson.codec_options import CodecOptions

from actors.account.documents import CONTENT, side_id
from actors.account.effects import FetchPage, FetchProfile, ReadItems, Refresh, ReplayParked, Subscribe
from actors.account.entity import AccountEntity
from actors.account.state import AccountState
from actors.runtime.entity import Effect, Message, SideRef, Turn
from domain.content import (
    ContentItem,
    ContentKind,
    Engagement,
    Happening,
    Person,
    PlatformEvent,
    Remark,
    RemarkKind,
    Text,
)
from domain.events import Event, EventType
from domain.ids import AccountId
from domain.publishing import Draft, Refusal
from platforms.outcome import Ok, Outcome
from platforms.registry import PLATFORMS
from platforms.spec import PlatformSpec
from storage.records import ERASED

ORG = "org_a"
EXTERNAL = "100"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
TWITTER = PLATFORMS["twitter"].spec
INSTAGRAM = PLATFORMS["instagram"].spec

BSON_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
E = TypeVar("E", bound=Effect)


def through_bson(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document), BSON_OPTIONS)


class Rules:
    """The pure half of a platform's `Publishing`: refuses drafts that say so."""

    def adapt(self, draft: Draft) -> Draft:
        return draft

    def refusals(self, draft: Draft) -> list[Refusal]:
        return [Refusal("text", "Not this.", "text")] if draft.text == "refuse me" else []


class Facts:
    """A platform of which an entity may only see the facts: of `able` only which capabilities it has."""

    def __init__(self, spec: PlatformSpec, able: object = None, consents: object = None) -> None:
        self.spec = spec
        self.publishing = Rules()
        self.insights, self.ads = getattr(able, "insights", None), getattr(able, "ads", None)
        self.commerce, self.live = getattr(able, "commerce", None), getattr(able, "live", None)
        self.consents = consents or {}
        if hasattr(able, "comments"):
            self.comments = able.comments


class Account:
    def __init__(
        self, spec: PlatformSpec = TWITTER, external_id: str = EXTERNAL, facts: Facts | None = None
    ) -> None:
        numbers = count(1)
        platforms: Any = {spec.name: facts or Facts(spec)}
        self.spec = spec
        self.entity = AccountEntity(platforms, seal=_seal, make_id=lambda prefix: f"{prefix}_{next(numbers)}")
        self.id = str(AccountId(spec.name, external_id, ORG))
        self.key = AccountId.parse(self.id).key
        self.now = START
        self.state: AccountState | None = None
        self.version = 0
        self.side: dict[SideRef, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.calls: list[Effect] = []
        self.subscribes: Outcome[None] | None = Ok(None)  # answered at once; None: it waits for the test
        self.replays = True  # parked events are found to be none, at once
        self.last: Turn[AccountState] | None = None

    # -- turns --------------------------------------------------------------------------------------
    def send(self, name: str, data: dict[str, Any] | None = None) -> Turn[AccountState]:
        """Apply and save one message. Only what `reads` names is shown, as in the runtime."""
        message = Message(name, {**(data or {}), "_version": self.version})
        refs = self.entity.reads(self.key, self.state, message)
        view = {r: self.side[r] for r in refs if r in self.side and self.side[r].get("status") != ERASED}
        turn = self.last = self.entity.apply(self.key, self.state, message, self.now, view)
        if turn.changed:
            self._save(turn)
        else:
            assert not turn.events and not turn.side
            assert turn.state == self.state
        self.calls += turn.effects
        self._answer_surroundings()
        if name == "platform_event" and self.due is not None and self.due <= self.now:
            self.tick()  # the reminder, which is late; a webhook event does not do its work
            self.last = turn
        # Whatever is due was begun in this turn; a due time in the past would tick for ever.
        assert self.due is None or self.due > self.now, message.name
        return turn

    def _answer_surroundings(self) -> None:
        if self.subscribes is not None and self.waiting(Subscribe):
            self.answer("subscribed", self.take(Subscribe), self.subscribes)
        replay = next((r for r in self.waiting(ReplayParked) if r.again_at), None)
        if self.replays and replay is not None and self.known.replay_at == replay.again_at:
            self.send("replayed", {"again_at": replay.again_at})

    def _save(self, turn: Turn[AccountState]) -> None:
        self.version += 1
        for write in turn.side:
            document = through_bson(write.document)
            self.side[SideRef(write.collection, document["_id"])] = document
        document = self.entity.dump(turn.state) | {"_id": self.id, "org": self.entity.org(turn.state)}
        self.state = self.entity.load(through_bson(document))
        assert self.state == turn.state
        self.events += turn.events

    def tick(self) -> Turn[AccountState]:
        return self.send("tick")

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    @property
    def due(self) -> datetime | None:
        return self.entity.due(self.known)

    def wake(self) -> Turn[AccountState]:
        """A tick when it is due, as the reminders give it."""
        assert self.due is not None
        self.now = max(self.now, self.due)
        return self.tick()

    def crash(self) -> None:
        """The process that ran the effects is gone; nobody hears their outcome."""
        self.calls.clear()

    # -- seeing -------------------------------------------------------------------------------------
    @property
    def known(self) -> AccountState:
        assert self.state is not None
        return self.state

    @property
    def view(self) -> dict[str, Any]:
        return self.entity.view(self.key, self.known)

    def content(self, external_id: str) -> dict[str, Any]:
        return self.side[SideRef(CONTENT, side_id(self.id, external_id))]

    def contents(self) -> list[dict[str, Any]]:
        return [d for ref, d in self.side.items() if ref.collection == CONTENT]

    def told(self, kind: EventType) -> list[dict[str, Any]]:
        return [e.data for e in self.events if e.type is kind]

    def waiting(self, kind: type[E]) -> list[E]:
        return [c for c in self.calls if isinstance(c, kind)]

    def take(self, kind: type[E]) -> E:
        """The one effect of this kind that waits for an answer."""
        (call,) = self.waiting(kind)
        self.calls.remove(call)
        return call

    # -- answering ----------------------------------------------------------------------------------
    def connect(self, **fields: Any) -> dict[str, Any]:
        data = {
            "user_id": "usr_1",
            "app_id": "app_x",
            "access_token": b"access-0",
            "refresh_token": b"refresh-0",
            "expires_in_s": 7200,
            "scopes": ["tweet.read"],
            "profile": {"username": "kiln", "display_name": "Kiln", "alias_ids": []},
        }
        return self.send("connect", data | fields).reply or {}

    def refreshed(self, outcome: Outcome[None], call: Refresh | None = None, **data: Any) -> None:
        """Answer the waiting refresh; on Ok with new tokens named after `data`."""
        call = call or self.take(Refresh)
        answer: dict[str, Any] = {"intent_id": call.intent_id, "outcome": outcome}
        if isinstance(outcome, Ok):
            answer |= {"access": b"access-1", "refresh": b"refresh-1", "expires_in_s": 7200, "scopes": None}
        self.send("refreshed", answer | data)

    def fetched(self, outcome: Outcome[Any], asked_at: datetime | None = None) -> FetchPage:
        """Answer the waiting page; answers what had been asked."""
        call = self.take(FetchPage)
        self.answer("page_fetched", call, outcome, asked_at)
        return call

    def read(self, outcome: Outcome[Any]) -> ReadItems:
        call = self.take(ReadItems)
        self.answer("items_read", call, outcome)
        return call

    def profiled(self, outcome: Outcome[dict[str, Any]]) -> None:
        self.answer("profile_fetched", self.take(FetchProfile), outcome)

    def answer(
        self,
        name: str,
        effect: FetchPage | ReadItems | FetchProfile | Subscribe,
        outcome: Outcome[Any],
        asked_at: datetime | None = None,
    ) -> None:
        data = {"call_id": effect.call.id, "outcome": outcome, "access": effect.access}
        self.send(name, data | {"asked_at": asked_at or self.now, "answered_at": self.now})

    def hear(self, what: Happening, event_id: str = "e1", **fields: Any) -> Turn[AccountState]:
        fields.setdefault("occurred_at", self.now)
        return self.send(
            "platform_event", {"event": PlatformEvent(EXTERNAL, event_id, what, **fields), "app_id": "app_x"}
        )


def _seal(plain: bytes, aad: str) -> bytes:
    return b"sealed:" + plain[::-1]


def post(
    number: int, at: datetime | None = None, kind: ContentKind = ContentKind.POST, **fields: Any
) -> ContentItem:
    """Post `number`; a larger one is younger."""
    published = at or START - timedelta(days=100) + timedelta(minutes=number)
    fields.setdefault("engagement", Engagement(likes=0, comments=0, shares=0))
    return ContentItem(
        str(number), kind, Text(f"post {number}"), b'{"id": %d}' % number, published_at=published, **fields
    )


def comment(
    id: str, content_id: str | None = "1", author: str = "900", kind: RemarkKind = RemarkKind.COMMENT
) -> Remark:
    return Remark(id, kind, Person(author, "ann"), Text("lovely"), b"{}", content_id=content_id, at=START)


def totals(document: dict[str, Any]) -> Sequence[int | None]:
    """Likes, comments, shares."""
    e = document["engagement"]
    return e["likes"], e["comments"], e["shares"]
