"""What a turn does with content and remarks: side documents and the events that follow from them."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from actors.account.documents import (
    CONTENT,
    REMARKS,
    Seal,
    content_document,
    pending_document,
    remark_document,
    remark_tombstone,
    side_id,
    tally_of,
    tombstone,
    totals_json,
    with_tally,
)
from actors.account.state import AccountState
from actors.runtime.entity import SideRef, SideView, SideWrite
from domain.content import ContentItem, Engagement, Remark
from domain.engagement import METRICS, NOTHING_KNOWN, Reading, Tally, end_of
from domain.events import Event, EventType
from storage.records import Document

ZEROES = Engagement(likes=0, comments=0, shares=0, views=0)


class Changes(Struct):
    """Side documents and events of one turn, collected while the turn works through its items."""

    account_id: str
    state: AccountState
    view: SideView
    now: datetime
    seal: Seal
    events: list[Event] = field(default_factory=list)
    writes: dict[SideRef, Document] = field(default_factory=dict)
    reread: dict[str, datetime] = field(default_factory=dict)  # content to be read by id, and from when on
    settled: set[str] = field(default_factory=set)  # content that needs no such reading any more

    def known(self, collection: str, external_id: str) -> Document | None:
        ref = SideRef(collection, side_id(self.account_id, external_id))
        return self.writes.get(ref) or self.view.get(ref)

    def side(self) -> tuple[SideWrite, ...]:
        return tuple(SideWrite(ref.collection, doc) for ref, doc in self.writes.items())

    # -- content ------------------------------------------------------------------------------------
    def take(self, item: ContentItem, read: Reading, *, since_birth: bool, run: str | None = None) -> bool:
        """Store an item as the platform shows it now. `since_birth`: all its engagement happened under
        our eyes, so it counts from zero. Answers whether the content was unknown."""
        known = self.known(CONTENT, item.external_id)
        if known is not None and known["status"] == "deleted" and read.asked_at <= known["deletedAt"]:
            return False  # read before the platform named it as gone
        fresh = known is None or known["status"] == "pending"
        before = tally_of(known)
        tally = before.polled(item.engagement, read)
        document = content_document(
            self.account_id,
            self.state.org,
            self.state.platform,
            item,
            known,
            tally,
            self.now,
            self.seal,
            commerce=self.state.config.commerce_enabled,
        )
        document["listedIn"] = run or (known or {}).get("listedIn")
        self.put(CONTENT, document)
        self._doubt(item.external_id, tally)
        if tally.settle_at() is None:
            self.settled.add(item.external_id)
        for older in item.replaces:
            self._supersede(older)
        if not fresh:
            self._engaged(item.external_id, before.totals(), tally.totals())
        elif since_birth:
            self._engaged(item.external_id, ZEROES, tally.totals())
        elif known is not None:
            self._engaged(item.external_id, _without(tally.totals(), before.moved()), tally.totals())
        return fresh

    def gone(self, external_id: str) -> bool:
        """The platform named it as deleted: a tombstone, once."""
        known = self.known(CONTENT, external_id)
        if known is None or known["status"] == "deleted":
            return False
        self.put(CONTENT, tombstone(known, self.now))
        return True

    def heard(self, external_id: str, event_id: str, metric: str, step: int, at: datetime) -> None:
        """One like, comment or share told by webhook."""
        known = self.known(CONTENT, external_id)
        before = tally_of(known)
        tally = before.heard(event_id, metric, step, at)
        self._tally(external_id, known, before, tally, at)

    def told(self, external_id: str, totals: Engagement, at: datetime) -> None:
        """Totals carried by a webhook."""
        known = self.known(CONTENT, external_id)
        before = tally_of(known)
        self._tally(external_id, known, before, before.polled(totals, Reading.dated(at)), at)

    def _tally(
        self, external_id: str, known: Document | None, before: Tally, tally: Tally, at: datetime
    ) -> None:
        if tally == before:
            return
        if known is None:
            s = self.state
            self.put(
                CONTENT, pending_document(self.account_id, s.org, s.platform, external_id, tally, self.now)
            )
            self.reread[external_id] = end_of(at)  # not sooner, or the reading would be in doubt about it
            return
        totals = tally.totals()
        self.put(CONTENT, with_tally(known, tally, totals))
        self._doubt(external_id, tally)
        if known["status"] != "pending":  # without a base a difference would mean nothing: `take` tells it
            self._engaged(external_id, before.totals(), totals)

    def _doubt(self, external_id: str, tally: Tally) -> None:
        at = tally.settle_at()
        if at is not None:
            self.reread[external_id] = at

    def _supersede(self, external_id: str) -> None:
        known = self.known(CONTENT, external_id)
        if known is not None and known["status"] != "superseded":
            self.put(CONTENT, known | {"status": "superseded", "syncedAt": self.now})

    def _engaged(self, external_id: str, before: Engagement, after: Engagement) -> None:
        if all(getattr(before, m) == getattr(after, m) for m in METRICS):
            return
        data = {
            "account_id": self.account_id,
            "content_id": side_id(self.account_id, external_id),
            "platform": self.state.platform,
            "totals": totals_json(after),
            "previous": None if before == NOTHING_KNOWN else totals_json(before),
        }
        self.events.append(Event(EventType.CONTENT_ENGAGED, data))

    # -- remarks ------------------------------------------------------------------------------------
    def remark(self, remark: Remark, at: datetime | None, *, listed: bool) -> bool:
        """Other people's words, made at `at`. New ones count as a comment on their content, which its last
        reading may hold already. Answers whether it was unknown."""
        known = self.known(REMARKS, remark.external_id)
        own = remark.author.external_id in (self.state.external_id, *self.state.profile.get("aliasIds", ()))
        s = self.state
        document = remark_document(self.account_id, s.org, s.platform, remark, own, self.now, self.seal)
        if known is not None and document["contentId"] is None:
            document["contentId"] = known["contentId"]
        if known is not None and known["status"] == "deleted":
            return False
        self.put(REMARKS, document)
        if known is not None:
            return False
        self.events.append(
            Event(
                EventType.REMARK_RECEIVED,
                {
                    "account_id": self.account_id,
                    "remark_id": document["_id"],
                    "content_id": document["contentId"],
                    "platform": s.platform,
                    "kind": remark.kind.value,
                    "own": own,
                },
            )
        )
        metric = {"comment": "comments", "quote": "shares"}.get(remark.kind.value)
        if metric is None or remark.content_id is None or at is None:
            return True
        # A list of remarks reaches far back, to content whose first reading will hold them.
        if not listed or self.known(CONTENT, remark.content_id) is not None:
            self.heard(remark.content_id, f"remark:{remark.external_id}", metric, +1, at)
        return True

    def remark_gone(self, external_id: str, at: datetime) -> bool:
        known = self.known(REMARKS, external_id)
        if known is None or known["status"] == "deleted":
            return False
        self.put(REMARKS, remark_tombstone(known, self.now))
        if known["kind"] == "comment" and known["contentId"]:
            content = known["contentId"].rsplit("|", 1)[-1]
            if self.known(CONTENT, content) is None:
                # The entry did not name the content, so this turn does not see it: ask for its totals.
                self.reread[content] = end_of(at)
            else:
                self.heard(content, f"gone:{external_id}", "comments", -1, at)
        return True

    def put(self, collection: str, document: Document) -> None:
        self.writes[SideRef(collection, document["_id"])] = document


def _without(totals: Engagement, heard: Mapping[str, int]) -> Engagement:
    """What the totals were before the events heard so far."""
    values: dict[str, int | None] = {}
    for metric in METRICS:
        total = getattr(totals, metric)
        values[metric] = None if total is None else max(0, total - heard.get(metric, 0))
    return Engagement(**values)
