"""Analytics of Pins and of the account, by UTC days; the last two are still being counted.

Source: Pinterest's OpenAPI document 5.23.0 (`/pins/{pin_id}/analytics`, `/user_account/analytics`). Decided
here: the one split is called `all`; splits by app or format are not emulated.
"""

from datetime import date, timedelta
from typing import Any

from sandbox.ids import seeded
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.errors import wrong
from sandbox.pinterest.read import own_pin
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content

DAYS = 90
_PROCESSING_DAYS = 2
_EPOCH = date(1970, 1, 1)
_LIFETIME = ("TOTAL_COMMENTS", "TOTAL_REACTIONS")
_FILM = (
    "VIDEO_MRC_VIEW",
    "VIDEO_10S_VIEW",
    "QUARTILE_95_PERCENT_VIEW",
    "VIDEO_V50_WATCH_TIME",
    "VIDEO_START",
    "VIDEO_AVG_WATCH_TIME",
)
PIN_METRICS = (
    *("IMPRESSION", "OUTBOUND_CLICK", "PIN_CLICK", "SAVE", "SAVE_RATE", "USER_FOLLOW", "PROFILE_VISIT"),
    *_LIFETIME,
    *_FILM,
)
ACCOUNT_METRICS = (
    *("ENGAGEMENT", "ENGAGEMENT_RATE", "IMPRESSION", "OUTBOUND_CLICK", "OUTBOUND_CLICK_RATE"),
    *("PIN_CLICK", "PIN_CLICK_RATE", "SAVE", "SAVE_RATE"),
)


class Insights:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._world, self._access = state, state.world, access

    def operations(self) -> list[Operation]:
        op = self._access.operation
        read = ("boards:read", "pins:read")
        return [
            op("GET", "/pins/:pin/analytics", self.pin, read, "org_analytics"),
            op("GET", "/user_account/analytics", self.account, ("user_accounts:read",), "org_analytics"),
        ]

    async def pin(self, call: Call, caller: Caller) -> Reply:
        found = own_pin(self._state, caller, call)
        days, wanted = self._days(call), _wanted(call, PIN_METRICS)
        rows = [self._row(day, self._pin_day(found, day), wanted, found.created_ms) for day in days]
        totals = {"TOTAL_COMMENTS": found.metrics["comments"], "TOTAL_REACTIONS": found.metrics["likes"]}
        lifetime = {name: value for name, value in totals.items() if name in wanted}
        return json_reply({"all": {**_summed(rows), "lifetime_metrics": lifetime}})

    async def account(self, call: Call, caller: Caller) -> Reply:
        days, wanted = self._days(call), _wanted(call, ACCOUNT_METRICS)
        pins = [c for c in self._world.timeline("pinterest", caller.account.id) if not c.deleted]
        rows = []
        for day in days:
            numbers: dict[str, float] = {}
            for content in pins:
                for name, value in self._pin_day(content, day).items():
                    numbers[name] = numbers.get(name, 0) + value
            rows.append(self._row(day, numbers, wanted, caller.account.created_ms))
        return json_reply({"all": _summed(rows)})

    def _pin_day(self, content: Content, day: date) -> dict[str, float]:
        """What happened to one Pin on one day; nothing before it was made."""
        if day < _date(content.created_ms):
            return {}
        rng = seeded(self._world.seed, content.id, day.isoformat())
        seen = rng.randrange(5, 200)
        numbers: dict[str, float] = {
            "IMPRESSION": seen,
            "PIN_CLICK": seen // 20,
            "OUTBOUND_CLICK": seen // 60,
            "SAVE": seen // 40,
            "USER_FOLLOW": seen // 150,
            "PROFILE_VISIT": seen // 90,
        }
        numbers["ENGAGEMENT"] = numbers["PIN_CLICK"] + numbers["SAVE"]
        if content.kind == "video":
            views = seen // 3
            numbers |= {
                "VIDEO_MRC_VIEW": views,
                "VIDEO_START": seen // 2,
                "VIDEO_10S_VIEW": views // 2,
                "QUARTILE_95_PERCENT_VIEW": views // 5,
                "VIDEO_V50_WATCH_TIME": views * rng.randrange(2000, 9000),
            }
        return numbers

    def _row(
        self, day: date, numbers: dict[str, float], wanted: list[str], created_ms: int
    ) -> dict[str, Any]:
        status = "READY"
        if day < _date(created_ms):
            status = "BEFORE_PIN_CREATED"
        elif day > self._today() - timedelta(days=_PROCESSING_DAYS):
            status = "PROCESSING"
        shown = _derived(numbers, wanted) if status == "READY" else {}
        return {"date": day.isoformat(), "data_status": status, "metrics": shown, "_numbers": numbers}

    def _today(self) -> date:
        return _date(self._state.clock.now_ms())

    def _days(self, call: Call) -> list[date]:
        try:
            since, until = (date.fromisoformat(call.query.get(n, "")) for n in ("start_date", "end_date"))
        except ValueError:
            raise wrong("'start_date' and 'end_date' must be dates.") from None
        if call.query.get("split_field", "NO_SPLIT") != "NO_SPLIT":
            raise wrong("the sandbox does not emulate splits.")
        if since > until or since <= self._today() - timedelta(days=DAYS) or until > self._today():
            raise wrong(f"The dates must be of the last {DAYS} days, the first one first.")
        return [since + timedelta(days=n) for n in range((until - since).days + 1)]


def _wanted(call: Call, known: tuple[str, ...]) -> list[str]:
    names = [name for name in call.query.get("metric_types", "").split(",") if name] or list(known)
    for name in names:
        if name not in known:
            raise wrong(f"'{name}' is not a metric type.")
    return names


def _summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Days and their sum: of ready days only, so that it does not change by itself."""
    total: dict[str, float] = {}
    names: list[str] = []
    for row in rows:
        numbers = row.pop("_numbers")
        if row["data_status"] == "READY":
            names = names or list(row["metrics"])
            for name, value in numbers.items():
                total[name] = total.get(name, 0) + value
    return {"daily_metrics": rows, "summary_metrics": _derived(total, names) if total else {}}


def _derived(numbers: dict[str, float], wanted: list[str]) -> dict[str, float]:
    """Rates and averages are of what is counted; films alone have the numbers of films."""
    shown: dict[str, float] = {}
    for name in wanted:
        if name in _LIFETIME or (name in _FILM and "VIDEO_MRC_VIEW" not in numbers):
            continue
        if name.endswith("_RATE"):
            seen = numbers.get("IMPRESSION", 0)
            shown[name] = numbers.get(name.removesuffix("_RATE"), 0) / seen if seen else 0
        elif name == "VIDEO_AVG_WATCH_TIME":
            views = numbers["VIDEO_MRC_VIEW"]
            shown[name] = numbers["VIDEO_V50_WATCH_TIME"] / views if views else 0
        else:
            shown[name] = numbers.get(name, 0)
    return shown


def _date(moment_ms: int) -> date:
    return _EPOCH + timedelta(days=moment_ms // 86_400_000)
