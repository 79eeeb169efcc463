"""Protections switched off, one at a time: what the simulation must catch.

Each is a patch of the running classes for as long as a seed lasts; production code has no switch for it.
A violation must be found within `seeds` seeds, counted from `first`: for what is rarely needed, `first` is
shortly before the seed that found something when last looked at, so that the usual run is short.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from actors.account import budgets, connection
from actors.account.handler import AccountHandler
from actors.account.tokens import access
from actors.runtime import activations, drafts, effects, mail
from actors.runtime.activation import Runtime
from actors.runtime.deliveries import Delivery, Owed
from actors.runtime.drafts import Draft
from actors.runtime.forwarder import Forwarder
from actors.runtime.host import Host
from actors.runtime.intake import Intake
from actors.runtime.lanes import Lanes
from actors.runtime.locks import TurnLocks
from actors.runtime.outbox import Outbox
from actors.runtime.owner import Owner
from actors.runtime.reminders import Reminders
from actors.runtime.turns import Turns
from domain.ids import EntityKey
from storage.records import Claim, Document, Entry, Save, SaveOutcome, StreamId
from tests.fakes.documents import FakeClaims, FakeEntityStore, FakeSideStore
from tests.fakes.streams import FakeMailboxes

Patches = Callable[[], list[Any]]


@dataclass(frozen=True, slots=True)
class Sabotage:
    name: str
    what: str
    seeds: int
    patches: Patches
    first: int = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        begun = self.patches()
        for one in begun:
            one.start()
        try:
            yield
        finally:
            for one in reversed(begun):
                one.stop()


def _instead(owner: Any, name: str, substitute: Any) -> Any:
    return patch.object(owner, name, substitute)


async def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


async def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


# -- stores -----------------------------------------------------------------------------------------
def _any_version() -> list[Any]:
    save_many = FakeEntityStore.save_many

    async def overwrite(
        self: FakeEntityStore, saves: Mapping[EntityKey, Save]
    ) -> dict[EntityKey, SaveOutcome]:
        there = {key: held[0] for key in saves if (held := self._data.get(key)) is not None}
        return await save_many(self, {k: replace(s, expected=there.get(k, 0)) for k, s in saves.items()})

    return [_instead(FakeEntityStore, "save_many", overwrite)]


def _any_rev() -> list[Any]:
    upsert_many = FakeSideStore.upsert_many

    async def overwrite(
        self: FakeSideStore, collection: str, documents: Sequence[Document], **_: Any
    ) -> None:
        held = self._data.setdefault(collection, {})
        for document in documents:
            if document["_id"] in held:
                held[document["_id"]] = (0, held[document["_id"]][1])
        await upsert_many(self, collection, documents)

    return [_instead(FakeSideStore, "upsert_many", overwrite)]


def _unfenced() -> list[Any]:
    return [_instead(FakeMailboxes, "fence", _yes)]


def _one_epoch() -> list[Any]:
    async def claim(
        self: FakeClaims, partition: int, host: str, incarnation: str, build: str
    ) -> Claim | None:
        old = self._claims.get(partition)
        if old is None or old.host != host:
            return None
        self._claims[partition] = replace(old, incarnation=incarnation, build=build, epoch=1)
        return self._claims[partition]

    return [_instead(FakeClaims, "claim", claim)]


def _nothing_seen() -> list[Any]:
    async def seen(self: FakeMailboxes, stream: str, ids: Sequence[str]) -> set[str]:
        return set()

    return [_instead(FakeMailboxes, "seen", seen)]


def _deleted_when_read() -> list[Any]:
    read = FakeMailboxes.read

    async def hasty(
        self: FakeMailboxes, positions: Mapping[str, StreamId], count: int, block_ms: int
    ) -> dict[str, list[Entry]]:
        found = await read(self, positions, count, block_ms)
        for stream, entries in found.items():
            for entry in entries:
                del self._redis.streams[stream].entries[entry.id]
        return found

    return [_instead(FakeMailboxes, "read", hasty)]


# -- turns ------------------------------------------------------------------------------------------
def _no_watermark() -> list[Any]:
    return [_instead(Runtime, "has_applied", lambda self, position: False)]


def _no_answers() -> list[Any]:
    return [_instead(Runtime, "answer_to", lambda self, command_id: None)]


def _no_locks() -> list[Any]:
    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    class Unlocked:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *error: object) -> None: ...

    return [_instead(TurnLocks, "holding", lambda self, keys, within_s=None: Unlocked())]


def _idle_decisions_unsaved() -> list[Any]:
    noted = Draft._noted

    def as_before(self: Draft, item: Any, message: Any, turn: Any, person: bool) -> Any:
        dirty, runtime = self._dirty, self.runtime
        reply = noted(self, item, message, turn, person)
        if not turn.changed and not dirty:
            self._dirty, self.runtime = dirty, runtime
            if reply is not None and "version" in reply:
                reply = reply | {"version": self.activation.version}
        return reply

    return [_instead(Draft, "_noted", as_before)]


def _effects_before_the_save() -> list[Any]:
    save = Turns._save

    async def hasty(self: Turns, work: Mapping[EntityKey, Draft]) -> None:
        for draft in work.values():
            if draft.effects:
                self._on_saved(draft.saved())
                draft.effects.clear()
        await save(self, work)

    return [_instead(Turns, "_save", hasty)]


def _sides_not_written_on_load() -> list[Any]:
    return [_instead(activations, "write_sides", _nothing)]


def _outbox_not_looked_at_again() -> list[Any]:
    return [_instead(drafts, "OUTBOX_RECHECK", timedelta(days=1))]


def _outbox_emptied_at_once() -> list[Any]:
    """Published or not, a later save takes events out."""

    async def publish(self: Outbox, saved: Sequence[Any]) -> None:
        await before(self, saved)
        for activation in saved:
            activation.published()

    before = Outbox.publish
    return [_instead(Outbox, "publish", publish)]


def _no_reminders() -> list[Any]:
    async def scan(self: Reminders, partition: int) -> bool:
        return False

    return [_instead(Reminders, "scan", scan)]


# -- mail -------------------------------------------------------------------------------------------
def _parked_and_left() -> list[Any]:
    """Each of the two makes up for the other where the stores tell what they hold."""

    async def park(self: Intake, orphans: Sequence[Delivery]) -> dict[str, tuple[str, ...]]:
        await self._parking.park([d.entry.mail for d in orphans], self._clock.now())
        return {}

    return [_instead(connection, "REPLAY_AGAIN", timedelta(days=1)), _instead(Intake, "_park", park)]


def _let_go_and_applied() -> list[Any]:
    """What is no longer owed is applied all the same."""

    def anything(self: Owed, key: EntityKey, queue: Sequence[Delivery]) -> Any:
        ids: set[str] = set()
        for index, delivery in enumerate(queue):
            event_id = delivery.entry.mail.event_id
            if event_id in ids:
                return list(queue[:index]), list(queue[index:])
            ids.add(event_id)
        return list(queue), []

    return [_instead(Owed, "without_repeats", anything)]


def _repeats_in_one_batch() -> list[Any]:
    """Neither split before a repeat nor dropped by this process's memory."""

    def all_of_them(self: Owed, key: EntityKey, queue: Sequence[Delivery]) -> Any:
        return [d for d in queue if self.holds(d)], []

    return [_instead(Owed, "without_repeats", all_of_them)]


def _letters_after_the_deletion() -> list[Any]:
    flush = Owed.flush

    async def late(self: Owed) -> Any:
        letters, self._letters = self._letters, []
        answer = await flush(self)
        if letters:
            await self._dead_letters.put([letter for _, letter in letters])
        return answer

    return [_instead(Owed, "flush", late)]


def _letters_without_memory() -> list[Any]:
    """Whether a message was applied or set aside, only the process knew that did it."""
    return [_instead(Runtime, "why_aside", lambda self, position: None)]


def _letters_without_the_write() -> list[Any]:
    """Set aside as it was once: a letter, and no word to the entity."""

    def bury(self: Draft, n: int, item: Any, view: Any, now: Any) -> Any:
        verdict = apply_one(self, n, item, view, now)
        if item.message.name == "$skip" and not self._changed:
            self._dirty, self.runtime = False, self.activation.runtime
        return verdict

    apply_one = Draft._apply_one
    return [_instead(Draft, "_apply_one", bury)]


def _never_set_aside() -> list[Any]:
    return [_instead(mail, "SOLO_FAILURES", 10**9), _instead(mail, "MAX_FAILURES", 10**9)]


def _connects_unconfirmed() -> list[Any]:
    return [_instead(Host, "_confirm", _nothing)]


def _lanes_overtaken() -> list[Any]:
    """A message of an entity whose actor is being asked is applied by another way."""
    return [_instead(Lanes, "takes", lambda self, key: key in self._dedicated)]


# -- dedicated actors -------------------------------------------------------------------------------
def _taken_over_from_memory() -> list[Any]:
    return [_instead(Owner, "take_over", _yes)]


def _never_estranged() -> list[Any]:
    call = Forwarder._call

    async def trusting(self: Forwarder, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> Any:
        self._estranged.clear()
        return await call(self, key, payload, timeout_s)

    return [_instead(Forwarder, "_call", trusting)]


# -- intents and budgets ----------------------------------------------------------------------------
def _sent_at_any_time() -> list[Any]:
    send = AccountHandler._send_refresh

    async def late(self: AccountHandler, account: Any, platform: Any, effect: Any) -> Any:
        return await send(
            self, account, platform, replace(effect, not_after=self._clock.now() + timedelta(seconds=20))
        )

    return [_instead(AccountHandler, "_send_refresh", late)]


def _given_up_too_early() -> list[Any]:
    return [_instead(access, "UNRESOLVED_GRACE", timedelta(seconds=-19))]


def _calls_not_reserved() -> list[Any]:
    return [_instead(budgets, "reserve", lambda state, spec, calls, priority, now: state)]


def _outcomes_dropped() -> list[Any]:
    """An outcome is posted once, whatever the store says."""

    async def deliver(self: effects.EffectRunner, key: EntityKey, message: Any, outcome: str) -> None:
        try:
            await self._post(key, message, outcome)
        except Exception:
            return

    return [_instead(effects.EffectRunner, "_deliver", deliver)]


SABOTAGES = [
    Sabotage("version", "a save replaces whatever is there", 10, _any_version),
    Sabotage("watermark", "an entity does not know what it has applied", 10, _no_watermark),
    Sabotage("seen", "Redis remembers no event ids", 10, _nothing_seen),
    Sabotage("recent", "a process forgets what it has just applied", 20, _repeats_in_one_batch),
    Sabotage("ack", "mail leaves its stream when it is read", 10, _deleted_when_read),
    Sabotage("rev", "side documents take any revision", 300, _any_rev),
    Sabotage("fence", "any reader deletes mail", 100, _unfenced, first=500),
    Sabotage("epochs", "a claim has no epoch of its own", 200, _one_epoch),
    Sabotage("answers", "answers to commands are not kept", 10, _no_answers),
    Sabotage("idle saves", "nothing to do is not saved", 200, _idle_decisions_unsaved, first=300),
    Sabotage("turn lock", "turns of one entity at once", 200, _no_locks),
    Sabotage("save first", "effects start before the save", 20, _effects_before_the_save),
    Sabotage("sides", "side documents are not written again on load", 50, _sides_not_written_on_load),
    Sabotage("outbox", "events leave the document unpublished", 50, _outbox_emptied_at_once),
    Sabotage(
        "outbox again", "no look at events that a crash left", 300, _outbox_not_looked_at_again, first=400
    ),
    Sabotage("reminders", "nobody asks the store what is due", 50, _no_reminders),
    Sabotage("let go", "what is no longer owed is applied", 20, _let_go_and_applied),
    Sabotage("letter order", "dead letters after the deletion", 200, _letters_after_the_deletion),
    Sabotage("letter write", "set aside without a write", 100, _letters_without_the_write, first=100),
    Sabotage("letter memory", "whether it was set aside is not saved", 200, _letters_without_memory),
    Sabotage("set aside", "nothing is ever set aside", 20, _never_set_aside),
    Sabotage("not_after", "a refresh is sent at any time", 300, _sent_at_any_time),
    Sabotage("grace", "an intent is given up early", 20, _given_up_too_early),
    Sabotage("reserve", "calls are not reserved", 300, _calls_not_reserved),
    Sabotage("outcomes", "an outcome is posted once", 200, _outcomes_dropped, first=200),
    Sabotage("confirm", "a connect is answered by whoever saved it", 200, _connects_unconfirmed),
    Sabotage("parked", "parked events are not looked at again, and replayed once", 100, _parked_and_left),
    Sabotage("lane", "a lane is overtaken", 100, _lanes_overtaken, first=500),
    Sabotage(
        "take over",
        "whoever takes over goes on with what it remembers",
        100,
        _taken_over_from_memory,
        first=100,
    ),
]

UNPROVEN = [Sabotage("estranged", "an actor goes on with its old state", 300, _never_estranged)]
"""Seen to be missed in one of more than a thousand seeds, too seldom for a test: what the actor remembers is
old only if its host saved something meanwhile, and only a look before its next turn shows it. A unit test
shows it (`test_dedicated.py`)."""
