"""What the answers to sync's calls do: content upserted, then cursor and counts saved with the account.

A job is constant size; a crash repeats at most the page in flight, and repeating a page changes nothing.
Deletions are only looked for inside a window that was listed completely, and believed only when the platform
names the id as gone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from actors.account import budgets
from actors.account.content.content import Changes
from actors.account.content.work import (
    CALL_TIMEOUT,
    MAX_FAILURES,
    calls_of,
    failed,
    family_of,
    given_up,
    interval,
    source_of,
)
from actors.account.documents import side_id
from actors.account.state import AccountState, Job, Mode, Source
from domain.content import ContentItem
from domain.engagement import Reading
from domain.events import Event, EventType
from platforms.base import ItemReads, Page
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.spec import PlatformSpec

MAX_STALE_PAGES = 5
MAX_EMPTY_PAGES = 400
"""On end, without a row in a first reading or with remarks that are known: comments are asked for inside of
content, most of an account's has none, and what webhooks told comes again content by content."""


def page_fetched(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes, now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    """`data`: call_id, outcome: Outcome[Page], asked_at, answered_at, access (sealed, as sent)."""
    job = _answered(state, data)
    if job is None:
        return state, None
    outcome: Outcome[Page] = data["outcome"]
    if not isinstance(outcome, Ok):
        return _not_ok(state, spec, job, outcome, now)
    state = budgets.believe(state, spec, outcome.readings)
    page, read = outcome.value, Reading(data["asked_at"], data["answered_at"])
    wanted = state.config.content_types
    fresh = 0
    ids = []
    for item in page.items:
        if wanted and item.kind.value not in wanted:
            continue
        fresh += changes.take(item, read, since_birth=_born(state, item), run=job.id)
        ids.append(side_id(changes.account_id, item.external_id))
    for remark in page.remarks:
        fresh += changes.remark(remark, min(remark.at, now) if remark.at else None, listed=True)
    times = [i.published_at for i in page.items if i.published_at]
    times += [r.at for r in page.remarks if r.at]
    count = len(page.items) + len(page.remarks)
    newest_id = job.newest_id
    if newest_id is None and count:
        newest_id = (page.items[0] if page.items else page.remarks[0]).external_id
    oldest_at = min([*times, *([job.oldest_at] if job.oldest_at else [])], default=None)
    # A backfill may walk over known content: it goes on as long as it comes to older items.
    moved = fresh > 0 or (job.mode is Mode.BACKFILL and oldest_at != job.oldest_at)
    if job.cursor is None and page.etag is not None:
        known = replace(state.sources.get(job.source, Source()), etag=page.etag)
        state = replace(state, sources=state.sources | {job.source: known})
    job = replace(
        job,
        cursor=page.next_cursor,
        call=None,
        failures=0,
        pages=job.pages + 1,
        items=job.items + count,
        stale_pages=0 if moved else job.stale_pages + 1,
        newest_id=newest_id,
        newest_at=max([*times, *([job.newest_at] if job.newest_at else [])], default=None),
        oldest_at=oldest_at,
    )
    if ids:
        payload = {
            "account_id": changes.account_id,
            "platform": state.platform,
            "source": job.source,
            "content_ids": ids,
            "items": count,
        }
        changes.events.append(Event(EventType.CONTENT_SYNCHRONIZED, payload))
    state = replace(state, job=job)
    if _has_more(job, page):
        return state, None
    return _listed(state, spec, job, now, page), None


def _answered(state: AccountState, data: Mapping[str, Any]) -> Job | None:
    """The job whose call this answers; None for a call that was given up or whose job is no more."""
    job = state.job
    return job if job is not None and job.call is not None and job.call.id == data["call_id"] else None


def _born(state: AccountState, item: ContentItem) -> bool:
    """Whether all its engagement happened since the account was connected; an edit goes on with the numbers
    of the version before."""
    return item.published_at is not None and item.published_at >= state.created_at and not item.replaces


def _has_more(job: Job, page: Page) -> bool:
    if page.next_cursor is None:
        return False
    if job.limit is not None and job.items >= job.limit:
        return False
    if job.since is not None and job.oldest_at is not None and job.oldest_at < job.since:
        return False
    patient = page.remarks or (job.mode is Mode.BACKFILL and not page.items)
    return job.stale_pages < (MAX_EMPTY_PAGES if patient else MAX_STALE_PAGES)


def _listed(state: AccountState, spec: PlatformSpec, job: Job, now: datetime, last: Page) -> AccountState:
    """A walk ended: note how far it came, then look at what it no longer showed."""
    source = source_of(spec, job.source)
    known = state.sources.get(job.source, Source())
    newer = job.newest_at is not None and (known.newest_at is None or job.newest_at >= known.newest_at)
    known = replace(
        known,
        newest_at=job.newest_at if newer else known.newest_at,
        newest_id=job.newest_id if newer else known.newest_id,
        backfilled=known.backfilled
        or (job.mode is Mode.BACKFILL and job.limit is None and job.since is None),
        last_run_at=now,
        next_run_at=now + interval(state),
        items=known.items + job.items,
        pages=known.pages + job.pages,
        last_error=None,
    )
    state = replace(state, sources=state.sources | {job.source: known}, last_sync_at=now)
    if source.remarks or source.complete:
        return replace(state, job=None)
    window_from = job.oldest_at if job.since is None else max(job.since, job.oldest_at or job.since)
    recheck = Job(
        id=job.id,
        source=job.source,
        mode=Mode.RECHECK,
        priority=job.priority,
        # A page that is as it was showed nothing, and nothing is missing from it.
        oldest_at=window_from if job.limit is None and not last.unchanged else None,
        newest_at=job.newest_at,
    )
    return replace(state, job=recheck)


def recheck_chosen(state: AccountState, data: Mapping[str, Any]) -> AccountState:
    """`data`: call_id, ids to read (external ids; empty: nothing left)."""
    job = _answered(state, data)
    if job is None:
        return state
    return _with_rest(state, job, tuple(data["ids"]))


def items_read(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes, now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    """`data`: as of a page, with Outcome[ItemReads]. With the last ids read, the job ends."""
    job = _answered(state, data)
    if job is None:
        return state, None
    outcome: Outcome[ItemReads] = data["outcome"]
    if not isinstance(outcome, Ok):
        return _not_ok(state, spec, job, outcome, now)
    state = budgets.believe(state, spec, outcome.readings)
    read = Reading(data["asked_at"], data["answered_at"])
    for item in outcome.value.items:
        changes.take(item, read, since_birth=_born(state, item), run=job.id)
    gone = sum(changes.gone(external_id) for external_id in outcome.value.gone)
    known = state.sources.get(job.source, Source())
    known = replace(known, deleted=known.deleted + gone)
    state = replace(state, sources=state.sources | {job.source: known}, last_sync_at=now)
    return _with_rest(state, job, job.ids[spec.batch_read :]), None


def _with_rest(state: AccountState, job: Job, ids: tuple[str, ...]) -> AccountState:
    """On with the ids still to be read; without any the job is done."""
    return replace(state, job=replace(job, ids=ids, call=None, failures=0) if ids else None)


def _not_ok(
    state: AccountState, spec: PlatformSpec, job: Job, outcome: Outcome[Any], now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    match outcome:
        case RetryAfter(seconds=seconds):
            until = now + timedelta(seconds=seconds if outcome.held else max(seconds, 1.0))
            state = budgets.limited(state, spec, outcome, family_of(spec, job), until)
            if outcome.held and job.call is not None:
                reserved_at = job.call.until - CALL_TIMEOUT
                state = budgets.returned(state, spec, calls_of(spec, job), reserved_at)
            held_by = budgets.whose(outcome, family_of(spec, job))
            job = replace(job, wait_until=until, held_by=held_by)
            if outcome.rate_limited:
                return replace(state, job=replace(job, call=None)), None
            return failed(state, job, outcome.reason, now), None
        case ReauthRequired():
            return replace(state, job=replace(job, call=None)), outcome
        case Rejected(code=code):
            state, reason = budgets.believe(state, spec, outcome.readings), f"rejected_{code}"
            rest, failures = job.ids[spec.batch_read :], job.failures + 1
            if not rest or failures >= MAX_FAILURES:
                return given_up(state, job, reason, now), None
            # Said of these ids, not of the rest: one post that may not be read must not hide the others.
            known = replace(state.sources.get(job.source, Source()), last_error=reason)
            state = replace(state, sources=state.sources | {job.source: known})
            return replace(state, job=replace(job, ids=rest, call=None, failures=failures)), None
        case _:
            return failed(state, job, "unknown_outcome", now), None
