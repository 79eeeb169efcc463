"""X's consent for advertising: three steps of OAuth 1.0a, against the sandbox and against made-up answers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.secrets import Secret
from platforms.base import PlatformApp
from platforms.capabilities import RequestToken
from platforms.http import Answer, Broken, NotSent
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from platforms.twitter.consents import CONSENTS
from platforms.twitter.oauth1 import Signer
from tests.unit.platforms.support import CALLBACK, Answers, World, answer, app_of, grant_of, ok

ADS = CONSENTS["ads"]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def keys_of(account: dict[str, Any]) -> PlatformApp:
    """The application with its API key pair, which is not the pair of OAuth 2.0."""
    app = app_of(account)
    return replace(app, client_secret=app.webhook_secrets[0])


# -- signatures ---------------------------------------------------------------------------------------
def test_the_examples_of_xs_documentation() -> None:
    """docs.x.com fundamentals/authentication/guides/log-in-with-x, computed for the host of that time."""
    keys = "cChZNFj6T5R0TigYB9yd1w", Secret("L8qq9PZyRg6ieKGEKhZolGC0vJWLw8iEJ88DRdyOg")
    at = datetime.fromtimestamp(1318467427, UTC)
    first = Signer(*keys).authorization(
        "POST",
        "https://api.twitter.com/oauth/request_token",
        {},
        "ea9ec8429b68d6b77cd5600adbbb0456",
        at,
        {"oauth_callback": "http://localhost/sign-in-with-twitter/"},
    )
    assert 'oauth_signature="F1Li3tvehgcraF8DMJ7OyxO4w9Y%3D"' in first.reveal()
    assert 'oauth_callback="http%3A%2F%2Flocalhost%2Fsign-in-with-twitter%2F"' in first.reveal()
    assert "oauth_token=" not in first.reveal()
    request = Secret("NPcudxy0yU5T3tBzho7iCotZ3cnetKwcTIRlX0iwRl0")
    secret = Secret("veNRnAWe6inFuo8o2u8SLLZLjolYDmDP7SzL0YfYI")
    last = Signer(*keys, request, secret).authorization(
        "POST",
        "https://api.twitter.com/oauth/access_token",
        {},
        "a9900fe68e2573b27a37f10fbad6a755",
        at,
        {"oauth_verifier": "uw7NjWHT6OJ1MpJOXsHfNxoAhPKpgI8BlYDhxEjIBY"},
    )
    assert 'oauth_signature="39cipBtIOHEEnybAR4sATQTpl2I%3D"' in last.reveal()


# -- against the sandbox ------------------------------------------------------------------------------
async def test_three_steps_to_a_token_and_its_secret(world: World) -> None:
    account = await world.account("twitter", posts=0)
    app = keys_of(account)
    request = ok(await ADS.request_token(world.http, app, CALLBACK))
    address = ADS.authorize_url(request)
    assert address == f"https://api.x.com/oauth/authorize?oauth_token={request.token.reveal()}"
    back = await world.approved(address, account["external_id"])
    assert back["oauth_token"] == request.token.reveal()
    grant = ok(await ADS.exchange(world.http, app, request, back["oauth_verifier"]))
    assert (grant.external_id, grant.expires_in_s, grant.refresh_token) == (
        account["external_id"],
        None,
        None,
    )
    assert grant.access_token.reveal().startswith(f"{account['external_id']}-") and grant.token_secret
    again = await ADS.exchange(world.http, app, request, back["oauth_verifier"])
    assert isinstance(again, Rejected) and again.code == "not_taken", "a request token is good once"
    shown = repr((request, grant, again))
    for secret in (request.secret, grant.access_token, grant.token_secret, app.client_secret):
        assert secret.reveal() not in shown


async def test_only_the_verifier_and_the_secret_of_the_request_are_taken(world: World) -> None:
    account = await world.account("twitter", posts=0)
    app = keys_of(account)
    mine, other = [ok(await ADS.request_token(world.http, app, CALLBACK)) for _ in range(2)]
    backs = [await world.approved(ADS.authorize_url(r), account["external_id"]) for r in (mine, other)]
    verifier = backs[0]["oauth_verifier"]
    for request, said in (
        (mine, backs[1]["oauth_verifier"]),
        (RequestToken(mine.token, other.secret), verifier),
        (RequestToken(Secret("made-up"), mine.secret), verifier),
        (mine, ""),
        (mine, "ü" * 500),
    ):
        outcome = await ADS.exchange(world.http, app, request, said)
        assert isinstance(outcome, Rejected) and outcome.code == "not_taken", outcome
    ok(await ADS.exchange(world.http, app, mine, verifier))


async def test_what_is_wrong_with_the_application_is_said(world: World) -> None:
    account = await world.account("twitter", posts=0)
    app = keys_of(account)
    for wrong in (app_of(account), replace(app, client_id="nobody")):
        outcome = await ADS.request_token(world.http, wrong, CALLBACK)
        assert isinstance(outcome, Rejected) and outcome.code == "wrong_keys", outcome
    await world.ask("PUT", f"/apps/{app.id}", {"redirect_uris": ["https://shop.example/back"]})
    outcome = await ADS.request_token(world.http, app, CALLBACK)
    assert isinstance(outcome, Rejected) and outcome.code == "callback_refused"
    assert f"enter {CALLBACK} there" in outcome.message


async def test_a_request_too_old_is_not_taken(world: World) -> None:
    account = await world.account("twitter", posts=0)
    request = ok(await ADS.request_token(world.http, keys_of(account), CALLBACK))
    back = await world.approved(ADS.authorize_url(request), account["external_id"])
    await world.ask("POST", "/clock", {"advance_s": 601})
    outcome = await ADS.exchange(world.http, keys_of(account), request, back["oauth_verifier"])
    assert isinstance(outcome, Rejected) and outcome.code == "not_taken"


async def test_there_is_nothing_to_refresh(world: World) -> None:
    account = await world.account("twitter", posts=0)
    outcome = await ADS.refresh(world.http, keys_of(account), grant_of(account), 5.0)
    assert isinstance(outcome, Rejected) and outcome.code == "unsupported"


# -- made-up answers ----------------------------------------------------------------------------------
class Way(Answers):
    def now(self) -> datetime:
        return NOW


APP = PlatformApp("a", "twitter", "key", Secret("s"), ())
PAIR = b"oauth_token=t1&oauth_token_secret=s1"
CONFIRMED = PAIR + b"&oauth_callback_confirmed=true"
NAMED = PAIR + b"&user_id=4711&screen_name=anna"


async def asked(*results: Answer | NotSent | Broken) -> Outcome[RequestToken]:
    return await ADS.request_token(Way(*results), APP, CALLBACK)


async def exchanged(*results: Answer | NotSent | Broken) -> Outcome[Any]:
    return await ADS.exchange(Way(*results), APP, RequestToken(Secret("t"), Secret("s")), "v")


@pytest.mark.parametrize("told", [b"", b"&oauth_callback_confirmed=false", b"&oauth_callback_confirmed="])
async def test_a_callback_that_is_not_confirmed_begins_nothing(told: bytes) -> None:
    outcome = await asked(answer(200, PAIR + told))
    assert isinstance(outcome, Rejected) and outcome.code == "callback_not_confirmed"
    ok(await asked(answer(200, CONFIRMED)))


async def test_a_token_of_nobody_is_refused() -> None:
    for told in (PAIR, PAIR + b"&user_id=", PAIR + b"&user_id=anna"):
        outcome = await exchanged(answer(200, told))
        assert isinstance(outcome, Rejected) and outcome.code == "no_user"
    assert ok(await exchanged(answer(200, NAMED))).external_id == "4711"


@pytest.mark.parametrize(
    ("result", "first", "last"),
    [
        (answer(200, {"oauth_token": "t"}), Rejected, Rejected),
        (answer(200, CONFIRMED.replace(b"t1", b"")), RetryAfter, Unknown),
        (answer(200, CONFIRMED.replace(b"t1", b"t 1")), Rejected, Rejected),
        (answer(200, CONFIRMED.replace(b"_secret", b"")), Rejected, Rejected),
        (answer(200, CONFIRMED + b"&x=" + b"x" * 5000), RetryAfter, Unknown),
        (answer(200, b"<!doctype html>"), RetryAfter, Unknown),
        (answer(401, b"<!doctype html>"), RetryAfter, RetryAfter),
        (answer(401, b""), RetryAfter, RetryAfter),
        (answer(401, b"Invalid oauth_verifier parameter"), Rejected, Rejected),
        (answer(401, {"errors": [{"code": 32}]}), Rejected, Rejected),
        (answer(403, {"errors": [{"code": 87}]}), Rejected, Rejected),
        (answer(500, b""), RetryAfter, Unknown),
        (answer(503, {}), RetryAfter, RetryAfter),
        (NotSent("timeout"), RetryAfter, RetryAfter),
        (Broken("timeout"), RetryAfter, Unknown),
    ],
)
async def test_answers_of_every_kind(result: Any, first: type[Any], last: type[Any]) -> None:
    """A request token that nobody heard of costs nothing; one that is exchanged may be spent."""
    for outcome, expected in ((await asked(result), first), (await exchanged(result), last)):
        assert isinstance(outcome, expected) and not isinstance(outcome, Ok), outcome
