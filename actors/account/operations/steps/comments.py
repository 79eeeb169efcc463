"""Comments that only a further consent shows, page by page."""

from datetime import datetime

from msgspec.structs import replace

from actors.account.operations.steps.work import Work
from actors.account.operations.task import Step
from domain.content import Remark
from platforms.capabilities import ListsComments
from platforms.outcome import Ok, Outcome


async def walk(work: Work) -> Outcome[Step]:
    """`facts`: since (without it all there are), cursor."""
    platform, since = work.platform, work.facts.get("since")
    assert isinstance(platform, ListsComments)  # noqa: S101 - scheduled for these alone
    moment = datetime.fromisoformat(since) if since else None
    answer = await platform.comments.page(work.access, moment, work.facts.get("cursor"))
    if not isinstance(answer, Ok):
        return answer
    following = answer.value.next_cursor
    facts = None if following is None else {"since": since, "cursor": following}
    remarks = tuple(_own(work, remark) for remark in answer.value.remarks)
    return Ok(Step(facts, remarks=remarks, listed=True, items=len(remarks)), answer.readings)


def _own(work: Work, remark: Remark) -> Remark:
    """The account's own words under the id that it has here: a consent may have another for it."""
    if remark.author.external_id != work.access.external_id:
        return remark
    return replace(remark, author=replace(remark.author, external_id=work.account.external_id))
