"""The demo as a person runs it: the whole service in processes of its own, compared with the ledger.

Minutes each, so outside the usual tiers: `pytest -m e2e tests/e2e`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ops.ports import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="the embedded servers run on Linux only"),
]

ROOKERY = Path(sys.executable).parent / "rookery"
RUN_S = 480
STOP_S = 15
KEYS = [
    "accounts",
    "content",
    "webhooks_accepted",
    "duplicates_delivered",
    "reordered_delivered",
    "effects_lost",
    "effects_doubled",
    "double_refreshes",
    "refresh_in_doubt",
    "campaign_revenue_minor",
    "ledger_revenue_minor",
    "seconds",
]


def environment(folder: Path) -> dict[str, str]:
    """With stores of a stranger named, which a demo must leave alone."""
    return {
        **os.environ,
        "ROOKERY_DATA_DIR": str(folder),
        "MONGODB_URL": "mongodb://stranger.invalid/",
        "REDIS_URL": "redis://stranger.invalid/",
    }


def run(folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the last line, and all output."""
    done = subprocess.run(
        [str(ROOKERY), "demo", "--once", *options],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    lines = done.stdout.strip().splitlines()
    said = f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert lines and lines[-1].startswith("{"), said
    return done.returncode, json.loads(lines[-1]), said


def processes_of(folder: Path) -> list[str]:
    """Command lines of what still runs with this folder in its environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"ROOKERY_DATA_DIR={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        except OSError:
            continue
    return found


def test_everything_holds(tmp_path: Path) -> None:
    status, numbers, said = run(tmp_path)
    assert status == 0, said
    assert list(numbers) == KEYS
    assert numbers["accounts"] >= 5
    assert numbers["content"] >= 200
    assert numbers["duplicates_delivered"] >= 20
    assert numbers["reordered_delivered"] >= 20
    assert (numbers["effects_lost"], numbers["effects_doubled"], numbers["double_refreshes"]) == (0, 0, 0)
    assert numbers["campaign_revenue_minor"] == numbers["ledger_revenue_minor"] > 0
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("protection", "shows"),
    [("dedupe", "effects_doubled"), ("ack", "effects_lost"), ("fence", "effects_lost")],
)
def test_a_protection_switched_off_is_noticed(tmp_path: Path, protection: str, shows: str) -> None:
    status, numbers, said = run(tmp_path, "--sabotage", protection)
    assert status == 1, said
    assert numbers[shows] > 0, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_with_everything_it_started(tmp_path: Path, number: signal.Signals) -> None:
    http, dashboard = free_port(), free_port()
    own = {name: value for name, value in os.environ.items() if name not in ("MONGODB_URL", "REDIS_URL")}
    child = subprocess.Popen(
        [str(ROOKERY), "up", "--sandbox", "--http-port", str(http), "--dashboard-port", str(dashboard)],
        env={**own, "ROOKERY_DATA_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        lines = iter(child.stdout.readline, "")
        assert any(line.startswith("Ready") for line in lines)
        child.send_signal(number)
        began = time.monotonic()
        assert child.wait(60) == 0
        assert time.monotonic() - began < STOP_S
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    deadline = time.monotonic() + 5  # children that were told to end
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(tmp_path) == []
