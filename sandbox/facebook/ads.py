"""Marketing API: ad accounts, campaigns, ad sets, ads, and daily insights by report runs.

Numbers are texts; a run that would be too big fails, as it does in production. Sources: references
ad-account, campaign, ad-set, ad, ad-report-run; "Insights API best practices".
"""

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sandbox.clock import iso_offset
from sandbox.facebook import ads_making as making
from sandbox.facebook.access import Access, Caller
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.facebook.roles import Roles
from sandbox.ids import digits, seeded
from sandbox.meta import errors, forms
from sandbox.meta.errors import Refused
from sandbox.meta.fields import Wanted, chosen
from sandbox.meta.paging import page_of
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Profile

CURRENCY, TIMEZONE = "EUR", "Europe/Berlin"
ROWS_AT_MOST = 400  # of one run; beyond it is "too much data"
_PAGE_AT_MOST = 500
_RUN_MS = 2000
_READ, _WRITE = "ads_read ads_management", "ads_management"
_LEVELS = {"campaign": "campaigns", "adset": "adsets", "ad": "ads"}
_EDGES = {**_LEVELS, "creative": "adcreatives"}


@dataclass(slots=True)
class Node:
    """A campaign, an ad set, an ad or a creative; `facts` are its fields by name."""

    level: str
    id: str
    facts: dict[str, Any] = field(default_factory=dict)
    shown: bool = True  # to people: what was made here was not, and has no numbers


@dataclass(slots=True)
class Run:
    id: str
    account: str
    rows: list[dict[str, Any]]
    began_ms: int
    too_big: bool


class Ads:
    def __init__(self, state: State, access: Access, roles: Roles, reading: Reading) -> None:
        self._state, self._access, self._roles, self._reading = state, access, roles, reading
        self._nodes: dict[str, list[Node]] = {}  # ad account -> its objects
        self._by_id: dict[str, tuple[str, Node]] = {}
        self._runs: dict[str, Run] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        manage, insights = "ads_management", "ads_insights"
        return [
            op("GET", "/:id/adaccounts", self.accounts, _READ, manage),
            op("GET", "/act_:account/insights", self.insights, _READ, insights),
            op("POST", "/act_:account/insights", self.run, _READ, insights),
            op("POST", "/act_:account/campaigns", self.create_campaign, _WRITE, manage),
            op("POST", "/act_:account/adsets", self.create_adset, _WRITE, manage),
            op("POST", "/act_:account/adcreatives", self.create_creative, _WRITE, manage),
            op("POST", "/act_:account/ads", self.create_ad, _WRITE, manage),
            op("GET", "/act_:account/:edge", self.listed, _READ, manage),
            op("GET", "/act_:account", self.account, _READ, manage),
            op("GET", "/600:run/insights", self.result, _READ, insights),
            op("GET", "/600:run", self.progress, _READ, insights),
            op("GET", "/1202:node", self.node, _READ, manage),
            op("POST", "/1202:node", self.change, _WRITE, manage),
        ]

    async def accounts(self, call: Call, caller: Caller) -> Reply:
        if caller.page is not None:
            message = "(#100) Tried accessing nonexisting field (adaccounts) on node type (Page)"
            raise Refused(errors.graph_error(100, message))
        wanted = self._reading.wanted(call)
        pages = self._roles.pages(caller.token.grant)
        return page_of(call, pages, 100, lambda page: chosen(_account(self._id(page), page), wanted, {}))

    async def account(self, call: Call, caller: Caller) -> Reply:
        page = self._page(call, caller)
        return json_reply(chosen(_account(self._id(page), page), self._reading.wanted(call), {}))

    async def listed(self, call: Call, caller: Caller) -> Reply:
        account, edge = self._known(call, caller), call.params["edge"]
        level = next((name for name, plural in _EDGES.items() if plural == edge), None)
        if level is None:
            raise bad_parameter(f"Tried accessing nonexisting field ({edge}) on node type (AdAccount)")
        wanted = self._reading.wanted(call)
        rows = [node for node in self._nodes[account] if node.level == level and _kept(node, call)]
        return page_of(call, rows, _PAGE_AT_MOST, lambda node: self._shown(node, wanted))

    async def create_campaign(self, call: Call, caller: Caller) -> Reply:
        account = self._known(call, caller)
        return self._new(account, "campaign", making.campaign_of(call.fields()))

    async def create_adset(self, call: Call, caller: Caller) -> Reply:
        account, form = self._known(call, caller), call.fields()
        campaign = self._parent(account, "campaign", form)
        return self._new(account, "adset", making.adset_of(form, campaign, self._state.clock.now_ms()))

    async def create_creative(self, call: Call, caller: Caller) -> Reply:
        account = self._known(call, caller)
        return json_reply({"id": self._creative(account, self._page(call, caller), dict(call.fields()))})

    async def create_ad(self, call: Call, caller: Caller) -> Reply:
        account, form = self._known(call, caller), call.fields()
        adset, spec = self._parent(account, "adset", form), making.creative_spec(form)
        creative = str(spec["creative_id"]) if "creative_id" in spec else None
        if creative is None:
            creative = self._creative(account, self._page(call, caller), spec)
        elif self._by_id.get(creative, ("",))[0] != account:
            raise making.no_creative()
        return self._new(account, "ad", making.ad_of(form, adset, creative))

    async def node(self, call: Call, caller: Caller) -> Reply:
        return json_reply(self._shown(self._owned(call, caller), self._reading.wanted(call)))

    async def change(self, call: Call, caller: Caller) -> Reply:
        node, form = self._owned(call, caller), call.fields()
        for name in ("status", "daily_budget", "lifetime_budget", "name"):
            if name not in form:
                continue
            if name == "status" and form[name] not in making.STATUSES:
                raise bad_parameter(f"status must be one of {', '.join(making.STATUSES)}")
            if name.endswith("budget") and (node.level == "ad" or not form[name].isdigit()):
                raise bad_parameter("The budget must be a number of minor units, on a campaign or an ad set")
            node.facts[name] = form[name]
        return json_reply({"success": True})

    async def insights(self, call: Call, caller: Caller) -> Reply:
        """At once; what is too much for that must be asked for as a run."""
        rows = self._report(self._known(call, caller), call.query)
        if len(rows) > ROWS_AT_MOST:
            message = "Please reduce the amount of data you're asking for, then retry your request"
            raise Refused(errors.graph_error(100, message, 1487534))
        return page_of(call, rows, _PAGE_AT_MOST, lambda row: row)

    async def run(self, call: Call, caller: Caller) -> Reply:
        account = self._known(call, caller)
        rows = self._report(account, call.fields())
        run_id = self._state.world.ids.numbered("600", 15)
        now = self._state.clock.now_ms()
        self._runs[run_id] = Run(run_id, account, rows, now, len(rows) > ROWS_AT_MOST)
        return json_reply({"report_run_id": run_id})

    async def progress(self, call: Call, caller: Caller) -> Reply:
        run = self._run(call, caller)
        passed = self._state.clock.now_ms() - run.began_ms
        percent = min(100, passed * 100 // _RUN_MS)
        status = "Job Completed" if percent == 100 else "Job Running" if percent else "Job Not Started"
        if run.too_big and percent >= 50:
            status = "Job Failed"
        shown: dict[str, Any] = {
            "id": run.id,
            "account_id": run.account,
            "async_status": status,
            "async_percent_completion": percent,
            "is_running": status == "Job Running",
            "time_ref": run.began_ms // 1000,
        }
        if status == "Job Completed":
            shown["time_completed"] = (run.began_ms + _RUN_MS) // 1000
        wanted = self._reading.wanted(call)
        return json_reply(chosen(shown, wanted, {}) if wanted else shown)

    async def result(self, call: Call, caller: Caller) -> Reply:
        run = self._run(call, caller)
        if run.too_big or self._state.clock.now_ms() < run.began_ms + _RUN_MS:
            raise Refused(errors.graph_error(-2, "The report run is not complete", 2490547))
        return page_of(call, run.rows, _PAGE_AT_MOST, lambda row: row)

    def _report(self, account: str, form: dict[str, str]) -> list[dict[str, Any]]:
        level = form.get("level", "ad")
        if level not in _LEVELS:
            raise bad_parameter("level must be campaign, adset or ad in the sandbox")
        try:
            window = json.loads(form.get("time_range", ""))
            since, until = date.fromisoformat(window["since"]), date.fromisoformat(window["until"])
        except (ValueError, TypeError, KeyError):
            raise bad_parameter("time_range must hold since and until") from None
        if form.get("time_increment", "all_days") != "1" or since > until:
            raise bad_parameter("the sandbox reports by day: time_increment=1")
        today = date.fromtimestamp(self._state.clock.now_ms() / 1000)
        if (today - since).days > 37 * 30:
            raise Refused(errors.graph_error(3018, "(#3018) The start date is too far back"))
        wanted = set(forms.names(form.get("fields", "")))
        days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
        nodes = [node for node in self._nodes[account] if node.level == level and node.shown]
        return [
            {k: v for k, v in self._day(node, day).items() if k in wanted | {"date_start", "date_stop"}}
            for node in nodes
            for day in days
            if day <= today
        ]

    def _day(self, node: Node, day: date) -> dict[str, Any]:
        """An object's day is the sum of its ads': the levels agree."""
        ads = [node] if node.level == "ad" else self._below(node)
        total = {"impressions": 0, "clicks": 0, "cents": 0, "purchases": 0, "value_cents": 0}
        for ad in ads:
            rng = seeded(self._state.seed, ad.id, day.isoformat())
            impressions = rng.randrange(0, 4000)
            total["impressions"] += impressions
            total["clicks"] += impressions // rng.randrange(30, 90)
            total["cents"] += impressions * rng.randrange(3, 12) // 10
            bought = rng.choice((0, 0, 0, 1, 2))
            total["purchases"] += bought
            total["value_cents"] += bought * rng.randrange(900, 6000)
        row: dict[str, Any] = {
            f"{node.level}_id": node.id,
            f"{node.level}_name": node.facts["name"],
            "impressions": str(total["impressions"]),
            "clicks": str(total["clicks"]),
            "reach": str(total["impressions"] * 3 // 4),
            "spend": f"{total['cents'] / 100:.2f}",
            "account_currency": CURRENCY,
            "date_start": day.isoformat(),
            "date_stop": day.isoformat(),
        }
        if total["purchases"]:
            value = f"{total['value_cents'] / 100:.2f}"
            row["actions"] = [
                {"action_type": "link_click", "value": row["clicks"]},
                {"action_type": "omni_purchase", "value": str(total["purchases"])},
                {"action_type": "purchase", "value": str(total["purchases"])},
            ]
            row["action_values"] = [{"action_type": "omni_purchase", "value": value}]
        return row

    def _below(self, node: Node) -> list[Node]:
        account, _ = self._by_id[node.id]
        parent = f"{node.level}_id"
        found = (n for n in self._nodes[account] if n.level == "ad" and n.shown)
        return [n for n in found if n.facts.get(parent) == node.id]

    def _shown(self, node: Node, wanted: list[Wanted]) -> dict[str, Any]:
        shown = {"id": node.id, "effective_status": self._effective(node), **node.facts}
        return chosen(shown, wanted, {})

    def _effective(self, node: Node) -> str:
        """What a paused parent makes of an active child."""
        for level in ("campaign", "adset"):
            parent = self._by_id.get(str(node.facts.get(f"{level}_id")))
            if parent and node.facts["status"] == "ACTIVE" and parent[1].facts["status"] == "PAUSED":
                return f"{level.upper()}_PAUSED"
        return str(node.facts["status"])

    def _page(self, call: Call, caller: Caller) -> Profile:
        pages = [] if caller.page is not None else self._roles.pages(caller.token.grant)
        for page in pages:
            if self._id(page) == call.params["account"]:
                return page
        message = "(#200) Ad account owner has NOT grant ads_management or ads_read permission"
        raise Refused(errors.graph_error(200, message, status=403))

    def _known(self, call: Call, caller: Caller) -> str:
        page = self._page(call, caller)
        account = self._id(page)
        if account not in self._nodes:
            self._seed(account, page)
        return account

    def _owned(self, call: Call, caller: Caller) -> Node:
        node_id = f"1202{call.params['node']}"
        pages = [] if caller.page is not None else self._roles.pages(caller.token.grant)
        found = self._by_id.get(node_id)
        if found is None or found[0] not in {self._id(page) for page in pages}:
            raise Refused(errors.no_such_object(node_id))
        return found[1]

    def _run(self, call: Call, caller: Caller) -> Run:
        run = self._runs.get(f"600{call.params['run']}")
        pages = [] if caller.page is not None else self._roles.pages(caller.token.grant)
        if run is None or run.account not in {self._id(page) for page in pages}:
            raise Refused(errors.no_such_object(f"600{call.params['run']}"))
        return run

    def _id(self, page: Profile) -> str:
        return digits(15, self._state.seed, page.id, "adaccount", prefix="3")

    def _seed(self, account: str, page: Profile) -> None:
        """Two campaigns of two ad sets with two ads each, begun a hundred days before the world's epoch."""
        self._nodes[account] = []
        begun = iso_offset(self._state.world.epoch_ms - 100 * 86_400_000)
        for c in range(2):
            campaign = self._made(account, page, "campaign", f"{c}")
            campaign.facts |= {
                "name": f"{page.name} {('spring', 'winter')[c]}",
                "status": ("ACTIVE", "PAUSED")[c],
                "objective": ("OUTCOME_SALES", "OUTCOME_TRAFFIC")[c],
                "daily_budget": "2500",
                "start_time": begun,
            }
            for s in range(2):
                group = self._made(account, page, "adset", f"{c}.{s}")
                group.facts |= {"name": f"Set {s + 1}", "status": "ACTIVE", "campaign_id": campaign.id}
                for a in range(2):
                    ad = self._made(account, page, "ad", f"{c}.{s}.{a}")
                    parents = {"campaign_id": campaign.id, "adset_id": group.id}
                    ad.facts |= {"name": f"Picture {a + 1}", "status": "ACTIVE", **parents}

    def _new(self, account: str, level: str, facts: dict[str, Any]) -> Reply:
        node = Node(level, self._state.world.ids.numbered("12029", 15), facts, shown=False)
        self._add(account, node)
        return json_reply({"id": node.id})

    def _parent(self, account: str, level: str, form: dict[str, str]) -> dict[str, Any]:
        found = self._by_id.get(form.get(f"{level}_id", ""))
        if found is None or found[0] != account or found[1].level != level:
            raise bad_parameter(f"{level}_id must be the id of one of the ad account")
        return found[1].facts

    def _creative(self, account: str, page: Profile, spec: dict[str, Any]) -> str:
        """The id of a new one. It shows a post of the page, or media of the linked Instagram account."""
        world, story = self._state.world, spec.get("object_story_id")
        media = spec.get("source_instagram_media_id")
        if story is not None:
            shown = world.find("facebook", str(story))
            known = shown is not None and shown.author_id == page.id and shown.kind != "story"
            facts: dict[str, Any] = {"object_story_id": story, "effective_object_story_id": story}
        else:
            shown = world.find("instagram", str(media))
            owner = world.accounts.get(("instagram", str(spec.get("instagram_user_id"))))
            linked = owner is not None and owner.username == page.username
            known = linked and shown is not None and shown.author_id == owner.id  # type: ignore[union-attr]
            facts = {"source_instagram_media_id": media, "instagram_user_id": spec.get("instagram_user_id")}
        if not known:
            raise making.no_creative()
        facts |= {"name": str(spec.get("name", "")), "status": "ACTIVE"}
        if "call_to_action" in spec:
            facts["call_to_action"] = making.button(spec["call_to_action"])
        node = Node("creative", self._state.world.ids.numbered("12028", 15), facts)
        self._add(account, node)
        return node.id

    def _made(self, account: str, page: Profile, level: str, place: str) -> Node:
        node = Node(level, digits(15, page.id, level, place, prefix="12020"))
        self._add(account, node)
        return node

    def _add(self, account: str, node: Node) -> None:
        self._nodes[account].append(node)
        self._by_id[node.id] = account, node


def _account(account_id: str, page: Profile) -> dict[str, Any]:
    return {
        "id": f"act_{account_id}",
        "account_id": account_id,
        "name": f"{page.name} ads",
        "currency": CURRENCY,
        "timezone_name": TIMEZONE,
        "account_status": 1,
    }


def _kept(node: Node, call: Call) -> bool:
    """`filtering` by name; deleted objects are listed only when they are asked for."""
    try:
        rules = json.loads(call.query.get("filtering", "[]"))
        names = [str(r["value"]) for r in rules if r["field"] == "name" and r["operator"] == "CONTAIN"]
    except (ValueError, TypeError, KeyError):
        raise bad_parameter("filtering must be a list of field, operator and value") from None
    return node.facts["status"] != "DELETED" and all(name in node.facts["name"] for name in names)
