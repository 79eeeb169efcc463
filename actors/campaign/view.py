"""A campaign as people see it: JSON values only."""

from typing import Any

from actors.campaign.state import Campaign
from domain.metrics import Counts, Performance, Rows

VIEW_ROWS = 100
SNAPSHOT_ROWS = 10


def campaign_view(id: str, campaign: Campaign) -> dict[str, Any]:
    schedule, budget, audience = campaign.schedule, campaign.budget, campaign.target_audience
    return {
        "id": id,
        "org": campaign.org,
        "name": campaign.name,
        "description": campaign.description,
        "type": campaign.type,
        "platforms": list(campaign.platforms),
        "target_audience": {
            "custom_audiences" if name == "customAudiences" else name: value
            for name, value in audience.items()
        },
        "budget": {
            "total_minor": budget.total_minor,
            "daily_minor": budget.daily_minor,
            "currency": budget.currency,
            "bid_strategy": budget.bid_strategy,
        },
        "creative": dict(campaign.creative),
        "schedule": {
            "start_date": schedule.local(schedule.start),
            "end_date": schedule.local(schedule.end),
            "timezone": schedule.timezone,
            "posting_schedule": dict(schedule.posting),
        },
        "influencers": list(campaign.influencers),
        "products": list(campaign.products),
        "accounts": list(campaign.accounts),
        "content": list(campaign.content),
        "ad_campaigns": list(campaign.ad_campaigns),
        "ad_spend": [
            {
                "ad_id": ad_id,
                "amount_minor": spend.total_minor,
                "currency": spend.currency,
                "days": len(spend.days),
                "last_day": max(spend.days, default=None),
            }
            for ad_id, spend in campaign.spend.items()
        ],
        "promotion_codes": [
            {
                "code": code.code,
                "content_id": code.content_id,
                "platform": code.platform,
                "influencer": code.influencer,
            }
            for code in campaign.codes
        ],
        "attribution_window_days": campaign.window_days,
        "status": campaign.status.value,
        "launch_at": schedule.local(schedule.start) if campaign.armed else None,
        "launch_error": campaign.launch_error,
        "launched_at": schedule.local(campaign.launched_at),
        "completed_at": schedule.local(campaign.completed_at),
        "counts_until": schedule.local(campaign.counts_until),
        "metrics_final": campaign.closed,
        "performance": performance_view(campaign.performance, VIEW_ROWS),
        "created_at": campaign.created_at.isoformat(),
        "updated_at": campaign.updated_at.isoformat(),
    }


def performance_view(performance: Performance, rows: int) -> dict[str, Any]:
    """`rows`: how many of each breakdown to show, those with most revenue, conversions and clicks first."""
    total = performance.total
    return {
        "impressions": total.impressions,
        "engagement": _engagement(total),
        "clicks": total.clicks,
        "conversions": total.conversions,
        "revenue_minor": total.revenue_minor,
        "cost_minor": performance.cost_minor,
        "currency": performance.currency,
        "roas": performance.roas,
        "other_currencies": dict(performance.other_currencies),
        "other_costs": dict(performance.other_costs),
        "by_platform": _rows(performance.by_platform, rows),
        "by_content": _rows(performance.by_content, rows),
        "by_influencer": _rows(performance.by_influencer, rows),
        "by_product": _rows(performance.by_product, rows),
        "early": performance.early,
        "late": performance.late,
    }


def _engagement(counts: Counts) -> dict[str, int]:
    return {
        "likes": counts.likes,
        "comments": counts.comments,
        "shares": counts.shares,
        "views": counts.impressions,
    }


def _rows(rows: Rows, limit: int) -> dict[str, Any]:
    def weight(item: tuple[str, Counts]) -> tuple[int, int, int, int]:
        counts = item[1]
        return (-counts.revenue_minor, -counts.conversions, -counts.clicks, -counts.likes)

    return {
        name: {
            "impressions": counts.impressions,
            "engagement": _engagement(counts),
            "clicks": counts.clicks,
            "conversions": counts.conversions,
            "revenue_minor": counts.revenue_minor,
        }
        for name, counts in sorted(rows.items(), key=weight)[:limit]
    }
