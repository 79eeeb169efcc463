"""X's Ads API, versions 11 and 12: accounts, funding instruments, three levels of objects, their numbers.

An X account has one ad account. Source: docs.x.com "Ads API" (campaign management, rate limiting, errors),
X's own client library for fields and changes. Targeting and creatives are not emulated.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.ids import secret
from sandbox.limits import Rule, Window
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter.ad_books import BUDGETS, Book, account_row, campaign, seeded_book
from sandbox.twitter.ad_stats import FILE_HOST, FILES, JOBS_AT_ONCE, JOBS_FAMILY, Stats
from sandbox.twitter.ads_answers import answered, listed, wrong
from sandbox.twitter.errors import Refused, ads_error
from sandbox.twitter.oauth1 import Signatures
from sandbox.web import Call, Reply
from sandbox.world import Profile

HOSTS = ("ads-api.x.com", "ads-api.twitter.com")
RULES = {
    "ads": Rule(10_000, 900),
    "ads_stats": Rule(250, 900),
    "ads_write": Rule(450, 60),
    JOBS_FAMILY: JOBS_AT_ONCE,
}


Handler = Callable[[Call, Book], Awaitable[Reply]]


class Ads:
    def __init__(self, state: State, signatures: Signatures) -> None:
        self._state, self._signatures, self._stats = state, signatures, Stats(state)
        self._books: dict[str, Book] = {}

    def operations(self) -> list[Operation]:
        def op(method: str, path: str, handler: Handler, family: str = "ads") -> Operation:
            return Operation("twitter", HOSTS, method, f"/:version/{path}", self._guarded(handler, family))

        level = "accounts/:account/:level"
        return [
            op("GET", "accounts", self.accounts),
            op("GET", "accounts/:account", self.account),
            op("GET", "stats/accounts/:account", self._stats.now, "ads_stats"),
            op("POST", "stats/jobs/accounts/:account", self._stats.ask, "ads_write"),
            op("GET", "stats/jobs/accounts/:account", self._stats.jobs),
            Operation("twitter", (FILE_HOST,), "GET", f"{FILES}/:name", self._stats.file),
            op("GET", level, self.listed),
            op("POST", level, self.create, "ads_write"),
            op("GET", f"{level}/:id", self.show),
            op("PUT", f"{level}/:id", self.change, "ads_write"),
            op("DELETE", f"{level}/:id", self.delete, "ads_write"),
        ]

    async def accounts(self, call: Call, book: Book) -> Reply:
        return listed(call, [account_row(book)])

    async def account(self, call: Call, book: Book) -> Reply:
        return answered(call, account_row(book))

    async def listed(self, call: Call, book: Book) -> Reply:
        rows = self._rows(call, book)
        if call.query.get("with_deleted") != "true":
            rows = [row for row in rows if not row["deleted"]]
        return listed(call, rows)

    async def show(self, call: Call, book: Book) -> Reply:
        return answered(call, self._row(call, book))

    async def create(self, call: Call, book: Book) -> Reply:
        if call.params["level"] != "campaigns":
            raise Refused(ads_error(501, "NOT_IMPLEMENTED", "The sandbox creates campaigns only."))
        name, funding = call.query.get("name", ""), call.query.get("funding_instrument_id", "")
        if not name:
            raise wrong(call, "name", "The parameter name is required")
        if funding not in {row["id"] for row in book.rows["funding_instruments"]}:
            raise wrong(call, "funding_instrument_id", "The funding instrument does not exist")
        changes = _changes(call)
        now = self._state.clock.now_ms()
        row = campaign(secret(6, book.id, "campaign", self._state.world.ids.numbered("", 6)), funding, now)
        row |= changes
        book.rows["campaigns"].append(row)
        return answered(call, row, 201)

    async def change(self, call: Call, book: Book) -> Reply:
        row = self._row(call, book)
        if call.params["level"] not in ("campaigns", "line_items"):
            raise Refused(ads_error(405, "METHOD_NOT_ALLOWED", "This resource cannot be changed."))
        row |= _changes(call) | {"updated_at": iso_z(self._state.clock.now_ms())}
        return answered(call, row)

    async def delete(self, call: Call, book: Book) -> Reply:
        row = self._row(call, book)
        row |= {"deleted": True, "updated_at": iso_z(self._state.clock.now_ms())}
        return answered(call, row)

    def _guarded(self, handler: Handler, family: str) -> Callable[[Call], Awaitable[Reply]]:
        async def guarded(call: Call) -> Reply:
            try:
                book, app = self._caller(call)
                window = self._spend(book, app, family)
                try:
                    reply = await handler(call, book)
                except Refused as refused:
                    reply = refused.reply
            except Refused as refused:
                return refused.reply
            reply.headers |= _rate_headers(window) | {"x-current-api-version": "12"}
            return reply

        return guarded

    def _caller(self, call: Call) -> tuple[Book, PlatformApp]:
        if call.params["version"] not in ("11", "12"):
            raise Refused(ads_error(410, "VERSION_NOT_SUPPORTED", "This version is not supported"))
        found = self._signatures.verified(call)
        if found is None:
            raise Refused(ads_error(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated"))
        app, grant = found
        book = self._book(self._state.world.accounts["twitter", grant.external_id])
        if call.params.get("account", book.id) != book.id:
            raise Refused(ads_error(404, "NOT_FOUND", "The account does not exist", "account_id"))
        return book, app

    def _spend(self, book: Book, app: PlatformApp, family: str) -> Window:
        now = self._state.clock.now_ms()
        window = self._state.limits.spend("twitter", family, "account", book.id, RULES[family], now)
        if window.exceeded:
            self._state.ledger.limited(app.id)
            reply = ads_error(429, "TOO_MANY_REQUESTS", "The rate limit of the ad account is reached")
            reply.headers |= _rate_headers(window)
            raise Refused(reply)
        return window

    def _rows(self, call: Call, book: Book) -> list[dict[str, Any]]:
        rows = book.rows.get(call.params["level"])
        if rows is None:
            raise Refused(ads_error(404, "ROUTE_NOT_FOUND", "The sandbox does not emulate this resource"))
        return rows

    def _row(self, call: Call, book: Book) -> dict[str, Any]:
        for row in self._rows(call, book):
            if row["id"] == call.params["id"] and not row["deleted"]:
                return row
        raise Refused(ads_error(404, "NOT_FOUND", "The object does not exist", "id", call.params["id"]))

    def _book(self, owner: Profile) -> Book:
        book_id = "18" + secret(8, self._state.seed, owner.id, "adaccount").lower()
        if book_id not in self._books:
            self._books[book_id] = seeded_book(
                Book(book_id, owner), self._state.world.epoch_ms - 100 * 86_400_000
            )
        return self._books[book_id]


def _changes(call: Call) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in call.query.items():
        if name == "entity_status" and value not in ("ACTIVE", "PAUSED", "DRAFT"):
            raise wrong(call, name, "entity_status must be ACTIVE, PAUSED or DRAFT")
        if name in BUDGETS:
            if not value.isdigit() or not int(value):
                raise wrong(call, name, f"{name} must be a positive number of millionths")
            changes[name] = int(value)
        elif name in ("name", "entity_status"):
            changes[name] = value
    if "entity_status" in changes:
        running = changes["entity_status"] == "ACTIVE"
        changes |= {
            "effective_status": "RUNNING" if running else changes["entity_status"],
            "servable": running,
        }
    return changes


def _rate_headers(window: Window) -> dict[str, str]:
    return {
        "x-account-rate-limit-limit": str(window.limit),
        "x-account-rate-limit-remaining": str(window.remaining),
        "x-account-rate-limit-reset": str(window.resets_at_s),
    }
