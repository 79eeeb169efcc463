"""Publishing on Instagram: the adapter against the sandbox, which fetches the files, checks them and counts
publications."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from domain.content import ContentKind
from domain.publishing import Draft, DraftMedia, ProductTag, Published, PublishState
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access, PublishJob
from platforms.instagram.adapter import Instagram
from platforms.instagram.publishing import InstagramPublishing
from platforms.outcome import Ok, Rejected, RetryAfter, Unknown
from tests.unit.platforms.instagram_studio import DRAFTS, Studio, film, picture, studio
from tests.unit.platforms.publish_support import access_of, job_of, one, publish, until_decisive
from tests.unit.platforms.support import Answers, World, answer, ok

IG, P = Instagram(), InstagramPublishing()
LOST = {"platform": "instagram", "kind": "accepted_timeout", "count": 1}
each = pytest.mark.parametrize("name", DRAFTS)


@pytest.fixture
async def world() -> AsyncIterator[Studio]:
    async with studio() as opened:
        yield opened


async def publications(world: World) -> tuple[list[str | None], list[Any]]:
    ledger = await world.ask("GET", "/ledger")
    return [row["id"] for row in ledger["publications"]], ledger["published_twice"]


def draft_of(name: str) -> Draft:
    return P.adapt(DRAFTS[name])


@each
async def test_every_kind_is_published_once_and_read_back(world: Studio, name: str) -> None:
    account = await world.account("instagram", posts=2)
    access, draft = access_of(world, account), draft_of(name)
    assert P.refusals(draft) == []
    made = await publish(world, IG, access, job_of(draft))
    assert sorted(world.asked) == sorted(medium.id for medium in draft.media), "each fetched once"
    ids, twice = await publications(world)
    assert ids == [made.external_id] and not twice
    assert made.external_id
    reads = ok(await IG.read_items(world.http, access.token, access.external_id, [made.external_id]))
    (item,) = reads.items
    assert (item.kind, item.text.text, len(item.media)) == (draft.kind, draft.text, len(draft.media))
    assert [m.kind for m in item.media] == [m.kind for m in draft.media]
    if draft.kind is ContentKind.PHOTO:
        assert item.media[0].alt_text == "A bowl"


@each
async def test_an_answer_that_never_comes_is_unknown_and_found(world: Studio, name: str) -> None:
    account = await world.account("instagram", posts=2)
    access = access_of(world, account)
    job = await until(world, access, name)
    assert ok(await P.find(access, job)) is None, "it is not public yet"
    await world.ask("POST", "/faults", LOST)
    assert isinstance(await one(IG, access, replace(job, timeout_s=0.3)), Unknown)
    found = ok(await P.find(access, job))
    ids, twice = await publications(world)
    assert ids == [found.external_id] and not twice
    # Sent again it is answered as a container that does not exist; its status tells the truth.
    again = ok(await one(IG, access, job))
    assert again.stage == "status" and not again.decisive
    assert ok(await one(IG, access, replace(job, state=again))) == Published(None)
    assert len((await publications(world))[0]) == 1


@each
async def test_what_was_never_sent_is_not_found_and_goes_out_later(world: Studio, name: str) -> None:
    account = await world.account("instagram", posts=2)
    access = access_of(world, account)
    job = await until(world, access, name)
    await world.ask("POST", "/faults", {"platform": "instagram", "kind": "timeout", "count": 1})
    assert isinstance(await one(IG, access, replace(job, timeout_s=0.3)), Unknown)
    assert ok(await P.find(access, job)) is None
    made = await publish(world, IG, access, job)
    ids, twice = await publications(world)
    assert ids == [made.external_id] and not twice


async def until(world: World, access: Access, name: str) -> PublishJob:
    """To the decisive step, the sandbox's clock passing the time asked for."""
    job = job_of(draft_of(name))
    while not job.state.decisive:
        state = ok(await one(IG, access, job))
        job = replace(job, state=state)
        if state.wait_s:
            await world.ask("POST", "/clock", {"advance_s": state.wait_s})
    return job


async def test_containers_made_twice_are_harmless(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    job = job_of(draft_of("carousel"))
    for number in range(80):
        if job.state.decisive:
            break
        lost = number % 2 == 1
        if lost:
            await world.ask(
                "POST", "/faults", {"platform": "instagram", "kind": "accepted_timeout", "count": 1}
            )
        outcome = await one(IG, access, replace(job, timeout_s=0.3 if lost else 20.0))
        await world.ask("DELETE", "/faults")
        if isinstance(outcome, Ok):
            assert isinstance(outcome.value, PublishState)
            job = replace(job, state=outcome.value)
            await world.ask("POST", "/clock", {"advance_s": job.state.wait_s})
        else:
            assert isinstance(outcome, RetryAfter)
    await publish(world, IG, access, job)
    ids, twice = await publications(world)
    assert len(ids) == 1 and not twice


async def test_two_stories_at_once_are_not_told_apart_by_guess(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    first, second = await until(world, access, "story"), await until(world, access, "story")
    for job in (first, second):
        ok(await one(IG, access, job))
    assert ok(await P.find(access, first)) == Published(None), "out, and which of the two nobody knows"


# -- comments -----------------------------------------------------------------------------------------
async def test_comments_and_replies(world: Studio) -> None:
    account = await world.account("instagram", posts=3)
    access = access_of(world, account)
    media = (await world.act(account, kind="post", text="A bowl", media="image"))["id"]
    theirs = (await world.act(account, kind="comment", content_id=media, text="Price?"))["id"]
    for target, edge in ((media, "comments"), (theirs, "replies")):
        draft = P.adapt(Draft(ContentKind.POST, "24,90 €", reply_to=target))
        assert P.refusals(draft) == []
        job = await until_decisive(IG, access, job_of(draft))
        assert job.state.facts["edge"] == edge
        assert ok(await P.find(access, job)) is None
        await world.ask("POST", "/faults", LOST)
        assert isinstance(await one(IG, access, replace(job, timeout_s=0.3)), Unknown)
        found = ok(await P.find(access, job))
        assert found.external_id == (await publications(world))[0][-1]
        for _ in range(2):
            ok(await P.delete(access, found.external_id))
    gone = await one(IG, access, job_of(Draft(ContentKind.POST, "x", reply_to="17900000000000000")))
    assert isinstance(gone, Rejected) and gone.code == "100/33"


async def test_what_instagram_cannot_do_is_said(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    made = await publish(world, IG, access, job_of(draft_of("picture")))
    assert made.external_id
    for outcome in (
        await P.edit(access, made.external_id, draft_of("picture")),
        await P.delete(access, made.external_id),
    ):
        assert isinstance(outcome, Rejected) and outcome.code == "unsupported"


# -- quota --------------------------------------------------------------------------------------------
async def test_the_quota_is_asked_and_kept(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    assert ok(await P.quota(access)).limit == 100
    limit = {"platform": "instagram", "family": "posts", "limit": 1, "window_s": 86_400}
    await world.ask("PUT", "/limits", limit)
    late = await until(world, access, "reel")
    await publish(world, IG, access, job_of(draft_of("carousel")))
    quota = ok(await P.quota(access))
    assert (quota.limit, quota.used, quota.seconds) == (1, 1, 86_400), "a carousel is one"
    # Asked before anything is made, and answered by the call itself for what was on its way already.
    for job in (job_of(draft_of("picture")), late):
        outcome = await one(IG, access, job)
        assert isinstance(outcome, RetryAfter) and outcome.reason == "posting_limit"
        assert outcome.rate_limited
    await world.ask("POST", "/clock", {"advance_s": 23 * 3600})
    assert ok(await P.quota(access)).used == 1
    await world.ask("POST", "/clock", {"advance_s": 3601})
    assert ok(await P.quota(access)).used == 0


# -- what goes wrong on the way -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("medium", "kind", "code"),
    [
        (picture("tall"), ContentKind.PHOTO, "36003/2207009"),
        (picture("png"), ContentKind.PHOTO, "36001/2207005"),
        (picture("missing"), ContentKind.PHOTO, "9004/2207052"),
        (film("missing"), ContentKind.REEL, "9004/2207052"),
        (film("p"), ContentKind.REEL, "352/2207026"),
        (film("p"), ContentKind.STORY, "352/2207026"),
        (replace(picture(), public_url=None), ContentKind.PHOTO, "no_public_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_files_that_instagram_refuses(
    world: Studio, medium: DraftMedia, kind: ContentKind, code: str
) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    job = job_of(Draft(kind, media=(medium,)))
    for _ in range(6):
        await asyncio.sleep(0.005)  # the sandbox fetches films beside the calls
        outcome = await one(IG, access, job)
        if not isinstance(outcome, Ok):
            break
        assert isinstance(outcome.value, PublishState)
        job = replace(job, state=outcome.value)
        await world.ask("POST", "/clock", {"advance_s": job.state.wait_s})
    assert isinstance(outcome, Rejected) and outcome.code == code
    assert not (await publications(world))[0]


async def test_a_container_that_nobody_publishes_expires(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    job = await until(world, access, "picture")
    waiting = replace(job, state=PublishState("status", job.state.facts))
    await world.ask("POST", "/clock", {"advance_s": 86_400})
    outcome = await one(IG, access, job)
    assert isinstance(outcome, Rejected) and outcome.code == "-2/2207020"
    outcome = await one(IG, access, waiting)
    assert isinstance(outcome, Rejected) and outcome.code == "container_expired"


async def test_publishing_too_early_is_waited_for(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    job = job_of(draft_of("reel"))
    while job.state.stage != "status":
        job = replace(job, state=ok(await one(IG, access, job)))
    early = replace(job.state, stage="publish", decisive=True)
    again = ok(await one(IG, access, replace(job, state=early)))
    assert (again.stage, again.wait_s, again.decisive) == ("status", 60.0, False)
    await world.ask("POST", "/clock", {"advance_s": 60})
    await publish(world, IG, access, replace(job, state=again))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Error: Media upload has failed with error code 2207053", "platform_fault"),
        ("Error: Media upload has failed with error code 2207001", "platform_fault"),
        ("Error: Media upload has failed with error code 2207026", "352/2207026"),
        ("Error: nobody knows", "container_failed"),
    ],
)
async def test_a_failure_that_passes_is_tried_anew_and_no_other(words: str, expected: str) -> None:
    failed = answer(200, {"status_code": "ERROR", "status": words, "id": "1788"})
    http = Answers(*[failed] * 3)
    access = Access(http, PlatformApp("a", "instagram", "c", Secret("s"), ()), Secret("t"), "1784")
    job = replace(job_of(draft_of("reel")), state=PublishState("status", {"container": "1788", "anew": 0}))
    anew = 0
    while isinstance(outcome := await one(IG, access, job), Ok):
        assert isinstance(outcome.value, PublishState) and outcome.value.stage == "start"
        anew += 1
        job = replace(job, state=PublishState("status", {"container": "1788", **outcome.value.facts}))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, anew) == (expected, 2 if expected == "platform_fault" else 0)


def tagged(*tags: ProductTag, medium: DraftMedia | None = None) -> Draft:
    kind = ContentKind.REEL if medium is not None else ContentKind.PHOTO
    return Draft(kind, media=(medium or picture(),), product_tags=tags)


# -- before sending -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (Draft(ContentKind.POST, "Words alone"), "kind"),
        (Draft(ContentKind.PHOTO, "x" * 2201, media=(picture(),)), "text_length"),
        (Draft(ContentKind.PHOTO, " ".join(f"#t{n}" for n in range(31)), media=(picture(),)), "hashtags"),
        (Draft(ContentKind.PHOTO, " ".join(f"@t{n}" for n in range(21)), media=(picture(),)), "mentions"),
        (Draft(ContentKind.PHOTO, media=(replace(picture(), content_type="image/png"),)), "content_type"),
        (Draft(ContentKind.PHOTO, media=(picture(height=2000),)), "ratio"),
        (Draft(ContentKind.PHOTO, media=(replace(picture(), size=8_000_001),)), "size"),
        (Draft(ContentKind.PHOTO, media=(picture(alt_text="x" * 1001),)), "alt_text_length"),
        (Draft(ContentKind.CAROUSEL, media=(picture(),)), "files"),
        (Draft(ContentKind.CAROUSEL, media=(picture(),) * 11), "files"),
        (Draft(ContentKind.REEL, media=(film(duration_ms=2_999),)), "duration"),
        (Draft(ContentKind.REEL, media=(film(codec="vp9"),)), "codec"),
        (Draft(ContentKind.STORY, media=(film(duration_ms=61_000),)), "duration"),
        (Draft(ContentKind.STORY, "Words", media=(picture(),)), "text_length"),
        (tagged(ProductTag("7")), "product_tag_place"),
        (tagged(ProductTag("7", x=0.5, y=1.5)), "product_tag_place"),
        (tagged(ProductTag("7", media=1, x=0.5, y=0.5)), "product_tag_place"),
        (tagged(ProductTag("7", x=0.5, y=0.5), medium=film()), "product_tag_place"),
        (tagged(*[ProductTag(str(n), x=0.5, y=0.5) for n in range(6)]), "product_tags"),
        (
            Draft(
                ContentKind.CAROUSEL,
                media=(picture(),) * 7,
                product_tags=tuple(ProductTag(str(n), n // 3, 0.5, 0.5) for n in range(21)),
            ),
            "product_tags",
        ),
        (replace(tagged(ProductTag("7", x=0.5, y=0.5)), kind=ContentKind.STORY), "product_tags"),
        (Draft(ContentKind.PHOTO, media=(picture(),), options={"board": "1"}), "option"),
        (Draft(ContentKind.PHOTO, media=(picture(),), options={"thumb_offset": 1}), "option"),
        (Draft(ContentKind.PHOTO, media=(picture(),), options={"collaborators": list("abcd")}), "option"),
        (Draft(ContentKind.PHOTO, media=(picture(),), options={"user_tags": [{"username": "a"}]}), "option"),
        (Draft(ContentKind.POST, " ", reply_to="17"), "text_required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_instagram_would_refuse_is_refused_before(draft: Draft, rule: str) -> None:
    assert rule in {refusal.rule for refusal in P.refusals(P.adapt(draft))}


def test_a_piece_is_adapted() -> None:
    link = P.adapt(Draft(ContentKind.POST, "Look", link="https://shop.example/p", media=(picture(),)))
    assert (link.kind, link.text, link.link) == (ContentKind.PHOTO, "Look\n\nhttps://shop.example/p", None)
    assert P.adapt(Draft(ContentKind.SHORT, media=(film(),))).kind is ContentKind.REEL
    assert P.adapt(Draft(ContentKind.POST, media=(picture(), film()))).kind is ContentKind.CAROUSEL
    reply = Draft(ContentKind.POST, "Thanks", reply_to="17")
    assert P.adapt(reply) == reply


async def test_options_arrive(world: Studio) -> None:
    access = access_of(world, await world.account("instagram", posts=0))
    tags = [{"username": "ana.r", "x": 0.5, "y": 0.4}]
    draft = Draft(
        ContentKind.PHOTO, media=(picture(),), options={"user_tags": tags, "collaborators": ["bo", "cleo"]}
    )
    assert P.refusals(draft) == []
    assert (await publish(world, IG, access, job_of(draft))).external_id
    wrong = replace(draft, options={"user_tags": [{"username": "ana.r", "x": 5, "y": 0.4}]})
    assert "option" in {refusal.rule for refusal in P.refusals(wrong)}
    outcome = await one(IG, access, replace(job_of(wrong), state=PublishState("container", {})))
    assert isinstance(outcome, Rejected) and outcome.code == "100"
