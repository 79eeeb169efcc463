"""Fills the picture while the story runs: the WebSocket, the accounts, and the ledger's pace."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from domain.clock import Clock
from ops.demo.connect import Party
from ops.demo.screen import Screen
from ops.demo.wire import Refused, Sandbox

_LOOK_EVERY_S = 1.5


async def follow(party: Party, url: str, screen: Screen) -> None:
    """The org's live feed, seen by its analyst; takes up where it was when the connection breaks."""
    last: str | None = None
    while True:
        with suppress(OSError, InvalidHandshake, WebSocketException, TimeoutError):
            async with connect(f"{url.replace('http', 'ws', 1)}/v1/live", proxy=None) as socket:
                introduction = {"type": "auth", "token": party.analyst.token}
                await socket.send(
                    orjson.dumps(introduction | ({"last_event_id": last} if last else {})).decode()
                )
                async for text in socket:
                    message = orjson.loads(text)
                    last = message.get("id", last)
                    if message["type"] == "snapshot":
                        campaign = message["campaign"]
                        screen.picture.campaigns[campaign["id"]] = campaign
                    elif message["type"] == "event":
                        screen.picture.live_events += 1
                    screen.pulse()
        await asyncio.sleep(1)


async def watch(parties: list[Party], sandbox: Sandbox, screen: Screen, clock: Clock) -> None:
    while True:
        await _look(lambda: _accounts(parties, screen))
        await _look(lambda: _pace(sandbox, screen, clock))
        screen.pulse()
        await asyncio.sleep(_LOOK_EVERY_S)


async def _accounts(parties: list[Party], screen: Screen) -> None:
    screen.picture.accounts = [view for party in parties for view in await party.analyst.all("/v1/accounts")]


async def _pace(sandbox: Sandbox, screen: Screen, clock: Clock) -> None:
    summary = await sandbox.get("/ledger/summary")
    screen.picture.accepted.append((clock.monotonic(), summary["events_accepted"]))


async def _look(at: Callable[[], Awaitable[None]]) -> None:
    """A look that fails leaves the picture as it was: it is shown, not judged."""
    with suppress(Refused, httpx.HTTPError):
        await at()
