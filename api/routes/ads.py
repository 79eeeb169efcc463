"""Advertising on the platforms: accounts, objects, days; what is made and changed; whose cost it is."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from actors.account.documents import CONTENT
from actors.account.operations.task import What
from actors.account.operations.told import AD_ACCOUNTS, AD_DAYS, ADS
from api.access import Caller, Svc, entity_key, own_document, own_view
from api.auth import Principal
from api.capability_views import ad_account_json, ad_day_json, ad_json
from api.commands import Command, with_etag
from api.operations import Wish, ask, perform
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.policy import Thing
from api.schemas import Body, Currency, Json, Label, Moment, Name
from api.services import Services
from domain.advertising import AdLevel, AdStatus
from domain.errors import Invalid, RookeryError
from domain.ids import AccountId, Kind
from storage.records import Document

router = APIRouter(prefix="/v1", tags=["ads"])

LONGEST = timedelta(days=366)
SETTABLE = (AdStatus.ACTIVE, AdStatus.PAUSED, AdStatus.ARCHIVED, AdStatus.DELETED)

Level = Annotated[AdLevel, Field(strict=False)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Settings = dict[Label, Label]
_BEYOND = "What the platform demands beyond all this, by its own names."
Day = Annotated[date, Field(strict=False, ge=date(2000, 1, 1), lt=date(2200, 1, 1))]


class Amount(Body):
    amount_minor: int = Field(ge=1, le=2**53 - 1)
    currency: Currency

    def as_money(self) -> dict[str, Any]:
        return {"minor": self.amount_minor, "currency": self.currency}


class AdsRead(Body):
    levels: list[Level] = Field(default=list(AdLevel), max_length=3, description="Objects to be read.")
    report_level: Level = AdLevel.CAMPAIGN
    since: Day | None = Field(default=None, description="First day of the report; default 28 days ago.")
    until: Day | None = None


class NewAdCampaign(Body):
    ad_account_id: Label
    name: Name
    objective: Label = Field(description="In the platform's own word.")
    daily_budget: Amount | None = None
    lifetime_budget: Amount | None = None


class NewAdGroup(Body):
    name: Name
    goal: Label = Field(description="What it is optimised for, in the platform's own word.")
    countries: list[Country] = Field(
        min_length=1, max_length=50, description="ISO 3166-1 alpha-2: nobody elsewhere sees its ads."
    )
    daily_budget: Amount | None = None
    lifetime_budget: Amount | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    settings: Settings = Field(default={}, max_length=20, description=_BEYOND)


class NewAd(Body):
    name: Name
    content_id: Label = Field(description="What it shows: published content of an account of this org.")
    settings: Settings = Field(default={}, max_length=20, description=_BEYOND)


class AdChange(Body):
    daily_budget: Amount | None = None
    status: Annotated[AdStatus, Field(strict=False)] | None = None


class Tied(Body):
    ad_campaigns: list[Label] = Field(max_length=200, description="Ids of ads of the level campaign.")


@router.post("/accounts/{id}/ads/read", status_code=202)
async def read_ads(
    id: str, services: Svc, caller: Caller, command: Command, body: AdsRead | None = None
) -> Json:
    """Read the ad accounts that this account opens, their objects and the days of a report, now. Otherwise
    they are read once a day."""
    body = body or AdsRead()
    until = body.until or services.clock.now().date()
    if body.since is not None and not timedelta() <= until - body.since <= LONGEST:
        raise Invalid("span_invalid", "A report begins before it ends and spans 366 days.", field="since")
    wish = body.model_dump(mode="json", exclude_none=True)
    return await perform(services, caller, command, id, [Wish(What.ADS, wish)])


@router.post("/accounts/{id}/ad-campaigns", status_code=202)
async def create_ad_campaign(
    id: str, body: NewAdCampaign, services: Svc, caller: Caller, command: Command
) -> Json:
    """Make an ad campaign, paused: nothing is spent before somebody activates it. Never made twice; when the
    platform did not answer, it is looked for."""
    await own_view(services, caller, Kind.ACCOUNT, id)
    account = await _ad_account(services, caller, body.ad_account_id)
    if account["socialAccountId"] != id:
        raise Invalid("ad_account_unknown", "The account opens no such ad account.", field="ad_account_id")
    wish = {"account": _account_json(account), "name": body.name, "objective": body.objective}
    wish |= _budgets(body)
    return await perform(services, caller, command, id, [Wish(What.CREATE_AD_CAMPAIGN, wish)])


@router.post("/ads/{ad_id}/groups", status_code=202)
async def create_ad_group(
    ad_id: str, body: NewAdGroup, services: Svc, caller: Caller, command: Command
) -> Json:
    """Make an ad group (ad set) in this ad campaign, paused. Never made twice, like a campaign."""
    campaign = await _own_ad(services, caller, ad_id, AdLevel.CAMPAIGN)
    account = await _ad_account(services, caller, campaign["adAccountId"])
    if body.lifetime_budget is not None and body.ends_at is None:
        raise Invalid("end_missing", "A lifetime budget wants an end.", field="ends_at")
    begins = max(body.starts_at or services.clock.now(), services.clock.now())
    if body.ends_at is not None and body.ends_at <= begins:
        raise Invalid("span_invalid", "It ends after it begins, and not in the past.", field="ends_at")
    has_budget = campaign["dailyBudget"] is not None or campaign["lifetimeBudget"] is not None
    of = {"id": campaign["externalId"], "objective": campaign["objective"], "has_budget": has_budget}
    told = body.model_dump(mode="json", exclude={"daily_budget", "lifetime_budget"})
    told["countries"] = list(dict.fromkeys(body.countries))
    wish = told | {"account": _account_json(account), "campaign": of} | _budgets(body)
    owner = campaign["socialAccountId"]
    return await perform(services, caller, command, owner, [Wish(What.CREATE_AD_GROUP, wish)])


@router.post("/ads/{ad_id}/ads", status_code=202)
async def create_ad(ad_id: str, body: NewAd, services: Svc, caller: Caller, command: Command) -> Json:
    """Make an ad in this ad group, paused, of content that is published already. Where ads have no paused
    state of their own, the ad group has to be paused. Never made twice, like a campaign."""
    group = await _own_ad(services, caller, ad_id, AdLevel.GROUP)
    account = await _ad_account(services, caller, group["adAccountId"])
    content = (await services.side_store.load_many(CONTENT, [body.content_id])).get(body.content_id)
    if content is None or content["org"] != caller.org or content["status"] != "active":
        raise Invalid("content_unknown", "There is no such published content.", field="content_id")
    shown = {
        "platform": content["platform"],
        "owner_id": AccountId.parse(content["socialAccountId"]).external_id,
        "external_id": content["externalContentId"],
        "kind": content["contentType"],
    }
    wish = {
        "account": _account_json(account),
        "name": body.name,
        "group": {"id": group["externalId"]},
        "content": shown,
        "settings": body.settings,
    }
    owner = group["socialAccountId"]
    return await perform(services, caller, command, owner, [Wish(What.CREATE_AD, wish)])


@router.get("/ad-accounts")
async def list_ad_accounts(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Json:
    """Those that were read, last read first."""
    equal = {} if account_id is None else {"socialAccountId": account_id}
    page = await services.side_store.page(AD_ACCOUNTS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(ad_account_json, page.documents), page.next)


@router.get("/ads")
async def list_ads(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    ad_account_id: Annotated[str | None, Query(max_length=400)] = None,
    level: Annotated[AdLevel | None, Query()] = None,
    parent_id: Annotated[str | None, Query(max_length=400)] = None,
) -> Json:
    """Ad campaigns, groups and ads, last read first."""
    filters = {
        "socialAccountId": account_id,
        "adAccountId": ad_account_id,
        "level": level.value if level else None,
        "parentId": parent_id,
    }
    equal = {name: value for name, value in filters.items() if value is not None}
    page = await services.side_store.page(ADS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(ad_json, page.documents), page.next)


@router.get("/ads/{ad_id}")
async def get_ad(ad_id: str, services: Svc, caller: Caller) -> Json:
    return ad_json(await own_document(services, caller, Thing.AD, ad_id))


@router.get("/ads/{ad_id}/days")
async def list_ad_days(
    ad_id: str, services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None
) -> Json:
    """Its days as last reported, newest first; of the ad account's time zone."""
    await own_document(services, caller, Thing.AD, ad_id)
    page = await services.side_store.page(AD_DAYS, caller.org, {"adId": ad_id}, limit, decode_cursor(cursor))
    return page_json(map(ad_day_json, page.documents), page.next)


@router.patch("/ads/{ad_id}", status_code=202)
async def change_ad(ad_id: str, body: AdChange, services: Svc, caller: Caller, command: Command) -> Json:
    """Another daily budget, another status, or both."""
    document = await own_document(services, caller, Thing.AD, ad_id)
    account = await _ad_account(services, caller, document["adAccountId"])
    if body.status is None and body.daily_budget is None:
        raise Invalid("nothing_to_change", "Give a daily_budget, a status, or both.", field="status")
    if body.status is not None and body.status not in SETTABLE:
        raise Invalid("status_invalid", f"It can be set to {', '.join(SETTABLE)}.", field="status")
    wish: dict[str, Any] = {"ad": ad_id, "account": _account_json(account)}
    if body.daily_budget is not None:
        wish["daily_budget"] = body.daily_budget.as_money()
    if body.status is not None:
        wish["status"] = body.status.value
    return await perform(services, caller, command, document["socialAccountId"], [Wish(What.CHANGE_AD, wish)])


@router.put("/campaigns/{id}/ad-campaigns")
async def tie_ad_campaigns(
    id: str, body: Tied, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """From now on these ad campaigns' spend, from the day of the launch on, is this campaign's cost; what was
    tied before and is not named costs nothing any more. Their days are read at once: see `operations`."""
    before = await own_view(services, caller, Kind.CAMPAIGN, id)
    found = await services.side_store.load_many(ADS, body.ad_campaigns)
    for ad_id in body.ad_campaigns:
        ad = found.get(ad_id)
        if ad is None or ad["org"] != caller.org or ad["level"] != AdLevel.CAMPAIGN:
            raise Invalid("ad_unknown", f"There is no ad campaign {ad_id[:100]}.", field="ad_campaigns")
    data = {"ad_campaigns": list(dict.fromkeys(body.ad_campaigns)), "org": caller.org}
    view = await command.send(entity_key(Kind.CAMPAIGN, id), "update", data)
    launched = before["launched_at"]
    wish = {"levels": [], "report_level": AdLevel.CAMPAIGN.value}
    if launched is not None:
        day = max(datetime.fromisoformat(launched).astimezone(UTC), services.clock.now() - LONGEST)
        wish["since"] = day.date().isoformat()
    operations, problems = [], []
    for account in dict.fromkeys(found[ad_id]["socialAccountId"] for ad_id in data["ad_campaigns"]):
        try:
            operations.append(await ask(command, caller, account, Wish(What.ADS, wish)))
        except RookeryError as refused:  # tied all the same: the next report is told
            problems.append({"account_id": account, "code": refused.code, "message": refused.message})
    return with_etag(response, view) | {"operations": operations, "problems": problems}


def _budgets(body: NewAdCampaign | NewAdGroup) -> dict[str, Any]:
    if body.daily_budget is not None and body.lifetime_budget is not None:
        raise Invalid("two_budgets", "A daily or a lifetime budget, not both.", field="lifetime_budget")
    budgets = {"daily_budget": body.daily_budget, "lifetime_budget": body.lifetime_budget}
    return {name: budget.as_money() for name, budget in budgets.items() if budget is not None}


async def _own_ad(services: Services, caller: Principal, ad_id: str, level: AdLevel) -> Document:
    document = await own_document(services, caller, Thing.AD, ad_id)
    if document["level"] != level:
        sentence = f"It takes an advertisement of the level {level}; this one is of {document['level']}."
        raise Invalid("wrong_level", sentence, field="ad_id")
    return document


async def _ad_account(services: Services, caller: Principal, id_: str) -> Document:
    document = (await services.side_store.load_many(AD_ACCOUNTS, [id_])).get(id_)
    if document is None or document["org"] != caller.org:
        raise Invalid(
            "ad_account_unknown", "There is no such ad account: read the ads first.", field="ad_account_id"
        )
    return document


def _account_json(document: Document) -> dict[str, Any]:
    return {name: document[name] for name in ("externalId", "name", "currency", "timezone")}
