"""`rookery campaigns`: the org's campaigns and their running numbers."""

import time
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, print_view, remote
from ops.remote import Json, segment

app = typer.Typer(help="The org's campaigns.", no_args_is_help=True)

CampaignId = Annotated[str, typer.Argument(metavar="ID", help="As `rookery campaigns list` shows it.")]

_COLUMNS = ("id", "name", "status", "impressions", "likes", "comments", "shares", "clicks", "orders")
_MONEY = ("revenue", "cost", "ROAS")


@app.command("list")
def list_campaigns(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Every campaign with its numbers."""
    with remote(url, api_key) as api:
        campaigns = list(api.pages("/v1/campaigns"))
    if as_json:
        print_json(campaigns)
    else:
        print_rows((*_COLUMNS, *_MONEY), map(_row, campaigns), none="There are no campaigns.")


@app.command()
def show(id_: CampaignId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """One campaign as its owner has it at this moment."""
    with remote(url, api_key) as api:
        view = api.get(f"/v1/campaigns/{segment(id_)}")
    print_json(view) if as_json else print_view(view)


@app.command()
def launch(id_: CampaignId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Go live, now or at the schedule's start."""
    _command(id_, "launch", url, api_key, as_json)


@app.command()
def pause(id_: CampaignId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Pause a live campaign."""
    _command(id_, "pause", url, api_key, as_json)


@app.command()
def resume(id_: CampaignId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Make a paused campaign live again."""
    _command(id_, "resume", url, api_key, as_json)


@app.command()
def complete(id_: CampaignId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """End it; what happened before the end of its attribution window still counts."""
    _command(id_, "complete", url, api_key, as_json)


@app.command()
def watch(
    id_: CampaignId,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between looks.")] = 1.0,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
) -> None:
    """Its numbers as they move, until Ctrl-C."""
    quietly = suppress(KeyboardInterrupt)
    with quietly, remote(url, api_key) as api, Live(console=Console(), auto_refresh=False) as live:
        while True:
            table = Table(*_COLUMNS, *_MONEY, box=None, pad_edge=False)
            table.add_row(*map(str, _row(api.get(f"/v1/campaigns/{segment(id_)}"))))
            live.update(table, refresh=True)
            time.sleep(every)


def _command(id_: str, name: str, url: str, api_key: str | None, as_json: bool) -> None:
    with remote(url, api_key) as api:
        view = api.post(f"/v1/campaigns/{segment(id_)}/{name}")
    if as_json:
        print_json(view)
    else:
        waits = f", and goes live at {view['launch_at']}" if view["launch_at"] else ""
        print(f"{view['id']} is {view['status']}{waits}.")


def _row(view: Json) -> tuple[object, ...]:
    p = view["performance"]
    engagement = p["engagement"]
    return (
        view["id"],
        view["name"],
        view["status"],
        p["impressions"],
        *(engagement[name] for name in ("likes", "comments", "shares")),
        p["clicks"],
        p["conversions"],
        f"{p['revenue_minor']} {p['currency']}",
        f"{p['cost_minor']} {p['currency']}",
        p["roas"] or "-",
    )
