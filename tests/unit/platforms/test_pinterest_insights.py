"""Numbers of Pins and accounts against the sandbox's Pinterest, and answers of any quality."""

import json
from datetime import timedelta
from typing import Any

import pytest

from domain.clock import ManualClock, SystemClock
from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import Answer
from platforms.outcome import Ok, Rejected
from platforms.pinterest.adapter import Pinterest
from tests.unit.platforms import pinterest_contract as contract
from tests.unit.platforms.support import Answers, World, answer, app_of, ok

PIN = Pinterest()
NOW = SystemClock().now()


class Told(Answers):
    """Answers that know the time."""

    def now(self) -> Any:
        return ManualClock().now()


def access_of(http: Any, account: dict[str, Any]) -> Access:
    return Access(http, app_of(account), Secret(account["access_token"]), account["external_id"])


def by_name(metrics: tuple[Metric, ...]) -> dict[MetricName, Metric]:
    return {metric.name: metric for metric in metrics}


async def some_pin(world: World, account: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(row for row in await world.content(account) if row["kind"] == kind)


async def test_of_a_picture_and_of_a_film(world: World) -> None:
    account = await world.account("pinterest", posts=40)
    access = access_of(world.http, account)
    picture, film = [await some_pin(world, account, kind) for kind in ("image", "video")]
    found = by_name(ok(await PIN.insights.of_content(access, picture["id"], ContentKind.PIN)))
    assert found[MetricName.LIKES].value == picture["metrics"]["likes"]
    assert found[MetricName.COMMENTS].period is Period.LIFETIME
    seen = found[MetricName.IMPRESSIONS]
    assert seen.value and (seen.period, seen.source) == (Period.RANGE, "IMPRESSION")
    assert seen.since is not None and seen.until == seen.since + timedelta(days=90)
    assert (found[MetricName.VIEWS].value, found[MetricName.VIEWS].reason) == (None, "not_for_kind")
    found = by_name(ok(await PIN.insights.of_content(access, film["id"], ContentKind.VIDEO)))
    assert found[MetricName.VIEWS].value and found[MetricName.AVERAGE_WATCH_TIME_MS].value
    assert all(metric.value is not None for metric in found.values())


async def test_a_new_pin_has_no_numbers_yet(world: World) -> None:
    account = await world.account("pinterest", posts=1)
    made = await world.act(account, kind="post", text="new")
    access = access_of(world.http, account)
    found = by_name(ok(await PIN.insights.of_content(access, made["id"], ContentKind.PIN)))
    assert (found[MetricName.SAVES].value, found[MetricName.SAVES].reason) == (None, "processing")


async def test_of_the_account_by_days(world: World) -> None:
    account = await world.account("pinterest", posts=20)
    access = access_of(world.http, account)
    told = ok(await PIN.insights.of_account(access, NOW - timedelta(days=400), NOW))
    days = [m for m in told if m.period is Period.DAY and m.name is MetricName.IMPRESSIONS]
    assert len(days) == 90, "as far back as Pinterest looks"
    assert [m.reason for m in days[-2:]] == ["processing", "processing"]
    assert all(m.value is not None and m.reason is None for m in days[-30:-2])
    assert by_name(told)[MetricName.FOLLOWERS].value is not None
    only = ok(await PIN.insights.of_account(access, NOW - timedelta(days=400), NOW - timedelta(days=200)))
    assert {m.period for m in only} == {Period.LIFETIME}


async def test_boards_have_no_numbers(world: World) -> None:
    access = access_of(Answers(), await world.account("pinterest"))
    found = await PIN.insights.of_content(access, "1", ContentKind.BOARD)
    assert isinstance(found, Rejected) and found.code == "unsupported"


@pytest.mark.parametrize(
    "body", [{}, {"all": []}, {"all": {"daily_metrics": 7}}, {"other": {"summary_metrics": {"SAVE": "x"}}}]
)
async def test_odd_answers_are_not_available(world: World, body: Any) -> None:
    access = access_of(Told(answer(200, body)), await world.account("pinterest"))
    found = await PIN.insights.of_content(access, "1", ContentKind.PIN)
    assert isinstance(found, Ok) and all(m.value is None and m.reason for m in found.value)


async def test_a_number_that_is_not_final_is_none(world: World) -> None:
    row = {"date": "2026-11-02", "data_status": "ESTIMATE", "metrics": {"SAVE": 4}}
    http = Told(answer(200, {"follower_count": 3}), answer(200, {"all": {"daily_metrics": [row]}}))
    now = http.now()
    access = access_of(http, await world.account("pinterest"))
    found = by_name(ok(await PIN.insights.of_account(access, now - timedelta(days=3), now)))
    assert (found[MetricName.SAVES].value, found[MetricName.SAVES].reason) == (None, "estimate")


async def test_the_contract(world: World) -> None:
    account = await world.account("pinterest", posts=5)
    pin = (await world.content(account))[0]["id"]
    for template, path, asked in (
        ("/pins/{pin_id}/analytics", f"pins/{pin}/analytics", 0),
        ("/user_account/analytics", "user_account/analytics", 1),
    ):
        fine = Answer(200, {}, b"{}", NOW)
        http = Told(fine, fine)
        if asked:
            await PIN.insights.of_account(
                access_of(http, account), http.now() - timedelta(days=9), http.now()
            )
        else:
            await PIN.insights.of_content(access_of(http, account), pin, ContentKind.VIDEO)
        query = {name: str(value) for name, value in http.asked[asked].query.items()}
        assert contract.request_errors("get", template, query, None) == []
        days = {"start_date": str(NOW.date() - timedelta(days=5)), "end_date": str(NOW.date())}
        headers = {"Authorization": f"Bearer {account['access_token']}"}
        told = await world.control.get(
            f"/api.pinterest.com/v5/{path}", params={**query, **days}, headers=headers
        )
        assert told.status_code == 200, told.text
        assert contract.answer_errors("get", template, 200, json.loads(told.content)) == []
