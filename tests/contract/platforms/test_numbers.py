"""Numbers that platforms tell: of content and accounts, and of advertisements day by day."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.advertising import AdDay, AdLevel, ReportRequest, ReportState
from domain.content import ContentItem, ContentKind
from domain.insights import Metric, MetricName, Period
from platforms.base import PageQuery
from platforms.capabilities import Access, Ads
from platforms.outcome import Ok, Rejected, RetryAfter
from tests.contract.platforms.calls import TODAY
from tests.contract.platforms.cases import CASES, Case
from tests.contract.platforms.place import START, Place, opened
from tests.unit.platforms.support import ok

MEASURED = {name: case for name, case in CASES.items() if case.platform.insights is not None}
ADVERTISING = {name: case for name, case in CASES.items() if case.platform.ads is not None}
STEPS_AT_MOST = 60
KNOWN = {MetricName.VIEWS: "views", MetricName.LIKES: "likes"}


def judge(metrics: tuple[Metric, ...]) -> None:
    """Each says where it comes from; what is not told is no zero, and says why."""
    assert metrics
    assert len({(m.name, m.source, m.since) for m in metrics}) == len(metrics), "told once"
    for metric in metrics:
        assert metric.source, metric
        assert (metric.value is None) == (metric.reason is not None), metric
        assert metric.period is not Period.RANGE or (metric.since and metric.until), metric


@pytest.mark.parametrize("case", MEASURED.values(), ids=list(MEASURED))
async def test_pain_13_a_number_has_its_source_and_none_is_invented(case: Case) -> None:
    insights = case.platform.insights
    assert insights is not None
    async with opened(case, posts=12) as place:
        told = {row["id"]: row["metrics"] for row in await place.content(place.told)}
        for access in (place.access, await place.access_for("insights")):
            for item in await items(place):
                outcome = await insights.of_content(access, item.external_id, item.kind)
                if isinstance(outcome, Rejected) and outcome.code == "unsupported":
                    continue  # no numbers of this kind of content
                judge(metrics := ok(outcome))
                for metric in metrics:
                    if metric.name in KNOWN and metric.period is Period.LIFETIME and item.external_id in told:
                        assert metric.value in (None, told[item.external_id][KNOWN[metric.name]]), metric
            judge(ok(await insights.of_account(access, START - timedelta(days=20), START)))
            unknown = await insights.of_content(access, "1", item.kind)
            if isinstance(unknown, Ok):
                assert all(metric.value is None for metric in unknown.value), "no zeros for what is not there"
            else:
                assert isinstance(unknown, Rejected)


async def items(place: Place) -> list[ContentItem]:
    """The newest of each kind."""
    platform = place.case.platform
    found: dict[ContentKind, ContentItem] = {}
    for source in (s for s in platform.spec.sources if not s.remarks):
        page = ok(
            await platform.list_page(place.http, place.bearer, place.told["external_id"], PageQuery(source))
        )
        found |= {item.kind: item for item in page.items}
    return list(found.values())


# -- reports ------------------------------------------------------------------------------------------
async def report(
    place: Place, access: Access, account: Any, state: ReportState | None
) -> tuple[dict[Any, AdDay], list[ReportState]]:
    """From a state to the end: the rows by object and day, and the states passed."""
    ads = place.case.platform.ads
    assert ads is not None
    rows: dict[Any, AdDay] = {}
    states: list[ReportState] = []
    while state is not None:
        states.append(state)
        assert len(states) < STEPS_AT_MOST, "it would never end"
        step = ok(await ads.report_step(access, account, state))
        rows |= {(row.external_id, row.day): row for row in step.rows}
        state = step.state
        await place.passes(state.wait_s if state else 0)
    return rows, states


@pytest.mark.parametrize("case", ADVERTISING.values(), ids=list(ADVERTISING))
async def test_pain_14_a_report_is_resumed_where_it_was_and_comes_to_an_end(case: Case) -> None:
    """A long one, in parts; from every state that was saved, after a step whose answer was lost, it goes on
    to the same rows."""
    async with opened(case) as place:
        access, ads = await place.access_for("ads"), case.platform.ads
        assert ads is not None
        (account, *_) = ok(await ads.accounts(access))
        begun = ads.report(ReportRequest(AdLevel.AD, TODAY - timedelta(days=80), TODAY))
        whole, states = await report(place, access, account, begun)
        assert len({day for _, day in whole}) > 30
        assert all(row.spend.currency == account.currency for row in whole.values())
        for n, state in enumerate(states):
            await lost(place, ads, access, account, state)
            rest, more = await report(place, access, account, state)
            assert rest.items() <= whole.items() and len(more) <= len(states) - n + 2, state
            if n == 0:
                assert rest == whole


async def lost(place: Place, ads: Ads, access: Access, account: Any, state: ReportState) -> None:
    """A step that the platform makes and nobody hears of: a report is safe to ask for again."""
    await place.fault("half_body", count=1)
    outcome = await ads.report_step(access, account, state)
    await place.no_faults()
    assert isinstance(outcome, RetryAfter), outcome


@pytest.mark.parametrize("case", ADVERTISING.values(), ids=list(ADVERTISING))
async def test_pain_14_a_report_survives_hours_of_faults(case: Case) -> None:
    async with opened(case) as place:
        access, ads = await place.access_for("ads"), case.platform.ads
        assert ads is not None
        (account, *_) = ok(await ads.accounts(access))
        state: ReportState | None = ads.report(
            ReportRequest(AdLevel.CAMPAIGN, TODAY - timedelta(days=9), TODAY)
        )
        rows: list[AdDay] = []
        while state is not None:
            for status in (429, 500, 503):
                await place.fault("status", status=status, count=1)
                assert isinstance(await ads.report_step(access, account, state), RetryAfter)
                await place.no_faults()
            step = ok(await ads.report_step(access, account, state))
            rows += step.rows
            state = step.state and replace(step.state, wait_s=0.0)
            await place.passes(600)
        assert rows
