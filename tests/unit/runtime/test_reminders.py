"""What is due after a stop: known by one look at each partition, ranked, and started at a pace."""

from datetime import timedelta

import pytest

from actors.runtime.owner import STARTS_PER_S
from actors.runtime.reminders import HORIZON, LATE, Reminders
from actors.runtime.urgency import Urgency
from domain.clock import ManualClock
from domain.ids import EntityKey, Kind
from storage.records import Save
from tests.fakes.documents import FakeEntityStore
from tests.unit.runtime.colony import PARTITIONS, Colony, counter

ALL = 10**6


class Looked(FakeEntityStore):
    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[Kind, int]] = []

    async def due(self, kind, partition, before, limit):  # type: ignore[no-untyped-def]
        self.looks.append((kind, partition))
        return await super().due(kind, partition, before, limit)


def link(n: int) -> EntityKey:
    return EntityKey(Kind.LINK, f"lnk_{n}")


async def test_pain_19_due_work_is_ranked_by_one_look_before_anything_is_loaded() -> None:
    store, clock = Looked(), ManualClock()
    urgencies = [Urgency.BACKFILL, Urgency.SCHEDULED, Urgency.PERSON, Urgency.REFRESH, Urgency.WEBHOOK]
    for n, urgency in enumerate(urgencies * 2):
        due = clock.now() - timedelta(hours=1, seconds=n)
        document = {
            "_id": link(n).id,
            "version": 1,
            "partition": 0,
            "next_due_at": due,
            "urgency": int(urgency),
        }
        await store.save_many({link(n): Save(document, 0)})
    reminders = Reminders(store, clock)
    await reminders.scan(0)
    assert sorted(store.looks) == sorted((kind, 0) for kind in Kind)
    assert reminders.waiting() == len(reminders) == 10
    assert reminders.pop_due(ALL, 0) == []
    # One of each class, so that none waits for ever; then the most urgent; of a class the one that is latest.
    order = [7, 9, 8, 6, 5, 2, 4, 3, 1, 0]
    assert reminders.pop_due(ALL, ALL) == [link(n) for n in order]
    assert len(reminders) == reminders.waiting() == 0


async def test_pain_19_a_host_starts_due_work_at_its_pace_after_a_long_stop(colony: Colony) -> None:
    keys = [counter(f"lnk_{n}") for n in range(3 * STARTS_PER_S)]
    host = await colony.host()
    await colony.claims.assign({p: "host-0" for p in range(PARTITIONS)}, colony.build)
    await host._partitions.check()
    for key in keys:
        host.owner.reminders.note(key, colony.clock.now() - timedelta(hours=1))
    await host.owner.tick()
    assert len(host.owner.reminders) == len(keys) - STARTS_PER_S // 2
    await host.stop()


@pytest.mark.parametrize("abandoned", [True, False])
async def test_what_a_save_owes_is_looked_at_now_where_its_writer_is_gone(abandoned: bool) -> None:
    store, clock = FakeEntityStore(), ManualClock()
    for n, urgency in enumerate((Urgency.SAVE, Urgency.PERSON)):
        due = clock.now() + timedelta(seconds=10)
        document = {"_id": link(n).id, "version": 1, "partition": 0, "next_due_at": due, "urgency": urgency}
        await store.save_many({link(n): Save(document, 0)})
    reminders = Reminders(store, clock)
    await reminders.scan(0, abandoned)
    assert reminders.pop_due(ALL, ALL) == ([link(0)] if abandoned else [])
    clock.advance(10)
    assert reminders.pop_due(ALL, ALL) == ([link(1)] if abandoned else [link(0), link(1)])


def test_a_save_waits_for_no_pace_unless_it_is_from_before_the_stop() -> None:
    clock = ManualClock()
    reminders = Reminders(FakeEntityStore(), clock)
    reminders.note(link(1), clock.now(), Urgency.SAVE)
    reminders.note(link(2), clock.now() - LATE - timedelta(seconds=1), Urgency.SAVE)
    assert reminders.pop_due(ALL, 0) == [link(1)]
    assert reminders.pop_due(ALL, 1) == [link(2)]


def test_nothing_is_kept_of_what_is_not_due_soon() -> None:
    clock = ManualClock()
    reminders = Reminders(FakeEntityStore(), clock)
    for n in range(5000):
        reminders.note(link(n % 10), clock.now() + timedelta(seconds=n % 100))
    assert len(reminders) == 10
    assert len(reminders._soon) < 1100
    for n in range(10):
        reminders.note(link(n), clock.now() + HORIZON + timedelta(seconds=1))
    assert len(reminders) == 0
