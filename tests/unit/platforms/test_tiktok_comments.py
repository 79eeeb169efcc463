"""Comments of TikTok's videos, which the business service shows with the account holder's consent."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from domain.content import Remark, RemarkKind
from platforms.base import Page
from platforms.capabilities import Access, ListsComments
from platforms.outcome import Rejected
from platforms.tiktok.adapter import Tiktok
from platforms.tiktok.consents import CONSENTS, Holder
from tests.unit.platforms.support import Answers, World, answer, ok
from tests.unit.platforms.test_nested_comments import own, remarks, said
from tests.unit.platforms.test_tiktok_services import consented

TT = Tiktok()


async def read(access: Access, since: datetime | None = None) -> list[Page]:
    pages, cursor = [], None
    while True:
        pages.append(ok(await TT.comments.page(access, since, cursor)))
        cursor = pages[-1].next_cursor
        if cursor is None:
            return pages
        assert len(pages) < 300


async def told(world: World, account: dict[str, Any]) -> dict[str, Any]:
    ledger = (await world.ask("GET", "/ledger"))["comments"]
    return {row["id"]: row for row in ledger[f"tiktok:{account['external_id']}"]}


def newest(found: list[Remark]) -> datetime:
    return max(r.at for r in found if r.at)


async def test_every_comment_and_every_reply_is_read(world: World) -> None:
    account = await world.account("tiktok", posts=50)
    access = await consented(world, account, "insights")
    videos = await own(world, account)
    (top, *_) = await said(world, account, videos[2], 70)
    replies = await said(world, account, top, 40)
    pages = await read(access)
    found, rows = {r.external_id: r for r in remarks(pages)}, await told(world, account)
    assert set(found) == set(rows) and len(rows) > 130
    for comment_id, remark in found.items():
        row = rows[comment_id]
        assert remark.kind is RemarkKind.COMMENT and remark.text.text == row["text"]
        assert remark.content_id == row["content_id"]
        assert remark.parent_id == (None if row["parent_id"] == row["content_id"] else row["parent_id"])
        assert (remark.author.external_id == access.external_id) == (
            row["author_id"] == account["external_id"]
        )
        assert remark.author.username and remark.at
    assert any(r.author.external_id == access.external_id for r in found.values())
    assert {found[i].parent_id for i in replies} == {top}
    assert max(len(page.next_cursor or "") for page in pages) < 1500


async def test_a_reading_of_what_is_newer_goes_on_while_it_finds_something(world: World) -> None:
    account = await world.account("tiktok", posts=90)
    access = await consented(world, account, "insights")
    videos = await own(world, account)
    since = newest(remarks(await read(access))) + timedelta(seconds=1)
    calm = await read(access, since)
    assert remarks(calm) == [] and len(calm) <= 21, "the newest twenty videos, each once"
    await world.ask("POST", "/clock", {"advance_s": 600})
    new = await said(world, account, videos[1], 40)
    new += await said(world, account, new[0], 5)
    new += await said(world, account, videos[30], 1)
    missed = await said(world, account, videos[-1], 1)
    found = {r.external_id for r in remarks(await read(access, since))}
    assert set(new) <= found
    assert not found & set(missed), "as the module says: behind videos without anything new"


async def test_a_video_that_is_gone_does_not_hide_the_others(world: World) -> None:
    account = await world.account("tiktok", posts=5)
    access = await consented(world, account, "insights")
    first, second = (await own(world, account))[:2]
    await said(world, account, first, 1)
    others = await said(world, account, second, 1)
    page = ok(await TT.comments.page(access, None, None))
    await world.act(account, kind="delete", content_id=first)
    found: list[Remark] = []
    while page.next_cursor is not None:
        page = ok(await TT.comments.page(access, None, page.next_cursor))
        found += page.remarks
    assert set(others) <= {r.external_id for r in found}


async def test_comments_want_the_consent_and_its_scope(world: World) -> None:
    account = await world.account("tiktok", posts=5)
    access = await consented(world, account, "insights")
    assert isinstance(TT, ListsComments)
    assert "comment.list" in Holder.scopes and isinstance(CONSENTS["insights"], Holder)
    refused = await TT.comments.page(replace(access, surface=None), None, None)
    assert isinstance(refused, Rejected) and refused.code == "grant_missing"
    http = Answers(answer(200, {"code": 40001, "message": "no permission", "data": {}}))
    cursor = '{"outer": null, "inner": ["7400"]}'
    refused = await TT.comments.page(replace(access, http=http), None, cursor)
    assert isinstance(refused, Rejected) and refused.code == "40001"


async def test_odd_rows_are_left_out(world: World) -> None:
    account = await world.account("tiktok", posts=1)
    access = await consented(world, account, "insights")
    rows: list[Any] = [7, {}, {"comment_id": [], "text": "x"}, {"comment_id": "9", "text": 5, "owner": "yes"}]
    http = Answers(answer(200, {"code": 0, "data": {"comments": rows, "cursor": 3, "has_more": "true"}}))
    cursor = '{"outer": null, "inner": ["7400 3"]}'
    page = ok(await TT.comments.page(replace(access, http=http), None, cursor))
    assert [r.external_id for r in page.remarks] == ["9"] and page.next_cursor is None
