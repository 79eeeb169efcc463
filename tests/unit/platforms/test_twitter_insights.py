"""X's numbers: the adapter against the sandbox's X, and what it makes of answers with holes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.clock import ManualClock
from domain.content import ContentKind
from domain.insights import Metric, MetricName, Period
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.http import Answer
from platforms.outcome import Ok, Rejected, RetryAfter
from platforms.twitter.insights import TwitterInsights
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import Answers, World, answer, ok

INSIGHTS, M = TwitterInsights(), MetricName
PUBLIC = {M.LIKES: "likes", M.COMMENTS: "comments", M.SHARES: "shares", M.QUOTES: "quotes", M.SAVES: "saves"}


def by_name(metrics: tuple[Metric, ...]) -> dict[MetricName, Metric]:
    found = {metric.name: metric for metric in metrics}
    assert len(found) == len(metrics), "each name once"
    assert all((m.value is None) is (m.reason is not None) for m in metrics), "a value or why there is none"
    return found


async def numbers(world: World, account: dict[str, Any], row: dict[str, Any]) -> dict[MetricName, Metric]:
    kind = ContentKind.VIDEO if "video" in row["media"] else ContentKind.POST
    return by_name(ok(await INSIGHTS.of_content(access_of(world, account), row["id"], kind)))


async def rows_of(world: World, account: dict[str, Any], old: bool) -> list[dict[str, Any]]:
    limit = datetime.now(UTC) - timedelta(days=30)
    own = [r for r in await world.content(account) if r["kind"] == "post" and not r["deleted"]]
    return [r for r in own if (datetime.fromisoformat(r["created_at"]) < limit) is old]


async def test_numbers_of_a_post(world: World) -> None:
    account = await world.account("twitter", posts=60)
    row = next(r for r in await rows_of(world, account, old=False) if "video" not in r["media"])
    found, told = await numbers(world, account, row), row["metrics"]
    assert {name: found[name].value for name in PUBLIC} == {n: told[key] for n, key in PUBLIC.items()}
    assert found[M.IMPRESSIONS].value == told["views"]
    assert found[M.LINK_CLICKS].value == told["views"] // 40
    assert found[M.LINK_CLICKS].source == "non_public_metrics.url_link_clicks"
    assert found[M.PROFILE_CLICKS].value == told["views"] // 60
    assert found[M.FOLLOWERS_GAINED].value == told["views"] // 500
    assert found[M.FOLLOWERS_GAINED].source == "analytics.follows"
    assert found[M.VIEWS].reason == found[M.COMPLETED_VIEWS].reason == "not_for_kind"


async def test_numbers_of_a_film(world: World) -> None:
    account = await world.account("twitter", posts=60)
    row = next(r for r in await rows_of(world, account, old=False) if "video" in r["media"])
    found = await numbers(world, account, row)
    views, complete = found[M.VIEWS].value, found[M.COMPLETED_VIEWS].value
    assert views and complete == views // 2
    assert found[M.COMPLETED_VIEWS].source == "media.non_public_metrics.playback_100_count"


async def test_what_x_withholds_after_thirty_days_the_analytics_tell(world: World) -> None:
    account = await world.account("twitter", posts=60)
    rows = await rows_of(world, account, old=True)
    row = next(r for r in rows if "video" not in r["media"])
    found, told = await numbers(world, account, row), row["metrics"]
    assert (found[M.LINK_CLICKS].value, found[M.LINK_CLICKS].source) == (
        told["views"] // 40,
        "analytics.url_clicks",
    )
    refused = {"platform": "twitter", "path": "analytics", "kind": "status", "status": 403, "count": 2}
    await world.ask("POST", "/faults", refused)
    found = await numbers(world, account, row)
    assert found[M.LINK_CLICKS].reason == found[M.ENGAGEMENTS].reason == "too_old"
    assert found[M.FOLLOWERS_GAINED].reason == "permission_missing"
    assert found[M.LIKES].value == told["likes"]
    film = next((r for r in rows if "video" in r["media"]), None)
    if film is None:
        pytest.fail("the seed has an old film")
    assert (await numbers(world, account, film))[M.COMPLETED_VIEWS].reason == "too_old"


async def test_numbers_of_an_account(world: World) -> None:
    account = await world.account("twitter", posts=3)
    until = datetime.now(UTC)
    since = until - timedelta(days=7)
    found = by_name(ok(await INSIGHTS.of_account(access_of(world, account), since, until)))
    assert found[M.FOLLOWERS].value and found[M.FOLLOWERS].period is Period.LIFETIME
    assert found[M.CONTENT_COUNT].value == 3
    assert (found[M.IMPRESSIONS].reason, found[M.IMPRESSIONS].since) == ("not_offered", since)


async def test_what_is_not_there_and_what_is_limited(world: World) -> None:
    account = await world.account("twitter", posts=1)
    access = access_of(world, account)
    gone = await INSIGHTS.of_content(access, "1", ContentKind.POST)
    assert isinstance(gone, Rejected) and gone.code == "no_such_post"
    (row,) = await world.content(account)
    for path in ("/2/tweets$", "analytics"):
        fault = {"platform": "twitter", "path": path, "kind": "status", "status": 429, "count": 1}
        await world.ask("POST", "/faults", fault)
        limited = await INSIGHTS.of_content(access, row["id"], ContentKind.POST)
        assert isinstance(limited, RetryAfter) and limited.rate_limited


# -- shapes -------------------------------------------------------------------------------------------
class Way(Answers):
    def now(self) -> datetime:
        return ManualClock().now()


def access_to(*answers: Answer) -> Access:
    return Access(Way(*answers), PlatformApp("a", "twitter", "c", Secret("s"), ()), Secret("t"), "1")


@pytest.mark.parametrize("word", ["repost_count", "retweet_count"])
async def test_both_dialects_are_read(word: str) -> None:
    post = {"data": [{"id": "7", "public_metrics": {word: 5}}]}
    access = access_to(answer(200, post))
    found = by_name(ok(await INSIGHTS.of_content(access, "7", ContentKind.POST)))
    assert (found[M.SHARES].value, found[M.SHARES].source) == (5, f"public_metrics.{word}")
    assert found[M.LIKES].reason == "not_answered"


@pytest.mark.parametrize(
    ("row", "follows"),
    [
        ({"follows": 3}, 3),
        ({"timestamped_metrics": [{"metrics": {"follows": 1}}, {"metrics": {"follows": 2}}]}, 3),
        ({"follows": 9, "timestamped_metrics": [{"metrics": {"follows": 3}}]}, 3),
        ({"timestamped_metrics": [{"metrics": {"follows": None}}, {"metrics": None}, 7]}, None),
        ({"timestamped_metrics": "7"}, None),
    ],
)
async def test_analytics_in_any_shape(row: dict[str, Any], follows: int | None) -> None:
    created = (ManualClock().now() - timedelta(days=1)).isoformat()
    post = {"data": [{"id": "7", "created_at": created}]}
    access = access_to(answer(200, post), answer(200, {"data": [{"id": "7", **row}]}))
    outcome = await INSIGHTS.of_content(access, "7", ContentKind.POST)
    assert isinstance(outcome, Ok)
    found = by_name(outcome.value)[M.FOLLOWERS_GAINED]
    assert (found.value, found.reason) == (follows, None if follows is not None else "not_answered")
