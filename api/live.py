"""`/v1/live`: what happens in the caller's org, as it happens, over a WebSocket.

Every message is a JSON object with a `type`. The client sends

    {"type": "auth", "token": "<JWT>", "last_event_id": "<id>"}     first, unless the token is in the request
    {"type": "subscribe", "topics": [...], "types": [...], "campaign_id": "..."}
                                                                    at any time; replaces what it asked before

and receives

    {"type": "event", "id", "event"}        a CloudEvent (account state, content, engagement, commerce)
    {"type": "snapshot", "id", "campaign"}  a campaign's running numbers
    {"type": "reset"}                       events were missed: read the state anew over HTTP
    {"type": "ready", "id"}                 what was missed has been sent; from here on it is live
    {"type": "subscribed"}                  what follows is filtered as asked
    {"type": "ping"}                        nothing happened for a while

The token comes in an `Authorization: Bearer` header, or, from browsers, in the first message. `?token=` works
too but ends up in logs: only for tools that can do neither. A client that lost its connection comes back with
the last id it saw, in `auth` or as `?last_event_id=`; the feed remembers 15 minutes, a client that was away
longer gets `reset`. Fields left out of `subscribe` mean "all"; nothing subscribed means everything. Creators
see the events of the accounts they connected, everybody else those of the whole org.

Close codes: 4401 the token is missing, wrong, expired or revoked; 4429 too many clients of this org; 1008 a
message was not understood; 1013 the client reads too slowly, or the service cannot serve now; 1001 and 1012
the server restarts. After these three, resume.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Annotated, Any, Literal

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api.auth import REVOKED_WITHIN_S, Authenticator, Principal
from api.live_hub import RESET, SNAPSHOT, Client, Close, Filter, LiveHub, Reach
from domain.errors import Unauthorized
from domain.events import TYPE_PREFIX, EventType, Topic
from storage.mongo.identity import Role
from storage.records import StoreUnavailable, StreamId

AUTH_TIMEOUT_S = 10.0
RECHECK_S = 2.0  # how often a token is checked again; less than REVOKED_WITHIN_S
ACCOUNTS_EVERY = 15  # checks: how often the accounts of a creator are read again
PING_S = 20.0
CLOSE_TIMEOUT_S = 5.0
MAX_MESSAGE = 16_384  # characters

OwnAccounts = Callable[[str, str], Awaitable[frozenset[str]]]
"""(org, user id) -> ids of the account entities this user connected. May raise StoreUnavailable."""

_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_TYPES = frozenset(t.value for t in EventType) | {SNAPSHOT}


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Auth(_Message):
    type: Literal["auth"]
    token: str = Field(repr=False)
    last_event_id: str | None = None


class Subscribe(_Message):
    type: Literal["subscribe"]
    topics: frozenset[Topic] | None = None
    types: Annotated[frozenset[str], Field(max_length=50)] | None = None
    campaign_id: str | None = None

    def to_filter(self) -> Filter:
        types = self.types
        if types is not None:
            types = frozenset(t.removeprefix(TYPE_PREFIX) for t in types)
            if not types <= _TYPES:
                raise Closed(Close(1008, "unknown_event_type"))
        return Filter(self.topics, types, self.campaign_id)


_message: TypeAdapter[Auth | Subscribe] = TypeAdapter(
    Annotated[Auth | Subscribe, Field(discriminator="type")]
)


class Closed(Exception):
    """Ends the conversation with this close code."""

    def __init__(self, why: Close) -> None:
        super().__init__(why.reason)
        self.why = why


_UNAUTHORIZED = Close(4401, "unauthorized")
_TOO_MANY = Close(4429, "too_many_clients")
_NOT_UNDERSTOOD = Close(1008, "message_not_understood")
_LATER = Close(1013, "temporarily_unavailable")


def live_router(
    hub: LiveHub, authenticator: Authenticator, own_accounts: OwnAccounts, *, recheck_s: float = RECHECK_S
) -> APIRouter:
    """The hub's life is the application's: it is stopped at the end of the lifespan."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await hub.stop()

    router = APIRouter(lifespan=lifespan)

    @router.websocket("/v1/live", name="live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        try:
            why = await _Conversation(socket, hub, authenticator, own_accounts, recheck_s).run()
        except Closed as closed:
            why = closed.why
        except WebSocketDisconnect:
            return
        except StoreUnavailable:
            why = _LATER
        # A client that does not read does not answer the close either.
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await socket.close(why.code, why.reason)

    return router


class _Conversation:
    """One connection from its first message to its last."""

    def __init__(
        self,
        socket: WebSocket,
        hub: LiveHub,
        authenticator: Authenticator,
        own_accounts: OwnAccounts,
        recheck_s: float,
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._authenticator = authenticator
        self._own_accounts = own_accounts
        self._recheck_s = recheck_s

    async def run(self) -> Close:
        """Talks until one side ends it, and says how to close. Raises Closed, WebSocketDisconnect and
        StoreUnavailable."""
        token, last_event_id = await self._introduction()
        reach = await self._reach(await self._principal(token))
        joined = await self._hub.join(reach)
        if joined is None:
            return _TOO_MANY
        client, start = joined
        try:
            tasks: list[asyncio.Future[Any]] = [
                asyncio.create_task(self._send(client, start, last_event_id)),
                asyncio.create_task(self._receive(client)),
                asyncio.create_task(self._recheck(client, token)),
            ]
            try:
                await asyncio.wait([client.closing, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()  # raises what ended it
                return client.closing.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._hub.leave(client)

    async def _introduction(self) -> tuple[str, StreamId | None]:
        """The token, and where to resume."""
        query = self._socket.query_params
        scheme, _, token = self._socket.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = query.get("token", "")
        last_event_id = query.get("last_event_id")
        if not token:
            try:
                async with asyncio.timeout(AUTH_TIMEOUT_S):
                    message = await self._next()
            except TimeoutError:
                raise Closed(_UNAUTHORIZED) from None
            if not isinstance(message, Auth):
                raise Closed(_UNAUTHORIZED)
            token, last_event_id = message.token, message.last_event_id or last_event_id
        if last_event_id is None:
            return token, None
        if not _ID.fullmatch(last_event_id):
            raise Closed(Close(1008, "last_event_id_invalid"))
        return token, StreamId.parse(last_event_id)

    async def _principal(self, token: str) -> Principal:
        try:
            stale_s = REVOKED_WITHIN_S - self._recheck_s
            return await self._authenticator.principal(token, stale_s=stale_s)
        except Unauthorized:
            raise Closed(_UNAUTHORIZED) from None

    async def _reach(self, principal: Principal) -> Reach:
        if principal.role is Role.CREATOR:
            return Reach(principal.org, await self._own_accounts(principal.org, principal.user_id))
        return Reach(principal.org)

    async def _next(self) -> Auth | Subscribe:
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received["code"], received.get("reason"))
        text = received.get("text") or ""  # binary messages are not understood
        if len(text) > MAX_MESSAGE:
            raise Closed(Close(1009, "message_too_large"))
        try:
            return _message.validate_json(text)
        except ValidationError:
            raise Closed(_NOT_UNDERSTOOD) from None

    async def _send(self, client: Client, start: StreamId, last_event_id: StreamId | None) -> None:
        sent = start
        if last_event_id is not None:
            if await self._hub.resumable(client.reach.org, last_event_id):
                sent = last_event_id
                async for item in self._hub.replay(client.reach.org, last_event_id):
                    sent = item.id
                    if client.wants(item):
                        await self._socket.send_text(item.text)
            else:
                await self._socket.send_text(RESET)
        await self._socket.send_text(f'{{"type":"ready","id":"{sent}"}}')
        while True:
            try:
                async with asyncio.timeout(PING_S):
                    what = await client.queue.get()
            except TimeoutError:
                what = '{"type":"ping"}'
            if isinstance(what, str):
                await self._socket.send_text(what)
            elif sent < what.id:  # what the replay sent is in the queue too
                sent = what.id
                await self._socket.send_text(what.text)

    async def _receive(self, client: Client) -> None:
        while True:
            message = await self._next()
            if isinstance(message, Auth):
                raise Closed(_NOT_UNDERSTOOD)  # once is enough
            client.filter = message.to_filter()
            client.put('{"type":"subscribed"}')

    async def _recheck(self, client: Client, token: str) -> None:
        """Ends the conversation when the token has expired or was revoked; while that cannot be told, it
        goes on."""
        for checks in count(1):
            await asyncio.sleep(self._recheck_s)
            with suppress(StoreUnavailable):
                principal = await self._principal(token)
                if checks % ACCOUNTS_EVERY == 0:
                    client.reach = await self._reach(principal)
