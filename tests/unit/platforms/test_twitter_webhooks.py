"""X webhooks: three shapes cut into single happenings and interpreted."""

import json
from typing import Any

import pytest

from domain.content import Happening, RemarkKind
from tests.unit.platforms.payloads import (
    ACCOUNT,
    FAN,
    FAVORITE,
    MENTION,
    OLD_STYLE,
    PEOPLE,
    X,
    activity,
    body_of,
    one,
    parsed,
)


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


# -- account activity v2 and filtered stream ----------------------------------------------------------
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
