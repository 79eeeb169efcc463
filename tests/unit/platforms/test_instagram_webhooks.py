"""Instagram webhooks: three shapes cut into single happenings and interpreted."""

from typing import Any

import pytest

from domain.content import Engagement, Happening, RemarkKind
from tests.unit.platforms.payloads import COMMENT, DIRECT, IG, SHOP, body_of, change, entry, meta, one, parsed


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
