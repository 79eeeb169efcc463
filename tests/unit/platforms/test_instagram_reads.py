"""Reading Instagram where the sandbox does not go: cursors that end nowhere, partial failures."""

from typing import Any

from domain.secrets import Secret
from platforms.base import PageQuery
from platforms.instagram.adapter import Instagram
from platforms.outcome import Ok, RetryAfter
from tests.unit.platforms.support import Answers, answer

IG, TOKEN = Instagram(), Secret("t")


def page(*rows: Any, after: str | None = None, more: bool = False) -> dict[str, Any]:
    paging = {"cursors": {"after": after}} | ({"next": "https://graph.instagram.com/..."} if more else {})
    return {"data": list(rows), "paging": paging}


async def test_a_cursor_on_the_last_page_is_not_another_page() -> None:
    query = PageQuery(IG.spec.sources[0], "again")
    for body, following in (
        (page({"id": "1"}, after="A", more=True), "A"),
        (page({"id": "1"}, after="A"), None),
        (page({"id": "1"}, after="again", more=True), None),  # the same cursor would never end
        (page(), None),
    ):
        outcome = await IG.list_page(Answers(answer(200, body)), TOKEN, "7", query)
        assert isinstance(outcome, Ok)
        assert outcome.value.next_cursor == following


async def test_a_failure_among_several_reads_is_the_answer() -> None:
    http = Answers(answer(200, {"id": "1"}), answer(500, b""))
    assert isinstance(await IG.read_items(http, TOKEN, "7", ["1", "2"]), RetryAfter)
