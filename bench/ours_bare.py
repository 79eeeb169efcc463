"""Our webhook application on uvicorn alone, without Ray: what is left of the machine under it.

The stores behind it are real except for the list of platform apps, which is fixed.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from actors.runtime.envelope import Envelope
from api.webhook_apps import AppDirectory
from api.webhooks import Webhooks
from domain.clock import SystemClock
from domain.secrets import Secret
from platforms.registry import PLATFORMS
from storage.crypto import Keyring
from storage.mongo.apps import AppRecord
from storage.redis import client
from storage.redis.mailbox import RedisMailboxes


class _OneApp:
    async def changed_since(self, at: datetime) -> Sequence[AppRecord]:
        secret = Secret(os.environ["BENCH_SECRET"])
        return [AppRecord("bench", None, "twitter", "bench", secret, (secret,), datetime.now(UTC))]


class _Counts:
    """As cheap as counting gets; what a metrics library costs is in the measurement with Serve."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + value


def create() -> Webhooks:
    """For uvicorn's --factory; called once in every worker."""
    clock = SystemClock()
    mailboxes = RedisMailboxes(client.connect(os.environ["BENCH_REDIS_URL"]), clock)
    envelope = Envelope(Keyring.generate(), partitions=64)
    return Webhooks(PLATFORMS, AppDirectory(_OneApp(), clock), envelope, mailboxes, _Counts())
