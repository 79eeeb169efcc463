"""`rookery orgs`: directly on the stores, because at first nobody is there to ask over the API, and because
no org may see the others there."""

import asyncio
from typing import Annotated

import typer

from ops.bootstrap import OrgRow, list_orgs, make_org
from ops.commands.options import AsJson, print_json, print_rows
from ops.remote import Json
from storage.mongo.identity import Role
from storage.settings import Settings

app = typer.Typer(help="The orgs of the deployment.", no_args_is_help=True)

_COLUMNS = ("id", "name", "operator", "people", "accounts", "campaigns", "admins")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every org: its id, its admins' ids, and how many people, accounts and campaigns it has."""
    found = [_json(row) for row in asyncio.run(list_orgs(Settings.load()))]
    if as_json:
        print_json(found)
        return
    rows = ([org[name] for name in _COLUMNS[:-1]] + [", ".join(org["admins"])] for org in found)
    print_rows(_COLUMNS, rows, none="There are no orgs: `rookery orgs create` makes the first.")


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


def _json(row: OrgRow) -> Json:
    org = row.org
    return {
        "id": org.id,
        "name": org.name,
        "operator": org.operator,
        "people": len(org.roles),
        "accounts": row.accounts,
        "campaigns": row.campaigns,
        "admins": sorted(user for user, role in org.roles.items() if role is Role.ADMIN),
        "created_at": org.created_at.isoformat(),
    }
