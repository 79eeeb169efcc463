"""Driving a publication step by step, as its owner does, with files in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.publishing import Draft, Published, PublishState
from domain.secrets import Secret
from platforms.base import Platform
from platforms.capabilities import Access, PublishJob
from platforms.outcome import Ok, Outcome
from tests.unit.platforms.support import World, app_of


@dataclass
class Files:
    """`MediaReader` over bytes; `read_most` is the largest range asked for at once."""

    contents: dict[str, bytes] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        self.ranges.append((start, end))
        data = self.contents[media_id][start:end]
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]


def access_of(world: World, account: dict[str, Any]) -> Access:
    return Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])


def job_of(draft: Draft, files: Files | None = None, key: str = "key-1") -> PublishJob:
    began = datetime.now(UTC) - timedelta(seconds=1)
    return PublishJob(key, draft, files or Files(), PublishState(), began, 20.0)


async def one(platform: Platform, access: Access, job: PublishJob) -> Outcome[PublishState | Published]:
    """One step, its state having gone through what a document keeps."""
    state = job.state
    kept = replace(state, facts=json.loads(json.dumps(dict(state.facts))))
    assert platform.publishing is not None
    return await platform.publishing.step(access, replace(job, state=kept))


async def until_decisive(platform: Platform, access: Access, job: PublishJob) -> PublishJob:
    for _ in range(100):
        if job.state.decisive:
            return job
        outcome = await one(platform, access, job)
        assert isinstance(outcome, Ok), outcome
        assert isinstance(outcome.value, PublishState)
        job = replace(job, state=outcome.value)
    raise AssertionError("no decisive step")


async def publish(world: World, platform: Platform, access: Access, job: PublishJob) -> Published:
    """To the end; the sandbox's clock passes the time that a state asks to wait."""
    decisive = 0
    for _ in range(200):
        decisive += job.state.decisive
        outcome = await one(platform, access, job)
        assert isinstance(outcome, Ok), outcome
        if isinstance(outcome.value, Published):
            assert decisive == 1, "exactly one step can make it public"
            return outcome.value
        job = replace(job, state=outcome.value)
        if job.state.wait_s:
            await asyncio.sleep(0.001)  # the platform's own work gets a turn
            await world.ask("POST", "/clock", {"advance_s": job.state.wait_s})
    raise AssertionError("it never came out")
