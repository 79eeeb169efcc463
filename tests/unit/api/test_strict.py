"""The API in the hands of a stranger who tries to break it: every answer is a problem that names the culprit.

The routes, their parameters and the fields of their bodies are found in the OpenAPI document.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import pytest

from api.policy import POLICY
from tests.unit.api.conftest import Person, World
from tests.unit.api.test_policy import BODIES, PROTECTED, ROUTES, address, body_of
from tests.unit.api.things import campaign_body, make_things

Route = tuple[str, str, str]

JSON = {"Content-Type": "application/json"}
TEXTS = [
    "",
    "\x00",
    "\u202e",
    "𝒳" * 200,
    "x" * 5000,
    "%ff",
    "http://[::1",
    "-1",
    "9" * 400,
    "NaN",
    "../../etc",
]
TIMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "America"]
OTHERS = ["\ud800", None, True, -1, 1.5, 10**400, float("nan"), [], [None], {}, {"$gt": 1}, {"a": "\ud800"}]
IDS = [text for text in TEXTS if text not in ("", "../../etc")] + ["$where", "a b", "a\nb", "a|b:c:d", "😀"]


def refused(answer: httpx.Response, what: object) -> dict[str, Any]:
    """The problem document of a refusal, checked for what every one has."""
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", what
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code and problem["type"].startswith("urn:rookery:error:"), what
    assert re.fullmatch(r"\S.* .*\.", problem["detail"], re.DOTALL), (what, problem)
    if answer.status_code == 422 and problem["type"] != "urn:rookery:error:body_invalid":
        assert problem["errors"] and all(e["field"] and e["message"] for e in problem["errors"]), (
            what,
            problem,
        )
    return problem


def named(problem: dict[str, Any]) -> set[str]:
    return {error["field"] for error in problem["errors"]}


def person(world: World, route: Route) -> Person:
    return (world.operators if POLICY[route[2]].operator else world.ours).admin


async def lists(world: World) -> list[tuple[Route, set[str]]]:
    """Every route with a `limit`, and its query parameters."""
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    found = []
    for route in ROUTES:
        parameters = paths[route[1]][route[0].lower()].get("parameters", ())
        query = {p["name"] for p in parameters if p["in"] == "query"}
        if "limit" in query:
            found.append((route, query))
    return found


def fields(
    spec: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The path of every field of a body, those of objects within it too."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for alternative in schema.get("anyOf", ()):
        yield from fields(spec, alternative, path)
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from fields(spec, inner, (*path, name))


def with_field(body: Any, path: tuple[str, ...], value: object) -> Any:
    if not path:
        return value
    inner = body if isinstance(body, dict) else {}
    return inner | {path[0]: with_field(inner.get(path[0]), path[1:], value)}


# -- queries --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["0", "-1", str(10**9), "9" * 400, "", "1.5", "x", "null"])
async def test_a_page_has_1_to_200_items(world: World, value: str) -> None:
    things = await make_things(world, world.ours, "1")
    for route, _ in await lists(world):
        where = address(route[1], route[2], things)
        answer = await world.call("GET", where, person(world, route), params={"limit": value})
        assert named(refused(answer, route)) == {"limit"}, route


@pytest.mark.parametrize("value", ["", "!", "QUJD", "\x00", "é", "A" * 400, "A" * 10_000])
async def test_a_cursor_is_one_that_a_page_gave_out(world: World, value: str) -> None:
    things = await make_things(world, world.ours, "1")
    for route, query in await lists(world):
        if "cursor" not in query:
            continue
        where = address(route[1], route[2], things)
        answer = await world.call("GET", where, person(world, route), params={"cursor": value})
        assert named(refused(answer, route)) == {"cursor"}, route


async def test_the_letter_of_another_org_is_no_cursor(world: World) -> None:
    theirs = await make_things(world, world.theirs, "2")
    path = f"/v1/ops/dead-letters?cursor={theirs.dead_letter}"
    assert named(refused(await world.call("GET", path, world.ours.admin), path)) == {"cursor"}


async def test_a_parameter_that_is_unknown_or_repeated_is_named(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    for route in PROTECTED:
        where = address(route[1], route[2], things)
        answer = await world.call(
            route[0], f"{where}?colour=red", person(world, route), json=body_of(route[2], things)
        )
        assert named(refused(answer, route)) == {"colour"}, route
    for route, _ in await lists(world):
        where = address(route[1], route[2], things)
        answer = await world.call(route[0], f"{where}?limit=2&limit=3", person(world, route))
        assert named(refused(answer, route)) == {"limit"}, route


async def test_a_browser_may_come_back_with_parameters_of_the_platforms_own(world: World) -> None:
    state = await world.begin(world.ours.admin)
    path = f"/v1/integrations/twitter/callback?state={state}&code=c&iss=https%3A%2F%2Fx.com&scope=a&scope=b"
    assert (await world.http.get(path)).status_code == 200


# -- paths and bodies -----------------------------------------------------------------------------------
async def test_an_id_that_cannot_be_is_unknown(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    for route in PROTECTED:
        method, path, name = route
        for parameter in re.findall(r"{(\w+)}", path):
            for id_ in IDS:
                where = address(path.replace(f"{{{parameter}}}", quote(id_, safe="")), name, things)
                answer = await world.call(method, where, person(world, route), json=BODIES.get(name))
                assert refused(answer, (route, id_))["status"] == 404, (route, id_)


async def test_no_value_of_any_field_is_a_defect(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    spec = (await world.http.get("/openapi.json")).json()
    before = {name: dict(c.documents) for name, c in world.database._collections.items()}
    tried = 0
    for method, path, name in ROUTES:
        content = spec["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
        if not content or name == "revoke_token":  # it would take back the token this asks with
            continue
        for field in dict.fromkeys(fields(spec, content["application/json"]["schema"])):
            for value in [*TEXTS, *TIMES, *OTHERS]:
                body = json.dumps(with_field(body_of(name, things) or {}, field, value)).encode()
                by = None if POLICY[name].public else world.ours.admin
                where = address(path, name, things)
                answer = await world.call(method, where, by, content=body, headers=JSON)
                tried += 1
                for documents, kept in before.items():  # each write of the double searches all there is
                    world.database[documents].documents = dict(kept)
                if answer.status_code >= 400:
                    problem = refused(answer, (name, field, value))
                    # What is wrong within an object is called `budget.currency`, within a list `scopes.0`.
                    assert answer.status_code != 422 or any(
                        f".{at}.".startswith(f".{'.'.join(field[:1])}") for at in named(problem)
                    ), (name, field, value, problem)
    assert tried > 500


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", None])
async def test_a_body_that_is_not_called_json_is_415(world: World, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    body = json.dumps(campaign_body()).encode()
    answer = await world.call("POST", "/v1/campaigns", world.ours.admin, content=body, headers=headers)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in refused(answer, kind)["detail"]


async def test_a_thousand_faults_are_not_all_told(world: World) -> None:
    body = campaign_body(platforms=[1] * 1000) | {"x" * 5000: 1}
    problem = refused(await world.call("POST", "/v1/campaigns", world.ours.admin, json=body), "faults")
    assert 1 < len(problem["errors"]) < 100
    assert len(json.dumps(problem)) < 10_000


async def test_what_is_shown_to_people_holds_no_control_characters(world: World) -> None:
    nasty = "a\x1b[2Jb"
    for path, body, field in (
        ("/v1/users", {"email": f"{nasty}@example.org", "role": "analyst"}, "email"),
        ("/v1/api-keys", {"name": nasty}, "name"),
        ("/v1/integrations/twitter/apps", {"client_id": "c", "client_secret": "s", "name": nasty}, "name"),
        ("/v1/campaigns", campaign_body(name=nasty), "name"),
    ):
        answer = await world.call("POST", path, world.ours.admin, json=body)
        assert named(refused(answer, path)) == {field}


# -- headers, methods, addresses ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("If-Match", ["7"]),
        ("If-Match", ['"1"', '"2"']),
        ("If-Match", ['W/"1"']),
        ("Idempotency-Key", ["a", "b"]),
        ("Idempotency-Key", [""]),
        ("Idempotency-Key", ["a b"]),
        ("Idempotency-Key", ["x" * 129]),
        ("Idempotency-Key", ["é"]),
    ],
)
async def test_a_header_that_cannot_be_read_is_named(world: World, name: str, values: list[str]) -> None:
    made = await world.call("POST", "/v1/campaigns", world.ours.admin, json=campaign_body())
    headers = [(b"authorization", f"Bearer {world.ours.admin.token}".encode())]
    headers += [(name.encode(), value.encode("latin-1")) for value in values]
    path = f"/v1/campaigns/{made.json()['id']}"
    answer = await world.http.patch(path, json={"name": "A"}, headers=headers)
    assert named(refused(answer, values)) == {name}
    assert (await world.call("GET", path, world.ours.admin)).json()["name"] == "Summer"


async def test_the_openapi_document_describes_what_a_refusal_looks_like(world: World) -> None:
    spec = (await world.http.get("/openapi.json")).json()
    assert "HTTPValidationError" not in json.dumps(spec)
    answer = await world.call("POST", "/v1/campaigns", world.ours.admin, json={})
    for method, path, _ in ROUTES:
        described = spec["paths"][path][method.lower()]["responses"]
        for status in ("4XX", "5XX"):
            schema = described[status]["content"]["application/problem+json"]["schema"]
            jsonschema.validate(refused(answer, path), schema)
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({"detail": "x"}, schema)


async def test_addresses_and_methods_that_are_not_there_say_so_in_a_sentence(world: World) -> None:
    for method, path, status in (
        ("GET", "/v1/content/", 404),
        ("GET", "//v1/content", 404),
        ("GET", "/v2", 404),
        ("PUT", "/v1/content", 405),
        ("OPTIONS", "/v1/content", 405),
    ):
        assert refused(await world.call(method, path, world.ours.admin), path)["status"] == status
