"""Platforms that let others do nothing with products say so, each in its own words."""

from datetime import UTC, datetime

import pytest

from domain.secrets import Secret
from platforms import registry
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.no_commerce import NoCommerce
from platforms.outcome import Rejected
from tests.unit.platforms.support import Answers

NAMES = ("twitter", "youtube")


@pytest.mark.parametrize("name", NAMES)
async def test_every_call_is_answered_by_its_sentence(name: str) -> None:
    commerce = registry.get(name).commerce
    assert isinstance(commerce, NoCommerce)
    missing = commerce.missing
    assert set(missing) == {"catalogs", "products", "upsert", "orders", "tags"}
    assert all(sentence.endswith(".") for sentence in missing.values())
    app = PlatformApp("a", name, "c", Secret("s"), ())
    access = Access(Answers(), app, Secret("t"), "1")
    for what, outcome in (
        ("catalogs", await commerce.catalogs(access)),
        ("products", await commerce.products(access, "1", None)),
        ("upsert", await commerce.upsert(access, "1", [])),
        ("upsert", await commerce.batch(access, "1", "h")),
        ("orders", await commerce.orders(access, datetime.now(UTC), None)),
    ):
        assert outcome == Rejected("unsupported", missing[what])
