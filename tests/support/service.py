"""One service for the integration and chaos tiers: Ray, Serve behind HAProxy, embedded servers, sandbox."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ops.ports import free_port
from ops.service import Service
from storage.settings import Settings
from tests.support.client import World


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings.load(
        data_dir=tmp_path_factory.mktemp("rookery"),
        http_port=free_port(),
        dashboard_port=free_port(),
        dedicated=0,
    )
    service = Service(settings, sandbox=True, failpoints=True)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture
async def world(service: Service) -> AsyncIterator[World]:
    assert service.addresses is not None
    world = await World.open(service.settings, service.addresses.api)
    yield world
    await world.close()
