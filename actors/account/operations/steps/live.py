"""Live broadcasts: listed, made, given a stream, taken through their states; and what people say there."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from actors.account.operations.steps.work import Work
from actors.account.operations.task import Step
from actors.account.operations.told import BROADCASTS, STREAMS
from domain.live import Broadcast, BroadcastStatus
from platforms.capabilities import Live
from platforms.outcome import LimitReading, Ok, Outcome
from storage.records import Document

LOOKED_THROUGH = 5
"""Pages of broadcasts that one is looked for in: the newest come first."""
CHAT_READ_FOR = timedelta(hours=24)
"""At once: a broadcast may never end, and each reading costs the platform's units. A person asks again."""


async def broadcasts(work: Work) -> Outcome[Step]:
    answer = await _live(work).broadcasts(work.access, work.facts.get("cursor"))
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(_document(work, broadcast) for broadcast in answer.value.items)
    following = answer.value.next_cursor
    facts = {"cursor": following} if following is not None else None
    return Ok(Step(facts, documents, items=len(documents)), answer.readings)


async def create(work: Work) -> Outcome[Step]:
    """`wish`: title, scheduled_at, options; `facts`: made, the new one's id. It is read when it is there: the
    platform gives it a chat and an address."""
    made = work.facts.get("made")
    if made is not None:
        return await _read_again(work, made)
    at = datetime.fromisoformat(work.wish["scheduled_at"])
    answer = await _live(work).create(work.access, work.wish["title"], at, work.wish.get("options", {}))
    if not isinstance(answer, Ok):
        return answer
    return Ok(_made(work, answer.value), answer.readings)


async def find(work: Work) -> Outcome[Step | None]:
    """By title and time, among those that nobody here knew before."""
    wanted = work.wish["title"], datetime.fromisoformat(work.wish["scheduled_at"]).replace(microsecond=0)
    cursor: str | None = None
    readings: tuple[LimitReading, ...] = ()
    for _ in range(LOOKED_THROUGH):
        answer = await _live(work).broadcasts(work.access, cursor)
        if not isinstance(answer, Ok):
            return answer
        readings = answer.readings
        same = [b for b in answer.value.items if (b.title, b.scheduled_at) == wanted]
        known = await work.sides.load_many(BROADCASTS, [work.id(b.external_id) for b in same])
        new = next((b for b in same if work.id(b.external_id) not in known), None)
        if new is not None:
            return Ok(_made(work, new.external_id), readings)
        cursor = answer.value.next_cursor
        if cursor is None:
            break
    return Ok(None, readings)


async def stream(work: Work) -> Outcome[Step]:
    """`wish`: broadcast (the platform's id), title; `facts`: stream, once there is one. Made twice it does no
    harm: a stream that no broadcast is bound to is seen by nobody."""
    broadcast, made = work.wish["broadcast"], work.facts.get("stream")
    if made is None:
        answer = await _live(work).create_stream(work.access, work.wish["title"])
        if not isinstance(answer, Ok):
            return answer
        document = work.document(
            STREAMS,
            broadcast,
            broadcastId=work.id(broadcast),
            externalId=answer.value.external_id,
            address=answer.value.address,
            # Whoever has it can broadcast.
            name=work.sealed(STREAMS, broadcast, "name", answer.value.name.encode()),
            bound=False,
        )
        facts = {"stream": answer.value.external_id}
        return Ok(Step(facts, (document,), calls="live.bind", note="stream made"), answer.readings)
    bound = await _live(work).bind(work.access, broadcast, made)
    if not isinstance(bound, Ok):
        return bound
    known = await work.sides.load_many(STREAMS, [work.id(broadcast)])
    documents = tuple((STREAMS, d | {"bound": True}) for d in known.values() if d["externalId"] == made)
    return Ok(Step(None, documents, result={"stream_id": made}), bound.readings)


async def transition(work: Work) -> Outcome[Step]:
    """`wish`: broadcast (the platform's id), to; `facts`: done, once the platform has done it."""
    broadcast = work.wish["broadcast"]
    if work.facts.get("done"):
        return await _read_again(work, broadcast)
    answer = await _live(work).transition(work.access, broadcast, BroadcastStatus(work.wish["to"]))
    if not isinstance(answer, Ok):
        return answer
    return Ok(Step({"done": True}, calls="live.list", note=f"to {work.wish['to']}"), answer.readings)


async def chat(work: Work) -> Outcome[Step]:
    """`wish`: broadcast and chat (the platform's ids); `facts`: cursor, begun. As often as the platform
    allows, until it says that the chat has ended, or for a day."""
    answer = await _live(work).chat(work.access, work.wish["chat"], work.facts.get("cursor"))
    if not isinstance(answer, Ok):
        return answer
    page = answer.value
    remarks = tuple(replace(m, content_id=work.wish["broadcast"]) for m in page.messages)
    begun = work.facts.get("begun") or work.now.isoformat()
    over = work.now >= datetime.fromisoformat(begun) + CHAT_READ_FOR
    facts = None if page.ended or over else {"cursor": page.next_cursor, "begun": begun}
    note = "read for a day: ask again to go on" if over and not page.ended else None
    step = Step(facts, remarks=remarks, wait_s=max(1.0, page.wait_s), items=len(remarks), note=note)
    return Ok(step, answer.readings)


async def _read_again(work: Work, broadcast: str) -> Outcome[Step]:
    """The newest page, where a broadcast that was just changed is."""
    answer = await _live(work).broadcasts(work.access, None)
    if not isinstance(answer, Ok):
        return answer
    documents = tuple(_document(work, b) for b in answer.value.items)
    return Ok(Step(None, documents, result={"broadcast_id": work.id(broadcast)}), answer.readings)


def _made(work: Work, external_id: str) -> Step:
    result = {"broadcast_id": work.id(external_id)}
    return Step({"made": external_id}, calls="live.list", items=1, note="made", result=result)


def _document(work: Work, broadcast: Broadcast) -> tuple[str, Document]:
    payload = work.sealed(BROADCASTS, broadcast.external_id, "originalData", broadcast.payload, packed=True)
    return work.document(
        BROADCASTS,
        broadcast.external_id,
        externalId=broadcast.external_id,
        title=broadcast.title,
        status=broadcast.status.value,
        nativeStatus=broadcast.native_status,
        at=broadcast.scheduled_at or broadcast.started_at or work.now,
        scheduledAt=broadcast.scheduled_at,
        startedAt=broadcast.started_at,
        endedAt=broadcast.ended_at,
        viewers=broadcast.viewers,
        streamId=broadcast.stream_id,
        chatId=broadcast.chat_id,
        permalink=broadcast.permalink,
        embedHtml=broadcast.embed_html,
        originalData=payload,
    )


def _live(work: Work) -> Live:
    assert work.platform.live is not None  # noqa: S101 - offered, or nobody asks
    return work.platform.live
