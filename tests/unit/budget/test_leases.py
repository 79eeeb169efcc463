"""Paying for calls from leased chunks: what is held back, in which order, and what comes back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.account.effects import Recall
from actors.account.state import Mode
from actors.budget.entity import BudgetEntity
from actors.budget.hand import Hand, Held, Paid
from actors.budget.leases import IDLE_S, Leases
from actors.budget.state import BudgetState, dump, load
from actors.runtime.entity import TICK, Message
from actors.runtime.tasks import Tasks
from domain.budget import Priority
from domain.clock import ManualClock
from domain.errors import Busy, Invalid
from domain.ids import AccountId, EntityKey, budget_key
from domain.quota import LEASE
from platforms.outcome import LimitReading, LimitScope, Ok, RetryAfter
from platforms.spec import PlatformSpec, RateWindow
from tests.unit.account.driver import TWITTER, Account, through_bson

APP = LimitScope.APP
KEY = budget_key("twitter", "app_x")
CALL = {"tweets": 1}


class Facts:
    def __init__(self, spec: PlatformSpec) -> None:
        self.spec = spec


class World:
    """One budget, its owner in this process; each turn is saved as BSON. `away`: it does not answer."""

    def __init__(self, *windows: RateWindow) -> None:
        spec = replace(TWITTER, windows=windows)
        self.platforms: Any = {"twitter": Facts(spec)}
        self.clock = ManualClock()
        self.entity = BudgetEntity(self.platforms)
        self.state: BudgetState | None = None
        self.away = False
        self.lost = False  # the owner does it, and nobody hears the answer
        self.requests: list[Mapping[str, Any]] = []
        self.tasks = Tasks()

    async def ask(self, key: EntityKey, message: Message) -> dict[str, Any]:
        assert key == KEY
        await asyncio.sleep(0)
        if self.away:
            raise Busy("owner_unavailable", "Away.")
        self.requests.append(message.data)
        turn = self.entity.apply(key, self.state, message, self.clock.now(), {})
        self.state = load(through_bson(dump(turn.state)))
        assert self.state == turn.state
        if self.lost:
            raise Busy("owner_unavailable", "It did it.")
        assert turn.reply is not None
        return turn.reply

    def process(self, name: str) -> Leases:
        leases = Leases(self.platforms, self.clock, lambda name, n=1, **labels: None)
        leases._holder, leases._ask, leases._tasks = name, self.ask, self.tasks
        return leases

    async def later(self, leases: Leases, seconds: float) -> None:
        self.clock.advance(seconds)
        await leases._step()
        await settled()

    def pool(self, name: str = "day") -> dict[str, Any]:
        assert self.state is not None
        view: dict[str, Any] = self.entity.view(KEY, self.state.at(self.clock.now()))["pools"][name]
        return view


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def start(
    leases: Leases,
    n: int,
    priority: Priority = Priority.BACKFILL,
    org: str = "org_a",
    calls: Mapping[str, int] = CALL,
    patience_s: float = 50.0,
) -> "asyncio.Task[Paid | Held]":
    account = AccountId("twitter", str(n), org)
    return asyncio.ensure_future(leases.pay(account, "app_x", calls, priority, f"{org}:{n}", patience_s))


def day(limit: int, **more: Any) -> RateWindow:
    return RateWindow("day", limit, 86_400, APP, costs={"tweets": 1, "mentions": 1}, **more)


def paid(tasks: "list[asyncio.Task[Paid | Held]]") -> list[int]:
    return [n for n, task in enumerate(tasks) if task.done() and isinstance(task.result(), Paid)]


@pytest.fixture
async def world() -> Any:
    made = World(day(100))
    yield made
    await made.tasks.stop()


async def test_when_a_limit_is_lowered_holders_give_back_what_is_too_much(world: World) -> None:
    leases = world.process("host-0.a")
    for n in range(8):
        assert isinstance(await start(leases, n), Paid)
    before = world.pool()
    assert before["leased"] > 0
    lowered = Message("set_limit", {"pool": "day", "limit": 2})
    await world.ask(KEY, lowered)
    asked = len(world.requests)
    busy = [start(leases, 8)]  # never idle: what it has left is not given back for that
    while len(world.requests) == asked:
        await world.later(leases, 1.0)
        busy.append(start(leases, len(busy) + 8))
    await settled()

    assert leases.status()[KEY.id]["units"] == {"day": 0}
    await world.later(leases, 1.0)
    late = start(leases, 99)
    await settled()
    assert world.pool()["leased"] == 0
    held = late.result() if late.done() else None
    assert not isinstance(held, Paid)
    late.cancel()


async def test_many_calls_are_paid_from_one_chunk(world: World) -> None:
    leases = world.process("host-0.a")
    for n in range(20):
        assert isinstance(await start(leases, n), Paid)
    assert len(world.requests) <= 4
    assert world.pool()["used"] + world.pool()["leased"] >= 20


async def test_a_family_without_a_shared_window_costs_nothing(world: World) -> None:
    assert isinstance(await start(world.process("host-0.a"), 1, calls={"profile": 1}), Paid)
    assert not world.requests


async def test_an_idle_process_gives_back_what_it_has_left_and_says_what_it_spent(world: World) -> None:
    leases = world.process("host-0.a")
    await start(leases, 1)
    assert world.pool()["leased"] > 0
    await world.later(leases, IDLE_S + 0.1)
    assert (world.pool()["used"], world.pool()["leased"]) == (1, 0)


async def test_a_process_that_ends_takes_its_chunk_with_it_and_no_more(world: World) -> None:
    await start(world.process("host-0.a"), 1)
    lost = world.pool()["leased"]
    await start(world.process("host-0.b"), 1)  # the next incarnation has a name of its own
    world.clock.advance(LEASE.total_seconds() + 1)
    assert world.pool()["used"] >= lost
    assert world.pool()["used"] + world.pool()["leased"] <= 100


async def test_two_processes_never_pay_more_than_there_is(world: World) -> None:
    processes = [world.process("host-0.a"), world.process("host-1.b")]
    tasks = [start(processes[n % 2], n, Priority.PERSON) for n in range(140)]
    for _ in range(40):
        for leases in processes:
            await world.later(leases, 0.3)
    assert len(paid(tasks)) == 100
    assert world.pool()["used"] + world.pool()["leased"] == 100
    held = [task.result() for n, task in enumerate(tasks) if n not in paid(tasks)]
    assert all(isinstance(h, Held) and h.pool == "day" and h.seconds > 50 for h in held)


async def test_the_more_urgent_are_paid_first() -> None:
    world = World(day(10))
    leases = world.process("host-0.a")
    late = start(leases, 1, Priority.BACKFILL)
    await settled()
    assert isinstance(await late, Paid)
    backfill = [start(leases, n, Priority.BACKFILL) for n in range(2, 20)]
    people = [start(leases, n, Priority.PERSON, "org_p") for n in range(3)]
    await settled()
    assert len(paid(people)) == 3
    assert len(paid(backfill)) <= 6
    for task in backfill:
        task.cancel()
    await world.tasks.stop()


async def test_units_granted_to_the_urgent_do_not_hold_up_the_others(world: World) -> None:
    """What is in hand for people is no use to a backfill, so it asks for its own, once."""
    leases = world.process("host-0")
    leases._app("twitter", "app_x").hands["day"] = hand = Hand(ends=1e9, renews=1e9)
    hand.units[Priority.WEBHOOK] = 50
    paid = await leases.pay(AccountId("twitter", "1", "o"), "app_x", CALL, Priority.BACKFILL, "c1", 5.0)
    assert isinstance(paid, Paid)
    await settled()
    assert len(world.requests) == 1 and hand.units[Priority.WEBHOOK] == 50


async def test_orgs_take_turns() -> None:
    world = World(day(40))
    leases = world.process("host-0.a")
    many = [start(leases, n, org="many") for n in range(60)]
    few = [start(leases, n, org="few") for n in range(8)]
    await settled()
    assert len(paid(few)) == 8
    assert 10 <= len(paid(many)) <= 24
    for task in (*many, *few):
        task.cancel()
    await world.tasks.stop()


async def test_who_was_held_back_has_its_place_from_before() -> None:
    world = World(day(3))
    leases = world.process("host-0")
    world.away = True
    early = start(leases, 1, org="org_b", patience_s=0.01)
    assert isinstance(await early, Held)
    await world.later(leases, 1.0)
    calls = [start(leases, n, org="org_b") for n in (2, 3, 1)]
    await settled()
    world.away = False
    await world.later(leases, 2.0)
    assert paid(calls) == [2], "one unit is to be had, and the last to come is the first that came"
    await world.tasks.stop()


async def test_without_the_owner_nothing_is_sent_and_what_was_in_hand_is_not_used(world: World) -> None:
    leases = world.process("host-0.a")
    await start(leases, 1)
    world.away = True
    waiting = start(leases, 2, calls={"tweets": 90})
    await settled()
    assert not waiting.done()
    assert leases.status()[KEY.id]["units"]["day"] == 0
    world.away = False
    waiting.cancel()
    assert isinstance(await asyncio.wait_for(_retried(world, leases), 5), Paid)


async def _retried(world: World, leases: Leases) -> Paid | Held:
    task = start(leases, 3)
    while not task.done():
        await world.later(leases, 1.1)
    return task.result()


async def test_a_request_whose_answer_was_lost_leads_to_no_second_use_of_its_units(world: World) -> None:
    leases = world.process("host-0.a")
    world.lost = True
    waiting = start(leases, 1)
    await settled()
    world.lost = False
    while not waiting.done():
        await world.later(leases, 1.1)
    assert {r["holder"] for r in world.requests} == {"host-0.a.0", "host-0.a.1"}
    assert world.pool()["leased"] + world.pool()["used"] <= 2 * 6


async def test_a_request_that_comes_twice_changes_nothing(world: World) -> None:
    await start(world.process("host-0.a"), 1)
    before = world.state
    again = await world.ask(KEY, Message("lease", world.requests[0]))
    assert again == {"stale": True}
    assert world.state == before


async def test_what_counts_by_item_is_settled_when_the_answer_is_there() -> None:
    cap = RateWindow("cap", 1000, 30 * 86_400, APP, costs={"tweets": 100}, by_item=True)
    world = World(cap)
    leases = world.process("host-0.a")
    for n in range(30):
        done = await start(leases, n)
        assert isinstance(done, Paid)
        leases.settle(done, 3)
    await world.later(leases, IDLE_S + 0.1)
    assert (world.pool("cap")["used"], world.pool("cap")["leased"]) == (90, 0)


async def test_a_refusal_for_the_application_stops_everybody_until_its_end(world: World) -> None:
    leases, other = world.process("host-0.a"), world.process("host-1.b")
    await start(leases, 1)
    leases.learn("twitter", "app_x", RetryAfter(300.0, APP, "app_limit", rate_limited=True, family="day"))
    await settled()
    assert world.pool()["refused"] is True
    held = await start(other, 2, Priority.PERSON)
    assert isinstance(held, Held) and held.pool == "day" and 200 < held.seconds <= 310
    assert held.outcome().scope is APP and held.outcome().held
    world.clock.advance(301)
    assert isinstance(await start(other, 3), Paid)
    await world.tasks.stop()


async def test_headers_correct_the_shared_window(world: World) -> None:
    leases = world.process("host-0.a")
    await start(leases, 1)
    ends = world.clock.now() + timedelta(hours=5)
    leases.learn("twitter", "app_x", Ok(None, (LimitReading("day", APP, 30, 2, ends),)))
    await world.later(leases, IDLE_S + 0.1)
    assert (world.pool()["limit"], world.pool()["used"]) == (30, 28)
    assert world.pool()["resets_at"] == ends.isoformat().replace("+00:00", "Z")


async def test_a_call_that_waits_comes_back_when_it_is_recalled(world: World) -> None:
    leases = world.process("host-0.a")
    world.away = True
    waiting = start(leases, 1)
    await settled()
    leases.recall("org_a:1")
    assert await waiting == Held(0.0, None)


async def test_closing_gives_everything_back_and_holds_back_what_waits(world: World) -> None:
    leases = world.process("host-0.a")
    await start(leases, 1)
    waiting = start(leases, 2, calls={"tweets": 99})
    await leases.close()
    assert isinstance(await waiting, Held) and isinstance(await start(leases, 3), Held)
    await settled()
    assert (world.pool()["used"], world.pool()["leased"]) == (1, 0)


# -- the entity -------------------------------------------------------------------------------------
async def test_an_operator_tells_a_limit_that_no_header_tells(world: World) -> None:
    await start(world.process("host-0.a"), 1)
    view = await world.ask(KEY, Message("set_limit", {"pool": "day", "limit": 5000}))
    assert view["pools"]["day"]["limit"] == 5000
    for wrong in ({"pool": "night", "limit": 1}, {"pool": "day", "limit": 0}, {"pool": "day", "limit": True}):
        with pytest.raises(Invalid):
            await world.ask(KEY, Message("set_limit", wrong))


async def test_a_tick_saves_what_has_lapsed(world: World) -> None:
    await start(world.process("host-0.a"), 1)
    assert world.state is not None
    due = world.entity.due(world.state)
    assert due is not None
    turn = world.entity.apply(KEY, world.state, TICK, due, {})
    assert turn.changed and not turn.state.pools["day"].leases
    again = world.entity.apply(KEY, turn.state, TICK, due, {})
    assert not again.changed


# -- the account's side -----------------------------------------------------------------------------
def test_pain_07_an_account_says_whose_limit_holds_it_up_and_gives_its_own_reservation_back() -> None:
    account = Account(TWITTER)
    account.connect()
    used = account.known.budget["tweets"].used
    account.fetched(Held(120.0, "post_cap").outcome())
    view = account.view
    assert view["job"]["held_by"] == {"whose": "app", "limit": "post_cap"}
    assert view["job"]["failures"] == 0
    assert account.known.budget["tweets"].used == used - 1
    assert account.due is not None


def test_pain_06_the_accounts_own_window_and_trouble_of_the_platform_are_told_apart() -> None:
    account = Account(TWITTER)
    account.connect()
    account.fetched(RetryAfter(60.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True, family="tweets"))
    assert account.view["job"]["held_by"] == {"whose": "account", "limit": "tweets"}
    other = Account(TWITTER)
    other.connect()
    other.fetched(RetryAfter(60.0, LimitScope.ACCOUNT, "http_503"))
    assert other.view["job"]["held_by"] == {"whose": "platform", "limit": "http_503"}


def test_pain_07_a_person_who_asks_recalls_a_call_that_waits() -> None:
    account = Account(TWITTER)
    account.connect()
    call = account.known.job and account.known.job.call
    assert call is not None
    turn = account.send("sync")
    assert [e.call_id for e in turn.effects if isinstance(e, Recall)] == [call.id]
    account.fetched(Held(0.0, None).outcome())
    assert account.known.job is not None and account.known.job.mode in (Mode.BACKFILL, Mode.INCREMENTAL)
