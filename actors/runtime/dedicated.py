"""An entity with a process of its own: what runs inside its actor.

The partition's host stays the only reader of the mailbox. It forwards messages in one call, one in flight,
and deletes them when the call returns saved; `forwarder.py` is its side.
"""

import asyncio
import os
from typing import Any

from actors.runtime.activation import Placement
from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.owner import Owner, Parts, run_dedicated
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Elsewhere, Fate, Item, skipping
from domain.errors import RookeryError
from domain.ids import EntityKey
from storage.records import Entry, Mail, StreamId

RETIRE_PATIENCE_S = 5.0


class DedicatedOwner:
    """Runs inside the entity's own actor.

    Guarantee: as `Owner`. It starts from what the store holds, and starts over like this when the host was
    replaced or had to do without it, because what it remembers may be old then.
    """

    def __init__(self, parts: Parts, key: EntityKey, addressing: Addressing, build: str) -> None:
        self._key = key
        self._addressing = addressing
        self._build = build
        self._epoch = 0
        self._started = asyncio.Lock()
        self._taken_over = False
        self.tasks = Tasks()
        self.owner = Owner(parts, self.tasks, lambda _: self._epoch or None, Placement.DEDICATED)
        self.tasks.loop(self._tick, "ticks")

    async def call(self, payload: dict[str, Any]) -> dict[str, Any]:
        """One request of the partition's host: `deliver`, `ask`, `view`, `inspect` or `release`.

        A host of another build is answered `retired`, as soon as no platform call is under way: it then
        starts the actor anew, from its own code.
        """
        if payload["build"] != self._build and payload["epoch"] >= self._epoch:
            await self.owner.effects.close(RETIRE_PATIENCE_S)
            if not self.owner.effects.in_flight:
                return {"retired": True}
        if payload["epoch"] > self._epoch or payload["reload"]:
            self._taken_over = False
        self._epoch = max(self._epoch, payload["epoch"])
        try:
            async with self._started:
                if not self._taken_over:
                    if not await self.owner.take_over(self._key):
                        return {"elsewhere": True}
                    self._taken_over = True
            return await self._answer(payload)
        except Elsewhere:
            return {"elsewhere": True}
        except RookeryError as refused:
            return {"refused": refused.to_json()}

    async def _answer(self, payload: dict[str, Any]) -> dict[str, Any]:
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

    async def _deliver(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        items = []
        for row in rows:
            entry = Entry(row["s"], StreamId.parse(row["i"]), Mail(row["t"], row["e"], row["b"]))
            if row["x"]:
                message = skipping(row["x"], entry.mail.event_id)
            else:
                message = self._addressing.messages(entry, [self._key.id])[self._key]
            items.append(Item(message, entry.id, row["g"]))
        verdicts = await run_dedicated(self.owner, self._key, items)
        return {"verdicts": [[v.fate.value, v.reply if v.fate is Fate.ASIDE else None] for v in verdicts]}

    async def _tick(self) -> float:
        if self._taken_over and not self.owner.effects.closing:
            await self.owner.tick()
        return 0.2
