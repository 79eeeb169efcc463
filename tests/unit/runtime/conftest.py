from collections.abc import AsyncIterator

import pytest

from actors.runtime.host import Host
from tests.unit.runtime.colony import Colony


@pytest.fixture
async def colony() -> AsyncIterator[Colony]:
    """Hosts that the test leaves running are stopped."""
    colony = Colony()
    hosts: list[Host] = []
    start = colony.start

    async def remembered(*args: object, **kwargs: object) -> Host:
        hosts.append(await start(*args, **kwargs))  # type: ignore[arg-type]
        return hosts[-1]

    colony.start = remembered  # type: ignore[method-assign]
    yield colony
    for host in hosts:
        await host.stop()
