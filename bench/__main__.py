"""`python -m bench NAME`: run one benchmark; the last line of its output is one JSON object, which is kept.

`--small` runs its smallest form, which proves that it works and says little about speed: it is not kept.
`python -m bench report` writes docs/benchmarks.md from what was kept; `python -m bench all` runs each first.
"""

import argparse
import importlib
import subprocess
import sys
from dataclasses import fields
from typing import Any

from bench.peers import PeersMissing
from bench.processes import NotStarted
from bench.report import write_report
from bench.results import Result, Spoiled
from ops.demo.wire import Refused
from ops.embedded import DataPlaneFailed
from ops.service import ServiceFailed

BENCHMARKS = {
    "ingest": "bench.ingest:ingest",
    "ingest_proxy": "bench.ingest:ingest_proxy",
    "ingest_bare": "bench.ingest:ingest_bare",
    "sync": "bench.sync.compare:compare",
    "workers": "bench.workers.compare:compare",
    "durable": "bench.durable:durable",
    "freshness": "bench.freshness:freshness",
    "takeover": "bench.takeover:takeover",
    "overload": "bench.overload:overload",
    "budgets": "bench.budgets:budgets",
    "density": "bench.density:density",
    "activation": "bench.activation:activation",
    "events": "bench.events:events",
    "coldstart": "bench.coldstart:coldstart",
}
"""Name -> module and function. The module has `Options`, whose fields are the command line's options, and
`SMALL`, the options of the smallest form."""


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "report":
        write_report()
        return 0
    if name == "all":
        return _all(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description="Repeatable measurements.")
    parser.add_argument("name", choices=[*BENCHMARKS, "all", "report"])
    parser.add_argument("--small", action="store_true", help="the smallest form; not kept")
    if name not in BENCHMARKS:
        parser.parse_args()
    module, _, function = BENCHMARKS[name].partition(":")
    found = importlib.import_module(module)
    for option in fields(found.Options):
        parser.add_argument(f"--{option.name}", type=type(option.default), default=None)
    arguments = vars(parser.parse_args())
    small = arguments.pop("small")
    del arguments["name"]
    given = {k: v for k, v in arguments.items() if v is not None}
    options: Any = found.Options(**_values(found.SMALL) | given) if small else found.Options(**given)
    try:
        result: Result = getattr(found, function)(options)
    except (NotStarted, Spoiled, PeersMissing, DataPlaneFailed, ServiceFailed, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    if not small:
        result.save()
    print(result.line())
    return 0


def _values(options: Any) -> dict[str, Any]:
    return {option.name: getattr(options, option.name) for option in fields(options)}


def _all(arguments: list[str]) -> int:
    """Each in a process of its own, one after the other, whether or not the one before succeeded."""
    failed = []
    for name in BENCHMARKS:
        print(f"-- {name}", flush=True)
        if subprocess.run([sys.executable, "-m", "bench", name, *arguments], check=False).returncode != 0:
            failed.append(name)
    write_report()
    if failed:
        print(f"Not measured: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
