"""What became of a member's content between the launch and the moment the campaign began to hear of it.

The router of the bus tells a campaign what concerns its members. A member that joins a live campaign has a
history since the launch; and what happens while a member is being written may be routed without it. Both
are read from the event log and told under the ids the router gives, so that whatever comes twice counts once:

    added to a live campaign --told once--> member --a minute later, told again--> done
    member at the launch -----------------------------a minute later, told-------> done

A joining member's history goes into the mailbox before the member is written, hence before anything newer:
engagement is counted as differences, and its first base must be the oldest.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from msgspec.structs import replace

from actors.campaign.state import Campaign
from actors.routing import campaign_messages, refs_of
from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import Envelope
from domain.events import EventType
from domain.ids import EntityKey
from storage.ports import Mailboxes
from storage.records import Cursor, Page, StoreUnavailable

log = structlog.get_logger()

AGAIN = timedelta(minutes=1)
"""Longer than an event takes from its entity to the log, and how long an attempt may take."""
PAGE = 200
TOLD_AT_ONCE = 500


class TellHistory(Effect, frozen=True):
    """`refs` as members have them (`content:...`, `account:...`); what happened from `since` on is told."""

    org: str
    refs: tuple[str, ...]
    since: datetime


class EventPages(Protocol):
    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page: ...


# -- the campaign's side ------------------------------------------------------------------------------
def joined(before: Campaign, after: Campaign, now: datetime) -> Campaign:
    """`after` with the history that its new members are owed; members that went are owed none."""
    if after.launched_at is None or not after.status.live:
        return replace(after, joining={}, history_at=None)
    launches = before.launched_at is None
    old, new = set(refs(before)), refs(after)
    joining = {r: passes for r in new if (passes := _passes(before, r, r in old, launches)) is not None}
    if joining == before.joining:
        return after
    fresh = any(r not in before.joining and not passes for r, passes in joining.items())
    at = now if fresh else before.history_at or now + AGAIN
    return replace(after, joining=joining, history_at=at if joining else None)


def _passes(before: Campaign, ref: str, known: bool, launches: bool) -> int | None:
    """How often this member's history was told; None: it is owed no more."""
    if launches:
        return 1
    return before.joining.get(ref) if known else 0


def begun(campaign: Campaign, now: datetime) -> tuple[Campaign, tuple[Effect, ...]]:
    """Ask for what is due; the state says when to ask again if nobody answers."""
    if campaign.history_at is None or campaign.history_at > now or campaign.launched_at is None:
        return campaign, ()
    effect = TellHistory(campaign.org, tuple(campaign.joining), campaign.launched_at)
    return replace(campaign, history_at=now + AGAIN), (effect,)


def told(campaign: Campaign, told_refs: Iterable[str], now: datetime) -> Campaign:
    given = set(told_refs)
    joining = {r: 1 if r in given else n for r, n in campaign.joining.items() if r not in given or not n}
    return replace(campaign, joining=joining, history_at=now + AGAIN if joining else None)


def refs(campaign: Campaign) -> list[str]:
    return [f"account:{id_}" for id_ in campaign.accounts] + [f"content:{id_}" for id_ in campaign.content]


# -- the host's side ----------------------------------------------------------------------------------
class CampaignHandler:
    """Carries out what campaigns decide. Nothing is answered while the stores are away: the campaign asks
    again."""

    def __init__(self, events: EventPages, mailboxes: Mailboxes, envelope: Envelope) -> None:
        self._events = events
        self._mailboxes = mailboxes
        self._envelope = envelope

    async def run(self, key: EntityKey, effect: Effect) -> list[Message]:
        assert isinstance(effect, TellHistory)  # noqa: S101 - campaigns have no other
        try:
            messages = [
                message for event in await self._history(effect) for message in _messages(key, effect, event)
            ]
            for start in range(0, len(messages), TOLD_AT_ONCE):
                chunk = messages[start : start + TOLD_AT_ONCE]
                await self._mailboxes.tell([self._envelope.mail(key, message) for message in chunk])
        except StoreUnavailable:
            log.warning("campaign.history_postponed", campaign=key.id)
            return []
        return [Message("history_told", {"refs": list(effect.refs)})]

    async def _history(self, effect: TellHistory) -> list[Mapping[str, Any]]:
        """Of each content the oldest event since then and the newest, oldest first: what lies between adds
        up to their difference."""
        wanted = set(effect.refs)
        newest: dict[str, Mapping[str, Any]] = {}
        oldest: dict[str, Mapping[str, Any]] = {}
        after: Cursor | None = None
        while True:
            filters = {"type": EventType.CONTENT_ENGAGED.value}
            page = await self._events.page("events", effect.org, filters, PAGE, after)
            for row in page.documents:
                if row["at"] >= effect.since and wanted.intersection(refs_of(row["event"])):
                    content = row["event"]["data"]["content_id"]
                    newest.setdefault(content, row["event"])
                    oldest[content] = row["event"]
            if page.next is None or page.documents[-1]["at"] < effect.since:
                break
            after = page.next
        again = (event for content, event in newest.items() if event is not oldest[content])
        return [*oldest.values(), *again]


def _messages(key: EntityKey, effect: TellHistory, event: Mapping[str, Any]) -> Sequence[Message]:
    members = [
        {"_id": ref, "ref": ref, "org": effect.org, "campaign": key.id, "from": effect.since, "until": None}
        for ref in refs_of(event)
        if ref in effect.refs
    ]
    return [message for _, message in campaign_messages(event, members)]
