"""An entity with a process of its own, and how its partition's host reaches it.

The host stays the only reader of the mailbox. It forwards messages in one call, one in flight, and deletes
them when the call returns saved. Placement is a preference: an actor that is not ready in 10 s is done
without, and the versioned write keeps the two from undoing each other.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from actors.runtime.activation import Placement
from actors.runtime.addressing import Addressing
from actors.runtime.deliveries import Delivery
from actors.runtime.entity import Message
from actors.runtime.owner import Elsewhere, Owner, Parts, run_dedicated
from actors.runtime.tasks import Tasks
from actors.runtime.turns import Fate, Item, Verdict
from domain.errors import RookeryError
from domain.ids import EntityKey
from storage.records import Entry, Mail, StoreUnavailable, StreamId

log = structlog.get_logger()

READY_S = 10.0
CALL_S = 10.0
RETRY_PLACEMENT_S = 30.0


class ActorGone(Exception):
    """The dedicated actor did not answer: whether it acted is unknown."""


class DedicatedActors(Protocol):
    """Starts, calls and stops dedicated actors; over Ray in production."""

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Start the actor if need be and call it. Raises ActorGone."""
        ...

    async def stop(self, key: EntityKey) -> None: ...


class DedicatedOwner:
    """Runs inside the entity's own actor.

    Guarantee: as `Owner`. Its first act is a versioned write, so that a host which still holds an
    activation loses its next save and reloads.
    """

    def __init__(self, parts: Parts, key: EntityKey, addressing: Addressing) -> None:
        self._key = key
        self._addressing = addressing
        self._epoch = 0
        self._started = asyncio.Lock()
        self._taken_over = False
        self._tasks = Tasks()
        self.owner = Owner(parts, self._tasks, lambda _: self._epoch or None, Placement.DEDICATED)
        self._tasks.loop(self._tick, "ticks")

    async def call(self, payload: dict[str, Any]) -> dict[str, Any]:
        """One request of the partition's host: `deliver`, `ask`, `view` or `inspect`."""
        self._epoch = max(self._epoch, payload["epoch"])
        async with self._started:
            if not self._taken_over:
                await self.owner.turns.take_over(self._key)
                self._taken_over = True
        try:
            match payload["do"]:
                case "deliver":
                    return await self._deliver(payload["entries"])
                case "ask":
                    message = Message(payload["name"], payload["data"], payload["id"])
                    return {"reply": await self.owner.ask(self._key, message)}
                case "view":
                    return {"reply": await self.owner.view(self._key)}
                case "inspect":
                    return {"reply": await self.owner.inspect(self._key) | {"pid": os.getpid()}}
                case "release":
                    await self.owner.place(self._key, Placement.SHARED)
                    return {"reply": {}}
                case other:
                    raise ValueError(other)
        except Elsewhere:
            return {"elsewhere": True}
        except RookeryError as refused:
            return {"refused": refused.to_json()}

    async def _deliver(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        items = []
        for row in rows:
            entry = Entry(row["s"], StreamId.parse(row["i"]), Mail(row["t"], row["e"], row["b"]))
            message = self._addressing.messages(entry, [self._key.id])[self._key]
            items.append(Item(message, entry.id, row["g"]))
        verdicts = await run_dedicated(self.owner, self._key, items)
        return {"fates": [v.fate.value for v in verdicts]}

    async def _tick(self) -> float:
        if self._taken_over:
            await self.owner.tick()
        return 0.2


class Forwarder:
    """The host's side: turns deliveries and asks into calls, and falls back to the host when need be."""

    def __init__(self, actors: DedicatedActors, owner: Owner) -> None:
        self._actors = actors
        self._owner = owner

    async def deliver(self, key: EntityKey, epoch: int, queue: Sequence[Delivery]) -> list[Verdict]:
        rows = [
            {
                "s": d.entry.stream,
                "i": str(d.entry.id),
                "t": d.entry.mail.target,
                "e": d.entry.mail.event_id,
                "b": d.entry.mail.body,
                "g": d.generation,
            }
            for d in queue
        ]
        try:
            answer = await self._actors.call(key, {"do": "deliver", "epoch": epoch, "entries": rows}, CALL_S)
        except ActorGone:
            await self.adopt(key)
            return (await self._owner.turns.run({key: [d.item(key) for d in queue]}))[key]
        if "elsewhere" in answer:
            return [Verdict(Fate.ELSEWHERE) for _ in queue]
        return [Verdict(Fate(f)) for f in answer["fates"]]

    async def ask(self, key: EntityKey, epoch: int, payload: dict[str, Any]) -> dict[str, Any]:
        """Raises Elsewhere when the actor says that the entity was released, ActorGone when it is gone."""
        answer = await self._actors.call(key, payload | {"epoch": epoch}, READY_S)
        if "elsewhere" in answer:
            raise Elsewhere(str(key))
        return answer

    async def adopt(self, key: EntityKey) -> None:
        """Serve a dedicated entity here: its actor's next save fails and it reloads."""
        log.warning("dedicated.adopted", entity=str(key))
        if key not in self._owner.turns.adopted:
            self._owner.turns.adopted.add(key)
            try:
                await self._owner.turns.take_over(key)
            except StoreUnavailable:
                self._owner.turns.adopted.discard(key)
                raise

    async def stop(self, key: EntityKey) -> None:
        await self._actors.stop(key)
