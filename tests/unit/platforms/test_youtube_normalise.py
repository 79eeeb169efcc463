"""YouTube's resources as content, its feed as entries, its errors as outcomes; recorded and made up."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import ContentKind, Happening, RemarkKind
from domain.secrets import Secret
from platforms.base import PageQuery, PlatformApp, RawEntry, WebhookRefused
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.youtube import events, live, webhooks
from platforms.youtube.adapter import YouTube
from platforms.youtube.errors import outcome_of, reset_after, token_outcome_of
from platforms.youtube.normalise import (
    chat_message,
    comment,
    content_item,
    duration_ms,
    profile,
    thread_remarks,
    words,
)
from tests.unit.platforms.support import Answers, answer, ok
from tests.unit.platforms.test_wire import VALUES

YT = YouTube()
RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "youtube"
CHANNEL = "UCsbx000000000000000-_01"
VIDEO: dict[str, Any] = {
    "id": "sbxVid-_001",
    "snippet": {
        "publishedAt": "2026-11-01T09:00:05Z",
        "title": "Brot in 20 Minuten #brot",
        "description": "Mit @müller.back und @ada\nhttps://shop.example/p/1, mail a@b.example",
        "thumbnails": {
            "default": {"url": "https://i.example/1.jpg", "width": 120},
            "maxres": {"url": "https://i.example/2.jpg", "width": 1280},
        },
        "liveBroadcastContent": "none",
        "defaultLanguage": "de",
        "defaultAudioLanguage": "en",
    },
    "contentDetails": {"duration": "PT7M31S"},
    "statistics": {"viewCount": "1204", "likeCount": "88"},
}


def changed(**parts: Any) -> dict[str, Any]:
    return VIDEO | {name: {**VIDEO.get(name, {}), **value} for name, value in parts.items()}


# -- videos -------------------------------------------------------------------------------------------


def test_a_video() -> None:
    item = content_item(VIDEO)
    assert item is not None
    assert item.kind is ContentKind.VIDEO
    assert item.text.text.startswith("Brot in 20 Minuten #brot\n\nMit @müller.back")
    assert item.text.hashtags == ("brot",)
    assert item.text.mentions == ("müller.back", "ada")
    assert item.text.links == ("https://shop.example/p/1",)
    assert item.text.language == "de"
    assert (item.engagement.views, item.engagement.likes, item.engagement.comments) == (1204, 88, None)
    assert item.media[0].duration_ms == 451_000
    assert item.media[0].preview_url == "https://i.example/2.jpg"
    assert item.permalink == "https://www.youtube.com/watch?v=sbxVid-_001"
    assert json.loads(item.payload) == VIDEO


SHAPE = {"shortsAspectRatio": {"url": "https://i.example/s.jpg", "width": 720}}
UPRIGHT = {"videoStreams": [{"widthPixels": 1080, "heightPixels": 1920}]}
TURNED = {"videoStreams": [{"widthPixels": 1920, "heightPixels": 1080, "rotation": "clockwise"}]}


@pytest.mark.parametrize(
    ("video", "kind"),
    [
        (changed(snippet={"liveBroadcastContent": "live"}), ContentKind.LIVE),
        (changed(snippet={"liveBroadcastContent": "upcoming"}), ContentKind.LIVE),
        (changed(liveStreamingDetails={"actualEndTime": "2026-11-01T10:00:00Z"}), ContentKind.LIVE),
        (changed(snippet={"thumbnails": SHAPE}), ContentKind.SHORT),
        (changed(fileDetails=UPRIGHT), ContentKind.VIDEO),  # too long
        (changed(fileDetails=UPRIGHT, contentDetails={"duration": "PT3M"}), ContentKind.SHORT),
        (changed(fileDetails=TURNED, contentDetails={"duration": "PT59S"}), ContentKind.SHORT),
        (changed(contentDetails={"duration": "PT59S"}), ContentKind.VIDEO),  # its shape is not known
    ],
)
def test_kinds(video: dict[str, Any], kind: ContentKind) -> None:
    item = content_item(video)
    assert item is not None and item.kind is kind
    assert ("/shorts/" in (item.permalink or "")) is (kind is ContentKind.SHORT)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT7M31S", 451_000),
        ("PT1H", 3_600_000),
        ("P1DT2S", 86_402_000),
        ("PT0S", None),
        ("P0D", None),
        ("P", None),
        ("7:31", None),
        (None, None),
        ("PT9999999999S", None),
    ],
)
def test_durations(text: str | None, ms: int | None) -> None:
    assert duration_ms(text) == ms


def test_handles_are_no_addresses_and_may_be_of_any_script() -> None:
    found = words("@ab @abc @日本語 x@abc.de https://y.example/@nobody @a-b.c·d! #één#two")
    assert found.mentions == ("abc", "日本語", "a-b.c·d")
    assert found.hashtags == ("één", "two")


def test_hidden_counts_are_not_zero() -> None:
    channel: dict[str, object] = {
        "id": CHANNEL,
        "snippet": {"title": "Kiln"},
        "statistics": {"subscriberCount": "0", "hiddenSubscriberCount": True},
    }
    found = profile(channel)
    assert found is not None
    assert (found.username, found.follower_count) == ("Kiln", None)
    assert profile({"id": "17841400000000001"}) is None, "no channel's id"


# -- recorded -----------------------------------------------------------------------------------------


def every_object(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(o for inner in value.values() for o in every_object(inner))]
    return [o for inner in value for o in every_object(inner)] if isinstance(value, list) else []


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded payloads are not part of this repository")
async def test_everything_recorded_is_read() -> None:
    seen: dict[str, int] = {}
    for path in sorted(RECORDED.rglob("*.json")):
        whole = json.loads(path.read_text())
        for row in every_object(whole):
            kind = row.get("kind", "")
            found: Any = None
            if kind == "youtube#video":
                found = content_item(row)
            elif kind == "youtube#channel":
                found = profile(row)
            elif kind == "youtube#comment":
                found = comment(row)
                assert found is None or found.author.external_id
            elif kind == "youtube#commentThread":
                found = list(thread_remarks(row)) or None
                assert found or "topLevelComment" not in row.get("snippet", {})
            else:
                continue
            if found is not None:
                seen[kind] = seen.get(kind, 0) + 1
        outcome = outcome_of(answer(200, whole), "videos")
        if "error" in path.name:
            assert isinstance(outcome, Rejected | RetryAfter), path
        else:
            assert isinstance(outcome, Ok), path
        page = await YT.list_page(
            Answers(answer(200, whole)), Secret("t"), CHANNEL, PageQuery(YT.spec.sources[1])
        )
        assert not isinstance(page, ReauthRequired | Unknown), path
    assert set(seen) == {
        "youtube#video",
        "youtube#channel",
        "youtube#comment",
        "youtube#commentThread",
    }
    assert min(seen.values()) > 3, seen


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded payloads are not part of this repository")
async def test_recorded_videos_and_tokens_through_the_adapter() -> None:
    videos = (RECORDED / "apidata/videos/videos_info_multi.json").read_bytes()
    ids = [row["id"] for row in json.loads(videos)["items"]]
    read = ok(await YT.read_items(Answers(answer(200, videos)), Secret("t"), CHANNEL, [*ids, "gone1234567"]))
    assert [item.external_id for item in read.items] == ids
    assert read.gone == {"gone1234567"}
    assert all(item.published_at and item.text.text and item.media[0].preview_url for item in read.items)
    token = (RECORDED / "apidata/access_token.json").read_bytes()
    app = PlatformApp("a", "youtube", "c", Secret("s"), ())
    grant = ok(await YT.exchange(Answers(answer(200, token)), app, "code", "https://r", "v"))
    assert grant.expires_in_s == 3599 and "https://www.googleapis.com/auth/youtube" in grant.scopes


# -- anything -----------------------------------------------------------------------------------------

PARTS = st.dictionaries(
    st.sampled_from(["id", "snippet", "statistics", "contentDetails", "status", "fileDetails", "replies"]),
    VALUES
    | st.dictionaries(
        st.sampled_from(
            ["title", "thumbnails", "videoStreams", "viewCount", "duration", "topLevelComment", "comments"]
        ),
        VALUES,
    ),
)


@settings(deadline=None)
@given(PARTS | st.fixed_dictionaries({"id": st.text(min_size=1)}, optional={"snippet": VALUES}))
def test_no_resource_raises(row: dict[str, Any]) -> None:
    content_item(row)
    profile(row)
    comment(row)
    chat_message(row)
    list(thread_remarks(row))
    live.broadcast(row)


# -- errors -------------------------------------------------------------------------------------------


def google(status: int, reason: str, message: str = "secret words", domain: str = "x") -> dict[str, Any]:
    return {
        "error": {
            "code": status,
            "message": message,
            "errors": [{"message": message, "domain": domain, "reason": reason}],
        }
    }


PER_DAY = "Quota exceeded for quota metric '{0}' and limit '{0} per day' of service 'youtube.googleapis.com'"
DENIED = google(403, "SERVICE_UNAVAILABLE")
DENIED["error"]["status"] = "PERMISSION_DENIED"
SCOPE = {
    "error": {
        "code": 403,
        "errors": [{"reason": "forbidden"}],
        "status": "PERMISSION_DENIED",
        "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}],
    }
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, {"items": []}, Ok, ""),
        (200, b"<html>", RetryAfter, "http_200"),
        (200, b'{"items":', RetryAfter, "http_200"),
        (204, b"", Ok, ""),
        (301, b"", Rejected, "redirect"),
        (400, google(400, "invalidPageToken"), Rejected, "invalidPageToken"),
        (400, google(400, "uploadLimitExceeded"), Rejected, "uploadLimitExceeded"),
        (400, {"error": "error message"}, Rejected, "error message"),
        (401, google(401, "authError"), ReauthRequired, "token_refused"),
        (401, google(401, "somethingNew"), ReauthRequired, "token_refused"),
        (401, google(401, "youtubeSignupRequired"), Rejected, "youtubeSignupRequired"),
        (401, b"<html>", RetryAfter, "http_401"),
        (403, SCOPE, Rejected, "insufficientPermissions"),
        (403, DENIED, Rejected, "forbidden"),
        (503, google(503, "SERVICE_UNAVAILABLE"), RetryAfter, "platform_fault"),
        (403, google(403, "insufficientPermissions"), Rejected, "insufficientPermissions"),
        (403, google(403, "forbidden"), Rejected, "forbidden"),
        (403, google(403, "authenticatedUserAccountSuspended"), ReauthRequired, "account_suspended"),
        (403, google(403, "quotaExceeded"), RetryAfter, "daily_quota"),
        (403, google(403, "dailyLimitExceeded"), RetryAfter, "daily_quota"),
        (403, google(403, "rateLimitExceeded"), RetryAfter, "rate_limit"),
        (429, google(429, "rateLimitExceeded"), RetryAfter, "rate_limit"),
        (429, google(429, "rateLimitExceeded", PER_DAY.format("Search Queries")), RetryAfter, "daily_quota"),
        (429, b"<html>", RetryAfter, "rate_limit"),
        (404, google(404, "videoNotFound"), Rejected, "videoNotFound"),
        (409, google(409, "conflict"), RetryAfter, "platform_fault"),
        (500, google(500, "backendError"), RetryAfter, "platform_fault"),
        (503, {}, RetryAfter, "http_503"),
        (502, b"", RetryAfter, "http_502"),
    ],
)
def test_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = outcome_of(answer(status, body), "videos")
    assert type(outcome) is kind, outcome
    shown = getattr(outcome, "code", None) or getattr(outcome, "reason", "")
    assert shown == says
    assert "secret words" not in repr(outcome)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_fault_after_a_once_only_call_is_unknown(status: int) -> None:
    for body in (google(status, "backendError"), b"<html>", b""):
        assert outcome_of(answer(status, body), "live", once="made?") == Unknown("made?")
    assert isinstance(outcome_of(answer(503, b""), "live", once="made?"), RetryAfter)
    assert isinstance(outcome_of(answer(403, google(403, "quotaExceeded")), "live", once="x"), RetryAfter)


def test_a_day_ends_at_midnight_pacific_by_google_s_clock() -> None:
    at = {"date": "Sun, 22 Nov 2026 06:30:00 GMT"}
    outcome = outcome_of(answer(403, google(403, "quotaExceeded"), at), "videos")
    assert isinstance(outcome, RetryAfter)
    assert (outcome.seconds, outcome.scope, outcome.family) == (5400.0, LimitScope.APP, "units")
    upload = outcome_of(
        answer(429, google(429, "rateLimitExceeded", PER_DAY.format("Video Uploads")), at), "videos"
    )
    assert isinstance(upload, RetryAfter) and upload.family == "video_uploads"
    paced = outcome_of(answer(429, google(429, "rateLimitExceeded"), {"retry-after": "7"}), "videos")
    assert isinstance(paced, RetryAfter) and paced.seconds == 7.0


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (datetime(2026, 11, 22, 7, 59, tzinfo=UTC), datetime(2026, 11, 22, 8, tzinfo=UTC)),
        (datetime(2026, 11, 22, 8, 0, tzinfo=UTC), datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (datetime(2026, 7, 1, 6, 0, tzinfo=UTC), datetime(2026, 7, 1, 7, tzinfo=UTC)),
        # The days on which the clocks change last 23 and 25 hours.
        (datetime(2026, 3, 8, 9, 0, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC)),
        (datetime(2026, 11, 1, 8, 0, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC)),
    ],
)
def test_resets(now: datetime, reset: datetime) -> None:
    assert reset_after(now) == reset


@pytest.mark.parametrize(
    ("status", "name", "refreshing", "outcome"),
    [
        (400, "invalid_grant", True, ReauthRequired("refresh_token_invalid")),
        (400, "invalid_grant", False, "refresh_token_invalid"),
        (401, "invalid_client", True, "invalid_client"),
        (400, "admin_policy_enforced", True, ReauthRequired("admin_policy")),
        (400, "unheard_of", True, "unheard_of"),
    ],
)
def test_token_endpoints(status: int, name: str, refreshing: bool, outcome: object) -> None:
    found = token_outcome_of(answer(status, {"error": name, "error_description": "x"}), refreshing=refreshing)
    if isinstance(outcome, ReauthRequired):
        assert found == outcome
    else:
        assert isinstance(found, Rejected) and found.code == outcome


# -- push ---------------------------------------------------------------------------------------------

FEED = """<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">
<link rel="self" href="https://www.youtube.com/xml/feeds/videos.xml?channel_id={channel}"/>
<entry><id>yt:video:sbxVid00001</id><yt:videoId>sbxVid00001</yt:videoId><yt:channelId>{channel}</yt:channelId>
<title>Bread &amp; more</title><published>2026-11-01T09:00:05+00:00</published>
<updated>{updated}</updated></entry></feed>"""
TOMB = """<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
<at:deleted-entry ref="yt:video:sbxVid00001" when="2026-11-03T12:00:00+00:00">
<at:by><name>K</name><uri>https://www.youtube.com/channel/{channel}</uri></at:by></at:deleted-entry></feed>"""
FRESH, LATER = "2026-11-01T09:02:11.552394234+00:00", "2026-11-05T09:02:11.552394234+00:00"


@pytest.mark.parametrize(
    ("body", "what", "at"),
    [
        (FEED.format(channel=CHANNEL, updated=FRESH), Happening.CONTENT_CREATED, "2026-11-01T09:02:11.552"),
        (FEED.format(channel=CHANNEL, updated=LATER), Happening.CONTENT_EDITED, "2026-11-05T09:02:11.552"),
        (TOMB.format(channel=CHANNEL), Happening.CONTENT_EDITED, "2026-11-03T12:00:00"),
    ],
)
def test_entries(body: str, what: Happening, at: str) -> None:
    (entry,) = webhooks.split(body.encode())
    event = events.parse(entry)
    assert (event.external_id, event.what, event.content_id) == (CHANNEL, what, "sbxVid00001")
    assert event.occurred_at == datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert event.content is None
    (again,) = webhooks.split(body.replace("Bread", "Bread").encode())
    assert again.event_id == entry.event_id


def test_another_version_is_another_event() -> None:
    ids = {
        webhooks.split(FEED.format(channel=CHANNEL, updated=updated).encode())[0].event_id
        for updated in (FRESH, LATER)
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<feed",
        b"<rss/>",
        b'<?xml version="1.0" encoding="no-such"?><feed/>',
        b'<!DOCTYPE feed [<!ENTITY a "b">]><feed xmlns="http://www.w3.org/2005/Atom">&a;</feed>',
        b'<!DOCTYPE f SYSTEM "file:///etc/passwd"><feed xmlns="http://www.w3.org/2005/Atom"/>',
    ],
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        webhooks.split(body)


def test_entries_without_a_channel_are_passed_over() -> None:
    assert webhooks.split(FEED.format(channel="17841400000000001", updated=FRESH).encode()) == []
    assert webhooks.split(TOMB.format(channel="../../etc").encode()) == []


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda t: FEED.format(channel=CHANNEL, updated=t).encode()))
def test_any_body_is_cut_or_refused(body: bytes) -> None:
    try:
        entries = webhooks.split(body)
    except WebhookRefused:
        return
    for entry in entries:
        events.parse(entry)


@given(st.binary())
def test_any_entry_is_an_event(raw: bytes) -> None:
    events.parse(RawEntry(CHANNEL, "e", raw))


def app(*secrets: str) -> PlatformApp:
    return PlatformApp("a", "youtube", "c", Secret("s"), tuple(Secret(s) for s in secrets))


def test_signatures_of_any_method_that_websub_names() -> None:
    body = b"<feed/>"
    for method in ("sha1", "sha256", "sha384", "sha512"):
        mark = f"{method}={hmac.new(b'new', body, method).hexdigest()}"
        assert webhooks.verify(app("old", "new"), {"x-hub-signature": mark}, body)
        assert not webhooks.verify(app("old"), {"x-hub-signature": mark}, body)
    plain = f"md5={hashlib.md5(body).hexdigest()}"
    for odd in ("", "sha1", "sha1=", "sha1=zz", plain, "sha1=é"):
        assert not webhooks.verify(app("new"), {"x-hub-signature": odd}, body)
    assert not webhooks.verify(app("new"), {}, body)


async def test_the_challenge_is_answered_for_what_was_asked_for_only() -> None:
    sent = Answers(answer(202, b""))
    ok(await YT.subscribe(sent, app("w"), Secret("t"), CHANNEL, "https://us.example/webhooks/youtube/a"))
    form = sent.asked[0].form or {}
    topic, callback = str(form["hub.topic"]), str(form["hub.callback"])
    assert topic.endswith(f"?channel_id={CHANNEL}")
    proof = callback.partition("?proof=")[2]
    query = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": "c1", "proof": proof}
    shake = YT.handshake(app("w"), query)
    assert shake is not None and (shake.status, shake.body) == (200, b"c1")
    rotated = YT.handshake(app("newer", "w"), query)
    assert rotated is not None and rotated.status == 200
    for change in (
        {"proof": "0" * 32},
        {"proof": "é"},
        {"hub.topic": topic.replace("UC", "UD")},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": "denied"},
        {"hub.challenge": ""},
        {"hub.challenge": "a\nb"},
    ):
        refused = YT.handshake(app("w"), query | change)
        assert refused is not None and refused.status == 404 and refused.body == b""
    assert YT.handshake(app("w"), {"x": "1"}) is None
    for secrets in ((), ("",), ("x" * 200,)):
        outcome = await YT.subscribe(Answers(), app(*secrets), Secret("t"), CHANNEL, "https://us.example")
        assert isinstance(outcome, Rejected)


# -- chat ---------------------------------------------------------------------------------------------


def test_a_chat_message_is_a_remark() -> None:
    row: dict[str, object] = {
        "id": "LCC.1",
        "snippet": {
            "type": "textMessageEvent",
            "publishedAt": "2026-11-20T18:00:01.2Z",
            "hasDisplayContent": True,
            "displayMessage": "hi @ada",
        },
        "authorDetails": {"channelId": CHANNEL, "displayName": "ada"},
    }
    found = chat_message(row)
    assert found is not None
    assert (found.kind, found.author.external_id, found.author.name) == (RemarkKind.MESSAGE, CHANNEL, "ada")
    assert found.at == datetime(2026, 11, 20, 18, 0, 1, 200_000, UTC)
    assert found.text.mentions == ("ada",)
