"""What TikTok sends, row by row: codes to outcomes, signatures, bodies of any quality."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import ContentKind, Engagement, Happening, MediaKind
from domain.secrets import Secret
from platforms.base import PageQuery, PlatformApp, RawEntry, WebhookRefused
from platforms.http import Answer, Broken, NotSent
from platforms.outcome import Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.tiktok import errors
from platforms.tiktok.adapter import Tiktok
from platforms.tiktok.normalise import content_item, profile
from platforms.tiktok.spec import OPEN_ID
from platforms.wire import account_id_at, decode
from tests.unit.platforms.support import Answers, answer
from tests.unit.platforms.test_errors import HTML, told
from tests.unit.platforms.test_wire import VALUES

TT = Tiktok()
ONCE = "it may be spent"


def failing(code: object) -> dict[str, Any]:
    return {"data": {}, "error": {"code": code, "message": "secret words", "log_id": "x"}}


# -- developers ---------------------------------------------------------------------------------------
ROWS: list[tuple[int, object, type, str]] = [
    (200, {"data": {}, "error": {"code": "ok"}}, Ok, ""),
    (200, HTML, RetryAfter, "http_200_not_json"),
    (200, {"data": {}}, RetryAfter, "http_200"),
    (500, {"data": {}, "error": {"code": "ok"}}, RetryAfter, "http_500"),
    (302, {}, Rejected, "redirect"),
    (401, failing("access_token_invalid"), ReauthRequired, "token_refused"),
    (401, HTML, RetryAfter, "http_401_not_json"),
    (401, failing("scope_not_authorized"), Rejected, "scope_not_authorized"),
    (400, failing("scope_permission_missed"), Rejected, "scope_permission_missed"),
    (400, failing("invalid_params"), Rejected, "invalid_params"),
    (400, failing("invalid_param"), Rejected, "invalid_param"),
    (200, failing("spam_risk_too_many_posts"), RetryAfter, "posting_cap"),
    (403, failing("spam_risk_too_many_posts"), RetryAfter, "posting_cap"),
    (403, failing("spam_risk_too_many_pending_share"), RetryAfter, "pending_drafts_cap"),
    (200, failing("spam_risk_user_banned_from_posting"), Rejected, "spam_risk_user_banned_from_posting"),
    (200, failing("reached_active_user_cap"), RetryAfter, "active_user_cap"),
    (403, failing("url_ownership_unverified"), Rejected, "url_ownership_unverified"),
    (429, failing("rate_limit_exceeded"), RetryAfter, "rate_limit"),
    (429, HTML, RetryAfter, "rate_limit"),
    (500, failing("internal_error"), RetryAfter, "platform_fault"),
    (500, failing("new_error"), RetryAfter, "platform_fault"),
    (418, failing("new_error"), Rejected, "new_error"),
    (418, failing("words of Ana"), Rejected, "unnamed"),
    (400, failing(7), RetryAfter, "http_400"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), ROWS)
def test_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = errors.outcome_of(answer(status, body), "videos")
    assert type(outcome) is kind
    assert told(outcome) == says
    assert "secret words" not in repr(outcome)
    if isinstance(outcome, RetryAfter):
        assert outcome.family == "videos"


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (NotSent("connect_failed"), RetryAfter),
        (Broken("timeout"), Unknown),
        (answer(200, HTML), Unknown),
        (answer(200, {"data": {}}), Unknown),
        (answer(500, failing("internal_error")), Unknown),
        (answer(502, HTML), Unknown),
        (answer(503, HTML), RetryAfter),
        (answer(429, failing("rate_limit_exceeded")), RetryAfter),
        (answer(403, HTML), RetryAfter),
    ],
)
def test_calls_that_must_not_be_repeated_blindly(result: Answer | NotSent | Broken, kind: type) -> None:
    assert type(errors.outcome_of(result, "publishing", once=ONCE)) is kind
    assert type(errors.token_outcome_of(result, refreshing=True)) is kind
    business = result if not isinstance(result, Answer) else answer(result.status, HTML)
    expected = RetryAfter if isinstance(result, Answer) and result.status in (403, 429, 503) else None
    found = type(errors.business_outcome_of(business, once=ONCE))
    assert found in (RetryAfter, Unknown) if expected is None else found is expected


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("error", "refreshing", "expected"),
    [
        ("invalid_grant", True, ReauthRequired("refresh_token_invalid")),
        ("invalid_grant", False, "invalid_grant"),
        ("invalid_client", True, "invalid_client"),
        ("unauthorized_client", True, "invalid_client"),
        ("invalid_request", True, "invalid_request"),
        ("invalid_scope", True, "invalid_scope"),
        ("unsupported_grant_type", True, "unsupported_grant_type"),
    ],
)
def test_the_token_endpoint(status: int, error: str, refreshing: bool, expected: object) -> None:
    """No status is documented, and some refusals come with 200: the body decides."""
    body = {"error": error, "error_description": "secret words", "log_id": "x"}
    outcome = errors.token_outcome_of(answer(status, body), refreshing=refreshing)
    assert outcome == expected or (isinstance(outcome, Rejected) and outcome.code == expected)


# -- business and shop ----------------------------------------------------------------------------------
def coded(code: object, **data: Any) -> dict[str, Any]:
    return {"code": code, "message": "secret words", "request_id": "x", "data": data}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, coded(0, list=[]), Ok, ""),
        (200, coded(20001, list=[]), Ok, ""),
        (200, coded(40001), Rejected, "40001"),
        (200, coded(40002), Rejected, "40002"),
        (200, coded(40007), Rejected, "40007"),
        (200, coded(40100), RetryAfter, "rate_limit"),
        (200, coded(40102), ReauthRequired, "token_expired"),
        (200, coded(40103), ReauthRequired, "refresh_token_expired"),
        (200, coded(40105), ReauthRequired, "token_refused"),
        (200, coded(40110), Rejected, "40110"),
        (200, coded(51305), RetryAfter, "platform_fault"),
        (200, coded(49999), Rejected, "49999"),
        (200, coded(None), RetryAfter, "http_200"),
        (502, HTML, RetryAfter, "http_502_not_json"),
        (404, HTML, RetryAfter, "http_404_not_json"),
    ],
)
def test_business_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = errors.business_outcome_of(answer(status, body))
    assert type(outcome) is kind
    assert told(outcome) == says
    assert "secret words" not in repr(outcome)


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, coded(0), Ok, ""),
        (401, coded(105002), ReauthRequired, "token_expired"),
        (403, coded(105005), Rejected, "105005"),
        (400, coded(106001), Rejected, "106001"),
        (400, coded(106013), Rejected, "106013"),
        (429, coded(36009002), RetryAfter, "shop_throttled"),
        (500, coded(36009003), RetryAfter, "platform_fault"),
        (401, coded(36009004), Rejected, "36009004"),  # may be the clock: no proof of a dead token
        (500, coded(0), RetryAfter, "http_500"),
    ],
)
def test_shop_answers(status: int, body: object, kind: type, says: str) -> None:
    outcome = errors.shop_outcome_of(answer(status, body))
    assert type(outcome) is kind
    assert told(outcome) == says


# -- webhooks -------------------------------------------------------------------------------------------
def app(*secrets: str, client_id: str = "ck_demo") -> PlatformApp:
    return PlatformApp("app", "tiktok", client_id, Secret("x"), tuple(Secret(s) for s in secrets))


REMOVED = (
    b'{"client_key":"ck_demo","event":"authorization.removed","create_time":1760000000,'
    b'"user_openid":"-000demoOpenId","content":"{\\"reason\\":1}"}'
)
REMOVED_MARK = "4755cb57f9d932e4b08da6d71c5f8511a52bf9567ff67140a822481c7e148d88"
ORDER = (
    b'{"type":1,"tts_notification_id":"7400000000000000001","shop_id":"7495000000000000001",'
    b'"timestamp":1760000000,"data":{"order_id":"576400000000000001","order_status":"AWAITING_SHIPMENT",'
    b'"is_on_hold_order":false,"update_time":1760000000}}'
)
ORDER_MARK = "9b2b3f1d57b3154cca2455d07e832454dc75e0ed519a66b2cbe7021bf8909795"


def test_the_developers_signature() -> None:
    """Made with openssl, independently of the code."""
    header = {"tiktok-signature": f"t=1760000005,s={REMOVED_MARK}"}
    assert TT.verify(app("cs_demo"), header, REMOVED)
    assert TT.verify(app("older", "cs_demo"), header, REMOVED)
    assert not TT.verify(app("other"), header, REMOVED)
    assert not TT.verify(app(), header, REMOVED)
    assert not TT.verify(app("cs_demo"), header, REMOVED + b" ")
    for wrong in (
        "",
        REMOVED_MARK,
        f"t=1760000006,s={REMOVED_MARK}",
        f"t=1760000005,s={REMOVED_MARK[:-1]}",
        f"t=,s={REMOVED_MARK}",
        f"s={REMOVED_MARK},t=1760000005",
        f"t=1760000005,s={REMOVED_MARK.upper()}",
        "t=1,s=ü",
    ):
        assert not TT.verify(app("cs_demo"), {"tiktok-signature": wrong}, REMOVED)
    assert not TT.verify(app("cs_demo"), {}, REMOVED)


def test_the_shops_signature() -> None:
    assert TT.verify(app("sec9test", client_id="ak1test"), {"authorization": ORDER_MARK}, ORDER)
    assert not TT.verify(app("sec9test", client_id="another"), {"authorization": ORDER_MARK}, ORDER)
    assert not TT.verify(app("sec9test", client_id="ak1test"), {"authorization": ORDER_MARK}, ORDER + b" ")
    assert not TT.verify(
        app("sec9test", client_id="ak1test"), {"authorization": f"Bearer {ORDER_MARK}"}, ORDER
    )


def told_event(event: str, content: object, **more: object) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    body = {"client_key": "ck", "event": event, "create_time": 1760000000, "user_openid": "-000a_b"}
    return json.dumps(body | {"content": text} | more).encode()


POST = {"publish_id": "v_pub_file~v2-1.74", "post_id": "7400000000000000012", "publish_type": "DIRECT_POST"}


@pytest.mark.parametrize(
    ("body", "what", "subject", "content"),
    [
        (REMOVED, Happening.ACCESS_REVOKED, None, None),
        (
            told_event("post.publish.publicly_available", POST),
            Happening.CONTENT_CREATED,
            POST["post_id"],
            POST["post_id"],
        ),
        (
            told_event("post.publish.no_longer_publicaly_available", POST),
            Happening.CONTENT_DELETED,
            POST["post_id"],
            POST["post_id"],
        ),
        (told_event("post.publish.complete", POST), Happening.OTHER, POST["publish_id"], None),
        (told_event("post.publish.publicly_available", {}), Happening.OTHER, None, None),
        (told_event("video.upload.failed", {"share_id": "s1"}), Happening.OTHER, "s1", None),
        (told_event("post.publish.failed", "not json"), Happening.OTHER, None, None),
        (told_event("post.publish.failed", "\ud800"), Happening.OTHER, None, None),
        (told_event("news", {}), Happening.OTHER, None, None),
        (ORDER, Happening.OTHER, "576400000000000001", None),
        (ORDER.replace(b'"type":1', b'"type":6'), Happening.ACCESS_REVOKED, None, None),
        (ORDER.replace(b'"type":1', b'"type":99'), Happening.OTHER, None, None),
    ],
)
def test_events(body: bytes, what: Happening, subject: str | None, content: str | None) -> None:
    (entry,) = TT.split(body)
    event = TT.parse(entry)
    assert (event.what, event.subject_id, event.content_id) == (what, subject, content)
    assert event.occurred_at is not None
    assert event.event_id.endswith(event.external_id)


def test_what_names_no_account_is_passed_over_and_other_shapes_refused() -> None:
    ready = told_event("portability.download.ready", {"request_id": 1}, user_openid=None)
    assert TT.split(ready) == []
    assert TT.split(told_event("news", {}, user_openid="a/b")) == [], "nothing unsafe becomes a name"
    for body in (b"", b"[]", b"7", b"{}", b'{"data":1}', b"\xff", b'{"event":' + b"[" * 10**5):
        with pytest.raises(WebhookRefused):
            TT.split(body)
    assert TT.handshake(app("s"), {"challenge": "1"}) is None


def test_the_same_thing_has_the_same_id_however_it_is_written() -> None:
    spaced = json.dumps(json.loads(REMOVED), indent=2).encode()
    assert TT.split(REMOVED)[0].event_id == TT.split(spaced)[0].event_id
    assert TT.split(ORDER)[0].event_id == "shop:7400000000000000001:7495000000000000001"


@settings(deadline=None)
@given(
    st.binary(),
    st.dictionaries(
        st.sampled_from(["event", "user_openid", "content", "create_time", "type", "shop_id", "data"]), VALUES
    ),
)
def test_any_webhook_is_cut_and_interpreted_or_refused(body: bytes, value: dict[str, Any]) -> None:
    for candidate in (
        body,
        json.dumps(value).encode(),
        json.dumps({"event": "x", "user_openid": "-0", **value}).encode(),
        json.dumps({"type": 1, "shop_id": "1", **value}).encode(),
    ):
        try:
            entries = TT.split(candidate)
        except WebhookRefused:
            entries = []
        for entry in [*entries, RawEntry("-0", "e", candidate)]:
            assert TT.parse(entry).event_id == entry.event_id
        TT.verify(app("s"), {"tiktok-signature": candidate.decode("latin-1")}, body)


@pytest.mark.parametrize("value", ["a b", "a/b", "a:b", "ä", "", "a" * 129, None, True, "a.b"])
def test_what_is_no_opaque_account_id(value: object) -> None:
    assert account_id_at({"i": value}, "i", shape=OPEN_ID) is None
    assert account_id_at({"i": "-000a_B9"}, "i", shape=OPEN_ID) == "-000a_B9"
    assert account_id_at({"i": "-000a_B9"}, "i") is None, "decimal stays the rule"


# -- content --------------------------------------------------------------------------------------------
VIDEO = {
    "id": "7400000000000000011",
    "create_time": 1763712000,
    "title": "Launch day #demo @ana.r",
    "video_description": "Launch day #demo @ana.r",
    "duration": 21,
    "height": 1920,
    "width": 1080,
    "cover_image_url": "https://cdn.example/c.jpeg?x-expires=1763733600",
    "share_url": "https://www.tiktok.com/@demoshop/video/7400000000000000011",
    "like_count": 310,
    "comment_count": 12,
    "share_count": 9,
    "view_count": 15840,
}


def test_a_video() -> None:
    item = content_item(VIDEO)
    assert item is not None
    assert (item.kind, item.permalink) == (ContentKind.VIDEO, VIDEO["share_url"])
    assert (item.text.hashtags, item.text.mentions) == (("demo",), ("ana.r",))
    assert item.engagement == Engagement(likes=310, comments=12, shares=9, views=15840)
    (medium,) = item.media
    assert (medium.kind, medium.duration_ms, medium.width) == (MediaKind.VIDEO, 21_000, 1080)
    assert medium.preview_url == VIDEO["cover_image_url"]
    assert decode(item.payload) == VIDEO
    photos = content_item({**VIDEO, "share_url": "https://www.tiktok.com/@demoshop/photo/74"})
    assert photos is not None
    assert (photos.kind, photos.media[0].kind) == (ContentKind.PHOTO, MediaKind.IMAGE)


def test_the_longer_of_two_captions() -> None:
    for short, long in (("title", "video_description"), ("video_description", "title")):
        item = content_item({"id": "1", short: "Launch", long: "Launch day #demo"})
        assert item is not None
        assert item.text.text == "Launch day #demo"


def test_a_user_with_a_part_of_the_fields() -> None:
    found = profile({"open_id": "-000a", "display_name": "Demo Shop"})
    assert found is not None
    assert (found.username, found.follower_count) == ("Demo Shop", None)
    assert profile({"open_id": "a b"}) is None


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*VIDEO, "open_id", "username"]), VALUES, max_size=10))
def test_the_normaliser_takes_any_value(row: dict[str, Any]) -> None:
    row = json.loads(json.dumps(row))
    content_item(row)
    profile(row)


async def test_the_same_cursor_again_is_the_end() -> None:
    for cursor, more, following in ((7, True, None), (6, True, "6"), (6, False, None), ("6", True, "6")):
        body = {"data": {"videos": [], "cursor": cursor, "has_more": more}, "error": {"code": "ok"}}
        outcome = await TT.list_page(
            Answers(answer(200, body)), Secret("t"), "-0", PageQuery(TT.spec.sources[0], "7")
        )
        assert isinstance(outcome, Ok)
        assert outcome.value.next_cursor == following


async def test_an_answer_without_videos_makes_nothing_gone() -> None:
    for data in ({}, {"videos": None}):
        body = {"data": data, "error": {"code": "ok"}}
        outcome = await TT.read_items(Answers(answer(200, body)), Secret("t"), "-0", ["1"])
        assert isinstance(outcome, Rejected)
