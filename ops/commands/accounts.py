"""`rookery accounts`: the org's connected accounts."""

from typing import Annotated

import typer

from actors.account.state import Status
from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, print_view, remote
from ops.remote import Json, segment
from platforms.registry import PLATFORMS

app = typer.Typer(help="The org's connected accounts.", no_args_is_help=True)

_PLATFORMS = ", ".join(sorted(PLATFORMS))
AccountId = Annotated[str, typer.Argument(metavar="ID", help="As `rookery accounts list` shows it.")]


@app.command("list")
def list_accounts(
    platform: Annotated[str | None, typer.Option(help=f"Only this platform's: {_PLATFORMS}.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only those in this state.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Every account: its state, what it heard, when it last looked."""
    filters = {"platform": platform, "status": status}
    given = {name: str(value) for name, value in filters.items() if value is not None}
    with remote(url, api_key) as api:
        accounts = list(api.pages("/v1/accounts", **given))
    if as_json:
        print_json(accounts)
        return
    columns = ("id", "username", "status", "reason", "webhooks", "posts read", "last sync", "token until")
    none = "No account is like that." if given else "No account is connected: see `rookery accounts connect`."
    print_rows(columns, map(_row, accounts), none=none)


@app.command()
def show(id_: AccountId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """One account as its owner has it at this moment."""
    with remote(url, api_key) as api:
        view = api.get(f"/v1/accounts/{segment(id_)}")
    print_json(view) if as_json else print_view(view)


@app.command()
def connect(
    platform: Annotated[str, typer.Argument(help=f"One of {_PLATFORMS}.")],
    app_id: Annotated[str | None, typer.Option("--app", help="Application; default: the org's own.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print the address where the account's owner gives permission."""
    with remote(url, api_key) as api:
        begun = api.post(
            f"/v1/integrations/{segment(platform)}/connect", {"app_id": app_id} if app_id else {}
        )
    if as_json:
        print_json(begun)
        return
    print(begun["authorize_url"])
    typer.echo(f"Open it in a browser before {begun['state_expires_at']}.", err=True)


@app.command()
def sync(id_: AccountId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Look for what is new, now."""
    _command(id_, "sync", url, api_key, as_json)


@app.command()
def pause(id_: AccountId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Stop synchronising; webhooks are still heard."""
    _command(id_, "pause", url, api_key, as_json)


@app.command()
def resume(id_: AccountId, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Synchronise again."""
    _command(id_, "resume", url, api_key, as_json)


@app.command()
def disconnect(
    id_: AccountId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """End the connection: tokens are deleted here and taken back at the platform."""
    if not yes:
        typer.confirm(f"End the connection of {id_}?", abort=True)
    _command(id_, "disconnect", url, api_key, as_json)


def _command(id_: str, name: str, url: str, api_key: str | None, as_json: bool) -> None:
    with remote(url, api_key) as api:
        view = api.post(f"/v1/accounts/{segment(id_)}/{name}")
    if as_json:
        print_json(view)
    else:
        print(f"{view['id']} is {view['status'].replace('_', ' ')}, version {view['version']}.")


def _row(view: Json) -> tuple[object, ...]:
    return (
        view["id"],
        view["profile"]["username"],
        view["status"],
        view["reason"],
        view["counters"].get("webhooks", 0),
        sum(source["items"] for source in view["sync"].values()),
        view["last_sync_at"],
        view["token"]["expires_at"],
    )
