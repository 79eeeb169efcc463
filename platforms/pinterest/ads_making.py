"""Campaigns, ad groups and ads made at Pinterest: each by one call, paused, with a tag in its name, because
Pinterest has no other place for it. An ad promotes a Pin of the account.

Source: PO/ `/ad_accounts/{ad_account_id}/{campaigns,ad_groups,ads}`; the client library pinterestsdk 2.1
(5.28) for what goes with budgets of campaigns.
"""

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    tagged,
)
from domain.content import ContentKind
from platforms.ad_rules import missing_setting, other_currency, unknown_setting
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.pinterest.ads_rows import LEVELS, object_of, to_micro, write
from platforms.wire import Json

_MAYBE = {
    AdLevel.CAMPAIGN: "the campaign may have been created",
    AdLevel.GROUP: "the ad group may have been created",
    AdLevel.AD: "the ad may have been created",
}
# What an ad group may be optimised for, which is what Pinterest bills.
_GOALS = ("CLICKTHROUGH", "IMPRESSION", "VIDEO_V_50_MRC")
_CONVERSION = ("conversion_tag_id", "conversion_event")
_CREATIVES = {
    ContentKind.PIN: "REGULAR",
    ContentKind.VIDEO: "VIDEO",
    ContentKind.CAROUSEL: "CAROUSEL",
}


async def campaign(access: Access, account: AdAccount, wish: NewAdCampaign) -> Outcome[AdObject]:
    """With a budget it is shared out among the ad groups; without, each of them has its own. Both are said:
    what Pinterest takes for granted differs from version to version."""
    if (wrong := other_currency(account, wish.daily_budget, wish.lifetime_budget)) is not None:
        return wrong
    if wish.lifetime_budget is not None:
        return Rejected(
            "budget",
            "At Pinterest a campaign with a lifetime budget needs an end, which Rookery gives none: set a "
            "daily budget, or budgets of its ad groups.",
        )
    body: Json = {
        "ad_account_id": account.external_id,
        "name": tagged(wish),
        "objective_type": wish.objective,
        "status": "PAUSED",
        "is_campaign_budget_optimization": wish.daily_budget is not None,
    }
    if wish.daily_budget is not None:
        body["daily_spend_cap"] = to_micro(wish.daily_budget)
    return await _made(access, account, AdLevel.CAMPAIGN, body)


async def group(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
    if (broken := _broken(account, wish)) is not None:
        return broken
    body: Json = {
        "campaign_id": wish.campaign_id,
        "name": tagged(wish),
        "status": "PAUSED",
        "billable_event": wish.goal,
        "bid_strategy_type": "AUTOMATIC_BID",
        "targeting_spec": {"LOCATION": list(wish.countries)},
    }
    budget = wish.daily_budget or wish.lifetime_budget
    if budget is None:  # the campaign shares its own out
        body["budget_type"] = "CBO_ADGROUP"
    else:
        body["budget_type"] = "DAILY" if wish.daily_budget else "LIFETIME"
        body["budget_in_micro_currency"] = to_micro(budget)
    for name, moment in (("start_time", wish.starts_at), ("end_time", wish.ends_at)):
        if moment is not None:
            body[name] = int(moment.timestamp())
    if wish.settings:
        wanted = {name: wish.settings[name] for name in _CONVERSION}
        body["optimization_goal_metadata"] = {"conversion_tag_v3_goal_metadata": wanted}
    return await _made(access, account, AdLevel.GROUP, body)


async def ad(access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
    if (wrong := unknown_setting(wish.settings, (), "Pinterest's ads")) is not None:
        return wrong
    content = wish.content
    creative = _CREATIVES.get(content.kind)
    if content.platform != "pinterest" or content.owner_id != access.external_id or creative is None:
        return Rejected("content", "An ad at Pinterest promotes a Pin of its own account.")
    body: Json = {
        "ad_group_id": wish.group_id,
        "creative_type": creative,
        "pin_id": content.external_id,
        "name": tagged(wish),
        "status": "PAUSED",
    }
    return await _made(access, account, AdLevel.AD, body)


async def _made(access: Access, account: AdAccount, level: AdLevel, body: Json) -> Outcome[AdObject]:
    maybe = _MAYBE[level]
    answer = await write(access, account, "POST", LEVELS[level].path, body, once=maybe)
    if not isinstance(answer, Ok):
        return answer
    made = object_of(answer.value, level, account.currency)
    return Unknown(maybe) if made is None else Ok(made, answer.readings)


def _broken(account: AdAccount, wish: NewAdGroup) -> Rejected | None:
    """The rule that it breaks."""
    wrong = other_currency(account, wish.daily_budget, wish.lifetime_budget)
    wrong = wrong or unknown_setting(wish.settings, _CONVERSION, "Pinterest's ad groups")
    if wrong is None and (wish.settings or wish.campaign_objective == "WEB_CONVERSION"):
        wrong = missing_setting(wish.settings, _CONVERSION, "An ad group for conversions")
    if wrong is not None:
        return wrong
    if wish.goal not in _GOALS:
        return Rejected("goal", f"Pinterest's ad groups are for {', '.join(_GOALS)}.")
    if wish.daily_budget is not None or wish.lifetime_budget is not None:
        return None
    if not wish.campaign_has_budget:
        return Rejected("budget", "The campaign has no budget, so its ad groups need one each.")
    if wish.starts_at is not None or wish.ends_at is not None:
        return Rejected("span", "An ad group that shares its campaign's budget runs as long as the campaign.")
    return None
