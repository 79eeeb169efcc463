"""Campaigns, ad groups and ads made at TikTok: each by one call, switched off, with a tag in its name. An ad
promotes a post of a TikTok account (Spark Ads), under an identity that the advertiser may use.

    countries --tool/region--> TikTok's ids of them --> adgroup/create

Sources: TB/ campaign/create, adgroup/create, ad/create, tool/region; the request models of TikTok's own
client library say which parameters are required.
"""

import hashlib
from datetime import UTC, datetime

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
from domain.content import ContentKind
from platforms.ad_rules import missing_setting, other_currency, unknown_setting
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.tiktok import business
from platforms.tiktok.ads_rows import DAILY, LEVELS, OPERATIONS, TOTAL, object_of, units
from platforms.wire import INT64_MAX, Json, id_at, objects, text_at

_OFF = OPERATIONS[AdStatus.PAUSED]
_PLACEMENT = "PLACEMENT_TIKTOK"
_MAYBE = {
    AdLevel.CAMPAIGN: "the campaign may have been created",
    AdLevel.GROUP: "the ad group may have been created",
    AdLevel.AD: "the ad may have been created",
}
# TB/ optimization goals: what is billed goes with the goal.
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
_WITHOUT_PLACE = ("REACH", "VIDEO_VIEWS", "ENGAGEMENT")  # objectives that name no promotion_type
_PIXEL = ("pixel_id", "optimization_event")
_GROUP_SETTINGS = ("promotion_type", *_PIXEL)
_IDENTITY = ("identity_type", "identity_id", "identity_authorized_bc_id")
_POSTS = ("TT_USER", "BC_AUTH_TT")  # identities whose own posts may be shown; AUTH_CODE is of a single post
_AD_SETTINGS = (*_IDENTITY, "landing_page_url", "call_to_action")
_FORMATS = {ContentKind.VIDEO: "SINGLE_VIDEO", ContentKind.PHOTO: "CAROUSEL_ADS"}


async def campaign(access: Access, account: AdAccount, wish: NewAdCampaign) -> Outcome[AdObject]:
    budget = wish.daily_budget or wish.lifetime_budget
    if (wrong := other_currency(account, budget)) is not None:
        return wrong
    body: Json = {
        "advertiser_id": account.external_id,
        "request_id": _request_id(wish.tag),
        "campaign_name": tagged(wish),
        "objective_type": wish.objective,
        "operation_status": _OFF,
        "budget_mode": "BUDGET_MODE_INFINITE",
    }
    if budget is not None:
        body |= {"budget_mode": DAILY if wish.daily_budget else TOTAL, "budget": units(budget)}
    return await _made(access, account, AdLevel.CAMPAIGN, body)


async def group(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[AdObject]:
    budget = wish.daily_budget or wish.lifetime_budget
    if (broken := _broken(account, wish)) is not None:
        return broken
    assert budget is not None  # noqa: S101 - else a rule is broken
    places = await _places(access, account, wish)
    if not isinstance(places, Ok):
        return places
    now = access.http.now()
    body: Json = {
        "advertiser_id": account.external_id,
        "request_id": _request_id(wish.tag),
        "campaign_id": wish.campaign_id,
        "adgroup_name": tagged(wish),
        "operation_status": _OFF,
        "placement_type": "PLACEMENT_TYPE_NORMAL",
        "placements": [_PLACEMENT],
        "location_ids": places.value,
        "budget_mode": DAILY if wish.daily_budget else TOTAL,
        "budget": units(budget),
        "schedule_type": "SCHEDULE_FROM_NOW" if wish.ends_at is None else "SCHEDULE_START_END",
        "schedule_start_time": _moment(max(wish.starts_at or now, now)),  # one gone by is refused
        "optimization_goal": wish.goal,
        "billing_event": _BILLED[wish.goal],
        "bid_type": "BID_TYPE_NO_BID",
        "pacing": "PACING_MODE_SMOOTH",
        **wish.settings,
    }
    if wish.ends_at is not None:
        body["schedule_end_time"] = _moment(wish.ends_at)
    if wish.campaign_objective == "VIDEO_VIEWS":
        body["bid_display_mode"] = "CPV"
    return await _made(access, account, AdLevel.GROUP, body)


async def ad(access: Access, account: AdAccount, wish: NewAd) -> Outcome[AdObject]:
    if (wrong := unknown_setting(wish.settings, _AD_SETTINGS, "TikTok's ads")) is not None:
        return wrong
    shape = _FORMATS.get(wish.content.kind)
    if wish.content.platform != "tiktok" or shape is None:
        return Rejected("content", "An ad at TikTok promotes a video or photos that are published there.")
    identity = await _identity(access, account, wish)
    if not isinstance(identity, Ok):
        return identity
    creative: Json = {
        "ad_name": tagged(wish),
        "ad_format": shape,
        "tiktok_item_id": wish.content.external_id,
        "operation_status": _OFF,
        **wish.settings,
        **identity.value,
    }
    body: Json = {
        "advertiser_id": account.external_id,
        "adgroup_id": wish.group_id,
        "creatives": [creative],
    }
    answer = await business.post(access, "ad/create", body, once=_MAYBE[AdLevel.AD])
    if not isinstance(answer, Ok):
        return answer
    # TB/ad/create: the ids, and each ad as it is now
    told = next(objects(answer.value, "creatives"), {})
    ids = answer.value.get("ad_ids")
    row = {
        "adgroup_id": wish.group_id,
        **creative,
        "ad_id": ids[0] if isinstance(ids, list) and ids else None,
    }
    row |= {name: value for name, value in told.items() if value is not None}
    made = object_of(row, AdLevel.AD, account.currency)
    return Unknown(_MAYBE[AdLevel.AD]) if made is None else Ok(made)


async def _made(access: Access, account: AdAccount, level: AdLevel, body: Json) -> Outcome[AdObject]:
    maybe = _MAYBE[level]
    answer = await business.post(access, f"{LEVELS[level].path}/create", body, once=maybe)
    if not isinstance(answer, Ok):
        return answer
    made = object_of({**body, **answer.value}, level, account.currency)
    return Unknown(maybe) if made is None else Ok(made)


def _broken(account: AdAccount, wish: NewAdGroup) -> Rejected | None:
    """The rule that it breaks."""
    wrong = other_currency(account, wish.daily_budget, wish.lifetime_budget)
    wrong = wrong or unknown_setting(wish.settings, _GROUP_SETTINGS, "TikTok's ad groups")
    if wrong is not None:
        return wrong
    if wish.goal not in _BILLED:
        return Rejected("goal", f"Rookery makes ad groups at TikTok for {', '.join(_BILLED)}.")
    if wish.daily_budget is None and wish.lifetime_budget is None:
        return Rejected("budget", "An ad group at TikTok has a budget of its own, whatever its campaign has.")
    if wish.campaign_objective not in _WITHOUT_PLACE:
        why = f"An ad group of a {wish.campaign_objective} campaign"
        if (wrong := missing_setting(wish.settings, ("promotion_type",), why)) is not None:
            return wrong
    if wish.goal in ("CONVERT", "VALUE"):
        return missing_setting(wish.settings, _PIXEL, f"An ad group for {wish.goal}")
    return None


async def _identity(access: Access, account: AdAccount, wish: NewAd) -> Outcome[Json]:
    """The one that is named in the settings, or the only one that the advertiser may show posts of."""
    named: Json = {name: wish.settings[name] for name in _IDENTITY if name in wish.settings}
    if named:
        wrong = missing_setting(wish.settings, _IDENTITY[:2], "An identity")
        return wrong or Ok(named)
    answer = await business.get(access, "identity/get", {"advertiser_id": account.external_id})
    if not isinstance(answer, Ok):
        return answer
    rows = objects(answer.value, "identity_list")
    found = [row for row in rows if text_at(row, "identity_type") in _POSTS and id_at(row, "identity_id")]
    if len(found) != 1:
        sentence = f"The advertiser has {len(found)} identities that show their posts: name one of them."
        return Rejected("setting", f"{sentence} Settings: {', '.join(_IDENTITY)}.")
    return Ok({name: value for name in _IDENTITY if (value := text_at(found[0], name)) is not None})


async def _places(access: Access, account: AdAccount, wish: NewAdGroup) -> Outcome[list[str]]:
    """TikTok's ids of the countries: which there are depends on the advertiser and the objective."""
    query: dict[str, business.Value] = {
        "advertiser_id": account.external_id,
        "placements": [_PLACEMENT],
        "objective_type": wish.campaign_objective or "",
        "level_range": "TO_COUNTRY",
    }
    answer = await business.get(access, "tool/region", query)
    if not isinstance(answer, Ok):
        return answer
    ids = {
        code: place
        for row in objects(answer.value, "region_info")
        if text_at(row, "level") == "COUNTRY"
        and (code := text_at(row, "region_code")) is not None
        and (place := id_at(row, "location_id")) is not None
    }
    unknown = [country for country in wish.countries if country not in ids]
    if unknown:
        return Rejected("country", f"TikTok shows this advertiser's ads nowhere in {', '.join(unknown)}.")
    return Ok([ids[country] for country in wish.countries])


def _request_id(tag: str) -> str:
    """By which TikTok knows a repeated request again; ads have none."""
    number = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") & INT64_MAX
    return str(number)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
