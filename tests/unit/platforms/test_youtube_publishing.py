"""Publishing, editing, deleting and going live on the sandbox's YouTube, in process."""

import hashlib
import random
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.clock import ManualClock
from domain.content import ContentKind, MediaKind
from domain.live import BroadcastStatus
from domain.publishing import Draft, DraftMedia, Published, PublishState
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp, make_client
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec
from platforms.youtube import captions, upload
from platforms.youtube.adapter import YouTube
from platforms.youtube.api import ask
from tests.unit.platforms.support import World, app_of, ok

YT = YouTube()
MIB = 1024 * 1024
PIECE = 256 * 1024


class Losing(PlatformHttp):
    """A way out on which the answers to some calls, counted from 0, are lost after the work is done."""

    def __init__(self, http: PlatformHttp, *lost: int) -> None:
        self._http, self._lost, self._calls = http, lost, -1

    async def send(
        self, spec: PlatformSpec, call: Call, timeout_s: float = 30.0
    ) -> Answer | NotSent | Broken:
        self._calls += 1
        result = await self._http.send(spec, call, timeout_s)
        return Broken("disconnected") if self._calls in self._lost else result


@dataclass
class Generated:
    """Media made as it is read, of any size; counts what was read and can break off in the middle."""

    seed: int = 1
    read_bytes: int = 0
    breaks_at: int | None = None
    pieces: dict[int, bytes] = field(default_factory=dict)

    def piece(self, number: int) -> bytes:
        return random.Random(f"{self.seed}:{number}").randbytes(PIECE)

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        at = start
        while at < end:
            number, skip = divmod(at, PIECE)
            part = self.piece(number)[skip : skip + end - at]
            if self.breaks_at is not None and at + len(part) > self.breaks_at:
                self.breaks_at = None
                raise ConnectionResetError("the reader broke off")
            self.read_bytes += len(part)
            at += len(part)
            yield part

    def digest(self, size: int) -> str:
        whole = hashlib.sha256()
        for number in range(-(-size // PIECE)):
            whole.update(self.piece(number)[: size - number * PIECE])
        return whole.hexdigest()


def draft_of(size: int, *, thumbnail: bool = False, **fields: Any) -> Draft:
    media = [DraftMedia("film", MediaKind.VIDEO, "video/mp4", size, 1920, 1080, 30_000, "h264")]
    if thumbnail:
        media.append(DraftMedia("cover", MediaKind.IMAGE, "image/jpeg", 3 * PIECE))
    values = {"kind": ContentKind.VIDEO, "text": "Mugs, 19 € #mugs", "title": "Two mugs"} | fields
    return Draft(media=tuple(media), **values)


async def ready(world: World) -> Access:
    account = await world.account("youtube", posts=2)
    return Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])


def job_of(draft: Draft, media: Any, state: PublishState | None = None) -> PublishJob:
    began = datetime.now(UTC)
    return PublishJob("key-1", draft, media, state or PublishState(), began, 30.0)


async def step(access: Access, job: PublishJob) -> tuple[PublishJob, Outcome[PublishState | Published]]:
    outcome = await YT.publishing.step(access, job)
    if isinstance(outcome, Ok) and isinstance(outcome.value, PublishState):
        job = replace(job, state=outcome.value)
    return job, outcome


async def publish(world: World, access: Access, job: PublishJob) -> Published:
    for _ in range(200):
        job, outcome = await step(access, job)
        value = ok(outcome)
        if isinstance(value, Published):
            return value
        if value.stage == "processing":
            await world.ask("POST", "/clock", {"advance_s": 6})
    raise AssertionError("not published")


async def publications(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await world.ask("GET", "/ledger"))["publications"]
    return rows


async def test_a_video_with_its_thumbnail(world: World) -> None:
    access, media, size = await ready(world), Generated(), 20 * MIB + 5
    options = {"tags": ["mug", "stone ware"], "privacyStatus": "unlisted", "categoryId": "26"}
    done = await publish(world, access, job_of(draft_of(size, thumbnail=True, options=options), media))
    assert done.external_id and done.permalink and not done.refused
    (row,) = await publications(world)
    assert row["id"] == done.external_id
    assert row["content"].endswith(media.digest(size)), "every byte arrived, in order"
    assert (await world.ask("GET", "/ledger"))["published_twice"] == []
    (item,) = ok(await YT.read_items(world.http, access.token, access.external_id, [done.external_id])).items
    assert item.text.text == "Two mugs\n\nMugs, 19 € #mugs"


async def test_an_upload_goes_on_after_every_cut(world: World) -> None:
    """The reader breaks off, the network answers 503, a chunk's answer is lost: never two videos."""
    access, media, size = await ready(world), Generated(), 3 * upload.CHUNK + 77
    job = job_of(draft_of(size), media)
    job, _ = await step(access, job)
    job, _ = await step(access, job)
    assert job.state.facts["offset"] == upload.CHUNK
    media.breaks_at = upload.CHUNK + 3 * MIB
    with pytest.raises(ConnectionResetError):
        await step(access, job)
    await world.ask("POST", "/faults", {"path": "/upload", "kind": "status", "status": 503, "count": 1})
    job, outcome = await step(access, job)
    assert isinstance(outcome, RetryAfter)
    # The chunk arrives and its answer does not: the same step again sends the next one.
    read = media.read_bytes
    job, outcome = await step(replace(access, http=Losing(world.http, 1)), job)
    assert isinstance(outcome, RetryAfter), outcome
    job, outcome = await step(access, job)
    assert ok(outcome).decisive
    assert media.read_bytes - read == 2 * upload.CHUNK, "what had arrived is not sent again"
    done = await publish(world, access, job)
    (row,) = await publications(world)
    assert row["id"] == done.external_id
    assert row["content"].endswith(media.digest(size))


async def last_chunk(access: Access, job: PublishJob) -> PublishJob:
    """All but the last chunk is there."""
    while not job.state.decisive:
        job, outcome = await step(access, job)
        ok(outcome)
    return job


async def test_only_the_last_chunk_is_decisive_and_its_lost_answer_is_found(world: World) -> None:
    access, size = await ready(world), upload.CHUNK + 9
    job = job_of(draft_of(size), Generated())
    job = await last_chunk(access, job)
    assert await publications(world) == []
    assert ok(await YT.publishing.find(access, job)) is None
    # What is stored is asked first; the second call of the step is the chunk.
    _, outcome = await step(replace(access, http=Losing(world.http, 1)), job)
    assert isinstance(outcome, Unknown)
    (row,) = await publications(world)
    found = ok(await YT.publishing.find(access, job))
    assert found.external_id == row["id"]
    _, outcome = await step(access, job)
    assert ok(outcome).stage == "processing", "sent again it would be the same video"
    assert len(await publications(world)) == 1
    # The session is forgotten: title, time and size of the file tell.
    gone = replace(job, state=replace(job.state, sealed=f"{job.state.sealed}x"))
    assert isinstance((await step(access, gone))[1], Unknown)
    found = ok(await YT.publishing.find(access, gone))
    assert found.external_id == row["id"]
    other = replace(gone, draft=draft_of(size, title="Another"))
    assert ok(await YT.publishing.find(access, other)) is None


async def test_a_session_that_is_gone_before_the_last_chunk_begins_again(world: World) -> None:
    access, size = await ready(world), 3 * upload.CHUNK
    job = job_of(draft_of(size), Generated())
    job, _ = await step(access, job)
    assert not job.state.decisive
    await world.ask("POST", "/clock", {"advance_s": 8 * 86_400})
    job, outcome = await step(access, job)
    assert ok(outcome) == PublishState()


async def test_how_youtube_ends_with_a_video(world: World) -> None:
    access = await ready(world)
    account = {"platform": "youtube", "external_id": access.external_id}
    await world.act(account, kind="process", text="rejected:duplicate")
    job = await last_chunk(access, job_of(draft_of(MIB), Generated()))
    job, _ = await step(access, job)
    assert job.state.stage == "processing"
    job, outcome = await step(access, job)
    waiting = ok(outcome)
    assert waiting.stage == "processing" and 0 < waiting.wait_s <= 5
    await world.ask("POST", "/clock", {"advance_s": 6})
    job, outcome = await step(access, job)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "duplicate"


async def test_a_refused_thumbnail_does_not_undo_the_video(world: World) -> None:
    access = await ready(world)
    draft = draft_of(MIB, thumbnail=True)
    cover = replace(draft.media[1], content_type="image/webp")
    done = await publish(world, access, job_of(replace(draft, media=(draft.media[0], cover)), Generated()))
    assert done.external_id
    assert len(done.refused) == 1 and "thumbnail" in done.refused[0]


SRT = "1\n00:00:00,000 --> 00:00:02,000\nHallo\n"


async def test_captions_of_each_kind(world: World) -> None:
    access = await ready(world)
    rows = [
        {"language": "de", "text": SRT},
        {"language": "en", "name": "Short", "text": SRT},
    ]
    job = job_of(draft_of(MIB, thumbnail=True, options={"captions": rows}), Generated())
    assert YT.publishing.refusals(job.draft) == []
    # The answer to the first track is lost: the step again does not make it twice.
    while job.state.stage != "captions":
        job, outcome = await step(access, job)
        ok(outcome)
        await world.ask("POST", "/clock", {"advance_s": 6})
    _, outcome = await step(replace(access, http=Losing(world.http, 1)), job)
    assert isinstance(outcome, RetryAfter)
    done = await publish(world, access, job)
    assert done.external_id and done.refused == ()
    found = ok(await captions.tracks(access, done.external_id, 5.0))
    assert [(t.kind, t.name) for t in found] == [
        (captions.TrackKind.ASR, ""),
        (captions.TrackKind.STANDARD, ""),
        (captions.TrackKind.STANDARD, "Short"),
    ]
    again = await captions.insert(access, done.external_id, "de", "", SRT, 5.0)
    assert isinstance(again, Ok), "it is there"
    missing = await captions.tracks(access, "nope", 5.0)
    assert isinstance(missing, Rejected) and missing.code == "videoNotFound"


async def test_refused_captions_do_not_undo_the_video(world: World) -> None:
    access = await ready(world)
    rows = [{"language": "de", "name": "x", "text": SRT}]
    job = job_of(draft_of(MIB, options={"captions": rows}), Generated())
    while job.state.stage != "captions":
        job, outcome = await step(access, job)
        ok(outcome)
        await world.ask("POST", "/clock", {"advance_s": 6})
    broken = replace(job, draft=replace(job.draft, options={"captions": [rows[0] | {"text": "none"}]}))
    done = await publish(world, access, broken)
    assert done.external_id and "de" in done.refused[0]


@pytest.mark.parametrize(
    "rows",
    [
        "de",
        [{"language": "de"}],
        [{"language": "", "text": SRT}],
        [{"language": "de", "text": "no times"}],
        [{"language": "de", "text": SRT}, {"language": "de", "text": SRT}],
        [{"language": "de", "text": SRT, "colour": "red"}],
    ],
)
def test_captions_that_are_none(rows: Any) -> None:
    found = YT.publishing.refusals(draft_of(MIB, options={"captions": rows}))
    assert [r.field for r in found] == ["options.captions"]


async def test_uploads_have_a_bucket_of_their_own(world: World) -> None:
    access = await ready(world)
    await world.ask("PUT", "/limits", {"platform": "youtube", "family": "video_uploads", "limit": 1})
    job = job_of(draft_of(MIB), Generated())
    ok((await step(access, job))[1])
    limited = (await step(access, job))[1]
    assert isinstance(limited, RetryAfter)
    assert (limited.reason, limited.family) == ("daily_quota", "video_uploads")
    ok(await YT.profile(world.http, access.token))
    assert await YT.publishing.quota(access) == Rejected(
        "unsupported", "YouTube does not say how many uploads are left."
    )


async def test_editing_keeps_what_the_draft_does_not_say(world: World) -> None:
    access = await ready(world)
    options = {"tags": ["mug"], "privacyStatus": "unlisted", "containsSyntheticMedia": True}
    done = await publish(world, access, job_of(draft_of(MIB, options=options), Generated()))
    assert done.external_id
    wish = Draft(ContentKind.VIDEO, text="New words", options={"privacyStatus": "public"})
    ok(await YT.publishing.edit(access, done.external_id, wish))
    read = await YT.read_items(world.http, access.token, access.external_id, [done.external_id])
    payload = ok(read).items[0].payload.decode()
    assert ok(read).items[0].text.text == "Two mugs\n\nNew words"
    assert '"tags":["mug"]' in payload
    assert '"privacyStatus":"public"' in payload and '"containsSyntheticMedia":true' in payload
    ok(await YT.publishing.delete(access, done.external_id))
    ok(await YT.publishing.delete(access, done.external_id))
    missing = await YT.publishing.edit(access, done.external_id, wish)
    assert isinstance(missing, Rejected) and missing.code == "videoNotFound"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"title": ""}, "title_required"),
        ({"title": "x" * 101}, "title_length"),
        ({"title": "a <b>"}, "characters"),
        ({"text": "ä" * 2501}, "text_length"),
        ({"options": {"colour": "red"}}, "option"),
        ({"options": {"privacyStatus": "secret"}}, "option"),
        ({"options": {"tags": ["x" * 300, "y" * 300]}}, "tags"),
        ({"options": {"publishAt": "2027-01-01T00:00:00Z", "privacyStatus": "public"}}, "publish_at"),
        ({"kind": ContentKind.STORY}, "kind"),
        ({"kind": ContentKind.SHORT}, "ratio"),
        ({"reply_to": "x"}, "reply_to"),
        ({"media": ()}, "files"),
    ],
)
def test_what_is_refused_before_anything_is_sent(change: dict[str, Any], rule: str) -> None:
    assert YT.publishing.refusals(YT.publishing.adapt(draft_of(MIB))) == []
    found = YT.publishing.refusals(replace(draft_of(MIB), **change))
    assert rule in [r.rule for r in found], found


def test_adapting_a_cross_posted_draft() -> None:
    draft = replace(draft_of(MIB), kind=ContentKind.REEL, title=None, link="https://shop.example/p/1")
    adapted = YT.publishing.adapt(draft)
    assert adapted.kind is ContentKind.SHORT
    assert adapted.title == "Mugs, 19 € #mugs"
    assert adapted.text == "Mugs, 19 € #mugs\n\nhttps://shop.example/p/1"
    assert adapted.link is None
    assert YT.publishing.adapt(adapted) == adapted
    long = YT.publishing.adapt(replace(draft, text="x" * 101))
    assert long.title is None, "a title is not cut out of a text"


async def test_three_hundred_megabytes_in_constant_memory(world: World) -> None:
    access, media, size = await ready(world), Generated(), 300_000_000
    job = job_of(draft_of(size), media)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        done = await publish(world, access, job)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert media.read_bytes == size
    assert peak - before < 64 * MIB, "adapter and sandbox together"
    (row,) = await publications(world)
    assert row["id"] == done.external_id
    assert row["content"].endswith(media.digest(size))


# -- live ---------------------------------------------------------------------------------------------


async def test_a_broadcast_from_its_making_to_its_end(world: World) -> None:
    access = await ready(world)
    account = {"platform": "youtube", "external_id": access.external_id}
    at = datetime.now(UTC) + timedelta(hours=1)
    broadcast_id = ok(await YT.live.create(access, "Kiln opening", at, {"privacyStatus": "unlisted"}))
    stream = ok(await YT.live.create_stream(access, "Main camera"))
    assert stream.name not in repr(stream)
    assert stream.address.startswith("rtmps://")
    ok(await YT.live.bind(access, broadcast_id, stream.external_id))
    ok(await YT.live.bind(access, broadcast_id, stream.external_id))
    early = await YT.live.transition(access, broadcast_id, BroadcastStatus.LIVE)
    assert isinstance(early, RetryAfter) and early.reason == "stream_inactive"
    await world.act(account, kind="stream", content_id=broadcast_id)
    ok(await YT.live.transition(access, broadcast_id, BroadcastStatus.LIVE))
    ok(await YT.live.transition(access, broadcast_id, BroadcastStatus.LIVE))
    (broadcast,) = ok(await YT.live.broadcasts(access, None)).items
    assert (broadcast.external_id, broadcast.status) == (broadcast_id, BroadcastStatus.LIVE)
    assert broadcast.stream_id == stream.external_id and broadcast.started_at and broadcast.chat_id
    (item,) = ok(await YT.read_items(world.http, access.token, access.external_id, [broadcast_id])).items
    assert item.kind is ContentKind.LIVE
    await world.act(account, kind="chat", text="Wie teuer?")
    page = ok(await YT.live.chat(access, broadcast.chat_id, None))
    assert [m.text.text for m in page.messages] == ["Wie teuer?"]
    assert page.messages[0].author.external_id and page.wait_s == 5.0 and not page.ended
    page = ok(await YT.live.chat(access, broadcast.chat_id, page.next_cursor))
    assert page.messages == ()
    await world.act(account, kind="chat", text="Danke")
    ok(await YT.live.transition(access, broadcast_id, BroadcastStatus.COMPLETE))
    page = ok(await YT.live.chat(access, broadcast.chat_id, page.next_cursor))
    assert [m.text.text for m in page.messages] == ["Danke"] and page.ended
    back = await YT.live.transition(access, broadcast_id, BroadcastStatus.LIVE)
    assert isinstance(back, Rejected) and back.code == "invalidTransition"


async def test_what_a_broadcast_does_not_take(world: World) -> None:
    access = await ready(world)
    at = datetime.now(UTC)
    for options in ({"colour": "red"}, {"privacyStatus": "secret"}, {"enableDvr": "yes"}):
        refused = await YT.live.create(access, "x", at, options)
        assert isinstance(refused, Rejected) and refused.code == "option"
    assert isinstance(await YT.live.transition(access, "x", BroadcastStatus.READY), Rejected)
    missing = await YT.live.bind(access, "x", "y")
    assert isinstance(missing, Rejected) and missing.code == "liveBroadcastNotFound"
    assert ok(await YT.live.chat(access, "nope", None)).ended


async def test_broadcasts_page_by_page(world: World) -> None:
    access = await ready(world)
    made = [ok(await YT.live.create(access, f"B{n}", datetime.now(UTC), {})) for n in range(52)]
    first = ok(await YT.live.broadcasts(access, None))
    second = ok(await YT.live.broadcasts(access, first.next_cursor))
    assert second.next_cursor is None
    assert {b.external_id for b in (*first.items, *second.items)} == set(made)


# -- answers that nobody expects ------------------------------------------------------------------------
def answering(response: httpx.Response) -> Access:
    client = make_client(network=httpx.MockTransport(lambda _: response))
    app = PlatformApp("app", "youtube", "id", Secret("s"), ())
    return Access(PlatformHttp(client, ManualClock()), app, Secret("t"), "UC")


@pytest.mark.parametrize(
    "address",
    [
        "https://[",
        "https://evil.example/x",
        "https://youtube.googleapis.com:444/x",
        "http://youtube.googleapis.com/x",
    ],
)
async def test_an_upload_goes_to_an_address_of_youtubes_alone(address: str) -> None:
    access = answering(httpx.Response(200, headers={"Location": address}))
    medium = DraftMedia("v", MediaKind.VIDEO, "video/mp4", 10)
    begun = await upload.begin(access, medium, {"snippet": {}}, True, 5.0)
    assert isinstance(begun, Rejected) and begun.code == "no_session"


async def test_the_address_of_a_session_is_used_as_it_was_given() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(308)

    access = answering(httpx.Response(200))
    http = PlatformHttp(make_client(network=httpx.MockTransport(handle)), ManualClock())
    address = "https://youtube.googleapis.com/upload/youtube/v3/videos?upload_id=a%2Bb%2F&token=&x=1"
    ok(await upload.stored(replace(access, http=http), Secret(address), 10, 5.0))
    assert asked == [address]


async def test_a_broadcast_without_an_id_may_have_been_made() -> None:
    access = answering(httpx.Response(200, json={"kind": "youtube#liveBroadcast"}))
    assert isinstance(await YT.live.create(access, "Opening", datetime.now(UTC), {}), Unknown)


async def test_a_chat_is_asked_again_within_minutes_whatever_it_says() -> None:
    access = answering(httpx.Response(200, json={"pollingIntervalMillis": 2**63, "items": []}))
    assert ok(await YT.live.chat(access, "chat", None)).wait_s == 300.0


async def test_a_mark_that_fits_into_no_header_is_not_asked_with() -> None:
    access = answering(httpx.Response(200, json={"items": []}))
    answer = await ask(access.http, access.token, "listing", "playlistItems", {}, etag="\u00fc")
    assert isinstance(answer, Ok)
