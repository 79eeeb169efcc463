"""Content sync: one page per turn; content upserted, then cursor and counts saved with the account.

One job at a time per account, chosen by priority. A job is constant size; a crash repeats at most the page
in flight, and repeating a page changes nothing. Deletions are only looked for inside a window that was
listed completely, and believed only when the platform names the id as gone.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from actors.account.content import Changes
from actors.account.documents import side_id
from actors.account.effects import ChooseRecheck, FetchPage, ReadItems
from actors.account.hearing import RECHECK_IDS
from actors.account.state import AccountState, Job, Mode, Source, Status, Wish
from actors.runtime.entity import Effect
from domain.budget import Priority, Window
from domain.content import ContentItem
from domain.events import Event, EventType
from domain.tokens import backoff
from platforms.base import ItemReads, Page
from platforms.outcome import LimitReading, LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter
from platforms.spec import ContentSource, PlatformSpec

CALL_TIMEOUT = timedelta(seconds=60)
OVERLAP = timedelta(hours=1)
"""Late edits and late arrivals: an incremental sync looks this far behind the newest known."""
RECHECK_CALLS = 20
"""Reads by id after one listing, where the platform takes few ids at a time."""
MAX_STALE_PAGES = 5
MAX_FAILURES = 8
FREQUENCY_S = {"realtime": 120, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400}


def source_of(spec: PlatformSpec, name: str) -> ContentSource:
    return next(s for s in spec.sources if s.name == name)


def wish(state: AccountState, *wanted: Wish) -> AccountState:
    """Add work; a wish for the same source and mode is replaced, keeping the better priority."""
    wishes = list(state.wishes)
    for new in wanted:
        for i, old in enumerate(wishes):
            if (old.source, old.mode) == (new.source, new.mode):
                wishes[i] = replace(new, priority=min(old.priority, new.priority), ids=old.ids or new.ids)
                break
        else:
            wishes.append(new)
    return replace(state, wishes=tuple(wishes))


def sync_all(state: AccountState, spec: PlatformSpec, priority: Priority) -> AccountState:
    return wish(state, *(w for s in spec.sources if (w := _up_to_date(state, s.name, priority))))


def _up_to_date(state: AccountState, source: str, priority: Priority) -> Wish | None:
    """What brings a list up to date; None while that is being done.

    A list that was never walked to its end is walked whole: an incremental walk would stop at known pages.
    """
    known = state.sources.get(source)
    if known is not None and known.backfilled:
        wanted = Wish(source, Mode.INCREMENTAL, priority)
    else:
        wanted = Wish(source, Mode.BACKFILL, Priority.BACKFILL)
    running = state.job is not None and (state.job.source, state.job.mode) == (source, wanted.mode)
    return None if running else wanted


# -- choosing and calling ---------------------------------------------------------------------------
def drive(
    state: AccountState, spec: PlatformSpec, now: datetime, token_ok: bool, job_id: str
) -> tuple[AccountState, list[Effect]]:
    """Begin work that is due and send the next call, if budget and token allow."""
    if state.status is not Status.CONNECTED:
        return state, []
    state = _schedule(state, spec, now)
    if state.job is not None and state.job.calls_until is not None:
        if now < state.job.calls_until:
            return state, []
        # No outcome came: the process that asked is gone. Ask again.
        state = _failed(state, state.job, "no_outcome", now)
    if state.job is None:
        state = _next_job(state, now, job_id)
    job = state.job
    if job is None:
        return state, []
    if job.wait_until is not None:
        if now < job.wait_until:
            return state, []
        job = replace(job, wait_until=None)
        state = replace(state, job=job)
    return _call(state, spec, job, now) if token_ok else (state, [])


def wake_at(state: AccountState) -> datetime | None:
    """A job without a time of its own waits for the token, whose owner has one."""
    if state.status is not Status.CONNECTED:
        return None
    if state.job is not None:
        return state.job.calls_until or state.job.wait_until
    if not state.config.auto_sync:
        return None
    return min((s.next_run_at for s in state.sources.values() if s.next_run_at), default=None)


def _schedule(state: AccountState, spec: PlatformSpec, now: datetime) -> AccountState:
    if not state.config.auto_sync:
        return state
    for source in spec.sources:
        known = state.sources.get(source.name)
        if known is not None and known.next_run_at is not None and known.next_run_at <= now:
            due = _up_to_date(state, source.name, Priority.SCHEDULED)
            state = wish(state, due) if due else state
    return state


def _next_job(state: AccountState, now: datetime, job_id: str) -> AccountState:
    if not state.wishes:
        return state
    chosen = min(state.wishes, key=lambda w: w.priority)
    source = state.sources.get(chosen.source, Source())
    since = chosen.since
    if chosen.mode is Mode.INCREMENTAL:
        since = source.newest_at - OVERLAP if source.newest_at else None
    job = Job(
        id=job_id,
        source=chosen.source,
        mode=chosen.mode,
        priority=chosen.priority,
        started_at=now,
        since=since,
        limit=chosen.limit,
        ids=chosen.ids,
    )
    return replace(state, job=job, wishes=tuple(w for w in state.wishes if w is not chosen))


def _call(
    state: AccountState, spec: PlatformSpec, job: Job, now: datetime
) -> tuple[AccountState, list[Effect]]:
    source = source_of(spec, job.source)
    family = source.family if job.mode is not Mode.RECHECK else spec.batch_read_family
    needs_call = job.mode is not Mode.RECHECK or bool(job.ids)
    if needs_call:
        window = state.budget.get(family) or _window(spec, family)
        taken = window.take(job.priority, now)
        if isinstance(taken, datetime):
            return replace(state, job=replace(job, wait_until=taken)), []
        state = replace(state, budget=state.budget | {family: taken})
    access = state.token.access
    effect: Effect
    if job.mode is not Mode.RECHECK:
        known = state.sources.get(job.source, Source())
        newest = known.newest_id if job.mode is Mode.INCREMENTAL else None
        effect = FetchPage(job.id, job.source, access, job.cursor, job.since, newest)
    elif job.ids:
        effect = ReadItems(job.id, job.ids[: spec.batch_read], access)
    else:
        limit = min(spec.batch_read * RECHECK_CALLS, RECHECK_IDS)
        effect = ChooseRecheck(job.id, job.source, job.oldest_at, job.newest_at, limit)
    job = replace(job, calls_until=now + CALL_TIMEOUT, wait_until=None)
    return replace(state, job=job), [effect]


def _window(spec: PlatformSpec, family: str) -> Window:
    told = spec.window(family)
    return Window(told.limit, told.seconds)


# -- outcomes ---------------------------------------------------------------------------------------
def page_fetched(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes, now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    """`data`: job_id, outcome: Outcome[Page], asked_at, access (sealed, as sent)."""
    job = state.job
    if job is None or job.id != data["job_id"]:
        return state, None
    outcome: Outcome[Page] = data["outcome"]
    if not isinstance(outcome, Ok):
        return _not_ok(state, spec, job, outcome, now)
    state = believe(state, spec, outcome.readings, now)
    page = outcome.value
    wanted = state.config.content_types
    fresh = 0
    ids = []
    for item in page.items:
        if wanted and item.kind.value not in wanted:
            continue
        fresh += changes.take(item, data["asked_at"], since_birth=_born(state, item), run=job.id)
        ids.append(side_id(changes.account_id, item.external_id))
    for remark in page.remarks:
        fresh += changes.remark(remark, None, now)
    times = [i.published_at for i in page.items if i.published_at]
    times += [r.at for r in page.remarks if r.at]
    count = len(page.items) + len(page.remarks)
    newest_id = job.newest_id
    if newest_id is None and count:
        newest_id = (page.items[0] if page.items else page.remarks[0]).external_id
    oldest_at = min([*times, *([job.oldest_at] if job.oldest_at else [])], default=None)
    # A backfill may walk over known content: it goes on as long as it comes to older items.
    moved = fresh > 0 or (job.mode is Mode.BACKFILL and oldest_at != job.oldest_at)
    job = replace(
        job,
        cursor=page.next_cursor,
        calls_until=None,
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
    return _listed(state, spec, job, now), None


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
    return job.stale_pages < MAX_STALE_PAGES


def _listed(state: AccountState, spec: PlatformSpec, job: Job, now: datetime) -> AccountState:
    """A walk ended: note how far it came, then look at what it no longer showed."""
    source = source_of(spec, job.source)
    known = state.sources.get(job.source, Source())
    interval = max(FREQUENCY_S[state.config.sync_frequency], 60)
    newer = job.newest_at is not None and (known.newest_at is None or job.newest_at >= known.newest_at)
    known = replace(
        known,
        newest_at=job.newest_at if newer else known.newest_at,
        newest_id=job.newest_id if newer else known.newest_id,
        backfilled=known.backfilled
        or (job.mode is Mode.BACKFILL and job.limit is None and job.since is None),
        last_run_at=now,
        next_run_at=now + timedelta(seconds=interval),
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
        started_at=now,
        oldest_at=window_from if job.limit is None else None,
        newest_at=job.newest_at,
    )
    return replace(state, job=recheck)


def recheck_chosen(state: AccountState, data: Mapping[str, Any]) -> AccountState:
    """`data`: job_id, ids to read (external ids; empty: nothing left)."""
    job = state.job
    if job is None or job.id != data["job_id"]:
        return state
    if not data["ids"]:
        return replace(state, job=None)
    return replace(state, job=replace(job, ids=tuple(data["ids"]), calls_until=None))


def items_read(
    state: AccountState, spec: PlatformSpec, data: Mapping[str, Any], changes: Changes, now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    """`data`: as of a page, with Outcome[ItemReads]. With the last ids read, the job ends."""
    job = state.job
    if job is None or job.id != data["job_id"]:
        return state, None
    outcome: Outcome[ItemReads] = data["outcome"]
    if not isinstance(outcome, Ok):
        return _not_ok(state, spec, job, outcome, now)
    state = believe(state, spec, outcome.readings, now)
    for item in outcome.value.items:
        changes.take(item, data["asked_at"], since_birth=_born(state, item), run=job.id)
    gone = sum(changes.gone(external_id) for external_id in outcome.value.gone)
    known = state.sources.get(job.source, Source())
    known = replace(known, deleted=known.deleted + gone)
    rest = job.ids[spec.batch_read :]
    going_on = replace(job, ids=rest, calls_until=None, failures=0) if rest else None
    sources = state.sources | {job.source: known}
    return replace(state, job=going_on, sources=sources, last_sync_at=now), None


def _not_ok(
    state: AccountState, spec: PlatformSpec, job: Job, outcome: Outcome[Any], now: datetime
) -> tuple[AccountState, ReauthRequired | None]:
    match outcome:
        case RetryAfter(seconds=seconds):
            state = believe(state, spec, outcome.readings, now)
            until = now + timedelta(seconds=max(seconds, 1.0))
            if outcome.rate_limited:
                family = outcome.family or _family(spec, job)
                if outcome.scope is LimitScope.ACCOUNT:
                    window = state.budget.get(family) or _window(spec, family)
                    state = replace(state, budget=state.budget | {family: window.exhausted(until)})
                return replace(state, job=replace(job, calls_until=None, wait_until=until)), None
            return _failed(state, replace(job, wait_until=until), outcome.reason, now), None
        case ReauthRequired():
            return replace(state, job=replace(job, calls_until=None)), outcome
        case Rejected(code=code):
            return _given_up(state, job, f"rejected_{code}", now), None
        case _:
            return _failed(state, job, "unknown_outcome", now), None


def _family(spec: PlatformSpec, job: Job) -> str:
    return spec.batch_read_family if job.mode is Mode.RECHECK else source_of(spec, job.source).family


def _failed(state: AccountState, job: Job, reason: str, now: datetime) -> AccountState:
    failures = job.failures + 1
    if failures >= MAX_FAILURES:
        return _given_up(state, job, reason, now)
    pause = now + backoff(failures)
    wait = max(job.wait_until, pause) if job.wait_until and job.wait_until > now else pause
    return replace(state, job=replace(job, failures=failures, calls_until=None, wait_until=wait))


def _given_up(state: AccountState, job: Job, reason: str, now: datetime) -> AccountState:
    """The job ends, visibly; the source's schedule goes on, so the account heals by itself."""
    known = state.sources.get(job.source, Source())
    known = replace(known, last_error=reason, next_run_at=now + timedelta(minutes=15))
    return replace(state, job=None, sources=state.sources | {job.source: known})


def believe(
    state: AccountState, spec: PlatformSpec, readings: tuple[LimitReading, ...], now: datetime
) -> AccountState:
    """Correct the windows by what the platform says."""
    budget = dict(state.budget)
    for reading in readings:
        if reading.scope is not LimitScope.ACCOUNT:
            continue
        window = budget.get(reading.family) or _window(spec, reading.family)
        budget[reading.family] = window.told(reading.limit, reading.remaining, reading.resets_at)
    return replace(state, budget=budget)
