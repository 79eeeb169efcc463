"""What goes wrong in a real week, done to the service in half a minute."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.clock import Clock
from ops.demo.connect import Connection
from ops.demo.wire import Api, Json, Refused, Sandbox

SPELL_S = 5
PAUSE_S = 14.0
"""Longer than a host waits for a dedicated owner, so that it takes over while the owner is only paused."""
_BURST = 150
_READING_S = 0.15

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kill:
    """`pending`: messages in the killed host's mailboxes when nobody could read them."""

    host: str
    pending: int


class Trouble:
    """`api` is an operator's."""

    def __init__(self, api: Api, sandbox: Sandbox, clock: Clock, say: Say) -> None:
        self._api = api
        self._sandbox = sandbox
        self._clock = clock
        self._say = say

    async def rate_limit(self, target: Connection) -> None:
        self._say(f"{target.platform} answers 429 to @{target.username} for {SPELL_S} seconds")
        fault = {"kind": "status", "status": 429, "seconds": SPELL_S, "platform": target.platform}
        before = await self._number("rate_limited")
        await self._sandbox.post("/faults", fault | {"external_id": target.external_id})
        await self._api.post(f"/v1/accounts/{target.account_id}/sync")
        await self._until("the 429 to be met", lambda: self._grew("rate_limited", before))

    async def expire_token(self, target: Connection) -> None:
        self._say(f"the access token of @{target.username} expires ahead of time")
        before = await self._number("token_expiries")
        path = f"/accounts/{target.platform}/{target.external_id}/token"
        await self._sandbox.post(path, {"action": "expire"})
        await self._api.post(f"/v1/accounts/{target.account_id}/sync")
        await self._until("the expired token to be refused", lambda: self._grew("token_expiries", before))

    async def isolate(self, target: Connection) -> int:
        """Answers the process id of the account's own actor."""
        self._say(f"@{target.username} is isolated into an actor of its own")
        path = f"/v1/ops/entities/account/{target.account_id}"
        await self._api.post(f"{path}/isolate")
        found: Json = {}

        async def apart() -> bool:
            found.update(await self._api.get(path))
            return found["placement"] == "dedicated" and "pid" in found

        await self._until("the account's own actor", apart)
        return int(found["pid"])

    async def pause_owner(self, target: Connection, pid: int) -> None:
        """The owner stands still, its host takes over, and then the owner comes back."""
        self._say(f"the actor of @{target.username} (process {pid}) stands still for {PAUSE_S:.0f} seconds")
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        self._say(f"the actor of @{target.username} is back, and finds that its host went on without it")

    async def until_returned(self, target: Connection) -> None:
        """Until the host has given the account back to its own actor."""
        path = f"/v1/ops/entities/account/{target.account_id}"

        async def returned() -> bool:
            return not (await self._api.get(path))["adopted"]

        await self._until("the account to return to its actor", returned)

    async def kill_host(self, target: Connection) -> Kill:
        """SIGKILL the host of this account in the middle of a mailbox that filled while it stood still."""
        inspected = await self._api.get(f"/v1/ops/entities/account/{target.account_id}")
        name, incarnation = inspected["host"], inspected["incarnation"]
        host = await self._host(name)
        if host is None or "pid" not in host:
            raise Refused(f"{name} does not say which process it is.")
        before = await self._number("events_accepted")
        path = f"/accounts/{target.platform}/{target.external_id}/act"
        os.kill(host["pid"], signal.SIGSTOP)
        try:
            await asyncio.gather(*(self._sandbox.post(path, {"kind": "comment"}) for _ in range(_BURST)))
            await self._until("the burst", lambda: self._grew("events_accepted", before + _BURST * 3 // 4))
            piled_up = await self._lag(name)
        finally:
            os.kill(host["pid"], signal.SIGCONT)
        # In the middle of its work: it has read what piled up, and has not saved it yet.
        reading = self._clock.monotonic()
        while await self._lag(name) > piled_up // 2 and self._clock.monotonic() < reading + _READING_S:
            pass
        os.kill(host["pid"], signal.SIGKILL)
        pending = await self._lag(name)
        self._say(f"{name} (process {host['pid']}) is killed with SIGKILL: {pending} messages are waiting")

        async def replaced() -> bool:
            now = await self._host(name)
            return (
                now is not None
                and now.get("incarnation") not in (None, incarnation)
                and bool(now["partitions"])
            )

        began = self._clock.monotonic()
        await self._until(f"{name} to come back", replaced)
        self._say(f"{name} is back after {self._clock.monotonic() - began:.0f} s, with everything it owed")
        return Kill(name, pending)

    async def _host(self, name: str) -> Json | None:
        hosts = (await self._api.get("/v1/ops/hosts"))["items"]
        return next((h for h in hosts if h["name"] == name and not h.get("unreachable")), None)

    async def _lag(self, host: str) -> int:
        rows = (await self._api.get("/v1/ops/partitions"))["items"]
        return sum(sum(row["lag"].values()) for row in rows if row["host"] == host)

    async def _number(self, name: str) -> int:
        return int((await self._sandbox.get("/ledger/summary"))[name])

    async def _grew(self, name: str, before: int) -> bool:
        return await self._number(name) > before

    async def _until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        deadline = self._clock.monotonic() + 60
        while not await holds():
            if self._clock.monotonic() > deadline:
                raise Refused(f"Waited a minute for {what}, in vain.")
            await asyncio.sleep(0.05)
