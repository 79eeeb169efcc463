"""Publishing as the owner does it over the real adapter: out once, whatever is lost on the way."""

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from actors.account.effects import PublishStep
from domain.publishing import Published, PublishState
from platforms.http import PlatformHttp, make_client
from platforms.outcome import Ok, RetryAfter, Unknown
from tests.contract.platforms.cases import CASES, FILES, FILMED, Case
from tests.contract.platforms.cases import FILM as HEAD
from tests.contract.platforms.owner import Owner
from tests.contract.platforms.place import SANDBOX, Place, opened
from tests.unit.platforms.publish_support import Files, job_of, one
from tests.unit.platforms.support import ok

PUBLISHING = {
    f"{name}-{draft.kind}": replace(case, drafts=(draft,))
    for name, case in CASES.items()
    for draft in case.drafts
    if case.platform.publishing is not None
}


@pytest.fixture(scope="session", params=PUBLISHING.values(), ids=list(PUBLISHING))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


class Publisher(Owner):
    """Lets a fault fall on the step that makes a piece public, the first time it is made."""

    fault: str | int | None = None
    decisive = 0

    async def run(self, effect: Any, *, heard: bool = True) -> None:
        if not isinstance(effect, PublishStep):
            return await super().run(effect, heard=heard)
        self.decisive += effect.record.decisive
        if effect.record.decisive and self.fault is not None:
            fault, self.fault = self.fault, None
            if isinstance(fault, int):
                self.place.network.spoil_once(fault)
            else:
                await self.place.fault(fault, count=1, status=503)
        return await super().run(effect, heard=heard)


async def publisher(place: Place) -> Publisher:
    """With one list to synchronise: here it is a matter of publishing."""
    platform: Any = copy.copy(place.case.platform)
    lists = tuple(source for source in platform.spec.sources if not source.remarks)
    platform.spec = replace(platform.spec, sources=lists[:1])
    owner = Publisher(place, platform)
    owner.consented()
    await owner.rest()
    return owner


async def out(place: Place, before: int) -> int:
    """How many pieces came out, as the platform tells it."""
    return sum(not row["deleted"] for row in await place.content(place.told)) - before


async def published(place: Place, owner: Publisher, **crash: Any) -> bool:
    """From the promise to the end: whether it is out. If so it is out once, and its owner knows where. If not
    its owner has looked for it and says that it cannot know: publishing anew is for a person to decide."""
    before = await out(place, 0)
    owner.publish(await place.draft())
    await owner.rest(**crash)
    document, is_out = owner.publication(), await out(place, before)
    assert is_out in (0, 1) and owner.decisive <= 2
    assert document["status"] == ("published" if is_out else "unconfirmed"), document["steps"]
    assert not (await place.ask("GET", "/ledger"))["published_twice"]
    return bool(is_out)


async def test_it_goes_out_and_is_read_back(case: Case) -> None:
    async with opened(case) as place:
        owner = Publisher(place)
        owner.consented()
        await owner.rest()
        assert await published(place, owner)
        assert owner.decisive == 1, "one step makes it public"
        owner.send("sync")  # what cannot be read by id (a story) is in a list
        await owner.rest()
        assert owner.publication()["externalContentId"] in owner.alive()


@pytest.mark.parametrize("fault", ["disconnect", "html", "status", "half_body", 500, 502, 504])
async def test_pain_01_lost_on_the_way_there_or_back_it_is_out_once(case: Case, fault: str | int) -> None:
    """The first three: nothing happened at the platform. The others: it did, and the answer was lost."""
    async with opened(case, posts=1) as place:
        owner = await publisher(place)
        owner.fault = fault
        is_out = await published(place, owner)
        assert is_out or fault in ("disconnect", "html", "status")


async def test_pain_01_a_crash_at_every_step_of_a_publication(case: Case) -> None:
    async with opened(case, posts=1) as place:
        owner = await publisher(place)
        begun = owner.ran
        await published(place, owner)
        steps = owner.ran - begun
    unconfirmed = 0
    for step in range(1, steps + 1):
        for carried_out in (False, True):
            async with opened(case, posts=1) as place:
                owner = await publisher(place)
                crash_at = owner.ran + step
                is_out = await published(place, owner, crash_at=crash_at, carried_out=carried_out)
                unconfirmed += not is_out
                assert is_out or not carried_out
    assert unconfirmed <= 1, "only where the step that makes it public was not begun"


@pytest.mark.parametrize("kind", ["timeout", "accepted_timeout"])
async def test_pain_01_a_step_that_takes_too_long_is_out_at_most_once(case: Case, kind: str) -> None:
    """Before the platform acted, and after it."""
    async with opened(case) as place:
        platform, access = case.platform, place.access
        assert platform.publishing is not None
        draft = platform.publishing.adapt(await place.draft())
        job = replace(job_of(draft, Files(dict(FILES))), began_at=place.clock.now() - timedelta(seconds=1))
        while not job.state.decisive:
            reached = ok(await one(platform, access, job))
            await place.passes(reached.wait_s)
            job = replace(job, state=reached)
        before = await out(place, 0)
        assert ok(await platform.publishing.find(access, job)) is None, "it is not public yet"
        await place.fault(kind, count=1)
        outcome = await one(platform, access, replace(job, timeout_s=0.15))
        if isinstance(outcome, Unknown):
            acted, found = kind == "accepted_timeout", None
            for _ in range(3):  # as its owner does: what goes on there takes its time
                await place.passes(60)
                found = ok(await platform.publishing.find(access, job))
            assert (found is not None) == acted
            assert await out(place, before) == acted
            return
        # Where a session tells how far it came, the same step is safe to make again.
        assert isinstance(outcome, RetryAfter | Ok), outcome
        while not (isinstance(outcome, Ok) and isinstance(outcome.value, Published)):
            if isinstance(outcome, Ok) and isinstance(outcome.value, PublishState):
                job = replace(job, state=outcome.value)
            outcome = await one(platform, access, job)
            await place.passes(30)
        assert await out(place, before) == 1


MIB = 1024 * 1024
FILMING = {
    name: case for name, case in PUBLISHING.items() if case.film_mib and case.drafts[0].media[:1] == (FILMED,)
}


class Flowing:
    """A file that is made as it is read, by whoever sends it on: counts what was read and not sent yet."""

    def __init__(self) -> None:
        self.read_bytes = self.sent_bytes = self.ahead = 0

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end, MIB):
            piece = (HEAD if at == 0 else b"").ljust(min(MIB, end - at), b"x")
            self.read_bytes += len(piece)
            self.ahead = max(self.ahead, self.read_bytes - self.sent_bytes)
            yield piece


class Counting(httpx.AsyncBaseTransport):
    """Sees bodies leave, piece by piece."""

    def __init__(self, network: httpx.AsyncBaseTransport, file: Flowing) -> None:
        self._network, self._file, self.largest = network, file, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def leaving(body: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
            async for piece in body:
                self.largest = max(self.largest, len(piece))
                self._file.sent_bytes += len(piece)
                yield piece

        assert isinstance(request.stream, httpx.AsyncByteStream)
        counted = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=leaving(request.stream),
            extensions=request.extensions,
        )
        return await self._network.handle_async_request(counted)


@pytest.mark.parametrize("case", FILMING.values(), ids=list(FILMING))
async def test_pain_17_a_large_film_flows_through_and_is_never_held(case: Case) -> None:
    """What is read is sent before more is read, so that memory does not depend on the file's size."""
    file, size = Flowing(), case.film_mib * MIB
    async with opened(case) as place:
        network = Counting(place.network, file)
        async with make_client(SANDBOX, network) as client:
            place.http = PlatformHttp(client, place.clock)
            draft = await place.draft()
            media = tuple(replace(m, size=size) for m in draft.media)
            before, publishing = await out(place, 0), case.platform.publishing
            assert publishing is not None
            draft = publishing.adapt(replace(draft, media=media))
            assert not publishing.refusals(draft)
            job = replace(job_of(draft), media=file, began_at=place.clock.now())
            outcome: Any = await one(case.platform, place.access, job)
            while not isinstance(ok(outcome), Published):
                job = replace(job, state=outcome.value)
                await place.passes(outcome.value.wait_s)
                outcome = await one(case.platform, place.access, job)
            await place.passes(60)
            ok(await publishing.find(place.access, job))
            assert await out(place, before) == 1
    assert file.read_bytes >= size and file.sent_bytes >= size
    assert file.ahead <= 8 * MIB and network.largest <= 8 * MIB
