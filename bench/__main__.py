"""`python -m bench NAME`: run one benchmark; the last line of its output is one JSON object.

`python -m bench report` writes docs/benchmarks.md from the results saved so far.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields

from bench.ingest import Options, Spoiled, ingest, ingest_bare
from bench.processes import NotStarted
from bench.report import write_report
from bench.results import Result

BENCHMARKS: dict[str, Callable[[Options], Result]] = {"ingest": ingest, "ingest_bare": ingest_bare}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Repeatable measurements.")
    parser.add_argument("name", choices=[*BENCHMARKS, "report"])
    for option in fields(Options):
        parser.add_argument(f"--{option.name}", type=type(option.default), default=option.default)
    arguments = vars(parser.parse_args())
    name = arguments.pop("name")
    if name == "report":
        write_report()
        return 0
    try:
        result = BENCHMARKS[name](Options(**arguments))
    except (NotStarted, Spoiled) as error:
        print(error, file=sys.stderr)
        return 1
    result.save()
    print(result.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
