"""What the tests of making advertisements share: an ad account in the sandbox, or one that is answered by a
test; what is asked of it; and answers that never come."""

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from domain.advertising import (
    AdAccount,
    AdLevel,
    AdObject,
    AdStatus,
    NewAd,
    NewAdCampaign,
    NewAdGroup,
    Promoted,
)
from domain.content import ContentKind
from domain.money import Money
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access, Ads
from platforms.http import Answer
from platforms.outcome import Outcome, Rejected, Unknown
from tests.unit.platforms.support import Answers, World, ok

LATER = datetime(2027, 5, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Advertiser:
    """An ad account, and with what it is asked. `told`: the account of the sandbox that opens it."""

    ads: Ads
    access: Access
    owner: AdAccount
    told: dict[str, Any] = field(default_factory=dict)

    def money(self, minor: int) -> Money:
        return Money(minor, self.owner.currency)

    async def campaign(self, objective: str, budget: Money | None = None) -> AdObject:
        wish = NewAdCampaign("Summer", f"rk-{objective}", objective, budget)
        made: AdObject = ok(await self.ads.create_campaign(self.access, self.owner, wish))
        return made

    async def group(self, wish: NewAdGroup) -> AdObject:
        made: AdObject = ok(await self.ads.create_group(self.access, self.owner, wish))
        return made

    async def ad(self, wish: NewAd) -> AdObject:
        made: AdObject = ok(await self.ads.create_ad(self.access, self.owner, wish))
        return made

    async def create(self, wish: NewAdGroup | NewAd) -> Outcome[AdObject]:
        if isinstance(wish, NewAdGroup):
            return await self.ads.create_group(self.access, self.owner, wish)
        return await self.ads.create_ad(self.access, self.owner, wish)

    async def refused(self, wish: NewAdGroup | NewAd) -> Rejected:
        outcome = await self.create(wish)
        assert isinstance(outcome, Rejected) and outcome.message.endswith("."), outcome
        return outcome

    async def find(self, wish: NewAdGroup | NewAd) -> AdObject | None:
        group = isinstance(wish, NewAdGroup)
        look: Any = self.ads.find_group if group else self.ads.find_ad
        found: AdObject | None = ok(await look(self.access, self.owner, wish))
        return found

    async def shown(self, level: AdLevel, id_: str) -> AdObject:
        """As it is listed."""
        items = ok(await self.ads.objects(self.access, self.owner, level, None)).items
        found: AdObject = next(item for item in items if item.external_id == id_)
        return found


async def opened(ads: Ads, access: Access, told: dict[str, Any]) -> Advertiser:
    """The one ad account that an account of the sandbox opens."""
    (owner,) = ok(await ads.accounts(access))
    return Advertiser(ads, access, owner, told)


class Told(Answers):
    """Answers that know the time."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)


def answered(ads: Ads, *answers: Answer, external_id: str = "1") -> tuple[Advertiser, Answers]:
    """One in euros, and what it is asked; the answers are the test's."""
    http, app = Told(*answers), PlatformApp("a", "x", "key", Secret("s"), ())
    access = Access(http, app, Secret("t"), external_id, Secret("ts"))
    return Advertiser(ads, access, AdAccount("3", "n", "EUR", None)), http


def campaign_of(objective: str | None) -> AdObject:
    return AdObject(AdLevel.CAMPAIGN, "1", None, "n", AdStatus.PAUSED, "PAUSED", b"{}", objective)


def group_of(
    campaign: AdObject, goal: str, countries: tuple[str, ...], budget: Money, /, **changes: Any
) -> NewAdGroup:
    wish = NewAdGroup(
        "Germany",
        "rk-group",
        campaign.external_id,
        campaign.objective,
        campaign.daily_budget is not None,
        goal,
        countries,
        daily_budget=budget,
    )
    return replace(wish, **changes)


async def first_post(world: World, told: dict[str, Any], kind: ContentKind = ContentKind.POST) -> Promoted:
    """The account's first content, taken for one of this kind."""
    return Promoted(told["platform"], told["external_id"], (await world.content(told))[0]["id"], kind)


async def answers_are_lost(
    world: World, shop: Advertiser, wishes: dict[str, NewAdGroup | NewAd], made: bool
) -> None:
    """Before or after the platform acted: what is there is found, and what is not there is not. `wishes` by
    the path that makes them."""
    how = {"kind": "half_body"} if made else {"kind": "status", "status": 500}
    for path, wish in wishes.items():
        assert await shop.find(wish) is None
        fault = {"platform": shop.told["platform"], "path": path, "count": 1, **how}
        await world.ask("POST", "/faults", fault)
        assert isinstance(await unheard(shop.create(wish)), Unknown), path
        assert (await shop.find(wish) is not None) == made, path


async def unheard(call: Awaitable[Outcome[Any]]) -> Outcome[Any]:
    try:
        return await call
    except ConnectionResetError:  # in process there is no connection to cut
        return Unknown("cut")
