"""The platform's side of the story against what the service holds."""

from collections import Counter
from typing import Any

from tests.support.client import Caller, World

Json = dict[str, Any]


async def held_remarks(caller: Caller, account_id: str) -> Counter[str]:
    """External ids of remarks the service holds for an account, with how often."""
    items = await caller.all("/v1/comments")
    return Counter(c["external_id"] for c in items if c["id"].startswith(account_id + "|"))


def accepted_events(ledger: Json, external_id: str, app_id: str) -> list[Json]:
    return [
        e
        for e in ledger["events"]
        if e["external_id"] == external_id and e["accepted_at"] is not None and e["app_id"] == app_id
    ]


async def compare(world: World, caller: Caller, account: Json, view: Json) -> Json:
    """Lost: delivered and answered 200, and not held. Doubled: held or counted more than once."""
    ledger = await world.sandbox.ledger()
    events = accepted_events(ledger, account["external_id"], account["app"]["id"])
    remarks = {e["subject_id"] for e in events if e["kind"] in ("comment", "mention", "quote")}
    held = await held_remarks(caller, view["id"])
    counters = (await caller.get(f"/v1/accounts/{view['id']}"))["counters"]
    heard = counters.get("webhooks", 0)
    return {
        "accepted": len(events),
        "counted": heard,
        "remarks_lost": sorted(remarks - held.keys()),
        "remarks_doubled": sorted(r for r, n in held.items() if n > 1),
        "effects_lost": max(0, len(events) - heard),
        "effects_doubled": max(0, heard - len(events)),
        "double_refreshes": sum(
            row["repeated"] and not row["in_doubt"]
            for row in ledger["refreshes"]
            if row["external_id"] == account["external_id"]
        ),
    }
