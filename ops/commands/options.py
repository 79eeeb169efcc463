"""What the commands that talk to a running service have in common: their options, and how they print."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.commands import CommandFailed
from ops.remote import Remote

Url = Annotated[str, typer.Option("--url", envvar="ROOKERY_URL", help="Where the service answers.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="ROOKERY_API_KEY", help="Better in the environment: others see arguments."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_URL = "http://127.0.0.1:8000"
_PIPED_WIDTH = 1000


def remote(url: str, api_key: str | None) -> Remote:
    if not api_key:
        raise CommandFailed(
            "An API key is needed: set ROOKERY_API_KEY, or make one with `rookery orgs create`."
        )
    return Remote(url, api_key)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    print()


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; values are printed as they are, never read as markup."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an id cut short is no id
    for row in rows:
        table.add_row(*(Text("-" if value is None else str(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def print_view(view: Mapping[str, Any]) -> None:
    """One thing, a line for each field, those inside others by their path."""
    print_rows(("field", "value"), _flat(view))


def _flat(view: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in view.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list | tuple | Mapping):
            yield path, json.dumps(value, ensure_ascii=False) if value else None
        else:
            yield path, value
