"""The embedded data plane with its real servers: nothing lost, nothing doubled, nothing left behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
import redis

from domain.clock import SystemClock
from ops.embedded import DataPlane, DataPlaneFailed, Urls
from ops.facts import gather
from ops.processes import ProcessId
from storage.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the embedded servers run on Linux only")

ROOT = Path(__file__).parents[2]
ELSEWHERE = "mongodb://db.example/rookery"  # given, so not started: most tests need only the quicker server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder; servers that outlive a test's own objects end with it."""
    yield tmp_path
    with contextlib.suppress(DataPlaneFailed):
        for server in DataPlane(tmp_path).status():
            if server.pid and (process := ProcessId.of(server.pid)):
                process.end(10)


def documents(urls: Urls) -> "pymongo.MongoClient[dict[str, Any]]":
    return pymongo.MongoClient(urls.mongodb)


def write(urls: Urls, value: int) -> None:
    with documents(urls) as mongo:
        mongo.get_default_database()["things"].insert_one({"_id": value})
    with redis.Redis.from_url(urls.redis) as client:
        client.xadd("things", {"value": value})


def read(urls: Urls) -> tuple[list[int], list[int]]:
    with documents(urls) as mongo:
        written = sorted(int(d["_id"]) for d in mongo.get_default_database()["things"].find())
    with redis.Redis.from_url(urls.redis) as client:
        return written, [int(fields[b"value"]) for _, fields in client.xrange("things")]


def pids(plane: DataPlane) -> dict[str, int]:
    return {server.name: server.pid for server in plane.status() if server.pid is not None}


def in_another_process(folder: Path, then: str, outlive: bool = False) -> subprocess.Popen[str]:
    """Starts the servers from a process of its own, prints their pids as JSON, and goes on with `then`."""
    program = f"""
import json, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from ops.embedded import DataPlane
plane = DataPlane(Path({str(folder)!r}), outlive={outlive})
plane.start()
print(json.dumps({{s.name: s.pid for s in plane.status()}}), flush=True)
{then}
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def printed(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdout is not None
    found: dict[str, int] = json.loads(process.stdout.readline())
    return found


def wait_gone(pids: dict[str, int]) -> None:
    for pid in pids.values():
        process = ProcessId.of(pid)
        assert process is None or process.wait(15), f"process {pid} was left behind"


def listening(port: int) -> socket.socket:
    """A server on a port that another has just left: the last of its threads may take a moment to end."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_acknowledged_writes_survive_kill_and_restart_on_the_same_addresses(folder: Path) -> None:
    plane = DataPlane(folder)
    try:
        urls = plane.start()
        for value in range(20):
            write(urls, value)
        before = pids(plane)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_gone(before)
        assert pids(plane) == {}

        assert plane.start() == urls
        after = pids(plane)
        assert set(after) == {"mongo", "redis"}
        assert not set(after.values()) & set(before.values())
        assert read(urls) == (list(range(20)), list(range(20)))

        plane.stop()
        wait_gone(after)
        plane = DataPlane(folder)
        assert plane.start() == urls
        assert read(urls) == (list(range(20)), list(range(20)))
    finally:
        plane.stop()


def test_one_crashed_server_is_started_again_and_the_other_is_left_alone(folder: Path) -> None:
    plane = DataPlane(folder)
    try:
        urls = plane.start()
        write(urls, 1)
        before = pids(plane)
        os.kill(before["redis"], signal.SIGKILL)
        wait_gone({"redis": before["redis"]})
        assert [s.answers for s in plane.status()] == [True, False]

        assert plane.start() == urls
        after = pids(plane)
        assert after["mongo"] == before["mongo"]
        assert after["redis"] != before["redis"]
        assert read(urls) == ([1], [1])
    finally:
        plane.stop()


def test_a_server_that_ended_is_mended_where_it_was_or_not_at_all(folder: Path) -> None:
    plane = DataPlane(folder)
    try:
        urls = plane.start(mongodb=ELSEWHERE)
        assert plane.mend() == []
        with redis.Redis.from_url(urls.redis) as client:
            client.xadd("things", {"value": 1})
        before = pids(plane)
        os.kill(before["redis"], signal.SIGKILL)
        wait_gone(before)
        port = urlsplit(urls.redis).port or 0
        with listening(port), pytest.raises(DataPlaneFailed, match="its port was taken by another program"):
            plane.mend()
        assert plane.mend() == ["redis"]
        assert plane.start(mongodb=ELSEWHERE) == urls  # waits until it answers
        assert pids(plane)["redis"] != before["redis"]
        with redis.Redis.from_url(urls.redis) as client:
            assert client.xlen("things") == 1
    finally:
        plane.stop()


def test_redis_refuses_to_evict_and_syncs_every_write_on_loopback_only(folder: Path) -> None:
    plane = DataPlane(folder)
    try:
        with redis.Redis.from_url(plane.start(mongodb=ELSEWHERE).redis) as client:
            config = client.config_get()
    finally:
        plane.stop()
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "save": "",
    }
    assert {name: config[name] for name in wanted} == wanted
    assert Path(config["dir"]) == folder / "redis"


@pytest.mark.heavy
def test_the_servers_do_not_outlive_a_killed_owner_and_the_next_start_has_everything(folder: Path) -> None:
    owner = in_another_process(folder, "time.sleep(60)")
    servers = printed(owner)
    plane = DataPlane(folder)
    urls = plane.start()  # found, not started
    assert pids(plane) == servers
    write(urls, 7)
    owner.kill()
    owner.wait()

    try:  # at once, while the old servers may still be ending
        assert plane.start() == urls
        wait_gone(servers)
        assert not set(pids(plane).values()) & set(servers.values())
        assert read(urls) == ([7], [7])
    finally:
        plane.stop()


def test_stop_ends_nothing_that_another_process_owns(folder: Path) -> None:
    owner = in_another_process(folder, "time.sleep(60)")
    try:
        servers = printed(owner)
        plane = DataPlane(folder)
        plane.start()
        plane.stop()
        assert pids(plane) == servers
    finally:
        owner.kill()
        owner.wait()
    wait_gone(servers)


def test_servers_that_may_outlive_their_starter_do_and_are_stopped_by_a_later_process(folder: Path) -> None:
    starter = in_another_process(folder, "", outlive=True)
    servers = printed(starter)
    assert starter.wait(10) == 0
    plane = DataPlane(folder)
    assert pids(plane) == servers
    plane.stop()
    wait_gone(servers)


def test_processes_that_start_at_once_share_one_pair_of_servers(folder: Path) -> None:
    starters = [in_another_process(folder, "time.sleep(60)") for _ in range(3)]
    try:
        found = [printed(starter) for starter in starters]
        assert found[0] == found[1] == found[2]
    finally:
        for starter in starters:
            starter.kill()
            starter.wait()


def test_the_servers_stay_when_the_thread_that_started_them_ends(folder: Path) -> None:
    plane = DataPlane(folder)
    thread = threading.Thread(target=plane.start, args=(ELSEWHERE,))
    thread.start()
    thread.join()
    try:
        before = pids(plane)
        assert set(before) == {"redis"}
        time.sleep(0.3)  # the parent-death signal would have come by now
        assert plane.status()[1].answers
        assert pids(plane) == before
    finally:
        plane.stop()


def test_a_recorded_process_number_that_now_belongs_to_somebody_else_is_left_alone(folder: Path) -> None:
    plane = DataPlane(folder)
    plane.start(mongodb=ELSEWHERE)
    plane.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            process = ProcessId.of(stranger.pid)
            assert process is not None
            state = folder / "data-plane.json"
            records = json.loads(state.read_text())
            records["redis"] |= {"process": {"pid": process.pid, "started": process.started}, "owner": None}
            state.write_text(json.dumps(records))

            plane.start(mongodb=ELSEWHERE)
            assert pids(plane)["redis"] != stranger.pid
            plane.stop()
            assert process.runs()
        finally:
            stranger.kill()


def test_a_lost_state_file_never_leads_to_a_second_server_on_the_same_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.embedded._RELEASE_S", 0.2)
    plane = DataPlane(folder)
    plane.start(mongodb=ELSEWHERE)
    servers = pids(plane)
    try:
        (folder / "data-plane.json").unlink()
        with pytest.raises(DataPlaneFailed, match="end it, then start again"):
            DataPlane(folder).start(mongodb=ELSEWHERE)
    finally:
        plane.stop()  # its own children, recorded or not
    wait_gone(servers)


def test_a_taken_port_is_given_up_for_a_free_one(folder: Path) -> None:
    plane = DataPlane(folder)
    before = plane.start(mongodb=ELSEWHERE)
    plane.stop()

    with socket.create_server(("127.0.0.1", urlsplit(before.redis).port or 0)):
        try:
            after = plane.start(mongodb=ELSEWHERE)
            assert after.redis != before.redis
            assert plane.status()[1].answers
        finally:
            plane.stop()


def test_a_kind_whose_address_is_given_is_not_started(folder: Path) -> None:
    plane = DataPlane(folder)
    try:
        urls = plane.start(mongodb=ELSEWHERE)
        assert urls.mongodb == ELSEWHERE
        assert set(pids(plane)) == {"redis"}
    finally:
        plane.stop()


def test_the_doctor_finds_the_running_servers_well_set_and_their_clocks_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONGODB_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    plane = DataPlane(folder)
    try:
        plane.start()
        facts = gather(Settings.load(data_dir=folder), SystemClock())
    finally:
        plane.stop()
    assert [(s.name, s.embedded, s.running, s.fault) for s in facts.stores] == [
        ("MongoDB", True, True, None),
        ("Redis", True, True, None),
    ]
    assert all(s.ahead_s is not None and abs(s.ahead_s) < 2 for s in facts.stores)


def test_a_damaged_state_file_is_one_clear_sentence(folder: Path) -> None:
    (folder / "data-plane.json").write_text("{")
    with pytest.raises(DataPlaneFailed, match="is damaged: delete it and start again"):
        DataPlane(folder).start()
