"""Facebook's objects and webhooks as Rookery's content: composed, recorded, and malformed ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import ContentKind, Engagement, Happening, MediaKind, RemarkKind
from domain.secrets import Secret
from platforms.base import PageQuery, RawEntry
from platforms.facebook.adapter import Facebook
from platforms.facebook.normalise import comment_remark, post_item, profile, reel_item, story_item
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Ok
from platforms.wire import NotJson, decode
from tests.unit.platforms.payloads import body_of, one, parsed
from tests.unit.platforms.support import Answers, answer
from tests.unit.platforms.test_wire import VALUES

FB = Facebook()
PAGE = "104500000000001"
RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "facebook"
recorded_files = sorted(RECORDED.rglob("*.json")) if RECORDED.exists() else []
needs_recorded = pytest.mark.skipif(
    not recorded_files, reason="recorded payloads are not part of this repository"
)

POST: dict[str, Any] = {
    "id": f"{PAGE}_122110000000007",
    "created_time": "2026-11-03T09:15:22+0000",
    "message": "New clay mugs are in, thanks Ninja Van! #mugs @nobody https://shop.example/m",
    "message_tags": [{"id": "9", "name": "Ninja Van", "type": "page", "offset": 29, "length": 9}],
    "status_type": "added_photos",
    "permalink_url": f"https://www.facebook.com/{PAGE}_122110000000007",
    "shares": {"count": 4},
    "attachments": {
        "data": [
            {
                "media_type": "album",
                "type": "album",
                "subattachments": {
                    "data": [
                        {
                            "type": "photo",
                            "media": {
                                "image": {"height": 720, "width": 700, "src": "https://s.example/1.jpg"}
                            },
                            "target": {"id": "11"},
                        },
                        {
                            "type": "video_inline",
                            "media": {
                                "image": {"src": "https://s.example/2.jpg"},
                                "source": "https://s.example/2.mp4",
                            },
                            "target": {"id": "12"},
                        },
                    ]
                },
            }
        ]
    },
    "reactions": {"data": [], "summary": {"total_count": 31}},
    "comments": {"data": [], "summary": {"total_count": 1}},
}


def test_a_post() -> None:
    item = post_item(POST)
    assert item is not None
    assert item.kind is ContentKind.CAROUSEL
    assert (item.text.hashtags, item.text.links) == (("mugs",), ("https://shop.example/m",))
    assert item.text.mentions == ("Ninja Van",), "Facebook says what is a tag; @nobody is none"
    assert item.engagement == Engagement(likes=31, comments=1, shares=4)
    first, second = item.media
    assert (first.kind, first.width, first.height, first.platform_id) == (MediaKind.IMAGE, 700, 720, "11")
    assert (second.kind, second.url, second.preview_url) == (
        MediaKind.VIDEO,
        "https://s.example/2.mp4",
        "https://s.example/2.jpg",
    )
    assert item.published_at is not None
    assert item.published_at.isoformat() == "2026-11-03T09:15:22+00:00"
    assert decode(item.payload) == POST


def attached(**attachment: Any) -> dict[str, Any]:
    return {"id": "1_2", "attachments": {"data": [attachment]}}


@pytest.mark.parametrize(
    ("post", "kind"),
    [
        (attached(media_type="photo"), ContentKind.PHOTO),
        (attached(media_type="video"), ContentKind.VIDEO),
        (attached(type="video_inline"), ContentKind.VIDEO),
        (attached(media_type="video", url="https://www.facebook.com/reel/7/"), ContentKind.REEL),
        (attached(media_type="album"), ContentKind.PHOTO),
        (attached(media_type="link", type="share"), ContentKind.POST),
        (attached(media_type="hologram"), ContentKind.POST),
        ({"id": "1_2", "status_type": "added_video"}, ContentKind.VIDEO),
        ({"id": "1_2", "status_type": "mobile_status_update"}, ContentKind.POST),
        ({"id": "1_2"}, ContentKind.POST),
    ],
)
def test_kinds(post: dict[str, Any], kind: ContentKind) -> None:
    item = post_item(post)
    assert item is not None
    assert item.kind is kind


def test_a_shared_link_is_a_link_and_no_picture() -> None:
    shim = "https://l.facebook.com/l.php?u=https%3A%2F%2Fshop.example%2Fp%3Fa%3D1&h=AT0"
    for link in ({"unshimmed_url": "https://shop.example/p?a=1", "url": shim}, {"url": shim}):
        item = post_item(
            attached(media_type="link", type="share", media={"image": {"src": "https://x"}}, **link)
        )
        assert item is not None
        assert item.text.links == ("https://shop.example/p?a=1",)
        assert item.media == ()


def test_reels_take_the_id_of_their_post() -> None:
    whole = reel_item(PAGE, {"id": "7", "post_id": f"{PAGE}_9", "length": 12.5})
    bare = reel_item(PAGE, {"id": "7", "post_id": "9", "permalink_url": "/reel/7/"})
    assert whole is not None and bare is not None
    assert whole.external_id == bare.external_id == f"{PAGE}_9"
    assert whole.media[0].duration_ms == 12_500
    assert bare.permalink == "https://www.facebook.com/reel/7/"
    alone = reel_item(PAGE, {"id": "7"})
    assert alone is not None
    assert alone.external_id == "7"


# -- webhooks -----------------------------------------------------------------------------------------
def hook(value: object, field: str = "feed", about: str = "page", **more: Any) -> dict[str, Any]:
    entry = {"id": PAGE, "time": 1793698803, "changes": [{"field": field, "value": value}]}
    return {"object": about, "entry": [entry | more]}


COMMENT = {
    "item": "comment",
    "verb": "add",
    "post_id": f"{PAGE}_7",
    "comment_id": "7_11",
    "parent_id": f"{PAGE}_7",
    "from": {"id": "72", "name": "José R"},
    "created_time": 1793698801,
    "message": "Dishwasher safe?",
}


def test_a_comment() -> None:
    event = one(FB, hook(COMMENT))
    assert (event.what, event.subject_id, event.content_id) == (Happening.REMARKED, "7_11", f"{PAGE}_7")
    assert event.remark is not None
    assert (event.remark.author.name, event.remark.parent_id) == ("José R", None)
    assert event.occurred_at is not None
    assert event.occurred_at.timestamp() == 1793698801


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (COMMENT | {"verb": "edited"}, Happening.REMARKED),
        (COMMENT | {"verb": "remove"}, Happening.REMARK_DELETED),
        (COMMENT | {"verb": "hide"}, Happening.OTHER),
        ({"item": "reaction", "verb": "add", "post_id": "1_2"}, Happening.LIKED),
        ({"item": "like", "verb": "remove", "post_id": "1_2"}, Happening.UNLIKED),
        ({"item": "reaction", "verb": "edit", "post_id": "1_2"}, Happening.OTHER),
        ({"item": "reaction", "verb": "add", "post_id": "1_2", "comment_id": "2_3"}, Happening.OTHER),
        (
            {"item": "status", "verb": "add", "post_id": "1_2", "from": {"id": PAGE}},
            Happening.CONTENT_CREATED,
        ),
        (
            {"item": "photo", "verb": "edited", "post_id": "1_2", "from": {"id": PAGE}},
            Happening.CONTENT_EDITED,
        ),
        ({"item": "post", "verb": "remove", "post_id": "1_2", "sender_id": PAGE}, Happening.CONTENT_DELETED),
        (
            {"item": "video", "verb": "add", "published": 0, "post_id": "1", "from": {"id": PAGE}},
            Happening.OTHER,
        ),
        ({"item": "post", "verb": "add", "post_id": "1_2", "from": {"id": "72"}}, Happening.REMARKED),
        (
            {"item": "post", "verb": "remove", "post_id": "1_2", "from": {"id": "72"}},
            Happening.REMARK_DELETED,
        ),
        ({"item": "share", "verb": "add", "post_id": "1", "parent_id": f"{PAGE}_2"}, Happening.SHARED),
        ({"item": "share", "verb": "add", "post_id": "1", "parent_id": "9_2"}, Happening.OTHER),
        ({"item": "hologram", "verb": "add", "post_id": "1_2"}, Happening.OTHER),
    ],
)
def test_what_happens_on_the_feed(value: dict[str, Any], what: Happening) -> None:
    assert one(FB, hook(value)).what is what


def test_the_other_fields() -> None:
    mention = {"item": "post", "verb": "add", "post_id": "72_5", "sender_id": "72", "sender_name": "Ana"}
    event = one(FB, hook(mention, "mention"))
    assert event.remark is not None
    assert (event.remark.kind, event.remark.author.name) == (RemarkKind.MENTION, "Ana")
    rating = {
        "item": "rating",
        "verb": "add",
        "open_graph_story_id": "5",
        "review_text": "Good",
        "reviewer_id": "72",
    }
    review = one(FB, hook(rating, "ratings")).remark
    assert review is not None
    assert (review.external_id, review.text.text, review.author.external_id) == ("5", "Good", "72")
    assert one(FB, hook("Kiln", "name")).what is Happening.PROFILE_CHANGED
    message = {
        "sender": {"id": "72"},
        "recipient": {"id": PAGE},
        "timestamp": 1,
        "message": {"mid": "m_1", "text": "Hi"},
    }
    (direct,) = parsed(FB, {"object": "page", "entry": [{"id": PAGE, "time": 2, "messaging": [message]}]})
    assert direct.remark is not None
    assert (direct.remark.kind, direct.event_id) == (RemarkKind.MESSAGE, f"messaging:m_1:{PAGE}")
    bare = parsed(
        FB, {"object": "page", "entry": [{"id": PAGE, "time": 2, "changed_fields": ["feed", "picture"]}]}
    )
    assert [e.what for e in bare] == [Happening.OTHER, Happening.PROFILE_CHANGED]


def test_permissions_name_the_pages_they_concern() -> None:
    value = {"verb": "revoked", "target_ids": [PAGE, "104500000000002", PAGE, "x"]}
    body = hook(value, "pages_show_list", "permissions", id="122", uid="122")
    events = parsed(FB, body)
    assert [(e.external_id, e.what) for e in events] == [
        (PAGE, Happening.ACCESS_REVOKED),
        ("104500000000002", Happening.ACCESS_REVOKED),
    ]
    assert len({e.event_id for e in events}) == 2
    granted = hook(value | {"verb": "granted"}, "pages_show_list", "permissions")
    assert {e.what for e in parsed(FB, granted)} == {Happening.OTHER}
    lesser = hook(value, "pages_messaging", "permissions")
    assert {e.what for e in parsed(FB, lesser)} == {Happening.OTHER}
    assert parsed(FB, hook({"verb": "revoked"}, "pages_show_list", "permissions")) == []


def test_a_thousand_entries_in_any_grouping_have_the_same_ids() -> None:
    values = [COMMENT | {"comment_id": f"7_{n}"} for n in range(500)]
    values += [{"item": "reaction", "verb": "add", "post_id": "1_2", "created_time": n} for n in range(500)]
    entries = [{"id": PAGE, "time": 1, "changes": [{"field": "feed", "value": value}]} for value in values]
    whole = [e.event_id for e in FB.split(body_of({"object": "page", "entry": entries}))]
    assert len(set(whole)) == 1000
    merged = {"id": PAGE, "time": 99, "changes": [e["changes"][0] for e in reversed(entries)]}  # type: ignore[index]
    regrouped = [e.event_id for e in FB.split(body_of({"object": "page", "entry": [merged]}))]
    assert sorted(regrouped) == sorted(whole), "the time of sending is no part of what happened"


# -- cursors ------------------------------------------------------------------------------------------
def test_lists_by_time_are_followed_too() -> None:
    following = "https://graph.facebook.com/v10.0/4/posts?access_token=t&limit=5&until=9&__paging_token=enc"
    cursor = next_cursor({"paging": {"next": following}}, None)
    assert cursor_query(cursor) == {"until": "9", "__paging_token": "enc"}
    assert "access_token" not in str(cursor)
    assert next_cursor({"paging": {"next": following}}, cursor) is None, (
        "the same place again would never end"
    )
    assert next_cursor({"paging": {"cursors": {"after": "A"}}}, None) is None
    assert next_cursor({"paging": {"next": "https://[", "cursors": {}}}, None) is None
    assert cursor_query("QVFI") == {"after": "QVFI"}


# -- recorded -----------------------------------------------------------------------------------------
def rows_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that has an id, however deep."""
    if isinstance(value, dict):
        if "id" in value:
            yield value
        for inner in value.values():
            yield from rows_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from rows_of(inner)


@needs_recorded
@pytest.mark.parametrize("path", recorded_files, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_recorded_payloads_pass_through(path: Path) -> None:
    document = decode(path.read_bytes())  # noqa: ASYNC240
    for row in rows_of(document):
        for made in (post_item(row), reel_item(PAGE, row), story_item(row)):
            assert made is None or made.external_id
        comment_remark(row, None, RemarkKind.COMMENT)
        profile(row)
    if not (isinstance(document, dict) and isinstance(document.get("data"), list)):
        return
    for source in FB.spec.sources:
        outcome = await FB.list_page(Answers(answer(200, document)), Secret("t"), PAGE, PageQuery(source))
        assert isinstance(outcome, Ok)
        if source.name == "posts":
            told = [row["id"] for row in document["data"] if isinstance(row, dict) and "id" in row]
            assert [item.external_id for item in outcome.value.items] == told
        paging = document.get("paging") or {}
        if source.name == "posts":
            assert (outcome.value.next_cursor is not None) == ("next" in paging)


@needs_recorded
def test_recorded_posts_are_understood() -> None:
    posts = [
        row
        for path in (RECORDED / "apidata" / "posts").glob("*.json")
        for row in rows_of(json.loads(path.read_text()))
        if "attachments" in row and "message" in row
    ]
    assert posts
    for row in posts:
        item = post_item(row)
        assert item is not None
        assert item.published_at is not None
        assert item.engagement.likes is not None
        for tag in row.get("message_tags", ()):
            assert tag["name"] in item.text.mentions or tag.get("type") == "hashtag"


@needs_recorded
def test_a_recorded_page_is_a_profile() -> None:
    page = profile(json.loads((RECORDED / "models" / "page.json").read_text()))
    assert page is not None
    assert (page.external_id, page.username, page.is_verified) == ("20531316728", "facebookapp", True)
    assert page.follower_count == 214_840_680


# -- anything -----------------------------------------------------------------------------------------
_NAMES = """
id data message message_tags name type attachments media image src source target subattachments media_type url
unshimmed_url shares count reactions comments summary total_count from created_time post_id parent length
picture permalink_url status_type status error code error_subcode debug_info retriable paging cursors after
next entry changes field value item verb comment_id object messaging is_valid scopes expires_at access_token
video_id upload_url start_offset end_offset success handles validation_status report_run_id async_status
values """
NAMES = st.sampled_from(_NAMES.split())
WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, WILD | VALUES, max_size=6))
def test_odd_objects_never_raise(row: dict[str, Any]) -> None:
    try:
        row = decode(json.dumps(row).encode())  # type: ignore[assignment]
    except NotJson:
        return  # infinity is no JSON, and nobody can send it
    for made in (
        post_item(row),
        reel_item(PAGE, row),
        story_item(row),
        comment_remark(row, None, RemarkKind.COMMENT),
    ):
        assert made is None or made.external_id
    profile(row)
    for about, field in (("page", "feed"), ("page", "mention"), ("page", "ratings"), ("permissions", "x")):
        for entry in FB.split(body_of(hook(row, field, about, messaging=[row]))):
            assert FB.parse(entry).event_id == entry.event_id
    FB.parse(RawEntry(PAGE, "e", json.dumps(row).encode()))
