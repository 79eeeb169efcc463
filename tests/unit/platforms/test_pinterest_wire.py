"""What Pinterest sends, of any quality: each code and any bytes end in an outcome, odd values never raise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content import ContentKind, MediaKind
from domain.secrets import Secret
from platforms.base import Grant, PageQuery, PlatformApp
from platforms.http import Answer, Broken, NotSent
from platforms.outcome import ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.pinterest.adapter import Pinterest
from platforms.pinterest.errors import _TABLE, outcome_of
from platforms.pinterest.normalise import board, pin, profile
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import CALLBACK, Answers, World, answer, app_of, grant_of, ok

PIN = Pinterest()
APP = PlatformApp("a", "pinterest", "1445", Secret("hidden"), ())
GRANT = Grant(Secret("pina_1"), Secret("pinr_1"), None, None)
LOAF: dict[str, Any] = {
    "id": "880000000000000201",
    "created_at": "2026-11-01T09:00:00",
    "link": "https://kitchen.example/bread",
    "title": "Bread in 20 minutes",
    "description": "No knead #bread @sandboxkitchen",
    "alt_text": "A loaf",
    "board_id": "880000000000000101",
    "media": {
        "media_type": "image",
        "images": {
            "150x150": {"width": 150, "height": 150, "url": "https://i.pinimg.example/150x150/d.jpg"},
            "1200x": {"width": 1200, "height": 1800, "url": "https://i.pinimg.example/1200x/d.jpg"},
        },
    },
    "pin_metrics": {"lifetime_metrics": {"impression": 260, "clickthrough": 4, "reaction": 10, "comment": 2}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- outcomes -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", sorted({s for s, _ in _TABLE}))
def test_every_code_of_the_table_is_what_comes_out(status: int) -> None:
    for (told, code), expected in _TABLE.items():
        if told == status:
            found = outcome_of(answer(status, {"code": code, "message": "m"}), "org_read")
            assert type(found) is type(expected)
            if isinstance(found, Rejected):
                assert found.code == f"{status}/{code}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 2, ReauthRequired),
        (401, 3, Rejected),
        (403, 29, Rejected),
        (404, 30, Rejected),
        (429, 30, RetryAfter),
        (400, 99_999, Rejected),
        (500, 99_999, RetryAfter),
    ],
)
def test_one_number_means_different_things(status: int, code: int, kind: type) -> None:
    assert isinstance(outcome_of(answer(status, {"code": code, "message": "m"}), "org_read"), kind)


def test_spam_is_not_a_limit() -> None:
    body = {"code": 8, "message": "no", "message_detail": "This looks like SPAM"}
    found = outcome_of(answer(429, body), "org_write", once="x")
    assert isinstance(found, Rejected) and found.code == "spam"


@pytest.mark.parametrize(
    ("headers", "limit", "seconds"),
    [
        ({}, None, 60.0),
        (
            {"x-ratelimit-limit": "100, 100;w=1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "7"},
            100,
            7,
        ),
        ({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "?", "retry-after": "9"}, None, 9.0),
        (
            {
                "x-userendpoint-ratelimit-limit": "10",
                "x-userendpoint-ratelimit-remaining": "99",
                "x-userendpoint-ratelimit-reset-seconds": "3",
                "x-ratelimit-limit": "1000",
                "x-ratelimit-remaining": "5",
            },
            10,
            3.0,
        ),
        ({"retry-after": "99999999"}, None, 86_400.0),
    ],
)
def test_headers_of_windows(headers: dict[str, str], limit: int | None, seconds: float) -> None:
    found = outcome_of(answer(429, {"code": 8, "message": "m"}, headers), "ads_read")
    assert isinstance(found, RetryAfter)
    assert (found.seconds, found.family, found.rate_limited) == (seconds, "ads_read", True)
    assert [r.limit for r in found.readings] == ([limit] if limit else [])
    assert all(r.remaining <= r.limit for r in found.readings)


@pytest.mark.parametrize("result", [NotSent("connect_failed"), Broken("timeout"), answer(502, b"<html>")])
def test_a_once_only_call_is_unknown_only_when_it_may_have_happened(result: Any) -> None:
    found = outcome_of(result, "org_write", once="the Pin")
    assert isinstance(found, RetryAfter if isinstance(result, NotSent) else Unknown)
    assert isinstance(outcome_of(result, "org_read"), RetryAfter)


# -- tokens -------------------------------------------------------------------------------------------
_FAILED = answer(401, {"code": 2, "message": "Authentication failed."})


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        (answer(200, {"access_token": "pinc_1", "expires_in": 1}), ReauthRequired("refresh_token_invalid")),
        (answer(403, {"code": 29, "message": "no"}), ReauthRequired("refresh_token_invalid")),
    ],
)
async def test_a_dead_refresh_token_is_proved(proof: Answer, expected: Any) -> None:
    http = Answers(_FAILED, proof)
    assert await PIN.refresh(http, APP, GRANT, 5.0) == expected
    assert [dict(call.form or {})["grant_type"] for call in http.asked] == [
        "refresh_token",
        "client_credentials",
    ]
    assert all(call.basic == ("1445", APP.client_secret) and call.bearer is None for call in http.asked)


@pytest.mark.parametrize("proof", [_FAILED, answer(502, b""), Broken("timeout"), NotSent("connect_failed")])
async def test_without_a_proof_nobody_is_disconnected(proof: Any) -> None:
    found = await PIN.refresh(Answers(_FAILED, proof), APP, GRANT, 5.0)
    assert isinstance(found, Rejected | RetryAfter)


async def test_without_a_refresh_token_nothing_is_asked() -> None:
    lost = Grant(Secret("a"), None, None, None)
    assert await PIN.refresh(Answers(), APP, lost, 5.0) == ReauthRequired("no_refresh_token")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("pins:read boards:read", ("pins:read", "boards:read")), ("a:b,c:d", ("a:b", "c:d")), (None, None)],
)
async def test_scopes_are_told_both_ways(scope: str | None, expected: Any) -> None:
    body = {"access_token": "pina_1", "expires_in": 5} | ({"scope": scope} if scope else {})
    grant = ok(await PIN.exchange(Answers(answer(200, body)), APP, "c", "https://r", None))
    assert (grant.scopes, grant.refresh_token) == (expected, None)


async def test_the_token_endpoint_keeps_the_contract(world: World) -> None:
    account = await world.account("pinterest")
    pair = (account["app"]["client_id"], account["app"]["client_secret"])
    url = "/api.pinterest.com/v5/oauth/token"
    refresh = Answers(answer(200, {"access_token": "x"}))
    await PIN.refresh(refresh, app_of(account), grant_of(account), 5.0)
    form = {k: v.reveal() if isinstance(v, Secret) else v for k, v in (refresh.asked[0].form or {}).items()}
    assert contract.named_errors("OauthAccessTokenRequestRefresh", form) == []
    told = await world.control.post(url, data=form, auth=pair)
    assert told.status_code == 200
    assert contract.named_errors("OauthAccessTokenResponseRefresh", told.json()) == []
    exchange = Answers(answer(200, {"access_token": "x"}))
    await PIN.exchange(exchange, app_of(account), "c", CALLBACK, None)
    form = {k: v.reveal() if isinstance(v, Secret) else v for k, v in (exchange.asked[0].form or {}).items()}
    assert form.pop("continuous_refresh") == "true"  # newer than the document
    assert contract.named_errors("OauthAccessTokenRequestCode", form) == []
    refused = await world.control.post(url, data=form, auth=pair)
    assert (refused.status_code, contract.answer_errors("post", "/oauth/token", 401, refused.json())) == (
        401,
        [],
    )
    assert dict(parse_qsl(refused.request.content.decode()))["code"] == "c"


# -- content ------------------------------------------------------------------------------------------
def test_a_pin() -> None:
    item = pin(LOAF)
    assert item is not None
    assert (item.kind, item.external_id) == (ContentKind.PIN, "880000000000000201")
    assert item.text.text == "Bread in 20 minutes\nNo knead #bread @sandboxkitchen"
    assert (item.text.hashtags, item.text.mentions) == (("bread",), ("sandboxkitchen",))
    assert item.text.links == ("https://kitchen.example/bread",)
    assert item.published_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    (medium,) = item.media
    assert (medium.kind, medium.width, medium.height, medium.alt_text) == (
        MediaKind.IMAGE,
        1200,
        1800,
        "A loaf",
    )
    assert (item.engagement.likes, item.engagement.views, item.engagement.comments) == (10, 260, 2)
    assert item.engagement.shares is None, "not told is not zero"
    assert json.loads(item.payload) == LOAF


@pytest.mark.parametrize("zone", ["", "Z", "+00:00"])
def test_a_moment_with_and_without_a_zone(zone: str) -> None:
    item = pin({**LOAF, "created_at": f"2026-11-01T09:00:00{zone}"})
    assert item is not None and item.published_at == datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_films_and_mixed_pins() -> None:
    film = {
        "media_type": "video",
        "cover_image_url": "https://i.pinimg.example/c.jpg",
        "duration": 15_000,
        "width": 1080,
        "height": 1920,
    }
    item = pin({**LOAF, "media": film})
    assert item is not None and item.kind is ContentKind.VIDEO
    assert (item.media[0].duration_ms, item.media[0].preview_url) == (15_000, film["cover_image_url"])
    unready = pin({**LOAF, "media": {**film, "duration": None, "width": None, "height": None}})
    assert unready is not None and unready.media[0].duration_ms is None
    items = [{"item_type": "video", **film}, {"item_type": "image", "title": "Crust", "images": {}}]
    mixed = pin({**LOAF, "media": {"media_type": "multiple_mixed", "items": items}})
    assert mixed is not None and mixed.kind is ContentKind.CAROUSEL
    assert [m.kind for m in mixed.media] == [MediaKind.VIDEO, MediaKind.IMAGE]
    assert mixed.text.text.endswith("Crust")
    new = pin({**LOAF, "media": {"media_type": "hologram"}})
    assert new is not None and new.kind is ContentKind.UNKNOWN


@given(st.dictionaries(st.sampled_from([*LOAF, "name", "username", "about"]), json_values), json_values)
def test_odd_values_never_raise(row: dict[str, Any], media: Any) -> None:
    for read in (pin, board, profile):
        found = read({**row, "media": media})
        assert found is None or found.external_id


@pytest.mark.parametrize("bookmark", [None, "", 7, "same"])
async def test_a_bookmark_that_leads_nowhere_ends_the_list(bookmark: Any) -> None:
    http = Answers(answer(200, {"items": [LOAF], "bookmark": bookmark}))
    page = ok(await PIN.list_page(http, Secret("t"), "1", PageQuery(PIN.spec.sources[0], "same")))
    assert page.next_cursor is None and len(page.items) == 1
    assert http.asked[0].query["bookmark"] == "same"


async def test_since_counts_whole_seconds() -> None:
    since = datetime(2026, 11, 1, 9, tzinfo=UTC) + timedelta(milliseconds=700)
    http = Answers(answer(200, {"items": [LOAF], "bookmark": "more"}))
    page = ok(await PIN.list_page(http, Secret("t"), "1", PageQuery(PIN.spec.sources[0], since=since)))
    assert (len(page.items), page.next_cursor) == (1, "more")


async def test_a_list_without_items_is_no_empty_list() -> None:
    http = Answers(answer(200, {"bookmark": None}))
    found = await PIN.list_page(http, Secret("t"), "1", PageQuery(PIN.spec.sources[0]))
    assert isinstance(found, Rejected)
