"""A campaign in memory and as its document in `social_campaigns`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from domain.attribution import DEFAULT_WINDOW_DAYS
from domain.campaigns import Budget, CampaignStatus, PromotionCode, Schedule
from domain.metrics import Counts, Performance, Rows, Seen, Totals
from domain.spend import AdSpend, Day
from storage.records import Document


class Campaign(Struct, frozen=True):
    """Frozen, and its mappings are never changed in place: a turn that raises leaves the old state."""

    org: str
    name: str
    created_at: datetime
    updated_at: datetime
    budget: Budget
    performance: Performance
    description: str = ""
    type: str | None = None
    platforms: tuple[str, ...] = ()
    target_audience: Mapping[str, Any] = field(default_factory=dict)
    creative: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    influencers: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    ad_campaigns: tuple[str, ...] = ()  # whose spend is this campaign's cost
    spend: Mapping[str, AdSpend] = field(default_factory=dict)
    codes: tuple[PromotionCode, ...] = ()
    window_days: int = DEFAULT_WINDOW_DAYS
    status: CampaignStatus = CampaignStatus.DRAFT
    armed: bool = False  # launched before its start: goes live by itself
    launch_error: str | None = None  # why an armed launch did not happen
    launched_at: datetime | None = None
    completed_at: datetime | None = None
    closed: bool = False  # the window has ended: final, but for what was delayed on its way here
    joining: Mapping[str, int] = field(default_factory=dict)
    """Members (`account:{id}`, `content:{id}`) whose history is not told yet (0), or to be told once more
    (1)."""
    history_at: datetime | None = None  # when to tell it next

    @property
    def counts_until(self) -> datetime | None:
        """End of the attribution window; None until completed."""
        return self.completed_at + timedelta(days=self.window_days) if self.completed_at else None


def load(document: Document) -> Campaign:
    budget, schedule = document["budget"], document["schedule"]
    return Campaign(
        org=document["org"],
        name=document["name"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        budget=Budget(
            budget["totalBudget"], budget["currency"], budget["dailyBudget"], budget["bidStrategy"]
        ),
        performance=_load_performance(document["performance"], document["contentTotals"]),
        description=document["description"],
        type=document["type"],
        platforms=tuple(document["platforms"]),
        target_audience=document["targetAudience"],
        creative=document["creative"],
        schedule=Schedule(
            schedule["startDate"], schedule["endDate"], schedule["timezone"], schedule["postingSchedule"]
        ),
        influencers=tuple(document["influencers"]),
        products=tuple(document["products"]),
        accounts=tuple(document["accounts"]),
        content=tuple(document["content"]),
        codes=tuple(
            PromotionCode(c["code"], c["contentId"], c["platform"], c["influencer"], c["place"], c["since"])
            for c in document["promotionCodes"]
        ),
        window_days=document["attributionWindowDays"],
        status=CampaignStatus(document["status"]),
        armed=document["armed"],
        launch_error=document["launchError"],
        launched_at=document["launchedAt"],
        completed_at=document["completedAt"],
        closed=document["closed"],
        joining=dict(document["joining"]),
        history_at=document["historyAt"],
        ad_campaigns=tuple(document.get("adCampaigns", ())),
        spend={
            row[0]: AdSpend(row[1], {day: Day(minor, (v, n)) for day, minor, v, n in row[2]})
            for row in document.get("adSpend", ())
        },
    )


def dump(campaign: Campaign) -> Document:
    """Ids stand in arrays, never in field names: they hold dots. `contentTotals` rows are
    [content, likes, comments, shares, views, version, n]: there may be thousands in one document."""
    budget, schedule = campaign.budget, campaign.schedule
    return {
        "name": campaign.name,
        "description": campaign.description,
        "type": campaign.type,
        "platforms": list(campaign.platforms),
        "targetAudience": campaign.target_audience,
        "budget": {
            "totalBudget": budget.total_minor,
            "dailyBudget": budget.daily_minor,
            "currency": budget.currency,
            "bidStrategy": budget.bid_strategy,
        },
        "creative": campaign.creative,
        "schedule": {
            "startDate": schedule.start,
            "endDate": schedule.end,
            "timezone": schedule.timezone,
            "postingSchedule": schedule.posting,
        },
        "performance": _dump_performance(campaign.performance),
        "contentTotals": [
            [content, *seen.totals, *seen.order] for content, seen in campaign.performance.contents.items()
        ],
        "influencers": list(campaign.influencers),
        "products": list(campaign.products),
        "accounts": list(campaign.accounts),
        "content": list(campaign.content),
        "promotionCodes": [
            {
                "code": c.code,
                "contentId": c.content_id,
                "platform": c.platform,
                "influencer": c.influencer,
                "place": c.place,
                "since": c.since,
            }
            for c in campaign.codes
        ],
        "attributionWindowDays": campaign.window_days,
        "status": campaign.status.value,
        "armed": campaign.armed,
        "launchError": campaign.launch_error,
        "launchedAt": campaign.launched_at,
        "completedAt": campaign.completed_at,
        "closed": campaign.closed,
        "joining": [[ref, passes] for ref, passes in campaign.joining.items()],
        "historyAt": campaign.history_at,
        "adCampaigns": list(campaign.ad_campaigns),
        "adSpend": [
            [ad_id, spend.currency, [[day, told.minor, *told.order] for day, told in spend.days.items()]]
            for ad_id, spend in campaign.spend.items()
        ],
        "createdAt": campaign.created_at,
        "updatedAt": campaign.updated_at,
    }


def _dump_performance(performance: Performance) -> Document:
    total = performance.total
    return {
        "impressions": total.impressions,
        "likes": total.likes,
        "comments": total.comments,
        "shares": total.shares,
        "clicks": total.clicks,
        "conversions": total.conversions,
        "revenue": total.revenue_minor,
        "cost": performance.cost_minor,
        "currency": performance.currency,
        "roas": performance.roas,  # for readers of the collection; derived again on load
        "otherCurrencies": dict(performance.other_currencies),
        "otherCosts": dict(performance.other_costs),
        "byPlatform": _dump_rows(performance.by_platform),
        "byContent": _dump_rows(performance.by_content),
        "byInfluencer": _dump_rows(performance.by_influencer),
        "byProduct": _dump_rows(performance.by_product),
        "early": performance.early,
        "late": performance.late,
    }


def _load_performance(document: Document, contents: list[list[Any]]) -> Performance:
    return Performance(
        currency=document["currency"],
        total=_load_counts(document),
        cost_minor=document["cost"],
        other_currencies=document["otherCurrencies"],
        other_costs=document.get("otherCosts", {}),
        by_platform=_load_rows(document["byPlatform"]),
        by_content=_load_rows(document["byContent"]),
        by_influencer=_load_rows(document["byInfluencer"]),
        by_product=_load_rows(document["byProduct"]),
        contents={row[0]: Seen(Totals(*row[1:5]), (row[5], row[6])) for row in contents},
        early=document["early"],
        late=document["late"],
    )


def _load_counts(document: Document) -> Counts:
    return Counts(
        document["impressions"],
        document["likes"],
        document["comments"],
        document["shares"],
        document["clicks"],
        document["conversions"],
        document["revenue"],
    )


def _dump_rows(rows: Rows) -> list[Document]:
    return [
        {
            "id": name,
            "impressions": row.impressions,
            "likes": row.likes,
            "comments": row.comments,
            "shares": row.shares,
            "clicks": row.clicks,
            "conversions": row.conversions,
            "revenue": row.revenue_minor,
        }
        for name, row in rows.items()
    ]


def _load_rows(documents: list[Document]) -> Rows:
    return {document["id"]: _load_counts(document) for document in documents}
