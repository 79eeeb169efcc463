"""Facebook's live videos, read: the adapter against the sandbox, in process."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.content import RemarkKind
from domain.live import BroadcastStatus
from platforms.capabilities import Access
from platforms.facebook.live import FacebookLive, broadcast
from platforms.outcome import Rejected
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import Answers, World, answer, ok

LIVE = FacebookLive()


async def opened(world: World) -> tuple[dict[str, Any], Access]:
    account = await world.account("facebook", posts=0)
    return account, access_of(world, account)


async def test_a_live_video_from_its_plan_to_its_end(world: World) -> None:
    account, access = await opened(world)
    assert ok(await LIVE.broadcasts(access, None)).items == ()
    planned = (await world.act(account, kind="schedule", text="Kiln opening"))["id"]
    (shown,) = ok(await LIVE.broadcasts(access, None)).items
    assert (shown.external_id, shown.title, shown.status) == (planned, "Kiln opening", BroadcastStatus.READY)
    assert shown.native_status == "SCHEDULED_UNPUBLISHED"
    assert shown.scheduled_at and shown.scheduled_at > datetime.now(UTC) and shown.started_at is None
    await world.act(account, kind="stream", content_id=planned)
    await world.act(account, kind="chat", content_id=planned, author={"username": "berta"})
    (shown,) = ok(await LIVE.broadcasts(access, None)).items
    assert (shown.status, shown.viewers) == (BroadcastStatus.LIVE, 1)
    assert shown.started_at and shown.permalink and shown.permalink.startswith("https://www.facebook.com/")
    assert shown.embed_html and shown.embed_html.startswith("<iframe ")
    await world.act(account, kind="stream_end", content_id=planned)
    (shown,) = ok(await LIVE.broadcasts(access, None)).items
    assert (shown.status, shown.native_status, shown.viewers) == (BroadcastStatus.COMPLETE, "VOD", 0)
    another = (await world.act(account, kind="schedule"))["id"]
    await world.act(account, kind="stream_cancel", content_id=another)
    newest, _ = ok(await LIVE.broadcasts(access, None)).items
    assert (newest.external_id, newest.status) == (another, BroadcastStatus.CANCELLED)


async def test_the_address_that_an_encoder_sends_to_is_not_asked_for(world: World) -> None:
    account, access = await opened(world)
    await world.act(account, kind="stream")
    (shown,) = ok(await LIVE.broadcasts(access, None)).items
    assert b"rtmp" not in shown.payload


async def test_live_videos_page_by_page_and_those_of_no_other_page(world: World) -> None:
    account, access = await opened(world)
    other = await world.account("facebook", posts=0, seed="other")
    await world.act(other, kind="stream")
    made = [(await world.act(account, kind="stream", text=f"B{n}"))["id"] for n in range(52)]
    first = ok(await LIVE.broadcasts(access, None))
    second = ok(await LIVE.broadcasts(access, first.next_cursor))
    assert [b.external_id for b in (*first.items, *second.items)] == made[::-1]
    assert second.next_cursor is None
    (theirs,) = ok(await LIVE.broadcasts(access_of(world, other), None)).items
    assert isinstance(await LIVE.chat(access, theirs.external_id, None), Rejected)


async def test_what_people_say_is_read_once_until_it_is_over(world: World) -> None:
    account, access = await opened(world)
    video = (await world.act(account, kind="stream"))["id"]
    page = ok(await LIVE.chat(access, video, None))
    assert (page.messages, page.ended) == ((), False)
    said = []
    for n in range(3):
        said.append((await world.act(account, kind="chat", text=f"Lovely {n}"))["id"])
    page = ok(await LIVE.chat(access, video, page.next_cursor))
    assert [m.external_id for m in page.messages] == said
    first = page.messages[0]
    assert (first.kind, first.text.text, first.content_id) == (RemarkKind.MESSAGE, "Lovely 0", video)
    assert first.author.external_id and first.at
    again = ok(await LIVE.chat(access, video, page.next_cursor))
    assert (again.messages, again.next_cursor) == ((), page.next_cursor)
    last = (await world.act(account, kind="chat", text="Bye"))["id"]
    await world.act(account, kind="stream_end")
    page = ok(await LIVE.chat(access, video, again.next_cursor))
    assert [m.external_id for m in page.messages] == [last] and page.ended


async def test_a_long_chat_goes_on_at_once_and_ends_on_its_last_page(world: World) -> None:
    account, access = await opened(world)
    video = (await world.act(account, kind="stream"))["id"]
    said = [(await world.act(account, kind="chat", text="So blue"))["id"] for _ in range(120)]
    await world.act(account, kind="stream_end")
    first = ok(await LIVE.chat(access, video, None))
    assert (len(first.messages), first.wait_s, first.ended) == (100, 1.0, False)
    second = ok(await LIVE.chat(access, video, first.next_cursor))
    assert [m.external_id for m in (*first.messages, *second.messages)] == said and second.ended


async def test_making_them_is_not_offered_and_says_so() -> None:
    access = Access(Answers(), None, None, "1")  # type: ignore[arg-type]
    now = datetime.now(UTC)
    for outcome in (
        await LIVE.create(access, "x", now, {}),
        await LIVE.create_stream(access, "x"),
        await LIVE.bind(access, "1", "2"),
        await LIVE.transition(access, "1", BroadcastStatus.LIVE),
    ):
        assert isinstance(outcome, Rejected) and outcome.code == "unsupported"
        assert outcome.message in LIVE.missing.values()


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"id": "1", "status": "UNPUBLISHED"}, BroadcastStatus.CREATED),
        ({"id": "1", "status": "PROCESSING"}, BroadcastStatus.COMPLETE),
        ({"id": "1", "status": "SCHEDULED_EXPIRED"}, BroadcastStatus.CANCELLED),
        ({"id": "1", "status": "INVENTED_LATER"}, BroadcastStatus.UNKNOWN),
        ({"id": "1"}, BroadcastStatus.UNKNOWN),
    ],
)
def test_states(row: dict[str, Any], status: BroadcastStatus) -> None:
    found = broadcast(row)
    assert found is not None and found.status is status
    assert broadcast({"status": "LIVE"}) is None, "without an id it is none"


async def test_a_chat_that_tells_no_cursor_keeps_its_place() -> None:
    http = Answers(answer(200, {"id": "7", "status": "LIVE"}), answer(200, {"id": "7", "comments": 3}))
    access = Access(http, None, None, "1")  # type: ignore[arg-type]
    for _ in range(2):
        page = ok(await LIVE.chat(access, "7", "place"))
        assert (page.messages, page.next_cursor, page.ended) == ((), "place", False)
    assert ".after(place)" in str(http.asked[0].query["fields"])
