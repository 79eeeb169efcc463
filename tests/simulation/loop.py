"""An event loop in which time jumps and one random generator decides what runs next.

Each callback belongs to the simulated process in whose context it was made. A process that ended never runs
again; one that stands still has its callbacks kept back until it goes on. So a process can end, or stop, at
every await, and nothing but the seed decides where.
"""

import asyncio
import heapq
import itertools
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

STEP_S = 0.0001
"""Time that a callback takes."""


class Process:
    """What ends or stands still as one: a host, an entity's own actor, the supervisor, a webhook replica."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.went_on_at = 0.0  # after it had stood still
        self.cut = False  # from the stores: calls fail, answers do not arrive
        self.skew_s = 0.0  # how far its wall clock is ahead
        self.fuse = 0  # it ends before its n-th callback from now; 0: not by itself
        self.epoch_of: Callable[[Any], int | None] = lambda key: None  # by its own belief, of an entity
        self.host: Any = None  # the object that runs in it
        self.context = copy_context()
        self.callers: list[asyncio.Future[Any]] = []  # who waits for an answer from here
        self.kept_back: list[_Callback] = []
        self.tasks: list[asyncio.Task[Any]] = []

    def __repr__(self) -> str:
        return self.name


CURRENT: ContextVar[Process | None] = ContextVar("CURRENT", default=None)
"""The process that runs; None: the world around them."""


class _Callback:
    """Also a timer; what asyncio needs of a handle is that it can be cancelled."""

    __slots__ = ("args", "callback", "context", "dropped", "process", "when")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, when: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = context.get(CURRENT)
        self.when = when
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped


class SimLoop(asyncio.AbstractEventLoop):
    """`on_fuse(process)` is called when a process's fuse has burnt down."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self._ready: list[_Callback] = []
        self._timers: list[tuple[float, int, _Callback]] = []
        self._order = itertools.count()
        self._outside = copy_context()
        self._outside.run(CURRENT.set, None)
        self.coarse_s = 0.0
        """Timers of processes are at least this long: a busy machine's, and cheaper."""
        self.shuffled = True  # else callbacks run in the order in which they were made
        self.steps = 0
        self.ending = False  # clean-up runs that no killed process would have done
        self.on_fuse: Callable[[Process], None] = lambda process: None

    # -- what asyncio asks --------------------------------------------------------------------------
    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        made = _Callback(callback, args, copy_context() if context is None else context, 0.0)
        self._ready.append(made)
        return made

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        made = _Callback(callback, args, copy_context() if context is None else context, when)
        if made.process is not None and when < self._now + self.coarse_s:
            when = made.when = self._now + self.coarse_s * (1.0 + self._random.random())
        heapq.heappush(self._timers, (when, next(self._order), made))
        return made

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=name, context=context)
        process = (context.get(CURRENT) if context is not None else CURRENT.get()) or None
        if process is not None:
            if len(process.tasks) > 200:
                process.tasks = [t for t in process.tasks if not t.done()]
            process.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Only ever an answer that nobody waits for any more: failing tasks of the runtime log themselves."""

    # -- the world's side ---------------------------------------------------------------------------
    def outside(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Have the world do something after `delay` seconds, whatever becomes of the process that asks."""
        if delay <= 0.0:
            self.call_soon(callback, *args, context=self._outside)
        else:
            self.call_later(delay, callback, *args, context=self._outside)

    def outside_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.create_task(work, context=self._outside)

    def end(self, process: Process) -> None:
        """As SIGKILL does: none of its callbacks runs again. Its coroutines are closed here and now, so that
        their clean-up cannot run later, when it would be by the garbage collector's leave."""
        process.alive, self.ending = False, True
        process.kept_back.clear()
        for task in process.tasks:
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            with suppress(RuntimeError):  # it wanted to await something: there is nothing to wait for
                coroutine.close()
        process.tasks.clear()
        self.ending = False

    def go_on(self, process: Process) -> None:
        process.frozen, process.went_on_at = False, self._now
        self._ready += process.kept_back
        process.kept_back.clear()

    def run(self, main: Coroutine[Any, Any, T], limit_s: float, limit_steps: int) -> T:
        """Run the world until `main` has ended; TimeoutError when that takes too long."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            task = self.outside_task(main)
            while not task.done():
                self._step()
                if self._now > limit_s or self.steps > limit_steps:
                    raise TimeoutError
            ended: T = task.result()
            return ended
        finally:
            events._set_running_loop(before)

    def _step(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready:
            if not timers:
                raise RuntimeError("the simulated world stands still: nothing is ready and no timer is set")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        index = int(self._random.random() * len(ready)) if self.shuffled else 0
        if self.shuffled:
            chosen = ready[index]
            last = ready.pop()
            if index < len(ready):
                ready[index] = last
        else:
            chosen = ready.pop(0)
        if chosen.dropped:
            return
        process = chosen.process
        if process is not None:
            if not process.alive:
                return
            if process.frozen:
                process.kept_back.append(chosen)
                return
            if process.fuse:
                process.fuse -= 1
                if not process.fuse:
                    self.on_fuse(process)
                    return
        self.steps += 1
        self._now += STEP_S
        chosen.context.run(chosen.callback, *chosen.args)
