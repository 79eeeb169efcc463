"""The sandbox as a process of its own: start, faults that cut connections, a clean end."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.registry import EMULATIONS

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def served() -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        "--port",
        "0",
        "--accounts",
        "1",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    found = re.fullmatch(r"sandbox listening on (http://127\.0\.0\.1:\d+)\n", line)
    assert found, line
    async with httpx.AsyncClient(base_url=found.group(1), timeout=5) as http:
        yield process, http
    if process.returncode is None:
        process.kill()
    await process.wait()


async def twitter(http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.post("/_sandbox/accounts", json={"platform": "twitter", "seed": 1})
    account: dict[str, Any] = answer.json()
    return account


async def refresh(http: httpx.AsyncClient, account: dict[str, Any], timeout_s: float = 5) -> httpx.Response:
    return await http.post(
        "/api.x.com/2/oauth2/token",
        data={"grant_type": "refresh_token", "refresh_token": account["refresh_token"]},
        auth=(account["app"]["client_id"], account["app"]["client_secret"]),
        timeout=timeout_s,
    )


async def test_an_answer_that_never_came_makes_the_retry_in_doubt(
    served: tuple[asyncio.subprocess.Process, httpx.AsyncClient],
) -> None:
    _, http = served
    account = await twitter(http)
    await http.post("/_sandbox/faults", json={"kind": "accepted_timeout", "path": "oauth2/token", "count": 1})
    with pytest.raises(httpx.ReadTimeout):
        await refresh(http, account, 0.3)
    assert (await refresh(http, account)).status_code == 400
    ledger = (await http.get("/_sandbox/ledger")).json()
    rows = [(row["outcome"], row["answered"]) for row in ledger["refreshes"]]
    assert rows == [("rotated", False), ("reuse_killed_family", True)]
    assert (ledger["double_refreshes"], ledger["in_doubt_retries"]) == (0, 1)


async def test_half_bodies_hang_ups_and_silence(
    served: tuple[asyncio.subprocess.Process, httpx.AsyncClient],
) -> None:
    process, http = served
    account = await twitter(http)
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    for kind in ("half_body", "disconnect"):
        await http.post("/_sandbox/faults", json={"kind": kind, "count": 1, "host": "api.x.com"})
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/api.x.com/2/users/me", headers=headers)
    await http.post("/_sandbox/faults", json={"kind": "timeout", "count": 1})
    with pytest.raises(httpx.ReadTimeout):
        await http.get("/api.x.com/2/users/me", headers=headers, timeout=0.2)
    await http.post("/_sandbox/faults", json={"kind": "latency", "latency_ms": 150, "count": 1})
    started = asyncio.get_running_loop().time()
    assert (await http.get("/api.x.com/2/users/me", headers=headers)).status_code == 200
    assert asyncio.get_running_loop().time() - started >= 0.15
    calls = (await http.get("/_sandbox/ledger")).json()["calls"]["GET /2/users/me"]
    assert calls == {"half_body": 1, "disconnect": 1, "timeout": 1, "200": 1}
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert errors == b""


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly(
    served: tuple[asyncio.subprocess.Process, httpx.AsyncClient], name: signal.Signals
) -> None:
    process, http = served
    assert (await http.get("/_sandbox/healthz")).json()["accounts"] == len(EMULATIONS)
    process.send_signal(name)
    output, errors = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, output, errors) == (0, b"", b"")


async def test_a_port_in_use_is_said_in_one_sentence(
    served: tuple[asyncio.subprocess.Process, httpx.AsyncClient],
) -> None:
    _, http = served
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        "--port",
        str(http.base_url.port),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert errors.decode().count("\n") == 1 and "--port" in errors.decode()
