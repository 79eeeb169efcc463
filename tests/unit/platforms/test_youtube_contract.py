"""What the adapter asks and the sandbox answers, against Google's own discovery documents."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from jsonschema import Draft202012Validator

from domain.clock import SystemClock
from domain.content import ContentKind, MediaKind
from domain.live import BroadcastStatus
from domain.publishing import Draft, DraftMedia, Published, PublishState
from domain.secrets import Secret
from platforms.capabilities import Access, PublishJob
from platforms.http import PlatformHttp, make_client
from platforms.youtube.adapter import YouTube
from sandbox.app import Sandbox
from tests.unit.platforms.support import Receiver, World, app_of, list_all, ok

YT = YouTube()
_FREE = {"alt", "fields", "key", "prettyPrint", "quotaUser", "uploadType", "upload_id", "access_token"}


def document(name: str) -> dict[str, Any]:
    folder = resources.files("googleapiclient") / "discovery_cache" / "documents"
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


class Contract:
    """One discovery document as rules for requests and answers."""

    def __init__(self, name: str) -> None:
        found = document(name)
        self.host = urlsplit(found["rootUrl"]).hostname
        self._schemas = {"$defs": {n: _schema(s) for n, s in found["schemas"].items()}}
        self._methods: dict[tuple[str, str], dict[str, Any]] = {}
        self._collect(found)

    def _collect(self, node: dict[str, Any]) -> None:
        for method in node.get("methods", {}).values():
            self._methods[method["httpMethod"], "/" + method["path"]] = method
            for protocol in method.get("mediaUpload", {}).get("protocols", {}).values():
                self._methods[method["httpMethod"], protocol["path"]] = method
        for inner in node.get("resources", {}).values():
            self._collect(inner)

    def wrong(self, verb: str, path: str, query: dict[str, str], sent: Any, answered: Any) -> list[str]:
        method = self._methods.get((verb, path))
        if method is None:
            return [f"there is no {verb} {path}"]
        known = method.get("parameters", {})
        found = [f"{path}: unknown parameter {name}" for name in set(query) - set(known) - _FREE]
        found += [
            f"{path}: parameter {name} is missing"
            for name, rules in known.items()
            if rules.get("required") and name not in query
        ]
        for name, value in query.items():
            choices = known.get(name, {}).get("enum")
            if choices and value not in choices:
                found.append(f"{path}: {name} cannot be {value}")
        if sent is not None:
            found += self._against(method["request"]["$ref"], sent, f"request to {path}")
        if answered is not None and "response" in method:
            found += self._against(method["response"]["$ref"], answered, f"answer of {path}")
        return found

    def _against(self, schema: str, value: Any, what: str) -> list[str]:
        validator = Draft202012Validator({"$ref": f"#/$defs/{schema}"} | self._schemas)
        return [
            f"{what} {'/'.join(map(str, error.path))}: {error.message[:200]}"
            for error in validator.iter_errors(value)
        ]


def _schema(node: Any) -> Any:
    """Discovery is an old draft of JSON Schema: references by bare name, and objects open by nature; here a
    word that Google does not know is a mistake."""
    if isinstance(node, list):
        return [_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    made: dict[str, Any] = {}
    if node.get("type") not in (None, "any"):
        made["type"] = node["type"]
    if "properties" in node:
        made["properties"] = {name: _schema(inner) for name, inner in node["properties"].items()}
        made["additionalProperties"] = False
    elif "additionalProperties" in node:
        made["additionalProperties"] = _schema(node["additionalProperties"])
    if "items" in node:
        made["items"] = _schema(node["items"])
    if "enum" in node:
        made["enum"] = node["enum"]
    if node.get("format") in ("int64", "uint64") and node.get("type") == "string":
        made["pattern"] = "^-?[0-9]+$"
    return made


@dataclass
class Recording(httpx.AsyncBaseTransport):
    inner: httpx.AsyncBaseTransport
    pairs: list[tuple[str, str, dict[str, str], Any, int, Any]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        typed = request.headers.get("content-type", "")
        sent = json.loads(await request.aread()) if typed == "application/json" else None
        response = await self.inner.handle_async_request(request)
        body = await response.aread()
        query = {n: v[0] for n, v in parse_qs(request.url.query.decode(), keep_blank_values=True).items()}
        answered = json.loads(body) if body.startswith(b"{") else None
        self.pairs.append((request.method, request.url.path, query, sent, response.status_code, answered))
        return response


@pytest.fixture
async def recorded() -> AsyncIterator[tuple[World, Recording]]:
    sandbox = Sandbox(seed="contract")
    transport = httpx.ASGITransport(app=sandbox)
    recording = Recording(transport)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as control,
        make_client("http://sandbox.test", recording) as client,
    ):
        yield World(control, PlatformHttp(client, SystemClock()), Receiver()), recording
        await sandbox.close()


async def film(media_id: str, start: int, end: int) -> Any:
    yield b"\0" * (end - start)


class Film:
    def read(self, media_id: str, start: int, end: int) -> Any:
        return film(media_id, start, end)


async def test_every_call_and_answer_is_as_google_describes_it(
    recorded: tuple[World, Recording],
) -> None:
    world, recording = recorded
    account = await world.account("youtube", posts=60)
    access = Access(world.http, app_of(account), Secret(account["access_token"]), account["external_id"])
    ok(await YT.profile(world.http, access.token))
    await list_all(YT, world.http, account, "uploads")
    await list_all(YT, world.http, account, "comments")
    now = datetime.now(UTC)
    ok(await YT.insights.of_account(access, now - timedelta(days=40), now))
    ok(await YT.insights.of_content(access, (await world.content(account))[0]["id"], ContentKind.VIDEO))
    media = (
        DraftMedia("f", MediaKind.VIDEO, "video/mp4", 9000),
        DraftMedia("c", MediaKind.IMAGE, "image/png", 5),
    )
    options = {
        "categoryId": "26",
        "tags": ["a"],
        "privacyStatus": "private",
        "publishAt": "2027-01-01T00:00:00Z",
        "license": "youtube",
        "embeddable": True,
        "selfDeclaredMadeForKids": False,
        "containsSyntheticMedia": False,
        "hasPaidProductPlacement": True,
        "notifySubscribers": False,
        "captions": [{"language": "de", "text": "1\n00:00:00,000 --> 00:00:02,000\nHallo\n"}],
        "defaultLanguage": "de",
    }
    draft = Draft(ContentKind.VIDEO, "Text", "Title", media=media, options=options)
    assert YT.publishing.refusals(draft) == []
    job = PublishJob("k", draft, Film(), PublishState(), now, 30.0)
    while not isinstance(value := ok(await YT.publishing.step(access, job)), Published):
        job = PublishJob("k", draft, Film(), value, now, 30.0)
        if value.stage == "processing":
            await world.ask("POST", "/clock", {"advance_s": 6})
    ok(await YT.publishing.find(access, PublishJob("k", draft, Film(), PublishState(), now, 30.0)))
    assert value.external_id
    ok(await YT.publishing.edit(access, value.external_id, draft))
    ok(await YT.publishing.delete(access, value.external_id))
    broadcast = ok(
        await YT.live.create(
            access, "B", now, {"enableDvr": "true", "latencyPreference": "low", "description": "d"}
        )
    )
    stream = ok(await YT.live.create_stream(access, "S"))
    ok(await YT.live.bind(access, broadcast, stream.external_id))
    await world.act(account, kind="stream", content_id=broadcast)
    ok(await YT.live.transition(access, broadcast, BroadcastStatus.LIVE))
    await world.act(account, kind="chat", text="hi")
    (shown,) = ok(await YT.live.broadcasts(access, None)).items
    ok(await YT.live.chat(access, shown.chat_id or "", None))
    ok(await YT.live.transition(access, broadcast, BroadcastStatus.COMPLETE))

    contracts = [Contract("youtube.v3"), Contract("youtubeAnalytics.v2")]
    by_host = {contract.host: contract for contract in contracts}
    seen, wrong = set(), []
    for verb, path, query, sent, status, answered in recording.pairs:
        _, host, rest = path.split("/", 2)
        if host not in by_host or (verb == "PUT" and "upload" in rest):
            continue
        seen.add((verb, rest))
        answered = answered if status < 300 else None
        wrong += by_host[host].wrong(verb, f"/{rest}", query, sent, answered)
    assert wrong == []
    assert len(seen) > 15, seen
    video = next(a for v, p, _, _, _, a in recording.pairs if v == "PUT" and "upload" in p and a)
    assert contracts[0]._against("Video", video, "video") == []


def test_the_rules_would_find_a_mistake() -> None:
    contract = Contract("youtube.v3")
    query = {"part": "snippet", "mine": "true"}
    assert contract.wrong("GET", "/youtube/v3/channels", query, None, {"items": []}) == []
    assert contract.wrong("GET", "/youtube/v3/channels", {"mine": "true"}, None, None)
    assert contract.wrong("GET", "/youtube/v3/channels", query | {"me": "1"}, None, None)
    assert contract.wrong("GET", "/youtube/v3/channels", query, None, {"item": []})
    wrong_count = {"items": [{"statistics": {"viewCount": 5}}]}
    assert contract.wrong("GET", "/youtube/v3/channels", query, None, wrong_count)
    assert contract.wrong("GET", "/youtube/v3/chanels", query, None, None)
