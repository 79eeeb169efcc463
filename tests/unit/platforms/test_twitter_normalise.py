"""X's posts and users: recorded payloads, both dialects, offsets, edits, and values nobody expects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import ContentKind, Engagement, MediaKind, RemarkKind
from platforms.twitter import legacy
from platforms.twitter.normalise import Includes, content_item, is_outdated, post_text, profile, remark
from platforms.wire import INT64_MAX, decode, mapping
from tests.unit.platforms.test_wire import VALUES

RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "twitter"
NOTHING = Includes({}, {}, {})


def item_of(post: dict[str, Any], **includes: Any) -> Any:
    return content_item(post, Includes.of({"includes": includes}))


# -- recorded -----------------------------------------------------------------------------------------
def recorded() -> list[Path]:
    return sorted(RECORDED.rglob("*.json"))


def objects_in(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from objects_in(child)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the project")
def test_all_recorded_payloads_pass() -> None:
    posts = users = media = mentions = 0
    assert len(recorded()) > 60
    for path in recorded():
        document = decode(path.read_bytes())
        includes = Includes.of(mapping(document))
        for found in objects_in(document):
            item, words, who = content_item(found, includes), remark(found, includes), profile(found)
            if who is not None:
                users += 1
                assert who.username == found["username"]
            if item is None or "text" not in found:
                continue
            assert words is not None
            posts += 1
            assert item.external_id == found["id"]
            assert item.text.text
            assert (item.published_at is not None) == ("created_at" in found)
            media += len(item.media)
            mentions += len(item.text.mentions)
            again = mapping(decode(item.payload))
            assert content_item(mapping(again, "data"), Includes.of(again)) == item, "the payload is enough"
    assert posts > 60
    assert users > 20
    assert media > 0
    assert mentions > 0


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the project")
def test_no_recorded_text_shows_html_to_people() -> None:
    written = 0
    for path in recorded():
        for found in objects_in(decode(path.read_bytes())):
            item = content_item(found, NOTHING)
            if item is not None and "&amp;" in str(found.get("text")):
                written += 1
                assert "&amp;" not in item.text.text and "&" in item.text.text
    assert written > 3


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the project")
def test_a_recorded_post_in_full() -> None:
    post = mapping(decode((RECORDED / "models" / "tweet.json").read_bytes()))
    item = content_item(post, NOTHING)
    assert item is not None
    assert item.text.text.startswith("We believe the best future version")
    assert item.text.text.endswith("continue working with you in the new year."), "the picture's link is cut"
    assert item.text.links == ()
    assert item.text.language == "en"
    assert item.engagement == Engagement(likes=40, comments=2, shares=9)
    assert item.kind is ContentKind.VIDEO
    assert [m.kind for m in item.media] == [MediaKind.GIF], "told by the media key"
    words = remark(post, NOTHING)
    assert words is not None
    assert (words.kind, words.content_id) == (RemarkKind.COMMENT, "1212092627178287104")


# -- the two dialects -----------------------------------------------------------------------------------
LEGACY = {
    "id": "11",
    "text": "cut off…",
    "author_id": "7",
    "conversation_id": "5",
    "created_at": "2026-11-20T09:00:00.000Z",
    "edit_history_tweet_ids": ["10", "11"],
    "referenced_tweets": [{"type": "replied_to", "id": "6"}],
    "note_tweet": {
        "text": "the whole #Ton",
        "entities": {"hashtags": [{"start": 10, "end": 14, "tag": "Ton"}]},
    },
    "public_metrics": {"retweet_count": 3, "reply_count": 2, "like_count": 31, "quote_count": 1},
}
CURRENT = {
    **{k: LEGACY[k] for k in ("id", "text", "author_id", "conversation_id", "created_at")},
    "edit_history_post_ids": ["10", "11"],
    "referenced_posts": [{"type": "replied_to", "id": "6"}],
    "note_post": LEGACY["note_tweet"],
    "public_metrics": {"repost_count": 3, "reply_count": 2, "like_count": 31, "quote_count": 1},
}


@pytest.mark.parametrize("post", [LEGACY, CURRENT], ids=["legacy", "current"])
def test_both_dialects_say_the_same(post: dict[str, Any]) -> None:
    item, words = item_of(post), remark(post, NOTHING)
    assert (item.external_id, item.replaces) == ("11", ("10",))
    assert item.edited_at is not None
    assert item.text.text == "the whole #Ton"
    assert item.text.hashtags == ("Ton",)
    assert item.engagement == Engagement(likes=31, comments=2, shares=4)
    assert words is not None
    assert (words.external_id, words.content_id, words.parent_id) == ("10", "5", "6")
    assert not is_outdated(post)
    assert is_outdated({**post, "id": "10"})
    assert item_of({**post, "id": "10"}).external_id == "11"


# -- text -----------------------------------------------------------------------------------------------
def test_offsets_count_code_points() -> None:
    words = "😀 #Töpfe @kiln_co 👩‍🍳 #陶器 https://t.co/a https://t.co/m"

    def span(part: str) -> dict[str, Any]:
        return {"start": words.index(part), "end": words.index(part) + len(part)}

    entities = {
        "hashtags": [span("#陶器"), {**span("#Töpfe"), "tag": "To\u0308pfe"}],
        "mentions": [span("@kiln_co")],
        "urls": [
            {
                **span("https://t.co/a"),
                "url": "https://t.co/a",
                "expanded_url": "https://kiln.example/r/X1",
                "unwound_url": "https://elsewhere.example",
            },
            {
                **span("https://t.co/m"),
                "url": "https://t.co/m",
                "display_url": "pic.x.com/m",
                "expanded_url": "https://x.com/kiln/status/1/photo/1",
                "media_key": "3_1",
            },
        ],
    }
    text = post_text({"text": words, "entities": entities, "lang": "und"})
    assert text.hashtags == ("Töpfe", "陶器"), "in order of appearance, composed"
    assert text.mentions == ("kiln_co",)
    assert text.links == ("https://kiln.example/r/X1",)
    assert text.text == words.removesuffix(" https://t.co/m")
    assert text.language is None


def test_text_that_no_store_could_keep() -> None:
    item = item_of({"id": "1", "text": "a\0b \ud800 e\u0301", "entities": {"hashtags": [{"tag": "x\ud800"}]}})
    assert item.text.text == "ab \ufffd é"
    assert item.text.hashtags == ("x\ufffd",)
    assert b"\\ud800" in item.payload
    assert b"\\u0000" in item.payload


# -- media, kinds, numbers --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("types", "kind"),
    [
        ([], ContentKind.POST),
        (["photo"], ContentKind.PHOTO),
        (["video"], ContentKind.VIDEO),
        (["animated_gif"], ContentKind.VIDEO),
        (["photo", "video"], ContentKind.CAROUSEL),
        (["hologram"], ContentKind.UNKNOWN),
    ],
)
def test_kinds(types: list[str], kind: ContentKind) -> None:
    media = [{"media_key": f"k_{n}", "type": t} for n, t in enumerate(types)]
    keys = [m["media_key"] for m in media]
    item = item_of({"id": "1", "text": "x", "attachments": {"media_keys": keys}}, media=media)
    assert item.kind is kind
    assert [m.platform_id for m in item.media] == keys


def test_a_video_is_its_best_file() -> None:
    variants = [
        {"content_type": "application/x-mpegURL", "url": "https://v/list.m3u8"},
        {"content_type": "video/mp4", "bit_rate": 256_000, "url": "https://v/small.mp4"},
        {"content_type": "video/mp4", "bit_rate": 2_176_000, "url": "https://v/big.mp4"},
    ]
    medium = {
        "media_key": "7_1",
        "type": "video",
        "variants": variants,
        "duration_ms": 9_000,
        "preview_image_url": "https://v/p.jpg",
        "alt_text": "Kiln",
        "width": 1280,
        "height": 720,
    }
    (found,) = item_of({"id": "1", "attachments": {"media_keys": ["7_1"]}}, media=[medium]).media
    assert (found.kind, found.url, found.preview_url) == (
        MediaKind.VIDEO,
        "https://v/big.mp4",
        "https://v/p.jpg",
    )
    assert (found.duration_ms, found.alt_text, found.width, found.height) == (9_000, "Kiln", 1280, 720)


def test_absent_numbers_are_not_zero_and_large_ones_fit() -> None:
    assert item_of({"id": "1"}).engagement == Engagement()
    metrics = {"like_count": 2**70, "impression_count": 2**63, "retweet_count": 2**63, "quote_count": 5}
    engagement = item_of({"id": str(2**80), "public_metrics": metrics}).engagement
    assert (engagement.likes, engagement.views, engagement.shares) == (INT64_MAX,) * 3
    clicks = item_of({"id": "1", "non_public_metrics": {"url_link_clicks": 4}}).engagement
    assert clicks == Engagement(click_throughs=4)


def test_a_repost_does_not_claim_the_originals_numbers() -> None:
    post = {
        "id": "1",
        "referenced_tweets": [{"type": "retweeted", "id": "2"}],
        "public_metrics": {"retweet_count": 9},
    }
    assert item_of(post).engagement == Engagement()


@pytest.mark.parametrize(
    ("references", "kind", "content_id"),
    [
        ([], RemarkKind.MENTION, None),
        ([("quoted", "5")], RemarkKind.QUOTE, "5"),
        ([("replied_to", "6")], RemarkKind.COMMENT, "root"),
        ([("quoted", "5"), ("replied_to", "6")], RemarkKind.COMMENT, "root"),
    ],
)
def test_remark_kinds(references: list[tuple[str, str]], kind: RemarkKind, content_id: str | None) -> None:
    rows = [{"type": t, "id": i} for t, i in references]
    words = remark({"id": "1", "conversation_id": "root", "referenced_tweets": rows}, NOTHING)
    assert words is not None
    assert (words.kind, words.content_id) == (kind, content_id)


@pytest.mark.parametrize(
    "post", [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": []}, {"id": "1\0"}, {"id": "x" * 200}]
)
def test_what_has_no_usable_id_is_passed_over(post: dict[str, Any]) -> None:
    assert item_of(post) is None
    assert remark(post, NOTHING) is None


def test_a_v1_status_becomes_a_post() -> None:
    status = {
        "id": 2**53 + 1,
        "id_str": str(2**53 + 1),
        "created_at": "Fri Nov 20 10:05:00 +0000 2026",
        "text": "short…",
        "truncated": True,
        "lang": "de",
        "favorite_count": 4,
        "retweet_count": 2,
        "user": {"id_str": "7", "screen_name": "ana", "name": "Ana"},
        "in_reply_to_status_id_str": "5",
        "extended_tweet": {
            "full_text": "long #Ton https://t.co/a",
            "entities": {
                "hashtags": [{"text": "Ton", "indices": [5, 9]}],
                "urls": [{"url": "https://t.co/a", "expanded_url": "https://k.example", "indices": [10, 24]}],
            },
            "extended_entities": {
                "media": [
                    {
                        "id_str": "9",
                        "type": "video",
                        "media_url_https": "https://p.jpg",
                        "video_info": {
                            "duration_millis": 5,
                            "variants": [{"content_type": "video/mp4", "bitrate": 1, "url": "https://v.mp4"}],
                        },
                    }
                ]
            },
        },
    }
    document = legacy.document_of(status)
    post, found = mapping(document, "data"), Includes.of(document)
    item, words = content_item(post, found), remark(post, found)
    assert item is not None
    assert item.external_id == str(2**53 + 1)
    assert (item.text.text, item.text.hashtags) == ("long #Ton https://t.co/a", ("Ton",))
    assert item.text.links == ("https://k.example",)
    assert item.published_at is not None
    assert item.published_at.isoformat() == "2026-11-20T10:05:00+00:00"
    assert item.engagement == Engagement(likes=4, shares=2)
    (video,) = item.media
    assert (video.kind, video.url, video.duration_ms) == (MediaKind.VIDEO, "https://v.mp4", 5)
    assert words is not None
    assert (words.author.username, words.content_id) == ("ana", "5")


def test_a_profile() -> None:
    user = {
        "id": "7",
        "username": "kiln",
        "name": "K\0iln",
        "verified": True,
        "description": "b",
        "public_metrics": {"followers_count": 12},
        "profile_image_url": "https://i",
    }
    found = profile(user)
    assert found is not None
    assert (found.display_name, found.follower_count, found.is_verified) == ("Kiln", 12, True)
    assert profile({"id": "7"}) is None
    assert profile({"id": "../x", "username": "a"}) is None, "ids become parts of names"


# -- anything ----------------------------------------------------------------------------------------
_NAMES = """
id text entities hashtags urls start end tag note_post public_metrics like_count attachments
media_keys referenced_posts type edit_history_tweet_ids created_at author_id lang username user
indices
"""
KEYS = st.sampled_from(_NAMES.split())
WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["1", "quoted", "retweeted"]),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=6),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(KEYS, WILD, max_size=12),
    st.dictionaries(st.sampled_from(["users", "media", "posts"]), WILD | VALUES),
)
def test_the_normaliser_takes_any_value(post: dict[str, Any], includes: dict[str, Any]) -> None:
    post, includes = json.loads(json.dumps(post)), json.loads(json.dumps(includes, allow_nan=True))
    found = Includes.of({"includes": includes})
    item, words = content_item(post, found), remark(post, found)
    profile(post)
    is_outdated(post)
    document = legacy.document_of(post)
    content_item(mapping(document, "data"), Includes.of(document))
    if item is not None and words is not None:
        for part in (item.text.text, *item.text.hashtags, *item.text.links, words.text.text):
            part.encode()
            assert "\0" not in part
        assert mapping(decode(item.payload), "data") == post
