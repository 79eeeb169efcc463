"""Daily numbers of ads by X's asynchronous jobs: twenty objects and ninety days at a time.

    a page of objects -> job asked for -> processing .. -> success: its file -> next page, next part, or done
                                  |                 +--> failed: split by days
                                  +--> too much: split by days

Asking for a job twice leaves one that nobody reads. Its file is packed (gzip) and kept for two days under an
address that nobody guesses and that takes no token; it is there a moment after the job is called a success.

Sources: docs.x.com x-ads-api/analytics, x-ads-api/fundamentals/error-codes-and-responses. The late file:
github.com/hborras/twitter-php-ads-sdk issue 86. That a job may fail or be cancelled: that library's list of
states.
"""

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlsplit
from zoneinfo import ZoneInfo

from domain.advertising import AdAccount, AdDay, ReportRequest, ReportState, ReportStep, halved, next_part
from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.gzipped import Cut, TooLarge, unpacked
from platforms.http import MAX_BODY_BYTES, Answer, Broken, Call, failure_of
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter
from platforms.twitter.ads_api import call, page_of
from platforms.twitter.ads_rows import LEVELS, days_of, midnight, zone_of
from platforms.twitter.errors import TOO_COMPLEX
from platforms.twitter.spec import SPEC
from platforms.wire import Json, NotJson, decode, id_at, mapping, moment_at, objects, text_at

DAYS, OBJECTS = 90, 20  # x-ads-api/analytics
_ENDED = frozenset({"FAILED", "CANCELLED"})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2, 60
_FILE_LATE = RetryAfter(5.0, LimitScope.ACCOUNT, "report_file_late")
# `ReportState.percent` is the patience that a page has cost, because X tells no progress: a look is 1, a job
# that is gone 20. With the waits between looks that is more than an hour.
_LOST, _OUT_OF_PATIENCE = 20, 100


async def step(access: Access, account: AdAccount, state: ReportState) -> Outcome[ReportStep]:
    zone = zone_of(account)
    if zone is None:
        return Rejected("timezone", "X did not say in which time zone the ad account counts its days.")
    if state.percent >= _OUT_OF_PATIENCE:
        return Rejected("report_unfinished", "X has not finished the report in more than an hour.")
    if state.job_id is None:
        return await _begin(access, account, state, zone)
    return await _look(access, account, state)


async def _begin(
    access: Access, account: AdAccount, state: ReportState, zone: ZoneInfo
) -> Outcome[ReportStep]:
    request, (cursor, _) = state.request, _pages(state)
    page = await page_of(access, account, request.level, cursor, OBJECTS)
    if not isinstance(page, Ok):
        return page
    ids, following = [item.external_id for item in page.value.items], page.value.next_cursor
    if not ids:
        return Ok(ReportStep(state=_after(state, following)), page.readings)
    query = {
        "entity": LEVELS[request.level].entity,
        "entity_ids": ",".join(ids),
        "start_time": midnight(request.since, zone),
        "end_time": midnight(request.until + timedelta(days=1), zone),
        "granularity": "DAY",
        "metric_groups": "ENGAGEMENT,BILLING",
        "placement": "ALL_ON_TWITTER",
    }
    answer = await call(access, "POST", _jobs(account), query, family="ads_write")
    if isinstance(answer, Rejected) and answer.code == TOO_COMPLEX:
        return _split(state)
    if not isinstance(answer, Ok):
        return answer
    job = id_at(mapping(answer.value, "data"), "id_str", "id")
    if job is None:
        return Rejected("no_report", "X answered without a report job.", answer.readings)
    begun = replace(state, job_id=job, cursor=_kept(cursor, following), wait_s=_FIRST_WAIT_S)
    return Ok(ReportStep(state=begun), answer.readings)


async def _look(access: Access, account: AdAccount, state: ReportState) -> Outcome[ReportStep]:
    answer = await call(access, "GET", _jobs(account), {"job_ids": str(state.job_id)})
    if not isinstance(answer, Ok):
        return answer
    rows = objects(answer.value, "data")
    job = next((row for row in rows if id_at(row, "id_str", "id") == state.job_id), None)
    if job is None:
        return Ok(ReportStep(state=_anew(state)), answer.readings)
    status, url = text_at(job, "status"), text_at(job, "url")
    if status in _ENDED:
        return _split(state)
    if status != "SUCCESS" or url is None:
        looks = state.percent + 1
        wait = float(min(_FIRST_WAIT_S + looks, _LONGEST_WAIT_S))
        return Ok(ReportStep(state=replace(state, percent=looks, wait_s=wait)), answer.readings)
    expires = moment_at(job, "expires_at")
    if expires is not None and expires <= access.http.now():
        return Ok(ReportStep(state=_anew(state)), answer.readings)
    found = await _file(access, url)
    if isinstance(found, Rejected) and found.code == TOO_COMPLEX:
        return _split(state)
    if not isinstance(found, Ok):
        return found
    days = _days(found.value, state.request, account)
    return Ok(ReportStep(days, _after(state, _pages(state)[1])), answer.readings)


async def _file(access: Access, url: str) -> Outcome[Json]:
    """From a host of X's alone, without a token, and no more of it than of any other answer."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or parts.netloc not in SPEC.file_hosts:
        return Rejected("file_elsewhere", "X named a file at an address that is not known as its own.")
    query = {name: Secret(value) for name, value in parse_qsl(parts.query, True)}
    address = parts._replace(query="", fragment="").geturl()
    # It is packed already: HTTP need not pack it once more.
    plain = {"Accept-Encoding": "identity"}
    asked = Call("GET", address, "ads_files", query=query, headers=plain)
    result = await access.http.send(SPEC, asked)
    if not isinstance(result, Answer):
        too_large = isinstance(result, Broken) and result.reason == "too_large"
        return _TOO_LARGE if too_large else failure_of(result, None)
    if 300 <= result.status < 400:
        return Rejected("redirect", "X answered with a redirect, which is not followed.")
    if result.status != 200:
        return _FILE_LATE
    try:
        document = decode(unpacked(result.body, MAX_BODY_BYTES))
    except TooLarge:
        return _TOO_LARGE
    except (Cut, NotJson):
        return _FILE_LATE
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return _FILE_LATE
    return Ok(document)


_TOO_LARGE = Rejected(TOO_COMPLEX, "The report is larger than Rookery accepts.")


def _days(document: Json, request: ReportRequest, account: AdAccount) -> tuple[AdDay, ...]:
    rows = objects(document, "data")
    return tuple(day for row in rows for day in days_of(row, request, account.currency))


def _split(state: ReportState) -> Outcome[ReportStep]:
    """The first half goes on at this page; a single day is the end."""
    first, day = halved(state), state.request.since
    if first is None:
        return Rejected(TOO_COMPLEX, f"X cannot report even one day ({day}) of these ads.")
    return Ok(ReportStep(state=replace(first, cursor=_kept(_pages(state)[0]))))


def _anew(state: ReportState) -> ReportState:
    """The job, or its file, is gone: the same page is asked for again."""
    return replace(
        state, job_id=None, cursor=_kept(_pages(state)[0]), percent=state.percent + _LOST, wait_s=0.0
    )


def _after(state: ReportState, following: str | None) -> ReportState | None:
    if following is not None:
        return ReportState(state.request, cursor=_kept(following), rest=state.rest)
    return next_part(state)


def _jobs(account: AdAccount) -> str:
    return f"stats/jobs/accounts/{quote(account.external_id, safe='')}"


# -- where a report is: the page of objects it is at, and the one after it once that is known -----------
def _kept(page: str | None, following: str | None = None) -> str:
    return json.dumps([page, following])


def _pages(state: ReportState) -> tuple[str | None, str | None]:
    try:
        page, following = json.loads(state.cursor or "[null, null]")
    except (ValueError, TypeError):  # kept by an earlier version: the part is begun again
        return None, None
    return page, following
