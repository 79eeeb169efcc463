"""One seed: a world begins in order, has its troubles, is left alone, and is judged."""

import asyncio
import json
import sys
import time
import traceback
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random
from typing import Any
from unittest.mock import patch

from actors.runtime import forwarder
from tests.simulation.faults import KINDS, LOSSES, Faults
from tests.simulation.final import AtRest, bring_back, settle, unrest
from tests.simulation.traffic import CAMPAIGN, SHOWN_LATE, People, Public
from tests.simulation.world import World

TROUBLE_S = 40.0
QUIET_S = 600.0
"""After the last trouble the world must be in order within this time."""
WITHOUT_ACTOR_S = 6.0
"""An actor that was done without is asked again after this, not after half a minute: it shall happen."""
MOST_STEPS = 200_000
PROGRESS_S = 10.0


@dataclass(slots=True)
class Result:
    seed: int
    violations: list[str] = field(default_factory=list)
    steps: int = 0
    simulated_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)  # faults by kind, crashes among them
    seen: Counter[str] = field(default_factory=Counter)  # what the runtime counted
    history: int = 0  # a checksum of every request that took effect: when, whose, which
    cpu_s: float = 0.0


def run(seed: int, kinds: tuple[str, ...] | None = None, world_type: type[World] = World) -> Result:
    """Every fifth seed also loses what Redis had acknowledged: fewer things can be expected then."""
    if kinds is None:
        kinds = (*KINDS, *LOSSES) if seed % 5 == 4 else KINDS
    began, random = time.process_time(), Random(seed)
    world = world_type(random, Faults(random, kinds))
    world.loop.shuffled = random.random() < 0.8
    with logs_to(world), patch.object(forwarder, "RETRY_PLACEMENT_S", WITHOUT_ACTOR_S):
        people, public = People(world), Public(world)
        try:
            world.loop.run(_life(world, people, public), TROUBLE_S + QUIET_S, MOST_STEPS)
        except TimeoutError:
            for what in unrest(world, people, public) or ["it runs in circles"]:
                world.judge.says(f"no rest: {what}")
        AtRest(world, people, public).check()
    for process in list(world.processes):
        world.loop.end(process)
    done = world.faults.done
    for kind in ("crash", "actor", "supervisor"):
        done[kind] = 0
    done.update(world.done)
    return Result(
        seed,
        world.judge.violations,
        world.loop.steps,
        world.loop.time(),
        done,
        world.counts,
        world.network.history,
        time.process_time() - began,
    )


async def _life(world: World, people: People, public: Public) -> None:
    world.loop.coarse_s = 0.3
    world.start_supervisor()
    await people.begin()
    await asyncio.sleep(3.0)  # by wrong clocks, too, the campaign's members were there before their posts
    public.begin()
    world.faults.on = True
    world.restarts_after_s = 0.3
    world.loop.coarse_s = world.random.choice((0.05, 0.3, 0.3))
    await world.faults.befall(world)
    for process in list(world.processes):
        world.faults.of_start(process)
    await asyncio.gather(public.act(TROUBLE_S), people.act(TROUBLE_S))
    world.faults.on = False
    settle(world)
    await _rest(world, people, public)
    await asyncio.sleep(SHOWN_LATE.total_seconds())
    for key in sorted({*people.connected, CAMPAIGN}, key=str):
        await people.look(key)
    # What was told late may be newer than the last look at the platform: look once more.
    for key in sorted(people.connected, key=str):
        await people.command(key, "sync")
    await _rest(world, people, public)


async def _rest(world: World, people: People, public: Public) -> None:
    while unrest(world, people, public):
        await asyncio.sleep(5.0)
        await bring_back(world, people)


@contextmanager
def logs_to(world: World) -> Iterator[None]:
    """Errors that the runtime logs are judged; everything else is not even formatted."""
    log = Log(world)
    before = {
        name: module.log
        for name, module in list(sys.modules.items())
        if name.startswith("actors.") and hasattr(module, "log")
    }
    for name in before:
        sys.modules[name].log = log  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name, old in before.items():
            sys.modules[name].log = old  # type: ignore[attr-defined]


EXPECTED_ERRORS = frozenset({"mailbox.data_lost"})


class Log:
    def __init__(self, world: World) -> None:
        self._world = world

    def error(self, event: str, **values: Any) -> None:
        if self._world.loop.ending:
            return
        self._world.counts[f"log:{event}"] += 1
        if event not in EXPECTED_ERRORS:
            error = values.pop("exc_info", None)
            error = error if isinstance(error, BaseException) else sys.exc_info()[1]
            self._world.judge.says(f"logged {event} {values} {error!r} {_where(error)}")

    def info(self, event: str, **values: Any) -> None:
        pass

    def warning(self, event: str, **values: Any) -> None:
        self._world.counts[f"log:{event}"] += 1


def _where(error: BaseException | None) -> str:
    trace = traceback.extract_tb(error.__traceback__) if error is not None else []
    return " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(trace))


# -- many seeds -------------------------------------------------------------------------------------
def run_many(seeds: Iterable[int], processes: int = 1) -> Iterator[Result]:
    """Results as they come."""
    if processes == 1:
        yield from map(run, seeds)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=4)


@dataclass(slots=True)
class Tally:
    """What came of many seeds; `line()` is the last line of a run."""

    began: float = field(default_factory=time.monotonic)
    seeds: int = 0
    done: Counter[str] = field(default_factory=Counter)
    violated: list[int] = field(default_factory=list)
    cpu_s: float = 0.0

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.done.update(result.done)
        self.cpu_s += result.cpu_s
        if result.violations:
            self.violated.append(result.seed)

    def progress(self) -> str:
        each_s = self.seeds / max(time.monotonic() - self.began, 0.001)
        crashes, violated = self.done["crash"], len(self.violated)
        return f"{self.seeds:,} seeds, {crashes:,} crashes, {violated} violated, {each_s:.1f} seeds a second"

    def line(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds,
            "crashes": self.done["crash"],
            "faults": dict(+self.done),
            "violated": sorted(self.violated),
            "cpu_s": round(self.cpu_s, 1),
        }


def told(result: Result) -> str:
    """A violated seed, and how to see it again."""
    again = f"python -m tests.simulation.run --start {result.seed} --seeds 1"
    return "\n    ".join([f"seed {result.seed} (again: {again}):", *result.violations[:10]])


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.simulation.run", description="Simulate, seed by seed.")
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first one")
    parser.add_argument("--processes", type=int, default=1, help="how many at once")
    given = parser.parse_args()
    tally, told_at = Tally(), time.monotonic()
    for result in run_many(range(given.start, given.start + given.seeds), given.processes):
        tally.add(result)
        if result.violations:
            print(told(result), flush=True)
        if time.monotonic() - told_at > PROGRESS_S:
            told_at = time.monotonic()
            print(tally.progress(), file=sys.stderr, flush=True)
    print(json.dumps(tally.line()))
    return 1 if tally.violated else 0


if __name__ == "__main__":
    sys.exit(main())
