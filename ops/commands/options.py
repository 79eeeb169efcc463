"""What the commands that talk to a running service have in common: their options, and how they print."""

import json
import re
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
        "--api-key",
        envvar="ROOKERY_API_KEY",
        help="Your API key; better in the environment, since others see arguments.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_URL = "http://127.0.0.1:8000"
_PIPED_WIDTH = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def remote(url: str, api_key: str | None) -> Remote:
    if not api_key:
        raise CommandFailed(
            "An API key is needed: set ROOKERY_API_KEY, or make one with `rookery orgs create`."
        )
    return Remote(url, api_key)


def plain(text: str) -> str:
    """Without what would steer the terminal: the text may be a stranger's, from a profile perhaps."""
    return _CONTROL.sub("\ufffd", text)


def print_json(value: Any) -> None:
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        print(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line))  # JSON escapes but half of them


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str) -> None:
    """A plain table, or on standard error the sentence `none`."""
    rows = list(rows)
    if not rows:
        typer.echo(none, err=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an id cut short is no id
    for row in rows:
        table.add_row(*map(_shown, row))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def print_view(view: Mapping[str, Any]) -> None:
    """One thing, a line for each field, those inside others by their path."""
    print_rows(("field", "value"), _flat(view), none="Nothing is known of it.")


def _shown(value: object) -> Text:
    """Never read as markup."""
    return Text("-" if value is None else plain(str(value)))


def _flat(view: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in view.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list | tuple | Mapping):
            yield path, json.dumps(value, ensure_ascii=False) if value else None
        else:
            yield path, value
