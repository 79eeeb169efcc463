"""Documents beside an entity: in which order they follow its save."""

import asyncio
from typing import Any

import pytest

from actors.runtime.activation import Runtime
from actors.runtime.activations import write_sides
from storage.records import RECEIPTS
from tests.fakes.documents import FakeSideStore

RECEIPT, REST = next(iter(RECEIPTS)), ("social_ad_days", "social_content")


async def test_a_receipt_is_written_when_everything_it_speaks_of_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = FakeSideStore()
    upsert, gate = store.upsert_many, asyncio.Event()
    written: list[str] = []

    async def slowly(collection: str, *arguments: Any, **options: Any) -> None:
        if collection == REST[-1]:
            await gate.wait()
        await upsert(collection, *arguments, **options)
        written.append(collection)

    monkeypatch.setattr(store, "upsert_many", slowly)
    sides = tuple((name, {"_id": "x", "rev": 1}) for name in (RECEIPT, *REST))
    writing = asyncio.create_task(write_sides(store, [Runtime(sides=sides)]))
    await asyncio.sleep(0.01)
    assert written == [REST[0]], "the others do not wait for each other"
    gate.set()
    await writing
    assert written == [*REST, RECEIPT]
