"""All comments of a post, however many it has: pages inside of pages, a place of bounded size, and what a
reading of what is newer asks for."""

from datetime import timedelta
from typing import Any

import pytest

from domain.content import Remark
from domain.secrets import Secret
from platforms.base import Page, PageQuery, Platform
from platforms.facebook.adapter import Facebook
from platforms.instagram.adapter import Instagram
from platforms.nesting import Place
from platforms.youtube.adapter import YouTube
from tests.unit.platforms.support import Answers, World, answer, list_all, ok

FB, IG, YT = Facebook(), Instagram(), YouTube()
META = pytest.mark.parametrize("platform", [FB, IG], ids=["facebook", "instagram"])


def remarks(pages: list[Page]) -> list[Remark]:
    return [remark for page in pages for remark in page.remarks]


async def account_of(world: World, platform: Platform, posts: int = 30) -> dict[str, Any]:
    return await world.account(platform.spec.name, posts=posts)


async def own(world: World, account: dict[str, Any]) -> list[str]:
    """Ids of its posts, the newest first."""
    rows = [row for row in await world.content(account) if row["kind"] != "story"]
    return [row["id"] for row in sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)]


async def said(world: World, account: dict[str, Any], target: str, times: int) -> list[str]:
    acts = [
        await world.act(account, kind="comment", content_id=target, text=f"No. {n}") for n in range(times)
    ]
    return [act["id"] for act in acts]


async def told(world: World, account: dict[str, Any]) -> set[str]:
    ledger = (await world.ask("GET", "/ledger"))["comments"]
    return {row["id"] for row in ledger[f"{account['platform']}:{account['external_id']}"]}


@META
async def test_every_comment_and_every_reply_is_read(world: World, platform: Platform) -> None:
    account = await account_of(world, platform)
    busy, quiet = (await own(world, account))[3], (await own(world, account))[-1]
    comments = await said(world, account, busy, 130)
    replies = await said(world, account, comments[0], 60)
    await said(world, account, quiet, 27)
    pages = await list_all(platform, world.http, account, "comments")
    found = {r.external_id: r for r in remarks(pages)}
    assert set(found) == await told(world, account) and len(found) > 130 + 60 + 27
    assert {found[i].parent_id for i in replies} == {comments[0]}
    assert {found[i].content_id for i in (*comments, *replies)} == {busy}
    assert max(len(page.next_cursor or "") for page in pages) < 400


@META
async def test_a_reading_of_what_is_newer_finds_all_of_it(world: World, platform: Platform) -> None:
    """Behind the newest comments of a post, and behind the newest hundred posts where these have new ones."""
    account = await account_of(world, platform, posts=230)
    posts = await own(world, account)
    everything = await list_all(platform, world.http, account, "comments")
    newest = max(r.at for r in remarks(everything) if r.at)
    (page,) = await list_all(platform, world.http, account, "comments", since=newest + timedelta(seconds=1))
    assert not page.remarks, "without anything new it is one call"
    await world.ask("POST", "/clock", {"advance_s": 1800})
    new = await said(world, account, posts[1], 70)
    new += await said(world, account, posts[60], 1)
    new += await said(world, account, posts[150], 1)
    pages = await list_all(platform, world.http, account, "comments", since=newest + timedelta(seconds=1))
    assert {r.external_id for r in remarks(pages)} == set(new)
    assert len(pages) <= 5


@META
async def test_a_post_that_is_gone_meanwhile_does_not_hide_the_others(
    world: World, platform: Platform
) -> None:
    account = await account_of(world, platform)
    first, second = (await own(world, account))[:2]
    await said(world, account, first, 60)
    others = await said(world, account, second, 60)
    token = Secret(account["access_token"])
    source = next(s for s in platform.spec.sources if s.name == "comments")
    page = ok(await platform.list_page(world.http, token, account["external_id"], PageQuery(source)))
    assert Place.read(page.next_cursor).inner == (first, second)
    await world.act(account, kind="delete", content_id=first)
    found = remarks([page])
    while page.next_cursor is not None:
        query = PageQuery(source, page.next_cursor)
        page = ok(await platform.list_page(world.http, token, account["external_id"], query))
        found += page.remarks
    assert set(others) <= {r.external_id for r in found}


async def test_new_threads_are_read_with_their_hidden_replies(world: World) -> None:
    account = await account_of(world, YT)
    video = (await own(world, account))[0]
    await world.ask("POST", "/clock", {"advance_s": 1800})
    (thread,) = await said(world, account, video, 1)
    replies = await said(world, account, thread, 12)
    at = next(
        r.at for r in remarks(await list_all(YT, world.http, account, "comments")) if r.external_id == thread
    )
    pages = await list_all(YT, world.http, account, "comments", since=at)
    assert {r.external_id for r in remarks(pages)} == {thread, *replies}
    assert len(pages) == 2


@pytest.mark.parametrize("cursor", ["", "x", "[]", "7", '{"inner": 7, "outer": []}', '{"inner": [7]}'])
def test_an_odd_cursor_is_the_beginning(cursor: str) -> None:
    assert Place.read(cursor) == Place()


def test_a_place_goes_down_before_it_goes_on() -> None:
    place = Place("next", ("a", "b")).onward("2", ("a/x", "a/y"))
    assert place.inner == ("a/x", "a/y", "a 2", "b")
    assert Place.read(place.cursor()) == place
    place = place.onward(None).onward(None)
    assert place.first == ("a", "2")
    place = place.onward(None).onward(None)
    assert place == Place("next") and place.cursor() is not None
    assert Place().cursor() is None


async def test_the_same_cursor_again_ends_a_post() -> None:
    row = {"id": "5", "created_time": "2026-11-03T09:40:01+0000"}
    edge = {"data": [row], "paging": {"cursors": {"after": "same"}, "next": "https://graph.facebook.com/x"}}
    source = next(s for s in FB.spec.sources if s.name == "comments")
    http = Answers(answer(200, edge))
    query = PageQuery(source, Place(None, ("1_2 same",)).cursor())
    page = ok(await FB.list_page(http, Secret("t"), "1", query))
    assert [r.external_id for r in page.remarks] == ["5"] and page.next_cursor is None
