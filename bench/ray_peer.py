"""What a user would otherwise write: one named Ray actor, one process, for every account.

`python -m bench.ray_peer ACTORS` starts so many one after the other, in a Ray of its own, each with this
project's imports and one account's real state; prints one JSON object: milliseconds from the start of each to
its first reply, and the private memory of each process after 20 webhooks.
"""

import asyncio
import logging
import sys
import time
from typing import Any

import bson
import orjson
import ray
from bson.codec_options import CodecOptions

from actors.account.entity import AccountEntity
from actors.runtime.activation import Activation
from actors.runtime.entity import Message
from bench.memory import private_bytes
from bench.platform import APP, webhook
from domain.clock import SystemClock
from domain.ids import AccountId
from platforms.registry import PLATFORMS
from storage.crypto import Keyring

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


class AccountActor:
    """The entity and its state; no stores, no mailbox, no reminders: less than it would need."""

    def __init__(self, document: bytes) -> None:
        found = bson.decode(document, _CODEC)
        self._account = AccountId.parse(found["_id"])
        self._entity = AccountEntity(PLATFORMS, Keyring.generate().seal)
        self._state = Activation.load(self._account.key, self._entity, found).state
        self._clock = SystemClock()

    def view(self) -> dict[str, Any]:
        assert self._state is not None
        return self._entity.view(self._account.key, self._state)

    def hear(self, body: bytes) -> None:
        platform = PLATFORMS[self._account.platform]
        for entry in platform.split(body):
            message = Message("platform_event", {"event": platform.parse(entry), "app_id": APP})
            turn = self._entity.apply(self._account.key, self._state, message, self._clock.now(), {})
            self._state = turn.state

    def private_bytes(self) -> int:
        return private_bytes()


async def _document() -> tuple[AccountId, bytes]:
    from bench.colony import Colony, account

    colony, one = Colony(), account(0)
    await colony.begin()
    await colony.live([one])
    return one, bson.encode((await colony.store.load_many([one.key]))[one.key])


def main(actors: int) -> None:
    one, document = asyncio.run(_document())
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    remote: Any = ray.remote(num_cpus=0.01)(AccountActor)
    started_ms, memory = [], []
    for n in range(actors):
        begun = time.perf_counter()
        actor = remote.options(name=f"account-{n}").remote(document)
        ray.get(actor.view.remote())
        started_ms.append((time.perf_counter() - begun) * 1000)
        for number in range(20):
            ray.get(actor.hear.remote(webhook(one.platform, one.external_id, number, time.time())))
        memory.append(ray.get(actor.private_bytes.remote()))
        ray.kill(actor)
    ray.shutdown()
    print(orjson.dumps({"started_ms": started_ms, "private_bytes": memory}).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
