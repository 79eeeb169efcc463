"""Advertising: which accounts there are, their objects level by level, their days by reports; budgets and
states changed. Making is in `ads_making`.

    accounts -> of each: campaigns, groups, ads, page by page -> its report, step by step -> the next account

Where the walk is, is a few ids, whatever the accounts hold: the next account is found among the documents
that the walk itself wrote.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from actors.account.operations.steps.work import Work, cursor_in, cursor_out, money_in, money_out
from actors.account.operations.task import Step
from actors.account.operations.told import AD_ACCOUNTS, AD_DAYS, ADS
from domain.advertising import (
    AdAccount,
    AdDay,
    AdLevel,
    AdObject,
    AdStatus,
    ReportRequest,
    ReportState,
)
from platforms.capabilities import Ads
from platforms.outcome import Ok, Outcome, Rejected
from storage.records import Document

DAYS_BACK = 28
"""Platforms correct the numbers of a day for about so long."""
_LEVELS = [level.value for level in AdLevel]


async def walk(work: Work) -> Outcome[Step]:
    """`wish`: levels (of objects to be read), report_level, since, until."""
    match work.facts.get("stage"):
        case None:
            return await _accounts(work)
        case "next":
            return await _next(work)
        case "objects":
            return await _objects(work)
        case _:
            return await _report(work)


async def _accounts(work: Work) -> Outcome[Step]:
    answer = await ads_of(work).accounts(work.access)
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(
        work.document(
            AD_ACCOUNTS,
            account.external_id,
            externalId=account.external_id,
            name=account.name,
            currency=account.currency,
            timezone=account.timezone,
        )
        for account in answer.value
    )
    facts = {"stage": "next", "run": work.now.isoformat(), "after": None} if documents else None
    return Ok(Step(facts, documents, calls=_first(work), items=len(documents), note="accounts"))


async def _next(work: Work) -> Outcome[Step]:
    """Go on with the next account that this walk found."""
    filters = {"socialAccountId": str(work.account)}
    after = cursor_in(work.facts["after"])
    page = await work.sides.page(AD_ACCOUNTS, work.account.org, filters, 1, after)
    if not page.documents or page.documents[0]["readAt"] < datetime.fromisoformat(work.facts["run"]):
        return Ok(Step(None))
    facts = {
        **work.facts,
        "after": cursor_out(page.next),
        "last": page.next is None,
        "account": _account_out(page.documents[0]),
    }
    levels = work.wish.get("levels", _LEVELS)
    if levels:
        facts |= {"stage": "objects", "level": levels[0], "cursor": None}
        return await _objects(replace(work, facts=facts))
    return await _report(replace(work, facts=_reporting(work, facts)))


async def _objects(work: Work) -> Outcome[Step]:
    account, level = account_in(work.facts["account"]), AdLevel(work.facts["level"])
    answer = await ads_of(work).objects(work.access, account, level, work.facts["cursor"])
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(object_document(work, account, item) for item in answer.value.items)
    facts = {**work.facts, "cursor": answer.value.next_cursor}
    if answer.value.next_cursor is not None:
        return Ok(Step(facts, documents, items=len(documents)), answer.readings)
    levels = work.wish.get("levels", _LEVELS)
    rest = levels[levels.index(level.value) + 1 :]
    if rest:
        step = Step(facts | {"level": rest[0]}, documents, items=len(documents))
    else:
        step = Step(_reporting(work, facts), documents, calls="ads.report", items=len(documents))
    return Ok(step, answer.readings)


def _reporting(work: Work, facts: dict[str, Any]) -> dict[str, Any]:
    today = work.now.astimezone(UTC).date()
    since = work.wish.get("since") or (today - timedelta(days=DAYS_BACK)).isoformat()
    until = work.wish.get("until") or today.isoformat()
    level = AdLevel(work.wish.get("report_level", AdLevel.CAMPAIGN))
    request = ReportRequest(level, date.fromisoformat(since), date.fromisoformat(until))
    return {**facts, "stage": "report", "report": _state_out(ads_of(work).report(request))}


async def _report(work: Work) -> Outcome[Step]:
    account = account_in(work.facts["account"])
    answer = await ads_of(work).report_step(work.access, account, _state_in(work.facts["report"]))
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(_day(work, row) for row in answer.value.rows)
    state = answer.value.state
    if state is not None:
        facts = {**work.facts, "report": _state_out(state)}
        return Ok(Step(facts, documents, wait_s=state.wait_s, items=len(documents)), answer.readings)
    done = f"report of {account.external_id}"
    if work.facts["last"]:
        return Ok(Step(None, documents, items=len(documents), note=done), answer.readings)
    facts = {"stage": "next", "run": work.facts["run"], "after": work.facts["after"]}
    return Ok(Step(facts, documents, calls=_first(work), items=len(documents), note=done), answer.readings)


def _first(work: Work) -> str:
    """The call that an account is begun with."""
    return "ads.objects" if work.wish.get("levels", _LEVELS) else "ads.report"


# -- changes ------------------------------------------------------------------------------------------
async def change(work: Work) -> Outcome[Step]:
    """`wish`: ad (the document's id), daily_budget, status. One call a turn: the budget first."""
    known = (await work.sides.load_many(ADS, [work.wish["ad"]])).get(work.wish["ad"])
    if known is None:
        return Rejected("ad_unknown", "The advertisement is not here any more: read the ads again.")
    account = account_in(work.wish["account"])
    level, id_ = AdLevel(known["level"]), known["externalId"]
    daily = money_in(work.wish.get("daily_budget"))
    if daily is not None and not work.facts.get("budget_set"):
        answer = await ads_of(work).set_budget(work.access, account, level, id_, daily)
        if not isinstance(answer, Ok):
            return answer
        document = (ADS, known | {"dailyBudget": money_out(daily), "readAt": work.now})
        facts = {"budget_set": True} if work.wish.get("status") else None
        return Ok(Step(facts, (document,), note="budget set"), answer.readings)
    status = AdStatus(work.wish["status"])
    answer = await ads_of(work).set_status(work.access, account, level, id_, status)
    if not isinstance(answer, Ok):
        return answer
    document = (ADS, known | {"status": status.value, "readAt": work.now})
    return Ok(Step(None, (document,), note="status set"), answer.readings)


# -- documents ----------------------------------------------------------------------------------------
def object_document(work: Work, account: AdAccount, item: AdObject) -> tuple[str, Document]:
    return work.document(
        ADS,
        item.external_id,
        adAccountId=work.id(account.external_id),
        externalId=item.external_id,
        level=item.level.value,
        parentId=work.id(item.parent_id) if item.parent_id else None,
        name=item.name,
        status=item.status.value,
        nativeStatus=item.native_status,
        objective=item.objective,
        dailyBudget=money_out(item.daily_budget),
        lifetimeBudget=money_out(item.lifetime_budget),
        startsAt=item.starts_at,
        endsAt=item.ends_at,
        originalData=work.sealed(ADS, item.external_id, "originalData", item.payload, packed=True),
    )


def _day(work: Work, row: AdDay) -> tuple[str, Document]:
    return work.document(
        AD_DAYS,
        f"{row.level.value}|{row.external_id}|{row.day.isoformat()}",
        adId=work.id(row.external_id),
        level=row.level.value,
        day=datetime.combine(row.day, time(), UTC),
        spend=money_out(row.spend),
        impressions=row.impressions,
        clicks=row.clicks,
        reach=row.reach,
        conversions=row.conversions,
        conversionValue=money_out(row.conversion_value),
    )


def _account_out(document: Document) -> dict[str, Any]:
    return {name: document[name] for name in ("externalId", "name", "currency", "timezone")}


def account_in(told: dict[str, Any]) -> AdAccount:
    return AdAccount(told["externalId"], told["name"], told["currency"], told["timezone"])


def ads_of(work: Work) -> Ads:
    assert work.platform.ads is not None  # noqa: S101 - offered, or nobody asks
    return work.platform.ads


# -- reports ------------------------------------------------------------------------------------------
def _state_out(state: ReportState) -> dict[str, Any]:
    return {
        "request": _request_out(state.request),
        "job_id": state.job_id,
        "cursor": state.cursor,
        "percent": state.percent,
        "wait_s": state.wait_s,
        "rest": [_request_out(request) for request in state.rest],
    }


def _state_in(told: dict[str, Any]) -> ReportState:
    return ReportState(
        _request_in(told["request"]),
        told["job_id"],
        told["cursor"],
        told["percent"],
        told["wait_s"],
        tuple(_request_in(request) for request in told["rest"]),
    )


def _request_out(request: ReportRequest) -> list[str]:
    return [request.level.value, request.since.isoformat(), request.until.isoformat()]


def _request_in(told: list[str]) -> ReportRequest:
    return ReportRequest(AdLevel(told[0]), date.fromisoformat(told[1]), date.fromisoformat(told[2]))
