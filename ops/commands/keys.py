"""`rookery keys`: the key file of this deployment."""

import stat
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.commands import CommandFailed
from storage.keys import Keys
from storage.settings import Settings

app = typer.Typer(help="The key file: everything stored is sealed with it.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Option("--file", help="The key file. Default: ROOKERY_KEYS, else keys.json in the data folder."),
]


@app.command()
def create(file: File = None) -> None:
    """Make a new key file, readable by its owner only; an existing one is left alone."""
    path = _path(file)
    with Console(stderr=True).status("Generating keys"):
        Keys.create(path)
    print(f"{path} is made. Keep a backup apart from the data: without it, nothing sealed can be read.")


@app.command()
def show(file: File = None) -> None:
    """Show which keys the file holds, by id; never the keys."""
    path = _path(file)
    keys = Keys.load(path)
    table = Table("for", "seals or signs with", "still opens or verifies", box=None, pad_edge=False)
    for name, ring in (("stored values", keys.seal), ("OAuth states", keys.state), ("tokens", keys.jwt)):
        table.add_row(name, ring.active, ", ".join(i for i in ring.ids if i != ring.active) or "-")
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{path} (mode {stat.S_IMODE(path.stat().st_mode):04o})", markup=False, highlight=False)


@app.command()
def rotate(file: File = None) -> None:
    """Add fresh keys and use them from the next start; the older ones still open what they sealed."""
    path = _path(file)
    with Console(stderr=True).status("Generating keys"):
        rotated = Keys.load(path).rotate()
        rotated.replace(path)
    print(
        f"{path} now seals with key {rotated.seal.active}. Restart every process of the service at once: "
        "one that still has the older file cannot open what the others seal from now on."
    )


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    source = Settings.load().keys
    if source.startswith("{"):
        raise CommandFailed("ROOKERY_KEYS holds the keys themselves; name a key file with --file.")
    return Path(source)
