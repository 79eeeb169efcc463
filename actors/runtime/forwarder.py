"""The host's side of dedicated entities: calls to their actors, and doing without an actor for a while.

Placement is a preference: an actor that does not answer is done without, and the versioned write keeps the
two from undoing each other.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from actors.runtime.deliveries import Delivery
from actors.runtime.entity import Message
from actors.runtime.owner import PLACE_PATIENCE, Owner
from actors.runtime.verdicts import Fate, Verdict
from domain.clock import Clock
from domain.errors import from_json as error_from_json
from domain.ids import EntityKey

log = structlog.get_logger()

CALL_S = 10.0
RELEASE_S = PLACE_PATIENCE / 10 + 5.0
"""Longer than the actor waits for its platform calls: one that is busy is not one that is gone."""
RETRY_PLACEMENT_S = 30.0


class ActorGone(Exception):
    """The dedicated actor did not answer: whether it acted is unknown."""


class DedicatedActors(Protocol):
    """Starts, calls and stops dedicated actors; over Ray in production."""

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Start the actor if need be and call it. Raises ActorGone."""
        ...

    async def stop(self, key: EntityKey) -> None: ...


class Forwarder:
    """`dedicated`: the entities that are known to run in actors of their own. `epoch_of` raises NotOwner.

    Guarantee: an entity whose actor does not answer is served here from what the store holds (`adopted`),
    and offered back after 30 s, once nothing of it is under way here. An actor that was done without starts
    over from the store before it serves again.
    """

    def __init__(
        self,
        actors: DedicatedActors,
        owner: Owner,
        dedicated: set[EntityKey],
        epoch_of: Callable[[EntityKey], int],
        clock: Clock,
        build: str,
    ) -> None:
        self._build = build
        self._actors = actors
        self._owner = owner
        self._adopted = owner.turns.adopted
        self._dedicated = dedicated
        self._epoch_of = epoch_of
        self._clock = clock
        self._retired: Counter[EntityKey] = Counter()  # actors of other builds that were ended
        self._adopted_until: dict[EntityKey, float] = {}
        self._estranged: dict[EntityKey, object] = {}
        """Their actors may hold a state from before an adoption; each adoption is an object of its own."""

    def serves(self, key: EntityKey) -> bool:
        """Whether the entity is reached through its actor now."""
        return key in self._dedicated and key not in self._adopted

    async def deliver(self, key: EntityKey, queue: Sequence[Delivery]) -> list[Verdict]:
        if key not in self._adopted:
            rows = [
                {
                    "s": d.entry.stream,
                    "i": str(d.entry.id),
                    "t": d.entry.mail.target,
                    "e": d.entry.mail.event_id,
                    "b": d.entry.mail.body,
                    "g": d.generation,
                    "x": d.reason_for(key),
                }
                for d in queue
            ]
            try:
                answer = await self._call(key, {"do": "deliver", "entries": rows}, CALL_S)
                if "elsewhere" in answer:
                    return [Verdict(Fate.ELSEWHERE) for _ in queue]
                if "refused" in answer:
                    return [Verdict(Fate.LOST_RACE) for _ in queue]
                return [Verdict(Fate(fate), reply) for fate, reply in answer["verdicts"]]
            except ActorGone:
                await self._adopt(key)
        return (await self._owner.turns.run({key: [d.item(key) for d in queue]}))[key]

    async def ask(self, key: EntityKey, payload: dict[str, Any]) -> dict[str, Any]:
        """`ask`, `view`, `inspect` or `release`, by the actor or else here. Raises the RookeryError of the
        rule that refused it."""
        try:
            answer = await self._call(key, payload, RELEASE_S if payload["do"] == "release" else CALL_S)
        except ActorGone:
            await self._adopt(key)
            return await self._ask_here(key, payload)
        if "elsewhere" in answer:
            self._dedicated.discard(key)
            return await self._ask_here(key, payload)
        if "refused" in answer:
            raise error_from_json(answer["refused"])
        reply: dict[str, Any] = answer["reply"]
        return reply

    async def _ask_here(self, key: EntityKey, payload: dict[str, Any]) -> dict[str, Any]:
        match payload["do"]:
            case "view":
                return await self._owner.view(key)
            case "inspect":
                return await self._owner.inspect(key)
            case "release":
                return {}
        return await self._owner.ask(key, Message(payload["name"], payload["data"], payload["id"]))

    async def stop(self, key: EntityKey) -> None:
        """End the actor of an entity that was released."""
        self._estranged.pop(key, None)
        await self._actors.stop(key)

    async def _call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        adoption = self._estranged.get(key)
        told = {"epoch": self._epoch_of(key), "reload": adoption is not None, "build": self._build}
        retired = self._retired[key]
        answer = await self._actors.call(key, payload | told, timeout_s)
        if "retired" in answer:  # a detached actor runs the code it was started from, for ever
            if retired == self._retired[key]:  # else another call has replaced it already
                self._retired[key] += 1
                log.info("dedicated.replaced", entity=str(key), build=self._build)
                await self._actors.stop(key)
            answer = await self._actors.call(key, payload | told, timeout_s)
            if "retired" in answer:
                raise ActorGone(str(key))
        if adoption is not None and self._estranged.get(key) is adoption:
            del self._estranged[key]  # it has started over; unless another call has given it up meanwhile
        return answer

    # -- doing without an actor ---------------------------------------------------------------------
    async def _adopt(self, key: EntityKey) -> None:
        """Serve a dedicated entity here: of its actor and this host, whoever saves second reloads."""
        log.warning("dedicated.adopted", entity=str(key))
        self._estranged[key] = object()
        self._adopted_until[key] = self._clock.monotonic() + RETRY_PLACEMENT_S
        if key in self._adopted:
            return
        self._adopted.add(key)
        try:
            still_dedicated = await self._owner.take_over(key)
        except BaseException:
            self.disown(key)
            raise
        if not still_dedicated:
            self._dedicated.discard(key)
            self.disown(key)

    def disown(self, key: EntityKey) -> None:
        """It is not served here against its placement any more."""
        self._adopted_until.pop(key, None)
        self._adopted.discard(key)

    def offer_back(self) -> None:
        """Give adopted entities back to their actors when it is time. One with a platform call or a turn
        under way stays: the outcome must find the state it belongs to."""
        now = self._clock.monotonic()
        for key in [k for k, until in self._adopted_until.items() if until <= now]:
            if key in self._owner.effects.in_flight or self._owner.turns.locks.is_held(key):
                continue
            self.disown(key)
            self._owner.turns.active.forget([key])
