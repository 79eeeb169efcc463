"""What the edges are given in tests: real crypto and adapters, doubles for the stores."""

import pytest

from actors.runtime.envelope import Envelope
from domain.clock import ManualClock
from storage.crypto import Keyring
from tests.fakes.faulty import Faulty
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.edge.doubles import CountingMetrics


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def envelope() -> Envelope:
    return Envelope(Keyring.generate(), partitions=64)


@pytest.fixture
def metrics() -> CountingMetrics:
    return CountingMetrics()


@pytest.fixture
def redis(clock: ManualClock) -> FakeRedis:
    return FakeRedis(clock)


@pytest.fixture
def mailboxes(redis: FakeRedis) -> Faulty:
    return Faulty(FakeMailboxes(redis))
