"""Campaigns, line items (ad groups) and promoted posts (ads) made at X: each by one call, the first two
paused and with a tag in their names.

    countries --targeting_criteria/locations--> X's ids of them --> line_items
    line item --> its criteria are looked at --> those that it lacks, in one batch
    line item paused, post the ad account's own --> promoted_tweets

A line item's countries are objects of their own, made after it. A promoted post is ACTIVE from the beginning,
has no other state and no name: it is known by its line item and its post, and shown as soon as the line item
runs. So it is made below a paused one only.

Sources: docs.x.com x-ads-api/campaign-management and its reference (Line Items, Targeting Criteria, Promoted
Tweets, Promotable Users). Which objective a goal is of is told there of some goals; of the others it is what
their names say (unconfirmed). That a batch of criteria is made as a whole or not at all is X's word.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    tagged,
)
from platforms.ad_rules import missing_setting, other_currency, unknown_setting
from platforms.capabilities import Access
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.twitter.ads_api import PAGES_AT_MOST, call, page_of, path_of, rows_of
from platforms.twitter.ads_rows import DAILY, TOTAL, object_of, to_micro
from platforms.wire import Json, flag_at, id_at, mapping, objects, text_at

_MAYBE = {
    AdLevel.CAMPAIGN: "the campaign may have been created",
    AdLevel.GROUP: "the ad group may have been created",
    AdLevel.AD: "the post may be promoted",
}
# A line item names both; all of a campaign have the same objective. Those for apps and followers promote
# something else than posts.
_OBJECTIVES = {
    "ENGAGEMENT": "ENGAGEMENTS",
    "LINK_CLICKS": "WEBSITE_CLICKS",
    "MAX_REACH": "REACH",
    "REACH_WITH_ENGAGEMENT": "REACH",
    "SITE_VISITS": "WEBSITE_CLICKS",
    "VIDEO_VIEW": "VIDEO_VIEWS",
    "VIEW_15S": "VIDEO_VIEWS",
    "VIEW_3S_100PCT": "VIDEO_VIEWS",
    "VIEW_6S": "VIDEO_VIEWS",
    "WEBSITE_CONVERSIONS": "WEBSITE_CLICKS",
}
_EVENT_TAG = "primary_web_event_tag"
# Whether X takes a beginning that has gone by is not told; what is paused loses nothing by a later one.
_SOON = timedelta(minutes=5)
_ALL_COUNTRIES = "1000"  # more than there are, in one page
_CONFIRM_S = 30.0


async def campaign(access: Access, account: AdAccount, wish: NewAdCampaign) -> Outcome[AdObject]:
    """Paid by the first funding instrument that can. At X the objective is a line item's: the campaign has
    none."""
    if (wrong := other_currency(account, wish.daily_budget, wish.lifetime_budget)) is not None:
        return wrong
    funding = await rows_of(access, account.external_id, "funding_instruments")
    if not isinstance(funding, Ok):
        return funding
    usable = (f for f in funding.value if text_at(f, "currency") == account.currency)
    instrument = next((i for f in usable if flag_at(f, "able_to_fund") and (i := id_at(f, "id"))), None)
    if instrument is None:
        return Rejected("no_funding", "No funding instrument of the ad account can pay for a campaign.")
    query = {
        "name": tagged(wish),
        "entity_status": "PAUSED",
        "funding_instrument_id": instrument,
        **_budgets(wish),
    }
    return await _made(access, account, AdLevel.CAMPAIGN, query)


async def find_campaign(access: Access, account: AdAccount, wish: NewAdCampaign) -> Outcome[AdObject | None]:
    return await _find(access, account, AdLevel.CAMPAIGN, {}, lambda item: f"[{wish.tag}]" in item.name)


async def group(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
    """For people everywhere until it has its countries (`target`), and paused."""
    broken = _broken(account, wish)
    if broken is not None or wish.ends_at is None:
        return broken or Rejected("span", "An ad group at X has an end: say when it ends.")
    places = await _places(access, wish)
    if not isinstance(places, Ok):
        return places
    now = access.http.now()
    begins = wish.starts_at if wish.starts_at is not None and wish.starts_at > now else now + _SOON
    query = {
        "campaign_id": wish.campaign_id,
        "name": tagged(wish),
        "entity_status": "PAUSED",
        "objective": _OBJECTIVES[wish.goal],
        "goal": wish.goal,
        "product_type": "PROMOTED_TWEETS",
        "placements": "ALL_ON_TWITTER",
        "bid_strategy": "AUTO",
        "start_time": _moment(begins),
        "end_time": _moment(wish.ends_at),
        **wish.settings,
        **_budgets(wish),
    }
    return await _made(access, account, AdLevel.GROUP, query)


async def find_group(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject | None]:
    only = {"campaign_ids": wish.campaign_id}
    return await _find(access, account, AdLevel.GROUP, only, lambda item: f"[{wish.tag}]" in item.name)


async def target(access: Access, account: AdAccount, wish: NewAdGroup, group_id: str) -> Outcome[None]:
    """A criterion is known by its line item and its value. One that came twice would change nothing about
    who is shown the ads; one that is missing would, so this may be repeated until all are there."""
    places = await _places(access, wish)
    if not isinstance(places, Ok):
        return places
    ours = f"accounts/{quote(account.external_id, safe='')}/targeting_criteria"
    query = {"line_item_ids": group_id, "count": _ALL_COUNTRIES}
    answer = await call(access, "GET", ours, query, family="ads_targeting")
    if not isinstance(answer, Ok):
        return answer
    there = _values(answer.value, group_id)
    missing = [place for place in places.value if place not in there]
    if not missing:
        return Ok(None, answer.readings)
    same = {"line_item_id": group_id, "targeting_type": "LOCATION", "operator_type": "EQ"}
    batch = [{"operation_type": "Create", "params": {**same, "targeting_value": p}} for p in missing]
    answer = await call(access, "POST", f"batch/{ours}", {}, family="ads_write", json=batch)
    if not isinstance(answer, Ok):
        return answer
    if not _values(answer.value, group_id).issuperset(missing):
        return RetryAfter(_CONFIRM_S, LimitScope.ACCOUNT, "not_confirmed", readings=answer.readings)
    return Ok(None, answer.readings)


async def ad(access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
    """It is named after the post, whatever was asked for."""
    if (wrong := unknown_setting(wish.settings, (), "X's ads")) is not None:
        return wrong
    content = wish.content
    if content.platform != "twitter":
        return _NOT_ITS_OWN
    path = f"{path_of(account, AdLevel.GROUP)}/{quote(wish.group_id, safe='')}"
    above = await call(access, "GET", path, {})
    if not isinstance(above, Ok):
        return above
    item = object_of(mapping(above.value, "data"), AdLevel.GROUP, account.currency)
    if item is None or item.status is not AdStatus.PAUSED:
        return Rejected(
            "group_runs",
            "At X a post is shown as soon as an ad group that runs promotes it: pause the ad group first.",
        )
    users = await rows_of(access, account.external_id, "promotable_users")
    if not isinstance(users, Ok):
        return users
    # Of others an ad account may promote reposts, which are posts of its own: they could not be found again.
    own = (row for row in users.value if text_at(row, "promotable_user_type") == "FULL")
    if content.owner_id not in (id_at(row, "user_id") for row in own):
        return _NOT_ITS_OWN
    query = {"line_item_id": wish.group_id, "tweet_ids": content.external_id}
    return await _made(access, account, AdLevel.AD, query)


async def find_ad(access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject | None]:
    only = {"line_item_ids": wish.group_id}
    return await _find(access, account, AdLevel.AD, only, lambda item: item.name == wish.content.external_id)


_NOT_ITS_OWN = Rejected("content", "An ad at X promotes a post of the account that the ad account is of.")


async def _find(
    access: Access,
    account: AdAccount,
    level: AdLevel,
    only: Mapping[str, str],
    is_it: Callable[[AdObject], bool],
) -> Outcome[AdObject | None]:
    """Through every page."""
    cursor = None
    for _ in range(PAGES_AT_MOST):
        page = await page_of(access, account, level, cursor, only=only)
        if not isinstance(page, Ok):
            return page
        found = next((item for item in page.value.items if is_it(item)), None)
        cursor = page.value.next_cursor
        if found is not None or cursor is None:
            return Ok(found, page.readings)
    return Rejected("too_many", f"The ad account has more of the level {level} than Rookery looks through.")


async def _made(
    access: Access, account: AdAccount, level: AdLevel, query: Mapping[str, str]
) -> Outcome[AdObject]:
    maybe = _MAYBE[level]
    answer = await call(access, "POST", path_of(account, level), query, family="ads_write", once=maybe)
    if not isinstance(answer, Ok):
        return answer
    # X answers with the object; of posts with a list of those that were named, here one.
    row = mapping(answer.value, "data") or next(objects(answer.value, "data"), {})
    made = object_of(row, level, account.currency)
    return Unknown(maybe) if made is None else Ok(made, answer.readings)


def _broken(account: AdAccount, wish: NewAdGroup) -> Rejected | None:
    """The rule that it breaks."""
    wrong = other_currency(account, wish.daily_budget, wish.lifetime_budget)
    wrong = wrong or unknown_setting(wish.settings, (_EVENT_TAG,), "X's ad groups")
    if wrong is None and wish.goal == "WEBSITE_CONVERSIONS":
        wrong = missing_setting(wish.settings, (_EVENT_TAG,), "An ad group for WEBSITE_CONVERSIONS")
    if wrong is not None:
        return wrong
    if wish.goal not in _OBJECTIVES:
        return Rejected("goal", f"Rookery makes ad groups at X for {', '.join(_OBJECTIVES)}.")
    if wish.daily_budget is None and wish.lifetime_budget is None and not wish.campaign_has_budget:
        return Rejected("budget", "The campaign has no budget, so its ad groups need one each.")
    return None


async def _places(access: Access, wish: NewAdGroup) -> Outcome[list[str]]:
    """X's ids of the countries."""
    query = {"location_type": "COUNTRIES", "count": _ALL_COUNTRIES}
    answer = await call(access, "GET", "targeting_criteria/locations", query, family="ads_targeting")
    if not isinstance(answer, Ok):
        return answer
    ids = {
        code: place
        for row in objects(answer.value, "data")
        if text_at(row, "location_type") == "COUNTRIES"
        and (code := text_at(row, "country_code")) is not None
        and (place := text_at(row, "targeting_value")) is not None
    }
    unknown = [country for country in wish.countries if country not in ids]
    if unknown:
        return Rejected("country", f"X shows ads nowhere in {', '.join(unknown)}.")
    return Ok([ids[country] for country in wish.countries], answer.readings)


def _values(document: Json, group_id: str) -> set[str]:
    """Of the countries that a line item is for, as far as the rows tell."""
    return {
        value
        for row in objects(document, "data")
        if text_at(row, "targeting_type") == "LOCATION"
        and text_at(row, "operator_type") in (None, "EQ")
        and id_at(row, "line_item_id") == group_id
        and not flag_at(row, "deleted")
        and (value := text_at(row, "targeting_value")) is not None
    }


def _budgets(wish: NewAdCampaign | NewAdGroup) -> dict[str, str]:
    budgets = ((DAILY, wish.daily_budget), (TOTAL, wish.lifetime_budget))
    return {name: to_micro(budget) for name, budget in budgets if budget is not None}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
