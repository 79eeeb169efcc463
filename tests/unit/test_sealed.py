"""Where sealed values lie, and that each keeps its meaning and its place under another key."""

from typing import Any

import pytest

from storage.crypto import Keyring, field_aad, sealed_under
from storage.sealed import FIELDS, keys_in, resealed

OLD = Keyring.generate()
NEW = OLD.stage().promoted()


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def test_values_are_counted_wherever_they_are() -> None:
    old, new = OLD.seal(b"x", "a"), NEW.seal(b"x", "a")
    document = {
        "a": old,
        "b": {"c": [old, {"d": new}], "e": (old,)},
        "f": b'{"json": 1}',
        "g": "text",
        "h": 7,
    }
    assert keys_in(document, {OLD.active, NEW.active}) == {OLD.active: 3, NEW.active: 1}
    assert keys_in(document, {NEW.active}) == {NEW.active: 1}
    assert keys_in({b"e": old}, {OLD.active}) == {OLD.active: 1}  # fields of a stream's entry


@pytest.mark.parametrize(("collection", "path"), [(c, path) for c, paths in FIELDS.items() for path in paths])
def test_a_value_means_the_same_under_the_active_key(collection: str, path: str) -> None:
    aad = (
        "mail"
        if collection in ("dead_letters", "parked")
        else field_aad(collection, "id-1", path.partition(".")[2] or path)
    )
    old = OLD.seal(b"a secret", aad)
    (found,) = resealed(NEW, collection, {"_id": "id-1", **nested(path, old)})
    assert (found.path, found.old) == (path, old)
    assert sealed_under(found.new) == NEW.active
    assert NEW.open(found.new, aad) == b"a secret"
    assert resealed(NEW, collection, {"_id": "id-1", **nested(path, found.new)}) == []


@pytest.mark.parametrize(
    "value",
    [None, b"", b"sealed", OLD.seal(b"x", "elsewhere"), Keyring.generate().seal(b"x", "")],
    ids=["nothing", "empty", "short", "of another record", "of another key"],
)
def test_what_does_not_open_stays(value: bytes | None) -> None:
    assert resealed(NEW, "users", {"_id": "id-1", "email": value}) == []
    assert resealed(NEW, "users", {"_id": "id-1"}) == []
    assert resealed(NEW, "a collection without sealed fields", {"_id": "id-1", "email": value}) == []
