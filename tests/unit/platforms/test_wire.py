"""Reading JSON of any quality."""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms import wire

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4))
READERS: list[Callable[..., object]] = [
    wire.text_at,
    wire.words_at,
    wire.id_at,
    wire.account_id_at,
    wire.count_at,
    wire.moment_at,
    wire.secret_at,
    wire.flag_at,
]


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    try:
        value = wire.decode(body)
    except wire.NotJson:
        return
    assert wire.decode(wire.encode(value)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NaN",
        b'{"a":Infinity}',
        b"{",
        b"\xff",
        b"[" * 65 + b"]" * 65,
        b"[" * 200_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(wire.NotJson):
        wire.decode(body)


def test_64_levels_and_many_brackets_are_fine() -> None:
    assert wire.decode(b"[" * 64 + b"]" * 64)
    assert wire.decode(b"[" + b"[]," * 500 + b"{}]")
    assert wire.decode(b'"' + b"[" * 500 + b'"') == "[" * 500


def test_numbers_and_text_that_other_parsers_lose() -> None:
    document = wire.decode(
        b'{"id":92233720368547758079,"s":"\\ud800x","n":1e999,"long":' + b"9" * 5000 + b"}"
    )
    assert isinstance(document, dict)
    assert wire.id_at(document, "id") == "92233720368547758079"
    assert wire.count_at(document, "id") == wire.INT64_MAX
    assert wire.count_at(document, "long") == wire.INT64_MAX
    assert wire.words_at(document, "s") == "\ufffdx"
    assert b"\\ud800x" in wire.encode(document), "the payload keeps it"


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("a\ud800\udc00é😀")))
def test_every_text_that_is_read_can_be_stored_and_sent(text: str) -> None:
    """Cursors, statuses and names go where lone surrogates cannot; offsets into the text stay right."""
    found, (listed,) = wire.text_at({"a": text}, "a"), wire.strings({"a": [text]}, "a")
    assert found == listed and found is not None
    found.encode()
    assert len(found) == len(text)


@settings(deadline=None)
@given(VALUES, st.text())
def test_readers_take_any_value(value: object, key: str) -> None:
    for holder in (value, {key: value}, {key: [value]}):
        for read in READERS:
            read(holder, key)
        list(wire.objects(holder, key))
        list(wire.strings(holder, key))
        wire.mapping(holder, key, key)


@settings(deadline=None)
@given(st.text(alphabet=st.characters()) | st.text(alphabet=st.sampled_from("a\ud800\udc00\0é\u0301😀")))
def test_clean_text_is_valid_and_stays_so(text: str) -> None:
    cleaned = wire.clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert wire.clean(cleaned) == cleaned


@settings(deadline=None)
@given(VALUES)
def test_counters_fit_the_store_and_are_never_negative(value: object) -> None:
    found = wire.count_at({"n": value}, "n")
    assert found is None or 0 <= found <= wire.INT64_MAX


@pytest.mark.parametrize("value", [True, False, -1, "-1", "x", None, [], "²", ""])
def test_what_is_no_counter(value: object) -> None:
    assert wire.count_at({"n": value}, "n") is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-20T09:00:00.123Z", datetime(2026, 11, 20, 9, 0, 0, 123_000, UTC)),
        ("2026-11-03T09:15:22+0000", datetime(2026, 11, 3, 9, 15, 22, tzinfo=UTC)),
        ("2026-11-03T09:15:22+02:00", datetime(2026, 11, 3, 7, 15, 22, tzinfo=UTC)),
        ("2026-11-03T09:15:22", datetime(2026, 11, 3, 9, 15, 22, tzinfo=UTC)),
        (1793698803, datetime(2026, 11, 3, 9, 40, 3, tzinfo=UTC)),
        (1793698900321, datetime(2026, 11, 3, 9, 41, 40, 321_000, UTC)),
        ("1793698900321", datetime(2026, 11, 3, 9, 41, 40, 321_000, UTC)),
        ("yesterday", None),
        (10**400, None),
        (True, None),
    ],
)
def test_moments(value: object, moment: datetime | None) -> None:
    assert wire.moment_at({"t": value}, "t") == moment


@pytest.mark.parametrize("token", ["", "with space", "line\nbreak", "ü", 7, None])
def test_what_is_no_token(token: object) -> None:
    assert wire.secret_at({"t": token}, "t") is None


def test_digests_depend_on_values_not_on_order() -> None:
    one, other = json.loads('{"a":1,"b":[2]}'), json.loads('{"b":[2],"a":1}')
    assert wire.digest("x", one) == wire.digest("x", other)
    assert wire.digest("x", one) != wire.digest("y", one)
    assert not math.isnan(len(wire.digest(one)))


@settings(deadline=None)
@given(VALUES)
def test_a_packed_value_reads_back(value: object) -> None:
    try:
        read = wire.decode(wire.encode(value))
    except wire.NotJson:  # what no platform can send
        return
    assert wire.decode(wire.packed(read)) == read


@pytest.mark.parametrize("odd", [2**64, -(2**80), "\ud800x"])
def test_what_the_fast_encoder_refuses_is_packed_all_the_same(odd: object) -> None:
    assert wire.decode(wire.packed({"a": odd})) == {"a": odd}


@pytest.mark.parametrize("text", ["}]", "[[{{", '"{', "{}[]"])
def test_brackets_inside_of_texts_are_no_nesting(text: str) -> None:
    deep = b"[" * wire.MAX_DEPTH + b"1" + b"]" * wire.MAX_DEPTH
    assert wire.decode(b'{"a":%s}' % wire.encode(text)) == {"a": text}
    assert wire.decode(deep[1:-1]) is not None
    with pytest.raises(wire.NotJson):
        wire.decode(b'{"t":%s,"a":%s}' % (wire.encode(text), deep))


CHANNEL = re.compile(r"UC[A-Za-z0-9_-]{22}")
CHANNEL_ID = "UC_x5XG1OV2P6uZZ5FSM9Tt-"


@pytest.mark.parametrize(
    "value", [CHANNEL_ID, "UC", CHANNEL_ID + "x", "1900\n", "１９", "1" * 33, "-1", "1.5"]
)
def test_ids_of_accounts_are_decimal_unless_a_platform_says_otherwise(value: str) -> None:
    assert wire.account_id_at({"id": value}, "id") is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (CHANNEL_ID, CHANNEL_ID),
        ("17841400000000001", None),
        (17841400000000001, None),
        (CHANNEL_ID + "\n", None),
        ("UC/../../x/y/z/a/b/c/d/e", None),
        (None, None),
    ],
)
def test_a_shape_of_its_own_takes_nothing_else(value: object, found: str | None) -> None:
    assert wire.account_id_at({"id": value}, "id", shape=CHANNEL) == found
