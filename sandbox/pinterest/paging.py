"""Bookmarks: opaque, good for one listing. Source: developers.pinterest.com "Pagination"."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from sandbox.pinterest.errors import wrong
from sandbox.web import Call, Reply, json_reply

PAGE, PAGE_AT_MOST = 25, 250


def page_size(call: Call) -> int:
    told = call.query.get("page_size", str(PAGE))
    if not told.isdigit() or not 1 <= int(told) <= PAGE_AT_MOST:
        raise wrong(f"'page_size' must be from 1 to {PAGE_AT_MOST}.")
    return int(told)


def bookmark(listing: str, *position: object) -> str:
    text = "|".join([listing, *map(str, position)])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position(call: Call, listing: str, length: int) -> list[int] | None:
    """Where the bookmark of the call points; None without one."""
    told = call.query.get("bookmark")
    if not told:
        return None
    try:
        text = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode()
        name, *numbers = text.split("|")
        found = [int(number) for number in numbers]
    except (binascii.Error, ValueError):
        raise wrong("Invalid bookmark.") from None
    if name != listing or len(found) != length:
        raise wrong("Invalid bookmark.")
    return found


def listed(call: Call, listing: str, rows: Sequence[Any]) -> Reply:
    """A page of a list that is only ever added to at its end."""
    size, at = page_size(call), position(call, listing, 1)
    start = at[0] if at else 0
    end = start + size
    following = bookmark(listing, end) if end < len(rows) else None
    return json_reply({"items": list(rows[start:end]), "bookmark": following})
