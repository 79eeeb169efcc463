"""The Pinterest adapter against the sandbox's Pinterest, in process."""

from datetime import timedelta
from typing import Any

import pytest

from domain.content import ContentKind, Happening, MediaKind
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import AuthorizeRequest, PageQuery, RawEntry, WebhookRefused
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter
from platforms.pinterest.adapter import Pinterest
from tests.unit.platforms.support import CALLBACK, World, app_of, grant_of, list_all, ok

PIN = Pinterest()


def consent_request(account: dict[str, Any]) -> AuthorizeRequest:
    return AuthorizeRequest(app_of(account), CALLBACK, "state-1", PIN.spec.default_scopes)


async def dialect(world: World, account: dict[str, Any], name: str) -> None:
    await world.ask("PUT", f"/apps/{account['app']['id']}", {"dialect": name})


async def test_connecting_by_code(world: World) -> None:
    account = await world.account("pinterest")
    code = await world.consent(PIN, consent_request(account), account["external_id"])
    grant = ok(await PIN.exchange(world.http, app_of(account), code, CALLBACK, None))
    assert grant.refresh_token is not None
    assert grant.expires_in_s == 30 * 86_400
    assert set(grant.scopes) == set(PIN.spec.default_scopes)
    (found,) = ok(await PIN.connectables(world.http, app_of(account), grant))
    profile = found.profile
    assert (profile.external_id, profile.username) == (account["external_id"], account["username"])
    assert profile.follower_count is not None
    assert AccountId.parse(f"pinterest:{profile.external_id}:org_a").external_id == profile.external_id
    again = await PIN.exchange(world.http, app_of(account), code, CALLBACK, None)
    assert isinstance(again, Rejected), "a code works once, and a spent one is no dead token"


@pytest.mark.parametrize("name", ["standard", "rotating"])
async def test_refresh_gives_a_token_that_goes_on(world: World, name: str) -> None:
    account = await world.account("pinterest")
    await dialect(world, account, name)
    app, first = app_of(account), grant_of(account)
    second = ok(await PIN.refresh(world.http, app, first, 5.0))
    assert second.refresh_token not in (None, first.refresh_token)
    ok(await PIN.profile(world.http, second.access_token))
    again = await PIN.refresh(world.http, app, first, 5.0)
    assert isinstance(again, Ok if name == "standard" else ReauthRequired)
    await world.ask("POST", "/clock", {"advance_s": 30 * 86_400 + 1})
    assert await PIN.profile(world.http, second.access_token) == ReauthRequired("token_refused")
    third = ok(await PIN.refresh(world.http, app, second, 5.0))
    await world.ask("POST", "/clock", {"advance_s": 60 * 86_400 + 1})
    assert await PIN.refresh(world.http, app, third, 5.0) == ReauthRequired("refresh_token_invalid")


async def test_a_wrong_app_secret_is_not_a_dead_token(world: World) -> None:
    """Pinterest gives one answer to both: the app's own token tells them apart."""
    account = await world.account("pinterest")
    account["app"]["client_secret"] = "wrong"
    outcome = await PIN.refresh(world.http, app_of(account), grant_of(account), 5.0)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "app_refused"


async def test_every_pin_once_through_all_pages(world: World) -> None:
    account = await world.account("pinterest", posts=520)
    pages = await list_all(PIN, world.http, account, "pins")
    assert [len(page.items) for page in pages] == [250, 250, 20]
    items = [item for page in pages for item in page.items]
    assert {i.external_id for i in items} == {row["id"] for row in await world.content(account)}
    times = [i.published_at for i in items if i.published_at]
    assert times == sorted(times, reverse=True) and len(times) == 520
    assert {i.kind for i in items} == {ContentKind.PIN, ContentKind.VIDEO, ContentKind.CAROUSEL}
    for item in items:
        assert item.text.links, "where a Pin leads"
        assert item.engagement.views is not None and item.engagement.comments is not None
        count = len(item.media)
        assert (2 <= count <= 5) if item.kind is ContentKind.CAROUSEL else count == 1
        film = item.kind is ContentKind.VIDEO
        assert all((m.kind is MediaKind.VIDEO) is film and m.width and m.height for m in item.media)
    assert {i.media[0].alt_text is None for i in items} == {True, False}
    assert any(i.text.hashtags for i in items)


async def test_boards_are_content(world: World) -> None:
    account = await world.account("pinterest")
    made = await world.act(account, kind="board", text="Spring #glazes")
    (page,) = await list_all(PIN, world.http, account, "boards")
    assert {i.kind for i in page.items} == {ContentKind.BOARD}
    new = next(i for i in page.items if i.external_id == made["id"])
    assert new.text.hashtags == ("glazes",)
    token, here = Secret(account["access_token"]), account["external_id"]
    assert ok(await PIN.read_items(world.http, token, here, [new.external_id])).items == (new,)


async def test_incremental_ends_where_the_last_one_was(world: World) -> None:
    account = await world.account("pinterest", posts=300)
    (newest, *_) = (await list_all(PIN, world.http, account, "pins"))[0].items
    assert newest.published_at is not None
    await world.ask("POST", "/clock", {"advance_s": 5})
    made = [(await world.act(account, kind="post", text=f"new {n}"))["id"] for n in range(2)]
    pages = await list_all(PIN, world.http, account, "pins", since=newest.published_at)
    assert [len(page.items) for page in pages] == [3], "one page, with the overlap"
    assert {i.external_id for i in pages[0].items} == {*made, newest.external_id}
    later = newest.published_at + timedelta(days=400)
    assert (await list_all(PIN, world.http, account, "pins", since=later))[0].items == ()


async def test_edits_and_deletions_are_seen_by_id(world: World) -> None:
    account = await world.account("pinterest", posts=3)
    first, second, _ = (row["id"] for row in await world.content(account))
    await world.act(account, kind="edit", content_id=first, text="now with #oak")
    await world.act(account, kind="delete", content_id=second)
    token, here = Secret(account["access_token"]), account["external_id"]
    edited = ok(await PIN.read_items(world.http, token, here, [first]))
    assert edited.items[0].text.hashtags == ("oak",) and not edited.gone
    gone = ok(await PIN.read_items(world.http, token, here, [second]))
    assert (gone.items, gone.gone) == ((), {second})


async def test_the_window_and_its_headers(world: World) -> None:
    account = await world.account("pinterest")
    rule = {"platform": "pinterest", "family": "org_read", "limit": 2, "window_s": 60}
    await world.ask("PUT", "/limits", rule)
    token = Secret(account["access_token"])
    first = await PIN.profile(world.http, token)
    assert isinstance(first, Ok)
    (reading,) = first.readings
    assert (reading.family, reading.limit, reading.remaining) == ("org_read", 2, 1)
    ok(await PIN.profile(world.http, token))
    limited = await PIN.profile(world.http, token)
    assert isinstance(limited, RetryAfter)
    assert (limited.rate_limited, limited.family, limited.scope) == (True, "org_read", LimitScope.ACCOUNT)
    assert 0 < limited.seconds <= 60


async def test_an_app_on_trial_shares_a_day(world: World) -> None:
    account = await world.account("pinterest")
    await dialect(world, account, "trial")
    await world.ask(
        "PUT", "/limits", {"platform": "pinterest", "family": "trial_day", "limit": 1, "window_s": 86_400}
    )
    token = Secret(account["access_token"])
    ok(await PIN.profile(world.http, token))
    limited = await PIN.profile(world.http, token)
    assert isinstance(limited, RetryAfter) and limited.seconds > 3600


async def test_a_missing_scope_is_said(world: World) -> None:
    account = await world.account("pinterest")
    request = AuthorizeRequest(app_of(account), CALLBACK, "s", ("user_accounts:read",))
    code = await world.consent(PIN, request, account["external_id"])
    grant = ok(await PIN.exchange(world.http, app_of(account), code, CALLBACK, None))
    page = await PIN.list_page(
        world.http, grant.access_token, account["external_id"], PageQuery(PIN.spec.sources[0])
    )
    assert isinstance(page, Rejected) and page.code == "401/3"


async def test_nothing_is_pushed(world: World) -> None:
    account = await world.account("pinterest")
    app, token = app_of(account), Secret(account["access_token"])
    assert isinstance(await PIN.subscribe(world.http, app, token, account["external_id"], "https://x"), Ok)
    assert PIN.handshake(app, {"hub.mode": "subscribe"}) is None
    assert not PIN.verify(app, {"x-signature": "a"}, b"{}")
    with pytest.raises(WebhookRefused):
        PIN.split(b"{}")
    assert PIN.parse(RawEntry("1", "e", b"{}")).what is Happening.OTHER
    assert isinstance(await PIN.revoke(world.http, app, grant_of(account)), Rejected)
