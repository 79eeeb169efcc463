"""Reaches owners over Ray: the `Owners` of the running service."""

import asyncio
import pickle
from datetime import timedelta
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import Envelope, stream_of
from actors.runtime.plan import host_names, share
from domain.clock import Clock
from domain.errors import Busy, Invalid, from_json
from domain.ids import EntityKey, Kind
from storage.ports import Claims, Mailboxes
from storage.records import Claim

log = structlog.get_logger()

NAMESPACE = "rookery"
QUERY_S = 10.0
STATUS_S = 3.0
CLAIMS_FRESH_S = 5.0
MOVES_WITHIN = timedelta(seconds=10)
"""A partition that was released so lately is about to have its next owner."""
LOOK_AGAIN_S = 0.05
"""Between the first two looks for an owner that moved; then ever more, up to half a second."""
WAITING = 512
"""Requests of one process that may wait for a partition to have an owner again; each may be some KB."""


class Gateway:
    """`actors.runtime.ports.Owners` and `actors.runtime.effects.Handover` over Ray."""

    def __init__(
        self, claims: Claims, mailboxes: Mailboxes, envelope: Envelope, clock: Clock, hosts: int
    ) -> None:
        """`hosts`: as many as there are while no operator has said."""
        self._hosts = hosts
        self._claims = claims
        self._mailboxes = mailboxes
        self._envelope = envelope
        self._clock = clock
        self._handles: dict[str, Any] = {}
        self._known: dict[int, Claim] = {}
        self._known_at = float("-inf")
        self._looking = asyncio.Lock()
        self._waiting = 0

    async def ask(self, key: EntityKey, message: Message, *, timeout_s: float = QUERY_S) -> dict[str, Any]:
        request = {"do": "ask", "name": message.name, "data": dict(message.data), "id": message.id}
        return await self._request(key, request, timeout_s, repeatable=message.id is not None)

    async def view(self, key: EntityKey) -> dict[str, Any]:
        return await self._request(key, {"do": "view"}, QUERY_S, repeatable=True)

    async def inspect(self, key: EntityKey) -> dict[str, Any]:
        return await self._request(key, {"do": "inspect"}, QUERY_S, repeatable=True)

    async def place(self, key: EntityKey, placement: str) -> dict[str, Any]:
        request = {"do": "place", "placement": placement}
        return await self._request(key, request, 40.0, repeatable=True)

    async def outcome(self, key: EntityKey, message: Message, outcome: str) -> None:
        request = {"do": "outcome", "message": pickle.dumps(message), "id": outcome}
        await self._request(key, request, QUERY_S, repeatable=True)

    async def effect(self, key: EntityKey, effect: Effect) -> None:
        request = {"do": "effect", "effect": pickle.dumps(effect)}
        await self._request(key, request, QUERY_S, repeatable=False)

    async def hosts(self) -> list[dict[str, Any]]:
        owning = {c.host for c in (await self._owners(fresh=True)).values()}
        names = sorted(owning.union(host_names(await self._wish())))
        return list(await asyncio.gather(*(self._status(name) for name in names)))

    async def scale(self, hosts: int) -> dict[str, Any]:
        if hosts > self._envelope.partitions:
            raise Invalid(
                "too_many_hosts",
                f"There are {self._envelope.partitions} partitions, and a host needs one at least.",
                field="hosts",
            )
        await self._claims.set_wish(hosts)
        return await self.scaling()

    async def scaling(self) -> dict[str, Any]:
        wish = await self._wish()
        owners = {p: c.host for p, c in (await self._owners(fresh=True)).items()}
        target = share(owners, host_names(wish), self._envelope.partitions)
        return {
            "hosts": wish,
            "owning": len(set(owners.values())),
            "partitions_to_move": sum(owners.get(p) != host for p, host in target.items()),
        }

    async def _wish(self) -> int:
        said = await self._claims.wish()
        return self._hosts if said is None else said

    async def partitions(self) -> list[dict[str, Any]]:
        claims = await self._owners(fresh=True)
        streams = {p: {kind: stream_of(kind, p) for kind in Kind} for p in claims}
        lag = await self._mailboxes.lag([s for by_kind in streams.values() for s in by_kind.values()])
        return [
            {
                "partition": p,
                "host": c.host,
                "incarnation": c.incarnation,
                "epoch": c.epoch,
                "build": c.build,
                "mailbox_generation": c.generation,
                "last_pause_ms": c.pause_ms,
                "lag": {kind.value: lag[stream] for kind, stream in streams[p].items()},
            }
            for p, c in sorted(claims.items())
        ]

    async def ready(self) -> bool:
        """Every partition is held by an incarnation that answers now (old claims do not count), or is on its
        way to one."""
        answering = {status.get("incarnation") for status in await self.hosts()}
        since = self._clock.now() - MOVES_WITHIN
        owned = [
            c.incarnation in answering or (c.released_at is not None and c.released_at > since)
            for c in self._known.values()
        ]
        return all(owned) and len(owned) == self._envelope.partitions

    async def _request(
        self, key: EntityKey, request: dict[str, Any], timeout_s: float, *, repeatable: bool
    ) -> dict[str, Any]:
        """Ask the owner; follow it when it moved. What may have happened is repeated only if repeating
        is safe, otherwise the caller learns that the outcome is unknown.

        While a partition is on its way, requests wait here: `WAITING` of them at most, the rest is told to
        come back.
        """
        sealed = self._envelope.seal_call(request | {"key": str(key)})
        partition = key.partition(self._envelope.partitions)
        deadline = self._clock.monotonic() + timeout_s
        found = await self._try(partition, sealed, deadline, repeatable, fresh=False)
        if found is not None:
            return found
        if self._waiting >= WAITING:
            raise Busy("owner_moving", "The owner of this entity is moving: try again.", retry_after_s=1.0)
        self._waiting += 1
        pause_s = LOOK_AGAIN_S
        try:
            while self._clock.monotonic() < deadline:
                found = await self._try(partition, sealed, deadline, repeatable, fresh=True)
                if found is not None:
                    return found
                await asyncio.sleep(pause_s)
                pause_s = min(0.5, pause_s * 1.5)
        finally:
            self._waiting -= 1
        raise _unknown()

    async def _try(
        self, partition: int, sealed: bytes, deadline: float, repeatable: bool, *, fresh: bool
    ) -> dict[str, Any] | None:
        """The owner's answer; None when there is none at the moment. RookeryError when it refused."""
        claim = (await self._owners(fresh=fresh)).get(partition)
        if claim is None:
            return None
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                handle = await self._handle(claim.host)
                answer = self._envelope.open_call(await handle.request.remote(sealed))
        except (RayError, TimeoutError, ValueError) as error:
            self._handles.pop(claim.host, None)
            if not repeatable:
                raise _unknown() from error
            return None
        if "refused" in answer:
            raise from_json(answer["refused"])
        reply: dict[str, Any] | None = answer.get("reply")
        return reply

    async def _owners(self, *, fresh: bool) -> dict[int, Claim]:
        """As of at most some seconds ago; `fresh`: of just now, with one look for all who wait."""
        asked_at = self._clock.monotonic()
        if asked_at - self._known_at > (LOOK_AGAIN_S if fresh else CLAIMS_FRESH_S):
            async with self._looking:
                if self._known_at < asked_at:
                    started_at = self._clock.monotonic()
                    self._known = {c.partition: c for c in await self._claims.all()}
                    self._known_at = started_at
        return self._known

    async def _handle(self, host: str) -> Any:
        handle = self._handles.get(host)
        if handle is None:
            # ray.get_actor blocks: never on the event loop.
            handle = self._handles[host] = await asyncio.to_thread(ray.get_actor, host, namespace=NAMESPACE)
        return handle

    async def _status(self, host: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(STATUS_S):
                handle = await self._handle(host)
                status: dict[str, Any] = await handle.status.remote()
                return status
        except (RayError, TimeoutError, ValueError):
            self._handles.pop(host, None)
            return {"name": host, "unreachable": True, "partitions": []}


def _unknown() -> Busy:
    return Busy("owner_unavailable", "The owner of this entity did not answer: try again.")
