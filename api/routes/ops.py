"""For operating: where things live and how they are, placement, dead letters."""

import asyncio
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Response
from pydantic import Field

from actors.budget.entity import LARGEST_LIMIT
from actors.runtime.entity import Message
from actors.runtime.envelope import stream_of
from api.access import Caller, Svc, entity_key, kind_of, own_dead_letter, own_view
from api.auth import Principal
from api.commands import Command, with_etag
from api.paging import CursorText, Limit, cursor_invalid, decode_cursor
from api.schemas import Body, Json
from api.services import Services
from api.views import entity_page
from domain.errors import Conflict, Invalid, RookeryError
from domain.ids import EntityKey, Kind, external_partition
from storage.mongo.schema import ENTITIES
from storage.records import DeadLetter, Document, Mail
from storage.sealed import resealed

log = structlog.get_logger()

router = APIRouter(prefix="/v1/ops", tags=["ops"])
LetterId = Annotated[str | None, Query(max_length=600, description="`next_cursor` of the page before.")]


@router.get("/hosts")
async def list_hosts(services: Svc) -> Json:
    """Every host of the deployment: its partitions, activations, held entities, build."""
    return {"items": await services.owners.hosts()}


@router.get("/partitions")
async def list_partitions(services: Svc) -> Json:
    """Every partition: its host, epoch and lag."""
    return {"items": await services.owners.partitions()}


class Scale(Body):
    hosts: int = Field(ge=1, le=1024, description="At most one per partition.")


@router.get("/scale")
async def get_scale(services: Svc) -> Json:
    """How many hosts are wanted, how many own something, and how many partitions have yet to move."""
    return await services.owners.scaling()


@router.post("/scale", status_code=202)
async def scale_hosts(body: Scale, services: Svc) -> Json:
    """Have so many hosts from now on. Partitions move one by one, while everything goes on."""
    return await services.owners.scale(body.hosts)


@router.get("/parked")
async def list_parked(services: Svc, limit: Limit = 50) -> Json:
    """External accounts that webhooks arrive for although nobody connected them, and how many."""
    counts = await services.parking.counts(limit)
    return {"items": [{"target": target, "parked": n} for target, n in counts.items()]}


class SharedLimit(Body):
    """A limit that the platform gave to the application, where no header tells it."""

    budget: str = Field(max_length=128, description="As the list names it: `platform.application id`.")
    pool: str = Field(max_length=64)
    limit: int = Field(ge=1, le=LARGEST_LIMIT)


@router.get("/budgets")
async def list_app_budgets(services: Svc, limit: Limit = 50, cursor: CursorText = None) -> Json:
    """What all accounts of a platform application share: limits, what is used, leased to whom, resets."""
    return await entity_page(services, Kind.BUDGET, "", limit, decode_cursor(cursor))


@router.put("/budgets")
async def set_app_limit(body: SharedLimit, response: Response, services: Svc, command: Command) -> Json:
    """Tell a limit that no header tells: it holds from the next lease on."""
    key = entity_key(Kind.BUDGET, body.budget)
    return with_etag(response, await command.send(key, "set_limit", body.model_dump(exclude={"budget"})))


@router.get("/entities/{kind}/{id}")
async def inspect_entity(kind: str, id: str, services: Svc, caller: Caller) -> Json:
    """Where an entity lives, its version, watermark, outbox, next due time, and its state."""
    return await services.owners.inspect(await _own_key(services, caller, kind, id))


@router.post("/entities/{kind}/{id}/isolate")
async def isolate_entity(kind: str, id: str, services: Svc, caller: Caller) -> Json:
    """Give it an actor of its own, with its own row, log and metrics in the Ray dashboard."""
    return await services.owners.place(await _own_key(services, caller, kind, id), "dedicated")


@router.post("/entities/{kind}/{id}/release")
async def release_entity(kind: str, id: str, services: Svc, caller: Caller) -> Json:
    """Back into the host of its partition."""
    return await services.owners.place(await _own_key(services, caller, kind, id), "shared")


@router.post("/entities/{kind}/{id}/pause")
async def pause_entity(
    kind: str, id: str, response: Response, services: Svc, caller: Caller, command: Command
) -> Json:
    """Pause an account or a campaign."""
    key = await _own_key(services, caller, kind, id)
    if key.kind not in (Kind.ACCOUNT, Kind.CAMPAIGN):
        raise Invalid("not_pausable", "Only accounts and campaigns can be paused.", field="kind")
    return with_etag(response, await command.send(key, "pause"))


@router.get("/dead-letters")
async def list_dead_letters(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: LetterId = None,
) -> Json:
    """Messages that could not be applied, newest first. What they say stays sealed."""
    if cursor is not None:
        last = await services.dead_letters.get(cursor)
        if last is None or last.org != caller.org:
            raise cursor_invalid()
    letters = await services.dead_letters.list(caller.org, limit, cursor)
    return {
        "items": [_letter_json(letter) for letter in letters],
        "next_cursor": letters[-1].id if len(letters) == limit else None,
    }


@router.get("/dead-letters/{letter_id}")
async def get_dead_letter(letter_id: str, services: Svc, caller: Caller) -> Json:
    return _letter_json(await own_dead_letter(services, caller, letter_id))


@router.post("/dead-letters/{letter_id}/replay", status_code=202)
async def replay_dead_letter(letter_id: str, services: Svc, caller: Caller) -> Json:
    """Put the message back into its entity's mailbox. Replaying one letter twice has one effect."""
    letter = await own_dead_letter(services, caller, letter_id)
    await services.mailboxes.tell([_replayed(letter, services.envelope.partitions)])
    now = services.clock.now()
    await services.dead_letters.mark_replayed(letter.id, now)
    return _letter_json(letter) | {"replayed_at": now.isoformat()}


class Owned(Body):
    """Entities of one kind, of whatever orgs."""

    kind: str
    ids: list[str] = Field(min_length=1, max_length=50)
    key: str = Field(description="The id of the key that the caller takes for the active one.")


@router.post("/keys/reseal")
async def reseal_entities(body: Owned, services: Svc) -> Json:
    """Have the owners of these entities put what they keep sealed under the active key."""
    kind = kind_of(body.kind)
    ring = services.keys.seal
    ring.look(True)
    if ring.active != body.key:
        raise Conflict(
            "key_not_active",
            f"The service seals with key {ring.active}: copy the key file to every node, then seal anew.",
        )
    found = await services.entity_store.load_many([entity_key(kind, id_) for id_ in body.ids])
    sealed = await asyncio.gather(*(_reseal(services, key, document) for key, document in found.items()))
    return {"sealed": sum(n or 0 for n in sealed), "unanswered": sum(n is None for n in sealed)}


async def _reseal(services: Services, key: EntityKey, document: Document) -> int | None:
    """How many values the owner was given anew; None when it did not take them."""
    values = resealed(services.keys.seal, ENTITIES[key.kind], document)
    if not values:
        return 0
    # Repeating is harmless: the owner exchanges only what is still as it was read here.
    id_ = f"reseal:{services.keys.seal.active}:{document['version']}"
    pairs = [[value.old, value.new] for value in values]
    try:
        await services.owners.ask(key, Message("reseal", {"pairs": pairs}, id_))
    except RookeryError as refused:
        log.warning("keys.not_resealed", key=str(key), code=refused.code)
        return None
    return len(values)


async def _own_key(services: Services, caller: Principal, kind: str, id: str) -> EntityKey:
    found = kind_of(kind)
    await own_view(services, caller, found, id)
    return EntityKey(found, id)


def _replayed(letter: DeadLetter, partitions: int) -> tuple[str, Mail]:
    """To the one entity that could not apply it, under an id of its own: the first one counts as seen."""
    event_id = f"replay_of:{letter.id}"
    try:
        key = EntityKey.parse(letter.entity)
    except ValueError:  # it never got as far as an entity: `platform:external id`
        platform, _, external_id = letter.entity.partition(":")
        stream = stream_of(Kind.ACCOUNT, external_partition(platform, external_id, partitions))
        return stream, Mail(letter.entity, event_id, letter.sealed_body)
    return stream_of(key.kind, key.partition(partitions)), Mail(key.id, event_id, letter.sealed_body)


def _letter_json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "entity": letter.entity,
        "event_id": letter.event_id,
        "reason": letter.reason,
        "failed_at": letter.failed_at.isoformat(),
        "replayed_at": letter.replayed_at.isoformat() if letter.replayed_at else None,
    }
