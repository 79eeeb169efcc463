"""The outages on purpose do what they say: a test that relies on them must be able to."""

from typing import cast

import pytest

from storage.ports import SideStore
from storage.records import StoreUnavailable
from tests.fakes.documents import FakeSideStore
from tests.fakes.faulty import Fault, Faulty


@pytest.mark.parametrize(("when", "written"), [("before", False), ("after", True)])
async def test_a_planned_call_fails_before_or_after_its_effect(when: str, written: bool) -> None:
    store = FakeSideStore()
    plan = [Fault("upsert_many", 2, "after" if when == "after" else "before")]
    faulty = cast(SideStore, Faulty(store, plan))
    await faulty.upsert_many("people", [{"_id": "first"}])
    with pytest.raises(StoreUnavailable):
        await faulty.upsert_many("people", [{"_id": "second"}])
    await faulty.upsert_many("people", [{"_id": "third"}])
    held = set(await store.load_many("people", ["first", "second", "third"]))
    assert held == {"first", "third"} | ({"second"} if written else set())


async def test_while_it_is_away_nothing_happens() -> None:
    store = FakeSideStore()
    faulty = Faulty(store)
    faulty.away = True
    with pytest.raises(StoreUnavailable):
        await faulty.upsert_many("people", [{"_id": "first"}])
    faulty.away = False
    assert await faulty.load_many("people", ["first"]) == {}
    assert faulty.calls == {"upsert_many": 1, "load_many": 1}
