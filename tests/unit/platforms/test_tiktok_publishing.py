"""Publishing at TikTok against the sandbox: what it takes, chunk by chunk, and what is left in doubt."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.clock import SystemClock
from domain.content import ContentKind, Happening, MediaKind
from domain.publishing import Draft, DraftMedia, Published, PublishState
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.http import PlatformHttp, make_client
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.tiktok.adapter import Tiktok
from sandbox.app import Sandbox
from tests.unit.platforms.support import Receiver, World, app_of, ok

TT = Tiktok()
PUBLISHING = TT.publishing
ADDRESS = "https://shop.example/media/p.jpg"
JPEG = b"\xff\xd8\xff\xe0 a picture"


class Files:
    """Bytes of any size, made where they are read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reads: list[tuple[int, int]] = []

    def all(self) -> bytes:
        return bytes(n % 251 for n in range(self.size)) if self.size < 10_000 else b"film" * (self.size // 4)

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        assert media_id == "m1"
        self.reads.append((start, end))
        whole = self.all()[start:end]
        for at in range(0, len(whole), 1 << 20):
            yield whole[at : at + (1 << 20)]


class Studio(World):
    """The sandbox, with somebody who answers when TikTok pulls."""

    pulled: list[str]
    answers: dict[str, httpx.Response]


@pytest.fixture
async def world() -> AsyncIterator[Studio]:
    receiver = Receiver()
    pulled: list[str] = []
    answers: dict[str, httpx.Response] = {}

    async def network(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            pulled.append(str(request.url))
            return answers.get(str(request.url)) or httpx.Response(200, content=JPEG)
        return await receiver.handle(request)

    sandbox = Sandbox(seed="publishing", webhook_transport=httpx.MockTransport(network))
    transport = httpx.ASGITransport(app=sandbox)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as control,
        make_client("http://sandbox.test", transport) as client,
    ):
        studio = Studio(control, PlatformHttp(client, SystemClock()), receiver)
        studio.pulled, studio.answers = pulled, answers
        yield studio
        await sandbox.close()


def access_of(world: World, account: dict[str, Any]) -> Access:
    return Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])


def film(size: int, text: str = "Fresh from the kiln #ceramics 😀", **more: Any) -> Draft:
    medium = DraftMedia("m1", MediaKind.VIDEO, "video/mp4", size, 1080, 1920, 15_000, codec="h264")
    return Draft(ContentKind.VIDEO, text, media=(medium,), **more)


def photos(number: int = 2, **more: Any) -> Draft:
    medium = DraftMedia("m1", MediaKind.IMAGE, "image/jpeg", 90_000, 1080, 1350, public_url=ADDRESS)
    kind = ContentKind.CAROUSEL if number > 1 else ContentKind.PHOTO
    return Draft(kind, "Two new glazes #Glasur", title="Glazes", media=(medium,) * number, **more)


def job_of(draft: Draft, files: Files | None = None, **more: Any) -> PublishJob:
    files = files or Files(draft.media[0].size)
    return PublishJob("key-1", draft, files, PublishState(), SystemClock().now(), 5.0, **more)


async def run(
    world: World, access: Access, job: PublishJob, until: str | None = None
) -> tuple[PublishJob, Outcome[PublishState | Published]]:
    """Step until it is published, a stage is reached or a step fails. Time passes as the state asks."""
    for _ in range(40):
        if until is not None and job.state.stage == until:
            return job, Ok(job.state)
        outcome = await PUBLISHING.step(access, job)
        if not isinstance(outcome, Ok) or isinstance(outcome.value, Published):
            return job, outcome
        job = replace(job, state=outcome.value)
        if job.state.wait_s:
            await asyncio.sleep(0.01)  # in one process nothing else lets the sandbox's pulls have a turn
            await world.ask("POST", "/clock", {"advance_s": job.state.wait_s})
    raise AssertionError(f"no end: {job.state}")


async def ledger(world: World) -> dict[str, Any]:
    return await world.ask("GET", "/ledger")


# -- uploads ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "chunks"),
    [(1000, [(0, 1000)]), (12_000_004, [(0, 6_000_000), (6_000_000, 12_000_004)])],
)
async def test_a_video_is_sent_in_chunks_and_gets_its_id_later(
    world: Studio, size: int, chunks: list[tuple[int, int]]
) -> None:
    account = await world.account("tiktok", posts=1)
    access, files = access_of(world, account), Files(size)
    draft = film(size, options={"disable_duet": True})
    assert PUBLISHING.refusals(draft) == []
    job, outcome = await run(world, access, job_of(draft, files))
    assert files.reads == chunks
    published = ok(outcome)
    assert published.external_id is None, "public when moderation has passed"
    await world.ask("POST", "/clock", {"advance_s": 5})
    found = ok(await PUBLISHING.find(access, job))
    assert found.external_id
    assert found.permalink == f"https://www.tiktok.com/@{account['username']}/video/{found.external_id}"
    token = Secret(account["access_token"])
    reads = ok(await TT.read_items(world.http, token, account["external_id"], [found.external_id]))
    assert reads.items[0].text.text == draft.text
    told = await ledger(world)
    assert len(told["publications"]) == 1
    assert told["published_twice"] == []


async def test_the_decisive_step_is_the_last_chunk_alone(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, seen = job_of(film(12_000_004)), []
    while True:
        state = ok(await PUBLISHING.step(access, job))
        seen.append((state.stage, state.decisive, state.sealed is not None))
        if state.stage == "status":
            break
        job = replace(job, state=state)
    assert seen == [
        ("init", False, False),
        ("upload", False, True),
        ("upload", True, True),
        ("status", False, True),
    ]
    assert "upload_token" not in repr(job.state), "the address is a secret"


async def test_an_answer_lost_in_the_middle_is_repeated_and_goes_on(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, _ = await run(world, access, job_of(film(12_000_004)), until="upload")
    fault = {"platform": "tiktok", "path": "^/video/$", "kind": "accepted_timeout", "count": 1}
    await world.ask("POST", "/faults", fault)
    assert isinstance(await PUBLISHING.step(access, replace(job, timeout_s=0.5)), RetryAfter)
    files = Files(12_000_004)
    job, outcome = await run(world, access, replace(job, media=files))
    assert isinstance(ok(outcome), Published)
    assert files.reads == [(0, 6_000_000), (6_000_000, 12_000_004)], "refused, asked how far, gone on"
    assert len((await ledger(world))["publications"]) == 1


async def test_the_last_answer_lost_is_in_doubt_and_found(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, _ = await run(world, access, job_of(film(1000)), until="upload")
    fault = {"platform": "tiktok", "path": "^/video/$", "kind": "accepted_timeout", "count": 1}
    await world.ask("POST", "/faults", fault)
    reached = ok(await PUBLISHING.step(access, replace(job, timeout_s=0.3)))
    assert (reached.stage, reached.facts["rounds"]) == ("status", 1), "TikTok is asked what it has"
    assert isinstance(await PUBLISHING.find(access, job), RetryAfter), "all bytes are there: it will come"
    await world.ask("POST", "/clock", {"advance_s": 10})
    await PUBLISHING.find(access, job)  # completes
    await world.ask("POST", "/clock", {"advance_s": 10})
    assert ok(await PUBLISHING.find(access, job)).external_id
    assert len((await ledger(world))["publications"]) == 1


async def test_the_last_chunk_that_never_arrived_is_not_there_and_sent_again(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, _ = await run(world, access, job_of(film(1000)), until="upload")
    assert job.state.decisive
    await world.ask(
        "POST", "/faults", {"platform": "tiktok", "path": "^/video/$", "kind": "timeout", "count": 1}
    )
    reached = ok(await PUBLISHING.step(access, replace(job, timeout_s=0.3)))
    assert ok(await PUBLISHING.find(access, job)) is None
    job, outcome = await run(world, access, replace(job, state=reached))
    assert isinstance(ok(outcome), Published)
    assert len((await ledger(world))["publications"]) == 1


async def test_an_address_that_has_expired_opens_another_publication(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, _ = await run(world, access, job_of(film(1000)), until="upload")
    await world.ask("POST", "/clock", {"advance_s": 3601})
    first = job.state.facts["publish_id"]
    job, outcome = await run(world, access, job)
    assert isinstance(ok(outcome), Published)
    assert job.state.facts["publish_id"] != first
    assert len((await ledger(world))["publications"]) == 1


async def test_bytes_reach_tiktok_as_they_are(world: Studio) -> None:
    account = await world.account("tiktok")
    files = Files(1000)
    await run(world, access_of(world, account), job_of(film(1000), files))
    (row,) = (await ledger(world))["publications"]
    twin = await world.account("tiktok", seed="twin")
    await run(world, access_of(world, twin), job_of(film(1000), files))
    rows = (await ledger(world))["publications"]
    assert rows[1]["content"] == row["content"], "equal text and bytes are equal content"
    assert rows[1]["external_id"] != row["external_id"]
    await run(world, access_of(world, account), job_of(film(1000), files))
    assert len((await ledger(world))["published_twice"]) == 1, "the ledger sees what was made twice"


# -- what TikTok pulls --------------------------------------------------------------------------------
async def test_photos_are_pulled(world: Studio) -> None:
    account = await world.account("tiktok")
    access, draft = access_of(world, account), photos(3)
    assert PUBLISHING.refusals(draft) == []
    state = ok(await PUBLISHING.step(access, job_of(draft)))
    assert (state.stage, state.decisive) == ("init", True), "opening it posts it"
    job, outcome = await run(world, access, job_of(draft))
    assert isinstance(ok(outcome), Published)
    assert world.pulled == [ADDRESS] * 3
    await world.ask("POST", "/clock", {"advance_s": 5})
    assert "/photo/" in ok(await PUBLISHING.find(access, job)).permalink


async def test_a_pull_whose_answer_is_lost_is_looked_for(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    job, _ = await run(world, access, job_of(photos()), until="init")
    fault = {"platform": "tiktok", "path": "content/init", "kind": "accepted_timeout", "count": 1}
    await world.ask("POST", "/faults", fault)
    assert isinstance(await PUBLISHING.step(access, replace(job, timeout_s=0.3)), Unknown)
    assert ok(await PUBLISHING.find(access, job)) is None, "not listed yet"
    for _ in range(2):
        await world.ask("POST", "/clock", {"advance_s": 5})
        await PUBLISHING.find(access, job)
    found = ok(await PUBLISHING.find(access, job))
    assert found.external_id
    assert len((await ledger(world))["publications"]) == 1


async def test_what_the_list_cannot_prove_is_not_there(world: Studio) -> None:
    account = await world.account("tiktok")
    access = access_of(world, account)
    job, _ = await run(world, access, job_of(photos()), until="init")
    private = photos(options={"privacy_level": "SELF_ONLY"})
    wordless = replace(photos(), text="", title=None)
    for draft in (job.draft, private, wordless):
        assert ok(await PUBLISHING.find(access, replace(job, draft=draft))) is None
    words = "Glazes\nTwo new glazes #Glasur"
    await world.act(account, kind="post", text=words, media="image")
    await world.act(account, kind="post", text="Something else", media="image")
    found = ok(await PUBLISHING.find(access, job))
    assert found.external_id
    later = replace(job, began_at=job.began_at + timedelta(minutes=5))
    assert ok(await PUBLISHING.find(access, later)) is None, "what was there before is not it"
    film_of_it = replace(film(9), text=words)
    assert ok(await PUBLISHING.find(access, replace(job, draft=film_of_it))) is None


async def test_a_pull_that_fails_is_tried_again_and_then_given_up(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    world.answers[ADDRESS] = httpx.Response(404)
    _, outcome = await run(world, access, job_of(photos(1)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "photo_pull_failed"
    assert len(world.pulled) == 3
    world.answers[ADDRESS] = httpx.Response(200, content=b"<html>")
    _, outcome = await run(world, access, job_of(photos(1)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "file_format_check_failed"
    assert (await ledger(world))["publications"] == []


async def test_an_unverified_domain_and_a_missing_address(world: Studio) -> None:
    account = await world.account("tiktok")
    access = access_of(world, account)
    own = {"redirect_uris": ["https://verified.example/callback"]}
    await world.ask("PUT", f"/apps/{account['app']['id']}", own)
    _, outcome = await run(world, access, job_of(photos()))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "url_ownership_unverified"
    bare = replace(photos(1), media=(replace(photos(1).media[0], public_url=None),))
    _, outcome = await run(world, access, job_of(bare))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "no_public_url"


async def test_a_video_may_be_pulled_too(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    world.answers[ADDRESS] = httpx.Response(200, content=b"\0\0\0\x18ftypmp42 a film")
    draft = film(20, options={"pull": True})
    draft = replace(draft, media=(replace(draft.media[0], public_url=ADDRESS),))
    job, outcome = await run(world, access, job_of(draft))
    assert isinstance(ok(outcome), Published)
    assert job.state.facts["publish_id"].startswith("v_pub_url~")


# -- what else can happen -----------------------------------------------------------------------------
async def test_a_private_post_never_gets_an_id(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    draft = film(1000, options={"privacy_level": "SELF_ONLY"})
    job, outcome = await run(world, access, job_of(draft))
    assert ok(outcome) == Published(None)
    await world.ask("POST", "/clock", {"advance_s": 600})
    assert ok(await PUBLISHING.find(access, job)) == Published(None)


async def test_a_privacy_level_that_the_creator_does_not_have(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    _, outcome = await run(world, access, job_of(film(9, options={"privacy_level": "FOLLOWER_OF_CREATOR"})))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "privacy_level_option_mismatch"
    assert "SELF_ONLY" in outcome.message


async def test_a_draft_goes_to_the_inbox_and_waits_for_its_creator(world: Studio) -> None:
    account = await world.account("tiktok")
    access = access_of(world, account)
    job, _ = await run(world, access, job_of(film(1000, options={"inbox": True})), until="status")
    await world.ask("POST", "/clock", {"advance_s": 10})
    state = ok(await PUBLISHING.step(access, job))
    assert (state.stage, state.wait_s) == ("status", 600.0)
    assert isinstance(await PUBLISHING.find(access, job), RetryAfter)
    assert (await ledger(world))["publications"] == []
    await world.act(account, kind="publish_draft")
    assert isinstance(ok(await PUBLISHING.step(access, job)), Published)
    assert len((await ledger(world))["publications"]) == 1


async def test_the_daily_cap_is_said_by_quota_and_by_every_step(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    assert ok(await PUBLISHING.quota(access)).limit is None, "TikTok does not say how many are left"
    rule = {"platform": "tiktok", "family": "posts", "limit": 1, "window_s": 86_400}
    await world.ask("PUT", "/limits", rule)
    await run(world, access, job_of(film(1000)))
    quota = ok(await PUBLISHING.quota(access))
    assert quota.limit == quota.used == 15
    _, outcome = await run(world, access, job_of(film(1000, "another")))
    assert isinstance(outcome, RetryAfter)
    assert (outcome.reason, outcome.rate_limited) == ("posting_cap", True)


async def test_webhooks_of_a_publication(world: Studio) -> None:
    account = await world.account("tiktok")
    app = app_of(account)
    world.receiver.platform, world.receiver.app = TT, app
    await world.ask("PUT", f"/apps/{app.id}", {"webhook_url": "https://shop.example/webhooks/tiktok/a"})
    access = access_of(world, account)
    job, _ = await run(world, access, job_of(film(1000)))
    await world.ask("POST", "/clock", {"advance_s": 5})
    post_id = ok(await PUBLISHING.find(access, job)).external_id
    await world.act(account, kind="delete", content_id=post_id)
    await world.settled()
    events = [TT.parse(entry) for _, body in world.receiver.received for entry in TT.split(body)]
    assert all(TT.verify(app, headers, body) for headers, body in world.receiver.received)
    assert [(e.what, e.subject_id) for e in events] == [
        (Happening.OTHER, job.state.facts["publish_id"]),
        (Happening.CONTENT_CREATED, post_id),
        (Happening.CONTENT_DELETED, post_id),
    ]


async def test_what_cannot_be_done_is_said(world: Studio) -> None:
    access = access_of(world, await world.account("tiktok"))
    for outcome in (await PUBLISHING.edit(access, "1", film(1)), await PUBLISHING.delete(access, "1")):
        assert isinstance(outcome, Rejected)
        assert outcome.code == "unsupported"
    odd = replace(job_of(film(1)), state=PublishState("dance"))
    assert isinstance(await PUBLISHING.step(access, odd), Rejected)
