"""Numbers of content and of the account: a document for each day on which they were read, so that they are a
history. What the platform does not tell is told with its reason."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from actors.account.documents import CONTENT
from actors.account.operations.steps.work import Work, cursor_in, cursor_out
from actors.account.operations.task import Step
from actors.account.operations.told import INSIGHTS
from domain.content import ContentKind
from domain.insights import Metric
from platforms.outcome import Ok, Outcome, Rejected
from storage.records import Cursor, Document

RECENT = timedelta(days=28)
"""Content younger than this is asked about every day, and the account's numbers span so much."""
LOOKED_THROUGH = 50
"""Documents in a row that may be deleted or superseded before a walk ends."""
AT_MOST = 50
"""Contents of one walk, the newest first: each costs a call."""


async def of_content(work: Work) -> Outcome[Step]:
    """`facts`: `only`, the id of one content; or `after` and `left` of a walk over what is recent."""
    if (only := work.facts.get("only")) is not None:
        content = (await work.sides.load_many(CONTENT, [only])).get(only)
        if content is None:
            return Rejected("content_unknown", "The content is not here any more.")
        return await _read(work, content, None)
    after, left = cursor_in(work.facts.get("after")), work.facts.get("left", AT_MOST)
    filters = {"socialAccountId": str(work.account)}
    page = await work.sides.page(CONTENT, work.account.org, filters, LOOKED_THROUGH, after)
    recent = (d for d in page.documents if d["publishedAt"] >= work.now - RECENT and d["status"] == "active")
    content = next(recent, None)
    if content is None or not left:
        return Ok(Step(None))
    here = Cursor(content["publishedAt"], content["_id"])
    more = page.next is not None or content is not page.documents[-1]
    return await _read(work, content, {"after": cursor_out(here), "left": left - 1} if more else None)


async def _read(work: Work, content: Document, following: dict[str, Any] | None) -> Outcome[Step]:
    insights = work.platform.insights
    assert insights is not None  # noqa: S101 - offered, or nobody asks
    kind = ContentKind(content["contentType"])
    answer = await insights.of_content(work.access, content["externalContentId"], kind)
    if isinstance(answer, Rejected) and (following is not None or work.facts.get("only") is None):
        # Said of this one: a walk goes on with the others.
        return Ok(Step(following, note=f"{content['externalContentId']}: {answer.message}"), answer.readings)
    if not isinstance(answer, Ok):
        return answer
    document = _document(work, content["externalContentId"], "content", answer.value, content["_id"])
    return Ok(Step(following, (document,), items=1), answer.readings)


async def of_account(work: Work) -> Outcome[Step]:
    """`wish`: since, until; without them the last four weeks."""
    insights = work.platform.insights
    assert insights is not None  # noqa: S101
    midnight = work.now.replace(hour=0, minute=0, second=0, microsecond=0)
    since, until = _moment(work, "since") or midnight - RECENT, _moment(work, "until") or work.now
    answer = await insights.of_account(work.access, since, until)
    if not isinstance(answer, Ok):
        return answer
    document = _document(work, "account", "account", answer.value, None)
    return Ok(Step(None, (document,), items=1), answer.readings)


def _document(
    work: Work, name: str, subject: str, metrics: Iterable[Metric], content_id: str | None
) -> tuple[str, Document]:
    day = f"{work.now:%Y-%m-%d}"
    return work.document(
        INSIGHTS,
        f"{name}|{day}",
        subject=subject,
        contentId=content_id,
        day=day,
        metrics=[_metric(metric) for metric in metrics],
    )


def _metric(metric: Metric) -> Document:
    return {
        "name": metric.name.value,
        "source": metric.source,
        "value": metric.value,
        "period": metric.period.value,
        "since": metric.since,
        "until": metric.until,
        "reason": metric.reason,
    }


def _moment(work: Work, name: str) -> datetime | None:
    told = work.wish.get(name)
    return datetime.fromisoformat(told) if told else None
