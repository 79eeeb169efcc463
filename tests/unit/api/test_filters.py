"""Every filter of every list, found by walking the OpenAPI document, so that none can be forgotten."""

from typing import Any

from actors.account.documents import content_document, remark_document
from actors.account.publishing.publication import Action, Publication, publication_document
from actors.consumers import EventLog
from domain.content import ContentItem, ContentKind, Person, Remark, RemarkKind, Text
from domain.engagement import Tally
from domain.events import Event, EventType, Topic, cloud_events, topic_of
from domain.ids import EntityKey, Kind
from storage.mongo.schema import FEEDS
from tests.fakes.documents import FakeSideStore
from tests.unit.api.conftest import World
from tests.unit.api.test_policy import ROUTES, address
from tests.unit.api.things import make_things

PAGING = {"limit", "cursor"}
NO_FIELD = {("list_events", "topic")}  # a group of types: an event does not say which it is in


async def add_event(world: World, account: str) -> None:
    key = EntityKey(Kind.ACCOUNT, account)
    event = Event(EventType.SOCIAL_ACCOUNT_CHANGED, {"what": "paused"})
    envelope = cloud_events([event], key, world.ours.id, 7, world.clock.now())[0]
    await EventLog(world.sides).handle(topic_of(event.type), [envelope])


async def test_a_filter_is_named_as_the_field_it_selects_by_and_takes_its_value(world: World) -> None:
    things = await make_things(world, world.ours, "1")
    await add_event(world, things.account)
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    walked = set()
    for method, path, name in ROUTES:
        query = [p["name"] for p in paths[path][method.lower()].get("parameters", ()) if p["in"] == "query"]
        if method != "GET" or "limit" not in query:
            continue
        by = world.operators.admin if name == "list_parked" else world.ours.admin
        where = address(path, name, things)
        for filter_ in set(query) - PAGING:
            values: Any = [topic_of(EventType.SOCIAL_ACCOUNT_CHANGED)]
            if (name, filter_) not in NO_FIELD:
                items = (await world.call("GET", where, by)).json()["items"]
                assert items and all(filter_ in item for item in items), (name, filter_)
                values = {item[filter_] for item in items} - {None}
            for value in values:
                found = await world.call("GET", where, by, params={filter_: value})
                assert found.status_code == 200, (name, filter_, found.text)
                kept = found.json()["items"]
                assert kept, (name, filter_)
                assert (name, filter_) in NO_FIELD or {item[filter_] for item in kept} == {value}
            walked.add((name, filter_))
    assert walked >= NO_FIELD and len(walked) > len(NO_FIELD)


async def test_what_a_store_filters_by_is_a_field_of_what_is_written(world: World) -> None:
    await make_things(world, world.ours, "1")
    brought = {name: world.sides.all(name)[-1] for name in FEEDS if world.sides.all(name)}
    now = world.clock.now()
    seal = world.services.keys.seal.seal
    item = ContentItem("900", ContentKind.PHOTO, text=Text("words"), payload=b"{}")
    remark = Remark("c1", RemarkKind.COMMENT, Person("77"), Text("words"), payload=b"{}")
    sides = FakeSideStore()
    envelope = cloud_events([Event(EventType.LINK_CLICKED, {})], EntityKey(Kind.LINK, "l"), "o", 1, now)[0]
    await EventLog(sides).handle(Topic.COMMERCE, [envelope])
    written = brought | {
        "social_content": content_document(
            "a", "o", "twitter", item, None, Tally(), now, seal, commerce=False
        ),
        "social_comments": remark_document("a", "o", "twitter", remark, False, now, seal),
        "social_publications": publication_document(
            "a", "o", "twitter", Publication("pub_1", Action.DELETE, now), "grp_1", "usr_1", None, now, seal
        ),
        "events": (await sides.load_many("events", [envelope["id"]]))[envelope["id"]],
    }
    assert written.keys() == FEEDS.keys()
    for collection, feed in FEEDS.items():
        assert {feed.by, *feed.filters} <= written[collection].keys(), collection
