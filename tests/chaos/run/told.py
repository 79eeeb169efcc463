"""`python -m tests.chaos.run.told [EVIDENCE ...]`: keep what runs of chaos found, and write it into
docs/operations.md, beside what tests measured there. No figure in it is typed by hand."""

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.run.recovery import Endured
from tests.support import measured

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "bench/results/chaos.jsonl"
PAGE = ROOT / "docs/operations.md"
ZERO = (
    "effects_lost",
    "effects_doubled",
    "refreshes_doubled",
    "publishes_lost",
    "publishes_doubled",
    "dead_letters",
    "not_connected",
    "unrecovered",
)
SUMMED = ("events_accepted", "refreshes", "refresh_in_doubt", "publications", "publishes_in_doubt")

Json = dict[str, Any]


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        keep(folder)
    PAGE.write_text(written(PAGE.read_text()))


def written(text: str) -> str:
    """The page with what is kept."""
    runs = [json.loads(line) for line in KEPT.read_text().splitlines()]
    return replaced(replaced(text, "chaos", section(runs)), "measured", table(measured.rows()))


def replaced(text: str, name: str, lines: Iterable[str]) -> str:
    """What stands between the two marks of this name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + "\n".join(lines) + "\n" + end + after


def keep(folder: Path) -> None:
    """A run's last line, with each recovery instead of their spread."""
    result = json.loads((folder / "result.json").read_text())
    notes = [json.loads(line) for line in (folder / "schedule.jsonl").read_text().splitlines()]
    recoveries: dict[str, list[float]] = defaultdict(list)
    for note in notes:
        if note.get("victim") is not None:
            endured = Endured(*(note[name] for name in ("victim", "answered_s", "held_s", "missing")))
            if endured.recovery_s is not None:
                recoveries[note["fault"]["kind"]].append(round(endured.recovery_s, 1))
    del result["evidence"], result["recovery_s"]
    with KEPT.open("a") as file:
        file.write(json.dumps(result | {"day": folder.name[:8], "recoveries": recoveries}) + "\n")


def table(rows: Iterable[Json]) -> Iterable[str]:
    yield "| measured by | | | when |"
    yield "|---|---|---|---|"
    for row in rows:
        when = f"{row['at']}, {row['cores']} cores, load {row['load']}"
        for what, figure in row["figures"].items():
            yield f"| `{row['test']}` | {what} | {figure:,} | {when} |"


def section(runs: Sequence[Json]) -> Iterable[str]:
    faults = sum(sum(run["faults"].values()) for run in runs)
    minutes = sum(run["seconds"] for run in runs) / 60
    total = {name: sum(run[name] for run in runs) for name in (*SUMMED, *ZERO)}
    yield (
        f"Runs: {len(runs)}, {minutes:.0f} minutes in all, {faults} faults. Webhooks accepted: "
        f"{total['events_accepted']:,}. Refreshes: {total['refreshes']:,}, {total['refresh_in_doubt']} in "
        f"doubt. Publications: {total['publications']:,}, {total['publishes_in_doubt']} in doubt."
    )
    yield ""
    yield "| " + " | ".join(f"`{name}`" for name in ZERO) + " |"
    yield "|" + "---|" * len(ZERO)
    yield "| " + " | ".join(str(total[name]) for name in ZERO) + " |"
    yield ""
    yield "Seconds from the beginning of a fault, so the time that a `stop` or a `cut` lasted is in them:"
    yield ""
    yield "| fault | n | p50 | p99 |"
    yield "|---|---|---|---|"
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for kind, seconds in run["recoveries"].items():
            found[kind] += seconds
    for kind, seconds in sorted(found.items()):
        ranked = sorted(seconds)
        p50, p99 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.99))
        yield f"| `{kind}` | {len(ranked)} | {p50} | {p99} |"
    yield ""
    yield "The last line of the newest run:"
    yield ""
    yield "```json"
    yield json.dumps({name: value for name, value in runs[-1].items() if name not in ("recoveries", "day")})
    yield "```"


if __name__ == "__main__":
    main()
