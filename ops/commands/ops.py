"""`rookery ops`: where things live and how they are; placement, dead letters, what is parked."""

from typing import Annotated

import typer

from domain import ids
from ops.commands.options import DEFAULT_URL, AsJson, Key, Url, print_json, print_rows, print_view, remote
from ops.remote import Json, segment

app = typer.Typer(help="Operate the deployment.", no_args_is_help=True)
letters = typer.Typer(help="Messages that could not be applied.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")

Kind = Annotated[ids.Kind, typer.Argument(help="The kind of entity.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The entity's id.")]


@app.command()
def hosts(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Every host: what it owns, what it holds up, which code it runs."""
    with remote(url, api_key) as api:
        found = api.all("/v1/ops/hosts")
    if as_json:
        print_json(found)
        return
    columns = (
        "host",
        "process",
        "build",
        "partitions",
        "in memory",
        "applied",
        "own actors",
        "held",
        "failing",
    )
    print_rows(columns, map(_host, found), none="No host owns anything yet: see `rookery doctor`.")


@app.command()
def partitions(
    busy: Annotated[bool, typer.Option("--busy", help="Only those with messages waiting.")] = False,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Every partition: its host, epoch, what its last move took, and the messages that wait (lag)."""
    with remote(url, api_key) as api:
        found = api.all("/v1/ops/partitions")
    found = [row for row in found if not busy or any(row["lag"].values())]
    if as_json:
        print_json(found)
        return
    shown = ("partition", "host", "epoch", "mailbox_generation", "last_pause_ms")
    rows = ((*(r[name] for name in shown), _lag(r["lag"])) for r in found)
    none = "No message waits anywhere." if busy else "No partition has a host yet: see `rookery doctor`."
    columns = ("partition", "host", "epoch", "generation", "last move, ms", "lag")
    print_rows(columns, rows, none=none)


@app.command()
def scale(
    hosts: Annotated[int | None, typer.Option(help="How many there shall be from now on.")] = None,
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """How many hosts there are and shall be; with --hosts change it. Partitions move one by one."""
    with remote(url, api_key) as api:
        found = api.get("/v1/ops/scale") if hosts is None else api.post("/v1/ops/scale", {"hosts": hosts})
    if as_json:
        print_json(found)
        return
    moving = found["partitions_to_move"]
    left = f"{moving} partitions have yet to move" if moving else "every partition is where it belongs"
    print(f"{found['hosts']} hosts are wanted; {found['owning']} own partitions, and {left}.")


@app.command()
def budgets(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """What all accounts of a platform application share, and which process has leased how much of it."""
    with remote(url, api_key) as api:
        found = list(api.pages("/v1/ops/budgets"))
    if as_json:
        print_json(found)
        return
    columns = ("application", "limit of", "limit", "used", "leased", "leased to", "waiting", "resets at")
    rows = (_pool(one["id"], name, pool) for one in found for name, pool in one["pools"].items())
    print_rows(columns, rows, none="No application has been asked for anything yet.")


@app.command("set-limit")
def set_limit(
    budget: Annotated[str, typer.Argument(metavar="APPLICATION", help="As `ops budgets` shows it.")],
    pool: Annotated[str, typer.Argument(metavar="LIMIT-OF", help="As `ops budgets` shows it.")],
    limit: Annotated[int, typer.Argument(min=1, help="Calls, or units, of a window.")],
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Tell a quota that the platform gave to an application and no header tells."""
    with remote(url, api_key) as api:
        view = api.put("/v1/ops/budgets", {"budget": budget, "pool": pool, "limit": limit})
    print_json(view) if as_json else print(f"{budget}: {pool} is {view['pools'][pool]['limit']} now.")


@app.command()
def entity(kind: Kind, id_: Id, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Where an entity lives, its state, budget, version and reminders."""
    with remote(url, api_key) as api:
        view = api.get(_path(kind, id_))
    print_json(view) if as_json else print_view(view)


@app.command()
def isolate(
    kind: Kind, id_: Id, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False
) -> None:
    """Give it an actor of its own, with its own row, log and metrics in the Ray dashboard."""
    _place(kind, id_, "isolate", url, api_key, as_json)


@app.command()
def release(
    kind: Kind, id_: Id, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False
) -> None:
    """Back into the host of its partition."""
    _place(kind, id_, "release", url, api_key, as_json)


@app.command()
def pause(kind: Kind, id_: Id, url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Pause an account or a campaign."""
    with remote(url, api_key) as api:
        view = api.post(f"{_path(kind, id_)}/pause")
    print_json(view) if as_json else print(f"{kind} {id_} is {view['status']}.")


@app.command()
def parked(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """External accounts that webhooks arrive for although nobody connected them."""
    with remote(url, api_key) as api:
        found = api.all("/v1/ops/parked", limit=200)
    if as_json:
        print_json(found)
    else:
        rows = ((row["target"], row["parked"]) for row in found)
        print_rows(("external account", "parked"), rows, none="Nothing is parked.")


@letters.command("list")
def list_letters(url: Url = DEFAULT_URL, api_key: Key = None, as_json: AsJson = False) -> None:
    """Newest first."""
    with remote(url, api_key) as api:
        found = list(api.pages("/v1/ops/dead-letters"))
    if as_json:
        print_json(found)
        return
    columns = ("id", "entity", "event_id", "reason", "failed_at", "replayed_at")
    rows = ([letter[name] for name in columns] for letter in found)
    print_rows(columns, rows, none="There are no dead letters.")


@letters.command()
def replay(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` shows it.")],
    url: Url = DEFAULT_URL,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Put the message back into its entity's mailbox; twice has one effect."""
    with remote(url, api_key) as api:
        letter = api.post(f"/v1/ops/dead-letters/{segment(id_)}/replay")
    print_json(letter) if as_json else print(f"{letter['id']} is in the mailbox of {letter['entity']} again.")


def _place(kind: ids.Kind, id_: str, name: str, url: str, api_key: str | None, as_json: bool) -> None:
    with remote(url, api_key) as api:
        view = api.post(f"{_path(kind, id_)}/{name}")
    print_json(view) if as_json else print(f"{kind} {id_} is {view['placement']}, on {view['host']}.")


def _path(kind: ids.Kind, id_: str) -> str:
    return f"/v1/ops/entities/{kind}/{segment(id_)}"


def _pool(budget: str, name: str, pool: Json) -> tuple[object, ...]:
    return (
        budget,
        name + (" (refused)" if pool["refused"] else ""),
        pool["limit"],
        pool["used"],
        pool["leased"],
        ", ".join(f"{holder} {lease['units']}" for holder, lease in pool["leased_to"].items()) or None,
        sum(pool["waiting"].values()) or None,
        pool["resets_at"],
    )


def _lag(lag: dict[str, int]) -> str | None:
    return ", ".join(f"{kind} {n}" for kind, n in lag.items() if n) or None


def _host(host: Json) -> tuple[object, ...]:
    if host.get("unreachable") or host.get("starting"):
        return (host["name"], "starting" if host.get("starting") else "does not answer", *[None] * 7)
    return (
        host["name"],
        host["pid"],
        host["build"],
        len(host["partitions"]),
        host["activations"],
        host["applied"],
        ", ".join(host["dedicated"]) or None,
        ", ".join(f"{key} {n}" for key, n in host["held"].items()) or None,
        ", ".join(host["quarantined"]) or None,
    )
