"""Reading Instagram where the sandbox does not go: threads that change, partial failures."""

import json
from typing import Any

from domain.secrets import Secret
from platforms.instagram.adapter import Instagram
from platforms.outcome import Ok, Rejected, RetryAfter
from tests.unit.platforms.support import Answers, answer

IG, TOKEN = Instagram(), Secret("t")
GONE = {"error": {"code": 100, "error_subcode": 33}}


def page(*rows: Any, after: str | None = None, more: bool = False) -> dict[str, Any]:
    paging = {"cursors": {"after": after}} | ({"next": "https://graph.instagram.com/..."} if more else {})
    return {"data": list(rows), "paging": paging}


async def test_a_cursor_on_the_last_page_is_not_another_page() -> None:
    for body, following in (
        (page({"id": "1"}, after="A", more=True), True),
        (page({"id": "1"}, after="A"), False),
        (page(), False),
    ):
        outcome = await IG.list_comments(Answers(answer(200, body)), TOKEN, "7", "m", None)
        assert isinstance(outcome, Ok)
        assert (outcome.value.next_cursor is not None) is following


async def test_replies_are_read_before_the_next_page_of_comments() -> None:
    replies = page({"id": "r1"}, *({"id": f"x{n}"} for n in range(24)), after="R", more=True)
    first = page({"id": "c1", "replies": replies}, after="A", more=True)
    http = Answers(
        answer(200, first),
        answer(200, page({"id": "r2"})),
        answer(200, page({"id": "c2"})),
    )
    cursor, seen = None, []
    for _ in range(3):
        outcome = await IG.list_comments(http, TOKEN, "7", "m", cursor)
        assert isinstance(outcome, Ok)
        seen += [(r.external_id, r.parent_id) for r in outcome.value.remarks]
        cursor = outcome.value.next_cursor
    assert cursor is None
    assert [(call.url.split("/", 4)[4], call.query.get("after")) for call in http.asked] == [
        ("m/comments", None),
        ("c1/replies", "R"),
        ("m/comments", "A"),
    ]
    assert ("r2", "c1") in seen
    assert ("c2", None) in seen


async def test_a_comment_deleted_meanwhile_does_not_end_the_walk() -> None:
    cursor = json.dumps([["c1", "R"], ["m", "A"]])
    outcome = await IG.list_comments(Answers(answer(400, GONE)), TOKEN, "7", "m", cursor)
    assert isinstance(outcome, Ok)
    assert outcome.value.next_cursor == json.dumps([["m", "A"]])
    gone = await IG.list_comments(Answers(answer(400, GONE)), TOKEN, "7", "m", None)
    assert isinstance(gone, Rejected), "the media itself is not there"


async def test_a_failure_among_several_reads_is_the_answer() -> None:
    http = Answers(answer(200, {"id": "1"}), answer(500, b""))
    assert isinstance(await IG.read_items(http, TOKEN, "7", ["1", "2"]), RetryAfter)
