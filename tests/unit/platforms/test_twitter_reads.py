"""Reading X where the sandbox does not go: old versions, what counts as gone, endless cursors."""

from domain.secrets import Secret
from platforms.base import PageQuery
from platforms.outcome import Ok
from platforms.twitter.adapter import Twitter
from tests.unit.platforms.support import Answers, answer

OLD = {"id": "10", "text": "old", "edit_history_post_ids": ["10", "11"]}
NEW = {"id": "11", "text": "new", "edit_history_post_ids": ["10", "11"]}


async def test_an_old_version_is_never_taken_for_the_current_one() -> None:
    x, token = Twitter(), Secret("t")
    http = Answers(answer(200, {"data": [OLD, {"id": "12"}]}), answer(200, {"data": [NEW]}))
    outcome = await x.read_items(http, token, "7", ["10", "12"])
    assert isinstance(outcome, Ok)
    assert [call.query["ids"] for call in http.asked] == ["10,12", "11"]
    assert {i.external_id: i.text.text for i in outcome.value.items} == {"12": "", "11": "new"}
    both = Answers(answer(200, {"data": [OLD, NEW]}))
    outcome = await x.read_items(both, token, "7", ["10", "11"])
    assert isinstance(outcome, Ok)
    assert [i.text.text for i in outcome.value.items] == ["new"]
    failing = Answers(answer(200, {"data": [OLD]}), answer(503, b""))
    outcome = await x.read_items(failing, token, "7", ["10"])
    assert isinstance(outcome, Ok)
    assert outcome.value.items == ()
    assert outcome.value.gone == frozenset()


async def test_only_not_found_is_gone() -> None:
    errors = [
        {"resource_id": "1", "type": "https://api.x.com/2/problems/resource-not-found"},
        {"resource_id": "2", "type": "https://api.twitter.com/2/problems/not-authorized-for-resource"},
        {"value": "3", "type": "https://api.twitter.com/2/problems/resource-not-found"},
        {"resource_id": "9", "type": "https://api.x.com/2/problems/resource-not-found"},
    ]
    outcome = await Twitter().read_items(
        Answers(answer(200, {"errors": errors})), Secret("t"), "7", ["1", "2", "3"]
    )
    assert isinstance(outcome, Ok)
    assert outcome.value.gone == {"1", "3"}


async def test_the_same_cursor_again_is_the_end() -> None:
    x = Twitter()
    for told, following in (("again", None), ("next", "next"), (None, None), (7, None)):
        http = Answers(answer(200, {"data": [NEW], "meta": {"next_token": told}}))
        outcome = await x.list_page(http, Secret("t"), "7", PageQuery(x.spec.sources[0], "again"))
        assert isinstance(outcome, Ok)
        assert outcome.value.next_cursor == following
