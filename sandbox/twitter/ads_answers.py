"""What X's Ads API answers: rows, pages of rows, and what is wrong with a parameter."""

from typing import Any

from sandbox.twitter.errors import Refused, ads_error
from sandbox.web import Call, Reply, json_reply

LISTED_AT_MOST = 1000


def listed(call: Call, rows: list[dict[str, Any]]) -> Reply:
    """Cursors are places in the list; the last page has none."""
    text, cursor = call.query.get("count", "200"), call.query.get("cursor", "c0")
    if not text.isdigit() or not 1 <= int(text) <= LISTED_AT_MOST:
        raise wrong(call, "count", f"count must be from 1 to {LISTED_AT_MOST}")
    if not cursor.startswith("c") or not cursor[1:].isdigit():
        raise wrong(call, "cursor", "cursor is not one that this resource gave")
    start, size = int(cursor[1:]), int(text)
    following = f"c{start + size}" if start + size < len(rows) else None
    body: dict[str, Any] = {"data": rows[start : start + size], "next_cursor": following}
    if call.query.get("with_total_count") == "true":
        body["total_count"] = len(rows)
    return json_reply(body | echoed(call))


def answered(call: Call, row: dict[str, Any], status: int = 200) -> Reply:
    return json_reply({"data": row} | echoed(call), status)


def echoed(call: Call) -> dict[str, Any]:
    account = {"account_id": call.params["account"]} if "account" in call.params else {}
    return {"request": {"params": {**call.query, **account}}}


def wrong(call: Call, parameter: str, message: str) -> Refused:
    value = call.query.get(parameter, "")
    return Refused(ads_error(400, "INVALID_PARAMETER", message, parameter, value))
