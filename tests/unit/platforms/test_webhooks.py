"""Webhooks of both platforms: handshakes, signatures, cutting and interpreting."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.content import Engagement, Happening, PlatformEvent, RemarkKind
from domain.secrets import Secret
from platforms.base import Platform, PlatformApp, RawEntry, WebhookRefused
from platforms.instagram.adapter import Instagram
from platforms.twitter.adapter import Twitter
from tests.unit.platforms.test_wire import VALUES

X, IG = Twitter(), Instagram()
BOTH = pytest.mark.parametrize("platform", [X, IG], ids=["twitter", "instagram"])


def app(*secrets: str, verify_token: str | None = None) -> PlatformApp:
    return PlatformApp(
        id="app",
        platform="any",
        client_id="client",
        client_secret=Secret("unused"),
        webhook_secrets=tuple(Secret(s) for s in secrets),
        verify_token=Secret(verify_token) if verify_token else None,
    )


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def parsed(platform: Platform, value: object) -> list[PlatformEvent]:
    return [platform.parse(entry) for entry in platform.split(body_of(value))]


def one(platform: Platform, value: object) -> PlatformEvent:
    (event,) = parsed(platform, value)
    return event


# -- handshakes and signatures --------------------------------------------------------------------------
X_SECRET = "consumer_secret_demo"
X_BODY = b'{"data":{"event_uuid":"1","event_type":"follow.follow"}}'
X_SIGNATURE = "sha256=3Qd3F00wQlIS3lzazOVMTVw0ZAf6GQvxGUSaBD7928A="
IG_SECRET = "app_secret_demo"
IG_BODY = (
    rb'{"object":"instagram","entry":[{"id":"17841400000000001","time":1793698803,"changes":[{"field":"comments",'
    rb'"value":{"id":"1","text":"Sch\u00f6n <b> \/ 100% a@b"}}]}]}'
)
IG_SIGNATURE = (
    "sha256=4e3a0d5bff75bb1ac8395824196d55ec2287501790473fdb23252e85cdb3784c"  # openssl dgst -sha256 -hmac
)
SIGNED = [
    pytest.param(X, X_SECRET, "x-twitter-webhooks-signature", X_BODY, X_SIGNATURE, id="twitter"),
    pytest.param(IG, IG_SECRET, "x-hub-signature-256", IG_BODY, IG_SIGNATURE, id="instagram"),
]


def test_x_challenge_vector() -> None:
    answer = X.handshake(app(X_SECRET, "another"), {"crc_token": "crc_demo_token_1"})
    assert answer is not None
    assert answer.status == 200
    expected = {"response_token": "sha256=zwUKjpnKRF6F3Na7rzF/bg4Fp8OSHZolfFiRg18C7gU="}
    assert json.loads(answer.body) == expected
    assert X.handshake(app(X_SECRET), {"other": "1"}) is None
    odd = X.handshake(app(X_SECRET), {"crc_token": "\udce4"})
    assert odd is not None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"hub.challenge": "880123456", "hub.verify_token": "right"}, 200),
        ({"hub.challenge": "880123456", "hub.verify_token": "wrong"}, 403),
        ({"hub.challenge": "880123456", "hub.verify_token": "rïght"}, 403),
        ({"hub.challenge": "880123456"}, 403),
        ({"hub.challenge": "<script>", "hub.verify_token": "right"}, 403),
        ({"hub.verify_token": "right"}, 403),
    ],
)
def test_meta_challenge(query: dict[str, str], status: int) -> None:
    answer = IG.handshake(app("s", verify_token="right"), {"hub.mode": "subscribe", **query})
    assert answer is not None
    assert answer.status == status
    assert answer.body == (b"880123456" if status == 200 else b"")
    assert answer.content_type == "text/plain"
    assert IG.handshake(app("s", verify_token="right"), query) is None


def test_without_a_verify_token_nobody_knows_it() -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""}
    answer = IG.handshake(app("s"), query)
    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize(("platform", "secret", "header", "body", "signature"), SIGNED)
def test_signatures(platform: Platform, secret: str, header: str, body: bytes, signature: str) -> None:
    assert platform.verify(app(secret), {header: signature}, body)
    assert platform.verify(app("older", secret, "newer"), {header: signature}, body)
    assert not platform.verify(app("other"), {header: signature}, body)
    assert not platform.verify(app(), {header: signature}, body)
    assert not platform.verify(app(secret), {header: signature}, body + b"\n")
    assert not platform.verify(app(secret), {}, body)
    for wrong in (
        "",
        "sha256=",
        signature[7:],
        signature[:-1],
        signature.upper(),
        "sha256=ü",
        "sha1=" + signature[7:],
    ):
        assert not platform.verify(app(secret), {header: wrong}, body)


# -- X: activity ------------------------------------------------------------------------------------------
ACCOUNT = "1900000000000000001"
FAN = "1900000000000000002"


def activity(kind: str, payload: object, uuid: str = "-34", **more: object) -> dict[str, Any]:
    return {
        "data": {
            "event_uuid": uuid,
            "event_type": kind,
            "filter": {"user_id": ACCOUNT},
            "payload": payload,
            **more,
        }
    }


MENTION = {
    "id": "1990000000000000021",
    "text": "hey @demoshop",
    "author_id": FAN,
    "created_at": "2026-11-20T10:00:00.000Z",
    "conversation_id": "1990000000000000021",
}
PEOPLE = {"users": [{"id": FAN, "username": "fan1", "name": "Fan"}]}


def test_x_mention() -> None:
    event = one(X, activity("post.mention.create", MENTION, includes=PEOPLE))
    assert (event.external_id, event.what) == (ACCOUNT, Happening.REMARKED)
    assert event.event_id.startswith("-34")
    assert event.remark is not None
    assert (event.remark.kind, event.remark.author.username) == (RemarkKind.MENTION, "fan1")
    assert event.subject_id == MENTION["id"]
    assert event.occurred_at is not None


@pytest.mark.parametrize(
    ("kind", "payload", "what", "content_id"),
    [
        ("post.create", {**MENTION, "author_id": ACCOUNT}, Happening.CONTENT_CREATED, MENTION["id"]),
        (
            "post.create",
            {**MENTION, "author_id": ACCOUNT, "edit_history_tweet_ids": ["5", MENTION["id"]]},
            Happening.CONTENT_EDITED,
            MENTION["id"],
        ),
        ("post.delete", {"id": "5", "author_id": ACCOUNT}, Happening.CONTENT_DELETED, "5"),
        ("post.delete", {"id": "5"}, Happening.CONTENT_DELETED, "5"),
        ("post.delete", {"id": "5", "author_id": FAN}, Happening.REMARK_DELETED, None),
        (
            "post.reply.create",
            {**MENTION, "conversation_id": "9", "referenced_tweets": [{"type": "replied_to", "id": "9"}]},
            Happening.REMARKED,
            "9",
        ),
        (
            "post.quote.create",
            {**MENTION, "referenced_tweets": [{"type": "quoted", "id": "9"}]},
            Happening.REMARKED,
            "9",
        ),
        (
            "post.repost.create",
            {**MENTION, "referenced_tweets": [{"type": "retweeted", "id": "9"}]},
            Happening.SHARED,
            "9",
        ),
        (
            "like.create",
            {"id": "a", "liked_tweet_id": "9", "liked_tweet_author_id": ACCOUNT},
            Happening.LIKED,
            "9",
        ),
        ("like.create", {"id": "a", "liked_tweet_id": "9", "tweet_author_id": ACCOUNT}, Happening.LIKED, "9"),
        ("like.create", {"id": "a", "liked_tweet_id": "9", "tweet_author_id": FAN}, Happening.OTHER, None),
        (
            "follow.follow",
            {"source": {"data": {"id": FAN}}, "target": {"data": {"id": ACCOUNT}}},
            Happening.FOLLOWED,
            None,
        ),
        ("follow.unfollow", {"source": {"id": FAN}, "target": {"id": ACCOUNT}}, Happening.UNFOLLOWED, None),
        ("follow.follow", {"source": {"id": ACCOUNT}, "target": {"id": FAN}}, Happening.OTHER, None),
        ("profile.update.bio", {"before": "a", "after": "b"}, Happening.PROFILE_CHANGED, None),
        ("dm.received", {"id": "3", "sender_id": FAN, "text": "hi"}, Happening.REMARKED, None),
        ("spaces.start", {}, Happening.OTHER, None),
        ("post.create", {}, Happening.OTHER, None),
        ("like.create", "odd", Happening.OTHER, None),
    ],
)
def test_x_activity(kind: str, payload: object, what: Happening, content_id: str | None) -> None:
    event = one(X, activity(kind, payload))
    assert (event.what, event.content_id) == (what, content_id)


def test_x_revocation_names_the_account_in_its_payload() -> None:
    payload = {"date_time": "2026-11-20T11:00:00+00:00", "user_id": ACCOUNT, "app_id": "29800001"}
    event = one(
        X, {"data": {"event_uuid": "5934", "event_type": "oauth.revoke", "filter": {}, "payload": payload}}
    )
    assert (event.external_id, event.what) == (ACCOUNT, Happening.ACCESS_REVOKED)
    assert event.occurred_at is not None


def test_one_happening_for_two_accounts_is_two_events() -> None:
    first = activity("post.mention.create", MENTION)
    second = json.loads(json.dumps(first).replace(ACCOUNT, "1900000000000000009"))
    ids = {entry.event_id for value in (first, second) for entry in X.split(body_of(value))}
    assert len(ids) == 2


# -- X: account activity v2 and filtered stream ---------------------------------------------------------------
FAVORITE = {
    "id": "a7ba",
    "created_at": "Fri Nov 20 10:05:00 +0000 2026",
    "timestamp_ms": 1763633100000,
    "favorited_status": {"id_str": "1990000000000000010", "text": "Launch day"},
    "user": {"id_str": FAN, "screen_name": "fan1"},
}
FOLLOW = {
    "type": "follow",
    "created_timestamp": "1763633100000",
    "target": {"id": ACCOUNT, "screen_name": "demoshop"},
    "source": {"id": FAN, "screen_name": "fan1"},
}
STATUS = {
    "id_str": "77",
    "text": "hello",
    "created_at": "Fri Nov 20 10:05:00 +0000 2026",
    "user": {"id_str": FAN, "screen_name": "fan1"},
    "in_reply_to_status_id_str": "1990000000000000010",
}
MESSAGE = {
    "type": "message_create",
    "id": "88",
    "created_timestamp": "1763633100000",
    "message_create": {"sender_id": FAN, "target": {"recipient_id": ACCOUNT}, "message_data": {"text": "hi"}},
}
OLD_STYLE = {
    "for_user_id": ACCOUNT,
    "favorite_events": [FAVORITE, {**FAVORITE, "id": "a7bb"}],
    "follow_events": [FOLLOW, {**FOLLOW, "type": "unfollow"}],
    "tweet_create_events": [STATUS, {**STATUS, "id_str": "78", "user": {"id_str": ACCOUNT}}],
    "tweet_delete_events": [{"status": {"id": "5", "user_id": ACCOUNT}, "timestamp_ms": "1763633100000"}],
    "direct_message_events": [MESSAGE],
    "users": {FAN: {"id": FAN, "screen_name": "fan1", "name": "Fan"}, "3": {"id": "3"}},
    "direct_message_indicate_typing_events": [{"sender_id": FAN}],
}


def test_x_account_activity_is_cut_per_element() -> None:
    events = parsed(X, OLD_STYLE)
    assert sorted(e.what for e in events) == sorted(
        [
            Happening.LIKED,
            Happening.LIKED,
            Happening.FOLLOWED,
            Happening.UNFOLLOWED,
            Happening.REMARKED,
            Happening.REMARKED,
            Happening.CONTENT_CREATED,
            Happening.CONTENT_DELETED,
            Happening.OTHER,
        ]
    )
    assert len({e.event_id for e in events}) == len(events)
    assert {e.external_id for e in events} == {ACCOUNT}
    assert all(e.occurred_at for e in events if e.what is not Happening.OTHER)
    message = next(e.remark for e in events if e.remark and e.remark.kind is RemarkKind.MESSAGE)
    assert (message.author.username, message.text.text) == ("fan1", "hi")


def test_x_likes_the_account_gives_are_not_likes_it_gets() -> None:
    given_away = {**FAVORITE, "user": {"id_str": ACCOUNT}}
    elsewhere = {**FAVORITE, "favorited_status": {"id_str": "1", "user": {"id_str": FAN}}}
    own = {**given_away, "favorited_status": {"id_str": "1", "user": {"id_str": ACCOUNT}}}
    events = parsed(X, {"for_user_id": ACCOUNT, "favorite_events": [given_away, elsewhere, own]})
    assert [e.what for e in events] == [Happening.OTHER, Happening.OTHER, Happening.LIKED]


def test_x_old_style_revocation() -> None:
    revoke = {
        "date_time": "2026-11-20T11:00:00+00:00",
        "target": {"app_id": "1"},
        "source": {"user_id": ACCOUNT},
    }
    event = one(X, {"user_event": {"revoke": revoke}})
    assert (event.external_id, event.what) == (ACCOUNT, Happening.ACCESS_REVOKED)


@pytest.mark.parametrize(
    ("rules", "accounts"),
    [
        ([{"id": "1", "tag": ACCOUNT}, {"id": "2", "tag": "7"}], {ACCOUNT, "7"}),
        ([{"id": "1", "tag": "shoes"}], {"5"}),
        ([], {"5"}),
    ],
)
def test_x_stream_matches_belong_to_the_rules_accounts(rules: list[Any], accounts: set[str]) -> None:
    post = {**MENTION, "in_reply_to_user_id": "5"}
    events = parsed(X, {"data": post, "includes": PEOPLE, "matching_rules": rules})
    assert {e.external_id for e in events} == accounts
    assert {e.what for e in events} == {Happening.REMARKED}


# -- Instagram --------------------------------------------------------------------------------------------
SHOP = "17841400000000001"
COMMENT = {
    "id": "17900000000000011",
    "parent_id": "17900000000000005",
    "text": "Schön! Preis?",
    "from": {"id": "1790000000000777", "username": "ana.r"},
    "media": {"id": "18010000000000001", "media_product_type": "FEED"},
}
DIRECT = {
    "sender": {"id": "1790000000000777"},
    "recipient": {"id": SHOP},
    "timestamp": 1793698900321,
    "message": {"mid": "aWdfZAG1faXRl", "text": "Hi"},
}


def entry(time: int = 1793698803, **content: Any) -> dict[str, Any]:
    return {"id": SHOP, "time": time, **content}


def change(field: str, value: object) -> dict[str, Any]:
    return {"field": field, "value": value}


def meta(*entries: object) -> dict[str, Any]:
    return {"object": "instagram", "entry": list(entries)}


@pytest.mark.parametrize(
    "content",
    [
        {"changes": [change("comments", COMMENT)]},
        change("comments", COMMENT),
        {"changes": [change("comments", {**COMMENT, "id": None, "comment_id": COMMENT["id"]})]},
    ],
    ids=["changes", "flat", "comment_id"],
)
def test_instagram_comment_in_every_shape(content: dict[str, Any]) -> None:
    event = one(IG, meta(entry(**content)))
    assert (event.external_id, event.what, event.subject_id) == (SHOP, Happening.REMARKED, COMMENT["id"])
    assert event.content_id == "18010000000000001"
    assert event.remark is not None
    assert event.remark.parent_id == "17900000000000005"
    assert event.remark.author.username == "ana.r"
    assert event.remark.text.text == "Schön! Preis?"
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-03T09:40:03+00:00"


def test_the_shapes_of_one_comment_share_their_event_id() -> None:
    shapes = [
        meta(entry(changes=[change("comments", COMMENT)])),
        meta(entry(1793699999, **change("comments", COMMENT))),
    ]
    assert len({e.event_id for shape in shapes for e in IG.split(body_of(shape))}) == 1


def test_an_own_comment_is_marked_by_its_author() -> None:
    own = {**COMMENT, "from": {"id": "2400", "username": "kiln", "self_ig_scoped_id": "2400"}}
    event = one(IG, meta(entry(changes=[change("comments", own)])))
    assert event.remark is not None
    assert event.remark.author.external_id == SHOP
    assert event.remark.author.username == "kiln"


def test_instagram_mention_tells_only_ids() -> None:
    in_comment = {"media_id": "18010000000000044", "comment_id": "17900000000000021"}
    event = one(IG, meta(entry(changes=[change("mentions", in_comment)])))
    assert (event.what, event.subject_id) == (Happening.REMARKED, "17900000000000021")
    assert event.remark is not None
    assert (event.remark.kind, event.remark.author.external_id) == (RemarkKind.MENTION, "")
    caption = one(IG, meta(entry(changes=[change("mentions", {"media_id": "18010000000000044"})])))
    assert caption.subject_id == "18010000000000044"


@pytest.mark.parametrize(
    ("value", "totals"),
    [
        ({"impressions": 310, "replies": 3}, Engagement(views=310, comments=3)),
        ({"impressions": -1, "replies": -1}, Engagement()),
    ],
)
def test_story_insights_are_totals(value: dict[str, int], totals: Engagement) -> None:
    event = one(IG, meta(entry(changes=[change("story_insights", {"media_id": "18", **value})])))
    assert (event.what, event.content_id, event.totals) == (Happening.TOTALS, "18", totals)


def test_instagram_messages() -> None:
    event = one(IG, meta(entry(1793698901000, messaging=[DIRECT])))
    assert (event.what, event.subject_id) == (Happening.REMARKED, "aWdfZAG1faXRl")
    assert event.remark is not None
    assert (event.remark.kind, event.remark.author.external_id) == (RemarkKind.MESSAGE, "1790000000000777")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-03T09:41:40.321000+00:00"
    unsent = {**DIRECT, "message": {"mid": "aWdfZAG1faXRl", "is_deleted": True}}
    echo = {**DIRECT, "sender": {"id": "2400"}, "message": {"mid": "e", "text": "Hi back", "is_echo": True}}
    reaction = {**DIRECT, "message": None, "reaction": {"mid": "aWdfZAG1faXRl", "action": "react"}}
    events = parsed(IG, meta(entry(messaging=[DIRECT, unsent, echo, reaction], standby=[DIRECT])))
    assert [e.what for e in events] == [
        Happening.REMARKED,
        Happening.REMARK_DELETED,
        Happening.REMARKED,
        Happening.OTHER,
        Happening.OTHER,
    ]
    assert len({e.event_id for e in events}) == 5
    assert events[2].remark is not None
    assert events[2].remark.author.external_id == SHOP


def test_one_broken_entry_does_not_cost_the_others() -> None:
    good = entry(changes=[change("comments", COMMENT), "odd", change("comments", 7), {"value": 1}])
    found = IG.split(body_of(meta(None, 5, {"id": "../../x"}, {"id": True}, good)))
    assert [e.what for e in map(IG.parse, found)] == [Happening.REMARKED, Happening.OTHER, Happening.OTHER]


# -- both -----------------------------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1]",
        b"7",
        b"{}",
        b"\xff\xfe",
        b'{"data":' + b"[" * 100_000,
        b'{"entry":7}',
        b'{"object":"instagram"}',
    ],
)
def test_what_the_platform_does_not_send_is_refused(platform: Platform, body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        platform.split(body)


@BOTH
def test_deep_nesting_is_refused_before_it_hurts(platform: Platform) -> None:
    deep: object = "x"
    for _ in range(65):
        deep = [deep]
    for value in (activity("post.create", deep), meta(entry(changes=[change("comments", deep)]))):
        with pytest.raises(WebhookRefused):
            platform.split(body_of(value))


def test_what_concerns_nobody_is_accepted_and_empty() -> None:
    assert X.split(b'{"data":{"event_type":"news.new","filter":{"keyword":"x"}}}') == []
    assert X.split(b'{"for_user_id":"1","favorite_events":[]}') == []
    assert IG.split(b'{"object":"instagram","entry":[]}') == []


EVERYTHING = [
    entry(1, changes=[change("comments", {**COMMENT, "id": str(n)}) for n in range(3)]),
    entry(2, changes=[change("story_insights", {"media_id": "18", "replies": 1})]),
    entry(3, messaging=[{"sender": {"id": "5"}, "timestamp": n, "read": {"mid": "m"}} for n in range(3)]),
    entry(4, **change("follows", {"n": 2**70})),
]


@given(st.permutations(EVERYTHING), st.lists(st.integers(1, 3), min_size=4, max_size=4))
def test_regrouping_keeps_event_ids(entries: list[dict[str, Any]], sizes: list[int]) -> None:
    bodies = []
    for size in sizes:
        bodies.append(meta(*entries[:size]))
        entries = entries[size:]
    found = [e.event_id for b in bodies for e in IG.split(body_of(b))]
    expected = [e.event_id for e in IG.split(body_of(meta(*EVERYTHING)))]
    assert sorted(found) == sorted(expected)
    assert len(set(expected)) == len(expected)


def test_regrouping_x_account_activity_keeps_event_ids() -> None:
    whole = {e.event_id for e in X.split(body_of(OLD_STYLE))}
    parts = set()
    for kind, elements in OLD_STYLE.items():
        if kind.endswith("_events"):
            for element in elements:
                parts |= {e.event_id for e in X.split(body_of({"for_user_id": ACCOUNT, kind: [element]}))}
    assert parts == whole


NAMES = st.sampled_from(
    [
        *(
            ["data", "entry", "object", "for_user_id", "matching_rules", "filter", "user_id", "payload", "event_type", "event_uuid", "includes"]
        ),
        *(
            ["changes", "field", "value", "messaging", "message", "mid", "from", "id", "media", "user", "text", "favorite_events", "user_event"]
        ),
        *(["tweet_create_events", "direct_message_events", "message_create", "revoke", "source", "users", "indices"]),
    ]
)
WORDS = st.sampled_from(
    ["1", "comments", "messaging", "mentions", "post.create", "like.create", "dm.sent", "5" * 30]
)
WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300)
@given(st.dictionaries(NAMES, WILD | VALUES, min_size=1, max_size=6))
def test_any_json_is_cut_and_interpreted_or_refused(value: dict[str, Any]) -> None:
    for candidate in (
        value,
        {"data": value},
        {"for_user_id": "1", "tweet_create_events": [value]},
        activity("post.create", value),
        meta({"id": "1", **value}),
        meta(entry(changes=[change("comments", value)], messaging=[value])),
    ):
        for platform in (X, IG):
            try:
                entries = platform.split(body_of(candidate))
            except WebhookRefused:
                continue
            for found in entries:
                assert found.external_id.isdigit()
                assert platform.parse(found).event_id == found.event_id


@given(st.binary())
def test_any_bytes_are_cut_or_refused(body: bytes) -> None:
    for platform in (X, IG):
        try:
            platform.split(body)
        except WebhookRefused:
            pass
        event = platform.parse(RawEntry("1", "e", body))
        assert (event.external_id, event.event_id) == ("1", "e")
