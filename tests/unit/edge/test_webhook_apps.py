"""The directory of platform apps: how fresh it is, and how little it asks of the document server."""

import asyncio
from datetime import UTC, datetime

import pytest

from api.webhook_apps import MAX_LOOK_UPS, AppDirectory
from domain.clock import ManualClock
from storage.mongo.apps import AppRecord
from storage.records import StoreUnavailable
from tests.unit.edge.doubles import AppStore, app_record, until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_new_app_is_found_at_its_first_webhook(clock: ManualClock) -> None:
    store = AppStore()
    directory = AppDirectory(store, clock)
    await directory.start()
    store.records.append(app_record("twitter", "new", "s"))
    clock.advance(2)
    assert directory.get("twitter", "new") is None
    found = await directory.look_up("twitter", "new")
    assert found is not None
    assert found == directory.get("twitter", "new")
    await directory.stop()


async def test_invented_ids_cause_one_read_a_second(clock: ManualClock) -> None:
    store = AppStore()
    directory = AppDirectory(store, clock, look_up_every_s=0.05)
    await directory.start()
    clock.advance(2)
    before = store.reads
    found = await asyncio.gather(*(directory.look_up("twitter", f"invented-{n}") for n in range(60)))
    assert set(found) == {None}
    assert store.reads == before + 1
    crowd = [directory.look_up("twitter", f"more-{n}") for n in range(500)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert store.reads == before + 2
    assert sum(isinstance(a, StoreUnavailable) for a in answers) == 500 - MAX_LOOK_UPS
    await directory.stop()


async def test_an_app_added_right_after_a_read_is_found_at_its_first_webhook(clock: ManualClock) -> None:
    store = AppStore()
    directory = AppDirectory(store, clock, look_up_every_s=0.05)
    await directory.start()
    store.records[:] = [app_record("twitter", "new", "secret", updated_at=NOW)]
    assert await directory.look_up("twitter", "new") is not None
    await directory.stop()


async def test_a_changed_secret_replaces_the_old_one(clock: ManualClock) -> None:
    store = AppStore(app_record("twitter", "a", "old"))
    directory = AppDirectory(store, clock)
    await directory.reload()
    store.records[:] = [app_record("twitter", "a", "new", updated_at=NOW)]
    await directory.reload()
    app = directory.get("twitter", "a")
    assert app is not None
    assert [s.reveal() for s in app.webhook_secrets][-1] == "new"


async def test_polling_sees_changes_and_survives_outages(clock: ManualClock) -> None:
    store = AppStore()
    directory = AppDirectory(store, clock, poll_s=0.001)
    store.away = True
    await directory.start()
    with pytest.raises(StoreUnavailable):
        await directory.look_up("twitter", "a")
    store.records.append(app_record("twitter", "a", "s"))
    store.away = False
    await until(lambda: directory.get("twitter", "a") is not None)
    store.away = True
    reads = store.reads
    await until(lambda: store.reads >= reads + 3)
    assert directory.get("twitter", "a") is not None, "what is known stays in force"
    await directory.stop()


async def test_later_reads_ask_only_for_what_changed(clock: ManualClock) -> None:
    asked: list[datetime] = []

    class Recording(AppStore):
        async def changed_since(self, at: datetime) -> list[AppRecord]:
            asked.append(at)
            return await super().changed_since(at)

    directory = AppDirectory(Recording(app_record("twitter", "a", "s", updated_at=NOW)), clock)
    await directory.reload()
    await directory.reload()
    assert asked[0].year < 1971
    assert 0 < (NOW - asked[1]).total_seconds() <= 3600
