"""X's own OpenAPI document as a judge of what the adapter asks, and payloads that the real X sent (2025 and
before) through everything that reads them."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from domain.content import ContentKind
from domain.publishing import Draft
from domain.secrets import Secret
from platforms.base import PageQuery, PlatformApp
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok
from platforms.twitter.adapter import Twitter
from platforms.twitter.insights import TwitterInsights
from platforms.twitter.normalise import Includes, content_item, profile, remark
from platforms.twitter.publish import TwitterPublishing
from platforms.twitter.spec import WELCOME_EVENTS
from platforms.wire import decode
from tests.unit.platforms import test_twitter_publish as publishing
from tests.unit.platforms.publish_support import access_of, job_of
from tests.unit.platforms.support import Answers, World, answer, app_of, grant_of, ok

X = Twitter()
SHARED = Path(__file__).parents[4] / "shared"
SPEC, RECORDED = SHARED / "specs" / "x-v2.openapi.json", SHARED / "recorded" / "twitter"
needs_spec = pytest.mark.skipif(not SPEC.exists(), reason="X's OpenAPI file is not part of this repository")
recorded_files = sorted(RECORDED.rglob("*.json")) if RECORDED.exists() else []
needs_recorded = pytest.mark.skipif(not recorded_files, reason="recorded payloads are not in this repository")


# -- requests -----------------------------------------------------------------------------------------
class Judge:
    """Compares calls with the document."""

    def __init__(self) -> None:
        self._document: dict[str, Any] = json.loads(SPEC.read_text())
        self.seen: set[str] = set()

    def errors(self, call: Call) -> list[str]:
        path = urlsplit(call.url).path
        template, operation = self._operation(call.method, path)
        if operation is None:
            return [f"X has no {call.method} {path}"]
        self.seen.add(f"{call.method} {template}")
        parameters = {p["name"]: p for p in map(self._resolved, operation.get("parameters", []))}
        found = []
        for name, value in call.query.items():
            if name not in parameters:
                found.append(f"{template} has no parameter {name}")
                continue
            schema = self._resolved(parameters[name]["schema"])
            values = str(value).split(",") if schema.get("type") == "array" else [str(value)]
            allowed = self._resolved(schema.get("items", schema)).get("enum")
            found += [f"{template} {name}: {v}" for v in values if allowed is not None and v not in allowed]
            least, most = schema.get("minimum", 0), schema.get("maximum", 10**30)
            if schema.get("type") == "integer" and not least <= int(str(value)) <= most:
                found.append(f"{template} {name}: {value}")
        required = {n for n, p in parameters.items() if p.get("required") and p["in"] == "query"}
        found += [f"{template} needs {name}" for name in required - {*call.query}]
        if call.json is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            whole = {**schema, "components": self._document["components"]}
            found += [e.message[:200] for e in Draft202012Validator(whole).iter_errors(call.json)]
        if call.body is not None and "multipart/form-data" not in operation["requestBody"]["content"]:
            found.append(f"{template} takes no form with files")
        return found

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any] | None]:
        """The template with the fewest parameters that fits."""
        for template in sorted(self._document["paths"], key=lambda t: t.count("{")):
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in self._document["paths"][template]:
                return template, self._document["paths"][template][method.lower()]
        return path, None

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


@needs_spec
async def test_everything_the_adapter_asks_is_in_the_contract(world: World) -> None:
    account, judge, wrong = await world.account("twitter", posts=30), Judge(), []
    access = access_of(world, account)
    send = world.http.send

    async def judged(spec: Any, call: Call, timeout_s: float = 30.0) -> Any:
        # The token endpoint and four event types of the guide are no part of the document.
        asked = call.json.get("event_type") if isinstance(call.json, dict) else None
        if "oauth2" not in call.url and asked not in WELCOME_EVENTS:
            wrong.extend(judge.errors(call))
        return await send(spec, call, timeout_s)

    world.http.send = judged  # type: ignore[method-assign]
    token = access.token
    ok(await X.profile(world.http, token))
    for source in X.spec.sources:
        for query in (
            PageQuery(source),
            PageQuery(source, since=datetime.now(UTC) - timedelta(days=9)),
            PageQuery(source, newer_than_id="1"),
        ):
            ok(await X.list_page(world.http, token, access.external_id, query))
    ids = [row["id"] for row in await world.content(account)]
    ok(await X.read_items(world.http, token, access.external_id, ids[:5]))
    for draft in (
        Draft(ContentKind.POST, "Words", options={"made_with_ai": True}),
        Draft(ContentKind.POST, "An answer", reply_to=ids[0]),
        Draft(ContentKind.PHOTO, "A picture", media=(publishing.PHOTO,)),
        Draft(ContentKind.VIDEO, "A film", media=(publishing.FILM,)),
    ):
        out, _ = await publishing.published(world, access, draft)
        ok(await TwitterPublishing().find(access, job_of(draft)))
        ok(await TwitterPublishing().delete(access, str(out.external_id)))
    ok(await TwitterInsights().of_content(access, ids[0], ContentKind.POST))
    ok(await TwitterInsights().of_account(access, datetime.now(UTC), datetime.now(UTC)))
    world.receiver.platform, world.receiver.app = X, app_of(account)
    ok(await X.subscribe(world.http, app_of(account), token, access.external_id, "http://127.0.0.1:9/hook"))
    await X.revoke(world.http, app_of(account), grant_of(account))
    assert wrong == []
    assert {
        "GET /2/users/me",
        "GET /2/users/{id}/tweets",
        "GET /2/users/{id}/mentions",
        "GET /2/tweets",
        "GET /2/tweets/analytics",
        "POST /2/tweets",
        "DELETE /2/tweets/{id}",
        "POST /2/media/upload/initialize",
        "POST /2/media/upload/{id}/append",
        "POST /2/media/upload/{id}/finalize",
        "GET /2/media/upload",
        "POST /2/media/metadata",
    } <= judge.seen


# -- recorded -----------------------------------------------------------------------------------------
def rows_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that has an id, however deep."""
    if isinstance(value, dict):
        if "id" in value:
            yield value
        for inner in value.values():
            yield from rows_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from rows_of(inner)


@needs_recorded
@pytest.mark.parametrize("path", recorded_files, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_recorded_payloads_pass_through(path: Path) -> None:
    document = decode(path.read_bytes())  # noqa: ASYNC240
    includes = Includes.of(document if isinstance(document, dict) else {})
    for row in rows_of(document):
        item, words, who = content_item(row, includes), remark(row, includes), profile(row)
        assert item is None or item.external_id
        assert words is None or words.external_id
        assert who is None or (who.external_id and who.username)
    posts, mentions = X.spec.sources
    for source in (posts, mentions):
        http = Answers(answer(200, document))
        page = await X.list_page(http, Secret("t"), "1", PageQuery(source))
        assert isinstance(page, Ok)
    for asked in (
        X.profile(Answers(answer(200, document)), Secret("t")),
        X.read_items(Answers(*[answer(200, document)] * 2), Secret("t"), "1", ["1"]),
        TwitterInsights().of_account(access_to(document), datetime.now(UTC), datetime.now(UTC)),
        TwitterInsights().of_content(access_to(document, document), "1", ContentKind.POST),
    ):
        await asked  # ends in an outcome, whatever it is


@needs_recorded
@pytest.mark.parametrize("name", ["timeline_tweets", "timeline_mentions"])
async def test_recorded_timelines_are_read_whole(name: str) -> None:
    document = json.loads((RECORDED / "apis" / "timeline" / f"{name}.json").read_text())
    source = X.spec.sources[name == "timeline_mentions"]
    page = ok(await X.list_page(Answers(answer(200, document)), Secret("t"), "1", PageQuery(source)))
    found = [one.external_id for one in (page.items or page.remarks)]
    assert found == [row["id"] for row in document["data"]]
    assert page.next_cursor == document["meta"].get("next_token")
    texts = [one.text.text for one in (page.items or page.remarks)]
    assert all(texts)


@needs_recorded
async def test_a_recorded_account_and_its_numbers() -> None:
    document = json.loads((RECORDED / "models" / "user.json").read_text())
    told = document["public_metrics"]
    who = ok(await X.profile(Answers(answer(200, {"data": document})), Secret("t")))
    assert (who.username, who.follower_count) == (document["username"], told["followers_count"])
    now = datetime.now(UTC)
    numbers = ok(await TwitterInsights().of_account(access_to({"data": document}), now, now))
    values = {metric.source: metric.value for metric in numbers}
    assert values["public_metrics.followers_count"] == told["followers_count"]
    assert values["public_metrics.tweet_count"] == told["tweet_count"]


@needs_recorded
async def test_recorded_answers_to_uploads_and_posts() -> None:
    """The states go on as the real answers say."""
    folder = RECORDED / "apis" / "media_upload_v2"
    read = {p.stem: json.loads(p.read_text()) for p in folder.glob("*.json")}
    begun, done = read["upload_chunk_init_resp"], read["upload_chunk_finalize_resp"]
    job = job_of(Draft(ContentKind.VIDEO, "A film", media=(publishing.FILM,)))
    steps = TwitterPublishing()
    first = ok(await steps.step(access_to(), job))
    sent = ok(await steps.step(access_to(begun), replace(job, state=first)))
    assert (sent.stage, sent.facts["id"]) == ("append", begun["data"]["id"])
    for stage, told in (("finalize", done), ("status", read["upload_chunk_status_resp"])):
        at = replace(job, state=replace(sent, stage=stage))
        ready = ok(await steps.step(access_to(told), at))
        assert (ready.stage, ready.decisive, ready.facts["ids"]) == ("post", True, [begun["data"]["id"]])
    made = json.loads((RECORDED / "apis" / "tweet" / "create_tweet_resp.json").read_text())
    out = ok(await steps.step(access_to(made), replace(job, state=ready)))
    assert out.external_id == made["data"]["id"]


def access_to(*documents: object) -> Access:
    class Way(Answers):
        def now(self) -> datetime:
            return datetime.now(UTC)

    app = PlatformApp("a", "twitter", "c", Secret("s"), ())
    return Access(Way(*(answer(200, document) for document in documents)), app, Secret("t"), "1")
