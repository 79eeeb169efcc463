"""Every command in front of the real API, which is in memory; found by walking the command line."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from domain.content import Profile
from ops import cli
from platforms.outcome import Ok
from storage.mongo.identity import Role
from storage.records import Mail
from tests.unit.api.conftest import World
from tests.unit.api.test_documents import PAGES
from tests.unit.api.things import campaign_body, make_things
from tests.unit.ops.conftest import Ask, Ended, Run

# What is not named here is "nobody".
VALUES = {"email": "new@example.org", "platform": "twitter", "kind": "account", "limit": "10"}


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    found = group or typer.main.get_command(cli.app)
    for name, command in found.commands.items():  # type: ignore[union-attr]
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands())
REMOTE = {path: command for path, command in ALL.items() if any(p.name == "url" for p in command.params)}


def line(path: tuple[str, ...]) -> list[str]:
    """The command with something for everything it requires."""
    words = list(path)
    for parameter in REMOTE[path].params:
        if parameter.param_type_name == "argument":
            words.append(VALUES.get(parameter.name, "nobody"))
        elif parameter.required:
            words += [parameter.opts[0], "analyst"]
        elif parameter.name == "yes":
            words.append("--yes")
    return words


def sentence(failed: Ended) -> str:
    assert failed.returncode == 1, failed
    assert failed.stdout == "" and failed.stderr.count("\n") == 1, failed
    assert failed.stderr.endswith(".\n") and "Traceback" not in failed.stderr
    return failed.stderr.strip()


def ids(path: tuple[str, ...]) -> str:
    return " ".join(path)


# -- all of them ----------------------------------------------------------------------------------------
def test_the_groups_are_walked() -> None:
    assert {path[0] for path in REMOTE} == {"keys", "users", "api-keys", "accounts", "campaigns", "ops"}


@pytest.mark.parametrize("path", ALL, ids=ids)
def test_help_says_what_it_does_and_what_it_takes(rookery: Run, path: tuple[str, ...]) -> None:
    shown = rookery(*path, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    command = ALL[path]
    assert command.help and command.help.strip().partition("\n")[0].endswith((".", ","))
    for parameter in command.params:
        if parameter.name != "help" and not getattr(parameter, "hidden", False):
            assert getattr(parameter, "help", None), (path, parameter.name)


@pytest.mark.parametrize("path", REMOTE, ids=ids)
def test_without_a_key_or_a_service_it_says_so(rookery: Run, path: tuple[str, ...]) -> None:
    assert sentence(rookery(*line(path))).startswith("An API key is needed: set ROOKERY_API_KEY")
    nobody = rookery(*line(path), ROOKERY_API_KEY="x", ROOKERY_URL="http://127.0.0.1:1")
    assert sentence(nobody).startswith("Nothing answers at http://127.0.0.1:1: start the service with")


@pytest.mark.parametrize("path", REMOTE, ids=ids)
async def test_a_key_of_nobody_is_refused(ask: Ask, world: World, path: tuple[str, ...]) -> None:
    world.ours.admin.api_key = "rk_live_guessed"
    assert sentence(await ask(*line(path))) == "This API key is not valid."


WITH_ID = [path for path, command in REMOTE.items() if any(p.name == "id_" for p in command.params)]


@pytest.mark.parametrize("path", WITH_ID, ids=ids)
async def test_an_id_of_nothing_is_said_to_be_one(ask: Ask, path: tuple[str, ...]) -> None:
    assert sentence(await ask(*line(path))).startswith("There is no such ")
    for impossible in ("", ".."):
        words = [impossible if word == "nobody" else word for word in line(path)]
        assert sentence(await ask(*words)) == f"{impossible!r} is no id: a list shows the ids there are."


LISTS = [path for path in REMOTE if path[-1] in ("list", "parked", "hosts", "partitions")]


@pytest.mark.parametrize("path", LISTS, ids=ids)
async def test_an_empty_list_is_a_sentence_and_as_json_a_list(
    ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    async def nothing() -> list[Any]:
        return []

    monkeypatch.setattr(world.owners, "hosts", nothing)
    monkeypatch.setattr(world.owners, "partitions", nothing)
    people = path[0] in ("users", "api-keys")  # whoever asks is there already
    shown = await ask(*path, by=world.operators.admin)
    assert shown.returncode == 0
    assert people or (shown.stdout == "" and shown.stderr.count("\n") == 1 and shown.stderr.endswith(".\n"))
    as_json = await ask(*path, "--json", by=world.operators.admin)
    assert isinstance(json.loads(as_json.stdout), list) and bool(json.loads(as_json.stdout)) is people


NAMED = re.compile(r"(?:`|^|bin/|&& )rookery ([a-z-]+)(?: ([a-z-]+))?", re.MULTILINE)


def test_the_commands_that_pages_name_exist() -> None:
    named = {found for page in PAGES for found in NAMED.findall(page.read_text())}
    assert len(named) >= 5
    known = {*ALL, *((path[0], "") for path in ALL), *(path[:2] for path in ALL)}  # groups, too
    assert {(one, two) for one, two in named if (one,) not in known and (one, two) not in known} == set()


# -- group by group -------------------------------------------------------------------------------------
async def test_people_and_their_keys(ask: Ask, world: World) -> None:
    added = await ask("users", "add", "new@example.org", "--role", "analyst")
    user = added.stdout.split()[0]
    assert added.stdout == f"{user} is analyst.\n"
    assert sentence(await ask("users", "add", "new@example.org", "--role", "analyst")) == (
        "The org has a user with this e-mail address."
    )
    assert sentence(await ask("users", "add", "nobody", "--role", "analyst")).startswith("email: ")
    assert (await ask("users", "role", user, "--role", "manager")).stdout == f"{user} is manager.\n"
    made = await ask("api-keys", "create", "laptop", "--user", user)
    assert made.stdout.startswith("rk_live_") and "it is not shown again." in made.stderr
    listed = json.loads((await ask("api-keys", "list", "--json")).stdout)
    key = next(k["id"] for k in listed if k["name"] == "laptop")
    assert key in (await ask("api-keys", "list")).stdout
    assert (await ask("api-keys", "revoke", key)).stdout == f"{key} is revoked.\n"
    assert (await ask("users", "remove", user)).stdout == f"{user} is removed.\n"
    assert user not in (await ask("users", "list")).stdout
    refused = await ask("users", "list", by=world.ours.analyst)
    assert sentence(refused) == "This wants one of the roles admin."
    assert (await ask("users", "add", "x@example.org", "--role", "king")).returncode == 2


async def test_accounts(ask: Ask, world: World) -> None:
    begun = await ask("accounts", "connect", "twitter")
    assert begun.stdout.startswith("https://") and "Open it in a browser before" in begun.stderr
    assert sentence(await ask("accounts", "connect", "friendster")).startswith(
        "There is no such platform here"
    )
    account = (await world.connect(world.ours.admin))["id"]
    for command, status in (("pause", "paused"), ("resume", "connected"), ("sync", "connected")):
        assert (await ask("accounts", command, account)).stdout.startswith(f"{account} is {status}, version ")
    assert account in (await ask("accounts", "list")).stdout
    assert account in (await ask("accounts", "list", "--platform", "twitter", "--status", "connected")).stdout
    assert (await ask("accounts", "list", "--status", "paused")).stderr == "No account is like that.\n"
    shown = await ask("accounts", "show", account)
    assert ["external_id", "4711"] in [row.split() for row in shown.stdout.splitlines()]
    ended = await ask("accounts", "disconnect", account, "--yes")
    assert ended.stdout.startswith(f"{account} is disconnected")
    assert sentence(await ask("accounts", "sync", account)).endswith(".")


async def test_campaigns(ask: Ask, world: World) -> None:
    made = await world.call(
        "POST", "/v1/campaigns", world.ours.admin, json=campaign_body(name="[red]Sum\u200dmer")
    )
    id_ = made.json()["id"]
    for command, status in (("launch", "active"), ("pause", "paused"), ("resume", "active")):
        assert (await ask("campaigns", command, id_)).stdout == f"{id_} is {status}.\n"
    shown = (await ask("campaigns", "list")).stdout
    assert id_ in shown and "[red]Sum" in shown
    assert "budget.total_minor" in (await ask("campaigns", "show", id_)).stdout
    assert (await ask("campaigns", "complete", id_)).stdout == f"{id_} is completed.\n"
    assert json.loads((await ask("campaigns", "show", id_, "--json")).stdout)["status"] == "completed"
    assert sentence(await ask("campaigns", "launch", id_)).endswith(".")


async def test_watching_a_campaign_ends_quietly(
    ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.commands.campaigns.time.sleep", interrupt)
    watched = await ask("campaigns", "watch", made.json()["id"])
    assert (watched.returncode, watched.stderr) == (0, "")
    assert made.json()["id"] in watched.stdout


async def test_operating(ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    things = await make_things(world, world.ours, "1")
    entity = await ask("ops", "entity", "account", things.account)
    assert "state.profile.username" in entity.stdout
    isolated = await ask("ops", "isolate", "account", things.account)
    assert isolated.stdout == f"account {things.account} is dedicated, on host-0.\n"
    released = await ask("ops", "release", "account", things.account)
    assert released.stdout == f"account {things.account} is shared, on host-0.\n"
    paused = await ask("ops", "pause", "account", things.account)
    assert paused.stdout == f"account {things.account} is paused.\n"
    assert (
        sentence(await ask("ops", "pause", "link", things.link))
        == "Only accounts and campaigns can be paused."
    )
    assert (await ask("ops", "entity", "planet", "x")).returncode == 2
    assert things.dead_letter in (await ask("ops", "dead-letters", "list")).stdout
    replayed = await ask("ops", "dead-letters", "replay", things.dead_letter)
    assert replayed.stdout == f"{things.dead_letter} is in the mailbox of account/{things.account} again.\n"
    assert sentence(await ask("ops", "hosts")) == "This wants an admin of an org that runs the deployment."


async def test_the_deployment_is_for_its_operators(
    ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = world.operators.people[Role.ADMIN]
    works = {
        "name": "host-0",
        "pid": 77,
        "build": "b",
        "partitions": [0, 1],
        "activations": 5,
        "applied": 9,
        "dedicated": ["campaign/c"],
        "held": {"account/a": 3},
        "quarantined": [],
    }

    async def hosts() -> list[dict[str, Any]]:
        return [
            works,
            {"name": "host-1", "unreachable": True, "partitions": []},
            {"name": "host-2", "starting": True},
        ]

    async def partitions() -> list[dict[str, Any]]:
        row = {"host": "host-0", "epoch": 1, "mailbox_generation": 0, "last_pause_ms": 40}
        return [row | {"partition": n, "lag": {"account": n, "link": 0}} for n in (0, 3)]

    monkeypatch.setattr(world.owners, "hosts", hosts)
    monkeypatch.setattr(world.owners, "partitions", partitions)
    rows = [row.split() for row in (await ask("ops", "hosts", by=operator)).stdout.splitlines()]
    assert rows[1] == ["host-0", "77", "b", "2", "5", "9", "campaign/c", "account/a", "3", "-"]
    assert rows[2][:4] == ["host-1", "does", "not", "answer"] and rows[3][:2] == ["host-2", "starting"]
    scaled = await ask("ops", "scale", "--hosts", "2", by=operator)
    assert scaled.stdout == "2 hosts are wanted; 1 own partitions, and 32 partitions have yet to move.\n"
    assert (await ask("ops", "scale", by=operator)).stdout == scaled.stdout
    assert sentence(await ask("ops", "scale", "--hosts", "65", by=operator)) == "A host needs a partition."
    assert sentence(await ask("ops", "scale", "--hosts", "3")).startswith(
        "This wants an admin of an org that"
    )
    rows = [row.split() for row in (await ask("ops", "partitions", by=operator)).stdout.splitlines()]
    assert rows[1:] == [["0", "host-0", "1", "0", "40", "-"], ["3", "host-0", "1", "0", "40", "account", "3"]]
    rows = [
        row.split() for row in (await ask("ops", "partitions", "--busy", by=operator)).stdout.splitlines()
    ]
    assert rows[1:] == [["3", "host-0", "1", "0", "40", "account", "3"]]
    await world.parking.park([Mail("twitter:9", f"e{n}", b"b") for n in range(3)], world.clock.now())
    assert ["twitter:9", "3"] in [
        row.split() for row in (await ask("ops", "parked", by=operator)).stdout.splitlines()
    ]


async def test_what_a_stranger_wrote_cannot_steer_the_terminal(ask: Ask, world: World) -> None:
    world.twitter.found = Ok(Profile("4711", "anna\x1b[2J\x9b31m", "Anna"))
    state = await world.begin(world.ours.admin)
    assert (
        await world.http.get(f"/v1/integrations/twitter/callback?state={state}&code=c")
    ).status_code == 200
    for words in (("list",), ("show", f"twitter:4711:{world.ours.id}"), ("list", "--json")):
        shown = (await ask("accounts", *words)).stdout
        assert "anna" in shown and "\x1b" not in shown and "\x9b" not in shown, words
