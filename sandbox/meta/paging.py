"""Lists with cursors, as "Paginated results" of the Graph API guide."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sandbox.clock import parse_moment
from sandbox.meta.errors import Refused, graph_error
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Feed

VERSION = "v26.0"
_PAGE = 25


def page(
    call: Call,
    feed: Feed,
    most: int,
    keep: Callable[[Content], bool],
    show: Callable[[Content], dict[str, Any]],
) -> Reply:
    """One page of a feed, newest first. A page that asks for more than `most` gets `most`."""
    size = min(limit_of(call), most)
    if "before" in call.query:
        found, earlier = feed.newer(_key(call.query["before"]), size, keep)
        later = bool(found) and feed.older(found[-1].key, 1, keep)[0] != []
    else:
        start = _key(call.query["after"]) if "after" in call.query else None
        found, later = feed.older(start, size, keep)
        earlier = start is not None and bool(found)
    answer: dict[str, Any] = {"data": [show(content) for content in found]}
    if found:
        answer["paging"] = _paging(call, _cursor(found[0].key), _cursor(found[-1].key), earlier, later)
    return json_reply(answer)


def page_of(call: Call, rows: Sequence[Any], most: int, show: Callable[[Any], dict[str, Any]]) -> Reply:
    """One page of a plain list: cursors are places in it."""
    size = min(limit_of(call), most)
    start = _key(call.query["after"])[0] + 1 if "after" in call.query else 0
    if "before" in call.query:
        start = max(0, _key(call.query["before"])[0] - size)
    found = rows[start : start + size]
    answer: dict[str, Any] = {"data": [show(row) for row in found]}
    if found:
        last = start + len(found) - 1
        places = _cursor((start, 0)), _cursor((last, 0))
        answer["paging"] = _paging(call, *places, start > 0, last + 1 < len(rows))
    return json_reply(answer)


def paging_inside(
    address: str, arguments: Mapping[str, str], first: tuple[int, int], last: tuple[int, int], later: bool
) -> dict[str, Any]:
    """`paging` of an edge that came inside of an object, from its beginning. `address`: host and path of the
    edge; `first`, `last`: keys of its rows, as the lists of the same edge use them."""
    paging: dict[str, Any] = {"cursors": {"before": _cursor(first), "after": _cursor(last)}}
    if later:
        host, _, path = address.partition("/")
        query = urlencode({**arguments, "after": _cursor(last)})
        paging["next"] = f"https://{host}/{VERSION}/{path}?{query}"
    return paging


def limit_of(call: Call) -> int:
    text = call.query.get("limit", str(_PAGE))
    if not text.isdigit() or not int(text) >= 1:
        raise Refused(_bad_parameter("limit must be a positive number"))
    return int(text)


def moment(call: Call, name: str) -> int | None:
    """Unix milliseconds of a time in the query."""
    if name not in call.query:
        return None
    try:
        return parse_moment(call.query[name])
    except ValueError:
        raise Refused(_bad_parameter(f"{name} must be unix seconds or an ISO 8601 time")) from None


def _paging(call: Call, before: str, after: str, earlier: bool, later: bool) -> dict[str, Any]:
    paging: dict[str, Any] = {"cursors": {"before": before, "after": after}}
    if later:
        paging["next"] = _address(call, "after", after)
    if earlier:
        paging["previous"] = _address(call, "before", before)
    return paging


def _cursor(key: tuple[int, int]) -> str:
    return "QVFI" + base64.urlsafe_b64encode(f"{key[0]}.{key[1]}".encode()).decode().rstrip("=")


def _key(cursor: str) -> tuple[int, int]:
    try:
        text = cursor.removeprefix("QVFI")
        at, _, number = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
        return int(at), int(number)
    except (binascii.Error, ValueError, UnicodeDecodeError):
        raise Refused(_bad_parameter("Invalid cursor")) from None


def _address(call: Call, direction: str, cursor: str) -> str:
    query = {name: value for name, value in call.query.items() if name not in ("before", "after")}
    return f"https://{call.host}/{VERSION}{call.path}?{urlencode(query | {direction: cursor})}"


def _bad_parameter(message: str) -> Reply:
    return graph_error(100, f"(#100) {message}")
