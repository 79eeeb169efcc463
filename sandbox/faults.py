"""Knobs that make the platforms misbehave, matched per call and counted."""

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import seeded
from sandbox.web import BadInput

KINDS = (
    "status",
    "latency",
    "timeout",
    "accepted_timeout",
    "html",
    "half_body",
    "disconnect",
    "dead_token",
    "402",
)


@dataclass(slots=True)
class Fault:
    """`accepted_timeout` and `half_body` do the work first; the other failing kinds do nothing."""

    id: str
    kind: str
    platform: str | None
    host: str | None
    path: str | None
    external_id: str | None
    status: int
    count: int | None
    until_ms: int | None
    latency_ms: int
    probability: float
    hits: int = 0
    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    def concerns(self, platform: str, host: str, path: str, external_id: str | None, now_ms: int) -> bool:
        return (
            (self.platform is None or self.platform == platform)
            and (self.host is None or self.host == host)
            and (self._pattern is None or self._pattern.search(path) is not None)
            and (self.external_id is None or self.external_id == external_id)
            and (self.count is None or self.hits < self.count)
            and (self.until_ms is None or now_ms < self.until_ms)
        )

    def view(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}


class Faults:
    def __init__(self, seed: str) -> None:
        self._faults: list[Fault] = []
        self._made = 0
        self._rng = seeded(seed, "faults")

    def add(self, wish: dict[str, Any], now_ms: int) -> Fault:
        kind = wish.get("kind")
        if kind not in KINDS:
            raise BadInput(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
        pattern = None
        if wish.get("path") is not None:
            try:
                pattern = re.compile(str(wish["path"]))
            except re.error as error:
                raise BadInput(f"path is not a valid regular expression: {error}") from None
        try:
            seconds = wish.get("seconds")
            count = wish.get("count")
            fault = Fault(
                id=f"fault-{self._made + 1}",
                kind=kind,
                platform=wish.get("platform"),
                host=wish.get("host"),
                path=wish.get("path"),
                external_id=None if wish.get("external_id") is None else str(wish["external_id"]),
                status=int(wish.get("status", 503)),
                count=None if count is None else int(count),
                until_ms=None if seconds is None else now_ms + int(float(seconds) * 1000),
                latency_ms=int(wish.get("latency_ms", 1000)),
                probability=float(wish.get("probability", 1.0)),
                _pattern=pattern,
            )
        except (TypeError, ValueError):
            raise BadInput("status, count, seconds, latency_ms and probability must be numbers") from None
        if not 400 <= fault.status <= 599:
            raise BadInput(f"status must be between 400 and 599; got {fault.status}")
        self._made += 1
        self._faults.append(fault)
        return fault

    def match(self, platform: str, host: str, path: str, external_id: str | None, now_ms: int) -> list[Fault]:
        """The faults this call meets: any latency, and at most one other. Each is counted as hit."""
        met: list[Fault] = []
        for fault in self._faults:
            if fault.kind != "latency" and any(other.kind != "latency" for other in met):
                continue
            if not fault.concerns(platform, host, path, external_id, now_ms):
                continue
            if fault.probability < 1 and self._rng.random() >= fault.probability:
                continue
            fault.hits += 1
            met.append(fault)
        return met

    def all(self) -> list[dict[str, Any]]:
        return [fault.view() for fault in self._faults]

    def clear(self) -> int:
        cleared = len(self._faults)
        self._faults.clear()
        return cleared
