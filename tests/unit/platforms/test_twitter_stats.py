"""Reports of X's advertising: jobs asked for, waited for, their files read; against the sandbox and against
made-up answers."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.advertising import AdAccount, AdDay, AdLevel, ReportRequest, ReportState, ReportStep
from domain.money import Money
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.http import MAX_BODY_BYTES, Answer, Broken, NotSent
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter
from platforms.twitter.ads_api import call
from platforms.twitter.ads_rows import days_of
from platforms.twitter.errors import TOO_COMPLEX
from tests.unit.platforms.support import Answers, World, answer, ok
from tests.unit.platforms.test_twitter_ads import ADS, WISH, opened

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWNER = AdAccount("18ce", "Kiln", "USD", "Europe/Berlin")


# -- against the sandbox ------------------------------------------------------------------------------
class Watched:
    """A report made step by step; `jobs` were asked for, as queries, `files` fetched."""

    def __init__(self, world: World, access: Access, owner: AdAccount) -> None:
        self._world, self._access, self._owner = world, access, owner
        self.jobs: list[Any] = []
        self.files: list[str] = []
        self.states: list[ReportState] = []
        send = world.http.send

        async def heard(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
            if call.method == "POST" and "/stats/jobs/" in call.url:
                self.jobs.append(call.query)
            if call.url.startswith("https://ton.twimg.com/"):
                assert call.bearer is None and "Authorization" not in call.headers
                self.files.append(call.url)
            return await send(spec, call, timeout_s)

        world.http.send = heard  # type: ignore[method-assign]

    async def run(self, state: ReportState | None) -> list[AdDay]:
        """Every state goes through what a document keeps."""
        days: list[AdDay] = []
        while state is not None:
            assert len(self.states) < 100
            self.states.append(state)
            step = ok(await ADS.report_step(self._access, self._owner, state))
            days += step.rows
            state = step.state
            await self._world.ask("POST", "/clock", {"advance_s": state.wait_s if state else 0})
        return days


async def watched(world: World) -> Watched:
    return Watched(world, *await opened(world))


def ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


async def test_the_levels_agree_and_each_day_comes_once(world: World) -> None:
    report = await watched(world)
    totals = []
    for level in AdLevel:
        days = await report.run(ADS.report(ReportRequest(level, ago(18), ago(2))))
        assert {d.day for d in days} <= {ago(18 - n) for n in range(17)}
        assert len({(d.external_id, d.day) for d in days}) == len(days) > 10
        totals.append((sum(d.spend.minor for d in days), sum(d.impressions or 0 for d in days)))
    assert len(report.jobs) == len(report.files) == 3
    # Cents of single posts are rounded, their sum is not.
    assert len({seen for _, seen in totals}) == 1
    assert max(spend for spend, _ in totals) - min(spend for spend, _ in totals) <= 8 * 17


async def test_the_numbers_are_those_of_the_synchronous_answer(world: World) -> None:
    access, owner = await opened(world)
    report = Watched(world, access, owner)
    days = await report.run(ADS.report(ReportRequest(AdLevel.CAMPAIGN, ago(8), ago(2))))
    query = {name: value for name, value in report.jobs[0].items() if isinstance(value, str)}
    told = ok(await call(access, "GET", f"stats/accounts/{owner.external_id}", query))
    request = ReportRequest(AdLevel.CAMPAIGN, ago(8), ago(2))
    assert days == [day for row in told["data"] for day in days_of(row, request, "USD")]


async def test_a_long_report_is_in_parts_of_ninety_days(world: World) -> None:
    report = await watched(world)
    days = await report.run(ADS.report(ReportRequest(AdLevel.CAMPAIGN, ago(201), ago(2))))
    asked = [[datetime.fromisoformat(job[n]) for n in ("start_time", "end_time")] for job in report.jobs]
    assert [round((end - start) / timedelta(days=1)) for start, end in asked] == [90, 90, 20]
    assert [end for _, end in asked[:-1]] == [start for start, _ in asked[1:]], "nothing between the parts"
    assert len({(d.external_id, d.day) for d in days}) == len(days) > 300


async def test_more_objects_than_one_job_takes(world: World) -> None:
    access, owner = await opened(world)
    for n in range(25):
        ok(await ADS.create_campaign(access, owner, replace(WISH, tag=f"rk-{n}")))
    report = Watched(world, access, owner)
    days = await report.run(ADS.report(ReportRequest(AdLevel.CAMPAIGN, ago(2), ago(2))))
    assert [len(job["entity_ids"].split(",")) for job in report.jobs] == [20, 7]
    assert len(days) == 2, "of 27 campaigns two ran"


async def test_a_job_is_gone_on_with_by_its_id(world: World) -> None:
    """Whoever takes over has what the document kept, and asks for no second job."""
    report = await watched(world)
    whole = await report.run(ADS.report(ReportRequest(AdLevel.AD, ago(60), ago(2))))
    waiting = next(state for state in report.states if state.job_id is not None)
    assert waiting.wait_s > 0 and len(report.jobs) == 1
    assert await report.run(waiting) == whole
    assert len(report.jobs) == 1 and len(set(report.files)) == 1


async def test_a_file_that_is_late_is_asked_for_again(world: World) -> None:
    access, owner = await opened(world)
    report = Watched(world, access, owner)
    whole = await report.run(ADS.report(ReportRequest(AdLevel.AD, ago(9), ago(2))))
    fault = {"platform": "twitter", "host": "ton.twimg.com", "kind": "status", "count": 1}
    for status in (404, 426, 403, 500):
        await world.ask("POST", "/faults", fault | {"status": status})
        outcome = await ADS.report_step(access, owner, report.states[-1])
        assert isinstance(outcome, RetryAfter) and outcome.reason == "report_file_late", outcome
    assert await report.run(report.states[-1]) == whole


async def test_too_many_jobs_at_once_are_waited_for(world: World) -> None:
    access, owner = await opened(world)
    limit = {"platform": "twitter", "family": "ads_jobs", "limit": 1}
    await world.ask("PUT", "/limits", limit)
    state = ADS.report(ReportRequest(AdLevel.CAMPAIGN, ago(9), ago(2)))
    begun = ok(await ADS.report_step(access, owner, state)).state
    outcome = await ADS.report_step(access, owner, state)
    assert isinstance(outcome, RetryAfter) and outcome.reason == "too_many_jobs"
    await world.ask("POST", "/clock", {"advance_s": 10})
    assert ok(await ADS.report_step(access, owner, begun)).rows
    ok(await ADS.report_step(access, owner, state))


# -- made-up answers ----------------------------------------------------------------------------------
REQUEST = ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 1), date(2026, 11, 10))
LISTED = {"data": [{"id": "c1"}], "next_cursor": "p2"}
FILE = "https://ton.twimg.com/advertiser-api-async-analytics/x.json.gz"
BEGUN = ReportState(REQUEST, job_id="77", cursor='["p1", "p2"]', percent=1)


class Way(Answers):
    def now(self) -> datetime:
        return NOW


def told(*results: object) -> Access:
    given = [r if isinstance(r, Answer | NotSent | Broken) else answer(200, r) for r in results]
    return Access(
        Way(*given), PlatformApp("a", "twitter", "key", Secret("s"), ()), Secret("t"), "1", Secret("ts")
    )


async def stepped(state: ReportState, *results: object) -> Outcome[ReportStep]:
    return await ADS.report_step(told(*results), OWNER, state)


def job(status: str = "SUCCESS", **more: Any) -> dict[str, Any]:
    return {"data": [{"id_str": "77", "id": 77, "status": status, "url": FILE} | more]}


def packed(document: object) -> Answer:
    return answer(200, gzip.compress(json.dumps(document).encode()))


async def test_what_is_asked_for_in_the_accounts_own_zone() -> None:
    """Autumn 2026: the 25th of October has 25 hours in Berlin."""
    access = told({"data": [{"id": "c1"}, {"id": "c2"}]}, {"data": {"id_str": "77"}})
    request = ReportRequest(AdLevel.CAMPAIGN, date(2026, 10, 24), date(2026, 10, 25))
    begun = ok(await ADS.report_step(access, OWNER, ADS.report(request))).state
    assert (begun.job_id, begun.percent) == ("77", 0) and begun.wait_s > 0
    assert isinstance(access.http, Answers)
    asked = access.http.asked[-1]
    assert (asked.method, asked.url) == ("POST", "https://ads-api.x.com/12/stats/jobs/accounts/18ce")
    assert (asked.query["start_time"], asked.query["end_time"]) == (
        "2026-10-23T22:00:00Z",
        "2026-10-25T23:00:00Z",
    )
    assert asked.query["entity_ids"] == "c1,c2"
    nowhere = await ADS.report_step(told(), replace(OWNER, timezone=None), ADS.report(request))
    assert isinstance(nowhere, Rejected) and nowhere.code == "timezone"


async def test_pages_without_objects_are_passed_by() -> None:
    state = ADS.report(REQUEST)
    after = ok(await stepped(state, {"data": [], "next_cursor": "p2"}))
    assert after.state.job_id is None
    assert ok(await stepped(after.state, {"data": []})).state is None
    kept = replace(state, cursor="8x7v00oow")
    begun = ok(await stepped(kept, LISTED, {"data": {"id": 77}})).state
    assert (begun.job_id, begun.cursor) == ("77", '[null, "p2"]'), (
        "kept by an earlier version: from the start"
    )


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (
            {"impressions": [10, 20], "clicks": [1, 2], "billed_charge_local_micro": [1_250_000, 5_000]},
            [125, 0],
        ),
        ({"impressions": [10, 0], "clicks": None, "billed_charge_local_micro": None}, [0]),
        ({"impressions": None, "billed_charge_local_micro": None}, []),
        ({"impressions": [None, "7"], "billed_charge_local_micro": [-1, 2_000_000]}, [200]),
        ({"impressions": "many"}, []),
        ({}, []),
    ],
)
async def test_numbers_in_any_shape(metrics: dict[str, Any], expected: list[int]) -> None:
    row = {"id": "c1", "id_data": [{"segment": None, "metrics": metrics}]}
    step = ok(await stepped(BEGUN, job(), packed({"data": [row, {"id": "c2"}, 7]})))
    assert [day.spend.minor for day in step.rows] == expected
    assert (step.state.job_id, step.state.cursor, step.state.percent) == (None, '["p2", null]', 0)


async def test_what_http_has_unpacked_is_read_as_well() -> None:
    row = {"id": "c1", "id_data": [{"metrics": {"billed_charge_local_micro": [2_000_000]}}]}
    (day,) = ok(await stepped(BEGUN, job(), {"data": [row]})).rows
    assert (day.spend, day.day) == (Money(200, "USD"), date(2026, 11, 1))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.json.gz",
        "https://ton.twimg.com.evil.example/x",
        "https://evil.example#ton.twimg.com",
        "https://user@ton.twimg.com/x",
        "https://ton.twimg.com:8443/x",
        "http://ton.twimg.com/x",
        "//ton.twimg.com/x",
        "https://[ton.twimg.com/x",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_file_elsewhere_is_not_fetched(url: str) -> None:
    access = told(job(url=url))
    outcome = await ADS.report_step(access, OWNER, BEGUN)
    assert isinstance(outcome, Rejected) and outcome.code == "file_elsewhere"
    assert isinstance(access.http, Answers) and len(access.http.asked) == 1


async def test_a_files_address_is_asked_for_as_it_is() -> None:
    access = told(job(url=f"{FILE}?sig=a%2Fb&e=1"), packed({"data": []}))
    ok(await ADS.report_step(access, OWNER, BEGUN))
    assert isinstance(access.http, Answers)
    asked = access.http.asked[-1]
    assert (asked.url, asked.query) == (FILE, {"sig": Secret("a/b"), "e": Secret("1")})
    assert asked.bearer is None and "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (answer(200, gzip.compress(b'{"data": []}')[:-9]), RetryAfter),
        (answer(200, b"<!doctype html>"), RetryAfter),
        (answer(200, b"[]"), RetryAfter),
        (answer(200, {"error": "x"}), RetryAfter),
        (answer(200, {"data": {}}), RetryAfter),
        (answer(200, b""), RetryAfter),
        (answer(302, b""), Rejected),
        (answer(404, b""), RetryAfter),
        (answer(503, b""), RetryAfter),
        (NotSent("timeout"), RetryAfter),
        (Broken("half_answer"), RetryAfter),
    ],
)
async def test_what_is_no_file(result: object, expected: type[Any]) -> None:
    outcome = await stepped(BEGUN, job(), result)
    assert isinstance(outcome, expected) and not isinstance(outcome, Ok), outcome


BOMB = answer(200, gzip.compress(b" " * (MAX_BODY_BYTES + 1)))
HALVES = (
    ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 1), date(2026, 11, 5)),
    ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 6), date(2026, 11, 10)),
)


@pytest.mark.parametrize(
    "results",
    [
        (job("FAILED"),),
        (job("CANCELLED", url=None),),
        (job(), BOMB),
        (job(), Broken("too_large")),
    ],
)
async def test_what_is_too_much_is_split_by_days(results: tuple[object, ...]) -> None:
    later = ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 11), date(2026, 11, 12))
    step = ok(await stepped(replace(BEGUN, rest=(later,)), *results))
    assert step.rows == ()
    assert step.state == ReportState(HALVES[0], cursor='["p1", null]', rest=(HALVES[1], later))
    day = ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 1), date(2026, 11, 1))
    end = await stepped(replace(BEGUN, request=day), *results)
    assert isinstance(end, Rejected) and end.code == TOO_COMPLEX and "2026-11-01" in end.message


async def test_a_job_that_x_finds_too_complex_is_split() -> None:
    refused = answer(400, {"errors": [{"code": "REQUEST_TOO_COMPLEX", "message": "x"}]})
    state = replace(ADS.report(REQUEST), cursor='["p1", null]')
    step = ok(await stepped(state, LISTED, refused))
    assert step.state == ReportState(HALVES[0], cursor='["p1", null]', rest=(HALVES[1],))
    other = answer(400, {"errors": [{"code": "INVALID_PARAMETER"}]})
    outcome = await stepped(state, LISTED, other)
    assert isinstance(outcome, Rejected) and outcome.code == "400"


@pytest.mark.parametrize(
    "gone", [{"data": []}, {"data": [{"id_str": "78", "status": "SUCCESS"}]}, job(expires_at=NOW.isoformat())]
)
async def test_a_job_that_is_gone_is_asked_for_again(gone: dict[str, Any]) -> None:
    step = ok(await stepped(BEGUN, gone))
    assert (step.state.job_id, step.state.cursor, step.state.request) == (None, '["p1", null]', REQUEST)
    state, asked = BEGUN, 0
    while True:
        outcome = (
            await stepped(state, gone) if state.job_id else await stepped(state, LISTED, {"data": {"id": 77}})
        )
        if isinstance(outcome, Rejected):
            break
        state, asked = ok(outcome).state, asked + 1
        assert asked < 20, "it would never end"
    assert outcome.code == "report_unfinished"


@pytest.mark.parametrize(
    "unfinished", [job("PROCESSING", url=None), job("QUEUED"), job(url=None), job("NEW")]
)
async def test_a_job_is_waited_for_ever_more_seldom_and_not_for_ever(unfinished: dict[str, Any]) -> None:
    state, waits = replace(BEGUN, percent=0), []
    while True:
        outcome = await stepped(state, unfinished)
        if isinstance(outcome, Rejected):
            break
        state = ok(outcome).state
        assert state.job_id == "77"
        waits.append(state.wait_s)
    assert outcome.code == "report_unfinished"
    assert waits == sorted(waits) and max(waits) == 60 and 3600 < sum(waits) < 7200


async def test_a_job_without_an_id_is_no_job() -> None:
    outcome = await stepped(ADS.report(REQUEST), LISTED, {"data": {}})
    assert isinstance(outcome, Rejected) and outcome.code == "no_report"
