"""`rookery doctor`: is this machine fit to run Rookery, and what to do if not."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.clock import SystemClock
from ops.doctor import Row, Verdict, examine
from ops.facts import gather
from storage.settings import Settings

_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as one JSON array.")] = False,
) -> None:
    """Look at this machine and say what stands in the way of running Rookery. Exit 1 if anything does."""
    rows = examine(gather(Settings.load(), SystemClock()))
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        Console().print(_table(rows))
    if any(row.verdict is Verdict.FAIL for row in rows):
        raise typer.Exit(1)


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        colour = _COLOURS[row.verdict]
        table.add_row(f"[{colour}]{row.verdict}[/]", row.name, _plain(row.says))
    return table


def _plain(text: str) -> str:
    return text.replace("[", r"\[")  # rich's markup begins with it
