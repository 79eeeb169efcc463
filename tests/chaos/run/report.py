"""What happened, as it happens (schedule.jsonl in the evidence) and as one line at the end."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.run.judge import Verdict
from tests.chaos.run.recovery import Endured
from tests.chaos.run.schedule import Fault

Json = dict[str, Any]


class Report:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.faults: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.unrecovered: list[str] = []
        self._recovery: dict[str, list[float]] = defaultdict(list)
        self._seed = seed

    def fault(self, fault: Fault, endured: Endured) -> None:
        self.faults[fault.kind] += 1
        if endured.recovery_s is not None:
            self._recovery[fault.kind].append(endured.recovery_s)
        if endured.recovery_s is None or endured.missing:
            what = endured.missing or "accounts were not served"
            self.unrecovered.append(f"{fault.kind} of {endured.victim}: {what}")
        self.note(fault=fault.view(), **asdict(endured))

    def note(self, **what: Any) -> None:
        with (self.folder / "schedule.jsonl").open("a") as file:
            file.write(json.dumps(what) + "\n")

    def line(self, verdict: Verdict, seconds: float, traffic: Json) -> Json:
        counts = asdict(verdict)
        del counts["details"]
        return {
            "seed": self._seed,
            "seconds": round(seconds),
            "faults": dict(sorted(self.faults.items())),
            **counts,
            "unrecovered": len(self.unrecovered),
            **traffic,
            "recovery_s": {kind: _spread(found) for kind, found in sorted(self._recovery.items())},
            "skipped": self.skipped,
            "evidence": str(self.folder),
        }


def _spread(found: Sequence[float]) -> Json:
    ranked = sorted(found)
    return {
        "n": len(ranked),
        **{f"p{p}": round(ranked[math.ceil(p / 100 * len(ranked)) - 1], 1) for p in (50, 99)},
    }
