"""What truly happened on the platforms' side: the account against which the service is compared."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso_z


@dataclass(slots=True)
class EventRow:
    """One webhook event owed to one app. `subject_id` is the platform's id of the comment, post or like."""

    seq: int
    event_id: str
    app_id: str
    platform: str
    external_id: str
    type: str
    kind: str
    subject_id: str
    content_id: str | None
    at: str
    author: dict[str, str] | None
    accepted_at: str | None = None  # when a delivery of it was first answered 200
    attempts: int = 0
    deliveries_ok: int = 0
    duplicated: int = 0  # deliveries answered 200 after the first
    reordered: int = 0  # 1 when a later event of the same account had been accepted before it


@dataclass(slots=True)
class Deliveries:
    """Counts of POSTs. `duplicated_ok`: answered 200 and carrying an event accepted before.
    `reordered_ok`: answered 200 and first to carry an event older, for its account, than one accepted
    before. A POST can be both."""

    attempts: int = 0
    ok: int = 0
    duplicated_ok: int = 0
    reordered_ok: int = 0
    failed: int = 0
    dropped: int = 0  # given up after the platform's last retry


@dataclass(slots=True)
class RefreshRow:
    platform: str
    external_id: str | None
    app_id: str
    at: str
    outcome: str
    answered: bool
    family: str | None
    repeated: bool = False
    in_doubt: bool = False  # repeated, because nobody had heard the answer


@dataclass(slots=True)
class AppCalls:
    """Calls that counted in the quota all accounts of one app share; `rate_limited` are the app's 429s of any
    kind, `refused` those for the sake of that quota."""

    calls: int = 0
    refused: int = 0
    rate_limited: int = 0
    accounts: Counter[str] = field(default_factory=Counter)  # external id -> calls that were answered


@dataclass(slots=True)
class Publication:
    """Something that became public (or reached its readers) through an API. `content` says what it was, in
    words that are equal for equal texts and files; `id` None: the platform never tells it."""

    platform: str
    external_id: str
    app_id: str
    id: str | None
    content: str
    at: str


@dataclass(slots=True)
class Ledger:
    events: list[EventRow] = field(default_factory=list)
    deliveries: Deliveries = field(default_factory=Deliveries)
    refreshes: list[RefreshRow] = field(default_factory=list)
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    posts_created: list[dict[str, Any]] = field(default_factory=list)
    duplicates_refused: int = 0  # posts that the platform refused because the same was just published
    publications: list[Publication] = field(default_factory=list)
    double_refreshes: int = 0
    in_doubt_retries: int = 0
    rate_limited: int = 0
    apps: dict[str, AppCalls] = field(default_factory=dict)
    token_expiries: int = 0
    crc_checks: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)  # forms posted to apps: url, status, answer
    _next_seq: int = 1
    _ids: dict[tuple[str, str], EventRow] = field(default_factory=dict)
    _accepted_up_to: dict[tuple[str, str], int] = field(default_factory=dict)

    def open_event(
        self,
        event_id: str,
        app_id: str,
        platform: str,
        external_id: str,
        event_type: str,
        kind: str,
        subject_id: str,
        content_id: str | None,
        at_ms: int,
        author: dict[str, str] | None,
    ) -> EventRow:
        if (app_id, event_id) in self._ids:
            event_id = f"{event_id}#{self._next_seq}"
        row = EventRow(
            seq=self._next_seq,
            event_id=event_id,
            app_id=app_id,
            platform=platform,
            external_id=external_id,
            type=event_type,
            kind=kind,
            subject_id=subject_id,
            content_id=content_id,
            at=iso_z(at_ms),
            author=author,
        )
        self._next_seq += 1
        self.events.append(row)
        self._ids[app_id, event_id] = row
        return row

    def sent(self, rows: list[EventRow]) -> None:
        self.deliveries.attempts += 1
        for row in rows:
            row.attempts += 1

    def refused(self) -> None:
        self.deliveries.failed += 1

    def accepted(self, rows: list[EventRow], at_ms: int) -> None:
        repeated = reordered = False
        for row in rows:
            row.deliveries_ok += 1
            if row.accepted_at is not None:
                row.duplicated += 1
                repeated = True
                continue
            row.accepted_at = iso_z(at_ms)
            line = (row.app_id, row.external_id)
            if row.seq < self._accepted_up_to.get(line, 0):
                row.reordered = 1
                reordered = True
            else:
                self._accepted_up_to[line] = row.seq
        self.deliveries.ok += 1
        self.deliveries.duplicated_ok += repeated
        self.deliveries.reordered_ok += reordered

    def refreshed(self, row: RefreshRow, in_doubt: bool) -> None:
        self.refreshes.append(row)
        row.in_doubt = row.repeated and in_doubt
        if row.in_doubt:
            self.in_doubt_retries += 1
        elif row.repeated:
            self.double_refreshes += 1

    def limited(self, app_id: str) -> None:
        self.rate_limited += 1
        self.apps.setdefault(app_id, AppCalls()).rate_limited += 1

    def shared(self, app_id: str, external_id: str, refused: bool) -> None:
        of_app = self.apps.setdefault(app_id, AppCalls())
        of_app.calls += 1
        if refused:
            of_app.refused += 1
        else:
            of_app.accounts[external_id] += 1

    def published_twice(self) -> list[Publication]:
        """Publications of the same content by the same account after the first."""
        seen: set[tuple[str, str, str]] = set()
        twice = []
        for row in self.publications:
            key = (row.platform, row.external_id, row.content)
            if key in seen:
                twice.append(row)
            seen.add(key)
        return twice

    def call(self, operation: str, status: str) -> None:
        self.calls.setdefault(operation, Counter())[status] += 1

    def rows(self, since: int = 0, kinds: frozenset[str] = frozenset()) -> list[EventRow]:
        """Events after sequence number `since`; `kinds` matches their kind or their platform type."""
        return [
            row
            for row in self.events
            if row.seq > since and (not kinds or row.kind in kinds or row.type in kinds)
        ]

    def numbers(self) -> dict[str, Any]:
        accepted = sum(row.accepted_at is not None for row in self.events)
        return {
            "events": len(self.events),
            "events_accepted": accepted,
            "events_open": len(self.events) - accepted,
            "deliveries": self.deliveries,
            "refreshes": dict(Counter(row.outcome for row in self.refreshes)),
            "double_refreshes": self.double_refreshes,
            "in_doubt_retries": self.in_doubt_retries,
            "calls": sum(statuses.total() for statuses in self.calls.values()),
            "rate_limited": self.rate_limited,
            "token_expiries": self.token_expiries,
            "posts_created": len(self.posts_created),
            "duplicates_refused": self.duplicates_refused,
            "publications": len(self.publications),
            "published_twice": len(self.published_twice()),
        }

    def clear(self) -> None:
        """Start anew. Sequence numbers go on, so that an older `since` stays meaningful."""
        fresh = Ledger(_next_seq=self._next_seq)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
