"""Campaigns: planning, life, and live metrics. The rules are the campaign's own (`actors.campaign`)."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from api.access import Caller, Svc, entity_key, own_view
from api.auth import Principal
from api.commands import Command, CommandContext, with_etag
from api.paging import CursorText, Limit, decode_cursor
from api.schemas import Body, Currency, Json, Minor, Name
from api.views import entity_page
from domain.ids import Kind

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

_Ids = list[str] | None


class Budget(Body):
    total_minor: Minor
    daily_minor: Minor | None = None
    currency: Currency
    bid_strategy: str | None = None


class TargetAudience(Body):
    demographics: dict[str, Any] | None = None
    interests: _Ids = None
    locations: _Ids = None
    custom_audiences: _Ids = None


class Creative(Body):
    content: _Ids = None
    templates: _Ids = None
    assets: _Ids = None


class Schedule(Body):
    start_date: str | None = Field(default=None, description="A date or time; in `timezone` if it has none.")
    end_date: str | None = Field(default=None, description="A date includes that day.")
    timezone: str | None = Field(default=None, description="IANA name; default UTC.")
    posting_schedule: dict[str, Any] | None = None


class PromotionCode(Body):
    code: str
    content_id: str | None = None
    platform: str | None = None
    influencer: str | None = None


class _CampaignFields(Body):
    description: str | None = None
    type: str | None = None
    platforms: _Ids = None
    target_audience: TargetAudience | None = None
    creative: Creative | None = None
    schedule: Schedule | None = None
    influencers: _Ids = None
    products: _Ids = None
    accounts: _Ids = Field(default=None, description="All content of these accounts counts.")
    content: _Ids = Field(default=None, description="Content ids.")
    promotion_codes: list[PromotionCode] | None = None
    attribution_window_days: int | None = None


class NewCampaign(_CampaignFields):
    name: Name
    budget: Budget


class CampaignUpdate(_CampaignFields):
    """Each field given replaces the old value as a whole."""

    name: Name | None = None
    budget: Budget | None = None


class Cost(Body):
    amount_minor: int = Field(description="Spent, in minor units; a negative amount corrects.")
    currency: Currency | None = Field(default=None, description="Default: the campaign's.")


@router.get("")
async def list_campaigns(services: Svc, caller: Caller, limit: Limit = 50, cursor: CursorText = None) -> Json:
    """The org's campaigns, newest first."""
    return await entity_page(services, Kind.CAMPAIGN, caller.org, limit, decode_cursor(cursor))


@router.post("", status_code=201)
async def create_campaign(body: NewCampaign, response: Response, caller: Caller, command: Command) -> Json:
    """Plan a campaign. Nothing counts before its launch."""
    key_id = command.derived_id("cmp")
    response.headers["Location"] = f"/v1/campaigns/{key_id}"
    return await _send(command, response, caller, key_id, "create", body.model_dump(exclude_none=True))


@router.get("/{id}")
async def get_campaign(id: str, response: Response, services: Svc, caller: Caller) -> Json:
    return with_etag(response, await own_view(services, caller, Kind.CAMPAIGN, id))


@router.patch("/{id}")
async def update_campaign(
    id: str, body: CampaignUpdate, response: Response, caller: Caller, command: Command
) -> Json:
    return await _send(command, response, caller, id, "update", body.model_dump(exclude_none=True))


@router.post("/{id}/launch")
async def launch_campaign(id: str, response: Response, caller: Caller, command: Command) -> Json:
    """Go live, now or at the schedule's start."""
    return await _send(command, response, caller, id, "launch")


@router.post("/{id}/pause")
async def pause_campaign(id: str, response: Response, caller: Caller, command: Command) -> Json:
    return await _send(command, response, caller, id, "pause")


@router.post("/{id}/resume")
async def resume_campaign(id: str, response: Response, caller: Caller, command: Command) -> Json:
    return await _send(command, response, caller, id, "resume")


@router.post("/{id}/complete")
async def complete_campaign(id: str, response: Response, caller: Caller, command: Command) -> Json:
    """End it. What happened before the end of the attribution window still counts."""
    return await _send(command, response, caller, id, "complete")


@router.post("/{id}/costs", status_code=201)
async def record_campaign_cost(
    id: str, body: Cost, response: Response, caller: Caller, command: Command
) -> Json:
    """Enter money spent; it goes into the ROAS."""
    return await _send(command, response, caller, id, "record_cost", body.model_dump(exclude_none=True))


@router.get("/{id}/metrics")
async def get_campaign_metrics(id: str, response: Response, services: Svc, caller: Caller) -> Json:
    """The metrics as the campaign's owner has them at this moment."""
    view = with_etag(response, await own_view(services, caller, Kind.CAMPAIGN, id))
    shown = ("id", "status", "performance", "metrics_final", "counts_until", "updated_at", "version")
    return {name: view[name] for name in shown if name in view}


async def _send(
    command: CommandContext,
    response: Response,
    caller: Principal,
    id: str,
    name: str,
    data: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The campaign itself refuses commands of another org, as if it did not exist."""
    key = entity_key(Kind.CAMPAIGN, id)
    return with_etag(response, await command.send(key, name, {**(data or {}), "org": caller.org}))
