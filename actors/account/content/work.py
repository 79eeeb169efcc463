"""Which sync work comes next, and its next call.

    wishes, due re-reads, shelved jobs --the most urgent--> job --reserved--> call --> outcome (`sync`)

One job at a time per account, and one call of it. Between two calls it gives way to something more urgent:
a person does not wait until a backfill has walked its list, or for the window that it has used up.
"""

from collections.abc import Callable, Container, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from actors.account import budgets
from actors.account.effects import ChooseRecheck, FetchPage, ReadItems
from actors.account.state import AccountState, Job, Mode, Source, Status, Wish
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect
from actors.runtime.urgency import Urgency
from domain.budget import Priority
from domain.tokens import backoff
from platforms.spec import ContentSource, PlatformSpec

CALL_TIMEOUT = timedelta(seconds=60)
OVERLAP = timedelta(hours=1)
"""Late edits and late arrivals: an incremental sync looks this far behind the newest known."""
RECHECK_CALLS = 20
"""Reads by id after one listing, where the platform takes few ids at a time."""
RECHECK_IDS = 100
MAX_FAILURES = 8
RETRY_GIVEN_UP = timedelta(minutes=15)
FREQUENCY_S = {"realtime": 120, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400}

MakeId = Callable[[str], str]


def source_of(spec: PlatformSpec, name: str) -> ContentSource:
    return next(s for s in spec.sources if s.name == name)


def interval(state: AccountState) -> timedelta:
    return timedelta(seconds=FREQUENCY_S[state.config.sync_frequency])


# -- asking for work --------------------------------------------------------------------------------
def wish(state: AccountState, new: Wish) -> AccountState:
    """Add work; a wish for the same source and mode is replaced, keeping the better priority."""
    wishes = list(state.wishes)
    for i, old in enumerate(wishes):
        if (old.source, old.mode) == (new.source, new.mode):
            wishes[i] = replace(new, priority=min(old.priority, new.priority))
            break
    else:
        wishes.append(new)
    return replace(state, wishes=tuple(wishes))


def sync_all(state: AccountState, spec: PlatformSpec, priority: Priority) -> AccountState:
    for source in spec.sources:
        state = sync_one(state, source.name, priority)
    return state


def sync_one(state: AccountState, source: str, priority: Priority) -> AccountState:
    """Bring a list up to date. One that was never walked to its end is walked whole: an incremental walk
    would stop at known pages. Work begun already is joined, with the better priority."""
    known = state.sources.get(source)
    if known is not None and known.backfilled:
        wanted = Wish(source, Mode.INCREMENTAL, priority)
    else:
        wanted = Wish(source, Mode.BACKFILL, Priority.BACKFILL)
    begun = [j for j in (state.job, *state.shelved) if j and (j.source, j.mode) == (source, wanted.mode)]
    if not begun:
        return wish(state, wanted)
    job = state.job and _hurried(state.job, wanted)
    return replace(state, job=job, shelved=tuple(_hurried(j, wanted) for j in state.shelved))


def _hurried(job: Job, wanted: Wish) -> Job:
    """What waited for its own share of a window may have more of it now."""
    if (job.source, job.mode) != (wanted.source, wanted.mode) or job.priority <= wanted.priority:
        return job
    return replace(job, priority=wanted.priority, wait_until=None)


def reread(
    state: AccountState, wanted: Iterable[tuple[str, datetime]], settled: Container[str] = ()
) -> AccountState:
    """Have content read by id, each not before its time. What does not fit is found by the next recheck."""
    found = {id_: at for id_, at in state.reread.items() if id_ not in settled}
    for id_, at in wanted:
        if id_ in found or len(found) < RECHECK_IDS:
            found[id_] = max(at, found.get(id_, at))
    return replace(state, reread=found) if found != state.reread else state


def rescheduled(state: AccountState) -> AccountState:
    """The next runs by the frequency as it is now."""
    sources = {
        name: replace(known, next_run_at=known.last_run_at + interval(state)) if known.last_run_at else known
        for name, known in state.sources.items()
    }
    return replace(state, sources=sources)


def set_aside(state: AccountState, now: datetime) -> AccountState:
    """Jobs become wishes again: their calls may be under way, and nobody will take the outcomes."""
    jobs = [*([state.job] if state.job else []), *state.shelved]
    state = replace(state, job=None, shelved=())
    for job in jobs:
        if job.mode is Mode.RECHECK:
            state = reread(state, [(id_, now) for id_ in job.ids])
        else:
            since = job.since if job.mode is Mode.BACKFILL else None
            state = wish(state, Wish(job.source, job.mode, job.priority, job.limit, since))
    return state


# -- choosing and calling ---------------------------------------------------------------------------
def drive(
    state: AccountState,
    spec: PlatformSpec,
    now: datetime,
    token_ok: bool,
    make_id: MakeId,
    lonely: bool = False,
) -> tuple[AccountState, list[Effect]]:
    """Begin work that is due and send the next call, if budget and token allow. `lonely`: no call of this
    account is under way, whatever its state waits for."""
    if state.status is not Status.CONNECTED:
        return state, []
    state = _schedule(state, spec, now)
    if state.job is not None and state.job.call is not None:
        if now < state.job.call.until and not lonely:
            return state, []
        # No outcome came: the process that asked is gone. Ask again.
        state = failed(state, state.job, "no_outcome", now)
    state = _choose(state, spec, now, make_id)
    job = state.job
    if job is None:
        return state, []
    if job.wait_until is not None:
        if now < job.wait_until:
            return state, []
        job = replace(job, wait_until=None)
        state = replace(state, job=job)
    return _call(state, spec, job, now, make_id) if token_ok else (state, [])


def wake_at(state: AccountState, spec: PlatformSpec) -> datetime | None:
    """A job without a time of its own waits for the token, whose owner has one."""
    if state.status is not Status.CONNECTED:
        return None
    job = state.job
    if job is not None and job.call is not None:
        return job.call.until
    times = [job.wait_until] if job and job.wait_until else []
    if job is None or job.priority > Priority.WEBHOOK:
        times += state.reread.values()
    if state.config.auto_sync:
        known = (state.sources.get(source.name) for source in spec.sources)
        times += [k.next_run_at for k in known if k and k.next_run_at]
    return min(times, default=None)


def urgency(state: AccountState, spec: PlatformSpec, due: datetime | None) -> Urgency:
    """Of the wake-up at `due`: the class of the work that is first, or of the job that is under way."""
    job = state.job if state.status is Status.CONNECTED else None
    mine = wake_at(state, spec)
    if job is not None and (job.priority < Priority.SCHEDULED or mine == due):
        return _URGENCY[job.priority]
    if mine is None or mine != due:
        return Urgency.WEBHOOK if state.errands or state.replay_at == due else Urgency.REFRESH
    return Urgency.WEBHOOK if due in state.reread.values() else Urgency.SCHEDULED


_URGENCY = {
    Priority.PERSON: Urgency.PERSON,
    Priority.PUBLISH: Urgency.PUBLISH,
    Priority.WEBHOOK: Urgency.WEBHOOK,
    Priority.SCHEDULED: Urgency.SCHEDULED,
    Priority.BACKFILL: Urgency.BACKFILL,
}


def _schedule(state: AccountState, spec: PlatformSpec, now: datetime) -> AccountState:
    if not state.config.auto_sync:
        return state
    for source in spec.sources:
        known = state.sources.get(source.name)
        if known is not None and known.next_run_at is not None and known.next_run_at <= now:
            state = sync_one(state, source.name, Priority.SCHEDULED)
            known = replace(known, next_run_at=now + interval(state))
            state = replace(state, sources=state.sources | {source.name: known})
    return state


def _choose(state: AccountState, spec: PlatformSpec, now: datetime, make_id: MakeId) -> AccountState:
    """Make the most urgent work the job; what was begun goes before what was not."""
    job = state.job
    wishes = sorted(state.wishes, key=lambda w: w.priority)
    shelved = sorted(state.shelved, key=lambda j: j.priority)
    due = tuple(id_ for id_, at in state.reread.items() if at <= now)
    candidates = [work[0].priority for work in (wishes, shelved) if work]
    best = min([*candidates, *([Priority.WEBHOOK] if due else [])], default=None)
    if best is None or (job is not None and job.priority <= best):
        return state
    if job is not None:
        state = replace(state, shelved=(*state.shelved, job))
    if shelved and shelved[0].priority == best:
        rest = tuple(j for j in state.shelved if j is not shelved[0])
        return replace(state, job=shelved[0], shelved=rest)
    if wishes and wishes[0].priority == best:
        left = tuple(w for w in state.wishes if w is not wishes[0])
        return replace(state, job=_begun(state, wishes[0], make_id("job")), wishes=left)
    source = next((s.name for s in spec.sources if not s.remarks), spec.sources[0].name)
    later = {id_: at for id_, at in state.reread.items() if at > now}
    reading = Job(make_id("job"), source, Mode.RECHECK, Priority.WEBHOOK, ids=due)
    return replace(state, job=reading, reread=later)


def _begun(state: AccountState, chosen: Wish, job_id: str) -> Job:
    newest_at = state.sources.get(chosen.source, Source()).newest_at
    since = chosen.since
    if chosen.mode is Mode.INCREMENTAL:
        since = newest_at - OVERLAP if newest_at else None
    return Job(job_id, chosen.source, chosen.mode, chosen.priority, since=since, limit=chosen.limit)


def _call(
    state: AccountState, spec: PlatformSpec, job: Job, now: datetime, make_id: MakeId
) -> tuple[AccountState, list[Effect]]:
    if job.mode is not Mode.RECHECK or job.ids:
        reserved = budgets.reserve(state, spec, calls_of(spec, job), job.priority, now)
        if isinstance(reserved, datetime):
            held_by = f"account:{family_of(spec, job)}"
            return replace(state, job=replace(job, wait_until=reserved, held_by=held_by)), []
        state = reserved
    call = Call(make_id("call"), now + CALL_TIMEOUT)
    access = state.token.access
    effect: Effect
    if job.mode is not Mode.RECHECK:
        known = state.sources.get(job.source, Source())
        newest = known.newest_id if job.mode is Mode.INCREMENTAL else None
        # Only an incremental walk may stop at "nothing new", and only before it has begun.
        etag = known.etag if job.mode is Mode.INCREMENTAL and job.cursor is None else None
        effect = FetchPage(
            call,
            job.source,
            access,
            job.cursor,
            job.since,
            newest,
            etag,
            app_id=state.app_id,
            priority=job.priority,
        )
    elif job.ids:
        ids = job.ids[: spec.batch_read]
        effect = ReadItems(call, ids, access, app_id=state.app_id, priority=job.priority)
    else:
        limit = min(spec.batch_read * RECHECK_CALLS, RECHECK_IDS)
        effect = ChooseRecheck(call, job.id, job.oldest_at, job.newest_at, limit)
    return replace(state, job=replace(job, call=call, wait_until=None, held_by=None)), [effect]


def calls_of(spec: PlatformSpec, job: Job) -> dict[str, int]:
    """API family -> calls that the job's next step may need."""
    return {family_of(spec, job): spec.batch_read_calls if job.mode is Mode.RECHECK else 1}


def family_of(spec: PlatformSpec, job: Job) -> str:
    return spec.batch_read_family if job.mode is Mode.RECHECK else source_of(spec, job.source).family


# -- failing ----------------------------------------------------------------------------------------
def failed(state: AccountState, job: Job, reason: str, now: datetime) -> AccountState:
    failures = job.failures + 1
    if failures >= MAX_FAILURES:
        return given_up(state, job, reason, now)
    pause = now + backoff(failures)
    wait = max(job.wait_until, pause) if job.wait_until and job.wait_until > now else pause
    return replace(state, job=replace(job, failures=failures, call=None, wait_until=wait))


def given_up(state: AccountState, job: Job, reason: str, now: datetime) -> AccountState:
    """The job ends, visibly; the source's schedule goes on, so the account heals by itself."""
    known = state.sources.get(job.source, Source())
    retry_at = now + RETRY_GIVEN_UP
    if known.next_run_at is not None and known.next_run_at > now:
        retry_at = min(retry_at, known.next_run_at)
    known = replace(known, last_error=reason, next_run_at=retry_at)
    return replace(state, job=None, sources=state.sources | {job.source: known})
