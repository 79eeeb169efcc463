"""Cost that platforms tell: days of the ad campaigns that a campaign is tied to.

    AdSpendTold --routed by membership--> `spent`: absolute amounts; the difference to the last is added

A report that is read again, or corrected, counts once. Amounts in another currency than the campaign's are
said, not added.
"""

from collections.abc import Iterable
from datetime import timedelta

from msgspec.structs import replace

from actors.campaign.state import Campaign
from domain.fields import Fields
from domain.metrics import Performance
from domain.money import Money
from domain.spend import AdSpend

SETTLES = timedelta(days=3)
"""How long after the end of the attribution window days within it are still corrected."""
MAX_AD_CAMPAIGNS = 200


def spent(campaign: Campaign, fields: Fields) -> Campaign:
    """`fields`: ad_id, currency, days (rows of ISO date and minor units first), order."""
    ad_id = fields.raw("ad_id")
    if campaign.launched_at is None or ad_id not in campaign.ad_campaigns:
        return campaign  # untied while it was on its way
    currency = fields.text("currency", 3)
    known = campaign.spend.get(ad_id, AdSpend(currency))
    if known.currency != currency:
        known = AdSpend(currency)  # an ad account has one currency for ever: it is another one now
    rows = [(str(row[0]), int(row[1])) for row in fields.raw("days")]
    order = (int(fields.raw("order")[0]), int(fields.raw("order")[1]))
    until = campaign.counts_until
    after, difference = known.told(
        rows, order, campaign.launched_at.date(), until.date() if until is not None else None
    )
    performance = _with(campaign.performance, difference, currency)
    return replace(campaign, performance=performance, spend={**campaign.spend, ad_id: after})


def untied(campaign: Campaign, kept: Iterable[str]) -> Campaign:
    """What is tied no more costs nothing: it was a mistake, or counts elsewhere."""
    wanted, performance = set(kept), campaign.performance
    for ad_id, told in campaign.spend.items():
        if ad_id not in wanted:
            performance = _with(performance, -told.total_minor, told.currency)
    left = {ad_id: told for ad_id, told in campaign.spend.items() if ad_id in wanted}
    return replace(campaign, performance=performance, spend=left)


def _with(performance: Performance, difference: int, currency: str) -> Performance:
    if currency == performance.currency:
        return performance.spent(Money(difference, currency))
    apart = performance.other_costs.get(currency, 0) + difference
    return replace(performance, other_costs={**performance.other_costs, currency: apart})
