"""The fields of `create` and `update`, checked and put into a campaign."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.campaign.history import joined
from actors.campaign.spending import MAX_AD_CAMPAIGNS, untied
from actors.campaign.state import Campaign
from domain.attribution import MAX_WINDOW_DAYS
from domain.campaigns import PromotionCode, read_budget, read_schedule
from domain.errors import Conflict, Invalid
from domain.fields import Fields
from domain.ids import AccountId
from domain.metrics import Performance
from domain.promotion import checked_code, normal_code

MAX_MEMBERS = 10_000
"""Accounts and contents of one campaign together."""

MAX_CODES = 200
_MAX_LIST = 1_000


def created(org: str, fields: Fields, now: datetime) -> Campaign:
    budget = read_budget(fields.group("budget"))
    draft = Campaign(
        org=org,
        name=fields.text("name", 200),
        created_at=now,
        updated_at=now,
        budget=budget,
        performance=Performance(budget.currency),
    )
    return updated(draft, fields, now)


def updated(campaign: Campaign, fields: Fields, now: datetime) -> Campaign:
    """Every field that is given replaces the old value as a whole; the others stay."""
    given = {attribute: read(fields) for name, (attribute, read) in _READERS.items() if name in fields}
    after = replace(campaign, **given, updated_at=now)
    if "promotion_codes" in fields:
        after = replace(after, codes=_codes(campaign, fields))
    if after.ad_campaigns != campaign.ad_campaigns:
        after = untied(after, after.ad_campaigns)
    if after.budget.currency != campaign.budget.currency:
        after = replace(after, performance=_in_currency(after.performance, after.budget.currency))
    if after.schedule != campaign.schedule:
        if after.schedule.end is not None and after.schedule.end <= now:
            raise Invalid(
                "field_invalid", "schedule.end_date: must be in the future.", field="schedule.end_date"
            )
        # Somebody launched it for another time: they shall say again that they mean this one.
        after = replace(after, armed=False)
    if len(after.accounts) + len(after.content) > MAX_MEMBERS:
        raise Invalid(
            "too_many_members",
            f"content: a campaign has at most {MAX_MEMBERS} accounts and contents; name the account instead "
            "of its contents.",
            field="content",
        )
    _check_owned(after)
    return joined(campaign, after, now)


def _codes(before: Campaign, fields: Fields) -> tuple[PromotionCode, ...]:
    known = {code.code: code for code in before.codes}
    found: dict[str, PromotionCode] = {}
    for entry in fields.groups("promotion_codes", MAX_CODES):
        code = checked_code(entry.text("code", 100), entry.field("code"))
        if code in found:
            raise entry.invalid("code", f"{code} is named twice.")
        old = known.get(code)
        found[code] = PromotionCode(
            code,
            entry.optional_id("content_id"),
            entry.optional_platform("platform"),
            entry.optional_id("influencer"),
            old.place if old else None,
            old.since if old else None,
        )
    return tuple(found.values())


def _in_currency(performance: Performance, currency: str) -> Performance:
    if performance.total.conversions or performance.cost_minor or performance.other_costs:
        raise Conflict(
            "currency_in_use",
            "The campaign has sales or costs already: its currency cannot change any more.",
            field="budget.currency",
        )
    return replace(performance, currency=currency)


def _check_owned(campaign: Campaign) -> None:
    """Ids tell their org, so that nobody watches another org's accounts through a campaign."""
    members = {"accounts": campaign.accounts, "content": campaign.content}
    for field, ids in (*members.items(), ("ad_campaigns", campaign.ad_campaigns)):
        for member in ids:
            account = member if field == "accounts" else member.partition("|")[0]
            try:
                owner = AccountId.parse(account).org
            except ValueError:
                owner = None
            if owner != campaign.org:
                raise Invalid("member_unknown", f"{field}: there is no {member[:100]}.", field=field)


def _target_audience(fields: Fields) -> Mapping[str, Any]:
    audience = fields.group("target_audience")
    return {
        "demographics": audience.json_object("demographics"),
        "interests": list(audience.ids("interests", _MAX_LIST)),
        "locations": list(audience.ids("locations", _MAX_LIST)),
        "customAudiences": list(audience.ids("custom_audiences", _MAX_LIST)),
    }


def _creative(fields: Fields) -> Mapping[str, Any]:
    creative = fields.group("creative")
    return {name: list(creative.ids(name, _MAX_LIST)) for name in ("content", "templates", "assets")}


_READERS: Mapping[str, tuple[str, Callable[[Fields], Any]]] = {
    "name": ("name", lambda f: f.text("name", 200)),
    "description": ("description", lambda f: f.optional_text("description", 5_000)),
    "type": ("type", lambda f: f.optional_text("type", 100)),
    "platforms": ("platforms", lambda f: f.platforms("platforms")),
    "target_audience": ("target_audience", _target_audience),
    "budget": ("budget", lambda f: read_budget(f.group("budget"))),
    "creative": ("creative", _creative),
    "schedule": ("schedule", lambda f: read_schedule(f.group("schedule"))),
    "influencers": ("influencers", lambda f: f.ids("influencers", _MAX_LIST)),
    "products": ("products", lambda f: f.ids("products", _MAX_LIST)),
    "accounts": ("accounts", lambda f: f.ids("accounts", MAX_MEMBERS)),
    "content": ("content", lambda f: f.ids("content", MAX_MEMBERS)),
    "ad_campaigns": ("ad_campaigns", lambda f: f.ids("ad_campaigns", MAX_AD_CAMPAIGNS)),
    "attribution_window_days": (
        "window_days",
        lambda f: f.integer("attribution_window_days", 0, MAX_WINDOW_DAYS),
    ),
}
"""Field of the command -> attribute of the campaign and how to read it. Also what `changed_fields` names."""


def changed_fields(fields: Fields) -> list[str]:
    return [name for name in (*_READERS, "promotion_codes") if name in fields]


def named_codes(data: Mapping[str, Any]) -> list[str]:
    """The promotion codes that a command names, before it is checked: what does not look like one is left
    to the check."""
    entries = data.get("promotion_codes")
    texts = [e.get("code") for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []
    return [code for text in texts if isinstance(text, str) and (code := normal_code(text))]
