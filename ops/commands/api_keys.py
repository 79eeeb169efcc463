"""`rookery api-keys`: what people and shops sign in with."""

import asyncio
from typing import Annotated

import typer

from ops.bootstrap import recover_key
from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, remote
from ops.remote import segment
from storage.settings import Settings

app = typer.Typer(help="API keys: each belongs to a person of the org.", no_args_is_help=True)


@app.command("list")
def list_keys(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Every key by its first characters; the rest is not kept."""
    with remote(url, api_key) as api:
        keys = list(api.pages("/v1/api-keys"))
    if as_json:
        print_json(keys)
    else:
        columns = ("id", "name", "prefix", "user_id", "created_at", "revoked_at")
        print_rows(columns, ([key[name] for name in columns] for key in keys), none="There are no keys.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    user: Annotated[str | None, typer.Option(help="Whose it is; default: yours.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown now and never again."""
    with remote(url, api_key) as api:
        made = api.post("/v1/api-keys", {"name": name} | ({"user_id": user} if user else {}))
    if as_json:
        print_json(made)
        return
    print(made["api_key"])
    typer.echo(f"This is {made['id']}; it is not shown again.", err=True)


@app.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `rookery api-keys list` shows it.")],
    url: Url = DEFAULT_URL,
    api_key: Key = None,
) -> None:
    """End a key and every token issued for it."""
    with remote(url, api_key) as api:
        api.delete(f"/v1/api-keys/{segment(id_)}")
    print(f"{id_} is revoked.")


@app.command()
def recover(
    org: Annotated[str, typer.Option(help="The org's id, as `rookery orgs list` shows it.")],
    user: Annotated[str, typer.Option(help="Whose key: the id of an admin, say, shown there as well.")],
) -> None:
    """Make a key directly in the stores, for an org that has lost all of its own."""
    secret = asyncio.run(recover_key(Settings.load(), org, user))
    print(secret.reveal())
    typer.echo("It is not shown again.", err=True)
