"""The guarantees of hosts, mailboxes, placement and reminders, on fake stores."""

import asyncio
from datetime import timedelta

import pytest

from actors.runtime.activation import Placement
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint, Failpoints
from actors.runtime.host import Host
from domain.errors import Busy, Invalid, NotFound
from storage.records import StoreUnavailable
from tests.fakes.faulty import Fault, Faulty
from tests.unit.runtime.colony import Colony, Crash, add, counter, until

KEY, OTHER = counter("lnk_1"), counter("lnk_2")


async def ready(colony: Colony) -> Host:
    host = await colony.start()
    for key in (KEY, OTHER):
        await host.ask(key, Message("create", id=f"create-{key.id}"))
    return host


async def test_messages_take_effect_in_order_and_leave_the_mailbox(colony: Colony) -> None:
    await ready(colony)
    await colony.tell(KEY, *(add(n) for n in range(50)))
    await colony.quiet()
    state = await colony.state(KEY)
    assert state["total"] == 50
    assert state["applied"] == [f"e{n}" for n in range(50)]


async def test_the_same_event_under_new_stream_ids_counts_once(colony: Colony) -> None:
    await ready(colony)
    for _ in range(3):
        await colony.tell(KEY, add(1), add(2), add(1))
    await colony.quiet()
    await colony.tell(KEY, add(2), add(3))
    await colony.quiet()
    assert (await colony.state(KEY))["total"] == 3


async def test_a_command_repeated_with_its_id_answers_what_the_first_answered(colony: Colony) -> None:
    host = await ready(colony)
    first = await host.ask(KEY, Message("add", {"amount": 5}, "cmd"))
    await host.ask(KEY, Message("add", {"amount": 1}, "other"))
    assert await host.ask(KEY, Message("add", {"amount": 5}, "cmd")) == first == {"total": 5, "version": 2}
    assert (await host.view(KEY))["total"] == 6


async def test_a_refused_command_changes_nothing(colony: Colony) -> None:
    host = await ready(colony)
    before = await colony.state(KEY)
    with pytest.raises(Invalid):
        await host.ask(KEY, Message("refuse", id="cmd"))
    assert await colony.state(KEY) == before


async def test_an_unknown_entity_is_not_found(colony: Colony) -> None:
    host = await ready(colony)
    with pytest.raises(NotFound):
        await host.view(counter("lnk_404"))


async def test_a_message_that_raises_holds_up_its_entity_and_ends_in_the_dead_letters(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.held.RETRY_S", (0.01,))
    await ready(colony)
    await colony.tell(KEY, add(1), Message("boom", id="bad"), add(2))
    await colony.tell(OTHER, add(1))
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2"]  # in order, around the dead letter
    assert (await colony.state(OTHER))["total"] == 1
    (letter,) = await colony.dead_letters.list("org_test", 10)
    assert (letter.event_id, letter.entity) == ("bad", str(KEY))
    assert "amount" not in letter.reason


async def test_what_cannot_be_encoded_does_not_harm_its_neighbours(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.held.RETRY_S", (0.01,))
    await ready(colony)
    await colony.tell(KEY, add(1), Message("huge", id="huge"), add(2))
    await colony.tell(OTHER, add(1))
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2"]
    assert (await colony.state(OTHER))["total"] == 1
    assert [x.event_id for x in await colony.dead_letters.list(None, 10)] == ["huge"]


@pytest.mark.parametrize("store", ["store", "sides", "mailboxes", "bus"])
async def test_pain_09_nothing_accepted_is_lost_while_a_store_is_away(colony: Colony, store: str) -> None:
    setattr(colony, store, Faulty(getattr(colony, store)))
    faulty = getattr(colony, store)
    await ready(colony)
    await colony.tell(KEY, add(1))
    await colony.quiet()
    tell = [colony.envelope.mail(KEY, add(n)) for n in range(2, 40)]
    await colony.mailboxes.tell(tell)
    faulty.away = True
    await asyncio.sleep(0.3)
    faulty.away = False
    await colony.quiet()
    assert (await colony.state(KEY))["total"] == 39
    assert await colony.dead_letters.list(None, 10) == []


@pytest.mark.parametrize("method", ["save_many", "upsert_many", "mark_seen", "delete", "publish"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_lost_answer_is_an_unknown_outcome_and_ends_in_one_effect(
    colony: Colony, method: str, nth: int
) -> None:
    first = await ready(colony)
    for name in ("store", "sides", "mailboxes", "bus"):
        inner = getattr(colony, name)
        if hasattr(inner, method):
            faulty = Faulty(inner, [Fault(method, nth, "after")])
            setattr(colony, name, faulty)
    await colony.kill(first)
    second = await colony.start()  # takes over with the faulty stores
    for n in range(12):
        await colony.tell(KEY, add(n))
        await asyncio.sleep(0.005)
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == [f"e{n}" for n in range(12)]
    await second.stop()


BATCH = [
    Failpoint.BATCH_READ,
    Failpoint.BATCH_APPLIED,
    Failpoint.SIDE_SAVED,
    Failpoint.ENTITY_SAVED,
    Failpoint.EVENTS_PUBLISHED,
    Failpoint.SEEN_MARKED,
    Failpoint.MAIL_DELETED,
]


@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize("point", BATCH)
async def test_any_step_of_the_batch_may_be_the_last(point: Failpoint, after: int) -> None:
    colony = Colony()
    first = await ready(colony)
    await colony.kill(first)
    await colony.tell(KEY, *(add(n) for n in range(20)), add(3))
    died = asyncio.Event()

    def die() -> None:
        died.set()
        raise Crash

    failpoints = Failpoints(die)
    failpoints.arm(point, after)
    doomed = await colony.start(failpoints=failpoints)
    for n in range(20, 30):
        await colony.tell(KEY, add(n), add(n - 5))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await died.wait()
    await colony.kill(doomed)
    successor = await colony.start()
    await colony.quiet()
    state = await colony.state(KEY)
    assert state["total"] == 30, (point, after)
    assert sorted(state["applied"]) == sorted(f"e{n}" for n in range(30))
    assert (await colony.sides.load_many("social_content", [KEY.id]))[KEY.id]["total"] == 30
    await until(lambda: _all_published(colony, 30))
    await colony.kill(successor)


async def _all_published(colony: Colony, count: int) -> bool:
    """Every change is on the bus, in order; at least once, under the same id."""
    ids = list(dict.fromkeys(await colony.published()))
    return len(ids) == count


async def test_a_message_that_kills_its_process_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    colony = Colony()
    host = await ready(colony)
    await colony.kill(host)
    await colony.tell(KEY, add(1), Message("kill", id="killer"), add(2))
    await colony.tell(OTHER, add(1))
    from tests.unit.runtime.counting import Counting

    apply = Counting.apply

    def deadly(self, key, state, message, now, side):  # type: ignore[no-untyped-def]
        if message.name == "kill":
            raise Crash
        return apply(self, key, state, message, now, side)

    monkeypatch.setattr(Counting, "apply", deadly)
    for _ in range(12):
        host = await colony.start()
        try:
            await until(lambda: colony_done(colony), timeout_s=0.4)
            break
        except TimeoutError:
            await colony.kill(host)
    assert await colony_done(colony)
    assert (await colony.state(KEY))["applied"] == ["e1", "e2"]
    assert (await colony.state(OTHER))["total"] == 1
    assert [x.event_id for x in await colony.dead_letters.list(None, 10)] == ["killer"]
    await colony.kill(host)


async def colony_done(colony: Colony) -> bool:
    return await colony.owed() == 0


async def test_pain_18_a_stale_owner_loses_every_write(colony: Colony) -> None:
    """Two processes believe they own the entity: one version, one history."""
    old = await ready(colony)
    await old.ask(KEY, Message("add", {"amount": 1}, "a"))
    new = await colony.start()  # claims with a higher epoch; the old one has not noticed yet
    assert (await new.ask(KEY, Message("add", {"amount": 1}, "b"))) == {"total": 2, "version": 3}
    # The stale activation is a version behind: its write loses. It reloads, and sees that it lost its claim.
    with pytest.raises(Busy):
        await old.owner.ask(KEY, Message("add", {"amount": 1}, "c"))
    assert (await new.ask(KEY, Message("add", {"amount": 1}, "d"))) == {"total": 3, "version": 4}
    assert (await colony.state(KEY))["applied"] == ["a", "b", "d"]


async def test_a_host_that_lost_its_claims_stops_answering(colony: Colony) -> None:
    old = await ready(colony)
    await colony.start()
    await until(lambda: not old.ownership.held)
    with pytest.raises(Exception, match="lnk_1"):
        await old.ask(KEY, Message("add", {"amount": 1}, "late"))


async def test_an_outcome_of_an_effect_is_applied_in_a_turn(colony: Colony) -> None:
    host = await ready(colony)
    await host.ask(KEY, Message("echo", {"amount": 7}, "cmd"))

    async def echoed() -> bool:
        return bool((await colony.state(KEY))["total"] == 7)

    await until(echoed)


async def test_pain_19_reminders_survive_and_come_once_after_a_long_stop(colony: Colony) -> None:
    host = await ready(colony)
    at = colony.clock.now() - timedelta(hours=5)
    await host.ask(KEY, Message("remind", {"at": at}, "cmd"))
    await colony.kill(host)
    successor = await colony.start()

    async def ticked() -> bool:
        return bool((await colony.state(KEY))["ticks"])

    await until(ticked)
    await asyncio.sleep(0.3)
    assert (await colony.state(KEY))["ticks"] == 1
    assert await successor.view(KEY) is not None


async def test_events_left_by_a_crash_are_published_by_the_reminder(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.drafts.OUTBOX_RECHECK", timedelta(seconds=0.1))
    failpoints = Failpoints(_crash)
    host = await ready(colony)
    await colony.kill(host)
    doomed = await colony.start(failpoints=failpoints)
    failpoints.arm(Failpoint.ENTITY_SAVED)
    with pytest.raises(Crash):
        await doomed.ask(KEY, Message("add", {"amount": 1}, "cmd"))
    await colony.kill(doomed)
    assert await colony.published() == []
    await colony.start()
    await until(lambda: _all_published(colony, 1))

    async def emptied() -> bool:
        return not (await colony.state(KEY))["rt"]["outbox"]

    await until(emptied)


def _crash() -> None:
    raise Crash


async def test_isolate_and_release_while_messages_flow(colony: Colony) -> None:
    host = await ready(colony)

    async def traffic() -> None:
        for n in range(100):
            await colony.tell(KEY, add(n))
            await asyncio.sleep(0.002)

    sending = asyncio.create_task(traffic())
    await asyncio.sleep(0.05)
    placed = await host.place(KEY, Placement.DEDICATED)
    assert placed["placement"] == "dedicated"
    assert KEY in colony.actors.running
    await asyncio.sleep(0.05)
    assert (await host.ask(KEY, Message("add", {"amount": 0}, "asked")))["total"] >= 0
    released = await host.place(KEY, Placement.SHARED)
    assert released["placement"] == "shared"
    assert KEY not in colony.actors.running
    await sending
    await colony.quiet()
    state = await colony.state(KEY)
    assert state["total"] == 100
    assert [x for x in state["applied"] if x != "asked"] == [f"e{n}" for n in range(100)]


async def test_a_dedicated_actor_that_does_not_answer_is_done_without(
    colony: Colony, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.forwarder.RETRY_PLACEMENT_S", 0.3)
    host = await ready(colony)
    await host.place(KEY, Placement.DEDICATED)
    await colony.tell(KEY, add(1))
    await colony.quiet()
    colony.actors.frozen.add(KEY)
    await colony.tell(KEY, add(2))
    await colony.quiet()
    assert (await host.ask(KEY, Message("add", {"amount": 1}, "cmd")))["total"] == 3
    # The actor wakes with an activation from before: its write loses and it reloads.
    stale = colony.actors.running[KEY].owner
    assert (await stale.ask(KEY, Message("add", {"amount": 1}, "stale")))["total"] == 4
    colony.actors.frozen.discard(KEY)
    await asyncio.sleep(0.5)
    await colony.tell(KEY, add(3))
    await colony.quiet()
    assert (await colony.state(KEY))["applied"] == ["e1", "e2", "cmd", "stale", "e3"]


async def test_lost_mailbox_data_is_noticed_and_reading_goes_on(colony: Colony) -> None:
    host = await ready(colony)
    await colony.tell(KEY, *(add(n) for n in range(5)))
    await colony.quiet()
    await until(lambda: bool(host.mail.applied_ids()))
    await host._own()
    for name in [n for n in colony.redis.streams if n.startswith("mailbox:")]:
        del colony.redis.streams[name]  # Redis came back empty
    await host._own()
    assert "mailbox_data_lost" in colony.counted
    await colony.tell(KEY, add(10))
    await colony.quiet()
    assert (await colony.state(KEY))["total"] == 6


async def test_store_away_refuses_the_command(colony: Colony) -> None:
    host = await ready(colony)
    colony.store = Faulty(colony.store)
    second = await colony.start()
    colony.store.away = True
    with pytest.raises(StoreUnavailable):
        await second.ask(KEY, Message("add", {"amount": 1}, "x"))
    await host.stop()
