"""What an ad account of X holds, and its numbers by day. Fields as X's own client library has them."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.clock import iso_z
from sandbox.ids import hexadecimal, secret, seeded
from sandbox.world import Profile

CURRENCY, ZONE = "USD", ZoneInfo("America/Los_Angeles")
ENTITIES = {"campaigns": "CAMPAIGN", "line_items": "LINE_ITEM", "promoted_tweets": "PROMOTED_TWEET"}
BUDGETS = ("daily_budget_amount_local_micro", "total_budget_amount_local_micro")
CRITERIA = "targeting_criteria"
COUNTRIES = {
    "US": "United States",
    "GB": "United Kingdom",
    "DE": "Germany",
    "FR": "France",
    "BR": "Brazil",
    "JP": "Japan",
    "CA": "Canada",
    "AU": "Australia",
    "ES": "Spain",
    "IT": "Italy",
    "NL": "Netherlands",
    "AT": "Austria",
    "CH": "Switzerland",
}


@dataclass(slots=True)
class Book:
    """An ad account: `rows` by level are its objects, oldest first. `unshown`: promoted posts that were made
    while the sandbox runs; nobody was shown them, and they have no numbers."""

    id: str
    owner: Profile
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unshown: set[str] = field(default_factory=set)

    def row(self, level: str, id_: str) -> dict[str, Any] | None:
        """One that is not deleted."""
        return next((row for row in self.rows[level] if row["id"] == id_ and not row["deleted"]), None)


def seeded_book(book: Book, at_ms: int) -> Book:
    """Two campaigns of two line items with two promoted posts each, for people of the United States."""
    common = _new(at_ms)
    funding_id = secret(5, book.id, "funding").lower()
    funding = {
        "id": funding_id,
        "currency": CURRENCY,
        "description": "Visa ending in 1234",
        "type": "CREDIT_CARD",
        "able_to_fund": True,
        "entity_status": "ACTIVE",
        "reasons_not_able_to_fund": [],
        **common,
    }
    book.rows = {"funding_instruments": [funding], **{name: [] for name in (*ENTITIES, CRITERIA)}}
    book.rows["promotable_users"] = [
        {
            "id": secret(5, book.id, "promotable").lower(),
            "user_id": book.owner.id,
            "promotable_user_type": "FULL",
            **common,
        }
    ]
    for c, (season, status) in enumerate((("spring", "ACTIVE"), ("winter", "PAUSED"))):
        campaign_id = secret(5, book.id, "campaign", c).lower()
        book.rows["campaigns"].append(campaign(campaign_id, funding_id, at_ms))
        book.rows["campaigns"][-1] |= {"name": f"{book.owner.name} {season}", "entity_status": status}
        book.rows["campaigns"][-1]["daily_budget_amount_local_micro"] = 25_000_000
        for n in range(2):
            item = line_item(secret(5, book.id, "line_item", c, n).lower(), campaign_id, at_ms)
            item |= {"name": f"Line {n + 1}", "objective": "WEBSITE_CLICKS", "goal": "LINK_CLICKS"}
            item |= {"pay_by": "IMPRESSION", "start_time": iso_z(at_ms)}
            book.rows["line_items"].append(item)
            place = secret(6, book.id, "criterion", c, n).lower()
            book.rows[CRITERIA].append(criterion(place, item["id"], "US", at_ms))
            for p in range(2):
                post_id = secret(6, book.id, "promoted", c, n, p).lower()
                tweet_id = str(1_900_000_000_000_000_000 + 4 * c + 2 * n + p)
                book.rows["promoted_tweets"].append(promoted(post_id, item["id"], tweet_id, at_ms))
    return book


def campaign(campaign_id: str, funding: str, at_ms: int) -> dict[str, Any]:
    return {
        "id": campaign_id,
        "name": "",
        "currency": CURRENCY,
        "funding_instrument_id": funding,
        "entity_status": "ACTIVE",
        "effective_status": "RUNNING",
        "servable": True,
        "reasons_not_servable": [],
        "budget_optimization": "LINE_ITEM",
        **dict.fromkeys(BUDGETS),
        **_new(at_ms),
    }


def line_item(item_id: str, campaign_id: str, at_ms: int) -> dict[str, Any]:
    return {
        "id": item_id,
        "campaign_id": campaign_id,
        "name": None,
        "placements": ["ALL_ON_TWITTER"],
        "product_type": "PROMOTED_TWEETS",
        "bid_strategy": "AUTO",
        "entity_status": "ACTIVE",
        "currency": CURRENCY,
        "creative_source": "MANUAL",
        "categories": [],
        **dict.fromkeys(BUDGETS),
        **dict.fromkeys(("objective", "goal", "pay_by", "bid_amount_local_micro", "primary_web_event_tag")),
        **dict.fromkeys(("start_time", "end_time", "advertiser_domain", "frequency_cap")),
        **_new(at_ms),
    }


def promoted(post_id: str, item_id: str, tweet_id: str, at_ms: int) -> dict[str, Any]:
    """X makes them ACTIVE, whatever their line item is."""
    row = {"id": post_id, "line_item_id": item_id, "tweet_id": tweet_id}
    return row | {"entity_status": "ACTIVE", "approval_status": "ACCEPTED", **_new(at_ms)}


def criterion(
    criterion_id: str, item_id: str, country: str, at_ms: int, operator: str = "EQ"
) -> dict[str, Any]:
    return {
        "id": criterion_id,
        "line_item_id": item_id,
        "name": COUNTRIES[country],
        "operator_type": operator,
        "location_type": "COUNTRIES",
        "targeting_type": "LOCATION",
        "targeting_value": place_id(country),
        **_new(at_ms),
    }


def place_id(country: str) -> str:
    """By which X knows a country; that of the United States is X's own."""
    return "96683cc9126741d1" if country == "US" else hexadecimal(16, "place", country)


def _new(at_ms: int) -> dict[str, Any]:
    return {"created_at": iso_z(at_ms), "updated_at": iso_z(at_ms), "deleted": False}


def above(book: Book, level: str, post: dict[str, Any]) -> tuple[str, ...]:
    """The ids of the objects of one level that a promoted post belongs to."""
    if level == "promoted_tweets":
        return (post["id"],)
    if level == "line_items":
        return (post["line_item_id"],)
    return tuple(row["campaign_id"] for row in book.rows["line_items"] if row["id"] == post["line_item_id"])


def account_row(book: Book) -> dict[str, Any]:
    return {
        "id": book.id,
        "name": f"{book.owner.name} ads",
        "business_name": book.owner.name,
        "timezone": ZONE.key,
        "approval_status": "ACCEPTED",
        "deleted": False,
    }


def numbers(
    book: Book, seed: str, level: str, object_id: str, days: list[date], groups: list[str]
) -> dict[str, Any]:
    """An object's numbers are the sum of its promoted posts': the levels agree."""
    made = (row for row in book.rows["promoted_tweets"] if row["id"] not in book.unshown)
    posts = [row["id"] for row in made if object_id in above(book, level, row)]
    sums: dict[str, list[int]] = {
        name: [sum(_day(seed, post, day)[name] for post in posts) for day in days]
        for name in ("impressions", "engagements", "clicks", "billed_charge_local_micro")
    }
    kept = {
        "ENGAGEMENT": ("impressions", "engagements", "clicks"),
        "BILLING": ("billed_charge_local_micro",),
    }
    names = [name for group in groups for name in kept.get(group, ())]
    metrics = {name: sums[name] if any(sums[name]) else None for name in names}
    return {"id": object_id, "id_data": [{"segment": None, "metrics": metrics}]}


def _day(seed: str, post_id: str, day: date) -> dict[str, int]:
    rng = seeded(seed, post_id, day.isoformat())
    seen = rng.randrange(0, 4000)
    return {
        "impressions": seen,
        "engagements": seen // 40,
        "clicks": seen // rng.randrange(50, 120),
        "billed_charge_local_micro": seen * rng.randrange(30, 90) * 100,
    }
