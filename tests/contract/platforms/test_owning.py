"""The owner of an account over the real adapter: what its rules come to on each platform."""

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.account.state import Status
from domain.events import EventType
from platforms.base import Platform
from platforms.outcome import Ok
from platforms.spec import TokenModel
from tests.contract.platforms.cases import Case
from tests.contract.platforms.owner import Owner
from tests.contract.platforms.place import Place, opened

PAGE = 5
POSTS = 12


def in_small_pages(platform: Platform) -> Platform:
    """The same adapter, told to ask for less at once: several pages of little content."""
    small: Any = copy.copy(platform)
    small.spec = replace(
        platform.spec, sources=tuple(replace(s, page_size=PAGE) for s in platform.spec.sources)
    )
    found: Platform = small
    return found


def shown(owner: Owner) -> dict[str, Any]:
    """What people see of the content, without what counts writes."""
    kept = ("kind", "status", "text", "media", "engagement", "permalink", "publishedAt")
    return {id_: {k: d.get(k) for k in kept} for id_, d in owner.alive().items()}


def stories(owner: Owner) -> set[str]:
    """Facebook names a story among the posts by page and story, and in its own list by the story alone."""
    return {f"{owner.known.external_id}_{id_}" for id_ in owner.alive()}


async def synchronised(place: Place, **crash: Any) -> Owner:
    owner = Owner(place, in_small_pages(place.case.platform))
    owner.consented()
    await owner.rest(**crash)
    return owner


async def test_everything_is_found(place: Place) -> None:
    owner = await synchronised(place)
    rows = await place.content(place.told)
    assert len(owner.alive()) >= len(rows) - 2, "stories may have ended"
    known = owner.known.sources
    assert all(known[s.name].backfilled for s in owner.spec.sources)
    assert owner.known.subscribed == (owner.known.not_subscribed is None)


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_step_of_a_sync_ends_in_the_same_place(case: Case, carried_out: bool) -> None:
    async with opened(case, POSTS) as place:
        whole = await synchronised(place)
        steps, calls = whole.ran, whole.platform_calls()
    assert len(whole.alive()) >= POSTS and max(s.pages for s in whole.known.sources.values()) > 2
    for step in range(1, steps + 1):
        async with opened(case, POSTS) as place:
            owner = await synchronised(place, crash_at=step, carried_out=carried_out)
            assert shown(owner) == shown(whole), f"step {step} of {steps}"
            assert owner.platform_calls() <= calls + 2, f"step {step}: it went on, it did not begin anew"


# -- deletion -----------------------------------------------------------------------------------------
async def test_what_the_platform_names_as_gone_is_gone_and_nothing_else(place: Place) -> None:
    owner = await synchronised(place)
    before = set(owner.alive())
    gone, kept, *_ = [row["id"] for row in await place.content(place.told) if row["id"] in before]
    await place.act(place.told, kind="delete", content_id=gone)
    reads = await owner.platform.read_items(place.http, owner.bearer, place.told["external_id"], [kept])
    assert isinstance(reads, Ok) and not reads.value.gone
    owner.later(minutes=5)
    owner.send("backfill")
    await owner.rest()
    assert set(owner.alive()) == before - {gone}
    assert owner.content(gone)["status"] == "deleted"


async def test_a_list_that_fails_deletes_nothing(place: Place) -> None:
    owner = await synchronised(place)
    before = set(owner.alive())
    for kind in ("html", "half_body", "status"):
        await place.fault(kind, status=503, count=3)
        owner.send("sync")
        await owner.rest()
        await place.no_faults()
    assert set(owner.alive()) == before and owner.known.status is Status.CONNECTED


# -- budgets ------------------------------------------------------------------------------------------
async def test_an_exhausted_budget_is_waited_for(case: Case) -> None:
    """The platform's window is over before the walk is: it goes on when the platform said, and misses
    nothing."""
    async with opened(case, POSTS) as place:
        owner = Owner(place, in_small_pages(case.platform))
        rule = {"platform": case.name, "family": case.window, "limit": case.room, "window_s": 900}
        await place.ask("PUT", "/limits", rule)
        began = place.clock.now()
        owner.consented()
        await owner.rest()
        refusals = sum(labels["outcome"] == "rate_limited" for labels in owner.tally)
        assert refusals == (await place.ask("GET", "/ledger"))["rate_limited"], "each is told as one"
        assert place.clock.now() - began >= timedelta(seconds=900)
        assert owner.known.status is Status.CONNECTED
        assert {row["id"] for row in await place.content(place.told)} <= set(owner.alive()) | stories(owner)


# -- tokens -------------------------------------------------------------------------------------------
async def test_a_dead_token_is_told_once_and_nothing_is_sent_with_it(place: Place) -> None:
    owner = await synchronised(place)
    await place.token("revoke")
    owner.send("sync")
    await owner.rest()
    assert owner.known.status is Status.REAUTHORIZATION_REQUIRED
    (event,) = owner.told(EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED)
    assert event["reason"] == owner.known.reason
    sent = owner.platform_calls()
    owner.later(days=2)
    owner.tick()
    await owner.rest()
    assert owner.platform_calls() == sent and owner.due is None


async def test_an_expired_token_is_renewed_where_that_can_be(place: Place) -> None:
    owner = await synchronised(place)
    model = owner.spec.token.model
    await place.token("expire")
    owner.later(seconds=owner.spec.token.min_age_s + 120)
    owner.send("sync")
    await owner.rest()
    renewed = model in (TokenModel.ROTATING, TokenModel.RENEWED)
    wanted = Status.CONNECTED if renewed else Status.REAUTHORIZATION_REQUIRED
    assert owner.known.status is wanted, owner.known.reason
    assert owner.known.token.refreshes == int(renewed)
    if renewed:
        assert await owner_reads(place, owner)


async def test_connecting_again_keeps_everything_and_heals(place: Place) -> None:
    owner = await synchronised(place)
    before = shown(owner)
    await place.token("revoke")
    owner.send("sync")
    await owner.rest()
    place.told |= await place.account(place.case.name, seed=place.case.seed)  # the person says yes once more
    owner.consented()
    await owner.rest()
    assert owner.known.status is Status.CONNECTED and shown(owner) == before
    assert await owner_reads(place, owner)


async def test_connecting_again_without_a_refresh_token_keeps_the_old_one(place: Place) -> None:
    owner = await synchronised(place)
    kept = owner.known.token.refresh
    owner.consented(refresh=False)
    assert owner.known.token.refresh == kept
    if kept is None:
        return
    owner.later(seconds=owner.spec.token.lifetime_s)
    owner.tick()
    await owner.rest()
    assert owner.known.status is Status.CONNECTED
    assert await owner_reads(place, owner)


async def test_pain_11_a_connection_lasts_or_says_days_before_that_it_will_end(place: Place) -> None:
    """Half a year, or thirty lives of a short token, in which nobody does anything."""
    owner, rules = await synchronised(place), place.case.platform.spec.token
    end = owner.now + min(timedelta(days=200), timedelta(seconds=30 * rules.lifetime_s))
    warnings: list[datetime] = []
    while owner.due is not None and owner.due <= end and not warnings:
        owner.wake()
        await owner.rest()
        warnings += [owner.now for e in owner.events if e.data.get("what") == "data_access_ending"]
    if rules.data_access_s is None:
        owner.now = end
        assert owner.known.status is Status.CONNECTED and await owner_reads(place, owner)
        assert owner.known.token.refreshes >= 3
        return
    until = owner.known.token.data_access_until
    assert until is not None and until - warnings[0] >= timedelta(days=7)
    owner.now = until - timedelta(hours=1)
    assert await owner_reads(place, owner), "and not before it said"


async def owner_reads(place: Place, owner: Owner) -> bool:
    return isinstance(await owner.platform.profile(place.http, owner.bearer), Ok)
