import asyncio
from typing import Any


async def numbers(world: Any) -> dict[str, int]:
    value: dict[str, int] = (await world.get("/ledger"))["deliveries"]
    return value


async def test_what_is_not_answered_200_is_sent_again(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account)
    await world.put("/delivery", retry_scale=0)
    world.receiver.answers = [500, 503, 202]
    await world.act(account, "comment")
    await world.quiet()
    bodies = {body for _, body in world.receiver.received}
    assert len(world.receiver.received) == 4 and len(bodies) == 1
    counted = await numbers(world)
    assert (counted["attempts"], counted["ok"], counted["failed"]) == (4, 1, 3)
    assert counted["duplicated_ok"] == counted["reordered_ok"] == 0
    [row] = (await world.get("/ledger"))["events"]
    assert row["attempts"] == 4 and row["deliveries_ok"] == 1


async def test_a_delivery_nobody_accepts_is_given_up_and_counted(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", retry_scale=0)
    world.receiver.answers = [500] * 50
    await world.act(account, "comment")
    await world.quiet()
    counted = await numbers(world)
    assert counted["dropped"] == 1 and counted["ok"] == 0 and counted["attempts"] == 8
    assert (await world.get("/ledger"))["events"][0]["accepted_at"] is None


async def test_duplicates_are_counted_exactly(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", duplicate=0.5)
    for _ in range(40):
        await world.act(account, "comment")
    await world.quiet()
    ids = [body["data"]["event_uuid"] for body in world.receiver.bodies()]
    twice = len(ids) - len(set(ids))
    ledger = await world.get("/ledger")
    assert len(set(ids)) == 40 and 5 < twice < 35
    assert ledger["deliveries"]["duplicated_ok"] == twice
    assert sum(row["duplicated"] for row in ledger["events"]) == twice


async def test_reordered_deliveries_are_counted_exactly(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", reorder=0.3)
    sent = [(await world.act(account, "comment"))["event_ids"][0] for _ in range(40)]
    # The last one may be held back with nothing after it: something plain lets it go.
    await world.put("/delivery", reorder=0)
    sent += (await world.act(account, "comment"))["event_ids"]
    await world.quiet()
    place = {event_id: number for number, event_id in enumerate(sent)}
    arrived = [place[body["data"]["event_uuid"]] for body in world.receiver.bodies()]
    late = sum(number < max(arrived[:position], default=-1) for position, number in enumerate(arrived))
    assert sorted(arrived) == list(range(41)) and late > 3
    ledger = await world.get("/ledger")
    assert ledger["deliveries"]["reordered_ok"] == late
    assert sum(row["reordered"] for row in ledger["events"]) == late


async def test_a_held_back_event_waits_for_a_later_one_not_an_earlier_one(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", hold=True)
    first = (await world.act(account, "comment"))["event_ids"]
    await world.put("/delivery", reorder=1)
    late = (await world.act(account, "comment"))["event_ids"]
    await world.put("/delivery", reorder=0)
    last = (await world.act(account, "comment"))["event_ids"]
    await world.put("/delivery", hold=False)
    await world.quiet()
    arrived = [body["data"]["event_uuid"] for body in world.receiver.bodies()]
    assert arrived == first + last + late
    assert (await numbers(world))["reordered_ok"] == 1


async def test_without_knobs_nothing_is_repeated_or_out_of_order(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    sent = [(await world.act(account, "comment"))["event_ids"][0] for _ in range(30)]
    await world.quiet()
    assert [body["data"]["event_uuid"] for body in world.receiver.bodies()] == sent
    counted = await numbers(world)
    assert counted["duplicated_ok"] == counted["reordered_ok"] == 0


async def test_held_back_until_released(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", hold=True)
    for _ in range(3):
        await world.act(account, "comment")
    await asyncio.sleep(0.05)
    assert world.receiver.received == []
    assert (await world.get("/delivery"))["pending"] == 3
    await world.put("/delivery", hold=False)
    await world.quiet()
    assert len(world.receiver.received) == 3


async def test_meta_entries_are_batched(world: Any) -> None:
    one, two = await world.account("instagram", 1), await world.account("instagram", 2)
    await world.listen(one)
    await world.put("/delivery", hold=True, batch=5)
    for number in range(12):
        await world.act(one if number % 3 else two, "comment")
    await world.put("/delivery", hold=False)
    await world.quiet()
    sizes = [len(body["entry"]) for body in world.receiver.bodies()]
    assert sum(sizes) == 12 and max(sizes) == 5
    ids = [entry["changes"][0]["value"]["id"] for body in world.receiver.bodies() for entry in body["entry"]]
    assert len(set(ids)) == 12


async def test_redelivery_in_other_batches_is_a_duplicate(world: Any) -> None:
    account = await world.account("instagram")
    await world.listen(account)
    for _ in range(10):
        await world.act(account, "comment")
    await world.quiet()
    first = [entry for body in world.receiver.bodies() for entry in body["entry"]]
    world.receiver.received.clear()
    answer = await world.post("/redeliver", 202, last=10, regroup=True)
    await world.quiet()
    again = [entry for body in world.receiver.bodies() for entry in body["entry"]]
    assert again == first and len(world.receiver.received) == answer["deliveries"] < 10
    assert (await numbers(world))["duplicated_ok"] == answer["deliveries"]


async def test_redelivery_of_chosen_events(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    ids = [(await world.act(account, "comment"))["event_ids"][0] for _ in range(5)]
    await world.quiet()
    world.receiver.received.clear()
    await world.post("/redeliver", 202, event_ids=ids[1:3])
    await world.quiet()
    assert [body["data"]["event_uuid"] for body in world.receiver.bodies()] == ids[1:3]


async def test_a_delayed_delivery_comes_later(world: Any) -> None:
    account = await world.account("twitter")
    await world.listen(account)
    await world.put("/delivery", delay_ms=[40, 60])
    await world.act(account, "comment")
    await asyncio.sleep(0.01)
    assert world.receiver.received == []
    await world.quiet()
    assert len(world.receiver.received) == 1
