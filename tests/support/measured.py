"""What tests of the running service measured, kept for docs/operations.md when they are asked to."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.results import machine

KEPT = Path(__file__).resolve().parents[2] / "bench/results/operations.jsonl"
SWITCH = "ROOKERY_KEEP_MEASURED"


def measured(test: str, figures: dict[str, float]) -> None:
    """Print it: what was measured -> seconds, milliseconds or a count, named with its unit. With the variable
    `ROOKERY_KEEP_MEASURED` set it is kept as well, in place of what the test measured before."""
    print(f"{test}: {figures}")
    if not os.environ.get(SWITCH):
        return
    kept = {row["test"]: row for row in rows()}
    kept[test] = {
        "test": test,
        "at": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": machine()["cores"],
        "load": machine()["load"],
        "figures": figures,
    }
    KEPT.write_text("".join(json.dumps(row) + "\n" for _, row in sorted(kept.items())))


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
