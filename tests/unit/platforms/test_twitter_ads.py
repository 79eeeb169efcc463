"""X's advertising: signatures judged by RFC 5849, X's own example and another implementation, and the adapter
against the sandbox, which checks every one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import oauthlib.oauth1
from hypothesis import given
from hypothesis import strategies as st

from domain.advertising import AdAccount, AdLevel, AdStatus, NewAdCampaign
from domain.money import Money
from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import Access
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.twitter.ads import TwitterAds
from platforms.twitter.oauth1 import Signer
from tests.unit.platforms.publish_support import access_of
from tests.unit.platforms.support import Answers, World, answer, app_of, ok

ADS = TwitterAds()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


# -- signatures ---------------------------------------------------------------------------------------
def test_the_example_of_xs_documentation() -> None:
    """docs.x.com fundamentals/authentication/oauth-1-0a/creating-a-signature."""
    signer = Signer(
        "xvz1evFS4wEEPTGEFPHBog",
        Secret("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
        Secret("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
        Secret("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"),
    )
    said = signer.authorization(
        "POST",
        "https://api.twitter.com/1/statuses/update.json",
        {"status": "Hello Ladies + Gentlemen, a signed OAuth request!", "include_entities": "true"},
        "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
        datetime.fromtimestamp(1318622958, UTC),
    )
    assert 'oauth_signature="tnnArxj06cWHq44gCs1OSKk%2FjLY%3D"' in said.reveal()
    assert "kAcSOq" not in repr(said)


@given(
    st.dictionaries(st.text("ab_", min_size=1, max_size=4), st.text(max_size=12), max_size=4),
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.text("aZ9&%+ =é", min_size=1, max_size=9),
)
def test_as_another_implementation_signs(query: dict[str, str], method: str, secret: str) -> None:
    url = "https://ads-api.x.com/12/accounts/18ce/campaigns"
    signer = Signer("key", Secret(secret), Secret("token"), Secret(secret[::-1]))
    said = signer.authorization(method, url, query, "nonce1", NOW).reveal()
    other = oauthlib.oauth1.Client(
        "key",
        client_secret=secret,
        resource_owner_key="token",
        resource_owner_secret=secret[::-1],
        nonce="nonce1",
        timestamp=str(int(NOW.timestamp())),
    )
    address = f"{url}?{urlencode(query)}" if query else url
    _, headers, _ = other.sign(address, method)
    assert fields(said) == fields(headers["Authorization"])


def fields(header: str) -> set[str]:
    return {part.strip() for part in header.removeprefix("OAuth ").split(",")}


# -- against the sandbox ------------------------------------------------------------------------------
def signed(world: World, account: dict[str, Any]) -> Access:
    """With the API key pair and the OAuth 1.0a token, as the Ads API wants them."""
    app = app_of(account)
    app = replace(app, client_secret=app.webhook_secrets[0])
    token, token_secret = Secret(account["oauth1_token"]), Secret(account["oauth1_secret"])
    return replace(access_of(world, account), app=app, token=token, token_secret=token_secret)


async def opened(world: World, seed: str = "kiln") -> tuple[Access, AdAccount]:
    access = signed(world, await world.account("twitter", posts=0, seed=seed))
    (found,) = ok(await ADS.accounts(access))
    return access, found


async def test_accounts_and_three_levels(world: World) -> None:
    access, owner = await opened(world)
    assert (owner.currency, owner.timezone) == ("USD", "America/Los_Angeles")
    pages = {level: ok(await ADS.objects(access, owner, level, None)).items for level in AdLevel}
    assert [len(pages[level]) for level in (AdLevel.CAMPAIGN, AdLevel.GROUP, AdLevel.AD)] == [2, 4, 8]
    campaigns = {c.external_id: c for c in pages[AdLevel.CAMPAIGN]}
    assert {c.daily_budget for c in campaigns.values()} == {Money(2500, "USD")}
    assert {c.status for c in campaigns.values()} == {AdStatus.ACTIVE, AdStatus.PAUSED}
    assert {g.parent_id for g in pages[AdLevel.GROUP]} == set(campaigns)
    assert {g.objective for g in pages[AdLevel.GROUP]} == {"WEBSITE_CLICKS"}
    assert {a.parent_id for a in pages[AdLevel.AD]} == {g.external_id for g in pages[AdLevel.GROUP]}
    assert all(a.name.isdigit() for a in pages[AdLevel.AD]), "the promoted post"


async def test_only_signed_calls_are_answered(world: World) -> None:
    account = await world.account("twitter", posts=0)
    good = signed(world, account)
    wrong = Secret("wrong")
    for access in (
        replace(good, token_secret=wrong),
        replace(good, app=replace(good.app, client_secret=wrong)),
        replace(good, token=Secret(account["access_token"])),
        signed(world, account | {"oauth1_token": "0-nobody"}),
    ):
        assert isinstance(await ADS.accounts(access), ReauthRequired)
    none = await ADS.accounts(replace(good, token_secret=None))
    assert isinstance(none, Rejected) and none.code == "no_token_secret"
    ok(await ADS.accounts(good))
    # The signing token is no bearer token, and dies with the person's permission.
    me = await world.control.get(
        "/api.x.com/2/users/me", headers={"authorization": f"Bearer {account['oauth1_token']}"}
    )
    assert me.status_code == 401
    await world.act(account, kind="revoke")
    assert isinstance(await ADS.accounts(good), ReauthRequired)


async def test_somebody_elses_ad_account_is_not_there(world: World) -> None:
    access, _ = await opened(world)
    _, other = await opened(world, seed="other")
    refused = await ADS.objects(access, other, AdLevel.CAMPAIGN, None)
    assert isinstance(refused, Rejected) and refused.code == "404" and "NOT_FOUND" in refused.message


WISH = NewAdCampaign("Summer", "rk-7f3a91", "WEBSITE_CLICKS", Money(1550, "USD"), Money(99_900, "USD"))


async def test_a_campaign_is_created_paused_and_found_by_its_tag(world: World) -> None:
    access, owner = await opened(world)
    assert ok(await ADS.find_campaign(access, owner, WISH)) is None
    made = ok(await ADS.create_campaign(access, owner, WISH))
    assert (made.status, made.daily_budget, made.lifetime_budget) == (
        AdStatus.PAUSED,
        Money(1550, "USD"),
        Money(99_900, "USD"),
    )
    assert ok(await ADS.find_campaign(access, owner, WISH)) == made
    for _ in range(2):
        ok(await ADS.set_budget(access, owner, AdLevel.CAMPAIGN, made.external_id, Money(3000, "USD")))
        ok(await ADS.set_status(access, owner, AdLevel.CAMPAIGN, made.external_id, AdStatus.ACTIVE))
    found = ok(await ADS.find_campaign(access, owner, WISH))
    assert (found.status, found.daily_budget) == (AdStatus.ACTIVE, Money(3000, "USD"))
    assert found.native_status == "RUNNING"
    for _ in range(2):
        ok(await ADS.set_status(access, owner, AdLevel.CAMPAIGN, made.external_id, AdStatus.DELETED))
    assert ok(await ADS.find_campaign(access, owner, WISH)) is None


async def test_an_answer_that_never_comes_is_unknown(world: World) -> None:
    access, owner = await opened(world)
    send = world.http.send

    async def impatient(spec: Any, call: Any, timeout_s: float = 30.0) -> Any:
        return await send(spec, call, 0.3)

    world.http.send = impatient  # type: ignore[method-assign]
    for kind, there in (("timeout", False), ("accepted_timeout", True)):
        fault = {"platform": "twitter", "host": "ads-api.x.com", "kind": kind, "count": 1}
        await world.ask("POST", "/faults", fault | {"path": "campaigns$"})
        assert isinstance(await ADS.create_campaign(access, owner, WISH), Unknown)
        assert (ok(await ADS.find_campaign(access, owner, WISH)) is not None) is there


async def test_what_x_does_not_allow_is_said(world: World) -> None:
    access, owner = await opened(world)
    (post, *_) = ok(await ADS.objects(access, owner, AdLevel.AD, None)).items
    for outcome in (
        await ADS.set_status(access, owner, AdLevel.AD, post.external_id, AdStatus.PAUSED),
        await ADS.set_status(access, owner, AdLevel.CAMPAIGN, "x", AdStatus.ARCHIVED),
        await ADS.set_budget(access, owner, AdLevel.AD, "x", Money(1, "USD")),
    ):
        assert isinstance(outcome, Rejected) and outcome.code == "unsupported"
    for foreign in (
        replace(WISH, daily_budget=Money(1, "EUR")),
        replace(WISH, lifetime_budget=Money(1, "EUR")),
    ):
        outcome_ = await ADS.create_campaign(access, owner, foreign)
        assert isinstance(outcome_, Rejected) and outcome_.code == "currency"
    other = await ADS.set_budget(access, owner, AdLevel.CAMPAIGN, "x", Money(1, "EUR"))
    assert isinstance(other, Rejected) and other.code == "currency"
    ok(await ADS.set_status(access, owner, AdLevel.AD, post.external_id, AdStatus.DELETED))


async def test_limits_are_the_ad_accounts(world: World) -> None:
    access, owner = await opened(world)
    await world.ask("PUT", "/limits", {"platform": "twitter", "family": "ads", "limit": 1, "window_s": 900})
    first = await ADS.objects(access, owner, AdLevel.CAMPAIGN, None)
    assert isinstance(first, Ok)
    assert [(r.family, r.limit, r.remaining) for r in first.readings] == [("ads", 1, 0)]
    second = await ADS.objects(access, owner, AdLevel.CAMPAIGN, None)
    assert isinstance(second, RetryAfter) and second.rate_limited
    assert (second.scope, second.family) == (LimitScope.ACCOUNT, "ads")
    assert 0 < second.seconds <= 900


# -- made-up answers ----------------------------------------------------------------------------------
def told(*bodies: object) -> Access:
    class Way(Answers):
        def now(self) -> datetime:
            return NOW

    app = PlatformApp("a", "twitter", "key", Secret("s"), ())
    return Access(Way(*(answer(200, body) for body in bodies)), app, Secret("t"), "1", Secret("ts"))


OWNER = AdAccount("18ce", "Kiln", "USD", "Europe/Berlin")


async def test_an_account_that_cannot_pay_is_left_out_or_refused() -> None:
    assert ok(await ADS.accounts(told({"data": [{"id": "18ce"}]}, {"data": []}))) == ()
    blocked = {"data": [{"id": "f1", "currency": "USD", "able_to_fund": False}]}
    refused = await ADS.create_campaign(told(blocked), OWNER, WISH)
    assert isinstance(refused, Rejected) and refused.code == "no_funding"
