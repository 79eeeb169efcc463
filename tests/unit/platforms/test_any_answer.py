"""Whatever Instagram and X answer, every call of their capabilities ends in an outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.advertising import AdAccount, AdLevel, AdStatus, NewAdCampaign, ReportRequest
from domain.content import ContentKind
from domain.money import Money
from domain.publishing import PublishState
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.http import Answer, Broken, NotSent
from platforms.instagram.adapter import Instagram
from platforms.outcome import Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.twitter.adapter import Twitter
from tests.unit.platforms.instagram_studio import DRAFTS
from tests.unit.platforms.publish_support import job_of
from tests.unit.platforms.support import Answers, answer
from tests.unit.platforms.test_wire import VALUES

IG, X = Instagram(), Twitter()
OUTCOMES = (Ok, RetryAfter, ReauthRequired, Rejected, Unknown)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
OWNER = AdAccount("18ce", "Kiln", "USD", "America/Los_Angeles")
WISH = NewAdCampaign("Summer", "rk-1", "REACH", Money(100, "USD"))
REPORT = ReportRequest(AdLevel.CAMPAIGN, date(2026, 11, 1), date(2026, 11, 3))
# Words that the parsers look for, so that what is made up comes near the real thing.
_WORDS = """
id data values value total_value breakdowns results dimension_values name status_code status config success
quota_usage quota_total username media_type product_id catalog_id public_metrics includes media created_at
non_public_metrics timestamped_metrics metrics next_cursor currency able_to_fund id_data impressions timezone
billed_charge_local_micro entity_status paging cursors next error errors code
"""
KEYS = st.sampled_from(sorted(_WORDS.split()))
BODIES = st.recursive(
    VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=5) | st.lists(inner, max_size=3)
)

Calls = dict[str, Callable[[Access], Awaitable[Any]]]


def publishing(platform: Any, stage: str, **facts: Any) -> Callable[[Access], Awaitable[Any]]:
    draft = platform.publishing.adapt(DRAFTS["carousel" if stage.startswith("item") else "reel"])
    job = replace(job_of(draft), state=PublishState(stage, facts))
    return lambda access: platform.publishing.step(access, job)


def finding(platform: Any, **facts: Any) -> Callable[[Access], Awaitable[Any]]:
    job = job_of(platform.publishing.adapt(DRAFTS["reel"]))
    return lambda access: platform.publishing.find(access, replace(job, state=PublishState("publish", facts)))


INSTAGRAM: Calls = {
    "quota": IG.publishing.quota,
    "start": publishing(IG, "start"),
    "item": publishing(IG, "item", items=[]),
    "items": publishing(IG, "items", items=["1", "2", "3"]),
    "container": publishing(IG, "container"),
    "status": publishing(IG, "status", container="1"),
    "publish": publishing(IG, "publish", container="1"),
    "find": finding(IG, container="1"),
    "delete": lambda access: IG.publishing.delete(access, "1"),
    "of_story": lambda access: IG.insights.of_content(access, "1", ContentKind.STORY),
    "of_account": lambda access: IG.insights.of_account(access, NOW - timedelta(days=3), NOW),
    "catalogs": IG.commerce.catalogs,
    "products": lambda access: IG.commerce.products(access, "1", None),
}
TWITTER: Calls = {
    "of_content": lambda access: X.insights.of_content(access, "1", ContentKind.VIDEO),
    "of_account": lambda access: X.insights.of_account(access, NOW - timedelta(days=3), NOW),
    "accounts": X.ads.accounts,
    "objects": lambda access: X.ads.objects(access, OWNER, AdLevel.GROUP, None),
    "report": lambda access: X.ads.report_step(access, OWNER, X.ads.report(REPORT)),
    "create": lambda access: X.ads.create_campaign(access, OWNER, WISH),
    "find_campaign": lambda access: X.ads.find_campaign(access, OWNER, WISH),
    "budget": lambda access: X.ads.set_budget(access, OWNER, AdLevel.CAMPAIGN, "1", Money(1, "USD")),
    "status": lambda access: X.ads.set_status(access, OWNER, AdLevel.AD, "1", AdStatus.DELETED),
    "find": finding(X, ids=[]),
}


class Way(Answers):
    def now(self) -> datetime:
        return NOW


def access_to(platform: str, *results: Answer | NotSent | Broken) -> Access:
    app = PlatformApp("a", platform, "c", Secret("s"), ())
    surface = "facebook" if platform == "instagram" else None
    return Access(Way(*results), app, Secret("t"), "1784", Secret("ts"), surface)


CALLS = [("instagram", name, call) for name, call in INSTAGRAM.items()]
CALLS += [("twitter", name, call) for name, call in TWITTER.items()]
each = pytest.mark.parametrize(("platform", "name", "call"), CALLS, ids=[f"{p}-{n}" for p, n, _ in CALLS])


@each
@settings(max_examples=40, deadline=None)
@given(st.sampled_from([200, 201, 302, 400, 401, 403, 404, 429, 500, 503]), st.binary(max_size=60) | BODIES)
async def test_any_bytes_end_in_an_outcome(
    platform: str, name: str, call: Any, status: int, body: object
) -> None:
    told = answer(status, body)
    assert isinstance(await call(access_to(platform, *[told] * 60)), OUTCOMES)


@each
@pytest.mark.parametrize("result", [NotSent("connect_failed"), Broken("timeout"), Broken("too_large")])
async def test_no_answer_ends_in_an_outcome(platform: str, name: str, call: Any, result: Any) -> None:
    """Only a call that makes something is left unknown by an answer that did not come."""
    outcome = await call(access_to(platform, *[result] * 60))
    assert isinstance(outcome, OUTCOMES) and not isinstance(outcome, Ok | ReauthRequired)
    decisive = name == "publish" and isinstance(result, Broken)
    assert isinstance(outcome, Unknown) is decisive
