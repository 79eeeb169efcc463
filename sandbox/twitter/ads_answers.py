"""What X's Ads API answers: rows, pages of rows, and what is wrong with a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.twitter.errors import Refused, ads_error, error_of
from sandbox.web import Call, Reply, json_reply

LISTED_AT_MOST = 1000
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not made. `code` is one of X's table of errors."""

    code: str
    message: str
    parameter: str | None = None
    value: str = ""
    status: int = 400

    def error(self) -> dict[str, Any]:
        return error_of(self.code, self.message, self.parameter, self.value)

    def refused(self) -> Refused:
        return Refused(ads_error(self.status, self.code, self.message, self.parameter, self.value))


def missing(params: Params, names: tuple[str, ...]) -> Problem | None:
    """The first that has to be there and is not. Worded as users of X's client libraries met it."""
    absent = next((name for name in names if not params.get(name)), None)
    if absent is None:
        return None
    return Problem("MISSING_PARAMETER", f'"{absent}" is a required parameter', absent)


def one_of(params: Params, name: str, allowed: tuple[str, ...]) -> Problem | None:
    value = params.get(name)
    if value is None or value in allowed:
        return None
    text = f'Expected a value in {", ".join(allowed)}, got "{value}" for {name}'
    return Problem("INVALID_PARAMETER", text, name, value)


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


def answered(call: Call, row: Any, status: int = 200) -> Reply:
    return json_reply({"data": row} | echoed(call), status)


def echoed(call: Call) -> dict[str, Any]:
    account = {"account_id": call.params["account"]} if "account" in call.params else {}
    return {"request": {"params": {**call.query, **account}}}


def wrong(call: Call, parameter: str, message: str) -> Refused:
    return Problem("INVALID_PARAMETER", message, parameter, call.query.get(parameter, "")).refused()
