"""Instagram's media, comments and accounts; the rules for hashtags, mentions and links in captions."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import ContentKind, Engagement, MediaKind
from platforms.instagram.normalise import content_item, profile
from platforms.meta.captions import caption_text
from platforms.wire import decode
from tests.unit.platforms.test_wire import VALUES

ALBUM = {
    "id": "18010000000000001",
    "caption": "Three new glazes #Glasur @ana.r",
    "media_type": "CAROUSEL_ALBUM",
    "media_product_type": "FEED",
    "media_url": "https://scontent.example/a.jpg",
    "permalink": "https://www.instagram.com/p/DExample01/",
    "timestamp": "2026-11-03T09:15:22+0000",
    "like_count": 211,
    "comments_count": 2,
    "children": {
        "data": [
            {"id": "2", "media_type": "IMAGE", "media_url": "https://scontent.example/a.jpg"},
            {
                "id": "3",
                "media_type": "VIDEO",
                "media_url": "https://scontent.example/b.mp4",
                "thumbnail_url": "https://scontent.example/b.jpg",
            },
        ]
    },
}


def test_an_album() -> None:
    item = content_item(ALBUM)
    assert item is not None
    assert item.kind is ContentKind.CAROUSEL
    assert [(m.kind, m.platform_id) for m in item.media] == [(MediaKind.IMAGE, "2"), (MediaKind.VIDEO, "3")]
    assert item.media[1].preview_url == "https://scontent.example/b.jpg"
    assert (item.text.hashtags, item.text.mentions) == (("Glasur",), ("ana.r",))
    assert item.engagement == Engagement(likes=211, comments=2)
    assert item.published_at is not None
    assert item.published_at.isoformat() == "2026-11-03T09:15:22+00:00"
    assert decode(item.payload) == ALBUM


@pytest.mark.parametrize(
    ("media_type", "product", "kind"),
    [
        ("IMAGE", "FEED", ContentKind.PHOTO),
        ("IMAGE", None, ContentKind.PHOTO),
        ("VIDEO", "FEED", ContentKind.VIDEO),
        ("VIDEO", "REELS", ContentKind.REEL),
        ("IMAGE", "STORY", ContentKind.STORY),
        ("VIDEO", "STORY", ContentKind.STORY),
        ("CAROUSEL_ALBUM", "FEED", ContentKind.CAROUSEL),
        ("HOLOGRAM", "FEED", ContentKind.UNKNOWN),
        (7, None, ContentKind.UNKNOWN),
    ],
)
def test_kinds(media_type: object, product: str | None, kind: ContentKind) -> None:
    item = content_item({"id": "1", "media_type": media_type, "media_product_type": product})
    assert item is not None
    assert item.kind is kind
    assert len(item.media) == 1


def test_hidden_likes_are_not_zero() -> None:
    item = content_item({"id": "1", "comments_count": 0})
    assert item is not None
    assert item.engagement == Engagement(likes=None, comments=0)


@pytest.mark.parametrize("wrap", [lambda user: user, lambda user: {"data": [user]}], ids=["flat", "wrapped"])
def test_an_account_has_two_ids(wrap: Any) -> None:
    found = profile(
        wrap({"id": "24", "user_id": 17841400000000001, "username": "kiln", "followers_count": 9})
    )
    assert found is not None
    assert (found.external_id, found.alias_ids) == ("17841400000000001", ("24",))
    assert found.follower_count == 9


# -- captions -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("caption", "hashtags"),
    [
        ("#one #two", ["one", "two"]),
        ("#one#two", ["one", "two"]),
        ("#Töpfe, #陶器! #गहने #керамика", ["Töpfe", "陶器", "गहने", "керамика"]),
        ("#2026 #a_b #a-b", ["2026", "a_b", "a"]),
        ("#kiln🔥 #👩‍🍳", ["kiln🔥", "👩‍🍳"]),
        ("＃全角", ["全角"]),
        ("(#in_brackets). #end.", ["in_brackets", "end"]),
        ("#same #same", ["same"]),
        ("word#no ##no # no &#39; a/#no", []),
        ("https://kiln.example/#frag #yes", ["yes"]),
        ("mail#x@kiln.example", []),
        ("#cafe\u0301", ["café"]),
        ("line\n#two\r\n#three", ["two", "three"]),
    ],
)
def test_hashtags(caption: str, hashtags: list[str]) -> None:
    assert list(caption_text(caption).hashtags) == hashtags


@pytest.mark.parametrize(
    ("caption", "mentions"),
    [
        ("@ana.r @Bo_2, (@c)", ["ana.r", "Bo_2", "c"]),
        ("thanks @kiln.and.co.", ["kiln.and.co"]),
        ("@kiln.and.co…", ["kiln.and.co"]),
        ("ana@kiln.example me.too+x@kiln.example", []),
        ("https://kiln.example/@ana and @bo", ["bo"]),
        ("@ana@bo", ["ana"]),
        ("word@ana", []),
        ("info-@kiln.example x+@kiln.example", []),
        ("@" + "a" * 30, ["a" * 30]),
        ("@" + "a" * 31, []),
        ("@ana @ana", ["ana"]),
        ("@ana🔥 @bo's", ["ana", "bo"]),
    ],
)
def test_mentions(caption: str, mentions: list[str]) -> None:
    assert list(caption_text(caption).mentions) == mentions


@pytest.mark.parametrize(
    ("caption", "links"),
    [
        ("see https://kiln.example/r/X1.", ["https://kiln.example/r/X1"]),
        ("(https://kiln.example/a_(b))", ["https://kiln.example/a_(b)"]),
        ("https://kiln.example/?q=1&r=2#top!", ["https://kiln.example/?q=1&r=2#top"]),
        ("www.kiln.example, HTTP://KILN.example", ["https://www.kiln.example", "HTTP://KILN.example"]),
        ("“https://kiln.example/a”", ["https://kiln.example/a"]),
        ("価格はhttps://kiln.example/a。", ["https://kiln.example/a"]),
        ("https:// http://. www. 1.299,00 € e.g. kiln.example", []),
        ("https://a.example https://a.example", ["https://a.example"]),
        ("me@www.kiln.example", []),
    ],
)
def test_links(caption: str, links: list[str]) -> None:
    assert list(caption_text(caption).links) == links


@settings(deadline=None)
@given(st.text(alphabet=st.characters() | st.sampled_from("##@@..:// \nwhtps&()aé😀\u200d\ud800\0")))
def test_captions_take_any_text(words: str) -> None:
    found = caption_text(words)
    for part in (found.text, *found.hashtags, *found.mentions, *found.links):
        part.encode()
        assert "\0" not in part
    assert all(tag in found.text and "#" not in tag for tag in found.hashtags)
    assert all(f"@{name}" in found.text for name in found.mentions)
    assert caption_text(found.text) == found


@pytest.mark.parametrize("piece", ["a.", "@a", "#", "#a", "www.", "https://", ")", "a@", "(", "a@a."])
def test_hostile_captions_take_no_longer_than_others(piece: str) -> None:
    words = piece * 50_000
    began = time.process_time()
    caption_text(words)
    assert time.process_time() - began < 2.0


_NAMES = """
id caption media_type timestamp children data like_count from username replies text parent_id
user_id
"""
KEYS = st.sampled_from(_NAMES.split())
WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=5),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, WILD | VALUES, max_size=10))
def test_the_normaliser_takes_any_value(row: dict[str, Any]) -> None:
    row = json.loads(json.dumps(row))
    content_item(row)
    profile(row)
