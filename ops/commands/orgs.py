"""`rookery orgs`: made directly in the stores, because at first nobody is there to ask over the API."""

import asyncio
from typing import Annotated

import typer

from ops.bootstrap import make_org
from ops.commands.options import AsJson, print_json
from storage.settings import Settings

app = typer.Typer(help="The orgs of the deployment.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The org's name.")],
    admin: Annotated[str, typer.Option(help="E-mail address of its first admin.")],
    operator: Annotated[
        bool, typer.Option("--operator", help="Its admins run the deployment: hosts, partitions, parked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an org, its first admin, and their API key, which is shown now and never again."""
    made = asyncio.run(make_org(Settings.load(), name, admin, operator=operator))
    if as_json:
        print_json({"org": made.org.id, "admin": made.admin.id, "api_key": made.api_key.reveal()})
        return
    print(made.api_key.reveal())
    typer.echo(f"{name} is {made.org.id}, its admin {made.admin.id}. The key is not shown again.", err=True)
