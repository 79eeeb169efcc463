"""One seed: a world begins in order, has its troubles, is left alone, and is judged."""

import asyncio
import json
import sys
import time
import traceback
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.faults import KINDS, Faults
from tests.simulation.final import AtRest, bring_back, settle, unrest
from tests.simulation.traffic import People, Public
from tests.simulation.world import World

TROUBLE_S = 40.0
QUIET_S = 600.0
"""After the last trouble the world must be in order within this time."""
MOST_STEPS = 200_000


@dataclass(slots=True)
class Result:
    seed: int
    violations: list[str] = field(default_factory=list)
    steps: int = 0
    simulated_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)  # faults by kind, crashes among them
    seen: Counter[str] = field(default_factory=Counter)  # what the runtime counted

    @property
    def fingerprint(self) -> tuple[Any, ...]:
        """Equal for two runs that did the same."""
        return self.steps, self.simulated_s, sorted(self.done.items()), self.violations


def run(seed: int, kinds: tuple[str, ...] = KINDS, world_type: type[World] = World) -> Result:
    random = Random(seed)
    world = world_type(random, Faults(random, kinds))
    world.loop.shuffled = random.random() < 0.8
    with logs_to(world):
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
    return Result(seed, world.judge.violations, world.loop.steps, world.loop.time(), done, world.counts)


async def _life(world: World, people: People, public: Public) -> None:
    world.loop.coarse_s = 0.3
    world.start_supervisor()
    await people.begin()
    await asyncio.sleep(3.0)  # by wrong clocks, too, the campaign's members were there before their posts
    public.begin()
    world.faults.on = True
    world.restarts_after_s = 0.3
    await world.faults.befall(world)
    for process in list(world.processes):
        world.faults.of_start(process)
    await asyncio.gather(public.act(TROUBLE_S, every_s=0.7), people.act(TROUBLE_S, every_s=1.5))
    world.faults.on = False
    settle(world)
    await _rest(world, people, public)
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


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.simulation.run", description="Simulate, seed by seed.")
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first one")
    given = parser.parse_args()
    began, violated = time.process_time(), []
    done: Counter[str] = Counter()
    for seed in range(given.start, given.start + given.seeds):
        result = run(seed)
        done.update(result.done)
        if result.violations:
            violated.append(seed)
            print(f"seed {seed}:", *result.violations[:10], sep="\n    ", flush=True)
    line = {"seeds": given.seeds, "crashes": done["crash"], "faults": dict(+done), "violated": violated}
    print(json.dumps(line | {"cpu_s": round(time.process_time() - began, 1)}))
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
