"""What the sandbox's X checks of line items, criteria and promoted posts before it makes them."""

from typing import Any

import pytest

from sandbox.clock import parse_moment
from sandbox.twitter.ad_books import CRITERIA, Book, line_item, place_id, seeded_book
from sandbox.twitter.ads_making import line_item_refused, posts_refused, values_refused
from sandbox.twitter.targeting import criterion_refused
from sandbox.world import Content, Media, Profile

NOW = parse_moment("2026-11-20T12:00:00Z")
ITEM = {
    "objective": "ENGAGEMENTS",
    "placements": "ALL_ON_TWITTER",
    "product_type": "PROMOTED_TWEETS",
    "start_time": "2026-11-21",
    "end_time": "2026-12-01T00:00:00Z",
}


@pytest.fixture
def book() -> Book:
    """With a campaign, `c1`, that may spend ten dollars, and nothing in it."""
    seeded = seeded_book(Book("18ce", Profile("twitter", "7", "kiln", "Kiln")), NOW)
    seeded.rows["campaigns"][0] |= {"id": "c1", "total_budget_amount_local_micro": 10_000_000}
    for level in ("line_items", "promoted_tweets", CRITERIA):
        seeded.rows[level].clear()
    return seeded


def code(problem: Any) -> str | None:
    return problem.code if problem is not None else None


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        *(({name: ""}, "MISSING_PARAMETER") for name in (*ITEM, "campaign_id")),
        ({"campaign_id": "c2"}, "CAMPAIGN_NOT_FOUND"),
        ({"objective": "FAME"}, "INVALID_PARAMETER"),
        ({"product_type": "PROMOTED_TRENDS"}, "INVALID_PARAMETER"),
        ({"placements": "ALL_ON_TWITTER,MARS"}, "INVALID_PARAMETER"),
        ({"placements": "TWITTER_PROFILE"}, "INVALID_PLACEMENT_TYPE"),
        ({"objective": "REACH", "placements": "TWITTER_SEARCH"}, "INVALID_PLACEMENT_TYPE"),
        ({"objective": "REACH", "placements": "TWITTER_SEARCH,TWITTER_TIMELINE"}, None),
        ({"goal": "ENGAGEMENT"}, None),
        ({"goal": "LINK_CLICKS"}, "INVALID_PARAMETER"),
        ({"objective": "WEBSITE_CLICKS", "goal": "WEBSITE_CONVERSIONS"}, "MISSING_PARAMETER"),
        (
            {"objective": "WEBSITE_CLICKS", "goal": "WEBSITE_CONVERSIONS", "primary_web_event_tag": "o1"},
            None,
        ),
        ({"objective": "APP_INSTALLS"}, "MISSING_PARAMETER"),
        ({"objective": "APP_INSTALLS", "ios_app_store_identifier": "333"}, None),
        ({"bid_strategy": "LOUD"}, "INVALID_PARAMETER"),
        ({"bid_strategy": "AUTO"}, None),
        ({"bid_strategy": "MAX"}, "MISSING_PARAMETER"),
        ({"bid_strategy": "MAX", "bid_amount_local_micro": "0"}, "INVALID_PARAMETER"),
        ({"bid_strategy": "MAX", "bid_amount_local_micro": "10000"}, None),
        (
            {"objective": "REACH", "bid_strategy": "MAX", "bid_amount_local_micro": "1"},
            "INVALID_PARAMETER",
        ),
        ({"bid_strategy": "TARGET", "bid_amount_local_micro": "10000"}, "INVALID_PARAMETER"),
        ({"objective": "REACH", "bid_amount_local_micro": "10000"}, None),
        ({"start_time": "soon"}, "INVALID_PARAMETER"),
        ({"end_time": "2026-11-21"}, "INVALID_TIME_WINDOW"),
        ({"start_time": "2026-01-01", "end_time": "2026-02-01"}, "INVALID_TIME_WINDOW"),
        ({"entity_status": "RUNNING"}, "INVALID_PARAMETER"),
        ({"name": "x" * 256}, "INVALID_PARAMETER"),
        ({"daily_budget_amount_local_micro": "1.5"}, "INVALID_PARAMETER"),
        ({"total_budget_amount_local_micro": "10000001"}, "SPEND_EXCEEDS_BUDGET"),
        ({"total_budget_amount_local_micro": "10000000"}, None),
    ],
)
def test_a_line_item(book: Book, changes: dict[str, str], refused: str | None) -> None:
    assert code(line_item_refused(book, ITEM | {"campaign_id": "c1"} | changes, NOW)) == refused


def test_a_daily_budget_is_no_more_than_the_whole() -> None:
    budgets = {"daily_budget_amount_local_micro": "2", "total_budget_amount_local_micro": "1"}
    assert code(values_refused(budgets)) == "INVALID_PARAMETER"


def test_the_line_items_of_a_campaign_are_a_hundred_of_one_kind(book: Book) -> None:
    wish = ITEM | {"campaign_id": "c1"}
    for n in range(100):
        assert line_item_refused(book, wish, NOW) is None
        book.rows["line_items"].append(line_item(f"g{n}", "c1", NOW) | {"objective": "ENGAGEMENTS"})
    assert code(line_item_refused(book, wish, NOW)) == "TOO_MANY_LINE_ITEMS"
    book.rows["line_items"][0]["deleted"] = True
    assert line_item_refused(book, wish, NOW) is None
    for other in ({"objective": "REACH"}, {"product_type": "MEDIA"}):
        assert code(line_item_refused(book, wish | other, NOW)) == "INVALID_PARAMETER"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        ({"operator_type": "NE"}, None),
        *(
            ({name: ""}, "MISSING_PARAMETER")
            for name in ("line_item_id", "operator_type", "targeting_type", "targeting_value")
        ),
        ({"line_item_id": "g2"}, "LINE_ITEM_NOT_FOUND"),
        ({"targeting_type": "MOOD"}, "INVALID_TARGETING_TYPE"),
        ({"targeting_type": "BROAD_KEYWORD"}, "NOT_IMPLEMENTED"),
        ({"operator_type": "LT"}, "NOT_IMPLEMENTED"),
        ({"targeting_value": "Germany"}, "INVALID_PARAMETER"),
    ],
)
def test_a_criterion(book: Book, changes: dict[str, str], refused: str | None) -> None:
    book.rows["line_items"].append(line_item("g1", "c1", NOW))
    wish = {"line_item_id": "g1", "operator_type": "EQ", "targeting_type": "LOCATION"}
    assert code(criterion_refused(book, wish | {"targeting_value": place_id("DE")} | changes)) == refused


def test_what_a_line_item_promotes(book: Book) -> None:
    book.rows["line_items"] += [
        line_item("g1", "c1", NOW) | {"objective": "ENGAGEMENTS"},
        line_item("films", "c1", NOW) | {"objective": "VIDEO_VIEWS"},
        line_item("preroll", "c1", NOW) | {"product_type": "MEDIA"},
    ]
    film = Media("m1", "video", "https://x.example/m1", None, 16, 9)
    own = {"text": Content("twitter", "1", "post", "7", "Hello", NOW)}
    own["film"] = Content("twitter", "2", "post", "7", "Film", NOW, media=[film])
    own["repost"] = Content("twitter", "3", "repost", "7", "RT", NOW, reposted_id="9")
    own["gone"] = Content("twitter", "4", "post", "7", "Bye", NOW, deleted=True)
    own["theirs"] = Content("twitter", "5", "post", "8", "Theirs", NOW)

    def refused(item: str, *names: str) -> str | None:
        posts: dict[str, Content | None] = {own[name].id: own[name] for name in names}
        params = {"line_item_id": item, "tweet_ids": ",".join(posts)}
        return code(posts_refused(book, params, posts))

    assert refused("g1", "text", "film") is None and refused("films", "film") is None
    assert refused("g1") == "MISSING_PARAMETER" and refused("g2", "text") == "LINE_ITEM_NOT_FOUND"
    assert refused("preroll", "film") == "INVALID_PARAMETER"
    assert refused("films", "text") == refused("g1", "repost") == "INVALID_TWEET"
    assert {refused("g1", name) for name in ("gone", "theirs")} == {"TWEET_NOT_FOUND"}
    nobody: dict[str, Content | None] = {"6": None}
    assert code(posts_refused(book, {"line_item_id": "g1", "tweet_ids": "6"}, nobody)) == "TWEET_NOT_FOUND"
    many: dict[str, Content | None] = {str(n): own["text"] for n in range(51)}
    params = {"line_item_id": "g1", "tweet_ids": ",".join(many)}
    assert code(posts_refused(book, params, many)) == "INVALID_PARAMETER"
    book.rows["promoted_tweets"].append({"line_item_id": "g1", "tweet_id": "1", "deleted": False})
    assert refused("g1", "text") == "DUPLICATE_PROMOTABLE_ENTITY" and refused("g1", "film") is None
