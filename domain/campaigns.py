"""The rules of a campaign's life: status, schedule, budget. See `actors/campaign` for the entity."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from domain.errors import Conflict
from domain.fields import Fields
from domain.money import Money

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}")


class CampaignStatus(StrEnum):
    """
                        launch                  complete, or the end of the schedule
        create -> DRAFT ------> ACTIVE -------------------> COMPLETED
                                 |  ^                           ^
                           pause |  | resume                    |
                                 v  |                           |
                                PAUSED -------------------------+

    Launching before the schedule's start *arms* the draft: it goes live by itself at the start; `pause`
    disarms it. A paused campaign spends nothing, but what its content and links bring still counts.
    Every other pair of status and command is refused. COMPLETED is final; what happened before the end
    of the attribution window still counts when it is heard of.
    """

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"

    @property
    def live(self) -> bool:
        return self in (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)


TRANSITIONS: Mapping[tuple[CampaignStatus, str], CampaignStatus] = {
    (CampaignStatus.DRAFT, "launch"): CampaignStatus.ACTIVE,
    (CampaignStatus.ACTIVE, "pause"): CampaignStatus.PAUSED,
    (CampaignStatus.PAUSED, "resume"): CampaignStatus.ACTIVE,
    (CampaignStatus.ACTIVE, "complete"): CampaignStatus.COMPLETED,
    (CampaignStatus.PAUSED, "complete"): CampaignStatus.COMPLETED,
}


def next_status(status: CampaignStatus, command: str) -> CampaignStatus:
    """Conflict for a pair that `TRANSITIONS` does not hold."""
    found = TRANSITIONS.get((status, command))
    if found is None:
        legal = sorted(name for (before, name) in TRANSITIONS if before is status)
        hint = f"it can: {', '.join(legal)}" if legal else "nothing follows it"
        raise Conflict("illegal_transition", f"A campaign that is {status} cannot {command}; {hint}.")
    return found


class Budget(Struct, frozen=True):
    """What may be spent, in minor units of `currency`; the currency of all of the campaign's money."""

    total_minor: int
    currency: str
    daily_minor: int | None = None
    bid_strategy: str | None = None


def read_budget(fields: Fields) -> Budget:
    total = Money(fields.integer("total_minor"), fields.text("currency", 3))
    daily = fields.optional_integer("daily_minor")
    if daily is not None and daily > total.minor:
        raise fields.invalid("daily_minor", "must not be more than total_minor.")
    return Budget(total.minor, total.currency, daily, fields.optional_text("bid_strategy", 100))


class Schedule(Struct, frozen=True):
    """`start` and `end` in UTC; `timezone` is the IANA zone in which people wrote and read them."""

    start: datetime | None = None
    end: datetime | None = None
    timezone: str = "UTC"
    posting: Mapping[str, Any] = field(default_factory=dict)

    def local(self, moment: datetime | None) -> str | None:
        """A moment as people of this campaign read it: RFC 3339 with the zone's offset."""
        return None if moment is None else moment.astimezone(ZoneInfo(self.timezone)).isoformat()


def read_schedule(fields: Fields) -> Schedule:
    """Times without an offset, and bare dates, are in `timezone`; an end date includes that day."""
    name = fields.optional_text("timezone", 64) or "UTC"
    zone = _zone(name)
    if zone is None:
        raise fields.invalid("timezone", "must be an IANA time zone such as Europe/Berlin.")
    start = fields.local_moment("start_date", zone)
    end = fields.local_moment("end_date", zone, end=True)
    if start and end and end <= start:
        raise fields.invalid("end_date", "must be later than start_date.")
    return Schedule(start, end, name, fields.json_object("posting_schedule"))


def _zone(name: str) -> ZoneInfo | None:
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; malformed; a folder of the database
        return None


class PromotionCode(Struct, frozen=True):
    """A code of the campaign. `place` and `since` say where and since when it is written as ours; None
    while the campaign is not live."""

    code: str
    content_id: str | None = None
    platform: str | None = None
    influencer: str | None = None
    place: str | None = None
    since: datetime | None = None
