"""Every combination of link and promotion code, whose they are, and when the sale was made."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from domain.attribution import Attribution, attribute
from tests.unit.commerce.driver import ORG, START

SALE = START + timedelta(days=10)


def link(**fields: Any) -> dict[str, Any]:
    return {
        "org": ORG,
        "createdAt": START,
        "disabledAt": None,
        "campaignId": "cmp_l",
        "contentId": "content_l",
        "platform": "twitter",
        "influencer": "inf_l",
    } | fields


def owner(**fields: Any) -> dict[str, Any]:
    return {
        "org": ORG,
        "from": START,
        "until": None,
        "campaign": "cmp_c",
        "content_id": "content_c",
        "platform": "instagram",
        "influencer": "inf_c",
    } | fields


LINKS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "good": (link(), "link matched"),
    "unknown": (None, "link unknown"),
    "foreign": (link(org="org_b"), "link unknown"),
    "younger": (link(createdAt=SALE + timedelta(minutes=6)), "link younger than the sale"),
    "long disabled": (link(disabledAt=SALE - timedelta(days=7)), "link disabled too long before the sale"),
    "absent": (None, ""),
}
CODES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "good": ([owner()], "promotion code matched"),
    "unknown": ([], "promotion code unknown"),
    "foreign": ([owner(org="org_b")], "promotion code unknown"),
    "not yet": (
        [owner(**{"from": SALE + timedelta(minutes=6)})],
        "promotion code not valid at the time of the sale",
    ),
    "over": ([owner(until=SALE)], "promotion code not valid at the time of the sale"),
    "absent": ([], ""),
}


def attributed(
    a_link: dict[str, Any] | None = None,
    owners: tuple[dict[str, Any], ...] = (),
    *,
    platform: str | None = None,
) -> Attribution:
    return attribute(
        org=ORG,
        at=SALE,
        link_code="link0001" if a_link else None,
        link=a_link,
        promotion_code="SUN" if owners else None,
        owners=owners,
        platform=platform,
    )


@pytest.mark.parametrize(("link_case", "code_case"), list(product(LINKS, CODES)))
def test_matrix(link_case: str, code_case: str) -> None:
    (document, link_fact), (owners, code_fact) = LINKS[link_case], CODES[code_case]
    credit = attribute(
        org=ORG,
        at=SALE,
        link_code=None if link_case == "absent" else "link0001",
        link=document,
        promotion_code=None if code_case == "absent" else "SUN",
        owners=owners,
        platform="tiktok",
    )
    expected: tuple[str | None, ...]
    if link_case == "good":
        expected = ("link", "cmp_l", "content_l", "twitter", "inf_l")
    elif code_case == "good":
        expected = ("promotion_code", "cmp_c", "content_c", "instagram", "inf_c")
    else:
        expected = ("none", None, None, "tiktok", None)
    assert (credit.by, credit.campaign_id, credit.content_id, credit.platform, credit.influencer) == expected
    assert link_fact in credit.reason
    assert code_fact in credit.reason
    if link_case == code_case == "good":
        assert "names another campaign: cmp_c" in credit.reason
        assert "names another influencer: inf_c" in credit.reason
    if link_case == code_case == "absent":
        assert credit.reason == "no link and no promotion code"


def test_agreement_is_not_called_a_disagreement() -> None:
    same = owner(campaign="cmp_l", content_id="content_l", platform="twitter", influencer="inf_l")
    assert attributed(link(), (same,)).reason == "link matched; promotion code matched"


def test_the_code_fills_in_what_the_link_does_not_tell() -> None:
    bare = link(campaignId=None, contentId=None, influencer=None)
    credit = attributed(bare, (owner(),))
    assert (credit.by, credit.campaign_id, credit.content_id, credit.influencer) == (
        "link",
        "cmp_c",
        "content_c",
        "inf_c",
    )
    assert credit.platform == "twitter"
    assert "completed by the promotion code" in credit.reason


def test_nothing_is_filled_in_across_campaigns() -> None:
    credit = attributed(link(influencer=None), (owner(),))
    assert (credit.campaign_id, credit.influencer) == ("cmp_l", None)


def test_the_shops_platform_is_used_where_the_winner_names_none() -> None:
    assert attributed(link(platform=None), platform="tiktok").platform == "tiktok"
    assert attributed(link(), platform="tiktok").platform == "twitter"


@pytest.mark.parametrize(
    ("days", "by"), [(6.9, "link"), (7, "none")], ids=["in the window", "after the window"]
)
def test_a_disabled_link_counts_for_a_week(days: float, by: str) -> None:
    assert attributed(link(disabledAt=SALE - timedelta(days=days))).by == by


def test_clocks_may_differ_by_minutes() -> None:
    soon = SALE + timedelta(minutes=5)
    assert attributed(link(createdAt=soon)).by == "link"
    assert attributed(None, (owner(**{"from": soon}),)).by == "promotion_code"


def test_the_owner_at_the_time_of_the_sale_is_credited() -> None:
    """A late sale finds the first owner, one of today the second, even while the first's window runs."""
    first = owner(campaign="cmp_1", until=SALE + timedelta(days=3))
    second = owner(campaign="cmp_2", **{"from": SALE + timedelta(days=1)})
    assert attributed(None, (first, second)).campaign_id == "cmp_1"
    second["from"] = SALE - timedelta(days=1)
    assert attributed(None, (first, second)).campaign_id == "cmp_2"
