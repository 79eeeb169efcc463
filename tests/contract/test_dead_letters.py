from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from storage.records import DeadLetter
from tests.contract.conftest import Stores

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)


def letter(n: int, org: str | None = "acme") -> DeadLetter:
    at = T0 + timedelta(seconds=n // 3)
    return DeadLetter(f"d{n:02}", org, "account/twitter:1:acme", f"e{n}", b"\x00sealed", "KeyError: 'x'", at)


async def test_the_first_letter_of_an_id_stays(stores: Stores) -> None:
    await stores.dead_letters.put([letter(1)])
    await stores.dead_letters.put([replace(letter(1), reason="another"), letter(2)])
    assert await stores.dead_letters.get("d01") == letter(1)
    assert await stores.dead_letters.get("d02") == letter(2)
    assert await stores.dead_letters.get("d03") is None


async def test_listed_newest_first_by_org_or_all(stores: Stores) -> None:
    letters = [letter(n, org=("acme", "globex", None)[n % 3]) for n in range(12)]
    await stores.dead_letters.put(letters)
    newest = sorted(letters, key=lambda d: (d.failed_at, d.id), reverse=True)
    assert await stores.dead_letters.list(None, 50) == newest
    assert await stores.dead_letters.list("acme", 50) == [d for d in newest if d.org == "acme"]
    first = await stores.dead_letters.list(None, 5)
    assert first + await stores.dead_letters.list(None, 50, after=first[-1].id) == newest
    assert await stores.dead_letters.list(None, 50, after="nobody") == []


async def test_a_replay_is_recorded(stores: Stores) -> None:
    await stores.dead_letters.put([letter(1)])
    await stores.dead_letters.mark_replayed("d01", T0 + timedelta(hours=1))
    await stores.dead_letters.mark_replayed("nobody", T0)
    assert await stores.dead_letters.get("d01") == replace(letter(1), replayed_at=T0 + timedelta(hours=1))


async def test_a_reason_with_half_a_character_is_kept_readable(stores: Stores) -> None:
    await stores.dead_letters.put([replace(letter(1), reason="bad \ud800 text")])
    kept = await stores.dead_letters.get("d01")
    assert kept is not None
    assert kept.reason == "bad ? text"


async def test_letters_of_one_entity_are_forgotten_page_by_page(stores: Stores) -> None:
    other = replace(letter(8), entity="account/twitter:2:acme")
    await stores.dead_letters.put([letter(1), letter(2), letter(3), other, letter(9, "globex")])
    entity = "account/twitter:1:acme"
    assert [await stores.dead_letters.forget("acme", entity, 2) for _ in range(3)] == [2, 1, 0]
    assert [d.id for d in await stores.dead_letters.list(None, 50)] == ["d09", "d08"]
