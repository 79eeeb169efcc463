"""The sandbox as one ASGI application: platforms by host name, the control API under `/_sandbox`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import httpx

from sandbox.clock import SandboxClock
from sandbox.control import Control
from sandbox.emulation import Emulation
from sandbox.faults import Fault
from sandbox.platform import Platform
from sandbox.registry import EMULATIONS
from sandbox.routing import Operation, Routes
from sandbox.state import new_state
from sandbox.traffic import Traffic
from sandbox.web import Call, Reply, json_reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_AT_MOST = 16 * 1024 * 1024
HOLD_AT_MOST_S = 60.0
_DEFAULT_RESET_S = 60
_HTML = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
)


class Sandbox:
    """Answers at `/{real host name}/{real path}` and by Host header. Deterministic from `seed` and
    `epoch_ms` (the moment before which all seeded content lies; the last UTC midnight by default).
    `webhook_transport` replaces the network for outgoing webhooks."""

    def __init__(
        self,
        seed: str = "rookery",
        clock: SandboxClock | None = None,
        epoch_ms: int | None = None,
        webhook_transport: httpx.AsyncBaseTransport | None = None,
        emulations: Mapping[str, Emulation] = EMULATIONS,
    ) -> None:
        self.state = new_state(seed, clock or SandboxClock(), epoch_ms, emulations, webhook_transport)
        self.platforms: dict[str, Platform] = {n: e.build(self.state) for n, e in emulations.items()}
        self.traffic = Traffic(self.state, self.platforms)
        self._routes = Routes([op for platform in self.platforms.values() for op in platform.operations])
        self._platform_of = {
            host: platform
            for platform in self.platforms.values()
            for operation in platform.operations
            for host in operation.hosts
        }
        self._control = Control(self.state, self.platforms, self.traffic)

    async def close(self) -> None:
        await self.traffic.stop()
        await self.state.deliverer.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            await _answer(send, json_reply({"error": "the body is larger than 16 MiB"}, 413))
            return
        call = self._call(scope, body)
        if call.host == "_sandbox":
            await _answer(send, await self._control.handle(call))
            return
        platform = self._platform_of.get(call.host)
        if platform is None:
            hosts = ", ".join(sorted(self._platform_of))
            text = f"no platform lives at {call.host!r}; use /_sandbox/ or one of the hosts {hosts}"
            await _answer(send, json_reply({"error": text}, 404))
            return
        call.path = platform.real_path(call.host, call.path)
        found = self._routes.find(call.host, call.method, call.path)
        if found is None:
            self.state.ledger.call(f"{call.method} {call.path}", "404")
            await _answer(send, platform.not_found(call))
            return
        operation, call.params = found
        await self._serve(platform, operation, call, receive, send)

    def _call(self, scope: Scope, body: bytes) -> Call:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        path: str = scope["path"]
        host = headers.get("host", "").rsplit(":", 1)[0].lower()
        if host not in self._platform_of or path.startswith("/_sandbox"):
            first, _, rest = path.removeprefix("/").partition("/")
            host, path = first.lower(), "/" + rest
        query: dict[str, str] = {}
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            # Google's clients repeat a parameter where others write a list with commas.
            query[name] = f"{query[name]},{value}" if name in query else value
        return Call(scope["method"], host, path, query, headers, body)

    async def _serve(
        self, platform: Platform, operation: Operation, call: Call, receive: Receive, send: Send
    ) -> None:
        for fault in self._faults(platform, call):
            if fault.kind == "latency":
                if await _client_leaves(receive, fault.latency_ms / 1000):
                    call.answered = False
            else:
                await self._fail(fault, platform, operation, call, receive, send)
                return
        reply = await operation.handler(call)
        self.state.ledger.call(operation.name, str(reply.status))
        await _answer(send, reply)

    def _faults(self, platform: Platform, call: Call) -> list[Fault]:
        credential = platform.credential(call)
        grant = self.state.tokens.owner(credential) if credential else None
        external_id = grant.external_id if grant else None
        now = self.state.clock.now_ms()
        return self.state.faults.match(platform.name, call.host, call.path, external_id, now)

    async def _fail(
        self,
        fault: Fault,
        platform: Platform,
        operation: Operation,
        call: Call,
        receive: Receive,
        send: Send,
    ) -> None:
        ledger = self.state.ledger
        if fault.kind in ("accepted_timeout", "half_body"):
            call.answered = False
            reply = await operation.handler(call)
            ledger.call(operation.name, fault.kind)
            if fault.kind == "half_body":
                await _answer(send, reply, cut=True)
            else:
                await _client_leaves(receive, HOLD_AT_MOST_S)
                await _drop(send)
            return
        if fault.kind in ("timeout", "disconnect"):
            ledger.call(operation.name, fault.kind)
            if fault.kind == "timeout":
                await _client_leaves(receive, HOLD_AT_MOST_S)
            await _drop(send)
            return
        reply = self._refusal(fault, platform, call)
        ledger.call(operation.name, str(reply.status))
        if fault.kind == "status" and fault.status == 429:
            ledger.rate_limited += 1
        await _answer(send, reply)

    def _refusal(self, fault: Fault, platform: Platform, call: Call) -> Reply:
        if fault.kind == "dead_token":
            return platform.dead_token(call)
        if fault.kind == "html":
            return Reply(fault.status, _HTML, {"content-type": "text/html; charset=utf-8"})
        now_s = -(-self.state.clock.now_ms() // 1000)
        reset_s = -(-fault.until_ms // 1000) if fault.until_ms else now_s + _DEFAULT_RESET_S
        return platform.failure(402 if fault.kind == "402" else fault.status, reset_s, call)


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None when it is larger than the sandbox takes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_AT_MOST:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, reply: Reply, cut: bool = False) -> None:
    """Send the reply; `cut`: announce all of it, send half and hang up."""
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if cut:
        await send(
            {"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True}
        )
        await _drop(send)
        return
    await send({"type": "http.response.body", "body": reply.body})


async def _client_leaves(receive: Receive, within_s: float) -> bool:
    """Wait; True as soon as the client has gone, False when the time is over."""
    try:
        async with asyncio.timeout(within_s):
            while (await receive())["type"] != "http.disconnect":
                pass
        return True
    except TimeoutError:
        return False


async def _drop(send: Send) -> None:
    """Close the connection without (the rest of) an answer.

    ASGI has no message for that; uvicorn's `send` belongs to an object that knows its transport. Elsewhere
    (a test that calls the application in its own process) the client sees the error raised here.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the emulated platform closed the connection")
    transport.close()
    # The server notices in the next turns of the loop; returning earlier would make it answer 500.
    await asyncio.sleep(0.01)
