"""What webhooks of both platforms share: handshakes, signatures, refusals, stable event ids."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.secrets import Secret
from platforms.base import Platform, PlatformApp, WebhookRefused
from tests.unit.platforms.payloads import (
    ACCOUNT,
    COMMENT,
    FB,
    IG,
    OLD_STYLE,
    X,
    activity,
    body_of,
    change,
    entry,
    meta,
)
from tests.unit.platforms.test_wire import VALUES

BOTH = pytest.mark.parametrize("platform", [X, IG, FB], ids=["twitter", "instagram", "facebook"])


def app(*secrets: str, verify_token: str | None = None) -> PlatformApp:
    return PlatformApp(
        id="app",
        platform="any",
        client_id="client",
        client_secret=Secret("unused"),
        webhook_secrets=tuple(Secret(s) for s in secrets),
        verify_token=Secret(verify_token) if verify_token else None,
    )


# -- handshakes and signatures -----------------------------------------------------------------------
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
    pytest.param(FB, IG_SECRET, "x-hub-signature-256", IG_BODY, IG_SIGNATURE, id="facebook"),
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


# -- both --------------------------------------------------------------------------------------------
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


@settings(deadline=None)
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


_NAMES = """
data entry object for_user_id matching_rules filter user_id payload event_type event_uuid includes
changes field value messaging message mid from id media user text favorite_events user_event
tweet_create_events direct_message_events message_create revoke source users indices
"""
NAMES = st.sampled_from(_NAMES.split())
WORDS = st.sampled_from(
    ["1", "comments", "messaging", "mentions", "post.create", "like.create", "dm.sent", "5" * 30]
)
WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
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
        for platform in (X, IG, FB):
            try:
                entries = platform.split(body_of(candidate))
            except WebhookRefused:
                continue
            for found in entries:
                assert found.external_id.isdigit()
                assert platform.parse(found).event_id == found.event_id
