"""Campaigns, ad groups and ads made at the platform: each once only, and looked for by its tag when nobody
knows whether it was made.

Where an ad group's countries are objects of their own, a further step makes them, as often as it takes: it
looks which are there before it makes any.
"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.account.operations.steps.ads import account_in, ads_of, object_document
from actors.account.operations.steps.work import Work, money_in
from actors.account.operations.task import Step
from domain.advertising import AdAccount, AdLevel, AdObject, NewAd, NewAdCampaign, NewAdGroup, Promoted
from domain.content import ContentKind
from platforms.capabilities import TargetsApart
from platforms.outcome import Ok, Outcome, Rejected


async def create_campaign(work: Work) -> Outcome[Step]:
    """`wish`: account, name, objective, daily_budget or lifetime_budget; `facts`: tag."""
    return _made(work, await ads_of(work).create_campaign(work.access, _account(work), _campaign(work)))


async def find_campaign(work: Work) -> Outcome[Step | None]:
    return _found(work, await ads_of(work).find_campaign(work.access, _account(work), _campaign(work)))


async def create_group(work: Work) -> Outcome[Step]:
    """`wish`: account, name, campaign (id, objective, has_budget), goal, countries, daily_budget or
    lifetime_budget, starts_at, ends_at, settings; `facts`: tag, and `made`, the platform's id of one that has
    no countries yet."""
    if (made := work.facts.get("made")) is not None:
        return await _targeted(work, made)
    return _made(work, await ads_of(work).create_group(work.access, _account(work), _group(work)))


async def find_group(work: Work) -> Outcome[Step | None]:
    return _found(work, await ads_of(work).find_group(work.access, _account(work), _group(work)))


async def _targeted(work: Work, made: str) -> Outcome[Step]:
    ads = ads_of(work)
    assert isinstance(ads, TargetsApart)  # noqa: S101 - else it was done before
    answer = await ads.target_group(work.access, _account(work), _group(work), made)
    if isinstance(answer, Rejected):
        left = "The ad group is made, paused, without its countries: activated, it would be shown everywhere."
        return dataclasses.replace(answer, message=f"{left} {answer.message}")
    return Ok(Step(None), answer.readings) if isinstance(answer, Ok) else answer


async def create_ad(work: Work) -> Outcome[Step]:
    """`wish`: account, name, group (id), content (platform, owner_id, external_id, kind), settings; `facts`:
    tag."""
    return _made(work, await ads_of(work).create_ad(work.access, _account(work), _ad(work)))


async def find_ad(work: Work) -> Outcome[Step | None]:
    return _found(work, await ads_of(work).find_ad(work.access, _account(work), _ad(work)))


def _account(work: Work) -> AdAccount:
    return account_in(work.wish["account"])


def _campaign(work: Work) -> NewAdCampaign:
    wish = work.wish
    return NewAdCampaign(wish["name"], work.facts["tag"], wish["objective"], **_budgets(wish))


def _group(work: Work) -> NewAdGroup:
    wish, campaign = work.wish, work.wish["campaign"]
    return NewAdGroup(
        wish["name"],
        work.facts["tag"],
        campaign["id"],
        campaign["objective"],
        campaign["has_budget"],
        wish["goal"],
        tuple(wish["countries"]),
        starts_at=_moment(wish.get("starts_at")),
        ends_at=_moment(wish.get("ends_at")),
        settings=wish["settings"],
        **_budgets(wish),
    )


def _ad(work: Work) -> NewAd:
    wish, content = work.wish, work.wish["content"]
    promoted = Promoted(
        content["platform"], content["owner_id"], content["external_id"], ContentKind(content["kind"])
    )
    return NewAd(wish["name"], work.facts["tag"], wish["group"]["id"], promoted, wish["settings"])


def _budgets(wish: Mapping[str, Any]) -> dict[str, Any]:
    return {name: money_in(wish.get(name)) for name in ("daily_budget", "lifetime_budget")}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _made(work: Work, answer: Outcome[AdObject]) -> Outcome[Step]:
    return Ok(_step(work, answer.value), answer.readings) if isinstance(answer, Ok) else answer


def _found(work: Work, answer: Outcome[AdObject | None]) -> Outcome[Step | None]:
    if not isinstance(answer, Ok):
        return answer
    return Ok(_step(work, answer.value) if answer.value is not None else None, answer.readings)


def _step(work: Work, made: AdObject) -> Step:
    document = object_document(work, _account(work), made)
    step = Step(None, (document,), items=1, result={"ad_id": document[1]["_id"]})
    if made.level is AdLevel.GROUP and isinstance(ads_of(work), TargetsApart):
        facts = {**work.facts, "made": made.external_id}
        return replace(step, facts=facts, calls="ads.target_group", note="made, without its countries yet")
    return step
