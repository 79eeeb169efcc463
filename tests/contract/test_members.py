from storage.mongo.members import CHUNK, COLLECTION
from tests.contract.conftest import Stores


async def test_members_are_found_by_org_and_reference(stores: Stores) -> None:
    rows = [
        {"_id": f"{org}|cmp_1|{ref}", "org": org, "campaign": "cmp_1", "ref": ref, "rev": 1}
        for org in ("acme", "globex")
        for ref in ("content:twitter:1:acme|5", "account:twitter:1:acme", "link:spring")
    ]
    await stores.sides.upsert_many(COLLECTION, rows)
    found = await stores.members.find("acme", ["account:twitter:1:acme", "link:spring", "link:autumn"])
    assert sorted(row["_id"] for row in found) == [
        "acme|cmp_1|account:twitter:1:acme",
        "acme|cmp_1|link:spring",
    ]
    assert await stores.members.find("acme", []) == []
    assert await stores.members.find("initech", ["link:spring"]) == []


async def test_more_references_than_one_query_takes_are_all_found(stores: Stores) -> None:
    refs = [f"link:{n}" for n in range(2 * CHUNK + 1)]
    rows = [{"_id": f"acme|cmp_1|{ref}", "org": "acme", "ref": ref, "rev": 1} for ref in refs]
    await stores.sides.upsert_many(COLLECTION, rows)
    assert {row["ref"] for row in await stores.members.find("acme", refs)} == set(refs)
