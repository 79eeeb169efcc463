"""What Facebook checks of campaigns, ad sets, creatives and ads before it makes them: each function takes
the parameters of the call and gives the fields of the new object, or refuses.

Sources: references ad-campaign-group, ad-campaign, adgroup, ad-creative; the business SDK's enumerations.
Every ad account here has a default beneficiary and payor, so that ad sets in the EU need not name theirs.
"""

import json
from typing import Any

from sandbox.clock import iso_offset, parse_moment
from sandbox.facebook.read import bad_parameter
from sandbox.meta.errors import Refused, graph_error

STATUSES = ("ACTIVE", "PAUSED", "DELETED", "ARCHIVED")
_EVERYWHERE = ("IMPRESSIONS", "REACH", "LINK_CLICKS", "LANDING_PAGE_VIEWS")
# Objective -> what its ad sets may be optimised for.
GOALS = {
    "OUTCOME_AWARENESS": ("IMPRESSIONS", "REACH", "AD_RECALL_LIFT", "THRUPLAY"),
    "OUTCOME_TRAFFIC": (*_EVERYWHERE, "CONVERSATIONS", "VISIT_INSTAGRAM_PROFILE", "QUALITY_CALL"),
    "OUTCOME_ENGAGEMENT": (
        *_EVERYWHERE,
        "POST_ENGAGEMENT",
        "PAGE_LIKES",
        "EVENT_RESPONSES",
        "THRUPLAY",
        "CONVERSATIONS",
        "OFFSITE_CONVERSIONS",
    ),
    "OUTCOME_LEADS": (
        *_EVERYWHERE,
        "LEAD_GENERATION",
        "QUALITY_LEAD",
        "CONVERSATIONS",
        "QUALITY_CALL",
        "OFFSITE_CONVERSIONS",
    ),
    "OUTCOME_APP_PROMOTION": ("APP_INSTALLS", "LINK_CLICKS", "OFFSITE_CONVERSIONS", "VALUE"),
    "OUTCOME_SALES": (*_EVERYWHERE, "OFFSITE_CONVERSIONS", "VALUE", "CONVERSATIONS"),
}
# Goal -> what is billed beside impressions, which go with every goal.
_BILLED = {goal: goal for goal in ("LINK_CLICKS", "THRUPLAY", "PAGE_LIKES", "POST_ENGAGEMENT")}
_WANTS = {
    "OFFSITE_CONVERSIONS": ("pixel_id", "custom_event_type"),
    "VALUE": ("pixel_id", "custom_event_type"),
    "PAGE_LIKES": ("page_id",),
    "LEAD_GENERATION": ("page_id",),
    "QUALITY_LEAD": ("page_id",),
    "CONVERSATIONS": ("page_id",),
}
_BUDGETS = ("daily_budget", "lifetime_budget")
_LOWEST = 100  # minor units


def campaign_of(form: dict[str, str]) -> dict[str, Any]:
    if not form.get("name") or form.get("objective") not in GOALS:
        raise bad_parameter(f"name and an objective of {', '.join(GOALS)} are required")
    if "special_ad_categories" not in form:
        raise bad_parameter("The parameter special_ad_categories is required")
    budgets = _budgets(form)
    if not budgets and "is_adset_budget_sharing_enabled" not in form:
        raise bad_parameter("is_adset_budget_sharing_enabled is required without a campaign budget")
    return {"name": form["name"], "status": _status(form), "objective": form["objective"], **budgets}


def adset_of(form: dict[str, str], campaign: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """`campaign`: the fields of the one that it names."""
    if not form.get("name"):
        raise bad_parameter("The parameter name is required")
    goal, billed = form.get("optimization_goal", ""), form.get("billing_event", "")
    if goal not in GOALS[campaign["objective"]]:
        raise bad_parameter(f"The optimization goal does not go with the objective {campaign['objective']}")
    if billed not in ("IMPRESSIONS", _BILLED.get(goal)):
        raise bad_parameter("The billing event does not go with the optimization goal")
    budgets, shared = _budgets(form), any(name in campaign for name in _BUDGETS)
    if shared and budgets:
        raise bad_parameter("A campaign with a budget shares it: its ad sets may not have their own")
    if not shared and len(budgets) != 1:
        raise bad_parameter("An ad set needs either daily_budget or lifetime_budget")
    strategy = form.get("bid_strategy", "LOWEST_COST_WITHOUT_CAP")
    if strategy != "LOWEST_COST_WITHOUT_CAP" and "bid_amount" not in form:
        raise bad_parameter(f"bid_amount is required for {strategy}")
    promoted = _object(form, "promoted_object")
    if missing := [name for name in _WANTS.get(goal, ()) if not promoted.get(name)]:
        raise bad_parameter(f"promoted_object must hold {missing[0]} for {goal}")
    shown: dict[str, Any] = {
        "name": form["name"],
        "status": _status(form),
        "campaign_id": form["campaign_id"],
        "optimization_goal": goal,
        "billing_event": billed,
        "targeting": _targeting(form),
        **budgets,
        **_times(form, budgets, now_ms),
    }
    shown |= {name: form[name] for name in ("dsa_beneficiary", "dsa_payor") if name in form}
    return shown | ({"promoted_object": promoted} if promoted else {})


def ad_of(form: dict[str, str], adset: dict[str, Any], creative_id: str) -> dict[str, Any]:
    if not form.get("name"):
        raise bad_parameter("The parameter name is required")
    return {
        "name": form["name"],
        "status": _status(form),
        "adset_id": form["adset_id"],
        "campaign_id": adset["campaign_id"],
        "creative": {"id": creative_id},
    }


def creative_spec(form: dict[str, str]) -> dict[str, Any]:
    """The creative inside an ad: `creative_id`, or a whole one."""
    spec = _object(form, "creative")
    if not spec:
        raise bad_parameter("The parameter creative is required")
    return spec


def button(told: Any) -> dict[str, Any]:
    """A call to action: whole as a parameter, or inside a creative."""
    try:
        found = json.loads(told) if isinstance(told, str) else told
        link = found["value"]["link"]
    except (ValueError, TypeError, KeyError):
        raise bad_parameter("call_to_action must have a type and a value with a link") from None
    if not isinstance(found.get("type"), str) or not str(link).startswith(("http://", "https://")):
        raise bad_parameter("call_to_action must have a type and a value with a link")
    return dict(found)


def no_creative() -> Refused:
    return bad_parameter("The creative must show a post that the ad account may promote")


def _budgets(form: dict[str, str]) -> dict[str, Any]:
    found = {name: form[name] for name in _BUDGETS if name in form}
    if any(not value.isdigit() or int(value) < _LOWEST for value in found.values()):
        raise bad_parameter("The budget is too low")
    return found


def _status(form: dict[str, str]) -> str:
    status = form.get("status", "PAUSED")
    if status not in STATUSES:
        raise bad_parameter(f"status must be one of {', '.join(STATUSES)}")
    return status


def _targeting(form: dict[str, str]) -> dict[str, Any]:
    targeting = _object(form, "targeting")
    countries = targeting.get("geo_locations", {}).get("countries")
    if not isinstance(countries, list) or not countries:
        raise bad_parameter("targeting must name countries in geo_locations")
    if any(not isinstance(c, str) or len(c) != 2 or not c.isupper() for c in countries):
        raise bad_parameter("The country code is invalid")
    if targeting.get("targeting_automation", {}).get("advantage_audience") not in (0, 1):
        message = "(#100) The Advantage audience flag is required: set advantage_audience to 0 or 1"
        raise Refused(graph_error(100, message, 1870227))
    return targeting


def _times(form: dict[str, str], budgets: dict[str, Any], now_ms: int) -> dict[str, Any]:
    try:
        begins = parse_moment(form["start_time"]) if "start_time" in form else now_ms
        ends = parse_moment(form["end_time"]) if "end_time" in form else None
    except ValueError:
        raise bad_parameter("start_time and end_time must be times") from None
    if ends is None and "lifetime_budget" in budgets:
        raise bad_parameter("end_time is required with lifetime_budget")
    if ends is not None and ends <= max(begins, now_ms):
        raise bad_parameter("end_time must be after start_time and in the future")
    return {"start_time": iso_offset(begins)} | ({"end_time": iso_offset(ends)} if ends else {})


def _object(form: dict[str, str], name: str) -> dict[str, Any]:
    try:
        found = json.loads(form.get(name, "{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise bad_parameter(f"{name} must be an object")
    return found
