"""Files of drafts, in an object store: a folder by default, S3 or another by its address (E8).

`obstore` speaks to both; nothing here holds a whole file in memory.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from storage.records import StoreMisconfigured, StoreUnavailable

PIECE = 1024 * 1024


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

    async def delete(self, media_id: str) -> None:
        """Gone afterwards, also when it was before."""
        try:
            await obstore.delete_async(self._store, media_id)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise StoreUnavailable("the object store did not answer") from error
