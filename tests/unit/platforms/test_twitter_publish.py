"""Publishing on X against the sandbox's X, in process: never twice, and bytes that arrive."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content import ContentKind, MediaKind
from domain.publishing import Draft, DraftMedia, Published, PublishState
from platforms.capabilities import Access, PublishJob
from platforms.http import Answer, Call
from platforms.outcome import Ok, Rejected, RetryAfter, Unknown
from platforms.twitter.adapter import Twitter
from platforms.twitter.publish import SEGMENT, SEGMENTS_A_STEP, weighted_length
from platforms.twitter.spec import API, SPEC
from tests.unit.platforms.support import World, app_of, grant_of, ok

PUBLISHING = Twitter.publishing
START = PublishState()
BEGAN = datetime.now(UTC) - timedelta(minutes=5)
PHOTO = DraftMedia("med_1", MediaKind.IMAGE, "image/png", 3 * SEGMENT // 4, alt_text="A teal bowl")
FILM = DraftMedia(
    "med_2", MediaKind.VIDEO, "video/mp4", SEGMENT * (SEGMENTS_A_STEP + 1) + 7, duration_ms=15_000
)


class Media:
    def __init__(self) -> None:
        self.largest = 0

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end, 1024 * 1024):
            piece = b"x" * (min(at + 1024 * 1024, end) - at)
            self.largest = max(self.largest, len(piece))
            yield piece


def access_of(world: World, account: dict[str, Any]) -> Access:
    return Access(world.http, app_of(account), grant_of(account).access_token, account["external_id"])


def job(draft: Draft, state: PublishState = START, timeout_s: float = 20.0) -> PublishJob:
    return PublishJob("pub_1", PUBLISHING.adapt(draft), Media(), state, BEGAN, timeout_s)


async def published(world: World, access: Access, draft: Draft) -> tuple[Published, list[str]]:
    """All steps, one after the other, as the owner makes them."""
    state, stages = START, []
    for _ in range(60):
        stages.append(state.stage)
        reached = ok(await PUBLISHING.step(access, job(draft, state)))
        if isinstance(reached, Published):
            return reached, stages
        if reached.wait_s:
            await world.ask("POST", "/clock", {"advance_s": reached.wait_s})
        state = reached
    raise AssertionError(stages)


async def posts(world: World) -> list[str]:
    return [row["id"] for row in (await world.ask("GET", "/ledger"))["posts_created"]]


@pytest.fixture
async def account(world: World) -> dict[str, Any]:
    return await world.account("twitter")


async def test_words_alone_are_one_decisive_step(world: World, account: dict[str, Any]) -> None:
    draft = Draft(ContentKind.POST, "Fresh from the kiln #ceramics", link="https://shop.example/bowl")
    out, stages = await published(world, access_of(world, account), draft)
    assert stages == ["start", "post"]
    assert await posts(world) == [out.external_id]
    row = next(r for r in await world.content(account) if r["id"] == out.external_id)
    assert row["text"] == "Fresh from the kiln #ceramics\nhttps://shop.example/bowl"


@pytest.mark.parametrize("words", ["Cups & bowls <3 > plates", "Typed as &amp; is"])
async def test_signs_that_x_writes_as_html_does_are_read_and_found_again(
    world: World, account: dict[str, Any], words: str
) -> None:
    draft, access = Draft(ContentKind.POST, words), access_of(world, account)
    out, _ = await published(world, access, draft)
    call = Call("GET", f"{API}/2/tweets/{out.external_id}", "lookup", bearer=access.token)
    told = await world.http.send(SPEC, call)
    assert isinstance(told, Answer) and b"&amp;" in told.body
    ids = [str(out.external_id)]
    reads = ok(await Twitter().read_items(world.http, access.token, access.external_id, ids))
    assert reads.items[0].text.text == words
    found = ok(await PUBLISHING.find(access, job(draft)))
    assert found is not None and found.external_id == out.external_id


async def test_pictures_and_films_arrive_in_segments(world: World, account: dict[str, Any]) -> None:
    access = access_of(world, account)
    two = Draft(ContentKind.CAROUSEL, "Two", media=(PHOTO, replace(PHOTO, id="med_3", alt_text=None)))
    _, stages = await published(world, access, two)
    assert stages == [
        "start",
        *["init", "append", "finalize", "metadata"],
        *["init", "append", "finalize"],
        "post",
    ]
    _, stages = await published(world, access, Draft(ContentKind.VIDEO, "A film", media=(FILM,)))
    assert stages[:6] == ["start", "init", "append", "append", "finalize", "status"]
    assert len(await posts(world)) == 2


async def test_an_upload_goes_on_where_it_was(world: World, account: dict[str, Any]) -> None:
    """The state after each step is all there is to go on from; a segment sent twice is one segment."""
    access = access_of(world, account)
    draft = Draft(ContentKind.VIDEO, "A film", media=(FILM,))
    begun = ok(await PUBLISHING.step(access, job(draft, PublishState("init", {"ids": []}))))
    first = ok(await PUBLISHING.step(access, job(draft, begun)))
    assert first.facts["sent"] == SEGMENT * SEGMENTS_A_STEP
    await world.ask(
        "POST", "/faults", {"platform": "twitter", "path": "append", "kind": "status", "count": 1}
    )
    assert isinstance(await PUBLISHING.step(access, job(draft, first)), RetryAfter)
    again = ok(await PUBLISHING.step(access, job(draft, begun)))
    assert again == first
    last = ok(await PUBLISHING.step(access, job(draft, again)))
    assert last.stage == "finalize" and isinstance(await PUBLISHING.step(access, job(draft, last)), Ok)


async def test_pain_01_a_post_that_may_be_out_is_found_not_repeated(
    world: World, account: dict[str, Any]
) -> None:
    access = access_of(world, account)
    draft = Draft(ContentKind.POST, "Only once https://shop.example/p")
    state = PublishState("post", {"ids": []}, decisive=True)
    await world.ask(
        "POST",
        "/faults",
        {"platform": "twitter", "path": "2/tweets$", "kind": "accepted_timeout", "count": 1},
    )
    assert isinstance(await PUBLISHING.step(access, job(draft, state, timeout_s=0.5)), Unknown)
    found = ok(await PUBLISHING.find(access, job(draft, state)))
    assert found is not None and [found.external_id] == await posts(world)


async def test_a_post_that_is_not_out_is_not_found(world: World, account: dict[str, Any]) -> None:
    access = access_of(world, account)
    draft = Draft(ContentKind.POST, "Never sent")
    state = PublishState("post", {"ids": []}, decisive=True)
    await world.ask(
        "POST", "/faults", {"platform": "twitter", "path": "2/tweets$", "kind": "timeout", "count": 1}
    )
    assert isinstance(await PUBLISHING.step(access, job(draft, state, timeout_s=0.5)), Unknown)
    assert ok(await PUBLISHING.find(access, job(draft, state))) is None


async def test_another_post_is_not_taken_for_it(world: World, account: dict[str, Any]) -> None:
    access = access_of(world, account)
    await published(world, access, Draft(ContentKind.POST, "Nearly the same"))
    for other in ("Nearly the same!", "Nearly"):
        assert ok(await PUBLISHING.find(access, job(Draft(ContentKind.POST, other)))) is None


async def test_refused_and_limited_are_told_apart(world: World, account: dict[str, Any]) -> None:
    access = access_of(world, account)
    state = PublishState("post", {"ids": []}, decisive=True)
    await published(world, access, Draft(ContentKind.POST, "Twice"))
    assert isinstance(await PUBLISHING.step(access, job(Draft(ContentKind.POST, "Twice"), state)), Rejected)
    await world.ask("POST", "/faults", {"platform": "twitter", "kind": "status", "status": 429, "count": 1})
    limited = await PUBLISHING.step(access, job(Draft(ContentKind.POST, "Thrice"), state))
    assert isinstance(limited, RetryAfter) and limited.rate_limited


async def test_deleting_twice_is_deleting(world: World, account: dict[str, Any]) -> None:
    access = access_of(world, account)
    out, _ = await published(world, access, Draft(ContentKind.POST, "Gone soon"))
    assert out.external_id is not None
    for _ in range(2):
        assert ok(await PUBLISHING.delete(access, out.external_id)) is None
    assert isinstance(await PUBLISHING.edit(access, "1", Draft(ContentKind.POST, "x")), Rejected)


# -- before sending -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (Draft(ContentKind.POST, "x" * 281), "text_length"),
        (Draft(ContentKind.POST, "字" * 141), "text_length"),
        (Draft(ContentKind.POST, " "), "text_required"),
        (Draft(ContentKind.LIVE, "x"), "kind"),
        (Draft(ContentKind.PHOTO, "x", media=(PHOTO,) * 5), "files"),
        (Draft(ContentKind.VIDEO, "x", media=(replace(FILM, duration_ms=140_001),)), "duration"),
        (Draft(ContentKind.PHOTO, "x", media=(replace(PHOTO, size=5_000_001),)), "size"),
        (Draft(ContentKind.PHOTO, "x", media=(replace(PHOTO, content_type="image/tiff"),)), "content_type"),
        (Draft(ContentKind.PHOTO, "x", media=(PHOTO, FILM)), "mixed"),
        (Draft(ContentKind.POST, "x", options={"board_id": "1"}), "option_unknown"),
        (Draft(ContentKind.POST, "x", options={"reply_settings": "everyone"}), "option_type"),
        (Draft(ContentKind.POST, "x", options={"reply_settings": []}), "option_type"),
        (Draft(ContentKind.POST, "x", options={"made_with_ai": "yes"}), "option_type"),
        (Draft(ContentKind.POST, "x", options={"quote_tweet_id": "https://x.com/i/status/1"}), "option_type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_x_would_refuse_is_refused_before(draft: Draft, rule: str) -> None:
    assert rule in {refusal.rule for refusal in PUBLISHING.refusals(PUBLISHING.adapt(draft))}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("Bowls", 5),
        ("é", 1),
        ("字", 2),
        ("👩‍👩‍👧", 2),
        ("👍🏽", 2),
        ("see https://shop.example/a/very/long/address?with=parameters", 27),
    ],
)
def test_length_is_counted_as_x_counts(text: str, length: int) -> None:
    assert weighted_length(text) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a.co", 4),  # 23 at X, if it knows `co`: it says so itself
        ("see shop.example.com/a/very/long/path/to/some/bowl?colour=teal now", 4 + 23 + 4),
        ("averyveryverylongnameofashop.example", 23),
        ("@name.averyveryverylongnameofashop", 34),
        ("one.Two", 7),
        ("1.5 or 2.75 and so on...", 24),
    ],
)
def test_what_may_be_a_link_is_not_refused_for_its_letters(text: str, length: int) -> None:
    assert weighted_length(text) == length


@given(st.text(max_size=300))
def test_no_text_weighs_less_than_nothing_or_more_than_its_links_and_letters(text: str) -> None:
    assert 0 <= weighted_length(text) <= 2 * len(text) + 23 * text.count("http")
