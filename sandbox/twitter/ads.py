"""X's Ads API, versions 11 and 12: accounts, funding instruments, three levels of objects, their numbers.

An X account has one ad account. Source: docs.x.com "Ads API" (campaign management, rate limiting, errors),
X's own client library for fields and changes. Creatives are not emulated.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.ids import secret
from sandbox.limits import Rule, Window
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter.ad_books import CRITERIA, Book, account_row, seeded_book
from sandbox.twitter.ad_stats import FILE_HOST, FILES, JOBS_AT_ONCE, JOBS_FAMILY, Stats
from sandbox.twitter.ads_answers import answered, listed
from sandbox.twitter.ads_making import Making, changes_of, values_refused
from sandbox.twitter.errors import Refused, ads_error
from sandbox.twitter.oauth1 import Signatures
from sandbox.twitter.targeting import Targeting
from sandbox.web import Call, Reply
from sandbox.world import Profile

HOSTS = ("ads-api.x.com", "ads-api.twitter.com")
RULES = {
    "ads": Rule(10_000, 900),
    "ads_stats": Rule(250, 900),
    "ads_write": Rule(450, 60),
    "ads_targeting": Rule(400, 900),
    JOBS_FAMILY: JOBS_AT_ONCE,
}
# By which lists may be narrowed: commas between several.
_FILTERS = {
    "campaigns": {"campaign_ids": "id"},
    "line_items": {"campaign_ids": "campaign_id", "line_item_ids": "id"},
    "promoted_tweets": {"line_item_ids": "line_item_id", "promoted_tweet_ids": "id"},
}
_CHANGED = ("campaigns", "line_items")
_NOT_FOUND = {
    "campaigns": "CAMPAIGN_NOT_FOUND",
    "funding_instruments": "FUNDING_INSTRUMENT_NOT_FOUND",
    "line_items": "LINE_ITEM_NOT_FOUND",
    "promotable_users": "PROMOTABLE_USER_NOT_FOUND",
    "promoted_tweets": "PROMOTED_TWEET_NOT_FOUND",
    CRITERIA: "TARGETING_CRITERION_NOT_FOUND",
}

Handler = Callable[[Call, Book], Awaitable[Reply]]


class Ads:
    def __init__(self, state: State, signatures: Signatures) -> None:
        self._state, self._signatures, self._stats = state, signatures, Stats(state)
        self._making, self._targeting = Making(state), Targeting(state)
        self._books: dict[str, Book] = {}

    def operations(self) -> list[Operation]:
        def op(method: str, path: str, handler: Handler, family: str = "ads") -> Operation:
            return Operation("twitter", HOSTS, method, f"/:version/{path}", self._guarded(handler, family))

        level, criteria = "accounts/:account/:level", f"accounts/:account/{CRITERIA}"
        return [
            op("GET", "accounts", self.accounts),
            op("GET", "accounts/:account", self.account),
            op("GET", "stats/accounts/:account", self._stats.now, "ads_stats"),
            op("POST", "stats/jobs/accounts/:account", self._stats.ask, "ads_write"),
            op("GET", "stats/jobs/accounts/:account", self._stats.jobs),
            Operation("twitter", (FILE_HOST,), "GET", f"{FILES}/:name", self._stats.file),
            op("GET", f"{CRITERIA}/locations", self._targeting.locations, "ads_targeting"),
            op("GET", criteria, self._targeting.listed, "ads_targeting"),
            op("POST", criteria, self._targeting.create, "ads_write"),
            op("POST", f"batch/{criteria}", self._targeting.batch, "ads_write"),
            op("GET", level, self.listed),
            op("POST", level, self._making.create, "ads_write"),
            op("GET", f"{level}/:id", self.show),
            op("PUT", f"{level}/:id", self.change, "ads_write"),
            op("DELETE", f"{level}/:id", self.delete, "ads_write"),
        ]

    async def accounts(self, call: Call, book: Book) -> Reply:
        return listed(call, [account_row(book)])

    async def account(self, call: Call, book: Book) -> Reply:
        return answered(call, account_row(book))

    async def listed(self, call: Call, book: Book) -> Reply:
        level, rows = call.params["level"], self._rows(call, book)
        if call.query.get("with_deleted") != "true":
            gone = {row["id"] for row in book.rows["line_items"] if row["deleted"]}
            rows = [row for row in rows if not row["deleted"] and row.get("line_item_id") not in gone]
        for parameter, field in _FILTERS.get(level, {}).items():
            if parameter in call.query:
                wanted = call.query[parameter].split(",")
                rows = [row for row in rows if row[field] in wanted]
        return listed(call, rows)

    async def show(self, call: Call, book: Book) -> Reply:
        return answered(call, self._row(call, book))

    async def change(self, call: Call, book: Book) -> Reply:
        row, level = self._row(call, book), call.params["level"]
        if level not in _CHANGED:
            raise Refused(ads_error(405, "METHOD_NOT_ALLOWED", "This resource cannot be changed."))
        if (problem := values_refused(call.query)) is not None:
            raise problem.refused()
        row |= changes_of(call.query, level) | {"updated_at": iso_z(self._state.clock.now_ms())}
        return answered(call, row)

    async def delete(self, call: Call, book: Book) -> Reply:
        row = self._row(call, book)
        if call.params["level"] == "promotable_users":
            raise Refused(ads_error(405, "METHOD_NOT_ALLOWED", "This resource cannot be deleted."))
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
        code = _NOT_FOUND.get(call.params["level"], "NOT_FOUND")
        raise Refused(ads_error(404, code, "The object does not exist", "id", call.params["id"]))

    def _book(self, owner: Profile) -> Book:
        book_id = "18" + secret(8, self._state.seed, owner.id, "adaccount").lower()
        if book_id not in self._books:
            self._books[book_id] = seeded_book(
                Book(book_id, owner), self._state.world.epoch_ms - 100 * 86_400_000
            )
        return self._books[book_id]


def _rate_headers(window: Window) -> dict[str, str]:
    return {
        "x-account-rate-limit-limit": str(window.limit),
        "x-account-rate-limit-remaining": str(window.remaining),
        "x-account-rate-limit-reset": str(window.resets_at_s),
    }
