"""`rookery keys` beside a running service: rotated, sealed anew, and the old key retired when it may be."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.auth import LIFETIME
from domain.ids import EntityKey, Kind
from ops.commands import CommandFailed
from ops.embedded import DataPlane, Urls
from ops.rekeying import GRACE, KeyUse, check_retirable
from storage.keys import Keys
from storage.mongo import schema
from storage.mongo.client import Database, connect
from storage.mongo.entities import MongoEntityStore
from storage.mongo.identity import User, Users
from storage.records import Save
from storage.sealed import keys_in
from tests.unit.api.conftest import World
from tests.unit.api.test_reseal import own_copy
from tests.unit.ops.conftest import Ask, Ended, Run

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    plane = DataPlane(tmp_path_factory.mktemp("servers"))
    yield plane.start()
    plane.stop()


@pytest.fixture
def keys(keys: Keys) -> Keys:
    """Keys of one test alone: it rotates them."""
    return own_copy(keys)


@pytest.fixture
def where(
    servers: Urls, tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The settings of a deployment that has these keys in a file, and a database of its own."""
    monkeypatch.setattr("ops.commands.keys.LOOK_S", 0.0)
    keys.replace(tmp_path / "keys.json")
    url = servers.mongodb.rpartition("/")[0] + f"/{tmp_path.name}"
    yield {
        "MONGODB_URL": url,
        "REDIS_URL": servers.redis,
        "ROOKERY_KEYS": str(tmp_path / "keys.json"),
    }


async def put(database: Database, keys: Keys, accounts: list[dict[str, Any]]) -> None:
    await schema.prepare(database, 64)
    await Users(database, keys).add(User("usr_1", "org_a", "ana@kiln.example", NOW))
    await MongoEntityStore(database).save_many(
        {EntityKey(Kind.ACCOUNT, a["_id"]): Save(a, a["version"] - 1) for a in accounts}
    )


def row(listed: Ended, id_: str) -> dict[str, Any]:
    (found,) = [row for row in json.loads(listed.stdout) if row["id"] == id_]
    return dict(found)


async def test_keys_are_rotated_everything_is_sealed_anew_and_the_old_one_retired(
    ask: Ask, world: World, where: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in where.items():
        monkeypatch.setenv(name, value)
    path, database = Path(where["ROOKERY_KEYS"]), connect(where["MONGODB_URL"])
    old = world.services.keys.seal.active
    key = EntityKey(Kind.ACCOUNT, (await world.connect(world.ours.admin))["id"])
    account = (await world.entities.load_many([key]))[key]
    await put(database, world.services.keys, [account | {"version": 1}])
    operator = world.operators.admin

    staged = await ask("keys", "rotate", "--stage")
    assert staged.returncode == 0, staged.stderr
    assert Keys.load(path).seal.active == old and Keys.load(path).staged
    assert (await ask("keys", "rotate", "--stage")).returncode == 0
    assert len(Keys.load(path).seal.ids) == 2  # no third one

    world.services.keys.adopt(Keys.load(path).promoted())  # as the running service will
    rotated = await ask("keys", "rotate", by=operator)
    assert rotated.returncode == 0, rotated.stderr
    new = Keys.load(path).seal.active
    assert new != old and len(Keys.load(path).seal.ids) == 2
    assert f"3 values were sealed anew under key {new}." in rotated.stdout
    account = (await world.entities.load_many([key]))[key]
    assert keys_in(account, {old, new}) == {new: 2}

    # The service of this test has an account store of its own; the commands still see what the owner had.
    refused = await ask("keys", "retire", old, by=operator)
    assert refused.returncode == 1
    assert f"Key {old} still seals 2 values (social_accounts 2)" in refused.stderr
    await MongoEntityStore(database).save_many({key: Save(account | {"version": 2}, 1)})

    listed = await ask("keys", "list", "--json", by=operator)
    assert row(listed, new)["values"] == {"social_accounts": 2, "users": 1}
    assert (row(listed, new)["state"], row(listed, new)["unused_since"]) == ("active", None)
    assert (row(listed, old)["state"], row(listed, old)["values"]) == ("older", {})
    since = datetime.fromisoformat(row(listed, old)["unused_since"])
    assert abs(since - datetime.now(UTC)) < timedelta(minutes=5)
    early = await ask("keys", "retire", old, by=operator)
    assert (early.returncode, early.stderr.count("\n")) == (1, 1)
    assert "retire it after" in early.stderr
    assert old in Keys.load(path).seal.ids

    await database[schema.META].update_one({"_id": f"unused-key:{old}"}, {"$set": {"since": NOW}})
    retired = await ask("keys", "retire", old, by=operator)
    assert retired.returncode == 0, retired.stderr
    assert Keys.load(path).seal.ids == [new]
    user = await Users(database, Keys.load(path)).get("org_a", "usr_1")
    assert user is not None and user.email == "ana@kiln.example"
    gone = await ask("keys", "retire", old, by=operator)
    assert f"holds no key {old}" in gone.stderr
    database.client.close()


async def test_what_owners_did_not_answer_is_said_and_goes_on_later(
    ask: Ask, world: World, where: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in where.items():
        monkeypatch.setenv(name, value)
    database, operator = connect(where["MONGODB_URL"]), world.operators.admin
    key = EntityKey(Kind.ACCOUNT, (await world.connect(world.ours.admin))["id"])
    account = (await world.entities.load_many([key]))[key]
    await put(database, world.services.keys, [account | {"version": 1}])
    await ask("keys", "rotate", "--stage")
    world.services.keys.adopt(Keys.load(where["ROOKERY_KEYS"]).promoted())
    world.owners.away = True
    stopped = await ask("keys", "rotate", by=operator)
    assert stopped.returncode == 1
    assert "1 owners did not answer: run `rookery keys reseal` again" in stopped.stderr
    world.owners.away = False
    again = await ask("keys", "reseal", by=operator)
    assert (again.returncode, again.stderr) == (0, "")
    assert "2 values were sealed anew" in again.stdout  # the e-mail address was done the first time
    database.client.close()


def use(**changed: Any) -> KeyUse:
    fields: dict[str, Any] = {
        "id": "aa",
        "purpose": "stored values",
        "state": "older",
        "values": Counter(),
        "unused_since": NOW,
    }
    return KeyUse(**fields | changed)


@pytest.mark.parametrize(
    ("found", "later", "reason"),
    [
        (use(id="bb"), GRACE, "holds no key aa"),
        (use(state="active", unused_since=None), GRACE, "is active"),
        (use(state="staged", unused_since=None), GRACE, "is staged"),
        (use(values=Counter(users=1), unused_since=None), GRACE, r"still seals 1 value \(users 1\)"),
        (use(), GRACE - timedelta(seconds=1), "retire it after 2026-05-01 01:00 UTC"),
        (use(values=None), LIFETIME, "retire it after 2026-05-02 01:00 UTC"),
        (use(), GRACE, None),
        (use(values=None), LIFETIME + GRACE, None),
    ],
)
def test_a_key_is_retired_only_when_nothing_can_need_it(
    found: KeyUse, later: timedelta, reason: str | None
) -> None:
    if reason is None:
        check_retirable([found], "aa", NOW + later)
        return
    with pytest.raises(CommandFailed, match=reason):
        check_retirable([found], "aa", NOW + later)


def test_without_an_api_key_the_keys_stay_as_they_are(rookery: Run, tmp_path: Path) -> None:
    assert rookery("keys", "create").returncode == 0
    path = tmp_path / ".rookery" / "keys.json"
    before = path.read_text()
    assert rookery("keys", "rotate").returncode == 1
    assert path.read_text() == before


def test_a_rotation_that_was_stopped_goes_on_with_the_keys_it_made(
    rookery: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: str) -> None:
        raise KeyboardInterrupt

    assert rookery("keys", "create").returncode == 0
    path = tmp_path / ".rookery" / "keys.json"
    with monkeypatch.context() as patch:
        patch.setattr("ops.commands.keys._wait", stopped)
        assert rookery("keys", "rotate", "--no-reseal").returncode != 0
    staged = Keys.load(path)
    assert staged.staged
    rotated = rookery("keys", "rotate", "--no-reseal")
    assert rotated.returncode == 0
    assert "until `rookery keys reseal` is run" in rotated.stdout
    assert Keys.load(path).seal.ids == staged.seal.ids
    assert Keys.load(path).seal.active == staged.seal.ids[-1]
