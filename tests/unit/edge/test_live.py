"""The live WebSocket over a real server and client: who may listen, and what they hear."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import connect

import api.live
from actors.runtime.envelope import Envelope
from api.auth import REVOKED_WITHIN_S
from storage.crypto import Keyring
from storage.mongo.identity import Role
from storage.records import StreamId
from tests.unit.edge.doubles import until
from tests.unit.edge.live_world import (
    MINE,
    OTHERS,
    RECHECK_S,
    World,
    closed,
    event,
    hear,
    numbers,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one server for all tests


# -- who may listen -------------------------------------------------------------------------------------
async def test_a_token_in_the_header(world: World) -> None:
    async with world.listen() as client:
        assert await hear(client) == {"type": "ready", "id": "0-0"}
        await world.publish(event(1))
        heard = await hear(client)
        assert heard["type"] == "event"
        assert heard["event"] == event(1)
        assert StreamId.parse(heard["id"]) > StreamId(0, 0)


async def test_a_token_in_the_first_message(world: World) -> None:
    async with connect(world.url) as client:
        await client.send(json.dumps({"type": "auth", "token": world.token()}))
        assert (await hear(client))["type"] == "ready"


async def test_a_token_in_the_query(world: World) -> None:
    async with connect(f"{world.url}?token={world.token()}") as client:
        assert (await hear(client))["type"] == "ready"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "token": "guessed"}, 4401),
        ({"type": "auth", "token": ""}, 4401),
        ({"type": "subscribe"}, 4401),
        ({"type": "auth"}, 1008),
        ({"type": "auth", "token": "x", "more": 1}, 1008),
        ({"type": "unheard_of"}, 1008),
        ([1], 1008),
    ],
)
async def test_a_bad_first_message(world: World, first: Any, code: int) -> None:
    async with connect(world.url) as client:
        await client.send(json.dumps(first))
        assert await closed(client) == code


@pytest.mark.parametrize("first", ["not json", '{"type":"auth",', "", b"\xff\x00 binary"])
async def test_a_first_message_that_is_not_json(world: World, first: str | bytes) -> None:
    async with connect(world.url) as client:
        await client.send(first)
        assert await closed(client) == 1008


async def test_a_message_too_large(world: World) -> None:
    async with world.listen() as client:
        await client.send("x" * 20_000)
        assert await closed(client) == 1009


async def test_nothing_said_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.AUTH_TIMEOUT_S", 0.01)
    async with connect(world.url) as client:
        assert await closed(client) == 4401


async def test_an_expired_token_ends_the_connection(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.clock.advance(25 * 3600)
        assert await closed(client) == 4401
        assert world.hub._clients == {}


async def test_a_revoked_token_ends_the_connection(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.revocations.revoked["org_a", "creator"] = world.clock.now() + timedelta(seconds=1)
        world.clock.advance(3)
        assert await closed(client) == 4401


async def test_the_time_between_two_checks_is_part_of_what_a_revoked_token_has_left(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.revocations.revoked["org_a", "creator"] = world.clock.now() + timedelta(seconds=1)
        world.clock.advance(REVOKED_WITHIN_S - RECHECK_S * 1.5)
        await asyncio.sleep(RECHECK_S * 3)
        await world.publish(event(1))
        assert numbers([await hear(client)]) == [1]
        world.clock.advance(RECHECK_S)
        assert await closed(client) == 4401
    assert 0 < api.live.RECHECK_S < REVOKED_WITHIN_S


async def test_mongo_away_ends_nothing_but_admits_nobody(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        world.revocations.away = True
        world.clock.advance(60)
        refused = world.revocations.reads
        await until(lambda: world.revocations.reads >= refused + 2)
        await world.publish(event(1))
        assert numbers([await hear(client)]) == [1]
        async with world.listen() as another:
            assert await closed(another) == 1013


# -- what they hear -------------------------------------------------------------------------------------
async def test_an_org_hears_only_itself(world: World) -> None:
    async with world.listen() as a, world.listen(token=world.token("org_b")) as b:
        await hear(a)
        await hear(b)
        await world.publish(event(1) | {"org": "org_b"}, org="org_b")
        await world.publish(event(2))
        assert numbers([await hear(a)]) == [2]
        assert numbers([await hear(b)]) == [1]


async def test_a_snapshot_has_its_own_message(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        await world.publish(event(1, "CampaignMetrics", "cmp_1", clicks=5))
        heard = await hear(client)
        assert heard["type"] == "snapshot"
        assert heard["campaign"] == {"n": 1, "clicks": 5}


async def test_a_creator_hears_only_own_accounts(world: World) -> None:
    async with world.listen(token=world.token(role=Role.CREATOR)) as client:
        await hear(client)
        await world.publish(event(1, source=OTHERS))
        await world.publish(event(2, "CampaignMetrics", "cmp_1"))
        await world.publish(event(3, "CampaignLaunched", "cmp_1"))
        await world.publish(event(4, source=MINE))
        assert numbers([await hear(client)]) == [4]
        world.own["creator"] = frozenset({OTHERS})
        known = world.own_reads
        await until(lambda: world.own_reads > known)
        await world.publish(event(5, source=MINE))
        await world.publish(event(6, source=OTHERS))
        assert numbers([await hear(client)]) == [6]


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"topics": ["content-events"]}, [2]),
        ({"topics": ["campaign-events", "social-events"]}, [1, 3, 4]),
        ({"types": ["rookery.ContentEngaged", "CampaignMetrics"]}, [2, 4]),
        ({"topics": ["content-events"], "types": ["CampaignLaunched"]}, []),
        ({"campaign_id": "cmp_1"}, [3, 4, 5]),
        ({"campaign_id": "cmp_1", "types": ["LinkClicked"]}, [5]),
        ({"campaign_id": "cmp_2"}, []),
        ({"topics": []}, []),
    ],
)
async def test_a_filter(world: World, wanted: dict[str, Any], heard: list[int]) -> None:
    async with world.listen() as client:
        await hear(client)
        await client.send(json.dumps({"type": "subscribe"} | wanted))
        assert await hear(client) == {"type": "subscribed"}
        await world.publish(event(1))
        await world.publish(event(2, "ContentEngaged"))
        await world.publish(event(3, "CampaignLaunched", "cmp_1"))
        await world.publish(event(4, "CampaignMetrics", "cmp_1"))
        await world.publish(event(5, "LinkClicked", "link0001", campaign_id="cmp_1"))
        await client.send('{"type":"subscribe"}')
        found = []
        while (message := await hear(client))["type"] != "subscribed":
            found.append(message["event"]["data"]["n"] if "event" in message else message["campaign"]["n"])
        assert found == heard


async def test_a_type_of_newer_code_disturbs_nobody(world: World) -> None:
    async with world.listen() as everything, world.listen() as topical:
        await hear(everything)
        await hear(topical)
        await topical.send('{"type":"subscribe","topics":["social-events"]}')
        await hear(topical)
        await world.publish(event(1, "InventedLater"))
        await world.publish(event(2))
        assert numbers([await hear(everything), await hear(everything)]) == [1, 2]
        assert numbers([await hear(topical)]) == [2]


async def test_an_entry_of_another_key_is_skipped(world: World) -> None:
    async with world.listen() as client:
        await hear(client)
        stranger = Envelope(Keyring.generate(), 64)
        await world.feed.publish_live([("org_a", stranger.seal_event(event(1)))])
        await world.publish(event(2))
        assert numbers([await hear(client)]) == [2]
        assert world.metrics.counts[("live_entries_unreadable",)] == 1


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "topics": ["gossip"]},
        {"type": "subscribe", "types": ["Gossip"]},
        {"type": "subscribe", "colour": "red"},
        {"type": "auth", "token": "again"},
    ],
)
async def test_a_message_not_understood(world: World, message: dict[str, Any]) -> None:
    async with world.listen() as client:
        await hear(client)
        await client.send(json.dumps(message))
        assert await closed(client) == 1008


async def test_silence_is_filled_with_pings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.PING_S", 0.01)
    async with world.listen() as client:
        await hear(client)
        assert await hear(client) == {"type": "ping"}
