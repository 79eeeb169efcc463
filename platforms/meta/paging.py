"""Cursors of Graph lists: `paging{cursors{before,after},previous?,next?}`, and the older lists by time.

Source: docs/graph-api/results. A short or empty page is not the end; only a missing `next` is.
"""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from platforms.wire import Json, mapping, moment_at, objects, text_at

# What the `next` address of a list without cursors carries; everything else in it is our own question.
_PLACES = ("__paging_token", "until", "since", "offset", "page")


def next_cursor(document: Json, given: str | None) -> str | None:
    """Graph names an `after` cursor on the last page too: only `next` says that there is more. The same
    cursor again would never end."""
    paging = mapping(document, "paging")
    following = text_at(paging, "next")
    if following is None:
        return None
    after = text_at(mapping(paging, "cursors"), "after") or _place(following)
    return after if after != given else None


def cursor_query(cursor: str | None) -> dict[str, str]:
    """The parameters that continue a list."""
    if cursor is None:
        return {}
    return dict(parse_qsl(cursor[1:])) if cursor.startswith("?") else {"after": cursor}


def goes_on(edge: Json, field: str, since: datetime | None) -> bool:
    """Whether a list, newest first, holds more behind this page of it; with `since` only what is as new as
    that counts, by the moment in `field` of each row."""
    if text_at(mapping(edge, "paging"), "next") is None:
        return False
    moments = [at for row in objects(edge, "data") if (at := moment_at(row, field))]
    return since is None or not moments or min(moments) >= since


def _place(address: str) -> str | None:
    try:
        given = dict(parse_qsl(urlsplit(address).query))
    except ValueError:
        return None
    if "after" in given:
        return given["after"]
    found = {name: given[name] for name in _PLACES if name in given}
    return f"?{urlencode(found)}" if found else None
