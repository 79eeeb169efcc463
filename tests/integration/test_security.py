"""Who may do what, over every route of the running service, and what its tokens are."""

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from actors.account.operations.operations import begun
from actors.account.operations.task import OPERATIONS, What, operation_document
from domain.budget import Priority
from domain.clock import truncate_ms
from domain.ids import EntityKey, Kind
from ops.service import Service
from sandbox.picture import png
from storage.keys import Keys
from storage.mongo.dead_letters import MongoDeadLetters
from storage.mongo.side import MongoSideStore
from storage.records import DeadLetter
from tests.support.brought import bring
from tests.support.client import Caller, Json, World, eventually

PICTURE = png(8, 6)
ROLES = ("creator", "analyst", "manager", "admin")

# Who may call what, said a second time and independently of the service: letters of roles, `o` for admins of
# an org that runs the deployment, `*` for everybody without a token.
MATRIX = """
GET    /healthz                                     *
GET    /readyz                                      *
GET    /.well-known/jwks.json                       *
GET    /r/{code}                                    *
HEAD   /r/{code}                                    *
POST   /v1/auth/token                               *
POST   /v1/auth/revoke                              amnc
GET    /v1/users                                    a
POST   /v1/users                                    a
PATCH  /v1/users/{user_id}                          a
DELETE /v1/users/{user_id}                          a
GET    /v1/api-keys                                 a
POST   /v1/api-keys                                 a
DELETE /v1/api-keys/{key_id}                        a
GET    /v1/audit                                    a
GET    /v1/integrations                             amnc
GET    /v1/integrations/{platform}/apps             a
POST   /v1/integrations/{platform}/apps             a
POST   /v1/integrations/{platform}/connect          amc
GET    /v1/integrations/{platform}/callback         *
GET    /v1/integrations/{platform}/choices/{handle} amc
POST   /v1/integrations/{platform}/choose           amc
POST   /v1/integrations/{platform}/apps/{app_id}/deauthorize *
POST   /v1/integrations/{platform}/apps/{app_id}/delete-data *
GET    /v1/integrations/{platform}/deletions/{code} *
GET    /v1/accounts                                 amnc
GET    /v1/accounts/{id}                            amnc
PATCH  /v1/accounts/{id}                            amc
POST   /v1/accounts/{id}/pause                      amc
POST   /v1/accounts/{id}/resume                     amc
POST   /v1/accounts/{id}/sync                       amc
POST   /v1/accounts/{id}/backfill                   amc
GET    /v1/accounts/{id}/content                    amnc
POST   /v1/accounts/{id}/disconnect                 amc
POST   /v1/accounts/{id}/erase                      a
GET    /v1/content                                  amnc
GET    /v1/content/{content_id}                     amnc
GET    /v1/content/{content_id}/comments            amn
GET    /v1/comments                                 amn
PATCH  /v1/content/{content_id}                     amc
DELETE /v1/content/{content_id}                     amc
GET    /v1/publications                             amnc
POST   /v1/publications                             amc
GET    /v1/publications/{publication_id}            amnc
POST   /v1/publications/{publication_id}/cancel     amc
POST   /v1/publications/{publication_id}/retry      amc
POST   /v1/media                                    amc
POST   /v1/media/fetch                              amc
GET    /v1/media/{media_id}                         amnc
GET    /media/{token}                               *
GET    /v1/campaigns                                amn
POST   /v1/campaigns                                am
GET    /v1/campaigns/{id}                           amn
PATCH  /v1/campaigns/{id}                           am
POST   /v1/campaigns/{id}/launch                    am
POST   /v1/campaigns/{id}/pause                     am
POST   /v1/campaigns/{id}/resume                    am
POST   /v1/campaigns/{id}/costs                     am
GET    /v1/campaigns/{id}/metrics                   amn
POST   /v1/campaigns/{id}/complete                  am
GET    /v1/links                                    amn
POST   /v1/links                                    am
GET    /v1/links/{id}                               amn
POST   /v1/links/{id}/disable                       am
GET    /v1/transactions                             amn
POST   /v1/transactions                             am
GET    /v1/transactions/{id}                        amn
GET    /v1/events                                   amn
POST   /v1/accounts/{id}/grants/{capability}/connect amc
PUT    /v1/accounts/{id}/grants/{capability}        amc
DELETE /v1/accounts/{id}/grants/{capability}        amc
GET    /v1/operations                               amnc
GET    /v1/operations/{operation_id}                amnc
POST   /v1/operations/{operation_id}/cancel         amc
GET    /v1/accounts/{id}/insights                   amnc
POST   /v1/accounts/{id}/insights                   amc
GET    /v1/content/{content_id}/insights            amnc
POST   /v1/content/{content_id}/insights            amc
POST   /v1/accounts/{id}/ads/read                   am
POST   /v1/accounts/{id}/ad-campaigns               am
GET    /v1/ad-accounts                              amn
GET    /v1/ads                                      amn
GET    /v1/ads/{ad_id}                              amn
GET    /v1/ads/{ad_id}/days                         amn
PATCH  /v1/ads/{ad_id}                              am
POST   /v1/ads/{ad_id}/groups                       am
POST   /v1/ads/{ad_id}/ads                          am
PUT    /v1/campaigns/{id}/ad-campaigns              am
POST   /v1/accounts/{id}/catalogs/read              am
GET    /v1/catalogs                                 amn
GET    /v1/catalogs/{catalog_id}/products           amn
POST   /v1/catalogs/{catalog_id}/products           am
POST   /v1/catalogs/{catalog_id}/products/read      am
POST   /v1/accounts/{id}/orders/read                am
GET    /v1/orders                                   amn
POST   /v1/accounts/{id}/broadcasts/read            amc
POST   /v1/accounts/{id}/broadcasts                 amc
GET    /v1/broadcasts                               amnc
GET    /v1/broadcasts/{broadcast_id}                amnc
POST   /v1/broadcasts/{broadcast_id}/stream         amc
GET    /v1/broadcasts/{broadcast_id}/stream         amc
POST   /v1/broadcasts/{broadcast_id}/transition     amc
POST   /v1/broadcasts/{broadcast_id}/chat           amc
GET    /v1/ops/hosts                                o
GET    /v1/ops/partitions                           o
GET    /v1/ops/scale                                o
POST   /v1/ops/scale                                o
GET    /v1/ops/parked                               o
GET    /v1/ops/budgets                              o
PUT    /v1/ops/budgets                              o
GET    /v1/ops/entities/{kind}/{id}                 a
POST   /v1/ops/entities/{kind}/{id}/isolate         a
POST   /v1/ops/entities/{kind}/{id}/release         a
POST   /v1/ops/entities/{kind}/{id}/pause           a
GET    /v1/ops/dead-letters                         a
GET    /v1/ops/dead-letters/{letter_id}             a
POST   /v1/ops/dead-letters/{letter_id}/replay      a
POST   /v1/ops/keys/reseal                          o
"""

NOT_AT_X = re.compile(r"/(insights|ads|ad-campaigns|catalogs|orders|broadcasts|grants)\b")
"""What its platform does not offer is refused as such, to those who may ask."""

BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/v1/accounts/{id}/grants/{capability}/connect"): {},
    ("PUT", "/v1/accounts/{id}/grants/{capability}"): {"access_token": "brought"},
    ("POST", "/v1/accounts/{id}/ad-campaigns"): {"ad_account_id": "x", "name": "x", "objective": "x"},
    ("PATCH", "/v1/ads/{ad_id}"): {"status": "paused"},
    ("POST", "/v1/ads/{ad_id}/groups"): {"name": "x", "goal": "x", "countries": ["DE"]},
    ("POST", "/v1/ads/{ad_id}/ads"): {"name": "x", "content_id": "x"},
    ("PUT", "/v1/campaigns/{id}/ad-campaigns"): {"ad_campaigns": []},
    ("POST", "/v1/catalogs/{catalog_id}/products"): {
        "products": [
            {
                "retailer_id": "SKU-1",
                "title": "Vase",
                "price": {"amount_minor": 1, "currency": "EUR"},
                "url": "https://shop.example/vase",
                "image_url": "https://shop.example/vase.png",
            }
        ]
    },
    ("POST", "/v1/accounts/{id}/broadcasts"): {"title": "x", "scheduled_at": "2030-01-01T00:00:00Z"},
    ("POST", "/v1/broadcasts/{broadcast_id}/transition"): {"to": "live"},
    ("POST", "/v1/auth/revoke"): {},
    ("POST", "/v1/users"): {"email": "sweep@people.example", "role": "analyst"},
    ("PATCH", "/v1/users/{user_id}"): {"role": "manager"},
    ("POST", "/v1/api-keys"): {"name": "sweep"},
    ("POST", "/v1/integrations/{platform}/apps"): {"client_id": "sweep", "client_secret": "sweep"},
    ("POST", "/v1/integrations/{platform}/connect"): {},
    ("POST", "/v1/integrations/{platform}/choose"): {"handle": "nobody-gave-it", "accounts": ["1"]},
    ("PUT", "/v1/ops/budgets"): {"budget": "twitter.nobody", "pool": "app", "limit": 1},
    ("PATCH", "/v1/accounts/{id}"): {"commerce_enabled": False},
    ("PATCH", "/v1/content/{content_id}"): {"text": "swept"},
    ("POST", "/v1/publications"): {"accounts": ["{account}"], "text": "swept"},
    ("POST", "/v1/media/fetch"): {"url": "{picture_url}"},
    ("POST", "/v1/campaigns"): {"name": "sweep", "budget": {"total_minor": 1, "currency": "EUR"}},
    ("PATCH", "/v1/campaigns/{id}"): {"description": "swept"},
    ("POST", "/v1/campaigns/{id}/costs"): {"amount_minor": 1},
    ("POST", "/v1/links"): {"url": "https://shop.example/sweep"},
    ("POST", "/v1/ops/scale"): {"hosts": 2},  # as it is
    ("POST", "/v1/ops/keys/reseal"): {"kind": "account", "ids": ["twitter:1:sweep"], "key": "00000000"},
    ("POST", "/v1/transactions"): {
        "order_id": "sweep",
        "amount_minor": 1,
        "currency": "EUR",
        "occurred_at": "2026-01-01T00:00:00Z",
    },
}


def rows() -> Iterator[tuple[str, str, str]]:
    for line in MATRIX.split("\n"):
        if line:
            method, path, allowed = line.split()
            yield method, path, allowed


async def one_of_everything(world: World, admin: Caller, creator: Caller) -> dict[str, str]:
    """Ids for the placeholders of paths. The account is the creator's, so that every role may reach it."""
    account = await world.account("twitter", f"sweep-{uuid.uuid4()}", posts=2)
    view = await world.connect(creator, account)

    async def content() -> list[Json]:
        return await admin.all(f"/v1/accounts/{view['id']}/content")

    posts = await eventually(content)
    campaign = await admin.post("/v1/campaigns", BODIES["POST", "/v1/campaigns"])
    link = await admin.post("/v1/links", BODIES["POST", "/v1/links"])
    order = BODIES["POST", "/v1/transactions"] | {"order_id": f"order-{uuid.uuid4()}"}
    sale = await admin.post("/v1/transactions", order)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = {"accounts": [view["id"]], "text": "Later", "publish_at": tomorrow}
    piece = await admin.post("/v1/publications", later)
    picture = (await admin.request("POST", "/v1/media", content=PICTURE)).json()
    user = await admin.post("/v1/users", {"email": f"{uuid.uuid4()}@people.example", "role": "analyst"})
    key = await admin.post("/v1/api-keys", {"name": "to be revoked"})
    letter = DeadLetter(
        id=f"mailbox:account:1:0:{uuid.uuid4()}",
        org=admin.org.org.id,
        entity=str(EntityKey(Kind.ACCOUNT, view["id"])),
        event_id=f"event-{uuid.uuid4()}",
        sealed_body=b"sealed",
        reason="applying it failed five times",
        failed_at=datetime.now(UTC),
    )
    await MongoDeadLetters(world.database).put([letter])
    sides, now = MongoSideStore(world.database), truncate_ms(datetime.now(UTC))
    await bring(sides, world.keys.seal.seal, now, view["id"])
    task = begun("op_sweep", What.CATALOGS, {}, Priority.PERSON, now)
    org, seal = admin.org.org.id, world.keys.seal.seal
    operation = operation_document(view["id"], org, "twitter", task, {}, "usr_sweep", now, seal)
    await sides.upsert_many(OPERATIONS, [operation])
    return {
        "operation_id": operation["_id"],
        "ad_id": f"{view['id']}|77-campaign",
        "catalog_id": f"{view['id']}|cat1",
        "broadcast_id": f"{view['id']}|live0",
        "capability": "ads",
        "account": view["id"],
        "campaign": campaign["id"],
        "link": link["code"],
        "transaction": sale["id"],
        "content_id": posts[0]["id"],
        "publication_id": piece["targets"][0]["publication_id"],
        "media_id": picture["id"],
        "picture_url": f"{world.settings.sandbox_url}/_sandbox/picture.png",
        "token": "forged",
        "handle": "nobody-gave-it",
        "app_id": "nobody",
        "user_id": user["id"],
        "key_id": key["id"],
        "letter_id": letter.id,
    }


def filled(path: str, things: dict[str, str]) -> str:
    """A path with the ids of these things; a bare `{id}` is of the kind that its collection holds."""
    collection = re.match(r"/v1/(?:ops/)?(\w+)", path)
    of = {"accounts": "account", "campaigns": "campaign", "links": "link", "transactions": "transaction"}
    kind = of.get(collection[1], "account") if collection else "account"
    values = things | {"platform": "twitter", "kind": "account", "id": things[kind], "code": things["link"]}
    return re.sub(r"{(\w+)}", lambda m: values[m[1]], path)


async def call(caller: Caller, method: str, path: str, things: dict[str, str]) -> httpx.Response:
    body = BODIES.get((method, path))
    if (method, path) == ("POST", "/v1/media"):
        return await caller.request(method, path, content=PICTURE)
    if (method, path) == ("POST", "/v1/media/fetch"):
        body = {"url": things["picture_url"]}
    if path == "/v1/publications" and body:
        body = body | {"accounts": [things["account"]], "text": str(uuid.uuid4())}
    if path == "/v1/transactions" and body:
        body = body | {"order_id": f"order-{uuid.uuid4()}"}
    if path == "/v1/users" and body:
        body = body | {"email": f"{uuid.uuid4()}@people.example"}
    more: dict[str, Any] = {} if body is None else {"json": body}
    return await caller.request(method, filled(path, things), **more)


async def test_the_matrix_names_every_route(world: World) -> None:
    openapi = (await world.api.get("/openapi.json")).json()
    there = {
        (method.upper(), path)
        for path, operations in openapi["paths"].items()
        for method in operations
        if method in ("get", "head", "post", "put", "patch", "delete")
    }
    assert there == {(method, path) for method, path, _ in rows()}
    wanting = {
        (method.upper(), path)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
        if operation.get("requestBody", {}).get("required")
    }
    assert wanting - {("POST", "/v1/auth/token")} <= BODIES.keys()


async def test_every_route_with_every_role_and_with_the_ids_of_another_org(world: World) -> None:
    ours, theirs = await world.org("Ours", operator=False), await world.org("Theirs", operator=False)
    people = {"admin": ours} | {role: await world.member(ours, role) for role in ROLES[:-1]}
    own = await one_of_everything(world, ours, people["creator"])
    foreign = await one_of_everything(world, theirs, await world.member(theirs, "creator"))
    wrong: list[str] = []

    async def expect(role: str, method: str, path: str, things: dict[str, str], *allowed: int) -> None:
        answer = await call(people[role], method, path, things)
        if answer.status_code == 503:  # the actor of an isolated account takes its time to start
            await asyncio.sleep(int(answer.headers["retry-after"]))
            answer = await call(people[role], method, path, things)
        if answer.status_code not in allowed:
            whose = "own" if things is own else "another org's"
            said = f"{role} {method} {path} with {whose} ids: {answer.status_code} {answer.text[:200]}"
            wrong.append(said)

    ends = {"erase": 3, "DELETE": 2, "disconnect": 1, "complete": 1, "disable": 1}

    def last(row: tuple[str, str, str]) -> int:
        return max(ends.get(row[0], 0), ends.get(row[1].rpartition("/")[2], 0))

    for method, path, allowed in sorted(rows(), key=last):
        if allowed == "*" or path == "/v1/auth/revoke":  # revoking is a test of its own, below
            continue
        names_a_thing = re.search(r"{(?!platform|handle)\w+}", path) is not None
        for role in ROLES:
            letter = {"admin": "a", "manager": "m", "analyst": "n", "creator": "c"}[role]
            if names_a_thing:
                await expect(role, method, path, foreign, 404)
            if letter not in allowed:
                await expect(role, method, path, own, 403)
            elif "/cho" in path:  # nobody gave out the handle
                await expect(role, method, path, own, 400, 404)
            elif path.endswith("/grants/{capability}/connect"):  # X is asked first, and wants an API key pair
                await expect(role, method, path, own, 200, 400)
            elif method in ("GET", "HEAD"):
                await expect(role, method, path, own, 200)
            else:  # 409: what an earlier role did stands in the way
                absent = (422,) if NOT_AT_X.search(path) else ()
                await expect(role, method, path, own, 200, 201, 202, 204, 409, *absent)
    assert not wrong, "\n".join(wrong)


async def test_a_creator_reaches_only_the_accounts_they_connected(world: World) -> None:
    admin = await world.org(operator=False)
    creator, other = await world.member(admin, "creator"), await world.member(admin, "creator")
    account = await world.account("twitter", f"own-{uuid.uuid4()}", posts=1)
    view = await world.connect(creator, account)
    for method, path, body in (
        ("PATCH", "", {"auto_sync": False}),
        ("POST", "/pause", {}),
        ("POST", "/sync", {}),
        ("POST", "/disconnect", {}),
    ):
        answer = await other.request(method, f"/v1/accounts/{view['id']}{path}", json=body)
        assert answer.status_code == 403, path
    assert (await other.get("/v1/accounts"))["items"] == []
    assert [a["id"] for a in (await creator.get("/v1/accounts"))["items"]] == [view["id"]]
    assert (await creator.get(f"/v1/accounts/{view['id']}"))["status"] == "connected"


async def test_lists_hold_only_what_is_the_callers_orgs(world: World) -> None:
    ours, theirs = await world.org("Ours"), await world.org("Theirs")
    account = await world.account("twitter", f"lists-{uuid.uuid4()}", posts=2)
    view = await world.connect(theirs, account)
    await theirs.post("/v1/campaigns", BODIES["POST", "/v1/campaigns"])
    await theirs.post("/v1/links", BODIES["POST", "/v1/links"])
    await theirs.post("/v1/transactions", BODIES["POST", "/v1/transactions"])
    await world.sandbox.act(account, "comment")

    async def all_there() -> bool:
        lists = ["accounts", "content", "comments", "campaigns", "links", "transactions", "events"]
        return all([(await theirs.get(f"/v1/{name}"))["items"] for name in lists])

    await eventually(all_there)
    for name in ("accounts", "content", "comments", "campaigns", "links", "transactions", "events"):
        assert (await ours.get(f"/v1/{name}"))["items"] == [], name
    for name in ("content", "comments"):
        assert (await ours.get(f"/v1/{name}?account_id={view['id']}"))["items"] == [], name
    assert (await ours.get(f"/v1/events?subject={view['id']}"))["items"] == []
    for name in ("users", "api-keys", "audit"):
        text = (await ours.request("GET", f"/v1/{name}")).text
        assert theirs.org.org.id not in text and theirs.org.admin.id not in text, name


# -- tokens -----------------------------------------------------------------------------------------
async def test_no_route_that_needs_a_token_answers_without_a_good_one(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    caller = await world.org()
    claims = world.keys.jwt.verify(caller.token)
    past = (datetime.now(UTC) - timedelta(seconds=1)).timestamp()
    public = json.dumps(world.keys.jwt.jwks()["keys"][0]).encode()

    def unsigned(header: Json) -> str:
        parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, claims)]
        return b".".join([*parts, b""]).decode()

    kid = world.keys.jwt.active
    bad = {
        "none": None,
        "garbage": "garbage",
        "expired": world.keys.jwt.sign(claims | {"exp": int(past)}),
        "of another deployment": Keys.generate().jwt.sign(claims),
        "for somebody else": world.keys.jwt.sign(claims | {"aud": "another-service"}),
        "by somebody else": world.keys.jwt.sign(claims | {"iss": "another-service"}),
        "an unknown role": world.keys.jwt.sign(claims | {"roles": ["root"]}),
        "not signed": unsigned({"alg": "none", "kid": kid}),
        "signed with the public key": jwt.encode(
            {"alg": "HS256", "kid": kid}, claims, OctKey.import_key(public), algorithms=["HS256"]
        ),
        "changed": caller.token[:-8] + "AAAAAAAA",
        "not ASCII": "\u00e4",
    }
    for name, token in bad.items():
        headers = {} if token is None else {"Authorization": b"Bearer " + token.encode("latin-1")}
        answer = await world.api.get("/v1/accounts", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401, name
        assert answer.headers["www-authenticate"] == "Bearer", name
    for method, path, allowed in rows():
        if allowed != "*":
            address = re.sub(r"{\w+}", "x", path)
            answer = await world.api.request(method, address)
            assert answer.status_code == 401, (method, path)
    assert (await world.api.get("/v1/accounts", headers=caller.headers)).status_code == 200


async def test_a_revoked_token_key_or_user_gets_in_no_more(world: World) -> None:
    admin = await world.org()

    async def shut_out(caller: Caller) -> None:
        async def refused() -> bool:
            return (await caller.request("GET", "/v1/accounts")).status_code == 401

        await eventually(refused, 10)

    leaving = await world.member(admin, "analyst")
    assert (await leaving.request("POST", "/v1/auth/revoke", json={})).status_code == 204
    await shut_out(leaving)
    await leaving.sign_in()  # only that token was taken back
    claims = world.keys.jwt.verify(leaving.token)
    assert (await admin.request("DELETE", f"/v1/api-keys/{claims['keyId']}")).status_code == 204
    await shut_out(leaving)
    again = await world.api.post("/v1/auth/token", json={"api_key": leaving.org.api_key.reveal()})
    assert again.status_code == 401
    key = await admin.post("/v1/api-keys", {"name": "second", "user_id": claims["userId"]})
    token = await world.api.post("/v1/auth/token", json={"api_key": key["api_key"]})
    leaving.headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
    assert (await leaving.request("GET", "/v1/accounts")).status_code == 200
    assert (await admin.request("DELETE", f"/v1/users/{claims['userId']}")).status_code == 204
    await shut_out(leaving)
    other = await world.member(admin, "analyst")
    answer = await other.request("POST", "/v1/auth/revoke", json={"jti": "somebody-elses"})
    assert answer.status_code == 403
    assert (await admin.request("GET", "/v1/accounts")).status_code == 200


async def test_a_token_says_what_the_requirement_asks_and_its_keys_are_public(world: World) -> None:
    admin = await world.org(operator=False)
    account = await world.account("twitter", f"claims-{uuid.uuid4()}", posts=1)
    view = await world.connect(admin, account)
    await admin.sign_in()
    keys = KeySet.import_key_set((await world.api.get("/.well-known/jwks.json")).json())
    assert "d" not in (await world.api.get("/.well-known/jwks.json")).json()["keys"][0]
    decoded = jwt.decode(admin.token, keys, algorithms=["ES256"])
    claims = decoded.claims
    assert claims["iss"] == "social-media-integration-service"
    assert claims["aud"] == "social-commerce-platform"
    assert claims["exp"] - claims["iat"] == pytest.approx(24 * 3600, abs=1)
    assert claims["userId"] == claims["sub"] == admin.org.admin.id
    assert claims["roles"] == ["admin"]
    assert claims["integrationLevel"] == "organization"
    (listed,) = claims["socialAccounts"]
    assert listed["platform"] == "twitter" and listed["accountId"] == view["id"]
    assert "tweet.read" in listed["permissions"]
    assert datetime.fromisoformat(listed["expiresAt"]) > datetime.now(UTC)


async def test_guessing_api_keys_gets_one_answer_for_all(world: World) -> None:
    answers = []
    for guess in ("rk_live_wrong", "x", "\U0001f511" * 50):
        answer = await world.api.post("/v1/auth/token", json={"api_key": guess})
        assert guess not in answer.text
        answers.append((answer.status_code, answer.text))
    assert {status for status, _ in answers} == {401}
    assert len(set(answers)) == 1


async def test_what_people_do_is_in_the_audit_log(world: World) -> None:
    admin = await world.org(operator=False)
    campaign = await admin.post("/v1/campaigns", BODIES["POST", "/v1/campaigns"])
    refused = await admin.request("GET", "/v1/ops/hosts")
    assert refused.status_code == 403
    rejected = await admin.request("POST", f"/v1/campaigns/{campaign['id']}/resume")
    assert rejected.status_code == 409
    entries = await admin.all("/v1/audit")
    seen = {(e["action"], e["status"]) for e in entries if e["user_id"] == admin.org.admin.id}
    assert {("create_token", 200), ("create_campaign", 201), ("resume_campaign", 409)} <= seen


def test_keys_of_the_deployment_are_readable_by_their_owner_only(service: Service) -> None:
    assert Path(service.settings.keys).stat().st_mode & 0o077 == 0
