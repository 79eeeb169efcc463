"""Doubles for what the edges are given, and what platforms would send."""

import asyncio
import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from domain.secrets import Secret
from storage.mongo.apps import AppRecord
from storage.records import Mail, StoreUnavailable
from tests.fakes.streams import FakeRedis

X_SECRET = "consumer_secret_demo"
META_SECRET = "instagram_app_secret_demo"


class CountingMetrics:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        self.counts[(name, *(f"{k}={v}" for k, v in sorted(labels.items())))] += int(value)


class AppStore:
    """An AppSource; `reads` counts how often it was asked."""

    def __init__(self, *records: AppRecord) -> None:
        self.records = list(records)
        self.reads = 0
        self.away = False

    async def changed_since(self, at: datetime) -> list[AppRecord]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("mongo: ServerSelectionTimeoutError")
        return [r for r in self.records if r.updated_at >= at]


def app_record(platform: str, id_: str, secret: str, **changes: Any) -> AppRecord:
    fields: dict[str, Any] = {
        "id": id_,
        "org": None,
        "platform": platform,
        "client_id": "client",
        "client_secret": Secret("unused"),
        "webhook_secrets": (Secret("an_older_secret"), Secret(secret)),
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "verify_token": Secret("verify_me"),
    }
    return AppRecord(**(fields | changes))


def x_signature(body: bytes, secret: str = X_SECRET) -> dict[str, str]:
    digest = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    return {"x-twitter-webhooks-signature": f"sha256={digest}"}


def meta_signature(body: bytes, secret: str = META_SECRET) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def told(redis: FakeRedis) -> list[Mail]:
    """What lies in the mailboxes."""
    streams = [held for name, held in redis.streams.items() if name.startswith("mailbox:")]
    labels = [label for held in streams for label, _ in held.entries.values()]
    return [label[0] for label in labels if isinstance(label, tuple) and isinstance(label[0], Mail)]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what background tasks bring about; fails after about 5 s."""
    for _ in range(2_500):
        if holds():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come about")
