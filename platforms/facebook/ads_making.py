"""Campaigns, ad sets and ads made at Facebook: each by one call, paused, with a tag in its name by which it
is looked for afterwards.

An ad promotes what is published already: a post of the page, or media of an Instagram account, for which the
page stands. Its creative goes along in the same call.

Sources: docs/marketing-api/reference/{ad-campaign-group,ad-campaign,adgroup,ad-creative}, docs/marketing-api/
currencies; node specs of Meta's business SDK (AdAccount: `campaigns`, `adsets`, `ads`, `adcreatives`).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    tagged,
)
from platforms.ad_rules import missing_setting, other_currency, unknown_setting
from platforms.capabilities import Access
from platforms.facebook import marketing
from platforms.facebook.ads_rows import EDGES, FIELDS, object_of
from platforms.facebook.amounts import to_budget
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.wire import Json, encode, id_at, objects

_MAYBE = {
    AdLevel.CAMPAIGN: "the campaign may have been created",
    AdLevel.GROUP: "the ad set may have been created",
    AdLevel.AD: "the ad may have been created",
}
# Whom an ad in the EU is for and who pays: wanted where the ad account has no default (docs: DSA).
_GROUP_SETTINGS = ("dsa_beneficiary", "dsa_payor", "pixel_id", "custom_event_type")
# A button on the post, and where it leads. That campaigns for sales want one is second-hand.
_AD_SETTINGS = ("call_to_action", "link")
_BY_PIXEL = ("OFFSITE_CONVERSIONS", "VALUE")
_BY_PAGE = ("PAGE_LIKES", "LEAD_GENERATION", "QUALITY_LEAD", "CONVERSATIONS")


async def campaign(access: Access, account: AdAccount, wish: NewAdCampaign) -> Outcome[AdObject]:
    budgets = _budgets(account, wish)
    if isinstance(budgets, Rejected):
        return budgets
    form = {
        "name": tagged(wish),
        "objective": wish.objective,
        "status": "PAUSED",
        "special_ad_categories": "[]",
        **budgets,
    }
    if not budgets:
        form["is_adset_budget_sharing_enabled"] = "false"
    return await _made(access, account, AdLevel.CAMPAIGN, form)


async def group(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
    if (broken := _broken(wish)) is not None:
        return broken
    budgets = _budgets(account, wish)
    if isinstance(budgets, Rejected):
        return budgets
    form = {
        "name": tagged(wish),
        "campaign_id": wish.campaign_id,
        "status": "PAUSED",
        "optimization_goal": wish.goal,
        "billing_event": "IMPRESSIONS",  # the one that goes with every goal
        "targeting": json.dumps(
            {
                "geo_locations": {"countries": list(wish.countries)},
                # Facebook wants it said; 0: nobody but those asked for.
                "targeting_automation": {"advantage_audience": 0},
            }
        ),
        **budgets,
    }
    if budgets:  # else the campaign's strategy holds
        form["bid_strategy"] = "LOWEST_COST_WITHOUT_CAP"
    for name, moment in (("start_time", wish.starts_at), ("end_time", wish.ends_at)):
        if moment is not None:
            form[name] = _moment(moment)
    form |= {name: wish.settings[name] for name in ("dsa_beneficiary", "dsa_payor") if name in wish.settings}
    promoted = _promoted_object(access, wish)
    if promoted:
        form["promoted_object"] = json.dumps(promoted)
    return await _made(access, account, AdLevel.GROUP, form)


async def ad(access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
    wrong = unknown_setting(wish.settings, _AD_SETTINGS, "Facebook's ads")
    if wrong is None and wish.settings:
        wrong = missing_setting(wish.settings, _AD_SETTINGS, "A button")
    if wrong is not None:
        return wrong
    content, creative = wish.content, dict[str, Any]()
    if content.platform == "instagram":
        creative = {
            "source_instagram_media_id": content.external_id,
            "instagram_user_id": content.owner_id,
            "object_id": access.external_id,
        }
    elif content.platform == "facebook" and content.external_id.startswith(f"{access.external_id}_"):
        creative = {"object_story_id": content.external_id}
    else:
        return Rejected(
            "content", "An ad at Facebook promotes a post of its own page, or a post of an Instagram account."
        )
    if wish.settings:
        value = {"link": wish.settings["link"]}
        creative["call_to_action"] = {"type": wish.settings["call_to_action"], "value": value}
    form = {
        "name": tagged(wish),
        "adset_id": wish.group_id,
        "status": "PAUSED",
        "creative": json.dumps(creative),
    }
    return await _made(access, account, AdLevel.AD, form)


async def find(access: Access, account: AdAccount, level: AdLevel, tag: str) -> Outcome[AdObject | None]:
    """By our tag, which is part of the name."""
    filtering = json.dumps([{"field": "name", "operator": "CONTAIN", "value": tag}])
    params = {"fields": FIELDS[level], "filtering": filtering, "limit": "10"}
    answer = await marketing.get(access, f"act_{account.external_id}/{EDGES[level]}", params)
    if not isinstance(answer, Ok):
        return answer
    for row in objects(answer.value, "data"):
        found = object_of(level, row, account.currency)
        if found is not None and tag in found.name:
            return Ok(found, answer.readings)
    return Ok(None, answer.readings)


def finer(account: AdAccount) -> Rejected:
    return Rejected("currency", f"Facebook's budgets are in whole units of {account.currency}.")


async def _made(
    access: Access, account: AdAccount, level: AdLevel, form: Mapping[str, str]
) -> Outcome[AdObject]:
    """Facebook answers with the id alone; the rest is as it was asked for."""
    maybe = _MAYBE[level]
    answer = await marketing.post(access, f"act_{account.external_id}/{EDGES[level]}", form, once=maybe)
    if not isinstance(answer, Ok):
        return answer
    made_id = id_at(answer.value, "id")
    if made_id is None:
        return Unknown(maybe)
    row: Json = {**form, "id": made_id, "effective_status": form["status"]}
    made = object_of(level, row, account.currency)
    assert made is not None  # noqa: S101 - it has an id
    return Ok(replace(made, payload=encode(answer.value)), answer.readings)


def _broken(wish: NewAdGroup) -> Rejected | None:
    """The rule that it breaks."""
    wrong = unknown_setting(wish.settings, _GROUP_SETTINGS, "Facebook's ad sets")
    if wrong is None and wish.goal in _BY_PIXEL:
        why = f"An ad set for {wish.goal}"
        wrong = missing_setting(wish.settings, ("pixel_id", "custom_event_type"), why)
    if wrong is not None:
        return wrong
    own = wish.daily_budget is not None or wish.lifetime_budget is not None
    if own and wish.campaign_has_budget:
        return Rejected("budget", "The campaign has a budget of its own, so its ad sets take none.")
    if not own and not wish.campaign_has_budget:
        return Rejected("budget", "The campaign has no budget, so its ad sets need one each.")
    return None


def _promoted_object(access: Access, wish: NewAdGroup) -> dict[str, str]:
    named = {name: wish.settings[name] for name in ("pixel_id", "custom_event_type") if name in wish.settings}
    return named | ({"page_id": access.external_id} if wish.goal in _BY_PAGE else {})


def _budgets(account: AdAccount, wish: NewAdCampaign | NewAdGroup) -> dict[str, str] | Rejected:
    if (wrong := other_currency(account, wish.daily_budget, wish.lifetime_budget)) is not None:
        return wrong
    found: dict[str, str] = {}
    for name, budget in (("daily_budget", wish.daily_budget), ("lifetime_budget", wish.lifetime_budget)):
        if budget is not None:
            units = to_budget(budget)
            if units is None:
                return finer(account)
            found[name] = str(units)
    return found


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
