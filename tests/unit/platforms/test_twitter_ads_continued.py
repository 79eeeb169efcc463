"""An ad group asked of an account's owner and made at X, while the process ends at any step: a line item
once, each of its countries once, and what was begun is gone on with."""

from datetime import timedelta
from typing import Any, cast

import orjson
import pytest

from actors.account.effects import TaskStep
from actors.account.operations.steps import ads_making
from actors.account.operations.steps.work import Work
from actors.account.operations.task import Phase, Step, What
from domain.advertising import AdLevel, AdObject, AdStatus
from domain.ids import AccountId
from platforms.outcome import Outcome
from platforms.twitter.consents import CONSENTS
from platforms.twitter.spec import SPEC
from tests.unit.account.asking import Able, Operator
from tests.unit.account.surroundings import Surroundings
from tests.unit.account.test_grants import give
from tests.unit.platforms.advertiser import LATER, Advertiser
from tests.unit.platforms.support import World, ok
from tests.unit.platforms.test_twitter_ads_making import ADS, criteria, opened

Ends = tuple[tuple[str, bool], ...]
DONE: list[Ends] = [
    (),
    (("create", True),),
    (("create", True), ("look", True)),
    (("target", False),),
    (("target", True),),
    (("target", True), ("target", True)),
    (("create", True), ("target", True), ("target", False)),
]


class Process:
    """The owner's turns, and what it asks of X. `ends`: at which steps it ends, and whether X had heard."""

    def __init__(self, shop: Advertiser, campaign: AdObject, ends: Ends) -> None:
        self._shop, self._ends, self._around = shop, list(ends), Surroundings()
        self._able = Able()
        self._able.ads = cast(Any, ADS)
        self.account = Operator(SPEC, self._able, CONSENTS)
        give(self.account, "ads", refresh_token=None, secret=b"secret", expires_in_s=None)
        owner = shop.owner
        self._wish: dict[str, Any] = {
            "account": {
                "externalId": owner.external_id,
                "name": owner.name,
                "currency": owner.currency,
                "timezone": owner.timezone,
            },
            "name": "Germany",
            "campaign": {"id": campaign.external_id, "objective": None, "has_budget": False},
            "goal": "LINK_CLICKS",
            "countries": ["DE", "FR"],
            "daily_budget": {"minor": 5050, "currency": owner.currency},
            "starts_at": None,
            "ends_at": (LATER + timedelta(days=9)).isoformat(),
            "settings": {},
        }
        self.account.ask(What.CREATE_AD_GROUP, **self._wish)

    async def run(self) -> dict[str, Any]:
        """The operation in the end."""
        for _ in range(20):
            if not self.account.open:
                assert self._ends == [], "it ended where it was to end"
                return self.account.operation()
            self.account.until(TaskStep)
            effect = self.account.take(TaskStep)
            if self._ends and self._ends[0][0] == _place(effect):
                _, heard = self._ends.pop(0)
                if heard:
                    await self._perform(effect)
                self.account.crash()
            else:
                self.account.step(await self._perform(effect), effect)
        raise AssertionError("it never ends")

    async def _perform(self, effect: TaskStep) -> Outcome[Step | None]:
        work = Work(
            AccountId.parse(self.account.id),
            cast(Any, self._able),
            self._shop.access,
            effect.task.id,
            orjson.loads(effect.task.facts),
            self._wish,
            self._around.sides,
            self._around.keyring.seal,
            self.account.now,
        )
        if effect.task.phase is Phase.LOOKING:
            return await ads_making.find_group(work)
        return cast(Outcome[Step | None], await ads_making.create_group(work))


def _place(effect: TaskStep) -> str:
    if effect.task.phase is Phase.LOOKING:
        return "look"
    return "target" if "made" in orjson.loads(effect.task.facts) else "create"


async def groups(shop: Advertiser) -> list[AdObject]:
    items = ok(await ADS.objects(shop.access, shop.owner, AdLevel.GROUP, None)).items
    return [item for item in items if item.name.startswith("Germany ")]


@pytest.mark.parametrize("ends", DONE)
async def test_whatever_step_is_the_last_the_group_is_gone_on_with(world: World, ends: Ends) -> None:
    shop = await opened(world)
    process = Process(shop, await shop.campaign("WEBSITE_CLICKS"), ends)
    operation = await process.run()
    (group,) = await groups(shop)
    assert group.status is AdStatus.PAUSED
    assert [row["name"] for row in await criteria(shop, group)] == ["Germany", "France"]
    assert operation["status"] == "done"
    assert operation["result"] == {"ad_id": f"{process.account.id}|{group.external_id}"}
    assert "made, without its countries yet" in [what for _, what in operation["steps"]]


async def test_a_group_that_x_never_heard_of_is_not_made_by_itself(world: World) -> None:
    shop = await opened(world)
    process = Process(shop, await shop.campaign("WEBSITE_CLICKS"), (("create", False),))
    assert (await process.run())["status"] == "unconfirmed"
    assert await groups(shop) == []


async def test_countries_that_x_refuses_leave_a_paused_group_and_a_sentence(world: World) -> None:
    shop = await opened(world)
    process = Process(shop, await shop.campaign("WEBSITE_CLICKS"), ())
    fault = {"platform": "twitter", "path": "batch/.*/targeting_criteria$", "count": 1}
    await world.ask("POST", "/faults", fault | {"kind": "status", "status": 403})
    operation = await process.run()
    (group,) = await groups(shop)
    assert (operation["status"], group.status) == ("failed", AdStatus.PAUSED)
    assert (
        "made, paused, without its countries: activated, it would be shown everywhere. X "
        in (operation["reason"])
    )
    assert operation["result"] == {"ad_id": f"{process.account.id}|{group.external_id}"}
