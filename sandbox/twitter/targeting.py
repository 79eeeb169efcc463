"""Whom line items of X are shown to: criteria, made one by one or in a batch, and the countries they name.

Source: docs.x.com x-ads-api/campaign-management/reference ("Targeting Criteria", "Targeting Options"): a
batch is made as a whole or not at all, and says for each of its items what is wrong with it. Countries alone
are emulated. X takes the same criterion twice as far as is known (unconfirmed): so does the sandbox.
"""

from typing import Any

import orjson

from sandbox.clock import iso_z
from sandbox.ids import secret
from sandbox.state import State
from sandbox.twitter.ad_books import COUNTRIES, CRITERIA, Book, criterion, place_id
from sandbox.twitter.ads_answers import Params, Problem, answered, listed, missing, one_of
from sandbox.twitter.errors import Refused, ads_error
from sandbox.web import Call, Reply, json_reply

BATCH_AT_MOST = 500
_REQUIRED = ("line_item_id", "operator_type", "targeting_type", "targeting_value")
_PLACES = {place_id(country): country for country in COUNTRIES}
_LOCATION_TYPES = ("COUNTRIES", "REGIONS", "METROS", "CITIES", "POSTAL_CODES")
_KEYWORD = "KEYWORD"
_TYPES = ("AGE", "DEVICE", "FOLLOWERS_OF_USER", "GENDER", "INTEREST", "LANGUAGE", "LOCATION", "PLATFORM")


class Targeting:
    def __init__(self, state: State) -> None:
        self._state = state

    async def locations(self, call: Call, _: Book) -> Reply:
        """Countries; of what is smaller the sandbox knows none."""
        if (wrong := one_of(call.query, "location_type", _LOCATION_TYPES)) is not None:
            raise wrong.refused()
        only, named = call.query.get("country_code"), call.query.get("q", "").casefold()
        found = [
            {
                "name": name,
                "country_code": code,
                "location_type": "COUNTRIES",
                "targeting_value": place_id(code),
                "targeting_type": "LOCATION",
            }
            for code, name in COUNTRIES.items()
            if only in (None, code) and named in name.casefold()
        ]
        return listed(call, found if call.query.get("location_type", "COUNTRIES") == "COUNTRIES" else [])

    async def listed(self, call: Call, book: Book) -> Reply:
        if (absent := missing(call.query, ("line_item_ids",))) is not None:
            raise absent.refused()
        wanted = call.query["line_item_ids"].split(",")
        rows = [row for row in book.rows[CRITERIA] if row["line_item_id"] in wanted]
        deleted = call.query.get("with_deleted") == "true"
        return listed(call, [row for row in rows if deleted or not row["deleted"]])

    async def create(self, call: Call, book: Book) -> Reply:
        if (problem := criterion_refused(book, call.query)) is not None:
            raise problem.refused()
        return answered(call, self._made(book, call.query), 201)

    async def batch(self, call: Call, book: Book) -> Reply:
        items = _items_of(call)
        problems = [_item_refused(book, kind, params) for kind, params in items]
        request = [{"params": dict(p) | {"account_id": book.id}, "operation_type": k} for k, p in items]
        if any(problems):
            errors = [[problem.error()] if problem is not None else [] for problem in problems]
            return json_reply({"operation_errors": errors, "request": request}, 400)
        rows = [
            self._made(book, params) if kind == "Create" else self._deleted(book, params)
            for kind, params in items
        ]
        return json_reply({"data_type": "targeting_criterion", "data": rows, "request": request}, 201)

    def _made(self, book: Book, params: Params) -> dict[str, Any]:
        id_ = secret(6, book.id, "criterion", self._state.world.ids.numbered("", 6)).lower()
        country = _PLACES[params["targeting_value"]]
        item, operator = params["line_item_id"], params["operator_type"]
        row = criterion(id_, item, country, self._state.clock.now_ms(), operator)
        book.rows[CRITERIA].append(row)
        return row

    def _deleted(self, book: Book, params: Params) -> dict[str, Any]:
        row = book.row(CRITERIA, params["targeting_criterion_id"])
        assert row is not None
        row |= {"deleted": True, "updated_at": iso_z(self._state.clock.now_ms())}
        return row


def criterion_refused(book: Book, params: Params) -> Problem | None:
    if (absent := missing(params, _REQUIRED)) is not None:
        return absent
    if book.row("line_items", params["line_item_id"]) is None:
        text = "The line item does not exist"
        return Problem("LINE_ITEM_NOT_FOUND", text, "line_item_id", params["line_item_id"], 404)
    kind, value = params["targeting_type"], params["targeting_value"]
    if kind not in _TYPES and not kind.endswith(_KEYWORD):
        text = f'"{kind}" is not a targeting_type'
        return Problem("INVALID_TARGETING_TYPE", text, "targeting_type", kind)
    if kind != "LOCATION" or params["operator_type"] not in ("EQ", "NE"):
        return Problem("NOT_IMPLEMENTED", "The sandbox targets countries only.", status=501)
    if value not in _PLACES:
        text = f'"{value}" is not a targeting_value of {kind}'
        return Problem("INVALID_PARAMETER", text, "targeting_value", value)
    return None


def _item_refused(book: Book, kind: str, params: Params) -> Problem | None:
    if kind == "Create":
        return criterion_refused(book, params)
    if kind != "Delete":
        return Problem("INVALID_PARAMETER", "Expected a value in Create, Delete", "operation_type", kind)
    if (absent := missing(params, ("targeting_criterion_id",))) is not None:
        return absent
    if book.row(CRITERIA, params["targeting_criterion_id"]) is not None:
        return None
    text, name = "The targeting criterion does not exist", "targeting_criterion_id"
    return Problem("TARGETING_CRITERION_NOT_FOUND", text, name, params[name], 404)


def _items_of(call: Call) -> list[tuple[str, dict[str, str]]]:
    try:
        told = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        told = None
    typed = call.headers.get("content-type", "").startswith("application/json")
    if not typed or not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
        raise Refused(ads_error(400, "INVALID_PARAMETER", "A batch is a JSON array of objects."))
    if not 1 <= len(told) <= BATCH_AT_MOST:
        raise Refused(ads_error(400, "INVALID_PARAMETER", f"A batch has from 1 to {BATCH_AT_MOST} items."))
    return [(str(item.get("operation_type", "")), _texts(item.get("params"))) for item in told]


def _texts(params: object) -> dict[str, str]:
    told = params.items() if isinstance(params, dict) else ()
    return {str(name): str(value) for name, value in told if value is not None}
