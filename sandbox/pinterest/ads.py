"""Advertising: one ad account for each business, its campaigns, ad groups and ads, and their days.

Source: Pinterest's OpenAPI document 5.23.0 (`/ad_accounts/...`). Amounts are millionths of the currency.
Writes take lists and answer 200 with an exception for each object that was refused. Asynchronous reports are
not emulated.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import orjson

from sandbox.generate import voice_of
from sandbox.ids import digits, seeded
from sandbox.pinterest import ads_making as making
from sandbox.pinterest.access import Access, Caller
from sandbox.pinterest.errors import Refused, refusal, wrong
from sandbox.pinterest.paging import listed
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import BadInput, Call, Reply, json_reply
from sandbox.world import Profile

DAYS, OBJECTS_AT_MOST = 90, 250
_EPOCH = date(1970, 1, 1)
_CURRENCIES = {"en": ("USD", "US"), "pt": ("BRL", "BR"), "ja": ("JPY", "JP"), "de": ("EUR", "DE")}
_STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DRAFT", "DELETED_DRAFT")
_SUMMARIES = {"ACTIVE": "RUNNING", "PAUSED": "PAUSED", "ARCHIVED": "ARCHIVED", "DRAFT": "DRAFT"}
_KINDS = {"campaigns": "campaign", "ad_groups": "adgroup", "ads": "ad"}
_IDS = {"campaigns": "CAMPAIGN_ID", "ad_groups": "AD_GROUP_ID", "ads": "AD_ID"}
_PARAMETERS = {"campaigns": "campaign_ids", "ad_groups": "ad_group_ids", "ads": "ad_ids"}


@dataclass(slots=True)
class AdObject:
    """`facts`: its fields by Pinterest's names."""

    id: str
    level: str
    facts: dict[str, Any] = field(default_factory=dict)
    shown: bool = True  # to people: what was made here was not, and has no numbers

    def view(self, ad_account_id: str) -> dict[str, Any]:
        summary = _SUMMARIES.get(self.facts["status"], self.facts["status"])
        if self.level == "ads" and summary == "RUNNING":
            summary = "APPROVED"
        kind = _KINDS[self.level]
        told: dict[str, Any] = {
            "id": self.id,
            "ad_account_id": ad_account_id,
            "type": kind,
            "summary_status": summary,
        }
        if self.level == "ads":
            told |= {"rejected_reasons": [], "rejection_labels": []}
        return told | self.facts


class Advertising:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._world, self._access = state, state.world, access
        self._objects: dict[str, dict[str, AdObject]] = {}

    def operations(self) -> list[Operation]:
        op, read, write = self._access.operation, ("ads:read",), ("ads:read", "ads:write")
        found = [op("GET", "/ad_accounts", self.accounts, read, "ads_read")]
        for level in _KINDS:
            path = f"/ad_accounts/:account/{level}"
            found += [
                op("GET", f"{path}/analytics", self._of(self.report, level), read, "ads_analytics"),
                op("GET", path, self._of(self.show, level), read, "ads_read"),
                op("PATCH", path, self._of(self.change, level), write, "ads_write"),
                op("POST", path, self._of(self.create, level), write, "ads_write"),
            ]
        return found

    async def accounts(self, call: Call, caller: Caller) -> Reply:
        account = caller.account
        currency, country = _money_of(account)
        shown = {
            "id": _account_id(account),
            "name": account.name,
            "owner": {"id": account.id, "username": account.username},
            "country": country,
            "currency": currency,
            "permissions": ["OWNER"],
            "created_time": account.created_ms // 1000,
            "updated_time": account.created_ms // 1000,
        }
        return listed(call, "ad_accounts", [shown])

    async def show(self, call: Call, caller: Caller, level: str) -> Reply:
        statuses = call.query.get("entity_statuses", "ACTIVE,PAUSED").split(",")
        if any(status not in _STATUSES for status in statuses):
            raise wrong("'entity_statuses' must be statuses.")
        ids = [i for i in call.query.get(_PARAMETERS[level], "").split(",") if i]
        own = [o for o in self._own(call, caller).values() if o.level == level]
        chosen = [o for o in own if o.facts["status"] in statuses and (not ids or o.id in ids)]
        return listed(call, level, [o.view(_account_id(caller.account)) for o in chosen])

    async def create(self, call: Call, caller: Caller, level: str) -> Reply:
        own, answers = self._own(call, caller), list[dict[str, Any]]()
        for sent in _wishes(call):
            wish = {name: value for name, value in sent.items() if value is not None}
            reason = self._refused(wish, caller) or self._not_made(wish, own, level, caller)
            if reason is not None:
                refused = {"code": 1, "message": reason}
                answers.append({"exceptions": refused if level == "ads" else [refused]})
                continue
            now_s = self._state.clock.now_ms() // 1000
            made = AdObject(self._world.ids.numbered("62670", 12), level, shown=False)
            made.facts = {"status": "ACTIVE", **_plain(wish), "created_time": now_s, "updated_time": now_s}
            if level == "ads":
                group = own[wish["ad_group_id"]].facts
                made.facts |= {"campaign_id": group["campaign_id"], "review_status": "PENDING"}
            own[made.id] = made
            answer = {"data": made.view(_account_id(caller.account))}
            answers.append(answer if level == "ads" else {**answer, "exceptions": []})
        return json_reply({"items": answers})

    def _not_made(
        self, wish: dict[str, Any], own: dict[str, AdObject], level: str, caller: Caller
    ) -> str | None:
        def named(parent: str, key: str) -> dict[str, Any] | None:
            found = own.get(str(wish.get(key)))
            return found.facts if found is not None and found.level == parent else None

        if level == "campaigns":
            return making.campaign_refused(wish)
        if level == "ad_groups":
            now_s = self._state.clock.now_ms() // 1000
            return making.group_refused(wish, named("campaigns", "campaign_id"), now_s)
        pin = self._world.find("pinterest", str(wish.get("pin_id")))
        mine = pin if pin is not None and pin.author_id == caller.account.id else None
        return making.ad_refused(wish, named("ad_groups", "ad_group_id"), mine)

    async def change(self, call: Call, caller: Caller, level: str) -> Reply:
        own, answers = self._own(call, caller), list[dict[str, Any]]()
        for wish in _wishes(call):
            found = own.get(str(wish.get("id")))
            reason = self._refused(wish, caller)
            if found is None or found.level != level:
                reason = "The object was not found."
            if reason is not None or found is None:
                refused = {"code": 2, "message": reason or ""}
                answers.append({"exceptions": refused if level == "ads" else [refused]})
                continue
            found.facts |= _plain(wish)
            found.facts["updated_time"] = self._state.clock.now_ms() // 1000
            answer: dict[str, Any] = {"data": found.view(_account_id(caller.account))}
            answers.append(answer if level == "ads" else {**answer, "exceptions": []})
        return json_reply({"items": answers})

    async def report(self, call: Call, caller: Caller, level: str) -> Reply:
        """Days on which an object did not run have no row."""
        own, ids = self._own(call, caller), call.query.get(_PARAMETERS[level], "").split(",")
        columns = [name for name in call.query.get("columns", "").split(",") if name]
        if not columns or call.query.get("granularity") != "DAY":
            raise wrong("'columns' is required, and the sandbox emulates the granularity DAY alone.")
        if not 1 <= len(ids) <= OBJECTS_AT_MOST or not all(ids):
            raise wrong(f"'{_PARAMETERS[level]}' must hold 1 to {OBJECTS_AT_MOST} ids.")
        days, rows = self._days(call), []
        for id_ in ids:
            if id_ not in own or own[id_].level != level:
                raise wrong(f"{id_} was not found.")
            for day in days if own[id_].shown else ():
                told = self._day(caller.account, own[id_], day)
                shown = {name: told[name] for name in columns if name in told}
                rows.append({"DATE": day.isoformat(), _IDS[level]: id_, **shown})
        return json_reply(rows)

    def _of(self, handler: Any, level: str) -> Any:
        async def at_level(call: Call, caller: Caller) -> Reply:
            found: Reply = await handler(call, caller, level)
            return found

        return at_level

    def _own(self, call: Call, caller: Caller) -> dict[str, AdObject]:
        if call.params["account"] != _account_id(caller.account):
            raise Refused(refusal(403, 29, "You are not permitted to access that resource."))
        account = caller.account
        if account.id not in self._objects:
            self._objects[account.id] = {o.id: o for o in _generated(account)}
        return self._objects[account.id]

    def _refused(self, wish: dict[str, Any], caller: Caller) -> str | None:
        if wish.get("ad_account_id", _account_id(caller.account)) != _account_id(caller.account):
            return "Advertiser not found."
        if wish.get("status", "ACTIVE") not in _STATUSES:
            return "The status is invalid."
        for name in ("daily_spend_cap", "lifetime_spend_cap", "budget_in_micro_currency"):
            if name in wish and (type(wish[name]) is not int or wish[name] < 0):
                return f"{name} is invalid."
        return None

    def _day(self, account: Profile, item: AdObject, day: date) -> dict[str, int | float]:
        """Whole by itself, so that reports of any span agree."""
        rng = seeded(self._world.seed, account.id, item.id, day.isoformat())
        seen = rng.randrange(500, 30_000)
        clicks = seen // rng.randrange(20, 90)
        micro = clicks * rng.randrange(8, 35) * 10_000
        whole = _money_of(account)[0] == "JPY"
        spend = micro * 100 if whole else micro
        bought = clicks // 25
        return {
            "SPEND_IN_MICRO_DOLLAR": spend,
            "SPEND_IN_DOLLAR": spend / 1_000_000,
            "IMPRESSION_1": seen,
            "CLICKTHROUGH_1": clicks,
            "TOTAL_CONVERSIONS": bought,
            "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR": bought * 24_000_000,
        }

    def _days(self, call: Call) -> list[date]:
        try:
            since, until = (date.fromisoformat(call.query.get(n, "")) for n in ("start_date", "end_date"))
        except ValueError:
            raise wrong("'start_date' and 'end_date' must be dates.") from None
        today = _EPOCH + timedelta(days=self._state.clock.now_ms() // 86_400_000)
        if since > until or since <= today - timedelta(days=DAYS) or until > today:
            raise wrong(f"The dates must be of the last {DAYS} days, the first one first.")
        return [since + timedelta(days=n) for n in range((until - since).days + 1)]


def _account_id(account: Profile) -> str:
    return digits(12, account.id, "ad account", prefix="549")


def _money_of(account: Profile) -> tuple[str, str]:
    return _CURRENCIES.get(account.lang, ("EUR", "FR"))


def _plain(wish: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wish.items() if name not in ("id", "ad_account_id")}


def _wishes(call: Call) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is not valid JSON ({error})") from None
    if not isinstance(found, list) or not 1 <= len(found) <= 30:
        raise wrong("The body must be a list of 1 to 30 objects.")
    return [wish for wish in found if isinstance(wish, dict)]


def _generated(account: Profile) -> list[AdObject]:
    rng, products, made = seeded(account.id, "ads"), voice_of(account).products, list[AdObject]()
    born = account.created_ms // 1000

    def add(level: str, name: str, **facts: Any) -> AdObject:
        id_ = digits(12, account.id, level, len(made), prefix="6267")
        status = rng.choice(("ACTIVE", "ACTIVE", "PAUSED"))
        common = {"name": name, "status": status, "created_time": born, "updated_time": born}
        made.append(AdObject(id_, level, {**common, **facts}))
        return made[-1]

    for number in range(3):
        cap = rng.choice((50, 80, 120)) * 1_000_000
        name = f"{rng.choice(products)} {number + 1}"
        objective = making.OBJECTIVES[number]
        # From when a cap and budgets of ad groups went together.
        older = {"daily_spend_cap": cap, "is_campaign_budget_optimization": False}
        campaign = add("campaigns", name, objective_type=objective, start_time=born, **older)
        for group in range(2):
            budget = {"budget_in_micro_currency": cap // 2, "budget_type": "DAILY"}
            own = add("ad_groups", f"{name} / {group + 1}", campaign_id=campaign.id, **budget)
            for ad in range(2):
                pin = digits(18, account.id, "pin", 1 + ad, prefix="8802")
                parents = {"campaign_id": campaign.id, "ad_group_id": own.id, "pin_id": pin}
                reviewed = {"creative_type": "REGULAR", "review_status": "APPROVED"}
                add("ads", f"{name} / {group + 1} / {ad + 1}", **parents, **reviewed)
    return made
