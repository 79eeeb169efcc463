"""Campaigns, line items and promoted posts made at X, and what X checks before: each check answers why not,
or None.

Sources: docs.x.com x-ads-api/campaign-management/reference (parameters, which are required, which go
together), campaign-management ("Objective Based Campaigns", "Ad groups FAQ"), fundamentals/error-codes.
`MISSING_PARAMETER` and the words of it, and `DUPLICATE_PROMOTABLE_ENTITY`, as users of X's client libraries
met them. Which goals go with an objective is told of some; of the rest by their names (unconfirmed), and so
is the code of a post that does not suit its objective.
"""

from typing import Any

from sandbox.clock import iso_z, parse_moment
from sandbox.ids import secret
from sandbox.state import State
from sandbox.twitter.ad_books import BUDGETS, Book, campaign, line_item, promoted
from sandbox.twitter.ads_answers import Params, Problem, answered, echoed, missing, one_of
from sandbox.twitter.errors import Refused, ads_error
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content

STATUSES = ("ACTIVE", "PAUSED", "DRAFT")
GOALS = {
    "APP_ENGAGEMENTS": ("APP_CLICKS", "APP_INSTALLS"),
    "APP_INSTALLS": ("APP_INSTALLS", "APP_CLICKS", "APP_PURCHASES"),
    "ENGAGEMENTS": ("ENGAGEMENT",),
    "FOLLOWERS": ("FOLLOWERS",),
    "PREROLL_VIEWS": ("PREROLL", "PREROLL_STARTS"),
    "REACH": ("MAX_REACH", "REACH_WITH_ENGAGEMENT"),
    "VIDEO_VIEWS": ("VIDEO_VIEW", "VIEW_3S_100PCT", "VIEW_6S", "VIEW_15S"),
    "WEBSITE_CLICKS": ("LINK_CLICKS", "SITE_VISITS", "WEBSITE_CONVERSIONS"),
}
_PAID_BY = {"ENGAGEMENT": "ENGAGEMENT", "FOLLOWERS": "FOLLOW"}
_BIDS = ("AUTO", "MAX", "TARGET")
_PRODUCTS = ("MEDIA", "PROMOTED_ACCOUNT", "PROMOTED_TWEETS")
_PLACEMENTS = ("ALL_ON_TWITTER", "TWITTER_PROFILE", "TWITTER_SEARCH", "TWITTER_TIMELINE")
_REQUIRED = ("campaign_id", "objective", "placements", "product_type", "start_time", "end_time")
_ITEMS_OF_A_CAMPAIGN, _POSTS_AT_ONCE, _LONGEST_NAME = 100, 50, 255


class Making:
    def __init__(self, state: State) -> None:
        self._state = state

    async def create(self, call: Call, book: Book) -> Reply:
        match call.params["level"]:
            case "campaigns":
                return self._campaign(call, book)
            case "line_items":
                return self._line_item(call, book)
            case "promoted_tweets":
                return self._promote(call, book)
        raise Refused(ads_error(405, "METHOD_NOT_ALLOWED", "This resource is not created here."))

    def _new_id(self, *basis: object) -> str:
        return secret(6, *basis, self._state.world.ids.numbered("", 6))

    def _campaign(self, call: Call, book: Book) -> Reply:
        problem = missing(call.query, ("name", "funding_instrument_id")) or values_refused(call.query)
        funding = call.query.get("funding_instrument_id", "")
        if problem is None and book.row("funding_instruments", funding) is None:
            text = "The funding instrument does not exist"
            problem = Problem("INVALID_FUNDING_INSTRUMENT", text, "funding_instrument_id", funding)
        if problem is not None:
            raise problem.refused()
        row = campaign(self._new_id(book.id, "campaign"), funding, self._state.clock.now_ms())
        row |= changes_of(call.query, "campaigns")
        book.rows["campaigns"].append(row)
        return answered(call, row, 201)

    def _line_item(self, call: Call, book: Book) -> Reply:
        now, said = self._state.clock.now_ms(), call.query
        if (problem := line_item_refused(book, said, now)) is not None:
            raise problem.refused()
        goal = said.get("goal") or GOALS[said["objective"]][0]
        row = line_item(self._new_id(book.id, "line_item"), said["campaign_id"], now)
        row |= {name: said[name] for name in ("objective", "product_type")}
        row |= {"placements": said["placements"].split(","), "bid_strategy": _strategy(said), "goal": goal}
        row |= {"pay_by": _PAID_BY.get(goal, "IMPRESSION")}
        row |= {"primary_web_event_tag": said.get("primary_web_event_tag")}
        row |= {name: iso_z(parse_moment(said[name])) for name in ("start_time", "end_time")}
        if (bid := said.get("bid_amount_local_micro")) is not None:
            row["bid_amount_local_micro"] = int(bid)
        row |= changes_of(said, "line_items")
        book.rows["line_items"].append(row)
        return answered(call, row, 201)

    def _promote(self, call: Call, book: Book) -> Reply:
        wanted = [part for part in call.query.get("tweet_ids", "").split(",") if part]
        posts = {id_: self._state.world.find("twitter", id_) for id_ in wanted}
        if (problem := posts_refused(book, call.query, posts)) is not None:
            raise problem.refused()
        item, now = call.query["line_item_id"], self._state.clock.now_ms()
        rows = [promoted(self._new_id(book.id, "promoted").lower(), item, id_, now) for id_ in posts]
        book.rows["promoted_tweets"] += rows
        book.unshown.update(row["id"] for row in rows)
        return json_reply({"data": rows, "total_count": len(rows)} | echoed(call), 201)


def values_refused(params: Params) -> Problem | None:
    """Of what a campaign and a line item have in common, made or changed."""
    if (wrong := one_of(params, "entity_status", STATUSES)) is not None:
        return wrong
    if len(params.get("name", "")) > _LONGEST_NAME:
        return Problem("INVALID_PARAMETER", f"name has at most {_LONGEST_NAME} characters", "name")
    for name in (*BUDGETS, "bid_amount_local_micro"):
        value = params.get(name)
        if value is not None and not _is_amount(value):
            text = f"{name} must be a positive number of millionths"
            return Problem("INVALID_PARAMETER", text, name, value)
    daily, total = (params.get(name) for name in BUDGETS)
    if daily is not None and total is not None and int(daily) > int(total):
        text = f"{BUDGETS[0]} must be less than or equal to {BUDGETS[1]}"
        return Problem("INVALID_PARAMETER", text, BUDGETS[0], daily)
    return None


def changes_of(params: Params, level: str) -> dict[str, Any]:
    """What the parameters change of a campaign or a line item; they were checked."""
    changes: dict[str, Any] = {name: params[name] for name in ("name", "entity_status") if name in params}
    changes |= {name: int(params[name]) for name in BUDGETS if name in params}
    if level == "campaigns" and "entity_status" in changes:
        running = changes["entity_status"] == "ACTIVE"
        effective = "RUNNING" if running else changes["entity_status"]
        changes |= {"effective_status": effective, "servable": running}
    return changes


def line_item_refused(book: Book, params: Params, now_ms: int) -> Problem | None:
    if (absent := missing(params, _REQUIRED)) is not None:
        return absent
    above = book.row("campaigns", params["campaign_id"])
    if above is None:
        text = "The campaign does not exist"
        return Problem("CAMPAIGN_NOT_FOUND", text, "campaign_id", params["campaign_id"], 404)
    wrong = one_of(params, "objective", tuple(GOALS)) or one_of(params, "product_type", _PRODUCTS)
    wrong = wrong or values_refused(params) or _placements_refused(params) or _goal_refused(params)
    wrong = wrong or _bid_refused(params) or _times_refused(params, now_ms)
    return wrong or _beside_others_refused(book, params, above)


def _placements_refused(params: Params) -> Problem | None:
    places = params["placements"].split(",")
    for place in places:
        if (wrong := one_of({"placements": place}, "placements", _PLACEMENTS)) is not None:
            return wrong
    seen = {"ALL_ON_TWITTER", "TWITTER_TIMELINE"} & set(places)
    if places == ["TWITTER_PROFILE"] or (params["objective"] == "REACH" and not seen):
        text = f"These placements do not go with the objective {params['objective']}"
        return Problem("INVALID_PLACEMENT_TYPE", text, "placements", params["placements"])
    return None


def _goal_refused(params: Params) -> Problem | None:
    objective = params["objective"]
    if (wrong := one_of(params, "goal", GOALS[objective])) is not None:
        return wrong
    if params.get("goal") == "WEBSITE_CONVERSIONS":
        return missing(params, ("primary_web_event_tag",))
    apps = ("android_app_store_identifier", "ios_app_store_identifier")
    if objective.startswith("APP_") and not any(params.get(name) for name in apps):
        return missing(params, apps)
    return None


def _bid_refused(params: Params) -> Problem | None:
    objective, strategy = params["objective"], _strategy(params)
    if (wrong := one_of(params, "bid_strategy", _BIDS)) is not None:
        return wrong
    without_max = objective in ("REACH", "FOLLOWERS")
    with_target = without_max or objective == "WEBSITE_CLICKS"
    if (strategy == "MAX" and without_max) or (strategy == "TARGET" and not with_target):
        text = f"bid_strategy {strategy} is not available for the objective {objective}"
        return Problem("INVALID_PARAMETER", text, "bid_strategy", strategy)
    return None if strategy == "AUTO" else missing(params, ("bid_amount_local_micro",))


def _strategy(params: Params) -> str:
    """X's default depends on the objective; with a bid it is one that bids."""
    bidding = "TARGET" if params["objective"] in ("REACH", "FOLLOWERS") else "MAX"
    return params.get("bid_strategy") or (bidding if "bid_amount_local_micro" in params else "AUTO")


def _times_refused(params: Params, now_ms: int) -> Problem | None:
    moments = []
    for name in ("start_time", "end_time"):
        try:
            moments.append(parse_moment(params[name]))
        except ValueError:
            text = f'Expected time, got "{params[name]}" for {name}'
            return Problem("INVALID_PARAMETER", text, name, params[name])
    begins, ends = moments
    if ends <= max(begins, now_ms):
        text = "end_time must be in the future and after start_time"
        return Problem("INVALID_TIME_WINDOW", text, "end_time", params["end_time"])
    return None


def _beside_others_refused(book: Book, params: Params, above: dict[str, Any]) -> Problem | None:
    """What depends on the campaign, and on what is in it already."""
    total, most = params.get(BUDGETS[1]), above[BUDGETS[1]]
    if total is not None and most is not None and int(total) > most:
        text = "The budget exceeds that of the campaign"
        return Problem("SPEND_EXCEEDS_BUDGET", text, BUDGETS[1], total)
    items = [r for r in book.rows["line_items"] if r["campaign_id"] == above["id"] and not r["deleted"]]
    for name in ("objective", "product_type"):
        if any(row[name] != params[name] for row in items):
            text = f"All line items of a campaign must have the same {name}"
            return Problem("INVALID_PARAMETER", text, name, params[name])
    if len(items) >= _ITEMS_OF_A_CAMPAIGN:
        return Problem("TOO_MANY_LINE_ITEMS", f"A campaign has at most {_ITEMS_OF_A_CAMPAIGN} line items")
    return None


def posts_refused(book: Book, params: Params, posts: dict[str, Content | None]) -> Problem | None:
    """`posts`: those that `tweet_ids` names, as the world knows them."""
    if (absent := missing(params, ("line_item_id", "tweet_ids"))) is not None:
        return absent
    item = book.row("line_items", params["line_item_id"])
    if item is None:
        text = "The line item does not exist"
        return Problem("LINE_ITEM_NOT_FOUND", text, "line_item_id", params["line_item_id"], 404)
    if len(posts) > _POSTS_AT_ONCE or item["product_type"] == "MEDIA":
        text = f"Up to {_POSTS_AT_ONCE} posts go into a line item that promotes posts"
        return Problem("INVALID_PARAMETER", text, "tweet_ids", params["tweet_ids"])
    taken = (r for r in book.rows["promoted_tweets"] if r["line_item_id"] == item["id"] and not r["deleted"])
    there = {row["tweet_id"] for row in taken}
    for id_, post in posts.items():
        if post is None or post.deleted or post.author_id != book.owner.id:
            return Problem("TWEET_NOT_FOUND", "The post does not exist", "tweet_ids", id_, 404)
        film = any(media.kind != "photo" for media in post.media)
        if post.kind == "repost" or (item["objective"] == "VIDEO_VIEWS" and not film):
            text = f"The post cannot be promoted for the objective {item['objective']}"
            return Problem("INVALID_TWEET", text, "tweet_ids", id_)
        if id_ in there:
            text = "The post is already promoted by the line item"
            return Problem("DUPLICATE_PROMOTABLE_ENTITY", text, "tweet_ids", id_)
    return None


def _is_amount(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) > 0
