"""Daily numbers of ads by report runs: asked for, waited for, read page by page, split when too big.

    no job -> run asked for -> running .. -> completed -> pages .. -> next part, or done
                  |               +--> failed: split
                  +--> too big: split

Asking for a run twice leaves one that nobody reads. Source: documentation/ads-commerce/marketing-api/insights
(+/best-practices, /error-codes); runs end after 30 days.
"""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation

from domain.advertising import AdAccount, AdDay, AdLevel, ReportState, ReportStep, halved, next_part
from domain.money import from_decimal
from domain.secrets import Secret
from platforms.facebook.errors import GONE, TOO_BIG, outcome_of
from platforms.facebook.reading import get
from platforms.facebook.spec import GRAPH, SPEC
from platforms.http import Call, PlatformHttp
from platforms.meta.paging import cursor_query, next_cursor
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, count_at, id_at, objects, text_at

_FAMILY = "marketing"
_LEVELS = {AdLevel.CAMPAIGN: "campaign", AdLevel.GROUP: "adset", AdLevel.AD: "ad"}
_IDS = {AdLevel.CAMPAIGN: "campaign_id", AdLevel.GROUP: "adset_id", AdLevel.AD: "ad_id"}
_NUMBERS = "spend,account_currency,impressions,clicks,reach,actions,action_values"
_ROWS = 500
_FIRST_WAIT_S, _WAIT_S = 2.0, 5.0
# One purchase is counted under several names: the first that is there holds all of them.
_PURCHASES = ("omni_purchase", "purchase")


async def step(
    http: PlatformHttp, token: Secret, account: AdAccount, state: ReportState
) -> Outcome[ReportStep]:
    if state.job_id is None:
        return await _begin(http, token, account, state)
    if state.percent < 100:
        return await _look(http, token, state)
    return await _read(http, token, account, state)


async def _begin(
    http: PlatformHttp, token: Secret, account: AdAccount, state: ReportState
) -> Outcome[ReportStep]:
    request = state.request
    form = {
        "level": _LEVELS[request.level],
        "fields": f"{_IDS[request.level]},{_NUMBERS}",
        "time_range": json.dumps({"since": str(request.since), "until": str(request.until)}),
        "time_increment": "1",
    }
    url = f"{GRAPH}/act_{account.external_id}/insights"
    result = await http.send(SPEC, Call("POST", url, _FAMILY, form=form, bearer=token))
    answer = outcome_of(result, _FAMILY)
    if isinstance(answer, Rejected) and answer.code == TOO_BIG:
        return _split(state)
    if not isinstance(answer, Ok):
        return answer
    run = id_at(answer.value, "report_run_id")
    if run is None:
        return Rejected("no_report", "Facebook answered without a report run.", answer.readings)
    begun = replace(state, job_id=run, cursor=None, percent=0, wait_s=_FIRST_WAIT_S)
    return Ok(ReportStep(state=begun), answer.readings)


async def _look(http: PlatformHttp, token: Secret, state: ReportState) -> Outcome[ReportStep]:
    """Completed *and* 100 % is done; one of the two alone is not."""
    fields = "id,async_status,async_percent_completion"
    answer = await get(http, token, str(state.job_id), {"fields": fields}, _FAMILY)
    if isinstance(answer, Rejected) and answer.code in GONE:
        return Ok(ReportStep(state=_again(state)), answer.readings)  # it has ended: asked for anew
    if not isinstance(answer, Ok):
        return answer
    status = text_at(answer.value, "async_status")
    percent = min(count_at(answer.value, "async_percent_completion") or 0, 100)
    if status in ("Job Failed", "Job Skipped"):
        return _split(state)
    if status == "Job Completed" and percent == 100:
        return Ok(ReportStep(state=replace(state, percent=100, wait_s=0.0)), answer.readings)
    return Ok(ReportStep(state=replace(state, percent=min(percent, 99), wait_s=_WAIT_S)), answer.readings)


async def _read(
    http: PlatformHttp, token: Secret, account: AdAccount, state: ReportState
) -> Outcome[ReportStep]:
    params = {"limit": str(_ROWS)} | cursor_query(state.cursor)
    answer = await get(http, token, f"{state.job_id}/insights", params, _FAMILY)
    if isinstance(answer, Rejected) and answer.code in GONE:
        return Ok(ReportStep(state=_again(state)), answer.readings)
    if isinstance(answer, Rejected) and answer.code == TOO_BIG:
        return _split(state)
    if not isinstance(answer, Ok):
        return answer
    level = state.request.level
    rows = tuple(day for row in objects(answer.value, "data") if (day := _day(level, row, account.currency)))
    cursor = next_cursor(answer.value, state.cursor)
    following = replace(state, cursor=cursor) if cursor is not None else next_part(state)
    return Ok(ReportStep(rows, following), answer.readings)


def _split(state: ReportState) -> Outcome[ReportStep]:
    """A single day that is too big is the end."""
    first, day = halved(state), state.request.since
    if first is None:
        return Rejected(TOO_BIG, f"Facebook cannot report even one day ({day}) of this ad account.")
    return Ok(ReportStep(state=first))


def _again(state: ReportState) -> ReportState:
    return ReportState(state.request, rest=state.rest)


def _day(level: AdLevel, row: Json, currency: str) -> AdDay | None:
    """Numbers are texts; a list that is left out had nothing to report."""
    object_id, day = id_at(row, _IDS[level]), _date(text_at(row, "date_start"))
    spend = from_decimal(text_at(row, "spend") or "", text_at(row, "account_currency") or currency)
    if object_id is None or day is None or spend is None:
        return None
    return AdDay(
        level=level,
        external_id=object_id,
        day=day,
        spend=spend,
        impressions=count_at(row, "impressions"),
        clicks=count_at(row, "clicks"),
        reach=count_at(row, "reach"),
        conversions=_number(_purchases(row, "actions")),
        conversion_value=from_decimal(_purchases(row, "action_values"), spend.currency),
    )


def _purchases(row: Json, key: str) -> str:
    values = {text_at(action, "action_type"): text_at(action, "value") for action in objects(row, key)}
    return next((value for name in _PURCHASES if (value := values.get(name))), "0")


def _number(text: str) -> float | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return float(number) if number.is_finite() else None


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
