"""`python -m tests.chaos.run`: prints one JSON line at the end, and exits with 1 if anything was lost,
doubled or not served again."""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx

from ops.embedded import DataPlane
from tests.chaos.run.deployment import NODES, Deployment
from tests.chaos.run.faults import NoVictim
from tests.chaos.run.judge import Verdict, judge, quiet
from tests.chaos.run.recovery import endure, whole
from tests.chaos.run.report import Report
from tests.chaos.run.schedule import KINDS, ON_NODES, Fault, schedule
from tests.chaos.run.traffic import Connected, Traffic
from tests.support.client import Caller, World, eventually

READY_S = 300.0
PATIENCE_S = 240.0
"""Until everybody is served, and until everything is whole, again. The loss of the head takes the longest."""
QUIET_S = 180.0
ACCOUNTS = 8


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description="Chaos on the real thing.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults are made (default: 5)")
    parser.add_argument("--seed", type=int, help="of the schedule (default: a new one)")
    parser.add_argument("--nodes", type=int, choices=range(len(NODES) + 1), default=len(NODES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help="only these")
    parser.add_argument(
        "--evidence", type=Path, default=Path(".rookery/chaos"), help="where to keep what was seen"
    )
    given = parser.parse_args()
    seed = int(time.time()) if given.seed is None else given.seed
    folder = (given.evidence / f"{time.strftime('%Y%m%d-%H%M%S')}-seed-{seed}").absolute()
    folder.mkdir(parents=True)
    run = Run(Deployment(folder, NODES[: given.nodes]), Report(folder, seed), seed, tuple(given.kinds))
    return asyncio.run(_ended_by_signals(run.all(given.minutes * 60)))


async def _ended_by_signals(work: Coroutine[Any, Any, int]) -> int:
    """The first SIGINT or SIGTERM ends it in good order, with all that it started; more change nothing."""
    task = asyncio.ensure_future(work)

    def end() -> None:
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


class Run:
    def __init__(self, deployment: Deployment, report: Report, seed: int, kinds: tuple[str, ...]) -> None:
        self._deployment = deployment
        self._report = report
        self._seed = seed
        self._kinds = kinds

    async def all(self, seconds: float) -> int:
        """The exit status."""
        holds = False
        try:
            _say("starting")
            await self._deployment.start()
            kinds = self._possible()
            await self._answers("/readyz")
            await self._deployment.join()
            world = await World.open(self._settings(), self._deployment.api_url)
            try:
                holds = await self._under_traffic(world, schedule(self._seed, kinds), seconds)
            finally:
                await world.close()
        finally:
            _say("ending everything")
            await asyncio.shield(self._deployment.stop())
            if holds:
                shutil.rmtree(self._deployment.data_dir, ignore_errors=True)
        return 0 if holds else 1

    def _possible(self) -> tuple[str, ...]:
        if self._deployment.nodes:
            return self._kinds
        why = str(self._deployment.without)
        self._report.skipped |= {kind: why for kind in self._kinds if kind in ON_NODES}
        _say(f"without nodes ({why}), so without {', '.join(self._report.skipped) or 'what needs them'}")
        return tuple(kind for kind in self._kinds if kind not in ON_NODES)

    def _settings(self) -> Any:
        urls = {server.name: server.url for server in DataPlane(self._deployment.data_dir).status()}
        return self._deployment.settings.model_copy(
            update={"mongodb_url": urls["mongo"], "redis_url": urls["redis"]}
        )

    async def _answers(self, path: str) -> None:
        async with httpx.AsyncClient(base_url=self._deployment.api_url) as http:

            async def ready() -> bool:
                return (await http.get(path, timeout=5)).status_code == 200

            await eventually(ready, READY_S, 0.5)

    async def _under_traffic(self, world: World, faults: Any, seconds: float) -> bool:
        # Of a retry schedule of hours: what met the loss of the head is repeated a minute later.
        await world.sandbox.put("delivery", {"duplicate": 0.2, "reorder": 0.2, "retry_scale": 0.02})
        caller = await world.org()
        connected = [await Connected.make(world, caller) for _ in range(ACCOUNTS)]
        if missing := await whole(caller, self._deployment.node_ids, PATIENCE_S):
            raise AssertionError(f"the deployment did not come up: {missing}")
        began = time.monotonic()
        traffic = Traffic(world, caller, connected, self._seed)
        traffic.start()
        try:
            await asyncio.sleep(2)
            for fault in takewhile(lambda _: time.monotonic() - began < seconds, faults):
                await self._one(fault, caller, traffic)
            _say("waiting until it is quiet")
            await traffic.quieten()
            if not await quiet(world, caller, QUIET_S):
                self._report.unrecovered.append("it did not become quiet: mail or deliveries are left")
            verdict, ledger = await judge(world, caller, traffic)
        finally:
            await traffic.stop()
        return self._told(verdict, ledger, traffic, time.monotonic() - began)

    async def _one(self, fault: Fault, caller: Caller, traffic: Traffic) -> None:
        _say(f"{fault.kind}{f' for {fault.seconds:.1f} s' if fault.seconds else ''}")
        try:
            endured = await endure(self._deployment, fault, caller, traffic, PATIENCE_S)
        except NoVictim:
            _say("  nothing of the kind is there")
            self._report.skipped[fault.kind] = "at times there was nothing of the kind"
            self._report.note(fault=fault.view(), victim=None)
            return
        after = "never" if endured.recovery_s is None else f"after {endured.recovery_s:.1f} s"
        _say(f"  {endured.victim}: served again {after}; {endured.missing or 'whole'}")
        self._report.fault(fault, endured)

    def _told(self, verdict: Verdict, ledger: Any, traffic: Traffic, seconds: float) -> bool:
        report = self._report
        (report.folder / "ledger.json").write_text(json.dumps(ledger))
        report.note(answers=traffic.answers, unrecovered=report.unrecovered, details=verdict.details)
        holds = verdict.holds and not report.unrecovered
        for line in (*verdict.details, *report.unrecovered):
            _say(line)
        extra = {
            "deliveries_dropped": ledger["deliveries"]["dropped"],
            "reconnected": traffic.reconnected,
            "rebuilt": self._deployment.head_starts - 1,
        }
        line = json.dumps(report.line(verdict, seconds, extra))
        (report.folder / "result.json").write_text(line)
        print(line, flush=True)
        return holds


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
