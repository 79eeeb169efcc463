"""Publishing on Facebook: the adapter against the sandbox, which checks bytes and counts publications."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.clock import ManualClock
from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, DraftMedia, ProductTag, Published
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.facebook.adapter import Facebook
from platforms.facebook.publishing import FacebookPublishing
from platforms.http import PlatformHttp, make_client
from platforms.outcome import Ok, Rejected, RetryAfter, Unknown
from tests.unit.platforms.publish_support import Files, access_of, job_of, one, publish, until_decisive
from tests.unit.platforms.support import World, ok

FB, P = Facebook(), FacebookPublishing()
JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 5000
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 12_000  # 3 MB: several pieces


def picture(name: str = "p", data: bytes = JPEG, **more: Any) -> DraftMedia:
    facts: dict[str, Any] = {"width": 1080, "height": 1080, "alt_text": "A bowl"} | more
    return DraftMedia(name, MediaKind.IMAGE, "image/jpeg", len(data), **facts)


def film(name: str = "v", data: bytes = MP4, **more: Any) -> DraftMedia:
    facts = {"width": 1080, "height": 1920, "duration_ms": 15_000, "frames_per_s": 30.0} | more
    return DraftMedia(name, MediaKind.VIDEO, "video/mp4", len(data), **facts)


TEXT = Draft(ContentKind.POST, "Neu: Schüssel für 24,90 € 🎉 #handgemacht")
DRAFTS = {
    "text": TEXT,
    "link": replace(TEXT, link="https://shop.example/p/7"),
    "photo": Draft(ContentKind.PHOTO, "One picture", media=(picture(),)),
    "photos": Draft(ContentKind.CAROUSEL, "Three", media=tuple(picture(n) for n in "pqr")),
    "video": Draft(ContentKind.VIDEO, "A film", title="The kiln", media=(film(width=1920, height=1080),)),
    "reel": Draft(ContentKind.REEL, "A reel", media=(film(),)),
    "photo_story": Draft(ContentKind.STORY, media=(picture(),)),
    "film_story": Draft(ContentKind.STORY, media=(film(),)),
}
FILES = {"p": JPEG, "q": JPEG + b"q", "r": JPEG + b"r", "v": MP4}
each = pytest.mark.parametrize("name", DRAFTS)


def files() -> Files:
    return Files(dict(FILES))


async def publications(world: World) -> tuple[list[str | None], list[Any]]:
    ledger = await world.ask("GET", "/ledger")
    return [row["id"] for row in ledger["publications"]], ledger["published_twice"]


@each
async def test_every_kind_is_published_once_and_read_back(world: World, name: str) -> None:
    account = await world.account("facebook", posts=2)
    access, draft = access_of(world, account), DRAFTS[name]
    assert P.refusals(P.adapt(draft)) == []
    made = await publish(world, FB, access, job_of(draft, files()))
    assert made.external_id
    ids, twice = await publications(world)
    assert len(ids) == 1 and not twice
    story = draft.kind is ContentKind.STORY
    assert ids[0] == (f"{access.external_id}_{made.external_id}" if story else made.external_id)
    reads = ok(await FB.read_items(world.http, access.token, access.external_id, [made.external_id]))
    if not story:
        (item,) = reads.items
        assert (item.kind, item.text.text) == (draft.kind, draft.text)
        assert len(item.media) == len(draft.media)
    assert not reads.gone
    ok(await P.delete(access, made.external_id if not story else str(ids[0])))
    ok(await P.delete(access, made.external_id if not story else str(ids[0])))


@each
async def test_an_answer_that_never_comes_is_unknown_and_found(world: World, name: str) -> None:
    account = await world.account("facebook", posts=2)
    access = access_of(world, account)
    job = await until_decisive(FB, access, job_of(DRAFTS[name], files()))
    assert ok(await P.find(access, job)) is None, "it is not public yet"
    await world.ask("POST", "/faults", {"platform": "facebook", "kind": "accepted_timeout", "count": 1})
    lost = await one(FB, access, replace(job, timeout_s=0.3))
    assert isinstance(lost, Unknown), lost
    await world.ask("POST", "/clock", {"advance_s": 5})
    found = ok(await P.find(access, job))
    assert isinstance(found, Published)
    ids, twice = await publications(world)
    assert len(ids) == 1 and not twice
    assert str(ids[0]).endswith(str(found.external_id))


@each
async def test_what_was_never_sent_is_not_found(world: World, name: str) -> None:
    account = await world.account("facebook", posts=2)
    access = access_of(world, account)
    job = await until_decisive(FB, access, job_of(DRAFTS[name], files()))
    await world.ask("POST", "/faults", {"platform": "facebook", "kind": "timeout", "count": 1})
    assert isinstance(await one(FB, access, replace(job, timeout_s=0.3)), Unknown)
    assert ok(await P.find(access, job)) is None
    made = await publish(world, FB, access, job)
    ids, twice = await publications(world)
    assert len(ids) == 1 and not twice
    assert made.external_id


@pytest.mark.parametrize("name", ["photos", "video", "reel", "film_story"])
async def test_uploads_survive_lost_answers(world: World, name: str) -> None:
    account = await world.account("facebook", posts=0)
    access, job = access_of(world, account), job_of(DRAFTS[name], files())
    for number in range(60):
        if job.state.decisive:
            break
        if number % 2 == 1:
            await world.ask(
                "POST", "/faults", {"platform": "facebook", "kind": "accepted_timeout", "count": 1}
            )
            outcome = await one(FB, access, replace(job, timeout_s=0.3))
            await world.ask("DELETE", "/faults")
            if isinstance(outcome, Ok):  # it looked, and knows how far the upload is
                assert not isinstance(outcome.value, Published)
                job = replace(job, state=outcome.value)
            else:
                assert isinstance(outcome, RetryAfter), outcome
            continue
        step = await one(FB, access, job)
        if isinstance(step, Ok):
            assert not isinstance(step.value, Published)
            job = replace(job, state=step.value)
    made = await publish(world, FB, access, job)
    assert made.external_id
    ids, twice = await publications(world)
    assert len(ids) == 1 and not twice


async def test_a_film_is_read_in_the_pieces_that_facebook_asks_for(world: World) -> None:
    account = await world.account("facebook", posts=0)
    given = files()
    await publish(world, FB, access_of(world, account), job_of(DRAFTS["video"], given))
    assert len(given.ranges) == -(-len(MP4) // (1024 * 1024))
    assert [start for start, _ in given.ranges[1:]] == [end for _, end in given.ranges[:-1]]


async def test_what_is_no_picture_or_film_is_refused_by_facebook(world: World) -> None:
    account = await world.account("facebook", posts=0)
    access = access_of(world, account)
    for name, bad in (("photo", b"<html>"), ("video", b"nonsense" * 100), ("reel", b"nonsense" * 100)):
        draft = DRAFTS[name]
        media = replace(draft.media[0], size=len(bad))
        job = job_of(replace(draft, media=(media,)), Files({media.id: bad}))
        for _ in range(4):
            outcome = await one(FB, access, job)
            if isinstance(outcome, Rejected):
                break
            job = replace(job, state=ok(outcome))
        assert isinstance(outcome, Rejected), name
    assert await publications(world) == ([], [])


async def test_comments_are_published_and_found(world: World) -> None:
    account = await world.account("facebook", posts=2)
    access = access_of(world, account)
    post = next(row["id"] for row in await world.content(account) if row["kind"] != "story")
    comment = await world.act(account, kind="comment", content_id=post, text="Price?")
    for target in (post, comment["id"]):
        draft = Draft(ContentKind.POST, f"24.90 € for {target}", reply_to=target)
        assert P.refusals(draft) == []
        made = await publish(world, FB, access, job_of(draft))
        found = ok(await P.find(access, job_of(draft)))
        assert found.external_id == made.external_id
    ids, twice = await publications(world)
    assert len(ids) == 2 and not twice


async def test_editing_and_deleting(world: World) -> None:
    account = await world.account("facebook", posts=2)
    access = access_of(world, account)
    made = await publish(world, FB, access, job_of(TEXT))
    assert made.external_id
    ok(await P.edit(access, made.external_id, replace(TEXT, text="Corrected")))
    (item,) = ok(await FB.read_items(world.http, access.token, access.external_id, [made.external_id])).items
    assert item.text.text == "Corrected"
    foreign = next(row["id"] for row in await world.content(account) if row["kind"] == "image")
    refused = await P.edit(access, foreign, TEXT)
    assert isinstance(refused, Rejected), "only what the same application made"
    ok(await P.delete(access, made.external_id))
    assert ok(await FB.read_items(world.http, access.token, access.external_id, [made.external_id])).gone == {
        made.external_id
    }


async def test_a_repeated_text_is_refused_by_facebook(world: World) -> None:
    account = await world.account("facebook", posts=0)
    access = access_of(world, account)
    await publish(world, FB, access, job_of(TEXT))
    job = await until_decisive(FB, access, job_of(TEXT))
    again = await one(FB, access, job)
    assert isinstance(again, Rejected)
    assert again.code == "506"


async def test_thirty_reels_a_day(world: World) -> None:
    account = await world.account("facebook", posts=0)
    access = access_of(world, account)
    small = MP4[:2000]
    for number in range(31):
        media = film(data=small)
        draft = Draft(ContentKind.REEL, f"Reel {number}", media=(media,))
        job = job_of(draft, Files({"v": small}))
        if number < 30:
            await publish(world, FB, access, job)
            continue
        limited = await one(FB, access, replace(job, state=ok(await one(FB, access, job))))
        assert isinstance(limited, RetryAfter)
        assert limited.rate_limited


@pytest.mark.parametrize(
    ("draft", "rules"),
    [
        (Draft(ContentKind.POST), {"text_required"}),
        (Draft(ContentKind.POST, "x" * 63_207), {"text_length"}),
        (Draft(ContentKind.PHOTO, "x"), {"files"}),
        (Draft(ContentKind.CAROUSEL, "x", media=(picture(),)), {"files"}),
        (
            Draft(ContentKind.PHOTO, media=(picture(width=None),), product_tags=(ProductTag("1"),)),
            {"product_tags"},
        ),
        (Draft(ContentKind.REEL, media=(film(duration_ms=2_000),)), {"duration"}),
        (Draft(ContentKind.REEL, media=(film(width=1920, height=1080),)), {"ratio"}),
        (Draft(ContentKind.STORY, media=(film(duration_ms=61_000),)), {"duration"}),
        (Draft(ContentKind.STORY, "words", media=(picture(),)), {"text_length"}),
        (Draft(ContentKind.VIDEO, media=(picture(),)), {"media_kind"}),
        (Draft(ContentKind.LIVE, "x"), {"kind"}),
        (Draft(ContentKind.POST, "x", options={"privacy": "all"}), {"option"}),
        (Draft(ContentKind.POST, "x", link="https://a.example", reply_to="1_2"), {"link"}),
        (Draft(ContentKind.PHOTO, "x", media=(picture(),), reply_to="1_2"), {"reply_to"}),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, Draft) else "-".join(value),
)
def test_what_is_refused_before_sending(draft: Draft, rules: set[str]) -> None:
    assert {r.rule for r in P.refusals(P.adapt(draft))} == rules


def test_a_link_beside_files_goes_into_the_text() -> None:
    draft = Draft(ContentKind.PHOTO, "Look", link="https://shop.example/p/7", media=(picture(),))
    adapted = P.adapt(draft)
    assert (adapted.text, adapted.link) == ("Look\n\nhttps://shop.example/p/7", None)
    assert P.adapt(adapted) == adapted
    assert P.adapt(replace(draft, kind=ContentKind.SHORT)).kind is ContentKind.REEL


async def test_facebook_does_not_tell_its_quota(world: World) -> None:
    outcome = await P.quota(access_of(world, await world.account("facebook", posts=0)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "unsupported"


# -- answers that nobody expects ----------------------------------------------------------------------
def answering(handle: Callable[[httpx.Request], httpx.Response]) -> Access:
    client = make_client(network=httpx.MockTransport(handle))
    app = PlatformApp("app", "facebook", "id", Secret("s"), ())
    return Access(PlatformHttp(client, ManualClock()), app, Secret("t"), "104500000000001")


async def test_a_film_that_facebook_never_takes_is_sent_ever_more_seldom() -> None:
    sent = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        if b"upload_phase=start" in request.read():
            sent += 1
            session = {"upload_session_id": "1", "video_id": "2", "start_offset": "0", "end_offset": "9"}
            return httpx.Response(200, json=session)
        return httpx.Response(400, json={"error": {"code": 6000, "message": "There was a problem"}})

    access, job = answering(handle), job_of(DRAFTS["video"], files())
    waited_s = 0.0
    while waited_s < 86_400 and sent < 1000:
        state = ok(await one(FB, access, job))
        waited_s += state.wait_s
        job = replace(job, state=state)
    assert sent < 40, "in a day"


async def test_what_is_answered_stays_one_part_of_the_address() -> None:
    asked: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={"id": "7", "data": []})

    draft = Draft(ContentKind.POST, "Danke!", reply_to="9/../me/feed?x=1")
    access, job = answering(handle), job_of(draft)
    await one(FB, access, await until_decisive(FB, access, job))
    await P.find(access, job)
    assert [path.count(b"/") for path in asked] == [3, 3] and not any(b"x=1" in path for path in asked)
