"""Reaches owners over Ray: the `Owners` of the running service."""

import asyncio
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope, stream_of
from domain.clock import Clock
from domain.errors import Busy, from_json
from domain.ids import EntityKey, Kind
from storage.ports import Claims, Mailboxes
from storage.records import Claim

log = structlog.get_logger()

NAMESPACE = "rookery"
QUERY_S = 10.0
STATUS_S = 3.0
CLAIMS_FRESH_S = 5.0


class Gateway:
    """`actors.runtime.ports.Owners` over Ray."""

    def __init__(self, claims: Claims, mailboxes: Mailboxes, envelope: Envelope, clock: Clock) -> None:
        self._claims = claims
        self._mailboxes = mailboxes
        self._envelope = envelope
        self._clock = clock
        self._handles: dict[str, Any] = {}
        self._known: dict[int, Claim] = {}
        self._known_at = float("-inf")

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

    async def hosts(self) -> list[dict[str, Any]]:
        names = sorted({c.host for c in (await self._owners(fresh=True)).values()})
        return list(await asyncio.gather(*(self._status(name) for name in names)))

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
                "lag": {kind.value: lag[stream] for kind, stream in streams[p].items()},
            }
            for p, c in sorted(claims.items())
        ]

    async def ready(self) -> bool:
        """Every partition is held by an incarnation that answers now: old claims do not count."""
        held = {p for status in await self.hosts() for p in status.get("partitions", ())}
        return len(held) == self._envelope.partitions

    async def _request(
        self, key: EntityKey, request: dict[str, Any], timeout_s: float, *, repeatable: bool
    ) -> dict[str, Any]:
        """Ask the owner; follow it when it moved. What may have happened is repeated only if repeating
        is safe, otherwise the caller learns that the outcome is unknown."""
        sealed = self._envelope.seal_call(request | {"key": str(key)})
        partition = key.partition(self._envelope.partitions)
        deadline = self._clock.monotonic() + timeout_s
        fresh = False
        while (left := deadline - self._clock.monotonic()) > 0:
            claim = (await self._owners(fresh=fresh)).get(partition)
            fresh = True
            if claim is not None:
                try:
                    async with asyncio.timeout(left):
                        handle = await self._handle(claim.host)
                        answer = self._envelope.open_call(await handle.request.remote(sealed))
                except (RayError, TimeoutError, ValueError) as error:
                    self._handles.pop(claim.host, None)
                    if not repeatable:
                        raise _unknown() from error
                else:
                    if "refused" in answer:
                        raise from_json(answer["refused"])
                    if "reply" in answer:
                        reply: dict[str, Any] = answer["reply"]
                        return reply
            await asyncio.sleep(0.2)
        raise _unknown()

    async def _owners(self, *, fresh: bool) -> dict[int, Claim]:
        now = self._clock.monotonic()
        if fresh or now - self._known_at > CLAIMS_FRESH_S:
            self._known = {c.partition: c for c in await self._claims.all()}
            self._known_at = now
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
