"""To which content, campaign and platform a sale is credited, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

DEFAULT_WINDOW_DAYS = 7
"""How long after its end a campaign, and after its disabling a link, is still credited with sales."""

MAX_WINDOW_DAYS = 90

CLOCK_SKEW = timedelta(minutes=5)
"""How far a shop's clock, or its habit of sending whole minutes, may differ from ours."""

Source = Literal["link", "promotion_code", "none"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """`reason` says in words what matched, what did not, and where two sources disagreed."""

    by: Source
    reason: str
    campaign_id: str | None = None
    content_id: str | None = None
    platform: str | None = None
    influencer: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "campaign_id": self.campaign_id,
            "content_id": self.content_id,
            "platform": self.platform,
            "influencer": self.influencer,
            "by": self.by,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class _Touch:
    by: Literal["link", "promotion_code"]
    campaign_id: str | None
    content_id: str | None
    platform: str | None
    influencer: str | None


def attribute(
    *,
    org: str,
    at: datetime,
    link_code: str | None,
    link: Mapping[str, Any] | None,
    promotion_code: str | None,
    owners: Iterable[Mapping[str, Any]],
    platform: str | None,
) -> Attribution:
    """Credit one sale made at `at`.

    `link` is the `social_links` document of `link_code`, `owners` the `promotion_codes` documents of
    `promotion_code`, as far as they exist. A clicked link is stronger evidence than a typed code, so it
    wins when both match: the reason then says where they disagree, and the code only fills in what the link
    does not tell. What belongs to another org is treated as unknown. `platform` is what the shop said, used
    where the winner names none.

    A link counts from its creation until a week after it was disabled; a code from its campaign's launch
    until the end of that campaign's attribution window. The campaign of a link applies its own window when
    it hears of the sale.
    """
    by_link, link_fact = _by_link(org, at, link_code, link)
    by_code, code_fact = _by_code(org, at, promotion_code, owners)
    facts = [fact for fact in (link_fact, code_fact) if fact] or ["no link and no promotion code"]
    winner = by_link or by_code
    if winner is None:
        return Attribution("none", "; ".join(facts), platform=platform)
    if by_link and by_code:
        winner, remarks = _both(by_link, by_code)
        facts += remarks
    return Attribution(
        winner.by,
        "; ".join(facts),
        winner.campaign_id,
        winner.content_id,
        winner.platform or platform,
        winner.influencer,
    )


def _by_link(
    org: str, at: datetime, code: str | None, link: Mapping[str, Any] | None
) -> tuple[_Touch | None, str | None]:
    if code is None:
        return None, None
    if link is None or link["org"] != org:
        return None, "link unknown"
    if at < link["createdAt"] - CLOCK_SKEW:
        return None, "link younger than the sale"
    disabled_at = link["disabledAt"]
    if disabled_at is not None and at >= disabled_at + timedelta(days=DEFAULT_WINDOW_DAYS):
        return None, "link disabled too long before the sale"
    touch = _Touch("link", link["campaignId"], link["contentId"], link["platform"], link["influencer"])
    return touch, "link matched"


def _by_code(
    org: str, at: datetime, code: str | None, owners: Iterable[Mapping[str, Any]]
) -> tuple[_Touch | None, str | None]:
    if code is None:
        return None, None
    own = [owner for owner in owners if owner["org"] == org]
    if not own:
        return None, "promotion code unknown"
    for owner in sorted(own, key=lambda o: o["from"], reverse=True):
        if owner["from"] - CLOCK_SKEW <= at and (owner["until"] is None or at < owner["until"]):
            touch = _Touch(
                "promotion_code",
                owner["campaign"],
                owner["content_id"],
                owner["platform"],
                owner["influencer"],
            )
            return touch, "promotion code matched"
    return None, "promotion code not valid at the time of the sale"


def _both(link: _Touch, code: _Touch) -> tuple[_Touch, list[str]]:
    """The link's word, completed by the code where the link is silent and they mean the same campaign."""
    remarks = [
        f"the promotion code names another {what}: {theirs}"
        for what, ours, theirs in (
            ("campaign", link.campaign_id, code.campaign_id),
            ("content", link.content_id, code.content_id),
            ("platform", link.platform, code.platform),
            ("influencer", link.influencer, code.influencer),
        )
        if ours is not None and theirs is not None and ours != theirs
    ]
    if link.campaign_id is not None and link.campaign_id != code.campaign_id:
        return link, remarks
    completed = _Touch(
        "link",
        link.campaign_id or code.campaign_id,
        link.content_id or code.content_id,
        link.platform or code.platform,
        link.influencer or code.influencer,
    )
    if completed != link:
        remarks.append("completed by the promotion code")
    return completed, remarks
