"""Files that are packed: as much as is wanted comes out of them, and no more is unpacked."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.gzipped import Cut, TooLarge, unpacked


@given(st.binary(max_size=2000))
def test_what_was_packed_comes_out(content: bytes) -> None:
    assert unpacked(gzip.compress(content), len(content)) == content
    if content:
        with pytest.raises(TooLarge):
            unpacked(gzip.compress(content), len(content) - 1)


def test_what_is_not_packed_stays() -> None:
    assert unpacked(b'{"data": []}', 5) == b'{"data": []}'
    assert unpacked(b"", 5) == b""


@given(st.binary(min_size=1, max_size=500), st.data())
def test_half_a_file_is_none(content: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(content)
    with pytest.raises(Cut):
        unpacked(packed[: data.draw(st.integers(2, len(packed) - 1))], 1000)


def test_a_damaged_file_is_none() -> None:
    packed = bytearray(gzip.compress(b"numbers" * 50))
    packed[len(packed) // 2] ^= 255
    with pytest.raises(Cut):
        unpacked(bytes(packed), 1000)


def test_a_bomb_is_not_unpacked() -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 300_000, "a quarter of a gigabyte"
    tracemalloc.start()
    with pytest.raises(TooLarge):
        unpacked(bomb, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
