"""Cursor pagination: `limit` and an opaque `cursor` in, `{items, next_cursor}` out."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from domain.errors import Invalid
from storage.records import Cursor, Document, Page

Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
CursorText = Annotated[
    str | None, Query(max_length=400, description="`next_cursor` of the page before.", alias="cursor")
]
_SCAN = 200  # documents per further query when a list is filtered here
_SCANS = 5  # queries per request


def encode_cursor(cursor: Cursor) -> str:
    ms = round(cursor.at.timestamp() * 1000)
    return urlsafe_b64encode(f"{ms} {cursor.id}".encode()).rstrip(b"=").decode()


def decode_cursor(text: str | None) -> Cursor | None:
    """Inverse of `encode_cursor`; Invalid for anything else."""
    if text is None:
        return None
    try:
        ms, _, id_ = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
        return Cursor(datetime.fromtimestamp(int(ms) / 1000, UTC), id_)
    except (ValueError, OverflowError, OSError):
        raise cursor_invalid() from None


def cursor_invalid() -> Invalid:
    return Invalid("cursor_invalid", "The cursor is not one that a page gave out.", field="cursor")


def page_json(items: Iterable[dict[str, Any]], after: Cursor | None) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": None if after is None else encode_cursor(after)}


async def filtered(
    fetch: Callable[[int, Cursor | None], Awaitable[Page]],
    keep: Callable[[Document], bool],
    limit: int,
    after: Cursor | None,
    by: str,
) -> Page:
    """A page of those documents that `keep`, for filters the store has no index for.

    Looks at no more than 1,000 documents: the page may be shorter than `limit`, or empty, and
    still have a next one. `by` is the field the list is ordered by.
    """
    kept: list[Document] = []
    for n in range(_SCANS):
        page = await fetch(_SCAN if n else limit, after)
        for document in page.documents:
            if keep(document):
                kept.append(document)
                if len(kept) == limit:
                    last = document is page.documents[-1]
                    cursor = page.next if last else Cursor(document[by], document["_id"])
                    return Page(kept, cursor)
        after = page.next
        if after is None:
            break
    return Page(kept, after)
