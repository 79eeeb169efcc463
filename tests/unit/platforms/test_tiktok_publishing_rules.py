"""Publishing at TikTok without the sandbox: what is refused before it is sent, and made-up answers."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from domain.content import ContentKind
from domain.publishing import Draft, PublishState
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import Broken, NotSent
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.tiktok import rules
from tests.unit.platforms.support import Answers, answer, app_of, ok
from tests.unit.platforms.test_tiktok_publishing import PUBLISHING, Files, film, job_of, photos


# -- drafts -------------------------------------------------------------------------------------------
def test_a_cross_posted_draft_is_adapted_without_losing_a_word() -> None:
    reel = replace(film(1), kind=ContentKind.REEL, title="New", text="Mug", link="https://kiln.example/1")
    adapted = PUBLISHING.adapt(reel)
    assert (adapted.kind, adapted.text) == (ContentKind.VIDEO, "New\nMug\nhttps://kiln.example/1")
    assert (adapted.title, adapted.link) == (None, None)
    album = PUBLISHING.adapt(photos(2, link="https://kiln.example/1"))
    assert (album.title, album.text) == ("Glazes", "Two new glazes #Glasur\nhttps://kiln.example/1")
    for draft in (adapted, album):
        assert PUBLISHING.adapt(draft) == draft
        assert PUBLISHING.refusals(draft) == []


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (film(1, "x" * 2201), "text_length"),
        (film(1, "😀" * 1101), "text_length"),
        (film(4_000_000_001), "size"),
        (replace(film(1), kind=ContentKind.STORY), "kind"),
        (replace(film(1), reply_to="1"), "reply"),
        (photos(36), "files"),
        (replace(photos(), title="x" * 91), "title_length"),
        (film(1, options={"board": "1"}), "option_unknown"),
        (film(1, options={"is_aigc": "yes"}), "option_type"),
        (film(1, options={"privacy_level": "EVERYBODY"}), "privacy_level"),
        (film(1, options={"video_cover_timestamp_ms": -1}), "option_type"),
        (photos(2, options={"photo_cover_index": 2}), "photo_cover_index"),
        (replace(film(1), media=(replace(film(1).media[0], codec="av1"),)), "codec"),
        (replace(film(1), media=(replace(film(1).media[0], duration_ms=600_001),)), "duration"),
        (replace(film(1), media=(replace(film(1).media[0], frames_per_s=120.0),)), "frame_rate"),
        (replace(photos(1), media=(replace(photos(1).media[0], content_type="image/png"),)), "content_type"),
    ],
)
def test_what_is_refused_before_anything_is_sent(draft: Draft, rule: str) -> None:
    assert rule in [refusal.rule for refusal in PUBLISHING.refusals(draft)]


@pytest.mark.parametrize("size", [1, 4_999_999, 6_000_000, 11_999_999, 12_000_000, 50_000_123, 4 * 10**9])
def test_chunks_keep_to_tiktoks_rules(size: int) -> None:
    """TD/content-posting-api-media-transfer-guide, whether a MB is decimal or binary."""
    chunk, count = rules.chunk_of(size)
    assert count == max(1, size // chunk)
    assert 1 <= count <= 1000
    last = size - chunk * (count - 1)
    assert last <= 128_000_000
    assert chunk == size if size < 5 * 2**20 else 5 * 2**20 <= chunk <= 64_000_000
    # The sandbox takes a request of at most 16 MiB.
    assert max(chunk, last) < 16 * 2**20


# -- answers made up ----------------------------------------------------------------------------------
def state(stage: str, **facts: Any) -> PublishState:
    return PublishState(
        stage, facts, sealed="https://open-upload.tiktokapis.com/video/?upload_id=1&upload_token=t"
    )


def told(status: str, **more: Any) -> dict[str, Any]:
    return {"data": {"status": status, **more}, "error": {"code": "ok", "message": "", "log_id": "x"}}


async def stepped(job_state: PublishState, *results: Any, size: int = 1000) -> Outcome[Any]:
    http = Answers(*results)
    access = Access(http, app_of(APP), Secret("t"), "-000a")
    return await PUBLISHING.step(access, replace(job_of(film(size)), state=job_state))


APP = {
    "platform": "tiktok",
    "app": {"id": "a", "client_id": "c", "client_secret": "s", "webhook_secret": "s"},
}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("internal", PublishState("start", {"anew": 1}, wait_s=30.0)),
        ("video_pull_failed", PublishState("start", {"anew": 1}, wait_s=30.0)),
        ("spam_risk_too_many_posts", PublishState("start", {"anew": 1}, wait_s=3600.0)),
        ("auth_removed", ReauthRequired("access_revoked")),
        ("duration_check_failed", Rejected),
        ("spam_risk_text", Rejected),
        ("something new", Rejected),
    ],
)
async def test_reasons_of_failure(reason: str, expected: object) -> None:
    outcome = await stepped(state("status", publish_id="p"), answer(200, told("FAILED", fail_reason=reason)))
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert (outcome.value if isinstance(outcome, Ok) else outcome) == expected


@pytest.mark.parametrize(
    ("result", "last", "stage"),
    [
        (answer(201), True, "status"),
        (answer(206), False, "upload"),
        (answer(416), False, "status"),
        (answer(403), False, "status"),
        (answer(404), True, "status"),
        (answer(400), True, Rejected),
        (answer(500), False, RetryAfter),
        (answer(500), True, "status"),
        (answer(503), True, RetryAfter),
        (answer(429), True, RetryAfter),
        (NotSent("x"), True, RetryAfter),
        (Broken("x"), False, RetryAfter),
        (Broken("x"), True, "status"),
    ],
)
async def test_answers_to_a_chunk(result: Any, last: bool, stage: Any) -> None:
    size = 1000 if last else 12_000_000
    outcome = await stepped(state("upload", publish_id="p", offset=0), result, size=size)
    if isinstance(stage, str):
        assert ok(outcome).stage == stage
    else:
        assert isinstance(outcome, stage)


async def test_a_publication_is_asked_about_ever_more_seldom() -> None:
    now, waits = state("status", publish_id="p", uploaded=True), []
    for result in [answer(200, told("PROCESSING_UPLOAD"))] * 6 + [answer(429), answer(503, b"")]:
        now = ok(await stepped(now, result))
        waits.append(now.wait_s)
    assert waits[:6] == [5, 5, 5, 10, 20, 40]
    assert waits[6] >= 60 and waits[7] >= 30, "a limit is no reason to think that it did not happen"
    for _ in range(20):
        now = ok(await stepped(now, answer(200, told("PROCESSING_UPLOAD"))))
    assert now.wait_s == 3600


async def test_an_upload_that_is_refused_for_ever_ends() -> None:
    stuck = state("status", publish_id="p", offset=0, rounds=9)
    outcome = await stepped(stuck, answer(200, told("PROCESSING_UPLOAD", uploaded_bytes=0)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "upload_stuck"


async def test_an_upload_address_elsewhere_is_not_used() -> None:
    body = {"data": {"publish_id": "p", "upload_url": "https://evil.example/video/"}, "error": {"code": "ok"}}
    outcome = await stepped(PublishState("init"), answer(200, body))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "no_upload"


async def test_ids_beyond_53_bits_survive() -> None:
    body = told("PUBLISH_COMPLETE", publicaly_available_post_id=[7400000000000000012])
    raw = json.dumps(body).encode()
    outcome = await stepped(state("status", publish_id="p", username="shop"), answer(200, raw))
    assert ok(outcome).external_id == "7400000000000000012"


def test_the_films_of_these_tests_are_what_they_say() -> None:
    assert len(Files(12_000_004).all()) == 12_000_004
    assert hashlib.sha256(Files(1000).all()).hexdigest() != hashlib.sha256(Files(999).all()).hexdigest()
