"""`rookery keys`: the key file of this deployment."""

import asyncio
import stat
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.clock import SystemClock
from ops import rekeying
from ops.commands import CommandFailed
from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, remote
from ops.remote import Remote
from storage.keys import LOOK_S, Keys
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


@app.command("list")
def list_(file: File = None, as_json: AsJson = False) -> None:
    """Show how many stored values still need each key, after reading everything that is stored."""
    found = asyncio.run(rekeying.uses(Settings.load(), Keys.load(_path(file)), SystemClock().now()))
    rows = [
        {
            "id": use.id,
            "for": use.purpose,
            "state": use.state,
            "values": None if use.values is None else dict(use.values),
            "unused_since": use.unused_since and use.unused_since.isoformat(timespec="seconds"),
            "retirable_from": use.free_at and use.free_at.isoformat(timespec="seconds"),
        }
        for use in found
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("id", "for", "state", "seals", "unused since", "may be retired from")
    shown = (
        (
            row["id"],
            row["for"],
            row["state"],
            None if use.values is None else rekeying.places(use.values) if use.values else 0,
            row["unused_since"],
            row["retirable_from"],
        )
        for row, use in zip(rows, found, strict=True)
    )
    print_rows(columns, shown, none="The file holds no keys.")


@app.command()
def rotate(
    file: File = None,
    stage: Annotated[
        bool,
        typer.Option(
            "--stage", help="Only add the keys, to copy the file to every node before they are used."
        ),
    ] = False,
    no_reseal: Annotated[
        bool, typer.Option("--no-reseal", help="Leave what is stored under its older key for now.")
    ] = False,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
) -> None:
    """Add fresh keys, use them, and seal everything stored anew, all while the service runs."""
    path = _path(file)
    if stage:
        _stage(path)
        print(f"{path} holds fresh keys. Copy it to every node, then run `rookery keys rotate`.")
    elif no_reseal:
        _promote(path)
        print("What is stored stays under its older key until `rookery keys reseal` is run.")
    else:
        with remote(url, api_key) as api:  # before anything is changed
            _promote(path)
            _wait("Waiting until every process uses them")
            _reseal(path, api)


@app.command()
def reseal(file: File = None, url: Url = DEFAULT_URL, api_key: Key = None) -> None:
    """Seal everything stored under older keys anew; stopped, it goes on where it is run again."""
    path = _path(file)
    with remote(url, api_key) as api:
        _reseal(path, api)


@app.command()
def retire(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], file: File = None
) -> None:
    """Remove an older key from the file, if nothing stored needs it any more."""
    path, now = _path(file), SystemClock().now()
    keys = Keys.load(path)
    rekeying.check_retirable(asyncio.run(rekeying.uses(Settings.load(), keys, now)), id_, now)
    keys.without(id_).replace(path)
    print(
        f"Nothing uses key {id_}: it is out of {path}. On a cluster, copy it to every node. Backups of the "
        "data from before it was sealed anew need the file as it was."
    )


def _stage(path: Path) -> None:
    if not Keys.load(path).staged:
        with Console(stderr=True).status("Generating keys"):
            Keys.load(path).stage().replace(path)


def _promote(path: Path) -> None:
    """From the staged keys, if there are any: a rotation that was stopped goes on."""
    if not Keys.load(path).staged:
        _stage(path)
        _wait("Waiting until every process holds them")
    rotated = Keys.load(path).promoted()
    rotated.replace(path)
    print(f"{path} now seals with key {rotated.seal.active}. On a cluster, copy it to every node.")


def _reseal(path: Path, api: Remote) -> None:
    keys = Keys.load(path)
    with Console(stderr=True).status("Reading") as status:
        done = asyncio.run(rekeying.reseal(Settings.load(), keys.seal, api, status.update))
    print(f"{done.sealed} values were sealed anew under key {keys.seal.active}.")
    if done.unanswered:
        raise CommandFailed(
            f"{done.unanswered} owners did not answer: run `rookery keys reseal` again for the rest."
        )


def _wait(text: str) -> None:
    """A process that seals or opens anything has looked at the file within `LOOK_S`."""
    with Console(stderr=True).status(text):
        time.sleep(2 * LOOK_S)


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    source = Settings.load().keys
    if source.startswith("{"):
        raise CommandFailed("ROOKERY_KEYS holds the keys themselves; name a key file with --file.")
    return Path(source)
