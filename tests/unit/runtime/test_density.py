"""A small form of `python -m bench density`: bytes that stay allocated, not those that a process has."""

import gc
import tracemalloc
from datetime import timedelta

import pytest

from actors.runtime.activations import REST_S
from bench.colony import FOREVER, Colony, account

PER_ACCOUNT = 4096
ACCOUNTS = 200  # with forty, what all of them share weighs a quarter of the whole
BATCH = 20


@pytest.mark.heavy
async def test_pain_20_a_live_account_at_rest_takes_less_than_4_kb_and_wakes_up_as_it_was() -> None:
    colony = Colony()
    await colony.begin()
    active = colony.host.owner.turns.active
    tracemalloc.start()
    try:
        await _lived(colony, range(1000, 1000 + BATCH))  # caches, and what the last batch leaves
        before = _allocated()
        for start in range(0, ACCOUNTS, BATCH):
            await _lived(colony, range(start, start + BATCH))
        grown = _allocated() - before
    finally:
        tracemalloc.stop()
    assert active.resting == ACCOUNTS + BATCH
    assert grown / ACCOUNTS < PER_ACCOUNT
    for n in range(ACCOUNTS):
        view = await colony.host.view(account(n).key)
        assert view["token"]["refreshes"] >= 1
        assert view["counters"]["webhooks"] == 20
        assert all(source["backfilled"] for source in view["sync"].values())


async def test_pain_20_nothing_is_kept_of_passive_accounts() -> None:
    colony = Colony()
    await colony.begin()
    await _lived(colony, range(10))
    colony.clock.advance(timedelta(hours=1))
    await colony.host._passivate()
    assert colony.kept() == dict.fromkeys(colony.kept(), 0)


async def _lived(colony: Colony, numbers: range) -> None:
    await colony.live([account(n) for n in numbers])
    colony.clock.advance(timedelta(seconds=REST_S + 1))
    colony.host.owner.turns.active.passivate(FOREVER)
    colony.forget()


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
