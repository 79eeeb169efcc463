"""Does the service hold what truly happened? Pure functions over collected JSON; nothing here asks anybody.

lost      answered 200 according to the ledger (or confirmed to the shop), and not held
doubled   held, or counted, more often than it happened
wrong     any other difference: a total that is off, something held that is not there any more
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

LEAST_DUPLICATED = 20
LEAST_REORDERED = 20

_COUNTED_AS = {
    **dict.fromkeys(("comment", "mention", "quote", "message"), "remarks"),
    "like": "likes",
    "repost": "shares",
    "follow": "follows",
    "unfollow": "unfollows",
    "post": "posts",
    "delete": "deletions",
}
"""What the ledger calls a happening -> the row it is compared in; anything else is "other"."""
_COUNTERS = {
    "remarks": ("remarked",),
    "likes": ("liked",),
    "shares": ("shared",),
    "follows": ("followed",),
    "unfollows": ("unfollowed",),
    "posts": ("content_created", "content_edited"),
    "deletions": ("content_deleted",),
    "other": ("profile_changed", "totals", "access_revoked", "other"),
}
"""Row -> the counters of an account's view."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An account of an org: `key` is the ledger's name of it, `app` the platform's id of the application
    through which this org hears of it."""

    account_id: str
    key: str
    app: str
    name: str


@dataclass(frozen=True, slots=True)
class ShopSide:
    """A campaign as the service has it, and the shop's own book. `orders`: order id -> (minor units, whether
    it came by the campaign); `visits`: people by link code; `unsure`: visits without an answer."""

    name: str
    campaign: Json
    accounts: tuple[str, ...]
    links: Sequence[Json]
    transactions: Sequence[Json]
    orders: Mapping[str, tuple[int, bool]]
    visits: Mapping[str, int]
    unsure: int

    @property
    def revenue_minor(self) -> int:
        return sum(minor for minor, credited in self.orders.values() if credited)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`launched`: the ledger as it was when the campaigns went live. `remarks`: account id -> external ids
    as `/v1/comments` lists them; `content`: account id -> active items of `/v1/content`. `read`: accounts
    whose content is compared and nothing else."""

    launched: Json
    ledger: Json
    heard: Sequence[Heard]
    read: Sequence[Heard]
    accounts: Mapping[str, Json]
    remarks: Mapping[str, Sequence[str]]
    content: Mapping[str, Sequence[Json]]
    shops: Sequence[ShopSide]
    dead_letters: int
    killed_with_pending: int


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    service: int
    ledger: int
    lost: int = 0
    doubled: int = 0
    wrong: int = 0

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the run must have contained to prove anything."""

    what: str
    found: int
    least: int

    @property
    def met(self) -> bool:
        return self.found >= self.least


def compare(evidence: Evidence) -> list[Check]:
    checks: list[Check] = []
    for heard in evidence.heard:
        rows = _accepted(evidence.ledger, heard)
        checks += _effects(heard, rows, evidence.accounts[heard.account_id]["counters"])
        checks.append(_remarks_held(heard, rows, evidence.remarks[heard.account_id]))
        published = evidence.ledger["content"][heard.key]
        checks.append(_content_held(heard, published, evidence.content[heard.account_id]))
        checks.append(_engagement(heard, published, evidence.content[heard.account_id]))
    for one in evidence.read:
        # Apart: a story of a page is listed under another id than it was published under, and boards hold
        # content and are none in the ledger.
        published = [item for item in evidence.ledger["content"][one.key] if item["kind"] != "story"]
        items = [i for i in evidence.content[one.account_id] if i["kind"] not in ("story", "board")]
        checks.append(_content_held(one, published, items))
    for shop in evidence.shops:
        checks += _campaign_engagement(evidence, shop)
        checks += _sales(shop)
    checks.append(_all_connected(evidence.accounts.values()))
    doubled = evidence.ledger["double_refreshes"]
    checks.append(Check("refresh tokens presented twice", doubled, 0, wrong=doubled))
    checks.append(Check("dead letters", evidence.dead_letters, 0, wrong=evidence.dead_letters))
    return checks


def conditions(evidence: Evidence) -> list[Condition]:
    deliveries = evidence.ledger["deliveries"]
    rotated = sum(row["outcome"] == "rotated" for row in evidence.ledger["refreshes"])
    return [
        Condition("duplicated deliveries", deliveries["duplicated_ok"], LEAST_DUPLICATED),
        Condition("reordered deliveries", deliveries["reordered_ok"], LEAST_REORDERED),
        Condition("calls answered 429", evidence.ledger["rate_limited"], 1),
        Condition("calls refused for an expired token", evidence.ledger["token_expiries"], 1),
        Condition("tokens refreshed", rotated, 1),
        Condition("messages pending when the host was killed", evidence.killed_with_pending, 1),
    ]


def passed(checks: Iterable[Check], found: Iterable[Condition]) -> bool:
    return all(c.holds for c in checks) and all(c.met for c in found)


def summary(evidence: Evidence, checks: Sequence[Check], seconds: float) -> dict[str, int | float]:
    """The last line of a run."""
    ledger = evidence.ledger
    return {
        "accounts": len(evidence.accounts),
        "content": sum(len(items) for items in evidence.content.values()),
        "webhooks_accepted": ledger["deliveries"]["ok"],
        "duplicates_delivered": ledger["deliveries"]["duplicated_ok"],
        "reordered_delivered": ledger["deliveries"]["reordered_ok"],
        "effects_lost": sum(c.lost for c in checks),
        "effects_doubled": sum(c.doubled for c in checks),
        "double_refreshes": ledger["double_refreshes"],
        "refresh_in_doubt": sum(a["token"]["refresh_in_doubt"] for a in evidence.accounts.values()),
        "campaign_revenue_minor": sum(s.campaign["performance"]["revenue_minor"] for s in evidence.shops),
        "ledger_revenue_minor": sum(s.revenue_minor for s in evidence.shops),
        "seconds": round(seconds, 1),
    }


# -- accounts -----------------------------------------------------------------------------------------
def _accepted(ledger: Json, heard: Heard) -> list[Json]:
    """Distinct happenings that this org's application was told and answered 200 to."""
    return [
        row
        for row in ledger["events"]
        if row["accepted_at"] is not None
        and row["app_id"] == heard.app
        and f"{row['platform']}:{row['external_id']}" == heard.key
    ]


def _counted_as(row: Json) -> str:
    if row["type"] == "post.create":  # the account's own quotes and replies are content
        return "posts"
    return _COUNTED_AS.get(row["kind"], "other")


def _effects(heard: Heard, rows: Sequence[Json], counters: Mapping[str, int]) -> list[Check]:
    happened = Counter(_counted_as(row) for row in rows)
    checks = []
    for name, counted_in in _COUNTERS.items():
        counted = sum(counters.get(counter, 0) for counter in counted_in)
        if counted or happened[name]:
            checks.append(_counted(f"{heard.name}: {name} counted", counted, happened[name]))
    return checks


def _remarks_held(heard: Heard, rows: Sequence[Json], held: Sequence[str]) -> Check:
    told = {row["subject_id"] for row in rows if _counted_as(row) == "remarks"}
    return _held(f"{heard.name}: remarks held", told, [id_ for id_ in held if id_ in told])


def _content_held(heard: Heard, published: Sequence[Json], items: Sequence[Json]) -> Check:
    """A story that has expired may have been read in time or not: it is neither asked for nor wrong."""
    expired = {item["id"] for item in published if item.get("expired")}
    alive = {item["id"] for item in published if not item["deleted"]} - expired
    held = [item["external_id"] for item in items if item["external_id"] not in expired]
    return _held(f"{heard.name}: content held", alive, held)


def _engagement(heard: Heard, published: Sequence[Json], items: Sequence[Json]) -> Check:
    """After a last reading, every total is the platform's. An expired story is not listed, so not read."""
    held = {item["external_id"]: item["engagement"] for item in items}
    listed = [item for item in published if not item["deleted"] and not item.get("expired")]
    wanted = {item["id"]: _totals(heard.key, item) for item in listed}
    off = sum(
        any((held[id_][name] or 0) != value for name, value in totals.items())
        for id_, totals in wanted.items()
        if id_ in held
    )
    return Check(f"{heard.name}: content with right totals", len(wanted) - off, len(wanted), wrong=off)


def _all_connected(accounts: Iterable[Json]) -> Check:
    states = [account["status"] == "connected" for account in accounts]
    return Check("accounts still connected", sum(states), len(states), wrong=len(states) - sum(states))


# -- campaigns and shops ------------------------------------------------------------------------------
def _campaign_engagement(evidence: Evidence, shop: ShopSide) -> list[Check]:
    """What was added to the content of the campaign's accounts since it went live."""
    added: Counter[str] = Counter()
    for heard in evidence.heard:
        if heard.account_id not in shop.accounts:
            continue
        before = {item["id"]: _totals(heard.key, item) for item in evidence.launched["content"][heard.key]}
        for item in evidence.ledger["content"][heard.key]:
            if item["deleted"]:
                continue
            versions = [v for v in (item["id"], *item.get("edit_ids", ())) if v in before]
            base = before[versions[0]] if versions else {}
            for name, value in _totals(heard.key, item).items():
                added[name] += value - base.get(name, 0)
    engagement = shop.campaign["performance"]["engagement"]
    return [
        _counted(f"{shop.name}: {name}", engagement[name], added[name])
        for name in ("likes", "comments", "shares", "views")
    ]


def _sales(shop: ShopSide) -> list[Check]:
    performance = shop.campaign["performance"]
    visits, clicks = sum(shop.visits.values()), sum(link["clicks"] for link in shop.links)
    credited = sum(by_campaign for _, by_campaign in shop.orders.values())
    held = [t["order_id"] for t in shop.transactions]
    facts = {t["order_id"]: (t["amount_minor"], t["attribution"]["campaign_id"]) for t in shop.transactions}
    own = shop.campaign["id"]
    wanted = {o: (minor, own if by_campaign else None) for o, (minor, by_campaign) in shop.orders.items()}
    misjudged = sum(facts.get(o, fact) != fact for o, fact in wanted.items())
    revenue = performance["revenue_minor"]
    return [
        _counted(f"{shop.name}: clicks of its links", clicks, visits, unsure=shop.unsure),
        _counted(f"{shop.name}: clicks", performance["clicks"], visits, unsure=shop.unsure),
        _held(f"{shop.name}: orders held", set(wanted), held),
        Check(f"{shop.name}: orders credited rightly", len(wanted) - misjudged, len(wanted), wrong=misjudged),
        _counted(f"{shop.name}: conversions", performance["conversions"], credited),
        Check(
            f"{shop.name}: revenue ({performance['currency']}, minor units)",
            revenue,
            shop.revenue_minor,
            wrong=int(revenue != shop.revenue_minor),
        ),
    ]


# -- differences --------------------------------------------------------------------------------------
def _counted(what: str, service: int, ledger: int, unsure: int = 0) -> Check:
    """`unsure`: happenings of which nobody was told whether they were taken."""
    return Check(what, service, ledger, max(0, ledger - service), max(0, service - ledger - unsure))


def _held(what: str, wanted: set[str], held: Sequence[str]) -> Check:
    distinct = set(held)
    return Check(
        what,
        service=len(held),
        ledger=len(wanted),
        lost=len(wanted - distinct),
        doubled=len(held) - len(distinct),
        wrong=len(distinct - wanted),
    )


def _totals(key: str, item: Json) -> dict[str, int]:
    """The platform's totals in the service's words. A repost tells those of somebody else's post; Instagram
    tells neither shares nor views with a media."""
    metrics = item["metrics"]
    if item["kind"] == "repost":
        return {}
    if key.startswith("instagram:"):
        return {"likes": metrics["likes"], "comments": metrics["comments"]}
    return {
        "likes": metrics["likes"],
        "comments": metrics["comments"],
        "shares": metrics["shares"] + metrics["quotes"],
        "views": metrics["views"],
    }
