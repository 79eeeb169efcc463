"""Instagram's numbers: the adapter against the sandbox, and answers in every shape that Meta gives."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.http import Answer
from platforms.instagram.insights import InstagramInsights
from platforms.outcome import Rejected, RetryAfter
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import Answers, World, answer, ok

INSIGHTS, M = InstagramInsights(), MetricName
KINDS = {
    "image": ContentKind.PHOTO,
    "carousel": ContentKind.CAROUSEL,
    "video": ContentKind.VIDEO,
    "reel": ContentKind.REEL,
}


def by_name(metrics: tuple[Metric, ...]) -> dict[MetricName, Metric]:
    found = {metric.name: metric for metric in metrics}
    assert len(found) == len(metrics), "each name once"
    assert all((m.value is None) is (m.reason is not None) for m in metrics), "a value or why there is none"
    return found


@pytest.mark.parametrize("name", KINDS)
async def test_numbers_of_media(world: World, name: str) -> None:
    account = await world.account("instagram", posts=60)
    row = next(r for r in await world.content(account) if r["kind"] == name)
    access, told = access_of(world, account), row["metrics"]
    found = by_name(ok(await INSIGHTS.of_content(access, row["id"], KINDS[name])))
    expected = {
        M.VIEWS: "views",
        M.LIKES: "likes",
        M.COMMENTS: "comments",
        M.SAVES: "saves",
        M.SHARES: "shares",
    }
    assert {name: found[name].value for name in expected} == {n: told[key] for n, key in expected.items()}
    assert found[M.REPLIES].reason == found[M.EXITS].reason == "not_for_kind"
    assert (found[M.IMPRESSIONS].value, found[M.IMPRESSIONS].reason) == (None, "withdrawn")
    if name == "reel":
        assert found[M.AVERAGE_WATCH_TIME_MS].value == 4200
        assert found[M.WATCH_TIME_MS].value == 4200 * told["views"]
        assert found[M.SKIPPED_PERCENT].value == 31.25
        assert found[M.PROFILE_VIEWS].reason == "not_for_kind"
    else:
        assert found[M.PROFILE_VIEWS].value is not None
        assert found[M.WATCH_TIME_MS].reason == "not_for_kind"


async def test_numbers_of_a_story(world: World) -> None:
    account = await world.account("instagram", posts=1)
    access = access_of(world, account)
    story = (await world.act(account, kind="story"))["id"]
    views = next(r for r in await world.content(account) if r["id"] == story)["metrics"]["views"]
    found = by_name(ok(await INSIGHTS.of_content(access, story, ContentKind.STORY)))
    if views < 5:
        pytest.fail("the seed gives a story with viewers")
    assert found[M.VIEWS].value == views
    assert found[M.TAPS_FORWARD].value == 2 * views * 70 // 100
    assert (found[M.EXITS].source, found[M.EXITS].value) == ("navigation.TAP_EXIT", 2 * views * 15 // 100)
    assert found[M.LIKES].reason == "not_for_kind"
    assert found[M.LINK_CLICKS].reason == "permission_missing"
    await world.ask("POST", "/clock", {"advance_s": 86_400})
    ended = by_name(ok(await INSIGHTS.of_content(access, story, ContentKind.STORY)))
    assert ended[M.VIEWS].reason == "not_answered", "empty is not zero"


async def test_numbers_of_an_account(world: World) -> None:
    account = await world.account("instagram", posts=60)
    access, until = access_of(world, account), datetime.now(UTC)
    since = until - timedelta(days=20)
    found = by_name(ok(await INSIGHTS.of_account(access, since, until)))
    rows = [
        row
        for row in await world.content(account)
        if since <= datetime.fromisoformat(row["created_at"]) < until and not row["deleted"]
    ]
    assert found[M.VIEWS].value == sum(row["metrics"]["views"] for row in rows)
    assert (found[M.VIEWS].period, found[M.VIEWS].since, found[M.VIEWS].until) == (Period.RANGE, since, until)
    assert found[M.FOLLOWERS].value and found[M.FOLLOWERS].period is Period.LIFETIME
    assert found[M.FOLLOWERS_GAINED].value is not None and found[M.FOLLOWERS_LOST].value is not None
    assert found[M.PROFILE_VIEWS].reason == found[M.IMPRESSIONS].reason == "withdrawn"
    longer = ok(await INSIGHTS.of_account(access, until - timedelta(days=400), until))
    assert {m.since for m in longer if m.since} == {until - timedelta(days=30)}


async def test_what_is_not_there_and_what_is_limited(world: World) -> None:
    access = access_of(world, await world.account("instagram", posts=1))
    gone = await INSIGHTS.of_content(access, "17900000000000000", ContentKind.PHOTO)
    assert isinstance(gone, Rejected) and gone.code == "100/33"
    fault = {"platform": "instagram", "kind": "status", "status": 429, "count": 1}
    await world.ask("POST", "/faults", fault)
    limited = await INSIGHTS.of_account(access, datetime.now(UTC), datetime.now(UTC))
    assert isinstance(limited, RetryAfter) and limited.rate_limited


# -- shapes -------------------------------------------------------------------------------------------
def told(*answers: Answer) -> Access:
    app = PlatformApp("a", "instagram", "c", Secret("s"), ())
    return Access(Answers(*answers), app, Secret("t"), "1784")


def row_of(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, "period": "lifetime", **value}


@pytest.mark.parametrize(
    ("row", "value", "reason"),
    [
        (row_of("views", values=[{"value": 7}]), 7, None),
        (row_of("views", total_value={"value": 7}), 7, None),
        (row_of("views", values=[{"value": "7"}]), 7, None),
        (row_of("views", values=[{"value": -1}]), None, "not_answered"),
        (row_of("views", values=[{"value": True}]), None, "not_answered"),
        (row_of("views", values=[{"value": None}]), None, "not_answered"),
        (row_of("views", values=[]), None, "not_answered"),
        (row_of("views", values={}), None, "not_answered"),
        (row_of("other", values=[{"value": 7}]), None, "not_answered"),
    ],
)
async def test_a_number_in_any_shape(row: dict[str, Any], value: int | None, reason: str | None) -> None:
    given = answer(200, {"data": [row]})
    found = by_name(ok(await INSIGHTS.of_content(told(given), "1", ContentKind.PHOTO)))
    assert (found[M.VIEWS].value, found[M.VIEWS].reason) == (value, reason)


async def test_a_breakdown_without_results_is_nothing() -> None:
    split = {"value": 0, "breakdowns": [{"dimension_keys": ["story_navigation_action_type"]}]}
    answers = answer(200, {"data": []}), answer(200, {"data": [row_of("navigation", total_value=split)]})
    found = by_name(ok(await INSIGHTS.of_content(told(*answers), "1", ContentKind.STORY)))
    assert (found[M.EXITS].value, found[M.EXITS].reason) == (0, None)


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (ContentKind.STORY, 10, "too_few_viewers"),
        (ContentKind.REEL, 10, "permission_missing"),
        (ContentKind.REEL, 200, "permission_missing"),
    ],
)
async def test_why_there_are_none(kind: ContentKind, code: int, reason: str) -> None:
    refused = answer(400, {"error": {"code": code, "message": "no"}})
    found = by_name(ok(await INSIGHTS.of_content(told(refused), "1", kind)))
    assert (found[M.VIEWS].value, found[M.VIEWS].reason) == (None, reason)
