"""Publishing at Pinterest against the sandbox: bytes that it checks, films, and what is left in doubt."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.clock import SystemClock
from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, DraftMedia, ProductTag, Published, PublishState
from domain.secrets import Secret
from platforms.base import PageQuery, PlatformApp
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Broken, Call, NotSent, PlatformHttp, make_client
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.pinterest import pins
from platforms.pinterest.adapter import Pinterest
from platforms.spec import PlatformSpec
from sandbox.app import Sandbox
from sandbox.pinterest.media import multipart as parts_of
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import Answers, Receiver, World, answer, app_of, ok

PIN = Pinterest()
PUBLISHING = PIN.publishing
APP = PlatformApp("1", "pinterest", "1", Secret("s"), (Secret("s"),))
ADDRESS = "https://shop.example/media/p.jpg"
JPEG, FILM = b"\xff\xd8\xff\xe0", b"\0\0\0\x18ftypmp42"


class Files:
    """Bytes of any size after a head, in pieces whose length is no multiple of three."""

    def __init__(self, head: bytes, piece: int = 1000) -> None:
        self.head, self.piece = head, piece

    def bytes_of(self, media_id: str, size: int) -> bytes:
        return (self.head + media_id.encode() + bytes(n % 251 for n in range(size)))[:size]

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        whole = self.bytes_of(media_id, end)[start:]
        for at in range(0, len(whole), self.piece):
            yield whole[at : at + self.piece]


class Recorder(PlatformHttp):
    """Keeps what is asked on its way out, so that the contract can judge it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__(client, SystemClock())
        self.asked: list[tuple[Call, Answer | NotSent | Broken]] = []

    async def send(
        self, spec: PlatformSpec, call: Call, timeout_s: float = 30.0
    ) -> Answer | NotSent | Broken:
        found = await super().send(spec, call, timeout_s)
        self.asked.append((call, found))
        return found


class Studio(World):
    """The sandbox, with a shop that answers when Pinterest pulls a picture."""

    http: Recorder
    answers: dict[str, httpx.Response]


@pytest.fixture
async def world() -> AsyncIterator[Studio]:
    answers: dict[str, httpx.Response] = {}

    async def network(request: httpx.Request) -> httpx.Response:
        return answers.get(str(request.url)) or httpx.Response(200, content=JPEG + b"pulled")

    sandbox = Sandbox(seed="publishing", webhook_transport=httpx.MockTransport(network))
    transport = httpx.ASGITransport(app=sandbox)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as control,
        make_client("http://sandbox.test", transport) as client,
    ):
        studio = Studio(control, Recorder(client), Receiver())
        studio.answers = answers
        yield studio
        await sandbox.close()


def access_of(world: World, account: dict[str, Any]) -> Access:
    return Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])


async def board_of(world: World, account: dict[str, Any]) -> str:
    return str((await world.act(account, kind="board", text="Kiln"))["id"])


def picture(name: str = "m1", size: int = 5000, **more: Any) -> DraftMedia:
    return DraftMedia(name, MediaKind.IMAGE, "image/jpeg", size, 1000, 1500, public_url=ADDRESS, **more)


def pin_of(board: str, *media: DraftMedia, **options: Any) -> Draft:
    kind = ContentKind.CAROUSEL if len(media) > 1 else ContentKind.PIN
    return Draft(
        kind,
        "Fresh from the kiln #ceramics 😀",
        title="A bowl «blue»",
        link="https://shop.example/p/7?a=1",
        media=media or (picture(alt_text="A bowl"),),
        options={"board_id": board, **options},
    )


def film_of(board: str, size: int = 4000, **options: Any) -> Draft:
    medium = DraftMedia("m1", MediaKind.VIDEO, "video/mp4", size, 1080, 1920, 15_000, codec="h264")
    return replace(pin_of(board, medium, **options), kind=ContentKind.VIDEO)


def job_of(draft: Draft, files: Files | None = None) -> PublishJob:
    head = FILM if draft.kind is ContentKind.VIDEO else JPEG
    return PublishJob("key-1", draft, files or Files(head), PublishState(), SystemClock().now(), 5.0)


async def run(
    world: World, access: Access, job: PublishJob, until: str | None = None
) -> tuple[PublishJob, Outcome[PublishState | Published]]:
    """Step until it is published, a stage is reached or a step fails. Time passes as the state asks."""
    for _ in range(30):
        if until is not None and job.state.stage == until:
            return job, Ok(job.state)
        outcome = await PUBLISHING.step(access, job)
        if not isinstance(outcome, Ok) or isinstance(outcome.value, Published):
            return job, outcome
        job = replace(job, state=outcome.value)
        if job.state.wait_s:
            await world.ask("POST", "/clock", {"advance_s": job.state.wait_s})
    raise AssertionError(f"no end: {job.state}")


async def publications(world: World) -> int:
    return int((await world.ask("GET", "/ledger/summary"))["publications"])


async def body_of(call: Call) -> Any:
    if call.body is None:
        return call.json
    return json.loads(b"".join([chunk async for chunk in call.body.chunks()]))


# -- pictures -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [4998, 4999, 5000, 5001])
async def test_a_picture_travels_in_the_json_and_arrives_whole(world: Studio, size: int) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), pin_of(await board_of(world, account), picture(size=size))
    assert PUBLISHING.refusals(draft) == []
    job, outcome = await run(world, access, job_of(draft))
    published = ok(outcome)
    assert published.permalink == f"https://www.pinterest.com/pin/{published.external_id}/"
    assert await publications(world) == 1
    call = world.http.asked[-1][0]
    assert call.body is not None
    sent = b"".join([chunk async for chunk in call.body.chunks()])
    assert len(sent) == call.body.size, "told before the first byte"
    assert b64decode(json.loads(sent)["media_source"]["data"]) == Files(JPEG).bytes_of("m1", size)
    found = ok(await PUBLISHING.find(access, job))
    assert found == published
    (item,) = ok(await PIN.read_items(world.http, access.token, "", [published.external_id])).items
    assert (item.kind, item.text.hashtags) == (ContentKind.PIN, ("ceramics",))
    assert item.text.links == ("https://shop.example/p/7?a=1",)


async def test_a_carousel_and_a_picture_that_is_pulled(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, board = access_of(world, account), await board_of(world, account)
    several = pin_of(board, picture("a", 1000), picture("b", 1001), picture("c", 1002))
    pulled = pin_of(board, pull=True)
    for draft, kind, count in ((several, ContentKind.CAROUSEL, 3), (pulled, ContentKind.PIN, 1)):
        assert PUBLISHING.refusals(draft) == []
        job, outcome = await run(world, access, job_of(draft))
        published = ok(outcome)
        (item,) = ok(await PIN.read_items(world.http, access.token, "", [published.external_id])).items
        assert (item.kind, len(item.media)) == (kind, count)
        assert ok(await PUBLISHING.find(access, job)) == published
    assert await publications(world) == 2


@pytest.mark.parametrize(
    ("files", "draft"),
    [(Files(b"GIF89a"), pin_of("BOARD")), (Files(JPEG), pin_of("BOARD", pull=True))],
)
async def test_what_cannot_be_read_is_refused(world: Studio, files: Files, draft: Draft) -> None:
    account = await world.account("pinterest", posts=1)
    world.answers[ADDRESS] = httpx.Response(404)
    options = {**draft.options, "board_id": await board_of(world, account)}
    _, outcome = await run(world, access_of(world, account), job_of(replace(draft, options=options), files))
    assert isinstance(outcome, Rejected) and outcome.code == "400/1"
    assert await publications(world) == 0


# -- films --------------------------------------------------------------------------------------------
async def test_a_film_is_uploaded_without_a_token_and_waited_for(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), film_of(await board_of(world, account))
    assert PUBLISHING.refusals(draft) == []
    job, _ = await run(world, access, job_of(draft), until="upload")
    assert "amz" not in json.dumps(job.state.facts) and job.state.sealed is not None
    assert "amz" not in repr(job.state), "the form is a secret"
    job, _ = await run(world, access, job, until="create")
    assert job.state.decisive
    upload = next(call for call, _ in world.http.asked if call.family == "upload")
    assert upload.bearer is None and upload.body is not None and upload.form is None
    raw = b"".join([chunk async for chunk in upload.body.chunks()])
    sent = parts_of(upload.body.content_type, raw)
    assert len(raw) == upload.body.size
    assert sent[-1] == ("file", Files(FILM).bytes_of("m1", 4000)), "the file is the last part"
    published = ok((await run(world, access, job))[1])
    assert await publications(world) == 1
    assert ok(await PUBLISHING.find(access, job)) == published
    await world.ask("POST", "/clock", {"advance_s": 3})
    (item,) = ok(await PIN.read_items(world.http, access.token, "", [published.external_id])).items
    assert (item.kind, item.media[0].kind) == (ContentKind.VIDEO, MediaKind.VIDEO)


async def test_an_upload_that_expired_is_begun_anew(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), film_of(await board_of(world, account))
    job, _ = await run(world, access, job_of(draft), until="upload")
    first = job.state.facts["media_id"]
    await world.ask("POST", "/clock", {"advance_s": 3601})
    job, _ = await run(world, access, job, until="processing")
    assert job.state.facts["media_id"] != first and job.state.facts["anew"] == 1
    ok((await run(world, access, job))[1])
    assert await publications(world) == 1


async def test_an_upload_that_nobody_answered_is_made_again(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), film_of(await board_of(world, account))
    job, _ = await run(world, access, job_of(draft), until="upload")
    fault = {"platform": "pinterest", "host": "pinterest-media-upload.s3-accelerate.amazonaws.com"}
    await world.ask("POST", "/faults", {**fault, "kind": "accepted_timeout", "count": 1})
    assert isinstance(await PUBLISHING.step(access, replace(job, timeout_s=0.3)), RetryAfter)
    ok((await run(world, access, job))[1])
    assert await publications(world) == 1


async def test_what_is_no_film_fails_in_processing(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    draft = film_of(await board_of(world, account))
    _, outcome = await run(world, access_of(world, account), job_of(draft, Files(b"no film at all")))
    assert isinstance(outcome, Rejected) and outcome.code == "media_failed"


async def test_a_form_from_elsewhere_is_not_followed() -> None:
    for url, fields in (
        ("https://evil.example/", {"key": "k"}),
        ("https://pinterest-media-upload.s3-accelerate.amazonaws.com/", {}),
        ("https://pinterest-media-upload.s3-accelerate.amazonaws.com/", {"key": 'x"\r\n--'}),
        ("https://pinterest-media-upload.s3-accelerate.amazonaws.com/", {"key": 7}),
    ):
        http = Answers(answer(201, {"media_id": "1", "upload_url": url, "upload_parameters": fields}))
        access = Access(http, APP, Secret("t"), "1")
        outcome = await PUBLISHING.step(access, job_of(film_of("1")))
        assert isinstance(outcome, Rejected) and outcome.code == "no_upload"


# -- what is left in doubt ----------------------------------------------------------------------------
async def test_an_unheard_answer_is_unknown_and_the_pin_is_found(world: Studio) -> None:
    account = await world.account("pinterest", posts=5)
    access, draft = access_of(world, account), pin_of(await board_of(world, account))
    job, _ = await run(world, access, replace(job_of(draft), timeout_s=0.3), until="create")
    assert job.state.decisive
    await world.ask(
        "POST",
        "/faults",
        {"platform": "pinterest", "path": "/v5/pins", "kind": "accepted_timeout", "count": 1},
    )
    assert isinstance(await PUBLISHING.step(access, job), Unknown)
    found = ok(await PUBLISHING.find(access, replace(job, timeout_s=5.0)))
    assert found is not None and found.external_id
    assert await publications(world) == 1
    other = replace(job, draft=replace(draft, title="Another"), timeout_s=5.0)
    assert ok(await PUBLISHING.find(access, other)) is None


async def test_what_did_not_happen_is_not_found(world: Studio) -> None:
    account = await world.account("pinterest", posts=5)
    access, draft = access_of(world, account), pin_of(await board_of(world, account))
    job, _ = await run(world, access, replace(job_of(draft), timeout_s=0.3), until="create")
    await world.ask(
        "POST", "/faults", {"platform": "pinterest", "path": "/v5/pins", "kind": "timeout", "count": 1}
    )
    assert isinstance(await PUBLISHING.step(access, job), Unknown)
    job = replace(job, timeout_s=5.0)
    assert ok(await PUBLISHING.find(access, job)) is None
    ok((await run(world, access, job))[1])
    summary = await world.ask("GET", "/ledger/summary")
    assert (summary["publications"], summary["published_twice"]) == (1, 0)


async def test_the_ledger_sees_what_is_published_twice(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), pin_of(await board_of(world, account))
    for _ in range(2):
        ok((await run(world, access, job_of(draft)))[1])
    summary = await world.ask("GET", "/ledger/summary")
    assert (summary["publications"], summary["published_twice"]) == (2, 1)


async def test_an_app_on_trial_creates_no_pins(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    await world.ask("PUT", f"/apps/{account['app']['id']}", {"dialect": "trial"})
    draft = pin_of(await board_of(world, account))
    _, outcome = await run(world, access_of(world, account), job_of(draft))
    assert isinstance(outcome, Rejected) and outcome.code == "403/29"
    assert "Trial" in outcome.message


# -- edits and deletions ------------------------------------------------------------------------------
async def test_edit_and_delete(world: Studio) -> None:
    account = await world.account("pinterest", posts=1)
    access, draft = access_of(world, account), pin_of(await board_of(world, account))
    pin_id = ok((await run(world, access, job_of(draft)))[1]).external_id
    ok(await PUBLISHING.edit(access, pin_id, replace(draft, text="now with #oak", title="New")))
    (item,) = ok(await PIN.read_items(world.http, access.token, "", [pin_id])).items
    assert item.text.text == "New\nnow with #oak"
    ok(await PUBLISHING.delete(access, pin_id))
    assert ok(await PIN.read_items(world.http, access.token, "", [pin_id])).gone == {pin_id}
    ok(await PUBLISHING.delete(access, pin_id))
    quota = await PUBLISHING.quota(access)
    assert isinstance(quota, Rejected) and quota.code == "unsupported"


# -- rules --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"options": {}}, "board"),
        ({"options": {"board_id": "kitchen"}}, "option_type"),
        ({"options": {"board_id": "1", "privacy": "x"}}, "option_unknown"),
        ({"options": {"board_id": "1", "pull": "yes"}}, "option_type"),
        ({"title": "t" * 101}, "title_length"),
        ({"text": "t" * 801}, "text_length"),
        ({"link": "ftp://shop.example"}, "link"),
        ({"link": "https://shop.example/" + "x" * 2048}, "link"),
        ({"media": ()}, "files"),
        ({"media": (picture(),) * 6, "kind": ContentKind.CAROUSEL}, "files"),
        ({"media": (replace(picture(), content_type="image/webp"),)}, "content_type"),
        ({"media": (picture(alt_text="a" * 501),)}, "alt_text"),
        ({"media": (picture(size=10_000_001),)}, "size"),
        ({"reply_to": "1"}, "reply"),
        ({"product_tags": tuple(ProductTag(str(n)) for n in range(25))}, "product_tags"),
        ({"product_tags": (ProductTag("1"), ProductTag("1"))}, "product_tags"),
        ({"product_tags": (ProductTag("bowl"),)}, "product_tag_id"),
        ({"product_tags": (ProductTag("1", x=0.5, y=0.5),)}, "product_tag_place"),
        ({"kind": ContentKind.STORY}, "kind"),
    ],
)
def test_what_is_refused_before_anything_is_sent(change: Mapping[str, Any], rule: str) -> None:
    assert [r.rule for r in PUBLISHING.refusals(replace(pin_of("1"), **change))] == [rule]


def test_a_cross_posted_draft_becomes_what_its_files_are() -> None:
    film, one = film_of("1"), pin_of("1")
    for draft, kind in (
        (replace(film, kind=ContentKind.REEL), ContentKind.VIDEO),
        (replace(one, kind=ContentKind.PHOTO), ContentKind.PIN),
        (replace(one, kind=ContentKind.POST, media=(picture(),) * 2), ContentKind.CAROUSEL),
        (replace(one, kind=ContentKind.STORY), ContentKind.STORY),
    ):
        assert PUBLISHING.adapt(draft).kind is kind


# -- any answer ---------------------------------------------------------------------------------------
# -- the contract -------------------------------------------------------------------------------------
async def test_requests_and_answers_are_as_the_document_says(world: Studio) -> None:
    account = await world.account("pinterest", posts=30)
    access, board = access_of(world, account), await board_of(world, account)
    pin_id = ""
    for draft in (
        pin_of(board),
        pin_of(board, pull=True),
        pin_of(board, picture("a"), picture("b")),
        pin_of(board, picture("a"), picture("b"), pull=True),
        film_of(board, cover_image_key_frame_time=2),
        film_of(board, cover_image_url=ADDRESS),
    ):
        job, outcome = await run(world, access, job_of(draft))
        pin_id = ok(outcome).external_id
        ok(await PUBLISHING.find(access, job))
    ok(await PUBLISHING.edit(access, pin_id, pin_of(board)))
    for source in PIN.spec.sources:
        ok(await PIN.list_page(world.http, access.token, "", PageQuery(source)))
    ok(await PIN.profile(world.http, access.token))
    ok(await PIN.read_items(world.http, access.token, "", [board]))
    ok(await PUBLISHING.delete(access, pin_id))
    judged = set()
    for call, found in world.http.asked:
        if call.family == "upload":
            continue
        assert isinstance(found, Answer)
        template = _template(call)
        judged.add((call.method, template, found.status))
        query = {name: str(value) for name, value in call.query.items()}
        method = call.method.lower()
        assert contract.request_errors(method, template, query, await body_of(call)) == []
        value = json.loads(found.body) if found.body else None
        assert contract.answer_errors(method, template, found.status, value) == []
    assert len(judged) == 11


def test_the_judge_can_say_no() -> None:
    body = pins.request(pin_of("1", pull=True), None)
    assert contract.request_errors("post", "/pins", {}, body) == []
    assert contract.request_errors("post", "/pins", {"colour": "1"}, body) != []
    assert contract.request_errors("post", "/pins", {}, {**body, "board_id": "x"}) != []
    assert contract.request_errors("post", "/pins", {}, {**body, "colour": "x"}) != []
    assert contract.answer_errors("get", "/pins/{pin_id}", 200, {"title": "no id"}) != []


def _template(call: Call) -> str:
    path = call.url.removeprefix("https://api.pinterest.com/v5")
    names = {"pins": "{pin_id}", "boards": "{board_id}", "media": "{media_id}"}
    parts = path.strip("/").split("/")
    for at in range(1, len(parts)):
        if parts[at].isdigit():
            parts[at] = names[parts[at - 1]]
    return "/" + "/".join(parts)
