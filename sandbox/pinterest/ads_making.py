"""What Pinterest checks of campaigns, ad groups and ads before it makes them: each function answers why not,
or None. Source: Pinterest's OpenAPI document 5.23.0, the descriptions of the fields of the requests; of
5.28, as its client library has it, that campaigns share out their budgets unless they say otherwise."""

from typing import Any

from sandbox.world import Content

OBJECTIVES = ("AWARENESS", "CONSIDERATION", "WEB_CONVERSION", "CATALOG_SALES", "VIDEO_COMPLETION")
COUNTRIES = ("US", "GB", "DE", "FR", "BR", "JP", "CA", "AU", "ES", "IT", "NL", "AT", "CH")
_EVENTS = ("CLICKTHROUGH", "IMPRESSION", "VIDEO_V_50_MRC")
_KINDS = {"VIDEO": "VIDEO", "CAROUSEL": "CAROUSEL"}
_BIDS = ("AUTOMATIC_BID", "MAX_BID", "TARGET_AVG")


def campaign_refused(wish: dict[str, Any]) -> str | None:
    if not wish.get("name") or wish.get("objective_type") not in OBJECTIVES:
        return "Name and objective_type are required."
    caps = [name for name in ("daily_spend_cap", "lifetime_spend_cap") if wish.get(name)]
    shares = wish.get("is_campaign_budget_optimization", True)
    if shares != (len(caps) == 1):
        return "A daily or lifetime spend cap goes with campaign budget optimization, and only with it."
    if caps == ["lifetime_spend_cap"] and not wish.get("end_time"):
        return "end_time is required for a lifetime_spend_cap."
    return None


def group_refused(wish: dict[str, Any], campaign: dict[str, Any] | None, now_s: int) -> str | None:
    """`campaign`: the fields of the one that it names."""
    if campaign is None:
        return "Campaign not found."
    if not wish.get("name") or wish.get("billable_event") not in _EVENTS:
        return "name and billable_event are required."
    shared = campaign.get("is_campaign_budget_optimization", True)
    kind = wish.get("budget_type", "DAILY")
    if shared != (kind == "CBO_ADGROUP") or kind not in ("DAILY", "LIFETIME", "CBO_ADGROUP"):
        return "The budget_type is not valid for the campaign."
    if not shared and not wish.get("budget_in_micro_currency"):
        return "budget_in_micro_currency is required for campaigns without budget optimization."
    begins, ends = wish.get("start_time", now_s), wish.get("end_time")
    if shared and ("start_time" in wish or ends is not None):
        return "Ad groups of campaigns with budget optimization have no times of their own."
    if kind == "LIFETIME" and ends is None:
        return "end_time is required for a LIFETIME budget."
    if ends is not None and (type(ends) is not int or ends <= max(begins, now_s)):
        return "end_time must be after start_time and in the future."
    bid = wish.get("bid_strategy_type")
    if bid not in _BIDS or (bid != "AUTOMATIC_BID" and not wish.get("bid_in_micro_currency")):
        return "bid_in_micro_currency is required for this bid_strategy_type."
    conversions = wish.get("optimization_goal_metadata") or {}
    tag = conversions.get("conversion_tag_v3_goal_metadata", {}).get("conversion_tag_id")
    if campaign.get("objective_type") == "WEB_CONVERSION" and not tag:
        return "optimization_goal_metadata is required for WEB_CONVERSION."
    targeting = wish.get("targeting_spec") or {}
    places = [*(targeting.get("LOCATION") or ()), *(targeting.get("GEO") or ())]
    if not places:
        return "At least one of LOCATION or GEO must be specified."
    if any(place not in COUNTRIES for place in targeting.get("LOCATION") or ()):
        return "The location is invalid."
    return None


def ad_refused(wish: dict[str, Any], group: dict[str, Any] | None, pin: Content | None) -> str | None:
    """`group`: the fields of the one that it names. `pin`: the Pin of the account that it names."""
    if group is None:
        return "Ad group not found."
    if pin is None:
        return "Pin not found."
    if wish.get("creative_type") != _KINDS.get(pin.kind.upper(), "REGULAR"):
        return "The creative_type is not valid for the Pin."
    return None
