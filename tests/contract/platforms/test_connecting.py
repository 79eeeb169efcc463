"""Connecting, and keeping the token alive, at every model of tokens."""

from typing import Any

import pytest

from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Connectable, Grant
from platforms.outcome import LimitScope, Ok, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import TokenModel
from tests.contract.platforms.place import VERIFIER, Place
from tests.unit.platforms.support import app_of, grant_of, ok

DAY_S = 86_400


async def connected(place: Place) -> Connectable:
    grant = ok(await place.exchange(await place.code()))
    (found,) = ok(await place.case.platform.connectables(place.http, app_of(place.told), grant))
    assert isinstance(found, Connectable)
    return found


async def refreshed(place: Place, grant: Grant, timeout_s: float = 5.0) -> Any:
    return await place.case.platform.refresh(place.http, app_of(place.told), grant, timeout_s)


async def test_a_consent_opens_the_account_that_was_chosen(place: Place) -> None:
    spec, told = place.case.platform.spec, place.told
    code = await place.code()
    grant = ok(await place.exchange(code))
    assert set(grant.scopes) == set(spec.default_scopes)
    assert grant.external_id in (None, told["external_id"])
    assert grant.expires_in_s, "how long it lives is the answer's to say"
    (found,) = ok(await place.case.platform.connectables(place.http, app_of(told), grant))
    assert (found.profile.external_id, found.profile.username) == (told["external_id"], told["username"])
    assert found.profile.follower_count is not None
    id_ = f"{spec.name}:{found.profile.external_id}:org_a"
    assert AccountId.parse(id_).external_id == told["external_id"], "ids are parts of names"
    assert ok(await place.case.platform.profile(place.http, found.grant.access_token)) == found.profile
    endless = spec.token.model is TokenModel.LASTING
    assert (found.grant.expires_in_s is None) == endless
    renewed = spec.token.model in (TokenModel.ROTATING, TokenModel.RENEWED)
    assert (found.grant.refresh_token is not None) == renewed or endless
    assert isinstance(await place.exchange(code), Rejected), "a code works once, and is no dead token"


async def test_a_code_is_no_good_without_its_verifier(place: Place) -> None:
    if not place.case.platform.spec.pkce:
        pytest.skip("the platform has no PKCE")
    code = await place.code()
    assert isinstance(await place.exchange(code, "w" * 64), Rejected)
    assert isinstance(await place.exchange(await place.code(), VERIFIER), Ok)


async def test_a_refresh_as_its_model_says(place: Place) -> None:
    token = place.case.platform.spec.token
    first = (await connected(place)).grant
    place.clock.advance(token.min_age_s + 60)
    second = ok(await refreshed(place, first))
    ok(await place.case.platform.profile(place.http, second.access_token))
    again = await refreshed(place, first)
    match token.model:
        case TokenModel.ROTATING:
            assert second.refresh_token not in (None, first.refresh_token)
            assert again == ReauthRequired("refresh_token_invalid"), "it was spent"
        case TokenModel.RENEWED:
            assert second.refresh_token in (None, first.refresh_token)
            ok(await place.case.platform.profile(place.http, ok(again).access_token))
        case TokenModel.EXTENDED:
            assert second.expires_in_s > 0.8 * token.lifetime_s
            assert isinstance(again, Ok | RetryAfter | Rejected)
        case TokenModel.LASTING:
            assert (second.access_token, second.expires_in_s) == (first.access_token, None)
            assert second.refresh_token is None, "nothing is given, so nothing is overwritten"


async def test_what_has_ended_needs_a_person(place: Place) -> None:
    grant = (await connected(place)).grant
    await place.token("revoke")
    assert isinstance(await refreshed(place, grant), ReauthRequired)
    dead = await place.case.platform.profile(place.http, grant.access_token)
    assert isinstance(dead, ReauthRequired)
    assert dead.reason.replace("_", "").isalnum() and dead.reason.islower()


@pytest.mark.parametrize("kind", ["accepted_timeout", "half_body", "disconnect"])
async def test_a_refresh_that_nobody_heard(place: Place, kind: str) -> None:
    """Only where presenting the token again could harm is the outcome unknown."""
    token = place.case.platform.spec.token
    grant = (await connected(place)).grant
    place.clock.advance(token.min_age_s + 60)
    await place.fault(kind)
    outcome = await refreshed(place, grant, 0.15)
    await place.no_faults()
    if token.model is TokenModel.ROTATING:
        assert isinstance(outcome, Unknown)
        told = (await place.ask("GET", "/ledger"))["refreshes"]
        assert [row["outcome"] for row in told] == (["rotated"] if kind != "disconnect" else [])
    else:
        assert isinstance(outcome, RetryAfter)
        ok(await refreshed(place, grant))


async def test_a_wrong_application_is_no_dead_token(place: Place) -> None:
    grant = (await connected(place)).grant
    place.told["app"]["client_secret"] = "wrong"
    place.clock.advance(place.case.platform.spec.token.min_age_s + 60)
    outcome = await refreshed(place, grant)
    # A token that is extended by presenting itself need not be shown with the application's secret.
    if place.case.platform.spec.token.model is not TokenModel.EXTENDED:
        assert isinstance(outcome, Rejected)
    # Facebook's answer is the one that it also gives when it does not know: then the code may be spent.
    assert isinstance(await place.exchange(await place.code()), Rejected | Unknown)


async def test_revoking(place: Place) -> None:
    platform, grant = place.case.platform, (await connected(place)).grant
    outcome = await platform.revoke(place.http, app_of(place.told), grant)
    if "revoke" not in platform.spec.capabilities:
        assert isinstance(outcome, Rejected) and outcome.code == "unsupported"
        return
    ok(outcome)
    assert isinstance(await platform.profile(place.http, grant.access_token), ReauthRequired)
    ok(await platform.revoke(place.http, app_of(place.told), grant))


FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (429, 500, 502, 503)),
    *({"kind": "html", "status": status} for status in (401, 403, 404, 502, 503)),
    {"kind": "disconnect"},
    {"kind": "half_body"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: "-".join(map(str, f.values())))
async def test_faults_are_waited_for_and_never_look_like_a_dead_token(
    place: Place, fault: dict[str, Any]
) -> None:
    platform, token = place.case.platform, place.bearer
    (id_, *_) = [row["id"] for row in await place.content(place.told)]
    place.clock.advance(platform.spec.token.min_age_s + 60)
    await place.fault(**fault)
    outcome: Any
    for outcome in (
        await platform.profile(place.http, token),
        await platform.read_items(place.http, token, place.told["external_id"], [id_]),
    ):
        assert isinstance(outcome, RetryAfter), outcome
        assert outcome.seconds >= 0 and outcome.scope in LimitScope
        assert outcome.rate_limited == (fault.get("status") == 429)
        assert token.reveal() not in repr(outcome)
    once = platform.spec.token.model is TokenModel.ROTATING
    outcome = await refreshed(place, grant_of(place.told))
    assert isinstance(outcome, RetryAfter | Unknown if once else RetryAfter), outcome


async def test_a_token_nobody_issued(place: Place) -> None:
    outcome = await place.case.platform.profile(place.http, Secret("made-up"))
    assert isinstance(outcome, ReauthRequired), outcome
