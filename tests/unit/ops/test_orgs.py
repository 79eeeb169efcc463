"""The orgs of a deployment, made and listed on its document server without the service."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.ids import EntityKey, Kind
from ops.embedded import DataPlane
from storage.keys import Keys
from storage.mongo.client import connect
from storage.mongo.entities import MongoEntityStore
from storage.records import Save, SaveOutcome
from tests.unit.ops.conftest import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose document server runs, so that no command has to start it."""
    path = tmp_path_factory.mktemp("data")
    Keys.create(path / "keys.json")
    plane = DataPlane(path)
    plane.start(redis="redis://not-needed")
    yield path
    plane.stop()


async def put(url: str, org: str, documents: list[tuple[Kind, str, str]]) -> None:
    database = connect(url)
    saves = {
        EntityKey(kind, id_): Save(
            {
                "_id": id_,
                "org": org,
                "status": status,
                "version": 1,
                "partition": 0,
                "next_due_at": None,
                "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
            },
            0,
        )
        for kind, id_, status in documents
    }
    outcomes = await MongoEntityStore(database).save_many(saves)
    assert set(outcomes.values()) == {SaveOutcome.SAVED}
    database.client.close()


def test_orgs_are_made_listed_and_recovered(rookery: Run, folder: Path) -> None:
    where = {"ROOKERY_DATA_DIR": str(folder)}
    nobody = rookery("orgs", "list", **where)
    assert (nobody.returncode, nobody.stdout) == (0, "")
    assert nobody.stderr == "There are no orgs: `rookery orgs create` makes the first.\n"

    kiln = json.loads(
        rookery("orgs", "create", "Kiln & Co", "--admin", "a@kiln.example", "--json", **where).stdout
    )
    moon = rookery("orgs", "create", "Moon", "--admin", "b@moon.example", "--operator", **where)
    assert moon.stdout.startswith("rk_live_") and "The key is not shown again." in moon.stderr
    id_ = kiln["org"]
    url = DataPlane(folder).start(redis="redis://not-needed").mongodb
    accounts = [
        (Kind.ACCOUNT, f"twitter:{n}:{id_}", s) for n, s in enumerate(("connected", "paused", "disconnected"))
    ]
    asyncio.run(put(url, id_, [*accounts, (Kind.CAMPAIGN, "cmp_1", "draft")]))

    first, second = json.loads(rookery("orgs", "list", "--json", **where).stdout)
    assert first.pop("created_at") <= second.pop("created_at")
    assert first == {
        "id": id_,
        "name": "Kiln & Co",
        "operator": False,
        "people": 1,
        "accounts": 2,
        "campaigns": 1,
        "admins": [kiln["admin"]],
    }
    assert (second["name"], second["operator"], second["accounts"], second["campaigns"]) == (
        "Moon",
        True,
        0,
        0,
    )
    table = rookery("orgs", "list", **where).stdout
    assert [id_, "Kiln", "&", "Co", "False", "1", "2", "1", kiln["admin"]] in map(
        str.split, table.splitlines()
    )
    assert "a@kiln.example" not in table

    recovered = rookery("api-keys", "recover", "--org", id_, "--user", kiln["admin"], **where)
    assert recovered.stdout.startswith("rk_live_") and recovered.stdout.strip() != kiln["api_key"]
    wrong = rookery("api-keys", "recover", "--org", id_, "--user", "usr_nobody", **where)
    assert wrong.returncode == 1
    assert wrong.stderr == (
        f"There is no person usr_nobody in an org {id_}: `rookery orgs list` shows both.\n"
    )


@pytest.mark.parametrize(
    ("name", "admin", "says"),
    [
        ("", "a@b.example", "An org's name is 1 to 200 characters"),
        ("x" * 201, "a@b.example", "An org's name is 1 to 200 characters"),
        ("a\x1b[2J", "a@b.example", "An org's name is 1 to 200 characters"),
        ("Kiln", "nobody", "'nobody' is not an e-mail address."),
        ("Kiln", "a b@c", "'a b@c' is not an e-mail address."),
    ],
)
def test_an_org_that_cannot_be_is_refused_before_anything_starts(
    rookery: Run, tmp_path: Path, name: str, admin: str, says: str
) -> None:
    refused = rookery("orgs", "create", name, "--admin", admin)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(says) and refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("list",), ("create", "Kiln", "--admin", "a@kiln.example")])
def test_a_folder_without_a_deployment_is_said_to_be_one(
    rookery: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    refused = rookery("orgs", *command)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"There is no key file {tmp_path}/.rookery/keys.json: set ROOKERY_DATA_DIR"
    )
    assert refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
