"""Advertisers with campaigns, ad groups, ads and their numbers, derived from the account."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.clock import DAY_MS
from sandbox.generate import voice_of
from sandbox.ids import digits, seeded
from sandbox.tiktok.consents import advertiser_id
from sandbox.world import Profile, World

CURRENCIES = {"en": "USD", "pt": "BRL", "ja": "JPY"}
OBJECTIVES = ("PRODUCT_SALES", "TRAFFIC", "VIDEO_VIEWS")
_CAMPAIGNS = 3


@dataclass(slots=True)
class AdObject:
    """`parents`: ids of the campaign and the ad group it belongs to, as far as it has them."""

    id: str
    level: str
    name: str
    parents: dict[str, str] = field(default_factory=dict)
    status: str = "ENABLE"
    budget_mode: str = "BUDGET_MODE_DAY"
    budget: float = 50.0
    objective: str = "PRODUCT_SALES"
    deleted: bool = False
    begins: str = "2026-10-01 00:00:00"
    ends: str | None = None
    shown: bool = True  # to people: what was made here was not, and has no numbers

    def view(self, advertiser: str) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "advertiser_id": advertiser,
            f"{self.level}_id": self.id,
            f"{self.level}_name": self.name,
            "operation_status": self.status,
            "secondary_status": f"{self.level.upper()}_STATUS_{self._detail()}",
            **self.parents,
        }
        if self.level != "ad":
            shown |= {"budget": self.budget, "budget_mode": self.budget_mode}
        if self.level == "campaign":
            shown["objective_type"] = self.objective
        if self.level == "adgroup":
            shown |= {"schedule_start_time": self.begins, "schedule_end_time": self.ends}
        return shown

    def _detail(self) -> str:
        if self.deleted:
            return "DELETE"
        return "ENABLE" if self.status == "ENABLE" else "DISABLE"


class Advertisers:
    def __init__(self, world: World) -> None:
        self._world = world
        self._objects: dict[str, dict[str, AdObject]] = {}
        self._requests: dict[tuple[str, str], str] = {}

    def currency(self, account: Profile) -> str:
        return CURRENCIES.get(account.lang, "EUR")

    def objects(self, account: Profile) -> dict[str, AdObject]:
        """By id, in the order they were made."""
        advertiser = advertiser_id(account)
        if advertiser not in self._objects:
            self._objects[advertiser] = self._generate(account)
        return self._objects[advertiser]

    def add(self, account: Profile, item: AdObject) -> AdObject:
        """A new one, which gets its id here."""
        item.id, item.shown = self._world.ids.numbered("18", 16), False
        self.objects(account)[item.id] = item
        return item

    def repeated(self, account: Profile, request_id: str) -> str | None:
        return self._requests.get((account.id, request_id))

    def remember(self, account: Profile, request_id: str, id_: str) -> None:
        self._requests[account.id, request_id] = id_

    def numbers(self, account: Profile, item: AdObject, day: date) -> dict[str, str]:
        """One object's day: whole by itself, so that reports of any span agree. Values are texts."""
        rng = seeded(self._world.seed, account.id, item.id, day.isoformat())
        impressions = rng.randrange(500, 30_000)
        clicks = impressions // rng.randrange(20, 90)
        cents = clicks * rng.randrange(8, 35)
        whole = self.currency(account) == "JPY"
        return {
            "spend": str(cents) if whole else f"{cents / 100:.2f}",
            "impressions": str(impressions),
            "clicks": str(clicks),
            # TikTok's sign for "not available".
            "conversion": "-" if clicks < 20 else str(clicks // 25),
            "reach": str(impressions * 4 // 5),
        }

    def _generate(self, account: Profile) -> dict[str, AdObject]:
        rng = seeded(self._world.seed, account.id, "ads")
        product = voice_of(account).products
        made: dict[str, AdObject] = {}

        def add(level: str, name: str, **parents: str) -> AdObject:
            id_ = digits(16, account.id, level, len(made), prefix="18")
            made[id_] = AdObject(id_, level, name, dict(parents), rng.choice(("ENABLE", "ENABLE", "DISABLE")))
            return made[id_]

        for number in range(_CAMPAIGNS):
            campaign = add("campaign", f"{rng.choice(product)} {number + 1}")
            campaign.objective, campaign.budget = OBJECTIVES[number % 3], float(rng.choice((50, 80, 120)))
            for group in range(2):
                own = add("adgroup", f"{campaign.name} / {group + 1}", campaign_id=campaign.id)
                for ad in range(2):
                    add("ad", f"{own.name} / {ad + 1}", campaign_id=campaign.id, adgroup_id=own.id)
        return made


def days(since: date, until: date) -> list[date]:
    return [date.fromordinal(n) for n in range(since.toordinal(), until.toordinal() + 1)]


def utc_date(moment_ms: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + moment_ms // DAY_MS)
