from collections.abc import AsyncIterator

import httpx
import pytest

from domain.clock import SystemClock
from platforms.http import PlatformHttp, make_client
from sandbox.app import Sandbox
from tests.unit.platforms.support import Receiver, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    receiver = Receiver()
    sandbox = Sandbox(seed="platform-tests", webhook_transport=httpx.MockTransport(receiver.handle))
    transport = httpx.ASGITransport(app=sandbox)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as control,
        make_client("http://sandbox.test", transport) as client,
    ):
        yield World(control, PlatformHttp(client, SystemClock()), receiver)
        await sandbox.close()
