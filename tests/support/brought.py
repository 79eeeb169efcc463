"""Documents as tasks bring them: the real steps, on scripted capabilities, into a side store."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from actors.account.documents import Seal
from actors.account.operations.performer import _STEPS
from actors.account.operations.steps.work import Work
from actors.account.operations.task import What
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Platform, PlatformApp
from platforms.capabilities import Access
from platforms.outcome import Ok
from tests.fakes.capabilities import Advertising, Numbers, Shop, Studio, days

APP = PlatformApp("app_x", "twitter", "client", Secret("app-secret"), ())


class Able:
    """A platform that has every capability."""

    def __init__(self) -> None:
        self.insights, self.ads, self.commerce, self.live = Numbers(), Advertising("77"), Shop(), Studio()


async def bring(sides: Any, seal: Seal, now: datetime, account: str) -> None:
    """One of everything that a platform tells beside content: an ad campaign with days, a catalogue with
    products, an order, a broadcast with its stream, numbers."""
    able = Able()
    able.ads.spend = days((now - timedelta(days=2)).date(), 100, 250)
    at = now + timedelta(days=1)
    able.live.add("live0", "Kiln opening", at)
    wishes: list[tuple[What, Mapping[str, Any], Mapping[str, Any]]] = [
        (What.ACCOUNT_INSIGHTS, {}, {}),
        (What.CONTENT_INSIGHTS, {}, {}),
        (What.ADS, {}, {}),
        (What.CATALOGS, {}, {}),
        (What.PRODUCTS, {"catalog": "cat1"}, {}),
        (What.ORDERS, {}, {"since": now.isoformat()}),
        (What.BROADCASTS, {}, {}),
        (What.STREAM, {"broadcast": "live0", "title": "Kiln"}, {}),
    ]
    id_ = AccountId.parse(account)
    for what, wish, facts in wishes:
        at_facts: Mapping[str, Any] | None = facts
        while at_facts is not None:
            work = Work(
                id_,
                cast(Platform, able),
                Access(cast(Any, None), APP, Secret("t"), id_.external_id),
                "op_x",
                at_facts,
                wish,
                sides,
                seal,
                now,
            )
            outcome = await _STEPS[what](work)
            assert isinstance(outcome, Ok), outcome
            for collection, document in outcome.value.documents:
                await sides.upsert_many(collection, [document])
            at_facts = outcome.value.facts
