from datetime import datetime, timedelta

from storage.records import Mail
from tests.contract.conftest import Stores

WHO = "instagram:178"


def mail(n: int, target: str = WHO) -> Mail:
    return Mail(target, f"e{n}", f"body {n}".encode())


async def test_taken_oldest_first_and_there_until_forgotten(stores: Stores) -> None:
    await stores.parking.park([mail(3), mail(1)], stores.clock.now())
    await stores.parking.park([mail(2), mail(9, "instagram:9")], stores.clock.now() + timedelta(seconds=1))
    await stores.parking.park([mail(0)], stores.clock.now() - timedelta(seconds=1))
    for _ in range(2):
        assert await stores.parking.take(WHO) == [mail(0), mail(3), mail(1), mail(2)]
    await stores.parking.forget(WHO, ["e3", "e0", "unknown"])
    assert await stores.parking.take(WHO) == [mail(1), mail(2)]
    assert await stores.parking.take("instagram:9") == [mail(9, "instagram:9")]
    assert await stores.parking.take("instagram:10") == []


async def test_parking_again_changes_nothing(stores: Stores) -> None:
    await stores.parking.park([mail(1), mail(2)], stores.clock.now())
    await stores.parking.park([Mail(WHO, "e1", b"other"), mail(1)], stores.clock.now() + timedelta(days=1))
    assert await stores.parking.take(WHO) == [mail(1), mail(2)]


async def test_a_target_holds_a_thousand(stores: Stores) -> None:
    def later(seconds: int) -> datetime:
        return stores.clock.now() + timedelta(seconds=seconds)

    park = stores.parking.park
    assert await park([mail(n) for n in range(990)], later(0)) == 0
    assert await park([mail(n) for n in range(990, 1020)], later(1)) == 20
    assert await park([mail(5000), mail(1, "instagram:9")], later(2)) == 1
    held = await stores.parking.take(WHO)
    assert held == [mail(n) for n in range(1000)]
    assert await stores.parking.counts(10) == {WHO: 1000, "instagram:9": 1}
    assert await stores.parking.counts(1) == {WHO: 1000}
    await stores.parking.forget(WHO, [m.event_id for m in held])
    assert await stores.parking.counts(10) == {"instagram:9": 1}


async def test_what_is_parked_already_needs_no_room_and_is_not_dropped(stores: Stores) -> None:
    """As after a process that ended between parking and deleting."""
    park, now = stores.parking.park, stores.clock.now()
    assert await park([mail(n) for n in range(995)], now) == 0
    assert await park([mail(n) for n in range(985, 1000)], now + timedelta(seconds=1)) == 0
    assert await park([mail(n) for n in range(990, 1003)], now + timedelta(seconds=2)) == 3
    assert await park([mail(2000), mail(2000)], now + timedelta(seconds=3)) == 1
    assert await stores.parking.take(WHO) == [mail(n) for n in range(1000)]
