"""The whole Ray head is killed under traffic, and one command brings everything back.

The stores and the platforms live on: they are other machines' in production. Minutes, so outside the usual
tiers: `pytest -m e2e tests/e2e`.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ops.embedded import DataPlane
from ops.ports import free_port
from ops.processes import ProcessId, leashed
from storage.settings import Settings
from tests.chaos.test_host_dies import assert_exactly_once, connected, quiet, traffic
from tests.chaos.test_scaling import scaled
from tests.support.client import World
from tests.support.measured import measured

Json = dict[str, Any]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="the embedded servers run on Linux only"),
]

ROOKERY = Path(sys.executable).parent / "rookery"
READY_S = 240
NOTICE_S = 60


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Stores and platforms that have nothing to do with the service's processes."""
    plane = DataPlane(tmp_path / "servers")
    urls = plane.start()
    sandbox = leashed([sys.executable, "-m", "sandbox", "--port", "0"], stdout=subprocess.PIPE)
    try:
        assert sandbox.stdout is not None
        line = sandbox.stdout.readline().decode()
        yield Settings.load(
            mongodb_url=urls.mongodb,
            redis_url=urls.redis,
            sandbox_url=line[line.index("http://") :].strip(),
            data_dir=tmp_path / "rookery",
            http_port=free_port(),
            dashboard_port=free_port(),
            hosts=1,
            dedicated=0,
        )
    finally:
        sandbox.terminate()
        sandbox.wait(10)
        plane.stop()


class Up:
    """`rookery up`, ready."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(ROOKERY), "up"], env=os.environ | settings.env(), stdout=output, stderr=output
            )
        deadline = time.monotonic() + READY_S
        while "Ready." not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)

    def descendants(self) -> dict[int, str]:
        """Number -> name of every process that it, or one of these, has started."""
        parents: dict[int, tuple[int, str]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                stat = (folder / "stat").read_text()
                name = stat[stat.index("(") + 1 : stat.rindex(")")]
                parents[int(folder.name)] = (int(stat.rpartition(")")[2].split()[1]), name)
        found: dict[int, str] = {}
        wave = {self.process.pid}
        while wave:
            wave = {pid for pid, (parent, _) in parents.items() if parent in wave}
            found |= {pid: parents[pid][1] for pid in wave}
        return found

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


async def test_after_the_loss_of_the_head_one_command_brings_everything_back(
    settings: Settings, tmp_path: Path
) -> None:
    first = await asyncio.to_thread(Up, settings, tmp_path / "first.log")
    second = None
    world = await World.open(settings, f"http://127.0.0.1:{settings.http_port}")
    try:
        await world.sandbox.put("delivery", {"duplicate": 0.2, "reorder": 0.2, "retry_scale": 0.01})
        caller = await world.org()
        account, view = await connected(world, caller, posts=5)
        await scaled(caller, 2)  # a wish that must outlive the head
        stop = asyncio.Event()
        sending = asyncio.create_task(traffic(world, account, READY_S, stop))
        await asyncio.sleep(2)

        killed = first.descendants()
        assert {"gcs_server", "raylet", "haproxy"} <= set(killed.values())
        began = time.monotonic()
        for pid, name in killed.items():
            if name != "haproxy":  # as when a machine's Ray dies: it outlives its starter, and keeps its port
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        status = await asyncio.to_thread(first.process.wait, NOTICE_S)
        noticed = time.monotonic() - began
        said = first.log.read_text()
        assert status == 1 and "start again. What was accepted is not lost." in said, said[-3000:]

        second = await asyncio.to_thread(Up, settings, tmp_path / "second.log")
        recovered = time.monotonic() - began
        await asyncio.sleep(1)
        stop.set()
        await sending
        await quiet(world, caller)
        await assert_exactly_once(world, caller, account, view)
        found = await caller.get("/v1/ops/scale")
        assert found == {"hosts": 2, "owning": 2, "partitions_to_move": 0}
        measured(
            "tests/e2e/test_head_dies.py",
            {
                "from the kill to the end of `rookery up`, s": round(noticed, 1),
                "to the next one being ready, s": round(recovered, 1),
            },
        )
    finally:
        await world.close()
        for up in (first, second):
            if up is not None:
                await asyncio.to_thread(up.end)
    assert not [name for pid, name in killed.items() if ProcessId.of(pid)]
