import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.ids import EntityKey, Kind
from storage.records import Cursor, Save, SaveOutcome
from tests.contract.conftest import Stores

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)


def campaign(id_: str, version: int = 1, **fields: Any) -> tuple[EntityKey, Save]:
    document = {
        "_id": id_,
        "org": "acme",
        "version": version,
        "partition": 7,
        "next_due_at": None,
        "createdAt": T0,
    }
    return EntityKey(Kind.CAMPAIGN, id_), Save(document | fields, version - 1)


def account(external_id: str, org: str) -> tuple[EntityKey, Save]:
    id_ = f"twitter:{external_id}:{org}"
    fields: dict[str, Any] = {"_id": id_, "org": org, "platform": "twitter", "externalAccountId": external_id}
    _, save = campaign(id_, **fields)
    return EntityKey(Kind.ACCOUNT, id_), save


async def save_all(stores: Stores, *saves: tuple[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
    return await stores.entities.save_many(dict(saves))


async def test_what_is_saved_is_loaded_equal(stores: Stores) -> None:
    key, save = campaign("c1", name="Été 🎈", nested={"a": [1, None, 2**62, b"\x00\xff"]}, at=T0)
    assert await save_all(stores, (key, save)) == {key: SaveOutcome.SAVED}
    loaded = await stores.entities.load_many([key, EntityKey(Kind.CAMPAIGN, "absent")])
    assert loaded == {key: save.document}


async def test_a_save_replaces_the_whole_document(stores: Stores) -> None:
    key, first = campaign("c1", old=1)
    _, second = campaign("c1", version=2, new=2)
    await save_all(stores, (key, first))
    await save_all(stores, (key, second))
    assert (await stores.entities.load_many([key]))[key] == second.document


async def test_creating_twice_is_a_conflict(stores: Stores) -> None:
    key, save = campaign("c1", by="first")
    await save_all(stores, (key, save))
    assert await save_all(stores, campaign("c1", by="second")) == {key: SaveOutcome.CONFLICT}
    assert (await stores.entities.load_many([key]))[key]["by"] == "first"


@pytest.mark.parametrize("version", [2, 3, 5])
async def test_a_write_that_expects_another_version_changes_nothing(stores: Stores, version: int) -> None:
    for v in (1, 2, 3):
        await save_all(stores, campaign("c1", version=v, by=f"v{v}"))
    key, save = campaign("c1", version=version, by="stale")
    assert await save_all(stores, (key, save)) == {key: SaveOutcome.CONFLICT}
    assert (await stores.entities.load_many([key]))[key]["by"] == "v3"


async def test_of_two_writers_exactly_one_wins_every_round(stores: Stores) -> None:
    key, save = campaign("c1")
    await save_all(stores, (key, save))
    for version in range(2, 12):
        outcomes = await asyncio.gather(
            *(save_all(stores, campaign("c1", version=version, by=writer)) for writer in "ab")
        )
        got = [outcome[key] for outcome in outcomes]
        assert sorted(got) == [SaveOutcome.CONFLICT, SaveOutcome.SAVED]
        winner = "ab"[got.index(SaveOutcome.SAVED)]
        document = (await stores.entities.load_many([key]))[key]
        assert (document["version"], document["by"]) == (version, winner)


@pytest.mark.parametrize(
    "poison",
    [{"x": 2**63}, {"x": "\ud800"}, {"a\x00b": 1}, {"x": {1: 2}}, {"x": b"x" * (16 * 1024 * 1024)}],
    ids=["65 bits", "half a surrogate pair", "NUL in a key", "number as key", "too large"],
)
async def test_an_unencodable_document_harms_no_neighbour(stores: Stores, poison: dict[Any, Any]) -> None:
    await save_all(stores, campaign("raced"))
    bad, bad_save = campaign("bad")
    bad_save.document.update(poison)
    good = [campaign(f"good{n}") for n in range(3)]
    outcomes = await save_all(stores, good[0], (bad, bad_save), campaign("raced"), good[1], good[2])
    assert outcomes.pop(bad) is SaveOutcome.UNENCODABLE
    assert outcomes.pop(EntityKey(Kind.CAMPAIGN, "raced")) is SaveOutcome.CONFLICT
    assert outcomes == {key: SaveOutcome.SAVED for key, _ in good}
    assert set(await stores.entities.load_many([bad, *(key for key, _ in good)])) == {k for k, _ in good}


async def test_a_bulk_of_a_thousand_tells_each_outcome(stores: Stores) -> None:
    taken = [campaign(f"c{n}") for n in range(0, 1000, 100)]
    await save_all(stores, *taken)
    saves = dict(campaign(f"c{n}", n=n) for n in range(1000))
    outcomes = await stores.entities.save_many(saves)
    assert {k for k, o in outcomes.items() if o is SaveOutcome.CONFLICT} == {k for k, _ in taken}
    assert sum(o is SaveOutcome.SAVED for o in outcomes.values()) == 990


async def test_loads_more_ids_than_a_query_takes_and_several_kinds(stores: Stores) -> None:
    saves = dict(campaign(f"c{n}", n=n) for n in range(120)) | dict([account("1", "acme")])
    await stores.entities.save_many(saves)
    loaded = await stores.entities.load_many([*saves, EntityKey(Kind.LINK, "c1")])
    assert loaded == {key: save.document for key, save in saves.items()}


async def test_connections_are_found_across_orgs(stores: Stores) -> None:
    await save_all(stores, account("1", "globex"), account("1", "acme"), account("2", "acme"))
    found = await stores.entities.connections("twitter", ["1", "2", "3"])
    assert found == {"1": ["twitter:1:acme", "twitter:1:globex"], "2": ["twitter:2:acme"]}
    assert await stores.entities.connections("instagram", ["1"]) == {}
    many = [str(n) for n in range(1000, 1110)]
    await stores.entities.save_many(dict(account(n, "acme") for n in many))
    assert len(await stores.entities.connections("twitter", many)) == 110


async def test_due_is_ascending_within_partition_and_time(stores: Stores) -> None:
    def due(name: str, seconds: int | None, partition: int = 7) -> tuple[EntityKey, Save]:
        at = None if seconds is None else T0 + timedelta(seconds=seconds)
        return campaign(name, next_due_at=at, partition=partition)

    seconds = {"late": 61, "exact": 60, "b": 5, "a": 5, "z": -900, "never": None}
    await save_all(stores, due("x", 1, 8), *(due(name, at) for name, at in seconds.items()))
    found = await stores.entities.due(Kind.CAMPAIGN, 7, T0 + timedelta(seconds=60), 10)
    assert [name for _, name, _ in found] == ["z", "a", "b", "exact"]
    assert {urgency for _, _, urgency in found} == {0}
    assert found[1][0] == T0 + timedelta(seconds=5)
    assert await stores.entities.due(Kind.CAMPAIGN, 7, T0 + timedelta(seconds=60), 2) == found[:2]
    assert await stores.entities.due(Kind.ACCOUNT, 7, T0 + timedelta(seconds=60), 2) == []


async def test_pages_are_newest_first_without_gap_or_repetition(stores: Stores) -> None:
    # Many of one moment, so that pages end in the middle of it.
    saves = dict(
        campaign(f"c{n:02}", createdAt=T0 + timedelta(seconds=n // 7), org="globex" if n == 3 else "acme")
        for n in range(24)
    )
    await stores.entities.save_many(saves)
    wanted = [f"c{n:02}" for n in sorted(range(24), key=lambda n: (n // 7, n), reverse=True) if n != 3]
    for limit in (1, 4, 5, 23, 24):
        got: list[str] = []
        after: Cursor | None = None
        while True:
            page = await stores.entities.page(Kind.CAMPAIGN, "acme", limit, after)
            assert len(page.documents) <= limit
            got += [document["_id"] for document in page.documents]
            if page.next is None:
                break
            after = page.next
        assert got == wanted, limit
