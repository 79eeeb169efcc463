"""`rookery users`: the people of the org."""

from typing import Annotated

import typer

from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, remote
from ops.remote import segment
from storage.mongo import identity

app = typer.Typer(help="The people of the org.", no_args_is_help=True)

Role = Annotated[identity.Role, typer.Option(help="What the person may do.")]
UserId = Annotated[str, typer.Argument(metavar="ID", help="As `rookery users list` shows it.")]


@app.command("list")
def list_users(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Everybody, newest first."""
    with remote(url, api_key) as api:
        users = list(api.pages("/v1/users"))
    if as_json:
        print_json(users)
    else:
        columns = ("id", "email", "role", "created_at")
        print_rows(columns, ([user[name] for name in columns] for user in users), none="There is nobody.")


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    role: Role,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take a person into the org. They sign in with a key: `rookery api-keys create --user`."""
    with remote(url, api_key) as api:
        user = api.post("/v1/users", {"email": email, "role": role.value})
    print_json(user) if as_json else print(f"{user['id']} is {user['role']}.")


@app.command("role")
def change_role(
    id_: UserId, role: Role, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False
) -> None:
    """Change a person's role; tokens they have are taken back."""
    with remote(url, api_key) as api:
        user = api.patch(f"/v1/users/{segment(id_)}", {"role": role.value})
    print_json(user) if as_json else print(f"{user['id']} is {user['role']}.")


@app.command()
def remove(id_: UserId, url: Url = DEFAULT_URL, api_key: Key = None) -> None:
    """Take a person out of the org: their keys and tokens stop working."""
    with remote(url, api_key) as api:
        api.delete(f"/v1/users/{segment(id_)}")
    print(f"{id_} is removed.")
