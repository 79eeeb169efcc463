"""Files of drafts, in an object store: a folder by default, S3 or another by its address (E8).

`obstore` speaks to both; nothing here holds a whole file in memory.
"""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from storage.records import StoreMisconfigured, StoreUnavailable

PIECE = 1024 * 1024


class _Readable(io.RawIOBase):
    """obstore's reader as Python's files are: it answers objects of its own where others want bytes."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def readinto(self, buffer: Any) -> int:
        piece = memoryview(self._reader.read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


class MediaObjects:
    """`platforms.capabilities.MediaReader`, and what writes the files it reads. Every method may raise
    StoreUnavailable; a file that is not there is KeyError."""

    def __init__(self, place: Path | str) -> None:
        """`place`: a folder, or an address such as s3://bucket/prefix, whose credentials the environment
        holds. Raises StoreMisconfigured."""
        try:
            self._store: ObjectStore = (
                LocalStore(place, mkdir=True) if isinstance(place, Path) else from_url(place)
            )
        except (BaseError, ValueError) as error:
            raise StoreMisconfigured(f"The object store {place} cannot be used: {error}.") from None

    async def put(self, media_id: str, chunks: AsyncIterator[bytes]) -> int:
        """Write a file, replacing one of that id; answers its size."""
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                yield chunk

        try:
            await obstore.put_async(self._store, media_id, counted(), chunk_size=8 * PIECE)
        except BaseError as error:
            raise StoreUnavailable("the object store did not take a file") from error
        return size

    async def read(self, media_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of at most 1 MiB."""
        for at in range(start, end, PIECE):
            try:
                piece = await obstore.get_range_async(
                    self._store, media_id, start=at, end=min(at + PIECE, end)
                )
            except FileNotFoundError:
                raise KeyError(media_id) from None
            except BaseError as error:
                raise StoreUnavailable("the object store did not answer") from error
            yield bytes(piece)

    def reader(self, media_id: str) -> BinaryIO:
        """A file to seek and read in, blocking: for a thread."""
        return io.BufferedReader(_Readable(obstore.open_reader(self._store, media_id)))

    async def delete(self, media_id: str) -> None:
        """Gone afterwards, also when it was before."""
        try:
            await obstore.delete_async(self._store, media_id)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise StoreUnavailable("the object store did not answer") from error
