"""What a campaign writes beside itself, so that others find it: members and promotion codes.

`campaign_members` tells the reader of the bus which campaigns an event concerns; `promotion_codes` tells a
transaction whose code was used. Both follow from the campaign's state alone, so a turn writes the difference
between the documents of the old state and those of the new.
"""

from collections.abc import Mapping
from datetime import datetime

from actors.campaign.spending import SETTLES
from actors.campaign.state import Campaign
from actors.runtime.entity import SideWrite
from domain.promotion import COLLECTION as CODES
from storage.records import Document

MEMBERS = "campaign_members"


def member_document(
    *,
    org: str,
    campaign: str,
    kind: str,
    id: str,
    since: datetime,
    until: datetime | None,
    content_id: str | None = None,
    platform: str | None = None,
    influencer: str | None = None,
) -> Document:
    """`kind`: content, account, link or ad. An event at `from` <= time < `until` concerns the campaign."""
    return {
        "_id": f"{campaign}|{kind}|{id}",
        "org": org,
        "ref": f"{kind}:{id}",
        "campaign": campaign,
        "from": since,
        "until": until,
        "content_id": content_id,
        "platform": platform,
        "influencer": influencer,
    }


def changes(id: str, before: Campaign | None, after: Campaign, now: datetime) -> tuple[SideWrite, ...]:
    """Side documents to write for the step from `before` to `after`; what is no longer wanted is ended."""
    old, new = _documents(id, before), _documents(id, after)
    writes = [SideWrite(ref[0], new[ref]) for ref in new if new[ref] != old.get(ref)]
    for ref, document in old.items():
        if ref not in new:
            ended = {"until": now} | ({"active": False} if "active" in document else {})
            writes.append(SideWrite(ref[0], document | ended))
    return tuple(writes)


def _documents(id: str, campaign: Campaign | None) -> Mapping[tuple[str, str], Document]:
    """(collection, _id) -> document. A draft has none: nothing counts before the launch."""
    if campaign is None or campaign.launched_at is None:
        return {}
    until = campaign.counts_until
    found: dict[tuple[str, str], Document] = {}
    ads_until = until + SETTLES if until is not None else None
    for ad_id in campaign.ad_campaigns:
        document = member_document(
            org=campaign.org, campaign=id, kind="ad", id=ad_id, since=campaign.launched_at, until=ads_until
        )
        found[MEMBERS, document["_id"]] = document
    for kind, ids in (("account", campaign.accounts), ("content", campaign.content)):
        for member in ids:
            if campaign.joining.get(f"{kind}:{member}") == 0:
                continue  # its history goes before it
            document = member_document(
                org=campaign.org, campaign=id, kind=kind, id=member, since=campaign.launched_at, until=until
            )
            found[MEMBERS, document["_id"]] = document
    for code in campaign.codes:
        if code.place is None:
            continue
        found[CODES, code.place] = {
            "_id": code.place,
            "org": campaign.org,
            "code": code.code,
            "campaign": id,
            "content_id": code.content_id,
            "platform": code.platform,
            "influencer": code.influencer,
            "from": code.since,
            "until": until,
            "active": campaign.status.live,
        }
    return found
