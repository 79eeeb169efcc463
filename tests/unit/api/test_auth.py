"""Tokens: issuing, checking, revoking; and what an API key's answer gives away."""

import asyncio
from datetime import datetime, timedelta

import pytest

from api.auth import AUDIENCE, ISSUER
from api.limiter import PER_ADDRESS, FailureLimiter
from api.problems import TooMany
from domain.clock import ManualClock
from domain.errors import Unauthorized
from storage.mongo.identity import Revocations, Role
from tests.unit.api.conftest import World


async def test_a_key_becomes_a_token_with_the_documents_claims(world: World) -> None:
    account = await world.connect(world.ours.manager)
    claims = world.services.keys.jwt.verify(await world.token(world.ours.manager))
    assert claims["iss"] == ISSUER == "social-media-integration-service"
    assert claims["aud"] == AUDIENCE == "social-commerce-platform"
    assert claims["userId"] == world.ours.manager.id
    assert claims["roles"] == ["manager"]
    assert claims["integrationLevel"] == "organization"
    assert claims["org"] == world.ours.id
    assert claims["exp"] - int(claims["iat"]) == 24 * 3600
    assert claims["socialAccounts"] == [
        {
            "platform": "twitter",
            "accountId": account["id"],
            "permissions": account["scopes"],
            "expiresAt": account["token"]["expires_at"],
        }
    ]


async def test_a_creators_token_lists_only_their_own_accounts(world: World) -> None:
    await world.connect(world.ours.manager, "1")
    own = await world.connect(world.ours.creator, "2")
    claims = world.services.keys.jwt.verify(await world.token(world.ours.creator))
    assert [a["accountId"] for a in claims["socialAccounts"]] == [own["id"]]
    assert claims["integrationLevel"] == "own_accounts"


async def test_more_than_twenty_accounts_are_left_out_of_the_token(world: World) -> None:
    for n in range(20):
        await world.connect(world.ours.admin, f"{n}")
    assert len(world.services.keys.jwt.verify(await world.token(world.ours.admin))["socialAccounts"]) == 20
    await world.connect(world.ours.admin, "20")
    assert "socialAccounts" not in world.services.keys.jwt.verify(await world.token(world.ours.admin))


async def test_unknown_revoked_and_orphaned_keys_get_the_same_answer(world: World) -> None:
    admin, analyst, creator = world.ours.admin, world.ours.analyst, world.ours.creator
    keys = (await world.call("GET", "/v1/api-keys", admin)).json()["items"]
    key_of = {k["user_id"]: k["id"] for k in keys}
    assert (await world.call("DELETE", f"/v1/api-keys/{key_of[analyst.id]}", admin)).status_code == 204
    assert (await world.call("DELETE", f"/v1/users/{creator.id}", admin)).status_code == 204
    answers = [
        await world.http.post("/v1/auth/token", json={"api_key": key})
        for key in ("rk_live_" + "x" * 43, analyst.api_key, creator.api_key)
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({a.content for a in answers}) == 1


async def test_guessing_is_slowed_down_and_recovers(world: World) -> None:
    transport = world.http._transport
    transport.client = ("93.184.216.34", 4000)  # type: ignore[attr-defined]
    for _ in range(PER_ADDRESS):
        assert (await world.http.post("/v1/auth/token", json={"api_key": "no"})).status_code == 401
    refused = await world.http.post("/v1/auth/token", json={"api_key": world.ours.admin.api_key})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    world.clock.advance(61)
    again = await world.http.post("/v1/auth/token", json={"api_key": world.ours.admin.api_key})
    assert again.status_code == 200


def test_one_bad_caller_behind_a_proxy_does_not_lock_out_the_others() -> None:
    limiter = FailureLimiter(ManualClock())
    for _ in range(PER_ADDRESS * 2):
        limiter.failed("127.0.0.1")
        limiter.failed("93.184.216.34")
    limiter.check("127.0.0.1")
    with pytest.raises(TooMany):
        limiter.check("93.184.216.34")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "Bearer " + "A" * 5000],
)
async def test_what_is_no_token_is_401(world: World, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await world.http.get("/v1/accounts", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_changed_token_and_one_for_somebody_else_are_refused(world: World) -> None:
    good = world.ours.admin.token
    head, body, signature = good.split(".")
    forged = [f"{head}.{body[:-4]}AAAA.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"]
    claims = world.services.keys.jwt.verify(good)
    for change in ({"aud": "other"}, {"iss": "other"}, {"roles": ["emperor"]}, {"iat": "soon"}):
        forged.append(world.services.keys.jwt.sign(claims | change))
    for token in forged:
        answer = await world.http.get("/v1/accounts", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token


async def test_a_token_ends_after_a_day(world: World) -> None:
    world.clock.advance(timedelta(hours=23, minutes=59).total_seconds() - 1)
    assert (await world.call("GET", "/v1/accounts", world.ours.admin)).status_code == 200
    world.clock.advance(120)
    answer = await world.call("GET", "/v1/accounts", world.ours.admin)
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:rookery:error:token_expired"


async def test_one_takes_back_ones_own_token_and_an_admin_everybodys(world: World) -> None:
    admin, analyst, manager = world.ours.admin, world.ours.analyst, world.ours.manager
    assert (await world.call("POST", "/v1/auth/revoke", analyst, json={})).status_code == 204
    assert (await world.call("GET", "/v1/accounts", analyst)).status_code == 401
    jti = world.services.keys.jwt.verify(manager.token)["jti"]
    assert (
        await world.call("POST", "/v1/auth/revoke", world.ours.creator, json={"jti": jti})
    ).status_code == 403
    assert (await world.call("POST", "/v1/auth/revoke", admin, json={"jti": jti})).status_code == 204
    assert (await world.call("GET", "/v1/accounts", manager)).status_code == 401
    assert (await world.call("GET", "/v1/accounts", admin)).status_code == 200


async def test_an_admin_cannot_take_back_another_orgs_token(world: World) -> None:
    jti = world.services.keys.jwt.verify(world.theirs.manager.token)["jti"]
    await world.call("POST", "/v1/auth/revoke", world.ours.admin, json={"jti": jti})
    world.clock.advance(6)
    assert (await world.call("GET", "/v1/accounts", world.theirs.manager)).status_code == 200


async def test_another_process_sees_a_revocation_within_three_seconds(world: World) -> None:
    person = world.ours.analyst
    assert (await world.call("GET", "/v1/accounts", person)).status_code == 200
    jti = world.services.keys.jwt.verify(person.token)["jti"]
    now = world.clock.now()
    await world.services.directory.revocations.add(world.ours.id, jti, now, now + timedelta(days=1))
    world.clock.advance(3)
    assert (await world.call("GET", "/v1/accounts", person)).status_code == 401


async def test_ones_own_revocation_is_seen_at_once_although_a_read_was_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations, begun, go_on = world.services.directory.revocations, asyncio.Event(), asyncio.Event()
    read = revocations.current

    async def slow(now: datetime) -> dict[tuple[str, str], datetime]:
        found = await read(now)
        begun.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(Revocations, "current", lambda _, now: slow(now))
    auth, analyst = world.services.auth, world.ours.analyst
    jti = world.services.keys.jwt.verify(analyst.token)["jti"]
    world.clock.advance(3)
    reading = asyncio.create_task(auth.principal(analyst.token))
    await begun.wait()
    revoking = asyncio.create_task(auth.revoke(world.ours.id, jti))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(reading, revoking)
    with pytest.raises(Unauthorized, match="revoked"):
        await auth.principal(analyst.token)


async def test_when_revocations_cannot_be_read_nobody_gets_in(world: World) -> None:
    world.clock.advance(6)
    world.database.down = True
    answer = await world.call("GET", "/v1/accounts", world.ours.admin)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_role_change_takes_back_tokens_and_the_next_has_the_new_role(world: World) -> None:
    person = world.ours.analyst
    changed = await world.call("PATCH", f"/v1/users/{person.id}", world.ours.admin, json={"role": "manager"})
    assert changed.json()["role"] == "manager"
    assert (await world.call("GET", "/v1/accounts", person)).status_code == 401
    world.clock.advance(0.01)
    person.token = await world.token(person)
    assert (await world.call("POST", "/v1/campaigns", person, json={})).status_code == 422  # not 403


async def test_the_last_admin_stays(world: World) -> None:
    admin = world.ours.admin
    demoted = await world.call("PATCH", f"/v1/users/{admin.id}", admin, json={"role": "analyst"})
    removed = await world.call("DELETE", f"/v1/users/{admin.id}", admin)
    assert [demoted.status_code, removed.status_code] == [409, 409]
    assert demoted.json()["type"] == "urn:rookery:error:last_admin"
    org = await world.services.directory.orgs.get(world.ours.id)
    assert org is not None and org.roles[admin.id] is Role.ADMIN


async def test_jwks_has_public_keys_only(world: World) -> None:
    answer = (await world.http.get("/.well-known/jwks.json")).json()
    assert answer["keys"] and all("d" not in key and key["alg"] == "ES256" for key in answer["keys"])


async def test_keys_secrets_and_addresses_are_nowhere_in_clear(world: World) -> None:
    made = await world.call(
        "POST", "/v1/api-keys", world.ours.admin, json={"name": "ci"}, headers={"Idempotency-Key": "k"}
    )
    await world.connect(world.ours.admin)
    stored = world.database.dump() + b"".join(data for _, data in world.entities._data.values())
    for planted in (
        made.json()["api_key"],
        world.ours.admin.api_key,
        "admin@ours.example",
        "CLIENT-SECRET",
        "ACCESS-TOKEN-1",
        "REFRESH-TOKEN-1",
    ):
        assert planted.encode() not in stored
