"""What TikTok checks of campaigns, ad groups and ads before it makes them; where ads can be shown.

Sources: business-api.tiktok.com campaign/create, adgroup/create, ad/create, tool/region; the request models
of the client library tiktok-business-api-sdk.
"""

from datetime import UTC, datetime
from typing import Any

from sandbox.clock import parse_moment
from sandbox.ids import digits
from sandbox.tiktok.advertising import AdObject
from sandbox.web import BadInput
from sandbox.world import Content, Profile

# The ids are GeoNames', as TikTok's are.
COUNTRIES = {
    "US": ("6252001", "United States"),
    "DE": ("2921044", "Germany"),
    "FR": ("3017382", "France"),
    "GB": ("2635167", "United Kingdom"),
    "BR": ("3469034", "Brazil"),
    "JP": ("1861060", "Japan"),
}
IDENTITIES = ("CUSTOMIZED_USER", "AUTH_CODE", "TT_USER", "BC_AUTH_TT")
_REQUIRED = (
    "adgroup_name",
    "optimization_goal",
    "billing_event",
    "budget_mode",
    "schedule_type",
    "schedule_start_time",
    "pacing",
)
_BILLED = {
    "CLICK": "CPC",
    "REACH": "CPM",
    "SHOW": "CPM",
    "ENGAGED_VIEW": "CPV",
    "ENGAGED_VIEW_FIFTEEN": "CPV",
    "TRAFFIC_LANDING_PAGE_VIEW": "OCPM",
    "CONVERT": "OCPM",
    "VALUE": "OCPM",
    "FOLLOWERS": "OCPM",
    "LEAD_GENERATION": "OCPM",
}
_WITHOUT_PLACE = ("REACH", "VIDEO_VIEWS", "ENGAGEMENT")
_MODES = ("BUDGET_MODE_DAY", "BUDGET_MODE_TOTAL", "BUDGET_MODE_DYNAMIC_DAILY_BUDGET")
_LOWEST = 20  # whole units of the currency


def campaign_of(wish: dict[str, Any]) -> AdObject:
    name, objective, mode = (wish.get(n) for n in ("campaign_name", "objective_type", "budget_mode"))
    if not _is_name(name) or not isinstance(objective, str):
        raise BadInput("campaign_name and objective_type are needed")
    budget = wish.get("budget", 0.0)
    if mode in ("BUDGET_MODE_DAY", "BUDGET_MODE_TOTAL") and not is_amount(budget):
        raise BadInput("budget must be a number")
    made = AdObject("", "campaign", str(name), status=_status(wish), budget_mode=str(mode))
    made.objective, made.budget = objective, float(budget)
    return made


def group_of(wish: dict[str, Any], campaign: AdObject, now_ms: int) -> AdObject:
    for name in _REQUIRED:
        if not isinstance(wish.get(name), str) or not wish[name]:
            raise BadInput(f"{name}: Missing data for required field.")
    if not _is_name(wish["adgroup_name"]):
        raise BadInput("adgroup_name must have 1 to 512 characters")
    goal, mode = wish["optimization_goal"], wish["budget_mode"]
    if _BILLED.get(goal) != wish["billing_event"]:
        raise BadInput(f"The billing_event does not go with the optimization_goal {goal}.")
    if mode not in _MODES or not is_amount(wish.get("budget")) or wish["budget"] < _LOWEST:
        raise BadInput(f"An ad group needs a budget_mode and a budget of at least {_LOWEST}.")
    if campaign.objective not in _WITHOUT_PLACE and not wish.get("promotion_type"):
        raise BadInput(f"promotion_type is required for the objective {campaign.objective}.")
    if goal in ("CONVERT", "VALUE") and not (wish.get("pixel_id") and wish.get("optimization_event")):
        raise BadInput("pixel_id and optimization_event are required for conversions.")
    if campaign.objective == "VIDEO_VIEWS" and wish.get("bid_display_mode") != "CPV":
        raise BadInput("bid_display_mode must be CPV for the objective VIDEO_VIEWS.")
    if wish.get("placement_type") == "PLACEMENT_TYPE_NORMAL" and not wish.get("placements"):
        raise BadInput("placements are required for PLACEMENT_TYPE_NORMAL.")
    places, known = wish.get("location_ids"), {id_ for id_, _ in COUNTRIES.values()}
    if not isinstance(places, list) or not places or not set(places) <= known:
        raise BadInput("location_ids must be ids of locations that can be targeted.")
    begins, ends = _schedule(wish, mode, now_ms)
    made = AdObject("", "adgroup", wish["adgroup_name"], {"campaign_id": campaign.id}, _status(wish), mode)
    made.budget, made.begins, made.ends = float(wish["budget"]), begins, ends
    return made


def identity_id(account: Profile) -> str:
    """By which an advertiser shows the account's posts; another than that of the developers' service."""
    return digits(19, account.id, "identity", prefix="74")


def ad_of(creative: dict[str, Any], group: AdObject, account: Profile, post: Content | None) -> AdObject:
    """`post`: the account's own that the creative names."""
    if not _is_name(creative.get("ad_name")):
        raise BadInput("ad_name must have 1 to 512 characters")
    kind = creative.get("identity_type")
    if kind not in IDENTITIES or not creative.get("identity_id"):
        raise BadInput("identity_type and identity_id are required.")
    if kind == "BC_AUTH_TT" and not creative.get("identity_authorized_bc_id"):
        raise BadInput("identity_authorized_bc_id is required for BC_AUTH_TT.")
    if kind == "CUSTOMIZED_USER" or not creative.get("tiktok_item_id"):
        raise BadInput("The sandbox makes ads of posts only: tiktok_item_id and who posted it.")
    if post is None or creative["identity_id"] != identity_id(account):
        raise BadInput("The identity has no such post.")
    shape = "CAROUSEL_ADS" if post.kind == "photo" else "SINGLE_VIDEO"
    if creative.get("ad_format") != shape:
        raise BadInput(f"ad_format must be {shape} for this post.")
    parents = {**group.parents, "adgroup_id": group.id}
    return AdObject("", "ad", creative["ad_name"], parents, _status(creative))


def regions() -> list[dict[str, Any]]:
    return [
        {
            "location_id": id_,
            "name": name,
            "region_code": code,
            "parent_id": "0",
            "level": "COUNTRY",
            "area_type": "ADMIN",
        }
        for code, (id_, name) in COUNTRIES.items()
    ]


def is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 512


def _status(wish: dict[str, Any]) -> str:
    status = wish.get("operation_status", "ENABLE")
    if status not in ("ENABLE", "DISABLE"):
        raise BadInput("operation_status must be ENABLE or DISABLE")
    return str(status)


def _schedule(wish: dict[str, Any], mode: str, now_ms: int) -> tuple[str, str | None]:
    try:
        begins = parse_moment(wish["schedule_start_time"])
        ends = parse_moment(wish["schedule_end_time"]) if "schedule_end_time" in wish else None
    except (ValueError, TypeError):
        raise BadInput("Times are written as 2026-11-20 00:00:00, in UTC.") from None
    if begins < now_ms - 60_000:
        raise BadInput("schedule_start_time is in the past.")
    with_end = wish["schedule_type"] == "SCHEDULE_START_END"
    if with_end != (ends is not None) or (ends is not None and ends <= begins):
        raise BadInput("SCHEDULE_START_END has a schedule_end_time after its start, SCHEDULE_FROM_NOW none.")
    if mode == "BUDGET_MODE_TOTAL" and not with_end:
        raise BadInput("BUDGET_MODE_TOTAL needs SCHEDULE_START_END.")
    return _text(begins), None if ends is None else _text(ends)


def _text(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
