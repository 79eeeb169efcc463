"""Sends webhooks as the platforms do: signed, retried, and, when told to, repeated, late and out of order.

Events travel in lanes: those of one account in the order they happened, unless a knob or a retry
changes that. What is counted is decided when an answer arrives, by what had been answered before.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import httpx

from sandbox.clock import SandboxClock
from sandbox.events import Event
from sandbox.ids import seeded
from sandbox.ledger import Ledger

_log = logging.getLogger(__name__)

LANES_PER_APP = 4
ANSWER_TIMEOUT_S = 10.0
_HELD_BACK_AT_MOST_S = 3.0


@dataclass(slots=True)
class Behaviour:
    """`duplicate` and `reorder` are probabilities; `batch` is the most Meta entries in one POST;
    `retry_scale` multiplies the waits between retries; `hold` keeps everything back until released."""

    duplicate: float = 0.0
    reorder: float = 0.0
    delay_ms: tuple[int, int] = (0, 0)
    batch: int = 1
    retry_scale: float = 1.0
    hold: bool = False


@dataclass(slots=True)
class Shipment:
    events: list[Event]
    attempt: int = 0
    # A plain shipment is new and alone: it may be merged with others and repeated by the knob.
    plain: bool = True


@dataclass(slots=True)
class Lane:
    queue: deque[Shipment] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    # Shipments held back behind later ones of the same account.
    held: dict[str, list[Shipment]] = field(default_factory=dict)
    worker: asyncio.Task[None] | None = None


class Deliverer:
    def __init__(
        self,
        ledger: Ledger,
        clock: SandboxClock,
        seed: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._ledger, self._clock, self._seed = ledger, clock, seed
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._callbacks: set[asyncio.Task[None]] = set()
        self._history: dict[int, Event] = {}
        self._released = asyncio.Event()
        self._released.set()
        self.behaviour = Behaviour()
        self.pending = 0  # shipments not yet answered 200 and not given up

    @property
    def client(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=ANSWER_TIMEOUT_S,
                follow_redirects=False,
                trust_env=False,
                headers={"user-agent": "sandbox-platform/1"},
            )
        return self._client

    def set_behaviour(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        if behaviour.hold:
            self._released.clear()
        else:
            self._released.set()

    def enqueue(self, event: Event) -> None:
        self._history[event.row.seq] = event
        low, high = self.behaviour.delay_ms
        rng = seeded(self._seed, "delivery", event.row.seq)
        shipment = Shipment([event])
        self.pending += 1
        if self.behaviour.reorder and rng.random() < self.behaviour.reorder:
            self._hold_back(shipment)
        elif high:
            self._later(rng.uniform(low, high) / 1000, shipment)
        else:
            self._put(shipment)

    def redeliver(self, rows: Sequence[int], regroup: bool) -> int:
        """Send the events with these sequence numbers again; `regroup` puts Meta's into other batches.
        The number of POSTs this makes."""
        events = [self._history[seq] for seq in rows if seq in self._history]
        groups: dict[tuple[str, int], list[list[Event]]] = {}
        rng = seeded(self._seed, "redeliver", *rows)
        for event in events:
            batches = groups.setdefault(self._lane_key(event), [])
            room = regroup and event.app.emulation.batching
            full = room and batches and len(batches[-1]) >= rng.randrange(1, 6)
            if not batches or not room or full or batches[-1][0].about != event.about:
                batches.append([])
            batches[-1].append(event)
        shipments = [Shipment(batch, plain=False) for batches in groups.values() for batch in batches]
        for shipment in shipments:
            self.pending += 1
            self._put(shipment)
        return len(shipments)

    def post_form(self, url: str, form: dict[str, str]) -> None:
        """One attempt in the background: for the callbacks whose redelivery is not documented."""

        async def post() -> None:
            row: dict[str, Any] = {"url": url, "status": None, "answer": None}
            with suppress(httpx.HTTPError, ValueError):  # not reached; not JSON
                answer = await self.client.post(url, data=form)
                row["status"] = answer.status_code
                row["answer"] = answer.json()
            self._ledger.callbacks.append(row)

        task = asyncio.get_running_loop().create_task(post())
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        workers = [*self._callbacks, *(lane.worker for lane in self._lanes.values() if lane.worker)]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    def _lane_key(self, event: Event) -> tuple[str, int]:
        return event.app.id, crc32(event.row.external_id.encode()) % LANES_PER_APP

    def _lane(self, event: Event) -> Lane:
        return self._lanes.setdefault(self._lane_key(event), Lane())

    def _put(self, shipment: Shipment, first: bool = False) -> None:
        lane = self._lane(shipment.events[0])
        if first:
            lane.queue.appendleft(shipment)
        else:
            lane.queue.append(shipment)
        if lane.worker is None:
            lane.worker = asyncio.get_running_loop().create_task(self._work(lane))
        lane.wake.set()

    def _later(self, seconds: float, shipment: Shipment) -> None:
        def due() -> None:
            self._timers.discard(timer)
            self._put(shipment)

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._timers.add(timer)

    def _hold_back(self, shipment: Shipment) -> None:
        lane, account = self._lane(shipment.events[0]), shipment.events[0].row.external_id
        lane.held.setdefault(account, []).append(shipment)

        def waited_enough() -> None:
            self._timers.discard(timer)
            if shipment in lane.held.get(account, ()):
                lane.held[account].remove(shipment)
                self._put(shipment)

        timer = asyncio.get_running_loop().call_later(_HELD_BACK_AT_MOST_S, waited_enough)
        self._timers.add(timer)

    async def _work(self, lane: Lane) -> None:
        while True:
            await self._released.wait()
            if not lane.queue:
                lane.wake.clear()
                await lane.wake.wait()
                continue
            try:
                await self._ship(lane, self._merged(lane))
            except Exception:
                # One delivery that cannot be built must not silence the lane for ever.
                _log.exception("a webhook delivery failed inside the sandbox")
                self._give_up()

    def _merged(self, lane: Lane) -> Shipment:
        """The next shipment; plain ones of Meta waiting behind it travel along, up to the batch size."""
        shipment = lane.queue.popleft()
        first = shipment.events[0]
        if not first.app.emulation.batching or not shipment.plain:
            return shipment
        while len(shipment.events) < self.behaviour.batch and lane.queue and lane.queue[0].plain:
            if lane.queue[0].events[0].about != first.about:
                break
            shipment.events.extend(lane.queue.popleft().events)
            self.pending -= 1
        return shipment

    async def _ship(self, lane: Lane, shipment: Shipment) -> None:
        app = shipment.events[0].app
        rows = [event.row for event in shipment.events]
        hook = app.target(shipment.events[0].webhook_id)
        if hook is None:
            self._give_up()
            return
        compose = app.emulation.compose
        assert compose is not None  # what has no webhooks registers no address
        body, headers = compose(app, shipment.events)
        self._ledger.sent(rows)
        try:
            answer = await self.client.post(hook.url, content=body, headers=headers)
            accepted = answer.status_code == 200 or (app.emulation.any_success and answer.is_success)
        except httpx.HTTPError:
            accepted = False
        if not accepted:
            self._retry(shipment)
            return
        self._ledger.accepted(rows, self._clock.now_ms())
        self.pending -= 1
        for row in rows:
            self._release_older(lane, row.external_id, row.seq)
        if shipment.plain:
            self._repeat(shipment)

    def _release_older(self, lane: Lane, account: str, seq: int) -> None:
        """A later event has been accepted: what was held back behind it may go now."""
        held = lane.held.get(account, [])
        for shipment in [s for s in held if s.events[0].row.seq < seq]:
            held.remove(shipment)
            self._put(shipment, first=True)

    def _repeat(self, shipment: Shipment) -> None:
        rng = seeded(self._seed, "duplicate", shipment.events[0].row.seq)
        if rng.random() < self.behaviour.duplicate:
            self.pending += 1
            self._later(rng.uniform(0.0, 0.3), Shipment(list(shipment.events), plain=False))

    def _retry(self, shipment: Shipment) -> None:
        self._ledger.refused()
        delays = shipment.events[0].app.emulation.retry_delays_s
        if shipment.attempt >= len(delays):
            self._give_up()
            return
        wait = delays[shipment.attempt] * self.behaviour.retry_scale
        shipment.attempt += 1
        self._later(wait, Shipment(shipment.events, shipment.attempt, plain=False))

    def _give_up(self) -> None:
        self.pending -= 1
        self._ledger.deliveries.dropped += 1
